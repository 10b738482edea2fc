"""Log lines of a machine that belong to no transition."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import NamedTuple

from .search import SearchColumn

_EMPTY_BYTES = 600


class OuterLine(NamedTuple):
    """A line that was told after transition `after` (0: before the first)."""

    after: int
    time: int
    """Microseconds since 1970."""
    level: int
    text: str


class OuterLog:
    """Lines in the order in which they came, as columns; positions count from 0."""

    __slots__ = ("_after", "_ends", "_levels", "_texts", "_times")

    def __init__(self) -> None:
        self._after = array("Q")
        self._times = SearchColumn()
        self._levels = bytearray()
        self._texts = bytearray()
        self._ends = array("Q")

    def append(self, after: int, time: int, level: int, text: str) -> None:
        """Add a line that came after transition `after`."""
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
        gone = len(self) - len(kept)
        for slot in self.__slots__:
            setattr(self, slot, getattr(kept, slot))
        return gone

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return _EMPTY_BYTES + 17 * len(self._ends) + self._times.nbytes + len(self._texts)
