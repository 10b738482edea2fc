"""Trio in a thread of its own, for code without an event loop."""

from __future__ import annotations

import atexit
import os
import threading
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")
R = TypeVar("R")
# Seconds between two looks at the thread: whether it began, whether it is there at all.
_STARTING = 0.05
_LOOKING = 1.0


class Portal(Generic[T]):
    """Keeps what `opener` opens open, in a thread that runs trio, and calls into that.

    `open` and `close` belong together; calls may come from any thread between them. An interrupt
    (Ctrl+C) of a call cancels it there, and is raised once it has ended.
    """

    def __init__(self, opener: Callable[[], AbstractAsyncContextManager[T]], name: str) -> None:
        self._opener = opener
        # A daemon, since one that is never closed must not keep the interpreter from ending: it is
        # closed then.
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._opened: Future[T] = Future()
        self._scope = trio.CancelScope()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._error: BaseException | None = None
        self._pid = os.getpid()

    def open(self) -> T:
        """Start the thread and return what was opened; what its opening raised is raised here.

        :raises RuntimeError: in a thread that runs trio, which this would block.
        """
        if trio.lowlevel.in_trio_run():
            raise RuntimeError(
                "this would block trio, which runs in this thread: use am_node.open_pool, "
                "am_node.run or am_node.Client"
            )
        atexit.register(self.close)
        self._thread.start()
        try:
            # Looked at now and then, so that a signal which another thread was given is handled.
            while not _is_done(self._opened):
                pass
            return self._opened.result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave what was opened and join the thread. Harmless in a forked copy, and afterwards."""
        while self._pid == os.getpid() and self._thread.is_alive():
            if self._thread is threading.current_thread():
                return
            # Until it has begun there is nothing to cancel.
            self._soon(self._scope.cancel)
            self._thread.join(None if self._token is not None else _STARTING)
        atexit.unregister(self.close)

    def call(self, async_fn: Callable[..., Awaitable[R]], *args: Any) -> R:
        """Run ``async_fn(*args)`` in the thread, and return its result or raise its exception.

        :raises RuntimeError: after `close`, or in a process that was forked.
        """
        if self._pid != os.getpid():
            raise RuntimeError("this was opened in another process, of which this one is a copy")
        future: Future[R] = Future()
        scope = trio.CancelScope()

        async def perform() -> None:
            try:
                with scope:
                    future.set_result(await async_fn(*args))
            except Exception as exc:
                future.set_exception(exc)
            finally:
                if not future.done():
                    future.cancel()
                    future.set_running_or_notify_cancel()  # wakes those that wait

        if self.spawn(perform):
            try:
                return self._wait(future)
            except BaseException:
                if not future.done():
                    self._soon(scope.cancel)
                    wait([future])
                raise
        raise self._closed()

    def spawn(self, async_fn: Callable[..., Awaitable[Any]], *args: Any) -> bool:
        """Start a task in the thread, which must not raise; tell whether that is still possible."""

        def begin() -> None:
            assert self._nursery is not None
            with suppress(RuntimeError):  # it is closing
                self._nursery.start_soon(async_fn, *args)

        return self._soon(begin)

    def _wait(self, future: Future[R]) -> R:
        while not _is_done(future):
            if not self._thread.is_alive() and not future.done():
                raise self._closed()
        if future.cancelled():
            raise self._closed()
        return future.result()

    def _closed(self) -> RuntimeError:
        closed = RuntimeError("the pool was closed")
        closed.__cause__ = self._error
        return closed

    def _soon(self, fn: Callable[[], Any]) -> bool:
        """Have trio call `fn`; tell whether it still runs."""
        if self._token is None:
            return False
        try:
            self._token.run_sync_soon(fn)
        except trio.RunFinishedError:
            return False
        return True

    def _main(self) -> None:
        try:
            trio.run(self._live)
        except BaseException as exc:
            self._error = bare(exc)
        finally:
            if not self._opened.done():
                self._opened.set_exception(self._error or self._closed())

    async def _live(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            async with self._opener() as opened, trio.open_nursery() as nursery:
                self._nursery = nursery
                self._opened.set_result(opened)
                await trio.sleep_forever()


def _is_done(future: Future[Any]) -> bool:
    """Wait a while for a future."""
    with suppress(TimeoutError, CancelledError):
        # Cheaper than `wait`, and returned here, whatever it is, so no other time ran out.
        future.exception(_LOOKING)
    return future.done()


def bare(error: BaseException) -> BaseException:
    """The one exception in groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
