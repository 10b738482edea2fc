"""How a client asks its supervisor for workers.

A contract says where a worker is and what lets the client in; it comes as a payload.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am

from .._timing import stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from am_rpc import NetworkMachine

    from .supervisor_link import SupervisorLink

# How long an answer may take to being asked; after how long to ask again.
_PROVIDE_TIMEOUT = 5.0
_ASK_AGAIN = 2.0
# Without a free worker for so long, another supervisor is tried.
_ROTATE_AFTER = 5.0


class Contracts:
    """Asks the supervisor that is in use, as long as `is_wanted` says that somebody waits."""

    def __init__(
        self,
        mach: am.Machine,
        supervisor: SupervisorLink,
        is_wanted: Callable[[], bool],
        keep: bool,
    ) -> None:
        self._mach = mach
        self._supervisor = supervisor
        self._is_wanted = is_wanted
        self._keep = keep
        # By the id of the link that it is for: set once it is there, and what it says.
        self._expected: dict[str, tuple[trio.Event, dict[str, Any]]] = {}
        self._asking: set[trio.CancelScope] = set()

    async def request(self, link_id: str) -> Mapping[str, Any] | None:
        """Ask for a worker until there is one, or nobody wants it any more, which returns None.

        Where there are other supervisors, one of them is tried after a while.
        """
        await self._mach.when("SuperReady")
        net = self._supervisor.net
        if net is None:
            return None
        event, contract = self._expected[link_id] = trio.Event(), {}
        patience = _ROTATE_AFTER if self._supervisor.alternatives else math.inf
        scope = trio.CancelScope()
        self._asking.add(scope)
        try:
            with scope, trio.move_on_after(patience * stretch()) as none_free:
                await self._ask(net, link_id, event)
            if none_free.cancelled_caught and not contract:
                self._supervisor.rotate()
        finally:
            self._asking.discard(scope)
            del self._expected[link_id]
            if not contract and net is self._supervisor.net:
                net.add("AwaitWorker", **self._terms(link_id), wait=False)
        return None if not contract or "error" in contract else contract

    def call_off(self) -> None:
        """Ask for nothing any more."""
        for scope in self._asking:
            scope.cancel()

    def provided(self, data: Mapping[str, Any]) -> None:
        """Take a payload `ProvideWorker`, which says for what link it is."""
        expected = self._expected.get(str(data.get("worker_rpc_id")))
        if expected is not None:
            expected[1].update(data)
            expected[0].set()

    async def chance(self) -> None:
        """Wait until it is worth while to ask again: a worker became free, or a link was made."""
        net = self._supervisor.net
        if net is None:
            await self._mach.when_next_active("SuperReady")
        else:
            await net.when_next_active("WorkersAvailable")

    def _terms(self, link_id: str) -> dict[str, str]:
        return {"worker_rpc_id": link_id, "super_rpc_id": self._supervisor.id}

    async def _ask(self, net: NetworkMachine, link_id: str, event: trio.Event) -> None:
        """Ask, and again from time to time, since a supervisor forgets whoever says nothing."""
        while net is self._supervisor.net and self._is_wanted() and not event.is_set():
            outcome = None
            with trio.move_on_after(_PROVIDE_TIMEOUT * stretch()):
                outcome = await net.add("AwaitWorker", **self._terms(link_id), keep=self._keep)
            if outcome is not am.EXECUTED:
                return
            with trio.move_on_after(_ASK_AGAIN * stretch()):
                await event.wait()
