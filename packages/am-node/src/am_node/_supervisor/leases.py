"""Giving workers to clients: each lease is a state of the worker's slot, watched by one task.

Whoever asks gets a worker that is free, or waits for one. While somebody waits, others give up what
is beyond their share, what they do not use, or what they have had for a turn where there are more
clients than workers: `LeaseEnding` on the worker lets what runs there end first.
"""

from __future__ import annotations

import contextlib
import math
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am
import am_rpc

from .._errors import ErrWorkerHealth, ErrWorkerMissing
from .._escape import printable
from .._wire_work import LEASE_ENDED, PROVIDE
from .asks import MOST_ASKS, Ask, Asks, fair_share
from .shared import log
from .slot import Lease
from .worker_lifecycle import last_words, told_exit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .shared import Shared
    from .slot import Slot

MAX_ID = 256
MAX_REASON = 1000
# Times the time after which an unused worker is asked for, for one that said that it is in use.
_SELDOM = 4
_FAIR = "another client waits for the worker"


class LeaseManager:
    """The handlers of `ProvideWorker`, `AwaitWorker` and `WorkerIssues`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._mach = shared.mach
        self._timing = shared.timing
        self._asks = Asks()
        # Asks whose worker is being told of its client.
        self._offered: dict[tuple[str, str], Ask] = {}

    async def StartState(self, e: am.Event) -> None:
        """Give out what is free, and take back what others wait for, after each change."""
        while True:
            self._give_out()
            with trio.move_on_at(self._reclaim()):
                await self._shared.lease_change()

    # -- asked for

    def ProvideWorkerEnter(self, e: am.Event) -> bool:
        """Refuse what is malformed, and a client that holds as many workers as it may."""
        return self._may_ask(e)

    def ProvideWorkerState(self, e: am.Event) -> None:
        """Give a worker now, or say that none is free."""
        self._mach.remove("ProvideWorker")
        self._ask(e.args, patient=False)

    def AwaitWorkerEnter(self, e: am.Event) -> bool:
        """Refuse the same; whoever waits no longer may always say so."""
        return self._may_ask(e)

    def AwaitWorkerState(self, e: am.Event) -> None:
        """Give a worker now or later."""
        self._mach.remove("AwaitWorker")
        if e.args.get("wait") is False:
            self._withdraw(e.args["super_rpc_id"], e.args["worker_rpc_id"])
        else:
            self._ask(e.args, patient=True)

    def ClientDisconnectedState(self, e: am.Event) -> None:
        """Whoever is gone waits for nothing; one that comes back asks again."""
        self._asks.leave(str(e.args.get("id")))

    def _may_ask(self, e: am.Event) -> bool:
        link, client = _text(e.args, "worker_rpc_id"), _text(e.args, "super_rpc_id")
        if not link or not client or self._mach.is_("Draining"):
            return False
        caller = am_rpc.caller()
        if caller is not None and caller.client_id != client:
            # A worker is counted for, and its contract goes to, whoever asks for it.
            return False
        if e.args.get("wait") is False or self._asks.get(client, link) is not None:
            return True
        taken = self._held()[client] + self._asks.waiting()[client]
        return taken < self._shared.pool.client_limit and len(self._asks) < MOST_ASKS

    def _ask(self, args: Mapping[str, Any], *, patient: bool) -> None:
        client, link = args["super_rpc_id"], args["worker_rpc_id"]
        until = trio.current_time() + self._timing.ask_ttl
        known = self._asks.get(client, link)
        if known is not None:
            known.until = until
        elif (client, link) not in self._offered and not self._holds(client, link):
            keep = args.get("keep") is True
            self._asks.put(Ask(client, link, keep=keep, patient=patient, until=until))
        self._give_out()
        self._shared.changed()

    def _holds(self, client: str, link: str) -> bool:
        leases = (slot.lease for slot in self._shared if slot.lease is not None)
        return any(lease.client == client and lease.worker_link == link for lease in leases)

    def _withdraw(self, client: str, link: str) -> None:
        """Nobody wants the worker any more for which this link was to be."""
        ask = self._asks.get(client, link) or self._offered.get((client, link))
        if ask is not None:
            ask.is_withdrawn = True
            self._asks.drop(ask)
        for slot in self._shared:
            lease = slot.lease
            if lease is None or lease.client != client or lease.worker_link != link:
                continue
            if not slot.mach.is_("ClientConnected"):
                self._take_back(slot, lease)

    # -- given

    def _held(self, slots: Iterable[Slot] | None = None) -> Counter[str]:
        """How many workers each client holds."""
        slots = self._shared if slots is None else slots
        return Counter(slot.lease.client for slot in slots if slot.lease is not None)

    def _give_out(self) -> None:
        asks = self._asks
        asks.expire(trio.current_time())
        if not asks:
            return
        idle = [slot for slot in self._shared if slot.mach.is_("Available")]
        idle.sort(key=lambda slot: slot.idle_since)
        held = self._held()
        while idle and (ask := asks.next(held, self._shared.pool.client_limit)) is not None:
            asks.drop(ask)
            held[ask.client] += 1
            slot = idle.pop(0)
            token = secrets.token_bytes(32)
            lease = Lease(secrets.token_hex(8), ask.client, ask.link, token, ask.keep)
            slot.lease, slot.leased_at = lease, trio.current_time()
            slot.mach.add("Leased", "Offered")
            self._offered[ask.client, ask.link] = ask
            self._mach.fork(self._provide, slot, lease, ask)
        for ask in asks:
            if not ask.patient:
                asks.drop(ask)
                busy = {"error": "busy", "worker_rpc_id": ask.link}
                self._shared.payload(PROVIDE, busy, ask.client)

    async def _provide(self, slot: Slot, lease: Lease, ask: Ask) -> None:
        try:
            accepted = await self._offer(slot, lease)
        finally:
            self._offered.pop((ask.client, ask.link), None)
        if accepted and not ask.is_withdrawn:
            slot.leased_at = trio.current_time()
            self._shared.payload(PROVIDE, self._contract(slot, lease), lease.client)
            self._mach.fork(self._watch, slot, lease)
            return
        self._take_back(slot, lease)
        if not ask.is_withdrawn:
            self._asks.put(ask)
            self._give_out()

    async def _offer(self, slot: Slot, lease: Lease) -> bool:
        assert slot.net is not None
        result: Any = None
        with trio.move_on_after(self._timing.op_timeout):
            result = await slot.net.add("ServeClient", id=lease.worker_link, token=lease.token)
        slot.mach.remove("Offered")
        if result is am.EXECUTED and slot.lease is lease and slot.mach.is_("Linked"):
            return True
        if slot.lease is lease and slot.alive and slot.mach.is_("Linked"):
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

    # -- taken back for others

    def _reclaim(self) -> float:
        """Have leases end for those who wait; return when to look again."""
        if not self._asks:
            return math.inf
        leased = [s for s in self._shared if s.lease is not None and not s.lease_ending]
        held = self._held(leased)
        clients = held.keys() | self._asks.waiting().keys()
        ready = sum(slot.usable for slot in self._shared)
        share = fair_share(ready, len(clients))
        # Some are on their way to those who wait.
        need = self._asks.entitled(held, share) - sum(
            slot.lease_ending or (slot.lease is None and slot.mach.is_("Leased"))
            for slot in self._shared
        )
        for slot in _beyond(leased, held, share)[: max(0, need)]:
            leased.remove(slot)
            held[_client(slot)] -= 1
            need -= 1
            self._begin_to_end(slot, None)
        return self._reclaim_unused(leased, held, share, need, ready < len(clients))

    def _reclaim_unused(
        self, leased: list[Slot], held: Counter[str], share: int, need: int, crowded: bool
    ) -> float:
        """End leases that are not used; where there are too few workers, those of a whole turn."""
        now, due = trio.current_time(), math.inf
        for slot in sorted(leased, key=lambda slot: slot.leased_at):
            lease = slot.lease
            if need <= 0:
                break
            if lease is None or (lease.keep and held[lease.client] <= share):
                continue
            if not slot.mach.is_("ClientConnected"):
                continue
            turn = slot.leased_at + self._timing.lease_turn if crowded else math.inf
            # The worker knows; the news of it are late, and those of a busy one seldom change.
            asked = slot.looked_at > slot.leased_at
            often = slot.mach.is_("Idle") or not asked
            pause = self._timing.lease_idle * (1 if often else _SELDOM)
            unused = max(slot.leased_at, slot.looked_at) + pause
            if min(turn, unused) > now:
                due = min(due, turn, unused)
                continue
            need -= 1
            held[lease.client] -= 1
            self._begin_to_end(slot, None if turn <= now else self._timing.lease_idle)
        return due

    def _begin_to_end(self, slot: Slot, idle: float | None) -> None:
        assert slot.lease is not None
        slot.lease_ending = True
        self._mach.fork(self._end_gently, slot, slot.lease, idle)

    async def _end_gently(self, slot: Slot, lease: Lease, idle: float | None) -> None:
        """Let what runs end, take nothing new, then take the worker back.

        With `idle` the worker agrees only if it has had nothing to do for so many seconds.
        """
        net, result = slot.net, None
        if net is not None:
            args = {} if idle is None else {"idle": idle}
            with trio.move_on_after(self._timing.op_timeout):
                result = await net.add("LeaseEnding", **args)
        if slot.lease is not lease:
            return
        if net is None or result is not am.EXECUTED:
            slot.lease_ending = False
            slot.looked_at = trio.current_time()
            self._shared.changed()
            return
        await net.when("Idle")
        if slot.lease is not lease or slot.mach.disposed or not slot.mach.is_("Linked"):
            return
        log.info("lease of %s by %s ended: %s", slot.id, lease.client, _FAIR)
        notice = {"lease": lease.id, "worker_id": slot.id, "reason": _FAIR, "planned": True}
        # Told before the worker turns the client away, which would look like a loss.
        with trio.move_on_after(self._timing.op_timeout), contextlib.suppress(am_rpc.RpcError):
            assert self._shared.public is not None
            await self._shared.public.send_payload(LEASE_ENDED, notice, lease.client)
        self._take_back(slot, lease)

    # -- ended

    async def _watch(self, slot: Slot, lease: Lease) -> None:
        with trio.CancelScope() as slot.lease_watch:
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
        slot.lease_ending = False
        watch, slot.lease_watch = slot.lease_watch, None
        if watch is not None:
            watch.cancel()
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


def _client(slot: Slot) -> str:
    return "" if slot.lease is None else slot.lease.client


def _beyond(leased: list[Slot], held: Counter[str], share: int) -> list[Slot]:
    """The slots that their holders have beyond their share: idle ones first, then the youngest."""
    surplus = Counter({client: count - share for client, count in held.items() if count > share})
    found = []
    for slot in sorted(leased, key=lambda s: (not s.mach.is_("Idle"), -s.leased_at)):
        if surplus[_client(slot)] > 0 and slot.mach.is_("ClientConnected"):
            surplus[_client(slot)] -= 1
            found.append(slot)
    return found


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    return value if isinstance(value, str) and len(value) <= MAX_ID else ""
