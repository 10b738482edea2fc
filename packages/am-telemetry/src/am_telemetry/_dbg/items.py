"""What an outbox holds: entries of a machine in a row, and markers of what was between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgpack  # type: ignore[import-untyped]

from .codec import pack
from .messages import KEYFRAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._hub import MachineLink


class Position:
    """A place in the entries of a machine: the clock there, and the handlers bound there."""

    __slots__ = ("clock", "handlers")

    def __init__(self, clock: Iterable[int], handlers: tuple[str, ...]) -> None:
        self.clock = list(clock)
        self.handlers = handlers

    def move(self, run: Run) -> None:
        """Go past entries."""
        if run.after is not None:
            self.clock = list(run.after)
            return
        clock = self.clock
        for changes in run.changes:
            for i, gained in changes:
                try:
                    clock[i] += gained
                except IndexError:  # the schema grew
                    clock += [0] * (i + 1 - len(clock))
                    clock[i] += gained

    def copy(self) -> Position:
        """The same place, to go on from."""
        return Position(self.clock, self.handlers)


class Track:
    """One machine in an outbox."""

    __slots__ = (
        "base", "cursor", "entries", "h", "is_gone", "is_known", "link", "needs_keyframe",
        "rebound", "since_keyframe", "tail_handlers",
    )  # fmt: skip

    def __init__(self, link: MachineLink, clock: Iterable[int]) -> None:
        self.link = link
        self.h = link.number
        # Before the oldest entry that is kept; before the next one to be sent.
        self.base = Position(clock, link.handlers)
        self.cursor = self.base.copy()
        self.tail_handlers = link.handlers
        # The latest change of handlers, as long as no entry came after it.
        self.rebound: Rebound | None = None
        # Entries kept.
        self.entries = 0
        self.needs_keyframe = True
        self.since_keyframe = 0
        # Whether this connection was told of the machine.
        self.is_known = False
        self.is_gone = False


class Run:
    """Entries of one machine in a row: their wire forms with the handle, what each changed, and the
    clock after them where that is known, which saves to work it out."""

    __slots__ = ("after", "changes", "track", "wires")

    def __init__(
        self,
        track: Track,
        wires: list[bytes],
        changes: list[Changes],
        after: Sequence[int] | None = None,
    ) -> None:
        self.track = track
        self.wires = wires
        self.changes = changes
        self.after = after

    def __len__(self) -> int:
        return len(self.wires)

    def split(self, at: int) -> tuple[Run, Run]:
        """The first so many, and the others."""
        wires, changes = self.wires, self.changes
        first = Run(self.track, wires[:at], changes[:at])
        return first, Run(self.track, wires[at:], changes[at:], self.after)


class Gap:
    """Here so many entries of a machine were lost; afterwards its clock is this."""

    __slots__ = ("at", "clock", "count", "track")

    def __init__(self, track: Track, count: int, at: int, clock: Sequence[int]) -> None:
        self.track = track
        self.count = count
        self.at = at
        self.clock = list(clock)


class Rebound:
    """From here on the machine has these handlers."""

    __slots__ = ("handlers", "track")

    def __init__(self, track: Track, handlers: tuple[str, ...]) -> None:
        self.track = track
        self.handlers = handlers


class Ended:
    """Here the machine is gone."""

    __slots__ = ("at", "track")

    def __init__(self, track: Track, at: int) -> None:
        self.track = track
        self.at = at


Changes: TypeAlias = "Sequence[tuple[int, int]]"
Item: TypeAlias = Run | Gap | Rebound | Ended


def keyframe(wire: bytes, clock: Sequence[int]) -> bytes:
    """An entry with the clock before it."""
    h, fields = msgpack.unpackb(wire)
    fields[3] |= KEYFRAME
    fields[5] = [clock, fields[5]]
    return pack([h, fields])
