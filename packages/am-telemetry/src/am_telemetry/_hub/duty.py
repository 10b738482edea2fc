"""How much of the processor the hub may take: a share of any window of time."""

from __future__ import annotations

from collections import deque


class Duty:
    """Keeps work within `share` of each `window` of seconds, whichever way the window is laid.

    Work is done in pieces; each is told by `spend`. Not for several threads.
    """

    __slots__ = ("_spent", "_total", "share", "window")

    def __init__(self, share: float = 0.15, window: float = 0.1) -> None:
        self.share = share
        self.window = window
        # (when it ended, seconds of processor time), oldest first.
        self._spent: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def left(self, now: float) -> float:
        """Seconds of processor time that may be spent now."""
        self._forget(now)
        return self.share * self.window - self._total

    def spend(self, now: float, seconds: float) -> None:
        """A piece of work ended."""
        if seconds > 0:
            self._spent.append((now, seconds))
            self._total += seconds

    def wait(self, now: float) -> float:
        """Seconds until half of the budget, or all that was spent, is there again."""
        self._forget(now)
        wanted = self.share * self.window / 2
        total = self._total
        for at, seconds in self._spent:
            if total <= wanted:
                return 0.0
            total -= seconds
            if total <= wanted:
                return max(0.0, at + self.window - now)
        return 0.0

    def _forget(self, now: float) -> None:
        spent = self._spent
        while spent and spent[0][0] <= now - self.window:
            self._total -= spent.popleft()[1]
        if not spent:
            self._total = 0.0
