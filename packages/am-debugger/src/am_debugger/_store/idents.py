"""Ids of transitions, to be found without looking through all of them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

from .layout import ID_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bytes that an id takes in an index: the id itself and its position.
INDEXED_BYTES = ID_BYTES + 2


class IdIndex:
    """The ids of one chunk in order, each with its position there; ids of zeros are left out."""

    __slots__ = ("_ids", "_positions")

    def __init__(self, ids: bytes | bytearray) -> None:
        numbers = array("Q")
        numbers.frombytes(ids)
        order = sorted([k for k, number in enumerate(numbers) if number], key=numbers.__getitem__)
        self._positions = array("H", order)
        self._ids = array("Q", [numbers[k] for k in order])

    def positions(self, ident: bytes) -> Iterator[int]:
        """Where an id stands, in order."""
        (number,) = array("Q", ident)
        ids = self._ids
        k = bisect_left(ids, number)
        while k < len(ids) and ids[k] == number:
            yield self._positions[k]
            k += 1

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return 250 + INDEXED_BYTES * len(self._ids)


def find_aligned(
    ids: bytearray, ident: bytes, *, start: int = 0, reverse: bool = False
) -> int | None:
    """The position of an id among ids: the first from `start` on, or the last one there."""
    find = ids.rfind if reverse else ids.find
    low, high = start * ID_BYTES, len(ids)
    while (k := find(ident, low, high)) >= 0:
        if k % ID_BYTES == 0:
            return k // ID_BYTES
        if reverse:
            high = k + ID_BYTES - 1
        else:
            low = k + 1
    return None
