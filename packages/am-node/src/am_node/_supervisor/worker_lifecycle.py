"""The life of one worker as its supervisor sees it: forked, reported, linked, ended.

Each worker is one task. It ends when the process has ended, whatever happened on the way, and the
events on the supervisor's machine (`ForkWorker` ... `WorkerKilled`) are published by it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from dataclasses import asdict
from signal import SIGKILL
from typing import TYPE_CHECKING

import trio

import am_helpers as amh
import am_rpc

from .._address import join
from .._boot import BootConfig, module_path
from .._entry import EXIT_ENTRY
from .._errors import (
    EntryPointError,
    ErrWorkerConn,
    ErrWorkerExit,
    ErrWorkerKill,
    NodeError,
    WorkerError,
)
from .._escape import printable
from .._launchers.base import QueuedHandle, WorkerHandle, WorkerSpec, start_timeout
from .._names import wire_id, worker_id
from .._timing import link_limits, stretch
from .._wire_work import MAX_WORDS
from .bootstrap import Addresses, Bootstrap
from .pool import EXIT_GAVE_UP
from .slot import Slot
from .worker_news import NewsOf, Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import am_machine as am

    from .._launchers.base import ExitInfo
    from .reverse_listener import Calls, Line
    from .shared import Shared

# What a slot's machine follows of its worker's.
_PIPED = ("Ready", "Idle", "ClientConnected", "ClientLeft", "Draining")
# Orders that end a worker without it being a failure.
_PLANNED = frozenset({"surplus", "drain", "restart", "reuse"})
# The order that ends a worker which cannot be talked to. It has nothing to end gently, so it gets
# only the moment that a launcher may need to pass on the first of two signals.
_FAILURE = "failure"
_LAST_MOMENT = 0.1
_MOST_LINES = 20


class WorkerLifecycle:
    """Starts, links and ends workers."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._mach = shared.mach
        self._timing = shared.timing
        # More interpreters starting at once than processors only make each other late.
        self._starting = trio.CapacityLimiter(shared.policy.parallel_starts)

    # -- events

    def ForkWorkerEnter(self, e: am.Event) -> bool:
        """Refuse when as many processes exist as the pool may have."""
        return self._shared.census().existing < self._shared.pool.max

    def ForkWorkerState(self, e: am.Event) -> None:
        """Make the slot and start the task of the worker."""
        self._mach.remove("ForkWorker")
        shared = self._shared
        shared.forks += 1
        slot = Slot(worker_id(shared.kind), self._mach, shared.changed)
        shared.slots[slot.id] = slot
        self._mach.fork(self._attend, slot)

    def KillWorkerState(self, e: am.Event) -> None:
        """Turn a wish into the act, once."""
        self._mach.remove("KillWorker")
        slot = self._shared.slots.get(str(e.args.get("id")))
        if slot is not None and not slot.mach.any_("Stopping", "Gone"):
            # One that has said that it ends is ending for that reason.
            slot.kill_reason = "" if slot.agreed else str(e.args.get("reason", ""))
            slot.mach.add("Stopping")
            self._mach.add("KillingWorker", id=slot.id)

    def KillingWorkerState(self, e: am.Event) -> None:
        """End the process in a task of its own, since that takes time."""
        self._mach.remove("KillingWorker")
        slot = self._shared.slots.get(str(e.args.get("id")))
        if slot is not None:
            self._mach.fork(self._end, slot)

    def ForkingWorkerState(self, e: am.Event) -> None:
        """An event for those who watch."""
        self._mach.remove("ForkingWorker")

    def WorkerConnectedState(self, e: am.Event) -> None:
        """An event for those who watch."""
        self._mach.remove("WorkerConnected")

    def WorkerForkedState(self, e: am.Event) -> None:
        """An event for those who watch."""
        self._mach.remove("WorkerForked")

    def WorkerKilledState(self, e: am.Event) -> None:
        """An event for those who watch."""
        self._mach.remove("WorkerKilled")

    async def _end(self, slot: Slot) -> None:
        handle = slot.handle
        if handle is None:
            return
        handle.terminate()
        hopeless = slot.kill_reason == _FAILURE
        with trio.move_on_after(_LAST_MOMENT if hopeless else self._timing.kill_timeout):
            await slot.mach.when("Gone")
            return
        handle.kill()
        with trio.move_on_after(self._timing.kill_timeout):
            await slot.mach.when("Gone")
            return
        self._mach.add_err("ErrWorker", ErrWorkerKill("the process does not end", slot.id))

    # -- one worker

    async def _attend(self, slot: Slot) -> None:
        bootstrap = Bootstrap(slot.id, self._mach)
        link = _Link(slot.id)
        failure: WorkerError | None = None
        try:
            async with self._expecting(slot, link), trio.open_nursery() as nursery:
                try:
                    await nursery.start(bootstrap.serve, *self._meeting_point(slot, link))
                    await self._turn(slot)
                    if not slot.mach.is_("Stopping"):
                        failure = await self._live(slot, bootstrap, link, nursery)
                except Exception as exc:
                    # Whatever the system refuses before there is a process: a folder, a socket,
                    # a configuration that cannot be handed over.
                    failure = _cannot_start(slot, exc)
                bootstrap.close()
        finally:
            self._ended(slot, failure)

    @contextlib.asynccontextmanager
    async def _expecting(self, slot: Slot, link: _Link) -> AsyncIterator[None]:
        reverse_listener = self._shared.reverse_listener
        if reverse_listener is None:
            yield
            return
        async with reverse_listener.line(slot.id, link.token) as link.line:
            yield

    def _meeting_point(self, slot: Slot, link: _Link) -> tuple[str | None, Calls | None]:
        if link.line is not None:
            return None, link.line.reports
        return self._socket("b", slot), None

    async def _live(
        self, slot: Slot, bootstrap: Bootstrap, link: _Link, nursery: trio.Nursery
    ) -> WorkerError | None:
        failure: WorkerError | None = None
        spec = self._spec(slot, bootstrap, link)
        scope = trio.CancelScope()
        self._mach.add("ForkingWorker", id=slot.id)
        try:
            slot.handle = await nursery.start(self._process, slot, spec, scope)
        except Exception as exc:  # of the system, or of a launcher of one's own
            return _cannot_start(slot, exc)
        with scope:
            failure = await self._bring_up(slot, bootstrap, link)
        if slot.exit is None:
            self._mach.add("KillWorker", id=slot.id, reason=_FAILURE)
        return failure

    async def _turn(self, slot: Slot) -> None:
        await self._starting.acquire_on_behalf_of(slot)
        # The deaths of those before it in the queue delay this one, too.
        async with trio.open_nursery() as nursery:

            async def unless_stopped() -> None:
                await slot.mach.when_any("Stopping", "Gone")
                nursery.cancel_scope.cancel()

            nursery.start_soon(unless_stopped)
            await self._shared.crash_backoff()
            nursery.cancel_scope.cancel()
        slot.forked_at = trio.current_time()

    def _started(self, slot: Slot) -> None:
        with contextlib.suppress(RuntimeError):  # it had no turn, or its turn is over
            self._starting.release_on_behalf_of(slot)

    async def _process(
        self,
        slot: Slot,
        spec: WorkerSpec,
        scope: trio.CancelScope,
        task_status: trio.TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        slot.exit = await self._shared.launcher.run(spec, task_status)
        # What it dies of while a client has it may be what the client asked for.
        slot.died_at_work = slot.lease is not None and slot.mach.tick("Ready") > 0
        slot.mach.add("Gone")
        scope.cancel()

    async def _bring_up(self, slot: Slot, bootstrap: Bootstrap, link: _Link) -> WorkerError | None:
        """Take the worker from its report to its link, and stay until the link fails."""
        addresses: Addresses | None = None
        await self._placed(slot)
        patience, usual = self._shared.start_patience, self._start_limit()
        began, limit = trio.current_time(), patience.seconds(usual)
        with trio.move_on_after(limit):
            addresses = await bootstrap.report()
        if addresses is None:
            patience.was_late()
            return ErrWorkerConn(
                f"no report within {limit:g} s of the start, "
                f"which includes the import of {self._shared.entry}",
                slot.id,
            )
        patience.was_in_time(trio.current_time() - began, usual)
        self._started(slot)
        self._mach.add("WorkerConnected", id=slot.id)
        slot.public_addr = link.reachable(addresses.public)
        own = addresses.link_timeout
        slot.silence = self._timing.link_timeout if own is None else own * stretch()
        consumer = NewsOf(self._shared, slot)
        client = self._client(addresses.local, slot, link, consumer)
        async with consumer.mach, client:
            try:
                await client.ready(self._timing.conn_timeout)
            except am_rpc.RpcError as exc:
                return ErrWorkerConn(f"the private link failed: {exc}", slot.id)
            self._linked(slot, client)
            bootstrap.close()
            await self._link_is_lost(client, link)
        return ErrWorkerConn("the private link was lost", slot.id)

    def _start_limit(self) -> float:
        timing = self._timing.conn_timeout
        return start_timeout(self._shared.launcher, timing / stretch()) * stretch()

    async def _placed(self, slot: Slot) -> None:
        """Wait for the engine's queue, in which a worker is not starting yet."""
        if isinstance(slot.handle, QueuedHandle):
            # The engine decides how many start at the same time.
            self._started(slot)
            await slot.handle.placed()
            slot.forked_at = trio.current_time()

    def _client(self, addr: str, slot: Slot, link: _Link, consumer: NewsOf) -> am_rpc.Client:
        return am_rpc.Client(
            addr if link.line is None else link.line.link,
            id=link.super_id,
            secret=link.token,
            consumer=consumer.mach,
            parent=self._mach,
            sync=am_rpc.Sync(skipped=("ClientSendPayload", "SuperSendPayload", "SendPayload")),
            retry=am_rpc.Retry(connect_delay=0.05, connect_total=self._timing.conn_timeout),
            limits=link_limits(slot.silence),
        )

    def _linked(self, slot: Slot, client: am_rpc.Client) -> None:
        net = client.net
        slot.net = net
        self._shared.came_up = True
        slot.mach.add("Linked")
        for state in _PIPED:
            amh.bind(net, slot.mach, state)
        amh.sync(net, slot.mach, _PIPED)
        net.bind(Watch(self._shared, slot))
        net.add("Healthcheck")
        self._mach.add("WorkerForked", id=slot.id)
        if net.is_("Ready"):
            self._mach.add("WorkerReady", id=slot.id)
            self._mach.fork(self._stays_healthy, slot)

    async def _link_is_lost(self, client: am_rpc.Client, link: _Link) -> None:
        # A cut link may be made again; a silent one took its whole time-out already. A far worker
        # has to notice first, and then to call.
        near = link.line is None
        patience = self._timing.op_timeout / 2 if near else self._timing.conn_timeout
        while True:
            await client.mach.when_not("Ready")
            if near and isinstance(client.last_error, am_rpc.NetworkTimeout):
                return
            with trio.move_on_after(patience):
                await client.mach.when("Ready")
                continue
            return

    async def _stays_healthy(self, slot: Slot) -> None:
        with trio.move_on_after(self._timing.crash_healthy):
            await slot.mach.when_any("Gone", "Stopping")
            return
        self._shared.crashes.healthy()
        self._mach.remove("CrashLoop")

    def _ended(self, slot: Slot, failure: WorkerError | None) -> None:
        shared = self._shared
        self._started(slot)
        slot.mach.add("Gone")
        shared.slots.pop(slot.id, None)
        # What an end means is what was said before it. An exit code may be anybody's.
        planned = slot.kill_reason in _PLANNED or (slot.agreed and not slot.kill_reason)
        if not planned and not self._mach.is_("Draining") and shared.failure is None:
            shared.restarts += 1
            self._count_death(slot)
            if slot.exit is not None and slot.kill_reason != _FAILURE:
                failure = _exit_error(slot)
            elif slot.exit is not None and failure is not None:
                failure = ErrWorkerConn(f"{failure}{_hints(slot.exit)}", slot.id)
            self._give_up_if_final(slot)
            if failure is not None:
                self._mach.add_err("ErrWorker", failure, worker_id=slot.id)
        self._mach.add("WorkerGone", id=slot.id)
        self._mach.add("WorkerKilled", id=slot.id)
        slot.mach.dispose()
        if shared.failure is not None:
            self._mach.remove("Start")
            shared.give_up()
        shared.changed()

    def _count_death(self, slot: Slot) -> None:
        crashes, now = self._shared.crashes, trio.current_time()
        # One that had come up and was killed from outside tells nothing of its class.
        was_up = slot.mach.tick("Ready") > 0
        outside = was_up and slot.exit is not None and slot.exit.signal == SIGKILL
        if slot.died_at_work:
            crashes.died_at_work(now)
        # One that never came up died early, however long that took.
        elif not outside and crashes.died(now, now - slot.forked_at if was_up else 0.0):
            self._mach.add("CrashLoop")

    def _give_up_if_final(self, slot: Slot) -> None:
        """There is no sense in another try if the class cannot be imported and never was."""
        shared, info = self._shared, slot.exit
        if shared.came_up or info is None or info.code != EXIT_ENTRY:
            return
        shared.failure = EntryPointError(_last_line(info) or f"{shared.entry} cannot be imported")
        shared.exit_code = EXIT_GAVE_UP

    # -- configuration

    def _socket(self, prefix: str, slot: Slot) -> str:
        return f"unix:{self._shared.directory.ensure() / prefix}{slot.id[-6:]}"

    def _spec(self, slot: Slot, bootstrap: Bootstrap, link: _Link) -> WorkerSpec:
        shared = self._shared
        listener = shared.reverse_listener
        local = link.line is None
        # For clients on this host; the directory is nobody else's, so there is no TLS.
        near = self._socket("c", slot) if local and shared.tls is None else ""
        # Without a host for them, workers listen nowhere else.
        public = join(shared.worker_host, 0) if shared.worker_host else near
        slot.near_addr = near if near != public else ""
        limits = {k: v for k, v in asdict(shared.rlimits).items() if v is not None}
        config = BootConfig(
            bootstrap=bootstrap.addr if listener is None else listener.addr,
            token=bootstrap.token,
            kind=shared.kind,
            entry=shared.entry,
            worker_id=slot.id,
            super_id=wire_id(link.super_id),
            link_token=link.token,
            local_addr=self._socket("w", slot) if local else "",
            public_addr=public,
            near_addr=slot.near_addr,
            ppid=os.getpid() if local else 0,
            lifeline=shared.launcher.lifeline,
            log_level=shared.log_level,
            tls=b"" if shared.tls is None else shared.tls.pem,
            path=module_path(sys.path) if local else (),
            timing=asdict(shared.timing),
            rlimits=limits,
            options=dict(shared.options),
        )
        labels = {"kind": shared.kind, "supervisor": self._mach.id}
        return WorkerSpec(slot.id, config.to_bytes(), labels=labels, resources=shared.resources)


class _Link:
    """The credentials of one private link, and the line it comes by if the worker dials it."""

    def __init__(self, worker: str) -> None:
        self.super_id = f"nc-worker-{worker}"
        self.token = secrets.token_bytes(32)
        self.line: Line | None = None

    def reachable(self, addr: str) -> str:
        """A worker's address for clients; one that binds all is known by where it called from."""
        return addr if self.line is None else self.line.reachable(addr)


def _cannot_start(slot: Slot, exc: Exception) -> ErrWorkerConn:
    while isinstance(exc, ExceptionGroup):
        exc = exc.exceptions[0]
    named = exc if isinstance(exc, (OSError, NodeError)) else f"{type(exc).__name__}: {exc}"
    return ErrWorkerConn(f"the process cannot be started: {named}", slot.id)


def _exit_error(slot: Slot) -> ErrWorkerExit:
    info = slot.exit
    assert info is not None
    text = f"worker {slot.id}: {told_exit(info)}"
    return ErrWorkerExit(text, slot.id, info.code, info.signal, info.stderr)


def told_exit(info: ExitInfo) -> str:
    """How a process ended, with the last that it said."""
    last = _last_line(info)
    return f"{info}: {last}" if last else str(info)


def last_words(info: ExitInfo) -> str:
    """The last lines that it wrote on stderr, as far as a caller gets to see them."""
    return "\n".join(info.stderr[-MAX_WORDS:].splitlines()[-_MOST_LINES:])


def _hints(info: ExitInfo) -> str:
    """What a worker that had to be killed left behind that may tell why."""
    found = [part for part in (info.reason, _last_line(info)) if part]
    return f" ({'; '.join(found)})" if found else ""


def _last_line(info: ExitInfo) -> str:
    """The last line on stderr that says something; the frame of an exception group does not."""
    lines = (printable(line.strip(" |+-\t")) for line in reversed(info.stderr.splitlines()))
    return next((line for line in lines if any(map(str.isalnum, line))), "")
