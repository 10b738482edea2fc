"""A facade for code without trio: scripts, notebooks, command lines.

A thread of its own runs trio and owns the client; it is started on entry and joined on exit. Calls
go to that thread, so they may come from any other.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Unpack

import trio

from .._errors import NetworkTimeout, NotConnected
from .client import READY_TIMEOUT, Client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    import am_machine as am

    from .client_options import ClientOptions
    from .network_machine import NetworkMachine

_MUTATIONS: Final = frozenset(("add", "remove", "set", "toggle", "add_err"))
_ASYNC: Final = frozenset(("check_add", "check_remove", "explain_remote", "sync", "flush"))


class BlockingWait:
    """A wait of a `BlockingMachine`."""

    def __init__(self, machine: BlockingMachine, wait: am.Wait) -> None:
        self._machine = machine
        self._wait = wait

    @property
    def done(self) -> bool:
        """Tell whether it is over, without waiting."""
        return self._wait.done

    def result(self, timeout: float | None = None) -> bool:
        """Block until it is over: True if the condition was met, False if it was cancelled.

        Args:
            timeout: seconds, or None for any time.

        Raises:
            NetworkTimeout: time ran out; the wait goes on.
        """
        return bool(self._machine._wait(lambda: self._wait, timeout))

    def cancel(self) -> None:
        """End the wait; its result is False."""
        self._machine._run(self._wait.cancel)


class BlockingMachine:
    """A `NetworkMachine` for threads without trio; made by `blocking`.

    Mutations block until they are settled and return `EXECUTED` or `CANCELED`. `when…` methods
    return a `BlockingWait`. Everything else is as on the replica.
    """

    def __init__(self, net: NetworkMachine, token: trio.lowlevel.TrioToken) -> None:
        self._net = net
        self._token = token
        self._pid = os.getpid()

    if TYPE_CHECKING:
        # What `__getattr__` does for the usual names, as type checkers should see it.

        @property
        def active(self) -> tuple[str, ...]: ...
        @property
        def id(self) -> str: ...
        @property
        def queue_tick(self) -> int: ...
        @property
        def machine_tick(self) -> int: ...
        @property
        def err(self) -> BaseException | None: ...
        @property
        def is_err(self) -> bool: ...
        @property
        def schema(self) -> am.Schema: ...
        @property
        def disposed(self) -> bool: ...
        def add(self, /, *states: str, **args: Any) -> am.Result: ...
        def remove(self, /, *states: str, **args: Any) -> am.Result: ...
        def set(self, /, *states: str, **args: Any) -> am.Result: ...
        def toggle(self, /, *states: str, **args: Any) -> am.Result: ...
        def add_ns(self, /, *states: str, **args: Any) -> am.Result: ...
        def remove_ns(self, /, *states: str, **args: Any) -> am.Result: ...
        def check_add(self, /, *states: str, **args: Any) -> am.Result: ...
        def check_remove(self, /, *states: str, **args: Any) -> am.Result: ...
        def explain_remote(self, /, *states: str, kind: str = "add") -> tuple[str, ...]: ...
        def can_add(self, /, *states: str, **args: Any) -> am.Result: ...
        def can_remove(self, /, *states: str, **args: Any) -> am.Result: ...
        def sync(self) -> am.Time: ...
        def flush(self) -> None: ...
        def is_(self, *states: str) -> bool: ...
        def not_(self, *states: str) -> bool: ...
        def tick(self, state: str) -> int: ...
        def time(self, *states: str) -> am.Time: ...
        def clock(self, *states: str) -> dict[str, int]: ...
        def when(self, *states: str) -> BlockingWait: ...
        def when_not(self, *states: str) -> BlockingWait: ...
        def when_any(self, *states: str) -> BlockingWait: ...
        def when_args(self, state: str, /, **args: Any) -> BlockingWait: ...
        def when_time(self, ticks: Mapping[str, int]) -> BlockingWait: ...
        def when_ticks(self, state: str, ticks: int) -> BlockingWait: ...
        def when_err(self) -> BlockingWait: ...

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = self._run(getattr, self._net, name)
        if not callable(value):
            return value
        call: Callable[..., Any] = value
        if name in _MUTATIONS or name in _ASYNC:
            return lambda *a, **k: self._wait(lambda: call(*a, **k), None)
        if name.startswith("when"):
            return lambda *a, **k: BlockingWait(self, self._run(lambda: call(*a, **k)))
        return lambda *a, **k: self._run(lambda: call(*a, **k))

    def __contains__(self, state: object) -> bool:
        return state in self._net

    def __str__(self) -> str:
        return str(self._net)

    def __repr__(self) -> str:
        return f"<BlockingMachine {self._net!r}>"

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise RuntimeError(
                "a forked process has no thread for this connection: enter am_rpc.blocking in it"
            )

    def _run(self, fn: Callable[..., Any], *args: Any) -> Any:
        self._check_process()
        try:
            return trio.from_thread.run_sync(fn, *args, trio_token=self._token)
        except trio.RunFinishedError as error:
            raise NotConnected("the connection was closed") from error

    def _wait(self, start: Callable[[], Awaitable[Any]], timeout: float | None) -> Any:
        async def wait() -> Any:
            if timeout is None:
                return await start()
            with trio.move_on_after(timeout):
                return await start()
            raise NetworkTimeout(f"not over after {timeout:g} s")

        self._check_process()
        try:
            return trio.from_thread.run(wait, trio_token=self._token)
        except (trio.RunFinishedError, trio.Cancelled) as error:
            raise NotConnected("the connection was closed") from error


class blocking:
    """Connect without trio: `with am_rpc.blocking(addr, schema) as machine: …`.

    Args:
        addr: where the server is.
        schema: typed schema whose states the source must have.
        timeout: seconds to wait for the connection.
        options: those of `Client`.

    Ctrl+C while it connects ends the thread and is raised. A forked child cannot use it: its calls
    raise `RuntimeError`, and leaving the block there does nothing.

    Raises:
        NetworkError: on entry, if there is no connection in time.
        RuntimeError: on entry, if it was entered before.
    """

    def __init__(
        self,
        addr: str,
        schema: am.Schema | type[am.States] | Mapping[str, Any] | None = None,
        *,
        timeout: float = READY_TIMEOUT,
        **options: Unpack[ClientOptions],
    ) -> None:
        self._addr = addr
        self._schema = schema
        self._timeout = timeout
        self._options = options
        self._started = threading.Event()
        self._stop: trio.Event | None = None
        self._machine: BlockingMachine | None = None
        self._error: BaseException | None = None
        self._pid = os.getpid()
        # Set once the thread may be told to give up, and if it has to before.
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._is_given_up = False
        self._thread = threading.Thread(target=self._main, name=f"am-rpc {addr}")

    def __enter__(self) -> BlockingMachine:
        if self._thread.ident is not None:
            raise RuntimeError("make another am_rpc.blocking(…): each is entered once")
        self._pid = os.getpid()
        try:
            self._thread.start()
            self._started.wait()
        except BaseException:
            self._give_up()
            raise
        if self._machine is None:
            self._thread.join()
            assert self._error is not None
            raise self._error
        return self._machine

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if os.getpid() != self._pid:
            # The thread, and with it the connection, is the parent's.
            return
        assert self._machine is not None
        assert self._stop is not None
        try:
            trio.from_thread.run_sync(self._stop.set, trio_token=self._machine._token)
        except trio.RunFinishedError:
            # The thread has died of an error, which is told here, but hides none of the body's.
            if self._error is not None and exc is None:
                raise self._error from None
        finally:
            self._thread.join()

    def _give_up(self) -> None:
        """End the thread, whatever it waits for."""
        self._is_given_up = True
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)
        if self._thread.ident is not None:
            self._thread.join()

    def _main(self) -> None:
        try:
            trio.run(self._live)
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()

    async def _live(self) -> None:
        self._stop = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        with self._scope:
            # Whoever gave up before there was a token could not cancel.
            if not self._is_given_up:
                await self._connect()

    async def _connect(self) -> None:
        assert self._stop is not None
        async with Client(self._addr, self._schema, **self._options) as client:
            net = await client.ready(self._timeout)
            self._machine = BlockingMachine(net, trio.lowlevel.current_trio_token())
            self._started.set()
            await self._stop.wait()
