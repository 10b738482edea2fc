"""One trio run as a guest of an asyncio loop, shared by all hosts that are open there.

Rules of this file
* Trio's tasks and asyncio's run in one thread, never at the same moment: no locks, and either side
  may touch the other's objects between two of its own awaits.
* Every call that asyncio makes into trio is a `Call`, which is told of its end whatever happens,
  also if trio breaks down: nobody waits for ever.
* Leaving cannot be cancelled, only remembered: a cancellation that arrives meanwhile is raised
  when trio has finished.
* Trio ends when the last host was left. One that comes while it does waits for that end and starts
  afresh, since a thread has room for one guest run.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any
from weakref import ref

import trio

from .._errors import HostClosedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from outcome import Outcome


async def wait_in(waiters: list[asyncio.Future[None]]) -> None:
    """Wait until the waiters are released."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiters.append(future)
    await future


def release(waiters: list[asyncio.Future[None]]) -> None:
    """Resume all who wait now, but for those that were cancelled."""
    for future in waiters:
        if not future.done():
            future.set_result(None)
    waiters.clear()


class Call:
    """An async function that runs in trio, and whoever waits for it in asyncio."""

    __slots__ = ("_args", "_fn", "_returned", "_run", "_waiters", "done", "error", "scope", "value")

    def __init__(
        self, run: GuestRun, fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> None:
        self._run = run
        self._fn = fn
        self._args = args
        self._waiters: list[asyncio.Future[None]] = []  # also whoever closes the host
        self._returned = False
        self.scope = trio.CancelScope()
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None

    async def drive(self) -> None:
        """The task in trio."""
        try:
            with self.scope:
                self.value = await self._fn(*self._args)
                self._returned = True
        except trio.Cancelled:  # not by our scope: trio itself is ending
            self.error = HostClosedError("trio ended")
            raise
        except BaseException as exc:
            self.error = exc  # raised where the call was made
        finally:
            self.finish()

    def finish(self) -> None:
        """It is over: tell who waits."""
        self.done = True
        self._run.calls.discard(self)
        self.wake()

    def wake(self) -> None:
        """Resume who waits."""
        release(self._waiters)

    async def woken(self) -> None:
        """Wait for `wake` or the end; a cancellation passes through and changes nothing."""
        if not self.done:
            await wait_in(self._waiters)

    async def ended(self) -> bool:
        """Wait for the end, whatever comes; tell whether a cancellation came meanwhile."""
        cancelled = False
        while not self.done:
            try:
                await self.woken()
            except asyncio.CancelledError:
                cancelled = True
        return cancelled

    async def result(self) -> Any:
        """Wait for the end and hand out what it brought. A cancellation here is one there."""
        try:
            await self.woken()
        except asyncio.CancelledError:
            self.scope.cancel()
            await self.ended()
            if self.error is not None:
                raise self.error from None
            raise
        except BaseException:  # the coroutine is being closed: nothing more can be awaited
            self.scope.cancel()
            raise
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # else traceback and call would keep each other alive
        if not self._returned:
            raise HostClosedError("the host was closed, which cancelled this")
        return self.value


class Body:
    """The asyncio code inside an ``async with``, which trio may have to interrupt."""

    __slots__ = ("_cancelling", "_interrupted", "_left", "_task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("this needs an asyncio task around it")
        self._task = task
        self._cancelling = task.cancelling()
        self._interrupted = False
        self._left = False

    def interrupt(self) -> None:
        """Cancel the code, once, unless it was left. Called between its awaits, never within."""
        if not self._left and not self._interrupted:
            self._interrupted = True
            self._task.cancel()

    def leave(self, raised: BaseException | None) -> BaseException | None:
        """Return what the code itself raised: nothing, if it was only interrupted."""
        self._left = True
        if not self._interrupted or self._task is not asyncio.current_task():
            return raised
        foreign = self._task.uncancel() > self._cancelling
        return None if isinstance(raised, asyncio.CancelledError) and not foreign else raised


def raise_from_block(
    own: BaseException | None, error: BaseException | None, cancelled: bool
) -> bool:
    """End a block that raised ``own`` and whose trio half raised ``error``.

    Returns whether to swallow what was raised in the block, as ``__aexit__`` does.
    """
    if error is not None:
        if own is None or isinstance(own, asyncio.CancelledError | HostClosedError):
            raise error  # the others are only its consequences
        raise BaseExceptionGroup("the block and trio both failed", [own, error])
    if own is None and cancelled:
        raise asyncio.CancelledError
    return own is None


def bare(error: BaseException) -> BaseException:
    """Take an exception out of the groups that hold nothing else."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


class GuestRun:
    """Trio on the running asyncio loop of this thread."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.hosts = 0
        self.calls: set[Call] = set()
        self.bodies: set[Body] = set()
        self.error: BaseException | None = None
        self.nursery: trio.Nursery | None = None  # from trio's first turn on, until it ends
        self.ending = False
        self.over = False
        self.successor: GuestRun | None = None  # begins when this one is over
        self._stop = trio.Event()
        self._changed: list[asyncio.Future[None]] = []

    def start(self) -> None:
        """Set trio up; nothing of it runs before the loop's next turn."""
        try:
            trio.lowlevel.start_guest_run(
                self._main,
                run_sync_soon_threadsafe=self.loop.call_soon_threadsafe,
                run_sync_soon_not_threadsafe=self.loop.call_soon,
                done_callback=self._ended,
                # True of some loops, and of asyncio on any platform once it handles a signal.
                host_uses_signal_set_wakeup_fd=True,
            )
        except RuntimeError as exc:
            raise RuntimeError(
                "trio runs in this thread already, and not by am_helpers.guest"
            ) from exc

    async def _main(self) -> None:
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            release(self._changed)
            try:
                while self.hosts:  # another may have come since the last one was left
                    self._stop = trio.Event()
                    await self._stop.wait()
            finally:
                self.nursery = None
                self.ending = True

    def _ended(self, outcome: Outcome[None]) -> None:
        """Trio is over, by `leave` or by an exception."""
        self.ending = self.over = True
        self.nursery = None
        try:
            outcome.unwrap()
        except BaseException as exc:
            self.error = bare(exc)
        for call in tuple(self.calls):  # there are some only if trio itself broke
            call.error = HostClosedError("trio ended")
            call.error.__cause__ = self.error
            call.finish()
        for body in tuple(self.bodies):
            body.interrupt()
        release(self._changed)
        if self.successor is not None:
            self.loop.call_soon(self.successor.start)

    async def changed(self) -> None:
        """Wait until trio's first turn came, or its end."""
        await wait_in(self._changed)

    async def first_turn(self) -> None:
        """Wait until trio can take calls, or has ended; a checkpoint only before that."""
        while self.nursery is None and not self.ending:
            await self.changed()

    def begin(self, fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Call:
        """Start a function in trio, after its `first_turn`.

        :raises HostClosedError: if trio has ended.
        """
        if self.nursery is None:
            raise HostClosedError("trio ended") from self.error
        call = Call(self, fn, args)
        self.calls.add(call)
        self.nursery.start_soon(call.drive, name=fn)
        return call

    async def leave(self) -> bool:
        """Take a host's place back; the last one ends trio and waits for that.

        Returns whether a cancellation came meanwhile.
        """
        cancelled = False
        self.hosts -= 1
        if not self.hosts:
            self._stop.set()
            while not self.over and not self.hosts:
                try:
                    await self.changed()
                except asyncio.CancelledError:
                    cancelled = True
        return cancelled

    def enter(self) -> None:
        """Take a place for a host."""
        self.hosts += 1
        release(self._changed)


class _Here(threading.local):
    run: Callable[[], GuestRun | None] = staticmethod(lambda: None)


# Of each thread. Held weakly, so that a run whose loop was thrown away is found by the collector.
_here = _Here()


async def join() -> GuestRun:
    """Return the guest run of this loop, with a place taken in it; start one if there is none.

    :raises RuntimeError: if this is no asyncio program, or trio runs here by other means.
    """
    check_asyncio()
    while (run := _here.run()) is not None and run.ending and not run.over:
        await run.changed()
    return join_nowait()


def join_nowait() -> GuestRun:
    """`join` for plain code that the loop runs: what comes after one that is ending."""
    check_asyncio()
    run = _here.run()
    if run is None or run.over:
        run = GuestRun()
        run.start()
        _here.run = ref(run)
    elif run.loop is not asyncio.get_running_loop():
        raise RuntimeError("trio is still a guest of an earlier loop of this thread")
    elif run.ending:
        run.successor = GuestRun()
        run = run.successor
        _here.run = ref(run)
    run.enter()
    return run


def check_asyncio() -> None:
    """Make sure that asyncio is what runs the caller.

    :raises RuntimeError: under trio, and where no loop runs.
    """
    if trio.lowlevel.in_trio_task():
        raise RuntimeError(
            "this is trio code: am_helpers.guest is for asyncio programs; here, await things and "
            "use `async with machine:` as they are"
        )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("am_helpers.guest needs a running asyncio loop") from None
