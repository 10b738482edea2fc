"""Calls, machines and waits of asyncio code that trio carries out, and the blocks around them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

import am_machine as am

from .._env.debug_mode import stretch
from .._errors import HostClosedError, WaitTimeoutError
from ._run import Body, bare, check_asyncio, join, join_nowait, raise_from_block

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from ._run import Call, GuestRun

T = TypeVar("T")
M = TypeVar("M", bound=am.BaseMachine)


class Host:
    """Trio, seen from asyncio; made by `open_host`.

    For the asyncio tasks of one loop. Trio code awaits directly, and gets a `RuntimeError` here.
    """

    def __init__(self, run: GuestRun) -> None:
        self._run = run
        self._calls: set[Call] = set()
        self._left = False

    @property
    def closed(self) -> bool:
        """Whether the host was left, or trio ended."""
        return self._left or self._run.over

    def open(self, machine: M) -> AbstractAsyncContextManager[M]:
        """Open a machine: ``async with host.open(machine):`` is ``async with machine:`` in trio.

        Leaving disposes the machine and waits until its tasks have ended, even if cancelled
        meanwhile. If its nursery fails, since a task raised and ``catch_exceptions`` is off, the
        code inside is cancelled and the error raised at the end, bare if it is the only one;
        other machines and the host live on.

        :raises HostClosedError: if the host was closed, before or while the machine was open.
        """
        return _OpenMachine(self, machine)

    async def run(self, async_fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Run ``async_fn(*args)`` in trio and return its result; its exception is raised here.

        Cancelling here cancels there: the function's clean-up has ended when `CancelledError` is
        raised. What it raises instead is raised here.

        :raises HostClosedError: if the host is closed, or gets closed meanwhile; the function has
            been cancelled then.
        """
        call = await self._begin(async_fn, args)
        try:
            result: T = await call.result()
            return result
        finally:
            self._calls.discard(call)

    async def wait(
        self,
        what: Awaitable[T],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it names what is still open
    ) -> T:
        """Await a wait or a result, or anything else that trio can await.

        Returns what awaiting it in trio returns: for a wait whether it was met, for a result its
        outcome. Something settled is returned at once, without a checkpoint. ``timeout`` is in
        seconds. Cancelled or timed out, it leaves the wait or the result as it was.

        :raises WaitTimeoutError: a `TimeoutError`, if it was not done by then.
        :raises HostClosedError: as of `run`.
        """
        settled: Any = _settled(what)
        if settled is not None:
            return settled  # type: ignore[no-any-return]
        if timeout is None:
            outcome: T = await self.run(_awaited, what)
        else:
            outcome = await self.run(_awaited_for, what, stretch(timeout))
        return outcome

    async def aclose(self) -> None:
        """Close a host made by `load_host`, as leaving ``async with open_host()`` does.

        Running calls are cancelled, machines disposed; returns when all of that has ended. Closing
        again does nothing. What ended trio itself, if something did, is raised here.
        """
        if not self._left:
            cancelled = await self._close()
            raise_from_block(None, self._run.error, cancelled)

    async def _close(self) -> bool:
        """Close; return whether a cancellation came meanwhile."""
        if self._left:
            return False
        self._left = True
        for call in tuple(self._calls):
            call.scope.cancel()
        cancelled = False
        for call in tuple(self._calls):
            cancelled |= await call.ended()
        return await self._run.leave() or cancelled

    async def _begin(self, fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Call:
        check_asyncio()
        if asyncio.get_running_loop() is not self._run.loop:
            raise RuntimeError("this host belongs to another asyncio loop")
        await self._run.first_turn()
        if self._left:
            raise HostClosedError("the host was closed")
        call = self._run.begin(fn, args)
        self._calls.add(call)
        return call


async def _awaited(what: Awaitable[Any]) -> Any:
    return await what


async def _awaited_for(what: Awaitable[Any], seconds: float) -> Any:
    with trio.move_on_after(seconds):
        return await what
    label = getattr(what, "label", None) or getattr(what, "__qualname__", None)
    raise WaitTimeoutError((str(label or repr(what)),), seconds)


def _settled(what: object) -> bool | am.Result | None:
    """What awaiting would return, if that is known; else None."""
    if isinstance(what, am.Result):
        return what.outcome
    if isinstance(what, am.Wait) and what.done:
        # Waits tell their value to trio tasks only. One that keeps it elsewhere goes the long way.
        value = getattr(what, "_value", None)
        return None if value is None else bool(value)
    return None


class _OpenMachine(Generic[M]):
    """The block of `Host.open`."""

    def __init__(self, host: Host, machine: M) -> None:
        self._host = host
        self._machine = machine
        self._opened = False
        self._leave = trio.Event()

    async def _live(self) -> None:
        async with self._machine:
            self._opened = True
            self._call.wake()
            await self._leave.wait()

    async def _watched(self) -> None:
        try:
            await self._live()
        finally:
            if self._opened and not self._leave.is_set():
                self._body.interrupt()

    async def __aenter__(self) -> M:
        check_asyncio()
        self._body = Body()
        self._call = call = await self._host._begin(self._watched, ())
        raised: BaseException | None = None
        try:
            await call.woken()
        except BaseException as exc:
            raised = exc
        if self._opened and raised is None:
            return self._machine
        await self.__aexit__(None, raised, None)
        raise raised or HostClosedError("the machine was not opened")

    async def _left(self) -> bool:
        """Let the machine go; tell whether a cancellation came meanwhile."""
        self._leave.set()
        cancelled = await self._call.ended()
        self._host._calls.discard(self._call)
        return cancelled

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        own = self._body.leave(exc)
        was_over = self._call.done or self._host.closed
        cancelled = await self._left()
        error = self._call.error
        if error is None and was_over:
            error = HostClosedError("the host was closed, and with it the machine")
        return raise_from_block(own, error and bare(error), cancelled)


class _OpenHost:
    """The block of `open_host`."""

    async def __aenter__(self) -> Host:
        check_asyncio()
        self._body = Body()
        self._host = Host(await join())
        self._host._run.bodies.add(self._body)
        return self._host

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        run = self._host._run
        own = self._body.leave(exc)
        run.bodies.discard(self._body)
        cancelled = await self._host._close()
        return raise_from_block(own, run.error, cancelled)


def open_host() -> AbstractAsyncContextManager[Host]:
    """Have trio run as a guest of the running asyncio loop: ``async with open_host() as host:``.

    On a loop that has one it joins it; trio ends when the last host was left. Leaving cancels what
    still runs through this host, waits for its clean-up, even if cancelled meanwhile, and lets an
    error of the code inside go on. An exception that ends trio itself cancels the code inside and
    is raised at its end, bare if it is the only one.

    :raises RuntimeError: under trio, without a running asyncio loop, or if trio is a guest of this
        thread by other means.
    """
    return _OpenHost()


def load_host() -> Host:
    """Have trio run as a guest without a block around it: for a notebook or a REPL.

    Returns at once; nothing of trio has run before the loop's next turn, for which `Host.open`,
    `Host.run` and `Host.wait` wait. Close it with `Host.aclose`.

    :raises RuntimeError: as of `open_host`.
    """
    return Host(join_nowait())
