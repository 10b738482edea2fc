"""A machine's exporter as plain objects: it says what it does in messages, and remembers it all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from am_debugger._store.layout import Flag
from am_telemetry import dbg

from .messages import mach, schema

NAMES = ("Start", "Ready", "Work", "Done", "Heartbeat", "Exception")
MORE_NAMES = (*NAMES, "Late", "Later")


def schema_of(names: tuple[str, ...] = NAMES) -> dbg.SchemaDef:
    """Done needs Work, Exception is multi; one group."""
    work, done = names.index("Work"), names.index("Done")
    return schema(
        names,
        groups=(("Flow", (work, done)),),
        Done={"require": (work,), "tags": ("dbg:quiet",)},
        Exception={"multi": True},
    )


@dataclass
class Row:
    """One transition as it was."""

    sent: dbg.Tx
    names: tuple[str, ...]
    before: list[int]
    after: list[int]
    gains: dict[int, int]
    is_after_gap: bool = False


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
        # Numbers of mutations that were queued and not executed yet.
        self.waiting: list[int] = []
        self.announce()

    def announce(self, **more: Any) -> Any:
        """Send schema and machine."""
        sent = schema_of(self.names)
        self.link.schema(sent)
        told = mach(self.handle, self.id, sent, **{"time": tuple(self.ticks), **more})
        self.client = self.link.machine(told)
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
        self.link.take(dbg.Drop(self.handle, 1, 5), 0)

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
        source: tuple[str, bytes, int] | None = None,
        **rest: Any,
    ) -> Row:
        """A transition happens, and is sent."""
        before = list(self.ticks)
        for i, gained in gains.items():
            self.ticks[i] += gained
        clock = None
        if flags & Flag.KEYFRAME or self.has_lost:
            flags |= Flag.KEYFRAME
            clock = tuple(before)
        flat = tuple([part for pair in gains.items() for part in pair])
        where = (int(flags), tuple(called), flat, queue_tick, source)
        sent = dbg.Tx(self.new_id(), time, kind, *where, clock=clock, **rest)
        is_after_gap, self.has_lost = self.has_lost, False
        row = Row(sent, self.names, before, list(self.ticks), gains, is_after_gap)
        self.rows.append(row)
        self.link.transition(self.handle, sent)
        return row
