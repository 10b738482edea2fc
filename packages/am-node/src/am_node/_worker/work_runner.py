"""Running ``work`` in the way its class wants: in the loop, in a thread, or inline.

One task runs all requests of a worker, one after the other. It stays inside one cancel scope, which
is renewed after each cancellation: most requests are never cancelled and need none of their own.
"""

from __future__ import annotations

import contextlib
import inspect
from functools import partial
from time import perf_counter
from types import CoroutineType, coroutine
from typing import TYPE_CHECKING, Any, Protocol

import trio

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

# Requests that are done sooner follow each other without a turn of the event loop, up to so many
# seconds together: their answers then travel together, too.
TURN = 0.001
# Seconds that a coroutine has to end after its time is over, before its caller is told.
PATIENCE = 0.5


class Job:
    """One call of ``work``. `source` is the transition that it belongs to."""

    __slots__ = ("args", "req", "source")

    def __init__(
        self, req: bytes | None, args: Mapping[str, Any], source: am.Source | None
    ) -> None:
        self.req = req
        self.args = args
        self.source = source


class Employer(Protocol):
    """Who hears of what became of a job, in the runner's task."""

    def job_done(self, job: Job, result: Any) -> None:
        """It returned `result`."""

    def job_failed(self, job: Job, error: BaseException) -> None:
        """It raised."""

    def job_late(self, job: Job) -> None:
        """It took longer than allowed and was cancelled."""

    def job_cancelled(self) -> None:
        """A job was cancelled and is over, but for a thread that may be left behind."""

    def job_waits(self) -> None:
        """The job does not end in the turn of the event loop in which it began."""

    def at_rest(self) -> None:
        """There is no job, and after `wake` there still is none."""

    def strays_ended(self) -> None:
        """The last thread that was left behind has ended."""


class WorkRunner:
    """Calls ``work`` and keeps count of calls which outlive their cancellation.

    A thread cannot be cancelled. It is left behind and counted in `stray` until it ends. So is a
    coroutine that does not end when it is cancelled, since it shields itself, waits for a thread,
    or takes no notice.
    """

    def __init__(
        self, function: Callable[..., Any], in_thread: bool, limit: float | None, employer: Employer
    ) -> None:
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function)
        self._in_thread = in_thread and not self._is_async
        self._limit = limit
        self._employer = employer
        self._next: Job | None = None
        self._running: Job | None = None
        self._was_cancelled = False
        self._scope = trio.CancelScope()
        self._asked = trio.Event()
        self._thread: _Thread | None = None
        self._began = trio.Event()
        # A coroutine that was cancelled and has not ended.
        self._lingering: Job | None = None
        self._threads = 0

    @property
    def stray(self) -> int:
        """How many calls outlive their cancellation just now."""
        return self._threads + (self._lingering is not None)

    @property
    def busy(self) -> bool:
        """Whether a job runs or is about to."""
        return self._running is not None or self._next is not None

    def start(self, job: Job) -> bool:
        """Run `job` as soon as the one before it is over.

        True if it begins in the next turn of the event loop and may end in it, which one in a
        thread never does. The employer is told if it does not, or is at rest afterwards.
        """
        at_once = not self.busy
        self._next = job
        self._asked.set()
        return at_once and not self._in_thread

    def wake(self) -> None:
        """Have `at_rest` called in the next turn, unless there is a job by then."""
        self._asked.set()

    def cancel(self) -> None:
        """Cancel what runs. A thread is left behind."""
        if not self.busy:
            return
        self._next = None
        self._was_cancelled = True
        self._asked.set()
        if self._running is not None:
            self._scope.cancel()
            if self._is_async:
                self._lingering = self._running
            self._leave_thread()

    async def run(self) -> None:
        """Run jobs for ever."""
        while True:
            with trio.CancelScope() as self._scope:
                await self._run_jobs(self._scope)
            job, self._running = self._running, None
            self._lingering = None
            if self._was_cancelled:
                self._was_cancelled = False
                self._employer.job_cancelled()
            elif job is not None:
                self._leave_thread()
                self._employer.job_late(job)

    async def watch(self) -> None:
        """Tell, for ever, of coroutines that go on after their time is over."""
        while True:
            await self._began.wait()
            self._began = trio.Event()
            while (job := self._running) is not None and not self._was_cancelled:
                await trio.sleep_until(self._scope.deadline + PATIENCE)
                if self._running is job and not self._was_cancelled:
                    self._lingering = job
                    self._was_cancelled = True
                    self._employer.job_late(job)

    async def _run_jobs(self, scope: trio.CancelScope) -> None:
        began = perf_counter()
        while not (scope.cancel_called or self._was_cancelled):
            job = self._next
            if job is None:
                self._employer.at_rest()
                await self._asked.wait()
                self._asked = trio.Event()
                began = perf_counter()
                continue
            self._next, self._running = None, job
            await self._run_one(job, scope)
            if perf_counter() - began > TURN:
                self._employer.job_waits()
                await trio.lowlevel.checkpoint()
                began = perf_counter()

    async def _run_one(self, job: Job, scope: trio.CancelScope) -> None:
        if self._limit is not None:
            scope.deadline = trio.current_time() + self._limit
            self._began.set()
        try:
            with am.use_source(job.source):
                result = await self._call(job.args)
        except BaseException as exc:
            if not is_answer(exc):
                raise
            if self._settle(scope):
                self._employer.job_failed(job, exc)
        else:
            if self._settle(scope):
                self._employer.job_done(job, result)

    def _settle(self, scope: trio.CancelScope) -> bool:
        """The job is over; False if it was cancelled, so that nobody wants its outcome."""
        if self._limit is not None:
            scope.deadline = float("inf")
        self._running = None
        return not self._was_cancelled

    async def _call(self, args: Mapping[str, Any]) -> Any:
        if self._is_async:
            return await _noticed(self._function(**args), self._employer.job_waits)
        if not self._in_thread:
            return _value(self._function(**args))
        self._thread = _Thread(self, partial(self._function, **args))
        return await self._thread.run()

    def _leave_thread(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None and not thread.ended:
            thread.left_behind = True
            self._threads += 1

    def thread_ended(self, thread: _Thread) -> None:
        """Called in the event loop when a thread's call has returned."""
        thread.ended = True
        if thread.left_behind:
            self._threads -= 1
            if not self.stray:
                self._employer.strays_ended()


def is_answer(exc: BaseException) -> bool:
    """Whether what ``work`` raised is its answer; a cancellation is none.

    ``sys.exit()`` ends a program of its own, not the worker that happens to run it.
    """
    if isinstance(exc, BaseExceptionGroup):
        return all(map(is_answer, exc.exceptions))
    return not isinstance(exc, trio.Cancelled)


def _value(returned: Any) -> Any:
    """What a plain function returned, unless it is the beginning of a call nobody would finish."""
    if isinstance(returned, CoroutineType):
        returned.close()
        raise TypeError(
            "`work` is a plain function and returned a coroutine, which nobody awaits: what wraps "
            "an `async def work` has to be an `async def`, too"
        )
    return returned


@coroutine
def _noticed(work: Coroutine[Any, Any, Any], waits: Callable[[], None]) -> Any:
    """Run `work`; call `waits` when it lets others have a turn for the first time."""
    try:
        trap = work.send(None)
        waits()
        while True:
            try:
                sent = yield trap
            except BaseException as exc:
                trap = work.throw(exc)
            else:
                trap = work.send(sent)
    except StopIteration as end:
        return end.value


class _Thread:
    """One call in a thread, which may outlive the wait for it."""

    __slots__ = ("_call", "_runner", "_token", "ended", "left_behind")

    def __init__(self, runner: WorkRunner, call: Callable[[], Any]) -> None:
        self._runner = runner
        self._call = call
        self._token = trio.lowlevel.current_trio_token()
        self.ended = False
        self.left_behind = False

    async def run(self) -> Any:
        return await trio.to_thread.run_sync(self._in_thread, abandon_on_cancel=True)

    def _in_thread(self) -> Any:
        try:
            return _value(self._call())
        finally:
            # A thread that was left behind may outlive the event loop.
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._runner.thread_ended, self)
