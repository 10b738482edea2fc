"""How much a link may say: a token bucket, filled by the time that passes."""

from __future__ import annotations

_WHOLE = 1 - 1e-6
"""What counts as a message: seconds that were waited for it may be rounded down, and a clock that
stands still between two looks would never make up for that."""


class TokenBucket:
    """Allows `rate` messages a second on average, and `burst` at once."""

    __slots__ = ("_burst", "_rate", "_since", "left")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self.left = burst
        """Messages that could be taken when it was last looked at."""
        self._since = now

    def take(self, now: float) -> bool:
        """Take one message out; False if there is none left."""
        self._fill(now)
        if self.left < _WHOLE:
            return False
        self.left = max(0.0, self.left - 1)
        return True

    def wait(self, now: float) -> float:
        """Return the seconds until `take` would succeed, 0 if it would now."""
        self._fill(now)
        return max(0.0, (1 - self.left) / self._rate) if self.left < _WHOLE else 0.0

    def _fill(self, now: float) -> None:
        if now > self._since:
            self.left = min(self._burst, self.left + (now - self._since) * self._rate)
            self._since = now
