"""What was left out of what came in: counted, and told now and then, never once for each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPED = "machines were left out that came back by another debugger"
INTERVAL = 5.0
"""Seconds from one time that losses of a kind are told to the next at the soonest."""


class Losses:
    """Counts of what was left out, by kind. `tell` is given a line."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.counts: Counter[str] = Counter()
        self._tell = tell
        self._untold: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    def add(self, kind: str, count: int = 1, why: str = "") -> None:
        """So many of a kind, in words, were left out."""
        self.counts[kind] += count
        self._untold[kind] += count
        now = trio.current_time()
        if now - self._told_at.get(kind, -INTERVAL) >= INTERVAL:
            self._told_at[kind] = now
            self._say(kind, why)

    def rest(self) -> None:
        """Tell what was not told yet."""
        now = trio.current_time()
        for kind in [kind for kind, count in self._untold.items() if count]:
            if now - self._told_at[kind] >= INTERVAL:
                self._told_at[kind] = now
                self._say(kind, "")

    def _say(self, kind: str, why: str) -> None:
        count, self._untold[kind] = self._untold[kind], 0
        self._tell(f"{count} {kind}" + (f": {why}" if why else ""))
