"""Many requests at once over several workers, with bounded look-ahead on both ends."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import trio

if TYPE_CHECKING:
    from types import TracebackType

    import am_machine as am

    from ._lane import Lane
    from ._lanes import Lanes

Inputs = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
Perform = Callable[["Lane", Mapping[str, Any]], Awaitable[Any]]
Pair = tuple[Mapping[str, Any], Any]


class Results:
    """What ``client.map`` returns: an async iterator of pairs ``(args, result)``.

    Iterating starts it. It ends by itself; to stop before, leave an ``async with`` on it or call
    `aclose`, which cancels the requests that run.
    """

    def __init__(
        self,
        mach: am.Machine,
        lanes: Lanes,
        perform: Perform,
        inputs: Inputs,
        *,
        workers: int,
        ordered: bool,
        return_errors: bool,
    ) -> None:
        self._fork: am.Fork | None = None
        if workers < 1:
            raise ValueError("map needs at least one worker")
        self._mach = mach
        self._lanes = lanes
        self._perform = perform
        self._inputs = aiter(inputs) if isinstance(inputs, AsyncIterable) else iter(inputs)
        self._workers = workers
        self._return_errors = return_errors
        self._order = _Order(ordered, 2 * workers * lanes.depth)
        self._taking = trio.Lock()
        self._sending = trio.Lock()
        self._taken = 0
        self._finished = 0
        self._exhausted = False
        self._error: BaseException | None = None
        self._send, self._receive = trio.open_memory_channel[Pair](2 * workers * lanes.depth)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Pair:
        if self._fork is None:
            self._fork = self._mach.fork(self._run)
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            if self._error is not None:
                error, self._error = self._error, None
                raise error from None
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel what runs. Harmless after the end."""
        if self._fork is not None:
            self._fork.cancel()
        await trio.lowlevel.checkpoint()

    def __del__(self) -> None:
        # An iterator that was dropped half way must not hold its workers.
        if self._fork is not None:
            self._fork.cancel()

    async def _run(self) -> None:
        self._lanes.want(self._workers)
        try:
            async with self._send, trio.open_nursery() as nursery:
                for _ in range(self._workers * self._lanes.depth):
                    nursery.start_soon(self._work, nursery.cancel_scope)
        finally:
            self._lanes.want(-self._workers)

    async def _work(self, scope: trio.CancelScope) -> None:
        while not self._exhausted:
            lane = await self._lanes.acquire()
            item = None
            try:
                async with self._taking:
                    item = await self._take()
                    if item is not None:
                        await self._order.near(item[0])
            finally:
                if item is None:
                    self._lanes.release(lane)
            if item is None:
                # Those who still wait for a worker have nothing to do any more.
                self._exhausted = True
                break
            if not await self._one(lane, *item):
                scope.cancel()
                return
            self._finished += 1
        if self._finished == self._taken:
            scope.cancel()

    async def _take(self) -> tuple[int, Mapping[str, Any]] | None:
        if self._exhausted:
            return None
        args = await self._next_input()
        if args is None:
            return None
        number, self._taken = self._taken, self._taken + 1
        return number, args

    async def _next_input(self) -> Mapping[str, Any] | None:
        if isinstance(self._inputs, AsyncIterator):
            try:
                return await anext(self._inputs)
            except StopAsyncIteration:
                return None
        return next(self._inputs, None)

    async def _one(self, lane: Lane, number: int, args: Mapping[str, Any]) -> bool:
        try:
            result = await self._perform(lane, args)
        except Exception as exc:
            if not self._return_errors:
                self._error = exc
                return False
            result = exc
        async with self._sending:
            for pair in self._order.put(number, (args, result)):
                await self._send.send(pair)
        return True


class _Order:
    """Puts results back into the order of the inputs, if wanted, and bounds what waits for that."""

    def __init__(self, ordered: bool, ahead: int) -> None:
        self._ordered = ordered
        self._ahead = ahead
        self._next = 0
        self._waiting: dict[int, Pair] = {}
        self._moved = trio.Event()

    async def near(self, number: int) -> None:
        """Wait until `number` is not too far ahead of the next result."""
        while self._ordered and number - self._next >= self._ahead:
            await self._moved.wait()

    def put(self, number: int, pair: Pair) -> list[Pair]:
        """Take one result; returns those that are due."""
        if not self._ordered:
            return [pair]
        self._waiting[number] = pair
        due = []
        while self._next in self._waiting:
            due.append(self._waiting.pop(self._next))
            self._next += 1
        if due:
            self._moved.set()
            self._moved = trio.Event()
        return due
