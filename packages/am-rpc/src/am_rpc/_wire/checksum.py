"""The 16-bit sum with which both ends notice that their clocks drifted apart.

Each tick is weighted by its index, so that increments which land on the wrong state show. The sum
is kept, never recomputed: an increment costs one multiplication on each side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MASK: Final = 0xFFFF


def full_sum(ticks: Iterable[int], queue_tick: int, machine_tick: int) -> int:
    """Return the sum of a whole vector."""
    total = queue_tick + machine_tick
    for index, tick in enumerate(ticks):
        total += (2 * index + 1) * tick
    return total & MASK


def moved_sum(start: int, pairs: Sequence[int], dq: int, dm: int) -> int:
    """Return the sum after increments given as a flat list of index, increment."""
    total = start + dq + dm
    for at in range(0, len(pairs), 2):
        total += (2 * pairs[at] + 1) * pairs[at + 1]
    return total & MASK
