"""What a journal tells of a transition beside what it came to, in words.

It is read from what `details` noted while the transition ran.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._causality import Source
    from .._engine.mutation import Mutation
    from .details import Raw
    from .log import LogEntry


class JournalDetails(NamedTuple):
    """What an entry of a journal with `details` tells beside. Times in microseconds."""

    what: str
    """transition; or, as an entry of its own that moves no clock, check, blocked (an auto mutation
    of which relations let nothing through), or queued (in a transition, for later)."""
    duration: int = 0
    queue_len: int = 0
    """Mutations that waited when it ended."""
    number: int | None = None
    """Of a mutation that was queued in a transition: the same as queued and when it is executed."""
    lines: tuple[LogEntry, ...] = ()
    """Log lines that were emitted while it ran."""
    handlers: tuple[tuple[str, int], ...] = ()
    """The handlers that were called, in order, and how long all calls of each took."""
    seen: Any = None
    """What `Journal.sees` returned, of what was queued."""


JournalDetails.__module__ = "am_machine"  # as users and pickles know it


class Queued:
    """A mutation that was queued in a transition, as an item of a journal."""

    __slots__ = ("args", "indexes", "kind", "number", "queue_tick", "seen", "source")

    def __init__(
        self, mutation: Mutation, number: int, args: Mapping[str, Any], seen: object
    ) -> None:
        self.kind = str(mutation.kind)
        self.indexes = mutation.indexes
        self.source: Source | None = mutation.source
        self.queue_tick = mutation.queue_tick
        self.number = number
        self.args = args
        self.seen = seen


def details_of(what: str, raw: Raw) -> JournalDetails:
    """What was noted, in words."""
    began, ended, queue_len, number, lines, ran = raw
    handlers: tuple[tuple[str, int], ...]
    if len(ran) == 1:
        ((name, seconds),) = ran
        handlers = ((name, int(seconds * 1e6)),)
    else:
        summed: dict[str, int] = {}
        for name, seconds in ran:
            summed[name] = summed.get(name, 0) + int(seconds * 1e6)
        handlers = tuple(summed.items())
    duration = int((ended - began) * 1e6)
    told = (what, duration, queue_len, number, tuple(lines), handlers, None)
    # Not by JournalDetails(…), which takes four times as long.
    found: JournalDetails = tuple.__new__(JournalDetails, told)
    return found
