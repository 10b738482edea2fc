"""All lanes of a client: opening them, and lending them to one request after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

import am_helpers as amh
import am_machine as am

from ._lane import Lane
from ._settings import stretch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._super_link import SuperLink

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
# How long an address may take once it was asked for.
_PROVIDE_TIMEOUT = 5.0
# Without a free worker for so long, another supervisor is tried.
_ROTATE_AFTER = 5.0
PIPED = (
    "WorkerConnecting",
    "WorkerConnected",
    "WorkerDisconnecting",
    "WorkerDisconnected",
    "WorkerRequested",
    "WorkerReady",
)


class Lanes:
    """Holds at most `limit` workers: `workers` always, more while a map wants them."""

    def __init__(
        self,
        mach: am.Machine,
        link: SuperLink,
        name: str,
        schema: Any,
        *,
        depth: int,
        workers: int,
    ) -> None:
        self._mach = mach
        self._link = link
        self._name = name
        self._schema = schema
        self.depth = depth
        self._lanes: list[Lane] = []
        self._opening = 0
        self._changed = trio.Event()
        self._contracts: dict[str, tuple[trio.Event, dict[str, Any]]] = {}
        self._least = workers
        self._wanted = 0

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def workers(self) -> tuple[str, ...]:
        """The ids of the workers held."""
        return tuple(lane.worker_id for lane in self._lanes)

    # -- lending

    async def acquire(self) -> Lane:
        """Lend a worker with room for one more request; opens a lane if there may be one more."""
        while True:
            self._drop_lost()
            live = [lane for lane in self._lanes if lane.usable]
            free = [lane for lane in live if lane.users < lane.depth]
            if free:
                lane = min(free, key=lambda lane: lane.users)
                lane.users += 1
                return lane
            if len(live) + self._opening < self.limit:
                lane = await self._open()
                lane.users += 1
                return lane
            await self._changed.wait()

    def release(self, lane: Lane) -> None:
        """Give a lane back."""
        lane.users -= 1
        self._drop_lost()
        self._change()

    def want(self, workers: int) -> None:
        """Allow so many more workers for a while; a negative number takes that back."""
        self._wanted += workers
        if workers > 0:
            self._change()
            return
        # The youngest go: the first lane is the one whose states the client shows.
        surplus = max(0, len(self._lanes) - self.limit)
        for lane in [lane for lane in reversed(self._lanes) if not lane.users][:surplus]:
            self._lanes.remove(lane)
            lane.close()

    @property
    def limit(self) -> int:
        """How many workers may be held now."""
        return max(self._least, self._wanted)

    def close(self) -> None:
        """Close all lanes."""
        while self._lanes:
            self._lanes.pop().close()

    def _drop_lost(self) -> None:
        for lane in [lane for lane in self._lanes if not lane.usable and not lane.users]:
            self._lanes.remove(lane)
            lane.close()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # -- opening

    async def _open(self) -> Lane:
        self._opening += 1
        try:
            pause = _FIRST_PAUSE
            while True:
                lane = await self._try_open()
                if lane is not None:
                    self._lanes.append(lane)
                    return lane
                await trio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self._opening -= 1
            self._change()

    async def _try_open(self) -> Lane | None:
        name = f"{self._name}-{len(self._lanes)}"
        lane = Lane(name, self._mach, self._schema, self.depth, self._forward, self._change)
        if not self._lanes:
            amh.bind_many(lane.mach, self._mach, PIPED)
        opened = False
        try:
            lane.mach.add("WorkerRequested")
            contract = await self._request(lane)
            opened = contract is not None and await lane.connect(contract, self._link.way_to)
            return lane if opened else None
        finally:
            if not opened:
                lane.close()

    async def _request(self, lane: Lane) -> Mapping[str, Any] | None:
        await self._mach.when("SuperReady")
        net = self._link.net
        if net is None:
            return None
        with trio.move_on_after(_ROTATE_AFTER * stretch()) as none_free:
            await net.when("WorkersAvailable")
        if none_free.cancelled_caught:
            self._link.rotate()
            return None
        event, contract = self._contracts[lane.link_id] = trio.Event(), {}
        try:
            with trio.move_on_after(_PROVIDE_TIMEOUT * stretch()):
                outcome = await net.add(
                    "ProvideWorker", worker_rpc_id=lane.link_id, super_rpc_id=self._link.id
                )
                if outcome is not am.EXECUTED:
                    return None
                await event.wait()
        finally:
            del self._contracts[lane.link_id]
        return None if not contract or "error" in contract else contract

    def provided(self, data: Mapping[str, Any]) -> None:
        """Take a payload `ProvideWorker` to the lane that asked for it."""
        waiting = self._contracts.get(str(data.get("worker_rpc_id")))
        if waiting is not None:
            waiting[1].update(data)
            waiting[0].set()

    def lease_ended(self, data: Mapping[str, Any]) -> None:
        """The supervisor says that a lease is over: do not wait for the link to find out."""
        for lane in self._lanes:
            if lane.lease and lane.lease == data.get("lease"):
                lane.lose(f"the lease ended: {data.get('reason', '')}")
        self._drop_lost()
        self._change()

    def _forward(self, args: Mapping[str, Any]) -> None:
        self._mach.add("ServerPayload", **args)
