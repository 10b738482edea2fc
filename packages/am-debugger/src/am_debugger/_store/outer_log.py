"""Log lines of a machine that belong to no transition."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import NamedTuple

from .search import SearchColumn

_EMPTY_BYTES = 600
# Lines that may still be moved behind a transition: those of some ticks of a program's exporter.
# Each transition looks at them, so there must not be many, whatever times are sent.
_MOST_LOOSE = 256


class OuterLine(NamedTuple):
    """A line that was told after transition `after` (0: before the first)."""

    after: int
    time: int
    """Microseconds since 1970."""
    level: int
    text: str


class OuterLog:
    """Lines in the order in which they came, as columns; positions count from 0."""

    __slots__ = ("_after", "_ends", "_levels", "_loose", "_texts", "_times", "revision")

    def __init__(self) -> None:
        self._after = array("Q")
        self._times = SearchColumn()
        self._levels = bytearray()
        self._texts = bytearray()
        self._ends = array("Q")
        # How many of the last lines may have overtaken transitions that are still to come.
        self._loose = 0
        self.revision = 0
        """Grows with each change."""

    def append(
        self, after: int, time: int, level: int, text: str, *, is_loose: bool = False
    ) -> None:
        """Add a line that came after transition `after`; one that `is_loose` may have come too
        early, see `passed`."""
        self.revision += 1
        self._loose = min(self._loose + 1, _MOST_LOOSE) if is_loose else 0
        self._texts += text.encode("utf-8", "replace")
        self._after.append(after)
        self._times.append(time)
        self._levels.append(level)
        self._ends.append(len(self._texts))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, position: int) -> OuterLine:
        start = self._ends[position - 1] if position else 0
        text = self._texts[start : self._ends[position]].decode("utf-8", "replace")
        time = self._times.shown[position]
        return OuterLine(self._after[position], time, self._levels[position], text)

    @property
    def is_loose(self) -> bool:
        """Whether lines may have overtaken transitions that are still to come."""
        return self._loose > 0

    def passed(self, number: int, time: int) -> None:
        """A transition came: of the loose lines, those that were told when it was over stand behind
        it, and the others where they are for good. A program tells lines at once, and transitions
        some time later."""
        count = len(self._ends)
        k, first = count, count - self._loose
        while k > first and self._times.shown[k - 1] >= time:
            k -= 1
            self._after[k] = number
        self._loose = count - k
        self.revision += 1

    def between(self, first: int, last: int) -> range:
        """Positions of the lines that came after transitions `first` … `last`."""
        return range(bisect_left(self._after, first), bisect_left(self._after, last + 1))

    def is_older(self, time: int) -> bool:
        """Whether a line was told before a time."""
        return self._times.last_until(time - 1) >= 0

    def drop_before(self, after: int) -> None:
        """Forget the lines that came after transitions before this one."""
        count = bisect_left(self._after, after)
        if not count:
            return
        size = self._ends[count - 1]
        self.revision += 1
        self._loose = min(self._loose, len(self) - count)
        del self._texts[:size], self._after[:count], self._levels[:count]
        self._times.drop(count)
        self._ends = array("Q", [end - size for end in self._ends[count:]])

    def keep(self, wanted: list[bool]) -> int:
        """Forget the lines that are not `wanted`, and return how many."""
        if all(wanted):
            return 0
        kept = OuterLog()
        for position, is_wanted in enumerate(wanted):
            if is_wanted:
                kept.append(*self[position])
        kept.revision += self.revision
        gone = len(self) - len(kept)
        for slot in self.__slots__:
            setattr(self, slot, getattr(kept, slot))
        return gone

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return _EMPTY_BYTES + 17 * len(self._ends) + self._times.nbytes + len(self._texts)
