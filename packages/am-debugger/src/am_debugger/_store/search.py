"""A column of numbers that are nearly sorted, to be searched by bisection."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right


class SearchColumn:
    """Numbers as they came, and for searching the largest so far.

    The second column exists only from the first number that is smaller than one before it.
    Positions count from 0, whatever was dropped in front.
    """

    __slots__ = ("_last", "_sorted", "shown")

    def __init__(self) -> None:
        self.shown = array("q")
        self._sorted = self.shown
        self._last = 0

    def append(self, value: int) -> None:
        """Add a number.

        :raises OverflowError: if it does not fit 64 bits.
        """
        self.shown.append(value)
        if value >= self._last:
            self._last = value
            if self._sorted is not self.shown:
                self._sorted.append(value)
        else:
            self._append_late()

    def append_unsorted(self, value: int) -> None:
        """Add a number that searches pass over."""
        self.shown.append(value)
        self._append_late()

    def _append_late(self) -> None:
        if self._sorted is self.shown:
            self._sorted = self.shown[:-1]
        self._sorted.append(self._last)

    def drop(self, count: int) -> None:
        """Forget the first `count` numbers."""
        del self.shown[:count]
        if self._sorted is not self.shown:
            del self._sorted[:count]

    def first_from(self, value: int) -> int:
        """The position of the first number of at least `value`; the length, if there is none."""
        return bisect_left(self._sorted, value)

    def last_until(self, value: int) -> int:
        """The position of the last number of at most `value`; -1, if there is none."""
        return bisect_right(self._sorted, value) - 1

    def nearest(self, value: int) -> int:
        """The position of the number nearest to `value`, the later of two equally near; -1, if
        the column is empty."""
        before = self.last_until(value)
        after = before + 1
        if after == len(self._sorted):
            return before
        if before < 0 or self._sorted[after] - value <= value - self._sorted[before]:
            return self.last_until(self._sorted[after])
        return before

    def searched(self, position: int) -> int:
        """The number that searches see at a position."""
        return self._sorted[position]

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def width(self) -> int:
        """Bytes that each number takes."""
        return (1 if self._sorted is self.shown else 2) * self.shown.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.width * len(self.shown)
