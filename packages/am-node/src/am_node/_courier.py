"""Taking payloads from a worker to its client: in order, and those that are ready together.

One payload is on its way at a time. What becomes ready meanwhile waits for the client to take it,
and answers that wait next to each other leave as one payload. Nothing waits for more to come.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

import am_rpc

from ._wire_work import ANSWER, BATCH, MAX_TOGETHER_BYTES, error_answer

if TYPE_CHECKING:
    import am_machine as am

_log = logging.getLogger("am_node")

# Sends a payload at once and returns how to wait for its end; None if there is no connection.
Post = Callable[[str, Any], Callable[[], Awaitable[None]] | None]


class Parcel:
    """One payload. `size` is the weight of an answer that may travel with others, else None.

    `tick` is that of `WorkReady` for an answer, which ends once it is delivered.
    """

    __slots__ = ("data", "name", "size", "tick")

    def __init__(
        self, name: str, data: Any, size: int | None = None, tick: int | None = None
    ) -> None:
        self.name = name
        self.data = data
        self.size = size
        self.tick = tick


class Courier:
    """Delivers the payloads of `mach` by `post`, which bounds how long one may be on its way.

    One for which there is no connection waits for it for `timeout` seconds.
    """

    def __init__(self, mach: am.Machine, post: Post, timeout: float) -> None:
        self._mach = mach
        self._post = post
        self._timeout = timeout
        self._queue: deque[Parcel] = deque()
        self._asked = trio.Event()
        # What is on its way, and how to wait for it.
        self._parcels: list[Parcel] = []
        self._taken: Callable[[], Awaitable[None]] | None = None

    def put(self, parcel: Parcel, at_once: bool) -> None:
        """Send a payload after those before it; `at_once` if no other is about to follow."""
        self._queue.append(parcel)
        if at_once and not self._parcels:
            self._send_next()
        self._asked.set()

    def clear(self) -> None:
        """Forget what has not set out."""
        self._queue.clear()
        if self._taken is None:
            self._parcels = []

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            if self._taken is not None:
                await self._until_taken(self._taken)
            elif self._parcels:
                await self._when_connected()
            else:
                await self._asked.wait()
                self._asked = trio.Event()
            if not self._parcels and self._queue:
                self._send_next()

    def _send_next(self) -> None:
        self._parcels = self._take()
        self._send(self._parcels)

    def _take(self) -> list[Parcel]:
        """The next payload, or the answers at the head of the queue that are small enough."""
        queue = self._queue
        parcels = [queue.popleft()]
        size = parcels[0].size
        if size is not None:
            while queue and queue[0].size is not None:
                size += queue[0].size
                if size > MAX_TOGETHER_BYTES:
                    break
                parcels.append(queue.popleft())
        return parcels

    def _send(self, parcels: list[Parcel]) -> None:
        name, data = parcels[0].name, parcels[0].data
        if len(parcels) > 1:
            data = {BATCH: [parcel.data for parcel in parcels]}
        try:
            self._taken = self._post(name, data)
        except (TypeError, ValueError, am_rpc.LimitExceeded) as exc:
            self._cannot_travel(parcels, exc)
        except Exception as exc:
            self._end(f"was not delivered: {exc}")

    def _cannot_travel(self, parcels: list[Parcel], exc: Exception) -> None:
        """Find the one that cannot: if it is a result, its caller gets to know."""
        if len(parcels) > 1:
            for parcel in parcels:
                parcel.size = None
            self._queue.extendleft(reversed(parcels))
            self._parcels = []
        elif parcels[0].name == ANSWER and "error" not in parcels[0].data:
            parcels[0].data = {"req": parcels[0].data["req"], **error_answer(exc)}
            self._send(parcels)
        else:
            self._mach.add_err("ErrSendPayload", exc)
            self._end(f"cannot travel: {exc}")

    async def _until_taken(self, taken: Callable[[], Awaitable[None]]) -> None:
        try:
            await taken()
        except Exception as exc:
            self._end(f"was not delivered: {exc}")
        else:
            self._end()

    async def _when_connected(self) -> None:
        """The link may come back while the lease lasts."""
        parcels = self._parcels
        with trio.move_on_after(self._timeout) as scope:
            await self._mach.when("ClientConnected")
        if self._parcels is not parcels or self._taken is not None:
            # They were forgotten meanwhile, with their lease.
            return
        if scope.cancelled_caught:
            self._end("was not delivered: there is no client")
        else:
            self._send(parcels)

    def _end(self, problem: str | None = None) -> None:
        parcels, self._parcels, self._taken = self._parcels, [], None
        if problem is not None:
            _log.info("payload %r %s", parcels[0].name, problem)
        tick = parcels[-1].tick
        if tick is not None and self._mach.tick("WorkReady") == tick:
            self._mach.remove("WorkReady")
