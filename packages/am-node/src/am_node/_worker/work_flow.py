"""A worker's requests: asked for, queued, begun, run, answered, remembered.

The flow is a set of handlers beside those of the user's class. Whatever that class overrides, the
rules of this file hold: one request at a time, an answer for each, the last answers kept for
repeats.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol

import trio

import am_machine as am
import am_rpc

from .._errors import WorkTimeout
from .._wire_work import (
    ANSWER,
    BACK,
    BATCH,
    error_answer,
    is_req,
    is_too_large,
    text_of,
    unpack_requests,
)
from .answer_cache import AnswerCache
from .answer_sender import AnswerSender, Done, Parcel
from .waiting_line import WaitingLine
from .work_runner import Job, WorkRunner
from .work_signature import WorkSignature

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._timing import WorkerTiming
    from .._wire_work import Requests
    from .worker import Worker

_WORK_STATUS = ("WorkRequested", "Working", "WorkReady")
# Bytes of a result that can travel.
MAX_PAYLOAD = am_rpc.Limits().payload
_log = logging.getLogger("am_node")


class Link(Protocol):
    """The way to the client, as far as requests and answers need it."""

    def post(self, name: str, data: Any, done: Done) -> bool:
        """Send a payload at once; `done` is told what became of it. False: nobody is connected."""
        ...

    def cork(self) -> Callable[[], None] | None:
        """Keep back the outcome of the request that is handled just now; returns what sends it."""


class WorkFlow:
    """The handlers of a worker's *WorkStatus* states, with a `link` to the client."""

    def __init__(self, worker: Worker, mach: am.Machine, timing: WorkerTiming, link: Link) -> None:
        cls = type(worker)
        self._queue = cls.queue
        self._max_tasks = cls.max_tasks
        self._limit = cls.work_timeout
        self._mach = mach
        self._timing = timing
        self._signature = WorkSignature(cls)
        work = getattr(worker, "work", _no_work)
        self._link = link
        # Sends the outcome of a request whose answer may be there in a moment, to leave with it.
        self._release: Callable[[], None] | None = None
        self._runner = WorkRunner(work, cls.thread, cls.work_timeout, self)
        self._answer_sender = AnswerSender(
            mach, link.post, timing.delivery_timeout, self._runner.wake
        )
        self._waiting = WaitingLine()
        self._asked: bytes | None = None
        self._answer_cache = AnswerCache(cls.queue)
        # What the `WorkQueued` asks for that is being decided on.
        self._offered: tuple[Requests, list[bytes]] = ([], [])
        self._can_send = False
        # Where the machine lives, once it does.
        self._thread: int | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._idle_since = 0.0
        self.finished = 0

    def in_loop(self, call: Callable[[], Any]) -> None:
        """Make a call in the thread of the machine, and wait for it if this is another one."""
        if self._thread in (None, threading.get_ident()):
            call()
        else:
            trio.from_thread.run_sync(call, trio_token=self._token)

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    def StartState(self, e: am.Event) -> None:
        """Start the tasks that run requests and deliver answers."""
        self._thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()
        self._mach.fork(self._runner.run)
        if self._limit is not None:
            self._mach.fork(self._runner.watch)
        self._mach.fork(self._answer_sender.run)

    def PublicRpcReadyState(self, e: am.Event) -> None:
        """Payloads can be sent."""
        self._can_send = True

    def PublicRpcReadyEnd(self, e: am.Event) -> None:
        """No payload can be sent: the state of one would be refused."""
        self._can_send = False

    # -- asked for

    def WorkRequestedEnter(self, e: am.Event) -> bool:
        """Refuse while busy: refusing tells the client to wait for `Idle` or go elsewhere."""
        req = e.args.get("req")
        promised = self._waiting.is_promised(req)
        if self._mach.any_("Working", "WorkRequested") or self._runner.stray:
            if promised and not e.is_check:
                self._wait_again()
            return False
        if promised:
            if not e.is_check:
                self._waiting.promised = None
        elif req in self._answer_cache:
            # Asked again after the answer was lost on its way: it is sent again, not worked out.
            if not e.is_check:
                self._send(req, self._answer_cache[req])
            return False
        elif self._stops or not is_req(req):
            return False
        self._asked = req
        return True

    @property
    def _stops(self) -> bool:
        """Whether no new request is accepted: it drains, others wait, or it has done all it may."""
        done = bool(self._max_tasks) and self.finished >= self._max_tasks
        return done or self._mach.any_("Draining", "LeaseEnding")

    def WorkQueuedEnter(self, e: am.Event) -> bool:
        """Accept all that are asked for, or none: as many as the class lets wait."""
        requests = unpack_requests(e.args)
        if requests is None:
            return False
        # Sorted out once for the handler of the state, which follows if nobody else refuses.
        self._offered = new, _ = self._sort_out(requests)
        if not new:
            return True
        if self._stops:
            return False
        room = self._queue - len(self._waiting)
        if self._is_free:
            room += 1
        if self._max_tasks:
            # The one at work is not finished, but one of them.
            at_work = not self._is_free
            room = min(room, self._max_tasks - self.finished - len(self._waiting) - at_work)
        return len(new) <= room

    def _sort_out(self, requests: Requests) -> tuple[Requests, list[bytes]]:
        """Those that are new, and the ids of those that are answered already.

        The rest waits or runs.
        """
        at_work = {self._asked} if self._mach.any_("Working", "WorkRequested") else set()
        if self._waiting.promised is not None:
            at_work.add(self._waiting.promised[0])
        new: Requests = []
        repeated = []
        for request in requests:
            req = request[0]
            if req is None:
                new.append(request)
            elif req in self._answer_cache:
                repeated.append(req)
            elif req not in self._waiting and req not in at_work:
                new.append(request)
        return new, repeated

    @property
    def _is_free(self) -> bool:
        """Whether a request can begin at once."""
        return not (
            self._mach.any_("Working", "WorkRequested")
            or self._waiting.promised is not None
            or self._runner.stray
        )

    def WorkQueuedState(self, e: am.Event) -> None:
        """Keep the requests; a worker that does nothing begins the first at once."""
        new, repeated = self._offered
        if self._waiting.promised is not None and not self._mach.is_queued("add", "WorkRequested"):
            # A handler of the class refused it. It may be asked again.
            self._wait_again()
        for again in repeated:
            self._send(again, self._answer_cache[again])
        self._waiting.add(new, together="req" not in e.args)
        begun = self._is_free and self._begin_next()
        if not begun and not self._waiting:
            self._mach.remove("WorkQueued")

    def WorkQueuedExit(self, e: am.Event) -> bool:
        """A client that gives up names the request, which waits no longer; others still do."""
        req = e.args.get("req")
        if e.mutation.kind is not am.Kind.REMOVE or req is None:
            return True
        if not e.is_check:
            self._waiting.withdraw(req)
        return not self._waiting

    def _begin_next(self) -> bool:
        """Ask for the oldest request that waits; False if there is none that can begin."""
        while self._waiting and not self._runner.stray:
            req, args = self._waiting.take()
            try:
                self._mach.add("WorkRequested", req=req, **args)
            except am.ArgsError as exc:
                self._waiting.promised = None
                self.finished += 1
                self._send(req, error_answer(exc))
                continue
            if not self._waiting:
                self._mach.remove("WorkQueued")
            return True
        return False

    def _wait_again(self) -> None:
        self._waiting.put_back()
        self._mach.add("WorkQueued", **{BATCH: []})

    # -- begun and run

    def begin(self, e: am.Event) -> None:
        """Take up the request of event `e`: refuse its args, or start it."""
        args = dict(e.args)
        req = args.pop("req", None)
        problem = self._signature.problem(args)
        if problem is not None:
            self.finish(req, error_answer(problem))
        else:
            self._mach.add("Working", req=req, args=args)

    def WorkingEnter(self, e: am.Event) -> bool:
        """Accept only as the next step of a request."""
        return self._mach.is_("WorkRequested")

    def run(self, e: am.Event) -> None:
        """Run ``work`` for the request of event `e`; it is cancelled when `Working` ends."""
        args = e.args
        job = Job(args.get("req"), args.get("args", {}), am.current_source())
        if self._runner.start(job):
            self._release = self._link.cork()

    def WorkingExit(self, e: am.Event) -> bool:
        """A client that gives up names the request: it must not hit the one after it."""
        if e.mutation.kind is not am.Kind.REMOVE:
            return True
        req = e.args.get("req")
        return req is None or req == self._asked

    def WorkingEnd(self, e: am.Event) -> None:
        """Cancel what still runs, and look after what does not end by that."""
        self._runner.cancel()
        if self._runner.stray:
            self._mach.fork(self._watch_strays)

    async def _watch_strays(self) -> None:
        await trio.sleep(self._timing.kill_timeout)
        if self._runner.stray:
            self._mach.add("WorkStuck")

    # -- what the runner tells

    def job_done(self, job: Job, result: Any) -> None:
        """Answer with the result."""
        try:
            self.finish(job.req, {"data": result})
        except Exception as exc:  # of what the result is made of
            self.job_failed(job, exc)

    def job_failed(self, job: Job, error: BaseException) -> None:
        """Answer with the error, which is the caller's."""
        answer = error_answer(error, traced=True)
        if isinstance(error, Exception) and text_of(error)[1]:
            _log.info("work failed", exc_info=error)
            self._mach.add_err("ErrWork", error)
        else:
            # Nothing else may meet it: it ends programs, or its text does.
            told = _Ended("work raised {type}: {message}".format(**answer["error"]))
            _log.info("%s", told)
            self._mach.add_err("ErrWork", told)
        self.finish(job.req, answer)

    def job_late(self, job: Job) -> None:
        """Answer that it took too long; a thread is left behind."""
        late = WorkTimeout(f"the work took longer than {self._limit} s")
        self._mach.add_err("ErrWorkTimeout", late)
        self.finish(job.req, error_answer(late))

    def job_cancelled(self) -> None:
        """Nobody wants an answer; what waits can begin."""
        if not self._runner.stray:
            self._mach.remove("WorkStuck")
        self._rest()

    def job_waits(self) -> None:
        """The client need not wait for the end of the work to know that it has begun."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def at_rest(self) -> None:
        """Let `Idle` in, if the last answer was delivered."""
        if self._release is not None:
            self.job_waits()
        self._answer_sender.at_rest()

    def strays_ended(self) -> None:
        """No thread is left behind any more."""
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
        self.finished += 1
        if self._can_send:
            # Two states of one transition, which costs half as much as two.
            self._send(req, answer, "WorkReady")
        else:
            self._mach.add("WorkReady")
            self._mach.remove("WorkReady")

    def _send(self, req: bytes | None, answer: dict[str, Any], *states: str) -> None:
        self._mach.add(
            "ClientSendPayload", *states, name=ANSWER, data=answer, req=req, is_new=bool(states)
        )

    def ClientSendPayloadState(self, e: am.Event) -> None:
        """Hand the payload to the answer sender; an answer that others follow may wait for them."""
        args = e.args
        name, data = str(args.get("name")), args.get("data")
        if name != ANSWER or not isinstance(data, dict):
            self._answer_sender.put(Parcel(name, data), True)
            return
        req = args.get("req")
        size = 0 if req is None else self._answer_cache.keep(req, data)
        if size > MAX_PAYLOAD and is_too_large(data, MAX_PAYLOAD):
            large = am_rpc.LimitExceeded(f"the result has over {MAX_PAYLOAD} bytes")
            data = error_answer(large)
            size = 0 if req is None else self._answer_cache.keep(req, data)
        together = self._waiting.end_in_batch(req)
        tick = self._mach.tick("WorkReady") if args.get("is_new") else None
        parcel = Parcel(name, {"req": req, **data}, size if together else None, tick)
        if self._answer_sender.put(parcel, not (together and self._waiting)):
            # It took the outcome along.
            self._release = None

    def WorkReadyState(self, e: am.Event) -> None:
        """What waits begins without waiting for the delivery of the answer."""
        self._begin_next()

    # -- at rest

    def IdleEnter(self, e: am.Event) -> bool:
        """A worker with a thread left behind, or with requests waiting, is not idle."""
        return not self._runner.stray and not self._waiting

    def idle_for(self, seconds: float) -> bool:
        """Whether there has been nothing to do for its client for so long."""
        return self._mach.is_("Idle") and trio.current_time() - self._idle_since >= seconds

    def ClientConnectedState(self, e: am.Event) -> None:
        """A client has the same time to ask for something as between two requests."""
        self._idle_since = trio.current_time()

    def give_back(self) -> None:
        """Send requests that wait back to the client; those that nobody named stay."""
        for req in self._waiting.withdraw_named():
            self._answer_sender.put(Parcel(ANSWER, {"req": req, BACK: True}, 0), False)
        if not self._waiting:
            self._mach.remove("WorkQueued")

    def IdleState(self, e: am.Event) -> None:
        """Stop after the last task that the class allows."""
        self._idle_since = trio.current_time()
        if self._max_tasks and self.finished >= self._max_tasks:
            self._mach.add("Draining")

    def ErrWorkState(self, e: am.Event) -> None:
        """An application error is the caller's; the worker itself is fine."""
        self._mach.remove("ErrWork", "Exception")

    def ErrWorkTimeoutState(self, e: am.Event) -> None:
        """As for any other error of the work."""
        self._mach.remove("ErrWorkTimeout", "Exception")

    def drop(self) -> None:
        """Forget what the client asked for: cancel running work, empty the queue."""
        self._answer_sender.clear()
        self._waiting.clear()
        self._mach.remove("WorkQueued")
        self._mach.remove(*_WORK_STATUS)

    def _rest(self) -> None:
        if not self._mach.any_(*_WORK_STATUS) and not self._begin_next():
            self._mach.add("Idle")


class _Ended(Exception):
    """What ``work`` raised is no `Exception`, such as a `SystemExit`."""


def _no_work(**args: Any) -> Any:
    raise NotImplementedError("the worker class has neither work() nor a WorkRequestedState")
