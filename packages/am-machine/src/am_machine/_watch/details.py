"""What a journal may be told of a transition beside what it came to: how long it and its handlers
took, its log lines, and what was queued meanwhile.

The machine leaves numbers and names as they come up; they are put into words by whoever reads.
"""

from __future__ import annotations

from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._causality import Source
    from .._engine.mutation import Mutation
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


# When it began and ended, what waited then, its number, lines, calls of handlers with seconds.
Raw: TypeAlias = "tuple[float, float, int, int | None, list[LogEntry], list[tuple[str, float]]]"
# What was queued and is remembered until it is executed; the oldest are forgotten.
MAX_NUMBERS = 20_000
_numbers = count(1)


class Noting:
    """Notes what happens while a transition runs, on the machine's own stack."""

    __slots__ = ("_last_start", "began", "lines", "numbers", "ran")

    def __init__(self) -> None:
        # 0: what runs now began before anybody asked.
        self.began = 0.0
        self.lines: list[LogEntry] = []
        self.ran: list[tuple[str, float]] = []
        self.numbers: dict[int, tuple[Mutation, int]] = {}
        self._last_start = 0.0

    def begin(self) -> None:
        """A transition begins."""
        self.lines = []
        self.ran = []
        self.began = perf_counter()

    def took(self, name: str, start: float, elapsed: float) -> None:
        """A handler returned; `start` is by `perf_counter`, as all seconds here."""
        self._last_start = start
        self.ran.append((name, elapsed))

    def failed(self, name: str, start: float) -> None:
        """A handler that began then raised, or what it returned was refused."""
        if start and start != self._last_start:
            self.took(name, start, perf_counter() - start)

    def number_of(self, mutation: Mutation) -> int:
        """A mutation was queued: give it a number."""
        number = next(_numbers)
        self.numbers[id(mutation)] = mutation, number
        while len(self.numbers) > MAX_NUMBERS:
            del self.numbers[next(iter(self.numbers))]
        return number

    def end(self, mutation: Mutation | None, queue_len: int) -> Raw | None:
        """The transition ends; what was noted of it."""
        began, self.began = self.began, 0.0
        if not began:
            return None
        number = None
        if self.numbers and mutation is not None:
            number = self.numbers.pop(id(mutation), (None, None))[1]
        return began, perf_counter(), queue_len, number, self.lines, self.ran


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
