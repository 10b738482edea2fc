"""`blocking`: pools for code without an event loop."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import trio

from .._client.client import ATTEMPTS, TIMEOUT
from .own_pool import checked_workers, open_pool
from .portal import Portal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from types import TracebackType

    import am_rpc

    from .._client.client import Client
    from .._client.discovery import Discovery
    from .._client.map import Pair
    from .._launchers.base import Launcher
    from .._status import PoolStatus
    from .._worker.worker import Worker

# Seconds for which inputs are taken before the workers get them.
_TAKING = 0.001
# Results that are handed over at once.
_MOST = 256


class blocking:
    """A pool for plain code: ``with am_node.blocking(Squarer, workers=4) as pool: ...``.

    Args:
        worker: the worker class.
        workers: how many processes to start; by default as many as there are processors.
        launcher: what starts them, if not this host's system.
        supers: addresses of supervisors, or a `Discovery`: their workers are used then, and
            nothing is started.
        secret, ssl_context: as the supervisors'.

    A thread of its own runs the event loop; it is joined at the end of the block, and at the end
    of the program if there was no block. Works where an asyncio loop runs, such as a notebook, and
    blocks that loop; see `on_asyncio`.

    :raises PoolError: on entry, if a worker fails before one was ready.
    :raises RuntimeError: on entry, in a thread that runs trio.
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
        self._portal = Portal(
            lambda: open_pool(
                worker,
                workers=workers,
                launcher=launcher,
                supers=supers,
                secret=secret,
                ssl_context=ssl_context,
            ),
            name=f"am-node {worker.__name__}",
        )

    def __enter__(self) -> BlockingPool:
        return BlockingPool(self._portal, self._portal.open(), self._workers)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._portal.close()


class BlockingPool:
    """What `blocking` gives: the calls of `Client`, which block. Any thread may make them."""

    def __init__(self, portal: Portal[Client], client: Client, workers: int) -> None:
        self._portal = portal
        self._client = client
        self._workers = workers

    def work(
        self,
        *,
        timeout: float | None = TIMEOUT,
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
        **args: Any,
    ) -> Any:
        """Have a worker do one piece of work and return its result; see `Client.work`.

        An interrupt cancels the work.
        """
        return self.work_with(args, timeout=timeout, attempts=attempts, retry_on=retry_on)

    def work_with(
        self,
        args: Mapping[str, Any],
        *,
        timeout: float | None = TIMEOUT,
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
    ) -> Any:
        """The same as `work`, for args in a mapping or with a name that `work` needs itself."""

        async def perform() -> Any:
            return await self._client.work_with(
                args, timeout=timeout, attempts=attempts, retry_on=retry_on
            )

        return self._portal.call(perform)

    def map(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        workers: int | None = None,
        ordered: bool = False,
        return_errors: bool = False,
        timeout: float | None = TIMEOUT,
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
    ) -> Iterator[Pair]:
        """Do the work for each of `inputs`; iterate over pairs ``(args, result)``.

        The options are those of `Client.map`; `workers` are all of the pool by default. Inputs are
        taken in the thread that iterates, a few ahead of the results. Leaving the loop cancels
        what runs.
        """
        options = {
            "workers": self._workers if workers is None else workers,
            "ordered": ordered,
            "return_errors": return_errors,
            "timeout": timeout,
            "attempts": attempts,
            "retry_on": retry_on,
        }
        mapping = self._portal.call(_begin, self._client, options)
        return _pairs(self._portal, mapping, iter(inputs))

    def status(self) -> PoolStatus:
        """Ask the supervisor how it and its workers are; see `Client.status`."""
        return self._portal.call(self._client.status)


class _Inputs:
    """Inputs that are given piece by piece, for the map that takes them; in the portal's thread."""

    def __init__(self) -> None:
        self._given: deque[Mapping[str, Any]] = deque()
        self._is_last = False
        self._more = trio.lowlevel.ParkingLot()

    def give(self, inputs: Iterable[Mapping[str, Any]], is_last: bool) -> None:
        """Add some; `is_last` if no more will come."""
        self._given.extend(inputs)
        self._is_last = is_last
        self._more.unpark_all()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Mapping[str, Any]:
        while not self._given:
            if self._is_last:
                raise StopAsyncIteration
            await self._more.park()
        return self._given.popleft()


class _Mapping:
    """A map and its inputs; lives in the portal's thread."""

    def __init__(self, client: Client, options: dict[str, Any]) -> None:
        self._inputs = _Inputs()
        self._results = client.map(self._inputs, **options)
        # Enough that no worker has to wait for the thread that iterates.
        self.ahead = 2 * self._results.ahead
        self.close = self._results.aclose

    async def step(self, inputs: list[Any], is_last: bool, wait: bool) -> list[Pair] | None:
        """Give inputs to the workers; return results that are there, or wait for some.

        None at the end; what the results raise is raised here.
        """
        self._inputs.give(inputs, is_last)
        if wait:
            return await self._results.take(_MOST) or None
        try:
            return self._results.take_nowait(_MOST) or None
        except trio.WouldBlock:
            return []


async def _begin(client: Client, options: dict[str, Any]) -> _Mapping:
    return _Mapping(client, options)


def _pairs(
    portal: Portal[Client], mapping: _Mapping, inputs: Iterator[Mapping[str, Any]]
) -> Iterator[Pair]:
    room, is_last = mapping.ahead, False
    try:
        while True:
            taken: list[Any] = []
            if not is_last:
                taken, is_last = _take(inputs, room)
            room -= len(taken)
            pairs = portal.call(mapping.step, taken, is_last, is_last or not room)
            if pairs is None:
                return
            room += len(pairs)
            yield from pairs
    finally:
        # Not awaited: a generator that is forgotten may be closed by any thread.
        portal.spawn(mapping.close)


def _take(inputs: Iterator[Mapping[str, Any]], room: int) -> tuple[list[Mapping[str, Any]], bool]:
    """Take up to `room` inputs, for a moment; tell whether there are no more."""
    taken: list[Mapping[str, Any]] = []
    until = time.monotonic() + _TAKING
    while len(taken) < room:
        try:
            taken.append(next(inputs))
        except StopIteration:
            return taken, True
        if time.monotonic() > until:
            break
    return taken, False
