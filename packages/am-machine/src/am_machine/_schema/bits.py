"""Sets of states as bit masks: bit i of an `int` stands for the state of index i."""

from __future__ import annotations


def bits_of(mask: int) -> list[int]:
    """Indexes of the bits set in a mask, ascending."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
