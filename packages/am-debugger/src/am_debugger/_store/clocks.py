"""The clock of a machine after any of its transitions: keyframes, and differences from there."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .chunk import Diff

_BASE_BYTES = 170


class _Place(NamedTuple):
    """The clock after a transition, as it was worked out last."""

    number: int
    ticks: list[int]


class Clocks:
    """Clocks after transitions, by number.

    A *base* of number n is the clock just before transition n. There is one before the first
    transition, one each 1000, and one wherever the clock did not go on from the transition
    before: transitions were lost there, and the clock is known anew. Between bases, clocks are
    worked out, forwards or backwards from the last one asked for if that is near.
    """

    __slots__ = ("_bases", "_breaks", "_diff_of", "_numbers", "_place", "nbytes")

    def __init__(self, diff_of: Callable[[int], Diff]) -> None:
        self._diff_of = diff_of
        self._numbers: list[int] = []
        self._bases: dict[int, array[int]] = {}
        # Bases that do not follow from the transition before.
        self._breaks: list[int] = []
        self._place: _Place | None = None
        self.nbytes = 0

    def add_base(self, number: int, ticks: Sequence[int], *, is_break: bool = False) -> None:
        """Note the clock before transition `number`, which is the latest one or follows it."""
        if number not in self._bases:
            self._numbers.append(number)
        else:
            self.nbytes -= self._size(number)
        self._bases[number] = array("q", ticks)
        self.nbytes += self._size(number)
        if is_break and (not self._breaks or self._breaks[-1] != number):
            self._breaks.append(number)

    def _size(self, number: int) -> int:
        return _BASE_BYTES + 8 * len(self._bases[number])

    def before(self, number: int, size: int) -> list[int]:
        """The clock of `size` states just before a transition."""
        if number in self._bases:
            return _sized(self._bases[number], size)
        return self.after(number - 1, size)

    def after(self, number: int, size: int) -> list[int]:
        """The clock of `size` states just after a transition; of one before the first: the clock
        that the first goes on from."""
        following = self._bases.get(number + 1)
        if following is not None and not self._is_break(number + 1):
            return _sized(following, size)
        place = self._near(number)
        ticks = place.ticks
        if len(ticks) < size:
            ticks += [0] * (size - len(ticks))
        diff_of = self._diff_of
        if place.number <= number:
            for n in range(place.number + 1, number + 1):
                for i, gained in diff_of(n).pairs:
                    ticks[i] += gained
        else:
            for n in range(place.number, number, -1):
                for i, gained in diff_of(n).pairs:
                    ticks[i] -= gained
        self._place = _Place(number, ticks)
        return ticks[:size]

    def _near(self, number: int) -> _Place:
        """A place from which the clock after `number` can be worked out."""
        base = self._numbers[bisect_right(self._numbers, number) - 1]
        place = self._place
        if place is not None:
            first, last = sorted((place.number, number))
            is_near = last - first <= number - base + 1
            if is_near and bisect_right(self._breaks, last) == bisect_right(self._breaks, first):
                return place
        # Long enough for what is added to it.
        return _Place(base - 1, list(self._bases[base]))

    def _is_break(self, number: int) -> bool:
        k = bisect_left(self._breaks, number)
        return k < len(self._breaks) and self._breaks[k] == number

    def drop_before(self, number: int, size: int) -> None:
        """Transitions before `number` go: it becomes the first."""
        ticks = self.before(number, size)
        is_break = self._is_break(number)
        for gone in self._numbers[: bisect_left(self._numbers, number)]:
            self.nbytes -= self._size(gone)
            del self._bases[gone]
        del self._numbers[: bisect_left(self._numbers, number)]
        del self._breaks[: bisect_left(self._breaks, number)]
        if number not in self._bases:
            self._numbers.insert(0, number)
            self._bases[number] = array("q", ticks)
            self.nbytes += self._size(number)
        if is_break and not self._is_break(number):
            self._breaks.insert(0, number)
        self._place = None

    @property
    def breaks(self) -> Sequence[int]:
        """Transitions before which the clock jumped, since others were lost, in order."""
        return self._breaks


def _sized(ticks: Sequence[int], size: int) -> list[int]:
    found = list(ticks[:size])
    return found + [0] * (size - len(found))
