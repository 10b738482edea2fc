"""When states of one machine became active and inactive, as far as rules ask for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..._store.client import Client

FLIPS = 12
"""Changes of one state that are a burst, if they come within `WITHIN`: on and off six times."""
WITHIN = 10_000_000
"""Microseconds."""
# Bursts of one state that are kept, the oldest ones.
MOST_BURSTS = 8

Burst = tuple[int, ...]
"""The transitions that changed a state, in order."""


class Flips:
    """The latest change of each state, and bursts of changes."""

    def __init__(self) -> None:
        self.latest: dict[int, int] = {}
        """State -> the last transition that made it active or inactive."""
        self.bursts: dict[int, list[Burst]] = {}
        self._recent: dict[int, deque[int]] = {}

    def look(self, client: Client, first: int, last: int) -> None:
        """Go through transitions that came."""
        times, number = client.columns.times, first
        for chunk, start, end in client.columns.pieces(first, last):
            odd = [tuple([i for i, gained in d.pairs if gained % 2]) for d in chunk.diffs]
            for shape in chunk.diff[start:end]:
                for i in odd[shape]:
                    self.latest[i] = number
                    recent = self._recent.get(i)
                    if recent is None:
                        recent = self._recent[i] = deque(maxlen=FLIPS)
                    recent.append(number)
                    if len(recent) == FLIPS:
                        began, now = [
                            times.searched(n - client.first) if n >= client.first else 0
                            for n in (recent[0], number)
                        ]
                        if now - began <= WITHIN:
                            self._burst(i, recent)
                number += 1

    def _burst(self, state: int, recent: deque[int]) -> None:
        bursts = self.bursts.setdefault(state, [])
        if len(bursts) < MOST_BURSTS:
            bursts.append(tuple(recent))
        recent.clear()
