"""Keeping the pool at its size: the handlers of *PoolStatus*, *PoolNormalized* and `CrashLoop`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import trio

from .._errors import PoolError
from .shared import log
from .sizing import missing, surplus, wanted

if TYPE_CHECKING:
    import am_machine as am

    from .._settings import Pool
    from .shared import Shared

EXIT_GAVE_UP = 70


class PoolKeeper:
    """Forks what is missing, ends what is too much, and says which pool states are true."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._mach = shared.mach
        self._shrink = False

    # -- judging

    async def StartState(self, e: am.Event) -> None:
        """Judge the pool after each change, and when an idle worker has outstayed its time."""
        while True:
            self.judge()
            with trio.move_on_at(self._next_expiry()):
                await self._shared.change()

    def judge(self) -> None:
        """Make the pool states true, and start or stop workers if their number is wrong."""
        mach, census = self._mach, self._shared.census()
        if census.ready >= self._shared.pool.min:
            mach.add("PoolReady")
        elif mach.is_("PoolReady"):
            mach.remove("PoolReady")
        self._set("WorkersAvailable", census.idle > 0 and not mach.is_("Draining"))
        full = census.idle >= self._shared.pool.warm or census.staying >= self._shared.pool.max
        self._set("PoolWarm", full)
        if mach.is_("Draining"):
            return
        if missing(self._shared.pool, census) and not mach.is_("NormalizingPool"):
            mach.add("NormalizingPool")
        self._end_surplus()

    def _set(self, state: str, true: bool) -> None:
        if true != self._mach.is_(state):
            if true and self._mach.is_("PoolReady"):
                self._mach.add(state)
            elif not true:
                self._mach.remove(state)

    def PoolReadyEnter(self, e: am.Event) -> bool:
        """Only with at least `min` workers ready."""
        return self._shared.census().ready >= self._shared.pool.min

    def PoolReadyExit(self, e: am.Event) -> bool:
        """Only with fewer, or when the supervisor ends."""
        ends = "Start" not in e.transition.target
        return ends or self._shared.census().ready < self._shared.pool.min

    def WorkerReadyState(self, e: am.Event) -> None:
        """A worker more."""
        self._mach.remove("WorkerReady")
        self._shared.changed()

    def WorkerGoneState(self, e: am.Event) -> None:
        """A worker less."""
        self._mach.remove("WorkerGone")
        self._shared.changed()

    # -- growing

    async def NormalizingPoolState(self, e: am.Event) -> None:
        """Fork what is missing until the minimum is ready; give up after some rounds."""
        timing, rounds = self._shared.timing, self._shared.policy.pool_rounds
        for attempt in itertools.count():
            # Those that an engine keeps waiting have not failed: they will be what is missing.
            if attempt >= rounds and not any(slot.pending for slot in self._shared):
                break
            # The pause between rounds is no time to sit still: what dies meanwhile is replaced.
            pause = timing.pool_pause if attempt else 0.0
            with trio.move_on_after(pause + timing.worker_check_timeout):
                await self._fill()
            if self._mach.is_("PoolReady"):
                self._mach.add("PoolNormalized")
                return
        ready, least = self._shared.census().ready, self._shared.pool.min
        self._mach.add_err("ErrPool", PoolError(f"{ready} of {least} workers are ready"))

    async def _fill(self) -> None:
        while True:
            await self._fork_missing()
            full = not missing(self._shared.pool, self._shared.census())
            if full and self._mach.is_("PoolReady"):
                return
            await self._slots_change()

    async def _slots_change(self) -> None:
        # The task that judges consumes `change`; its verdict shows as ticks of these states.
        ticks = {s: self._mach.tick(s) + 1 for s in ("WorkerKilled", "WorkerReady", "PoolReady")}
        async with trio.open_nursery() as nursery:

            async def wait(state: str, tick: int) -> None:
                await self._mach.when_time({state: tick})
                nursery.cancel_scope.cancel()

            for state, tick in ticks.items():
                nursery.start_soon(wait, state, tick)

    async def _fork_missing(self) -> None:
        shared = self._shared
        while missing(shared.pool, shared.census()) and not self._mach.is_("Draining"):
            await shared.crash_backoff()
            if self._mach.is_("CrashLoop") and any(s.mach.is_("Initing") for s in shared):
                return
            if not self._mach.add("ForkWorker"):
                return

    def ErrPoolState(self, e: am.Event) -> None:
        """Start over. The delay that crashes put on forks keeps this from being a busy loop."""
        self._mach.remove("ErrPool", "Exception")
        self._mach.remove("NormalizingPool")
        self._mach.add("NormalizingPool")

    async def CrashLoopState(self, e: am.Event) -> None:
        """End the supervisor if the loop lasts longer than it may; by default it may for ever."""
        limit = self._shared.policy.give_up_after
        if limit is None:
            return
        await trio.sleep(limit)
        log.error("giving up after a crash loop of %s s", limit)
        self._shared.exit_code = EXIT_GAVE_UP
        self._mach.remove("Start")

    # -- shrinking

    def resize(self, pool: Pool) -> None:
        """Use other figures from now on; surplus idle workers end at once."""
        self._shared.pool = pool
        self._shrink = True
        self._shared.changed()

    def _end_surplus(self) -> None:
        census = self._shared.census()
        count = surplus(self._shared.pool, census)
        if not count:
            self._shrink = False
            return
        over_max = max(0, census.staying - self._shared.pool.max)
        now = trio.current_time()
        idle = [slot for slot in self._shared if slot.mach.is_("Available")]
        for number, slot in enumerate(sorted(idle, key=lambda slot: slot.idle_since)[:count]):
            expired = now - slot.idle_since >= self._shared.timing.idle_ttl
            if self._shrink or expired or number < over_max:
                self._mach.add("KillWorker", id=slot.id, reason="surplus")

    def _next_expiry(self) -> float:
        census = self._shared.census()
        if census.staying <= wanted(self._shared.pool, census):
            return float("inf")
        idle = [slot.idle_since for slot in self._shared if slot.mach.is_("Available")]
        return min(idle, default=float("inf")) + self._shared.timing.idle_ttl
