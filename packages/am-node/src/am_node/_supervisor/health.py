"""Health of the workers: rounds of checks, and what happens to a worker that fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from .._errors import ErrHeartbeat, ErrWorkerExit, ErrWorkerHealth, WorkerError
from .._escape import printable
from .shared import log

if TYPE_CHECKING:
    import am_machine as am

    from .shared import Shared
    from .slot import Slot


class Health:
    """The handlers of `Heartbeat` and `ErrWorker`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._mach = shared.mach
        self._timing = shared.timing

    async def StartState(self, e: am.Event) -> None:
        """Ask for a round once in a while."""
        while True:
            await trio.sleep(self._timing.heartbeat)
            self._mach.add("Heartbeat")

    async def HeartbeatState(self, e: am.Event) -> None:
        """Check every ready worker, all at once, within a time limit."""
        with trio.move_on_after(self._timing.heartbeat_timeout) as limit:
            async with trio.open_nursery() as nursery:
                for slot in self._shared:
                    if slot.mach.is_("Linked", "Ready") and not self._may_block(slot):
                        nursery.start_soon(self._check, slot)
        if limit.cancelled_caught:
            late = ErrHeartbeat(f"the round took over {self._timing.heartbeat_timeout} s")
            self._mach.add_err("ErrPool", late)
        self._shared.changed()
        self._mach.remove("Heartbeat")

    def _may_block(self, slot: Slot) -> bool:
        """A class that blocks its event loop says for how long, and its link holds it to that."""
        return slot.silence > self._timing.link_timeout

    async def _check(self, slot: Slot) -> None:
        net = slot.net
        assert net is not None
        for attempt in range(self._shared.policy.health_tries):
            if attempt:
                await trio.sleep(self._timing.healthcheck_pause)
            before = net.tick("Healthcheck")
            with trio.move_on_after(self._timing.op_timeout):
                await net.add("Healthcheck")
                if net.tick("Healthcheck") != before:
                    return
            if slot.mach.any_("Stopping", "Gone") or slot.mach.disposed:
                return
        error = ErrWorkerHealth("no answer to health checks", slot.id)
        self._mach.add_err("ErrWorker", error, worker_id=slot.id)

    # -- errors

    def ExceptionState(self, e: am.Event) -> None:
        """An error nobody else handles, such as one in a handler: log it and go on."""
        if set(e.transition.called) <= {"Exception"}:
            log.error("error in %s", self._mach.id, exc_info=self._mach.err)
            self._mach.remove("Exception")

    def ErrSendPayloadState(self, e: am.Event) -> None:
        """A client that has gone takes nothing any more: that is no error of the pool."""
        self._mach.remove("ErrSendPayload", "Exception")
        log.info("a payload was not delivered: %s", self._mach.err)

    def ErrWorkerState(self, e: am.Event) -> None:
        """Log the error, count it, and end a worker that had too many."""
        self._mach.remove("ErrWorker", "Exception")
        error = self._mach.err
        name = error.worker_id if isinstance(error, WorkerError) else e.args.get("worker_id")
        final = self._shared.failure is not None
        log.log(logging.ERROR if final else logging.WARNING, "%s", _line(error, name))
        slot = self._shared.slots.get(str(name))
        if slot is None or isinstance(error, ErrWorkerExit):
            return
        kept = slot.note_error(self._timing.worker_err_ttl)
        slot.recent_until = trio.current_time() + self._timing.worker_err_recent
        self._mach.fork(self._forgive, slot)
        if kept > self._shared.policy.worker_err_kill:
            self._mach.add("KillWorker", id=slot.id, reason="errors")

    async def _forgive(self, slot: Slot) -> None:
        with trio.move_on_after(self._timing.worker_err_recent):
            await slot.mach.when_disposed()
            return
        if trio.current_time() >= slot.recent_until:
            slot.mach.remove("ErrRecent")


def _line(error: BaseException | None, worker: object) -> str:
    """One line that names the worker, whatever its error says."""
    text = printable(" ".join(str(error).split()))
    return text if not worker or str(worker) in text else f"worker {worker}: {text}"
