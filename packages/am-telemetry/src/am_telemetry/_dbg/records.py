"""Entries of one length as bytes, put together column by column instead of one by one. Pure."""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = bytes(8)
# Types of an array by their bytes, which differ between platforms.
_TYPES = {array(code).itemsize: code for code in "BHIQ"}


def records(
    ends: tuple[bytes, bytes],
    ids: bytes,
    times: Sequence[int],
    middles: Sequence[bytes],
    ticks: Sequence[int],
    tick_size: int,
) -> list[bytes]:
    """One record for each time: what all begin with, its id, its time, its middle, its queue tick
    in so many bytes, and what all end with. All middles are of one length; one alone is that of
    all."""
    head, tail = ends
    middle = middles[0]
    one = b"".join((head, _GAP, b"\xcf", _GAP, middle, bytes(tick_size), tail))
    size, at = len(one), len(head)
    found = bytearray(one * len(times))
    _fill(found, at, size, ids, 8)
    _fill(found, at + 9, size, _big_endian(times, 8), 8)
    if len(middles) > 1:
        _fill(found, at + 17, size, b"".join(middles), len(middle))
    _fill(found, at + 17 + len(middle), size, _big_endian(ticks, tick_size), tick_size)
    whole = bytes(found)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _fill(records: bytearray, at: int, size: int, column: bytes, width: int) -> None:
    """Write the items of a column, each of `width` bytes, `at` this place of each record."""
    for i in range(width):
        records[at + i :: size] = column[i::width]


def _big_endian(numbers: Sequence[int], size: int) -> bytes:
    found = array(_TYPES[size], numbers)
    if sys.byteorder == "little":
        found.byteswap()
    return found.tobytes()
