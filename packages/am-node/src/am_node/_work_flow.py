"""One request through a worker: asked for, begun, run, answered, remembered.

The flow is a set of handlers beside those of the user's class. Whatever that class overrides, the
rules of this file hold: one request at a time, an answer for each, the last answers kept for
repeats.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am
import am_rpc

from ._errors import WorkTimeout
from ._work_runner import WorkRunner
from ._worker import Worker, work_signature

if TYPE_CHECKING:
    from ._settings import Timing

# A client repeats a request only after it lost the answer, which at most this many others follow.
MAX_REMEMBERED = 64
MAX_REMEMBERED_BYTES = 64 * 2**20
MAX_REQ_BYTES = 64
ANSWER = "work"

_WORK_STATUS = ("WorkRequested", "Working", "WorkReady")
_log = logging.getLogger("am_node")

Deliver = Callable[[str, Any], Awaitable[None]]


def error_answer(exc: BaseException) -> dict[str, Any]:
    """The answer that tells the caller of an exception, by its type's name and its text."""
    return {"error": {"type": type(exc).__name__, "message": str(exc)}}


def weight(value: object) -> int:
    """About how many bytes of memory a result keeps."""
    if isinstance(value, (bytes, str)):
        return len(value)
    if isinstance(value, dict):
        return sum(weight(part) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple)):
        return sum(map(weight, value))
    return 8


class WorkFlow:
    """The handlers of a worker's *WorkStatus* states.

    `deliver(name, data)` sends a payload to the client; it returns when the client has it and
    raises if that fails.
    """

    def __init__(self, worker: Worker, mach: am.Machine, timing: Timing, deliver: Deliver) -> None:
        self._worker = worker
        self._mach = mach
        self._timing = timing
        self._deliver = deliver
        self._signature = work_signature(type(worker))
        self._runner = WorkRunner(
            getattr(worker, "work", _no_work), worker.thread, self._stray_threads_ended
        )
        self._waiting: deque[dict[str, Any]] = deque()
        # The request taken from the queue last: it was accepted, so draining does not refuse it.
        self._promised: bytes | None = None
        self._running: bytes | None = None
        self._asked: bytes | None = None
        self._answers: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._remembered = 0
        self._under_way = trio.Event()
        self._under_way.set()
        self.finished = 0

    # -- asked for

    def WorkRequestedEnter(self, e: am.Event) -> bool:
        """Refuse while busy: refusing tells the client to wait for `Idle` or go elsewhere."""
        req = e.args.get("req")
        promised = req is not None and req == self._promised
        if self._mach.any_("Working", "WorkRequested") or self._runner.stray:
            if promised:
                self._waiting.appendleft(dict(e.args))
            return False
        if not promised and (self._mach.is_("Draining") or not _is_req(req)):
            return False
        if req is not None and req in self._answers:
            # Asked again after the answer was lost on its way: it is sent again, not worked out.
            self._mach.fork(self._send, ANSWER, self._answers[req], req, None)
            return False
        self._asked = req
        return True

    def WorkQueuedEnter(self, e: am.Event) -> bool:
        """Refuse when as many requests wait as the class allows."""
        room = len(self._waiting) < self._worker.queue
        return room and not self._mach.is_("Draining") and _is_req(e.args.get("req"))

    def WorkQueuedState(self, e: am.Event) -> None:
        """Keep the request; a worker that does nothing begins it at once."""
        self._waiting.append(dict(e.args))
        if not self._mach.any_("Working", "WorkRequested"):
            self._begin_next()

    def _begin_next(self) -> None:
        if self._waiting and not self._runner.stray:
            following = self._waiting.popleft()
            self._promised = following.get("req")
            self._mach.add("WorkRequested", **following)
            if not self._waiting:
                self._mach.remove("WorkQueued")

    # -- begun and run

    def begin(self, e: am.Event) -> None:
        """Take up the request of event `e`: refuse its args, or start it."""
        args = dict(e.args)
        req = args.pop("req", None)
        if self._signature is not None:
            try:
                self._signature.bind(**args)
            except TypeError as exc:
                self.finish(req, error_answer(exc))
                return
        self._mach.add("Working", req=req, args=args)

    def WorkingExit(self, e: am.Event) -> bool:
        """A client that gives up names the request: it must not hit the one after it."""
        req = e.args.get("req")
        if e.mutation.kind is not am.Kind.REMOVE or req is None or req == self._running:
            return True
        self._waiting = deque(item for item in self._waiting if item.get("req") != req)
        return False

    def WorkingEnter(self, e: am.Event) -> bool:
        """Accept only as the next step of a request."""
        return self._mach.is_("WorkRequested")

    async def run_work(self, e: am.Event) -> None:
        """Run ``work`` and answer with its result; the caller's scope is the state `Working`."""
        req: bytes | None = e.args.get("req")
        self._running = req
        args: Mapping[str, Any] = e.args.get("args", {})
        limit = self._worker.work_timeout
        try:
            if limit is None:
                result = await self._runner.run(args)
                late = None
            else:
                with trio.move_on_after(limit) as scope:
                    result = await self._runner.run(args)
                text = f"the work took longer than {limit} s"
                late = WorkTimeout(text) if scope.cancelled_caught else None
        except Exception as exc:
            _log.info("work failed", exc_info=exc)
            self._mach.add_err("ErrWork", exc)
            self.finish(req, error_answer(exc))
            return
        if late is not None:
            self._mach.add_err("ErrWorkTimeout", late)
            self.finish(req, error_answer(late))
            return
        self.finish(req, {"data": result})

    def WorkingEnd(self, e: am.Event) -> None:
        """Look after a thread that its request may have left behind."""
        if self._runner.in_thread:
            self._mach.fork(self._watch_stray_threads)

    async def _watch_stray_threads(self) -> None:
        # The task that ran the work learns of its cancellation only after this handler.
        await trio.lowlevel.checkpoint()
        if not self._runner.stray:
            return
        await trio.sleep(self._timing.kill_timeout)
        if self._runner.stray:
            self._mach.add("WorkStuck")

    def _stray_threads_ended(self) -> None:
        self._mach.remove("WorkStuck")
        self._rest()

    def failed(self, e: am.Event) -> bool:
        """Answer a request whose own handler raised; False if the error came from elsewhere."""
        panic = e.args.get("panic")
        where = e.args.get("task", "") if panic is None else panic.handler
        if where not in {"WorkRequestedState", "WorkingState"} or self._mach.err is None:
            return False
        self.finish(self._asked, error_answer(self._mach.err))
        return True

    # -- answered

    def finish(self, req: bytes | None, answer: dict[str, Any]) -> None:
        """Answer a request, which makes `WorkReady`, sends the payload, and lets `Idle` in."""
        if req is not None:
            self._remember(req, answer)
        self.finished += 1
        self._mach.add("WorkReady", req=req, answer=answer)

    def _remember(self, req: bytes, answer: dict[str, Any]) -> None:
        self._answers[req] = answer
        self._remembered += weight(answer)
        while len(self._answers) > 1 and (
            len(self._answers) > MAX_REMEMBERED or self._remembered > MAX_REMEMBERED_BYTES
        ):
            _, forgotten = self._answers.popitem(last=False)
            self._remembered -= weight(forgotten)

    def WorkReadyState(self, e: am.Event) -> None:
        """Send the answer; what waits begins without waiting for its delivery."""
        req = e.args.get("req")
        answer = e.args.get("answer", {})
        self._mach.add("ClientSendPayload", name=ANSWER, data=answer, req=req, tick=e.tick)
        self._begin_next()

    def ClientSendPayloadState(self, e: am.Event) -> None:
        """Deliver one payload in a task of its own, after those before it have set out."""
        args = e.args
        before, self._under_way = self._under_way, trio.Event()
        self._mach.fork(
            self._send_after,
            before,
            self._under_way,
            (str(args.get("name")), args.get("data"), args.get("req"), args.get("tick")),
        )

    async def _send_after(
        self,
        before: trio.Event,
        under_way: trio.Event,
        payload: tuple[str, Any, bytes | None, int | None],
    ) -> None:
        await before.wait()
        # Whoever waits for this event runs later than the next lines, which write to the link.
        under_way.set()
        await self._send(*payload)

    async def _send(self, name: str, data: Any, req: bytes | None, tick: int | None) -> None:
        payload = {"req": req, **data} if name == ANSWER else data
        try:
            with trio.fail_after(self._timing.delivery_timeout):
                await self._deliver(name, payload)
        except (TypeError, ValueError, am_rpc.LimitExceeded) as exc:
            # The result cannot travel, which is the work's fault: the caller gets to know.
            if name == ANSWER and "error" not in payload:
                await self._send(name, error_answer(exc), req, tick)
                return
            self._mach.add_err("ErrSendPayload", exc)
        except Exception as exc:
            _log.info("payload %r was not delivered: %s", name, exc)
        if tick is not None and self._mach.tick("WorkReady") == tick:
            self._mach.remove("WorkReady")

    # -- at rest

    def IdleEnter(self, e: am.Event) -> bool:
        """A worker with a thread left behind, or with requests waiting, is not idle."""
        return not self._runner.stray and not self._waiting

    def IdleState(self, e: am.Event) -> None:
        """Stop after the last task that the class allows."""
        limit = self._worker.max_tasks
        if limit and self.finished >= limit:
            self._mach.add("Draining")

    def ErrWorkState(self, e: am.Event) -> None:
        """An application error is the caller's; the worker itself is fine."""
        self._mach.remove("ErrWork", "Exception")

    def ErrWorkTimeoutState(self, e: am.Event) -> None:
        """As for any other error of the work."""
        self._mach.remove("ErrWorkTimeout", "Exception")

    def drop(self) -> None:
        """Forget what the client asked for: cancel running work, empty the queue."""
        self._waiting.clear()
        self._mach.remove("WorkQueued")
        self._mach.remove(*_WORK_STATUS)

    def _rest(self) -> None:
        if self._waiting:
            self._begin_next()
        elif not self._mach.any_(*_WORK_STATUS):
            self._mach.add("Idle")


def _is_req(req: object) -> bool:
    return req is None or (isinstance(req, bytes) and 0 < len(req) <= MAX_REQ_BYTES)


def _no_work(**args: Any) -> Any:
    raise NotImplementedError("the worker class has neither work() nor a WorkRequestedState")
