"""How many workers a pool should have, and how long to wait before the next one: pure decisions."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._settings import Policy, Pool, Timing

_JITTER = 0.2
# Replacements a second for workers that died at work.
_MOST_REPLACED = 20.0


@dataclass(frozen=True, slots=True)
class Census:
    """The workers of a pool, counted. `existing` includes those being started and those being
    ended.
    """

    existing: int
    stopping: int
    ready: int
    idle: int
    leased: int

    @property
    def staying(self) -> int:
        """Workers that are not being ended."""
        return self.existing - self.stopping


Counted = tuple[int, int, int, int, int]
"""What one worker adds to each number of a `Census`, in their order."""
NOT_COUNTED: Counted = (0, 0, 0, 0, 0)


class Tally:
    """A census that is kept true one worker at a time.

    Counting all of them at each change of one would take a supervisor of hundreds all its time.
    """

    def __init__(self) -> None:
        self._counted: dict[str, Counted] = {}
        self._sums = list(NOT_COUNTED)

    def count(self, worker: str, now: Counted) -> bool:
        """Take what a worker counts for from now on; False if it is what it was."""
        before = self._counted.pop(worker, NOT_COUNTED)
        if now != NOT_COUNTED:
            self._counted[worker] = now
        if now == before:
            return False
        for place, (new, old) in enumerate(zip(now, before, strict=True)):
            self._sums[place] += new - old
        return True

    @property
    def census(self) -> Census:
        """All of them together."""
        return Census(*self._sums)


def wanted(pool: Pool, census: Census) -> int:
    """How many workers there should be: `min` + `warm`, or `warm` beyond the leased ones, within
    `max`.
    """
    return min(max(pool.target, census.leased + pool.warm, pool.min), pool.max)


def missing(pool: Pool, census: Census) -> int:
    """How many to fork now. Those being ended still count, so that `max` bounds the processes."""
    return max(0, min(wanted(pool, census) - census.staying, pool.max - census.existing))


def surplus(pool: Pool, census: Census) -> int:
    """How many idle workers are more than wanted."""
    return max(0, min(census.staying - wanted(pool, census), census.idle))


class CrashLog:
    """Deaths of young workers, and the delay they put on the next fork. Times are seconds of one
    clock.
    """

    def __init__(self, timing: Timing, policy: Policy) -> None:
        self._timing = timing
        self._policy = policy
        self._deaths: deque[float] = deque()
        self._row = 0
        self._until = float("-inf")

    def died(self, now: float, age: float) -> bool:
        """Note the death of a worker that lived for `age`; True if this makes a crash loop."""
        if age > self._timing.crash_window:
            return False
        if self._deaths and now - self._deaths[-1] > self._timing.crash_reset:
            self._row = 0
        self._deaths.append(now)
        while now - self._deaths[0] > self._timing.crash_reset:
            self._deaths.popleft()
        delay = self._timing.crash_delay * 2.0 ** min(self._row, 30)
        delay *= 1 + _JITTER * (2 * random.random() - 1)
        self._row += 1
        # The limit holds after the jitter, so that it bounds how long a repair goes unnoticed.
        self._until = now + min(delay, self._timing.crash_delay_max)
        return len(self._deaths) >= self._policy.crash_loop

    def died_at_work(self, now: float) -> None:
        """Note the death of a worker that a client had: no crash loop, but no storm of forks."""
        self._until = max(self._until, now) + 1 / _MOST_REPLACED

    def healthy(self) -> None:
        """A worker stayed up: what kills the others is not what they are made of."""
        self._deaths.clear()
        self._row = 0
        self._until = float("-inf")

    def delay(self, now: float) -> float:
        """Seconds to wait before the next fork."""
        return max(0.0, self._until - now)


class StartPatience:
    """How long a worker may take to report.

    One that came too late doubles it for the next, up to threefold and not beyond a minute: where a
    busy machine never gets a worker up in time, ending each and starting anew keeps it busy. One
    that came takes that back, but for twice the time that it took itself.
    """

    _MOST_TIMES = 3.0
    _LONGEST = 60.0

    def __init__(self) -> None:
        self._times = 1.0

    def seconds(self, usual: float) -> float:
        """The limit of a start whose usual limit is this."""
        return max(usual, min(usual * self._times, self._LONGEST))

    def was_late(self) -> None:
        """A worker did not report within its limit."""
        self._times = min(self._times * 2, self._MOST_TIMES)

    def was_in_time(self, took: float, usual: float) -> None:
        """A worker reported after `took` seconds, where the usual limit is this."""
        self._times = min(max(1.0, 2 * took / usual), self._times)
