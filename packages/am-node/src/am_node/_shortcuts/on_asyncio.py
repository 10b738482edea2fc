"""`on_asyncio`: pools for programs that run on asyncio."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from am_helpers import guest

from .._client.client import ATTEMPTS, TIMEOUT
from .own_pool import checked_workers, open_pool

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    import am_rpc

    from .._client.client import Client
    from .._client.discovery import Discovery
    from .._client.map import Inputs, Pair
    from .._launchers.base import Launcher
    from .._status import PoolStatus
    from .._worker.worker import Worker


# Results that are handed over at once.
_MOST = 256


class on_asyncio:
    """A pool in an asyncio program: ``async with am_node.on_asyncio(Squarer) as pool: ...``.

    Args:
        worker: the worker class.
        workers: how many processes to start; by default as many as there are processors.
        launcher: what starts them, if not this host's system.
        supers: addresses of supervisors, or a `Discovery`: their workers are used then, and
            nothing is started.
        secret, ssl_context: as the supervisors'.

    Trio runs as a guest of the asyncio loop, see `am_helpers.guest`; leaving ends the pool.
    Cancelling a call cancels its work.

    :raises PoolError: on entry, if a worker fails before one was ready.
    :raises RuntimeError: on entry, outside of asyncio.
    :raises ValueError: for a class that other processes cannot import, or less than one worker.
    """

    def __init__(
        self,
        worker: type[Worker],
        *,
        workers: int | None = None,
        launcher: Launcher | None = None,
        supers: Iterable[str] | Discovery | None = None,
        secret: am_rpc.ClientSecrets | None = None,
        ssl_context: Any = None,
    ) -> None:
        self._workers = checked_workers(workers)
        self._opener: Callable[[], AbstractAsyncContextManager[Client]] = lambda: open_pool(
            worker,
            workers=workers,
            launcher=launcher,
            supers=supers,
            secret=secret,
            ssl_context=ssl_context,
        )
        self._leave = trio.Event()

    async def __aenter__(self) -> AsyncioPool:
        self._block = guest.open_host()
        self._host = host = await self._block.__aenter__()
        opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.ensure_future(host.run(self._live, opened))
        try:
            await asyncio.wait((self._task, opened), return_when=asyncio.FIRST_COMPLETED)
            if not opened.done():
                await self._task  # raises what went wrong
            return AsyncioPool(host, opened.result(), self._workers)
        except BaseException as exc:
            await self.__aexit__(type(exc), exc, exc.__traceback__)
            raise

    async def _live(self, opened: asyncio.Future[Client]) -> None:
        async with self._opener() as client:
            opened.set_result(client)
            await self._leave.wait()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave.set()
        try:
            if exc is None:
                await self._task
            else:
                self._task.cancel()
                await asyncio.wait((self._task,))
        finally:
            await self._block.__aexit__(exc_type, exc, traceback)


class AsyncioPool:
    """What `on_asyncio` gives: the calls of `Client`, for tasks of that asyncio loop."""

    def __init__(self, host: guest.Host, client: Client, workers: int) -> None:
        self._host = host
        self._client = client
        self._workers = workers

    async def work(
        self,
        *,
        timeout: float | None = TIMEOUT,  # noqa: ASYNC109 - the promise to the caller
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
        **args: Any,
    ) -> Any:
        """Have a worker do one piece of work and return its result; see `Client.work`."""
        return await self.work_with(args, timeout=timeout, attempts=attempts, retry_on=retry_on)

    async def work_with(
        self,
        args: Mapping[str, Any],
        *,
        timeout: float | None = TIMEOUT,  # noqa: ASYNC109 - the promise to the caller
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
    ) -> Any:
        """The same as `work`, for args in a mapping or with a name that `work` needs itself."""

        async def perform() -> Any:
            return await self._client.work_with(
                args, timeout=timeout, attempts=attempts, retry_on=retry_on
            )

        return await self._host.run(perform)

    async def map(
        self,
        inputs: Inputs,
        *,
        workers: int | None = None,
        ordered: bool = False,
        return_errors: bool = False,
        timeout: float | None = TIMEOUT,  # noqa: ASYNC109 - for each input
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
    ) -> AsyncGenerator[Pair, None]:
        """Do the work for each of `inputs`; iterate over pairs ``(args, result)``.

        The options are those of `Client.map`; `workers` are all of the pool by default. An async
        iterable of inputs is iterated over in asyncio.
        """
        send, receive = trio.open_memory_channel[Any](0)
        given = receive if hasattr(inputs, "__aiter__") else inputs
        results = self._client.map(
            given,
            workers=self._workers if workers is None else workers,
            ordered=ordered,
            return_errors=return_errors,
            timeout=timeout,
            attempts=attempts,
            retry_on=retry_on,
        )
        feeder = None
        if given is receive:
            feeder = asyncio.ensure_future(self._feed(inputs, send))
        try:
            while pairs := await self._host.run(results.take, _MOST):
                for pair in pairs:
                    yield pair
            if feeder is not None and (error := await feeder) is not None:
                raise error
        finally:
            if feeder is not None:
                feeder.cancel()
                await asyncio.wait((feeder,))
            with suppress(guest.HostClosedError):
                await self._host.run(results.aclose)

    async def _feed(self, inputs: Any, send: trio.MemorySendChannel[Any]) -> Exception | None:
        """Hand over what the user's iterator gives; return its error, to be raised at the end."""
        try:
            async for args in inputs:
                await self._host.run(send.send, args)
        except Exception as exc:
            return exc
        finally:
            send.close()
        return None

    async def status(self) -> PoolStatus:
        """Ask the supervisor how it and its workers are; see `Client.status`."""
        return await self._host.run(self._client.status)
