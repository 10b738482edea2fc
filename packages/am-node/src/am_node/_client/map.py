"""Many requests at once over several workers, with bounded look-ahead on both ends."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import trio

import am_machine as am

from .._errors import NoWorkers, WorkerLost, WorkTimeout
from .request import Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .link_pool import LinkPool

Inputs = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]
Pair = tuple[Mapping[str, Any], Any]


class Results:
    """What ``client.map`` returns: an async iterator of pairs ``(args, result)``.

    Iterating starts it. It ends by itself; to stop before, leave an ``async with`` on it or call
    `aclose`, which cancels the requests that run. One that nobody refers to any more, as after a
    ``break``, stops likewise, a turn of the event loop later.

    With n requests in the hands of workers at most, no more than 3 n inputs are taken beyond the
    results that were iterated over: n wait in stock here, so that a worker never waits for inputs.
    """

    def __init__(self, mapper: Mapper) -> None:
        # Whatever runs holds that one, not this: so the end of the last reference here is noticed.
        self._mapper = mapper

    @property
    def ahead(self) -> int:
        """How many requests its workers can hold."""
        return self._mapper.ahead

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Pair:
        return await self._mapper.next()

    async def take(self, most: int) -> list[Pair]:
        """Wait for results; return those that are there, `most` at most, none at the end.

        What iterating would raise is raised here. Cancelled, it has taken nothing.
        """
        return await self._mapper.some(most)

    def take_nowait(self, most: int) -> list[Pair]:
        """Return the results that are there, `most` at most, none at the end.

        :raises trio.WouldBlock: if none is there and more will come.
        """
        return self._mapper.some_nowait(most)

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
        self._mapper.close()
        await trio.lowlevel.checkpoint()

    def __del__(self) -> None:
        self._mapper.close_soon()


class Mapper:
    """A map that is under way, for as long as its `Results` are wanted."""

    def __init__(
        self,
        mach: am.Machine,
        links: LinkPool,
        inputs: Inputs,
        *,
        workers: int,
        ordered: bool,
        return_errors: bool,
        timeout: float,
        attempts: int,
        retry_on: frozenset[str],
        busy: Callable[[int], None],
    ) -> None:
        if workers < 1:
            raise ValueError("map needs at least one worker")
        if isinstance(inputs, Mapping):
            raise TypeError("map takes many inputs: a list of mappings, not one mapping")
        self._fork: am.Fork | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._mach = mach
        self._links = links
        self._inputs = aiter(inputs) if isinstance(inputs, AsyncIterable) else iter(inputs)
        self._workers = workers
        self._return_errors = return_errors
        self._timeout = timeout
        self._attempts = attempts
        self._retry_on = retry_on
        self._busy = busy
        self._source = am.current_source()
        self._ahead = workers * links.depth
        self._stock: deque[Request] = deque()
        # Given to a worker and not answered, oldest first.
        self._open: dict[Request, None] = {}
        self._order = _Order() if ordered else None
        # When a request was last given to a worker, or answered.
        self._moved_at = 0.0
        self._stocked = trio.Event()
        self._taken = 0
        self._finished = 0
        self._yielded = 0
        self._exhausted = False
        self._error: BaseException | None = None
        self._over = False
        self._pairs: deque[Pair] = deque()
        self._readers = trio.lowlevel.ParkingLot()
        self._feeder = trio.lowlevel.ParkingLot()

    @property
    def ahead(self) -> int:
        """How many requests its workers can hold."""
        return self._ahead

    # -- for the iterating task

    async def next(self) -> Pair:
        """Return the next pair.

        :raises StopAsyncIteration: after the last one.
        """
        if not await self._wait():
            raise StopAsyncIteration
        self._yielded += 1
        self._want_inputs()
        return self._pairs.popleft()

    async def some(self, most: int) -> list[Pair]:
        """Return the next pairs, see `Results.take`."""
        return self._hand_out(most) if await self._wait() else []

    def some_nowait(self, most: int) -> list[Pair]:
        """Return the next pairs that are there, see `Results.take_nowait`."""
        self._begin()
        if not self._pairs and not self._is_over():
            raise trio.WouldBlock
        return self._hand_out(most)

    def _hand_out(self, most: int) -> list[Pair]:
        pairs = self._pairs
        taken = [pairs.popleft() for _ in range(min(most, len(pairs)))]
        self._yielded += len(taken)
        self._want_inputs()
        return taken

    async def _wait(self) -> bool:
        """Wait until there are pairs; False if no more will come."""
        self._begin()
        if self._pairs:
            await trio.lowlevel.checkpoint_if_cancelled()
        while not self._pairs:
            if self._is_over():
                return False
            await self._readers.park()
        return True

    def _begin(self) -> None:
        if self._fork is None:
            self._token = trio.lowlevel.current_trio_token()
            self._fork = self._mach.fork(self._run)

    def _is_over(self) -> bool:
        """Whether no more will come; raises what ended it, once."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error from None
        return self._over

    def close(self) -> None:
        """Cancel what runs, and give back what is held for it."""
        self._over = True
        if self._fork is not None:
            self._fork.cancel()

    def close_soon(self) -> None:
        """The same, from wherever the last reference to the results has ended, in any thread."""
        if self._token is not None and not self._over:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self.close)

    # -- taking inputs, in a task of the client's

    async def _run(self) -> None:
        self._busy(1)
        self._links.want(self._workers)
        self._links.add_feed(self)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._expire)
                await self._feed()
                nursery.cancel_scope.cancel()
        finally:
            self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._error = self._error or WorkerLost("the client was closed")
        self._links.remove_feed(self)
        self._stock.clear()
        for request in tuple(self._open):
            self._links.withdraw(request)
        self._open.clear()
        self._links.want(-self._workers)
        self._busy(-1)
        self._readers.unpark_all()

    async def _feed(self) -> None:
        """Keep the stock full until all inputs are taken and answered."""
        while not self._over:
            if not self._exhausted and self._has_room():
                try:
                    await self._fill()
                except Exception as exc:
                    # Of the user's iterator: it is raised where the results are.
                    self._stop(exc)
                self._links.dispatch()
            if self._exhausted and self._finished == self._taken:
                self._stop(None)
            elif self._exhausted or not self._has_room():
                await self._feeder.park()
            else:
                await trio.lowlevel.checkpoint()

    def _has_room(self) -> bool:
        ahead = self._ahead
        return len(self._stock) < ahead and self._taken - self._yielded < 3 * ahead

    def _want_inputs(self) -> None:
        """Wake the feeder once there is room for a good part of the stock."""
        ahead = self._ahead
        if (
            self._feeder
            and not self._exhausted
            and 2 * len(self._stock) <= ahead
            and self._taken - self._yielded <= 3 * ahead - (ahead + 1) // 2
        ):
            self._feeder.unpark()

    async def _fill(self) -> None:
        inputs = self._inputs
        while self._has_room() and not self._over:
            if isinstance(inputs, AsyncIterator):
                try:
                    args = await anext(inputs)
                except StopAsyncIteration:
                    self._exhausted = True
                    return
                self._put(args)
                self._links.dispatch()
            else:
                try:
                    args = next(inputs)
                except StopIteration:
                    self._exhausted = True
                    return
                self._put(args)

    def _put(self, args: Mapping[str, Any]) -> None:
        if not self._stock and not self._open:
            self._moved_at = trio.current_time()
        self._stocked.set()
        self._stock.append(
            Request(args, self._attempts, self._retry_on, self._done, self._source, self._taken)
        )
        self._taken += 1

    async def _expire(self) -> None:
        """End requests that take too long. Their deadlines come in the order of their begin.

        One in stock has its time, too, if no worker takes any for as long.
        """
        while True:
            now = trio.current_time()
            if self._stock and not self._open and self._moved_at + self._timeout <= now:
                # Nobody takes any: the oldest has waited for all of its time.
                starved = self.take()
                starved.fail(NoWorkers(f"no worker was free within {self._timeout:g} s"))
            while self._open and (oldest := next(iter(self._open))).deadline <= now:
                self._links.withdraw(oldest)
                oldest.fail(WorkTimeout(f"no answer within {self._timeout:g} s"))
            if self._open:
                await trio.sleep_until(next(iter(self._open)).deadline)
            elif self._stock:
                await trio.sleep_until(self._moved_at + self._timeout)
            else:
                await self._stocked.wait()
                self._stocked = trio.Event()

    # -- giving out requests and taking results, called by the links

    def __len__(self) -> int:
        return len(self._stock)

    def take(self) -> Request:
        """The next request in stock; its time runs from now."""
        request = self._stock.popleft()
        request.deadline = trio.current_time() + self._timeout
        self._open[request] = None
        self._moved_at = trio.current_time()
        self._want_inputs()
        return request

    def _done(self, request: Request) -> None:
        if request not in self._open:
            return
        self._moved_at = trio.current_time()
        del self._open[request]
        result = request.result
        if request.error is not None:
            if not self._return_errors:
                self._stop(request.error)
                return
            result = request.error
        self._finished += 1
        pair = (request.args, result)
        if self._order is None:
            self._pairs.append(pair)
        else:
            self._pairs.extend(self._order.put(request.number, pair))
        if self._exhausted and self._finished == self._taken:
            self._stop(None)
        elif self._pairs:
            self._readers.unpark_all()

    def _stop(self, error: BaseException | None) -> None:
        """Nothing more will come, but what is there already."""
        if not self._over:
            self._over, self._error = True, error
            self._feeder.unpark_all()
            self._readers.unpark_all()


class _Order:
    """Puts results back into the order of the inputs."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, Pair] = {}

    def put(self, number: int, pair: Pair) -> list[Pair]:
        """Take one result; returns those that are due."""
        self._waiting[number] = pair
        due = []
        while self._next in self._waiting:
            due.append(self._waiting.pop(self._next))
            self._next += 1
        return due
