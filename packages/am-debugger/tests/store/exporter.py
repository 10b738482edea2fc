"""A machine's exporter as plain objects: it says what it does in messages, and remembers it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from am_debugger._store.layout import Flag

NAMES = ("Start", "Ready", "Work", "Done", "Heartbeat", "Exception")
MORE_NAMES = (*NAMES, "Late", "Later")
PROCESS = {"id": "p1", "pid": 7, "host": "here", "argv0": "prog", "lib": "0.2.0"}


def wire_schema(names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """A schema as sent: Done needs Work, Exception is multi; two groups."""
    states = {name: {} for name in names}
    states["Done"] = {"require": [names.index("Work")], "tags": ["dbg:quiet"]}
    states["Exception"] = {"multi": True}
    groups = [["Flow", [names.index("Work"), names.index("Done")]]]
    return {"names": list(names), "states": states, "groups": groups}


@dataclass
class Row:
    """One transition as it was."""

    wire: list[Any]
    names: tuple[str, ...]
    before: list[int]
    after: list[int]
    is_after_gap: bool = False
    values: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


class Exporter:
    """Sends what it does to a link, and remembers it as a list of objects."""

    def __init__(self, link: Any, id: str = "m1", handle: int = 1) -> None:
        self.link = link
        self.id = id
        self.handle = handle
        self.names = NAMES
        self.ticks = [0] * len(NAMES)
        self.rows: list[Row] = []
        self.count = 0
        self.has_lost = False
        self.announce()

    def announce(self, *, handlers: tuple[str, ...] = (), **more: Any) -> Any:
        """Send schema and machine."""
        ident = b"schema%d" % len(self.names)
        self.link.schema(ident, wire_schema(self.names))
        told = {
            "id": self.id,
            "hash": ident,
            "time": list(self.ticks),
            "handlers": list(handlers),
            "queue_tick": 1,
        }
        self.client = self.link.machine(self.handle, {**told, **more})
        return self.client

    def grow(self) -> None:
        """Two states more."""
        if self.names is NAMES:
            self.names = MORE_NAMES
            self.ticks += [0, 0]
            self.announce()

    def lose(self, gains: dict[int, int]) -> None:
        """A transition happened that is not sent."""
        for i, gained in gains.items():
            self.ticks[i] += gained
        self.count += 1
        self.has_lost = bool(gains) or self.has_lost
        self.link.lost(self.handle, 1, 5)

    def new_id(self) -> bytes:
        """The id of the next transition."""
        self.count += 1
        return b"%02d%06d" % (self.handle, self.count)

    def do(
        self,
        called: list[int],
        gains: dict[int, int],
        *,
        time: int = 0,
        kind: int = 0,
        flags: int = Flag.ACCEPTED,
        queue_tick: int = 0,
        source: list[Any] | None = None,
        rest: list[Any] | None = None,
    ) -> Row:
        """A transition happens, and is sent."""
        flat = [part for pair in gains.items() for part in pair]
        before = list(self.ticks)
        for i, gained in gains.items():
            self.ticks[i] += gained
        diff: list[Any] = flat
        if flags & Flag.KEYFRAME or self.has_lost:
            flags |= Flag.KEYFRAME
            diff = [before, flat]
        ident = self.new_id()
        wire = [ident, time, kind, int(flags), called, diff, queue_tick, source, *(rest or ())]
        is_after_gap, self.has_lost = self.has_lost, False
        values = {
            "id": ident,
            "time": time,
            "kind": ("add", "remove", "set")[kind],
            "flags": flags,
            "called": tuple(called),
            "gains": dict(gains),
            "queue_tick": queue_tick,
            "source": source,
            "rest": rest or [],
        }
        row = Row(wire, self.names, before, list(self.ticks), is_after_gap, values)
        self.rows.append(row)
        self.link.transition(self.handle, wire)
        return row
