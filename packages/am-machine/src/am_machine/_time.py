"""Machine time: the ticks of states as one value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload


class Time(Sequence[int]):
    """An immutable sequence of ticks, in index order or in the order of the states asked for.

    Odd ticks are active states. Operations between times go by position; a shorter one counts as
    padded with zeros.
    """

    __slots__ = ("_ticks",)

    def __init__(self, ticks: Iterable[int] = ()) -> None:
        self._ticks = tuple(ticks)

    @property
    def sum(self) -> int:
        """Machine time as one number: the sum of the ticks."""
        return sum(self._ticks)

    @property
    def active(self) -> tuple[int, ...]:
        """Positions of the active states."""
        return tuple([i for i, tick in enumerate(self._ticks) if tick & 1])

    def is_active(self, position: int) -> bool:
        """Whether the state at a position is active; False beyond the end."""
        return 0 <= position < len(self._ticks) and bool(self._ticks[position] & 1)

    def diff_since(self, earlier: Iterable[int]) -> Time:
        """Ticks gained since an earlier time."""
        return self - earlier

    def before(self, other: Iterable[int]) -> bool:
        """Whether no tick is later than in `other`, and one is earlier."""
        pairs = self._pairs(other)
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    def after(self, other: Iterable[int]) -> bool:
        """Whether no tick is earlier than in `other`, and one is later."""
        pairs = self._pairs(other)
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    def _pairs(self, other: Iterable[int]) -> list[tuple[int, int]]:
        mine, theirs = self._ticks, tuple(other)
        short = len(mine) - len(theirs)
        return list(zip(mine + (0,) * -short, theirs + (0,) * short, strict=True))

    def __add__(self, other: Iterable[int]) -> Time:
        return Time([a + b for a, b in self._pairs(other)])

    def __sub__(self, other: Iterable[int]) -> Time:
        return Time([a - b for a, b in self._pairs(other)])

    @overload
    def __getitem__(self, position: int) -> int: ...
    @overload
    def __getitem__(self, position: slice) -> Time: ...
    def __getitem__(self, position: int | slice) -> int | Time:
        found = self._ticks[position]
        return Time(found) if isinstance(found, tuple) else found

    def __iter__(self) -> Iterator[int]:
        return iter(self._ticks)

    def __len__(self) -> int:
        return len(self._ticks)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Time):
            return self._ticks == other._ticks
        if isinstance(other, (tuple, list)):
            return self._ticks == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._ticks)

    def __repr__(self) -> str:
        return f"Time({list(self._ticks)})"
