"""Ratios of figures that were measured on busy cores, and how sure one may be of them.

What is compared is measured in turn, in one run. A ratio is the median over the pairs; it exceeds a
goal only if the lower bound of its 95 % bootstrap interval does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES = 500
# The share of resamples below a two-sided 95 % interval.
TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Ratio:
    """The spread of a ratio over the pairs, and the lower bound of its median."""

    least: float
    median: float
    most: float
    low: float


def ratio_of(groups: Sequence[Sequence[float]]) -> Ratio:
    """What the ratios say, by groups of pairs that share a cause of error, such as a process.

    Groups are drawn first and pairs within them second: where the code and data of one process
    happen to lie in memory shifts all pairs of that process alike.
    """
    pairs = [one for group in groups for one in group]
    return Ratio(min(pairs), median(pairs), max(pairs), _lower_bound(groups))


def _lower_bound(groups: Sequence[Sequence[float]]) -> float:
    chance = random.Random(1)
    medians = []
    for _ in range(RESAMPLES):
        drawn = chance.choices(groups, k=len(groups)) if len(groups) > 1 else groups
        medians.append(
            median([one for group in drawn for one in chance.choices(group, k=len(group))])
        )
    medians.sort()
    return medians[round(TAIL * (RESAMPLES - 1))]
