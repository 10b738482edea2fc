"""What is noted of a transition beside what it came to, for journals that tell it: how long it and
its handlers took, its log lines, and what was queued meanwhile.

The machine leaves numbers and names as they come up; they are put into words by whoever reads.
"""

from __future__ import annotations

from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .._engine.mutation import Mutation
    from .log import LogEntry


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
