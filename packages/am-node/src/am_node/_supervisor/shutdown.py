"""Ending gently: draining the whole supervisor, and replacing workers one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    import am_machine as am

    from .shared import Shared
    from .slot import Slot

# Clients that do not leave by themselves are left behind.
_CLIENTS_LEAVE = 1.0
_SEEN = 0.15


class Shutdown:
    """The handler of `Draining`, and the rolling restart."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._mach = shared.mach
        self._timing = shared.timing

    async def DrainingState(self, e: am.Event) -> None:
        """Send clients elsewhere, let work end, end the workers, then `Start`."""
        shared = self._shared
        # A client that has seen the state moves on at once; one that is only cut off tries again
        # first.
        await trio.sleep(_SEEN)
        async with trio.open_nursery() as nursery:
            if shared.public is not None:
                nursery.start_soon(shared.public.drain, _CLIENTS_LEAVE)
            for slot in shared:
                nursery.start_soon(self._let_end, slot)
        self._mach.remove("Start")

    async def _let_end(self, slot: Slot) -> None:
        limit = trio.current_time() + self._timing.drain_timeout
        await self._drain(slot, limit)
        self._mach.add("KillWorker", id=slot.id, reason="drain")
        with trio.move_on_after(2 * self._timing.kill_timeout):
            await _gone(slot)

    async def _drain(self, slot: Slot, limit: float) -> None:
        if slot.net is None or not slot.mach.is_("Linked"):
            return
        with trio.move_on_at(limit):
            slot.mach.add("Draining")
            await slot.net.add("Draining")
            await _gone(slot)

    async def roll(self) -> None:
        """Replace each worker that exists now."""
        for slot in self._shared:
            if slot.mach.any_("Stopping", "Gone"):
                continue
            await self._mach.when("PoolReady")
            pool, census = self._shared.pool, self._shared.census()
            if census.ready <= pool.min and census.existing < pool.max:
                await self._one_more()
            await self._drain(slot, trio.current_time() + self._timing.drain_timeout)
            if slot.alive:
                self._mach.add("KillWorker", id=slot.id, reason="restart")
                await _gone(slot)
            await self._mach.when("PoolReady", "PoolNormalized")

    async def _one_more(self) -> None:
        ready = self._mach.tick("WorkerReady")
        if self._mach.add("ForkWorker"):
            with trio.move_on_after(2 * self._timing.conn_timeout):
                await self._mach.when_time({"WorkerReady": ready + 1})


async def _gone(slot: Slot) -> None:
    # A slot is disposed with its end, which resolves the wait as well.
    await slot.mach.when("Gone")
