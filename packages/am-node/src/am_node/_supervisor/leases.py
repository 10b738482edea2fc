"""Giving workers to clients: each lease is a state of the worker's slot, watched by one task."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am
import am_rpc

from .._errors import ErrWorkerHealth, ErrWorkerMissing
from .._escape import printable
from .._wire_work import LEASE_ENDED, PROVIDE
from .shared import log
from .slot import Lease
from .worker_lifecycle import last_words, told_exit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .shared import Shared
    from .slot import Slot

MAX_ID = 256
MAX_REASON = 1000


class LeaseManager:
    """The handlers of `ProvideWorker` and `WorkerIssues`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._mach = shared.mach
        self._timing = shared.timing

    def ProvideWorkerEnter(self, e: am.Event) -> bool:
        """Refuse what is malformed, and a client that holds as many workers as it may."""
        link, client = _text(e.args, "worker_rpc_id"), _text(e.args, "super_rpc_id")
        if not link or not client or self._mach.is_("Draining"):
            return False
        caller = am_rpc.caller()
        if caller is not None and caller.client_id != client:
            # A worker is counted for, and its contract goes to, whoever asks for it.
            return False
        held = sum(s.lease is not None and s.lease.client == client for s in self._shared)
        return held < self._shared.pool.client_limit

    def ProvideWorkerState(self, e: am.Event) -> None:
        """Look for a worker in a task of its own: asking one takes a round trip."""
        self._mach.remove("ProvideWorker")
        self._mach.fork(self._provide, e.args["worker_rpc_id"], e.args["super_rpc_id"])

    async def _provide(self, link: str, client: str) -> None:
        lease = Lease(secrets.token_hex(8), client, link, secrets.token_bytes(32))
        while (slot := self._idle_longest(client)) is not None:
            slot.lease = lease
            slot.mach.add("Leased", "Offered")
            if await self._offer(slot, lease):
                self._shared.payload(PROVIDE, self._contract(slot, lease), client)
                self._mach.fork(self._watch, slot, lease)
                return
            self._take_back(slot, lease)
        busy = {"error": "busy", "worker_rpc_id": link}
        self._shared.payload(PROVIDE, busy, client)

    def _idle_longest(self, client: str) -> Slot | None:
        held = sum(s.lease is not None and s.lease.client == client for s in self._shared)
        if held >= self._shared.pool.client_limit:
            return None
        idle = [slot for slot in self._shared if slot.mach.is_("Available")]
        return min(idle, key=lambda slot: slot.idle_since, default=None)

    async def _offer(self, slot: Slot, lease: Lease) -> bool:
        assert slot.net is not None
        result: Any = None
        with trio.move_on_after(self._timing.op_timeout):
            result = await slot.net.add("ServeClient", id=lease.worker_link, token=lease.token)
        slot.mach.remove("Offered")
        if result is am.EXECUTED and slot.lease is lease and slot.mach.is_("Linked"):
            return True
        if slot.alive and slot.mach.is_("Linked"):
            error = ErrWorkerHealth("the worker did not accept a client", slot.id)
            self._mach.add_err("ErrWorker", error, worker_id=slot.id)
        return False

    def _contract(self, slot: Slot, lease: Lease) -> dict[str, Any]:
        return {
            "addr": slot.public_addr,
            "near": slot.near_addr,
            "tls": self._shared.tls is not None,
            "worker_id": slot.id,
            "token": lease.token,
            "lease": lease.id,
            "worker_rpc_id": lease.worker_link,
            "silence": slot.silence,
        }

    async def _watch(self, slot: Slot, lease: Lease) -> None:
        reason = await self._end_of(slot)
        if slot.lease is not lease:
            return
        notice = {"lease": lease.id, "worker_id": slot.id}
        if slot.exit is not None:
            reason = f"{reason}: {told_exit(slot.exit)}"
            notice["words"] = last_words(slot.exit)
        log.info("lease of %s by %s ended: %s", slot.id, lease.client, printable(reason))
        if not slot.mach.is_("ClientLeft"):
            # Whoever left knows, and may be no more.
            self._shared.payload(LEASE_ENDED, {**notice, "reason": reason}, lease.client)
        self._take_back(slot, lease)

    async def _end_of(self, slot: Slot) -> str:
        mach = slot.mach
        with trio.move_on_after(self._timing.lease_connect) as never:
            await mach.when_any("ClientConnected", "ClientLeft", "Gone", "Stopping")
        if never.cancelled_caught:
            return "the client never connected"
        while True:
            if mach.is_("ClientLeft"):
                return "the client left"
            if mach.any_("Gone", "Stopping") or mach.disposed:
                return "the worker is gone"
            mach.remove("LeaseGrace")
            await _when_first(mach, "ClientConnected", "Gone", "Stopping", "ClientLeft")
            if mach.any_("ClientLeft", "Gone", "Stopping") or mach.disposed:
                continue
            mach.add("LeaseGrace")
            with trio.move_on_after(self._timing.lease_grace) as grace:
                await mach.when_any("ClientConnected", "ClientLeft", "Gone", "Stopping")
            if grace.cancelled_caught:
                return "the client's link is down"

    def _take_back(self, slot: Slot, lease: Lease) -> None:
        if slot.lease is not lease:
            return
        slot.lease = None
        slot.mach.remove("LeaseGrace")
        # Taken off the worker before the slot is free, so that no second client meets the first.
        if slot.net is not None and slot.mach.is_("Linked") and not self._mach.disposed:
            self._mach.fork(self._dismiss, slot)
        else:
            slot.mach.remove("Leased")

    async def _dismiss(self, slot: Slot) -> None:
        assert slot.net is not None
        with trio.move_on_after(self._timing.op_timeout):
            await slot.net.add("ServeClient", id="", token=b"")
        if slot.lease is None:
            slot.mach.remove("Leased", "ClientLeft")

    # -- complaints

    def WorkerIssuesState(self, e: am.Event) -> None:
        """A complaint counts as one error of the worker, if the worker is known."""
        self._mach.remove("WorkerIssues")
        worker = _text(e.args, "worker_id")
        reason = e.args.get("reason")
        text = reason[:MAX_REASON] if isinstance(reason, str) else "no reason given"
        caller, slot = am_rpc.caller(), self._shared.slots.get(worker)
        holder = slot.lease.client if slot is not None and slot.lease is not None else None
        if caller is not None and caller.client_id != holder:
            log.info("a complaint of %s, which has no lease of that worker", caller.client_id)
        elif slot is not None:
            error = ErrWorkerHealth(f"a client complains: {printable(text)}", worker)
            self._mach.add_err("ErrWorker", error, worker_id=worker)
        else:
            log.info("%s", ErrWorkerMissing(f"a client complains of {worker[:MAX_ID]!r}: {text!r}"))


async def _when_first(mach: am.Machine, ends: str, *others: str) -> None:
    async with trio.open_nursery() as nursery:

        async def first(wait: am.Wait) -> None:
            await wait
            nursery.cancel_scope.cancel()

        nursery.start_soon(first, mach.when_not(ends))
        nursery.start_soon(first, mach.when_any(*others))


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    return value if isinstance(value, str) and len(value) <= MAX_ID else ""
