"""Taking payloads from a worker to its client: in order, and those that are ready together.

As long as a payload is on its way, what becomes ready waits, and answers that wait next to each
other leave as one payload. Nothing waits for more to come, nor for a slow link: a payload that is
not taken soon holds back no other.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

import am_rpc

from .._wire_work import ANSWER, BATCH, MAX_TOGETHER_BYTES, error_answer

if TYPE_CHECKING:
    import am_machine as am

_log = logging.getLogger("am_node")

# How long a payload on its way holds back others, in seconds: some round trips on one machine.
HOLD = 0.005
# How many may be on their way if the link is slow.
WINDOW = 16

Done = Callable[[Exception | None], None]
# Sends a payload at once and calls back when it was taken or lost; False if nobody is connected.
Post = Callable[[str, Any, Done], bool]


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


class AnswerSender:
    """Delivers the payloads of `mach` by `post`, which bounds how long one may be on its way.

    One for which there is no connection waits for it for `timeout` seconds. `rest` is called when
    an answer was delivered, and has `at_rest` called a turn later.
    """

    def __init__(
        self, mach: am.Machine, post: Post, timeout: float, rest: Callable[[], None]
    ) -> None:
        self._mach = mach
        self._post = post
        self._timeout = timeout
        self._rest = rest
        self._queue: deque[Parcel] = deque()
        # What has no connection.
        self._stranded: list[Parcel] = []
        self._under_way = 0
        # There was no room for the head of the queue.
        self._is_full = False
        # The `WorkReady` whose answer was delivered last.
        self._delivered: int | None = None
        self._asked = trio.Event()

    def put(self, parcel: Parcel, at_once: bool) -> bool:
        """Send a payload after those before it; `at_once` if no other is about to follow.

        True if it is on its way now.
        """
        if not at_once or self._under_way or self._stranded:
            self._queue.append(parcel)
            self._asked.set()
            return False
        if self._queue:
            self._queue.append(parcel)
            self._send_next()
        else:
            self._send([parcel])
        return bool(self._under_way)

    def clear(self) -> None:
        """Forget what has not set out."""
        self._queue.clear()
        self._is_full = False
        self._stranded = []

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            if self._stranded:
                await self._when_connected()
            elif not self._queue or (self._is_full and self._under_way):
                await self._asked.wait()
                self._asked = trio.Event()
            elif not self._under_way or (await self._is_held_too_long() and self._queue):
                self._send_next()

    async def _is_held_too_long(self) -> bool:
        """Wait until something moves; True if the link is too slow to wait for."""
        self._asked = trio.Event()
        if self._under_way >= WINDOW:
            await self._asked.wait()
            return False
        with trio.move_on_after(HOLD) as scope:
            await self._asked.wait()
        return scope.cancelled_caught

    def at_rest(self) -> None:
        """End `WorkReady` if its answer was delivered and no other request has begun since."""
        tick, self._delivered = self._delivered, None
        if tick is not None and self._mach.tick("WorkReady") == tick:
            self._mach.remove("WorkReady")

    # -- sending

    def _send_next(self) -> None:
        self._is_full = False
        parcels = self._take()
        self._send(parcels)

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
            sent = self._post(name, data, partial(self._taken, parcels))
        except am_rpc.LimitExceeded as exc:
            if self._under_way:
                # No room now: as soon as what is on its way was taken there may be.
                self._queue.extendleft(reversed(parcels))
                self._is_full = True
            else:
                self._cannot_travel(parcels, exc)
        except Exception as exc:
            self._cannot_travel(parcels, exc)
        else:
            if sent:
                self._under_way += 1
            else:
                self._stranded = parcels
                self._asked.set()

    def _cannot_travel(self, parcels: list[Parcel], exc: Exception) -> None:
        """Find the one that cannot: if it is a result, its caller gets to know."""
        if len(parcels) > 1:
            for parcel in parcels:
                parcel.size = None
            self._queue.extendleft(reversed(parcels))
            self._asked.set()
        elif parcels[0].name == ANSWER and "error" not in parcels[0].data:
            parcels[0].data = {"req": parcels[0].data["req"], **error_answer(exc)}
            self._send(parcels)
        else:
            self._mach.add_err("ErrSendPayload", exc)
            self._end(parcels, exc)

    # -- delivered or not

    def _taken(self, parcels: list[Parcel], error: Exception | None) -> None:
        """What waits leaves with the answers to the messages that are handled just now."""
        self._under_way -= 1
        self._end(parcels, error)
        is_due = self._is_full or not self._under_way
        if self._queue and is_due and not self._stranded:
            self._send_next()

    def _end(self, parcels: list[Parcel], error: Exception | None) -> None:
        if error is not None:
            _log.info("payload %r was not delivered: %s", parcels[0].name, error)
        tick = parcels[-1].tick
        if tick is not None:
            # A turn later, for the next request may be in what is handled just now.
            self._delivered = tick
            self._rest()

    async def _when_connected(self) -> None:
        """The link may come back while the lease lasts."""
        parcels = self._stranded
        with trio.move_on_after(self._timeout) as scope:
            await self._mach.when("ClientConnected")
        if self._stranded is not parcels:
            # They were forgotten meanwhile, with their lease.
            return
        self._stranded = []
        if scope.cancelled_caught:
            self._end(parcels, ConnectionError("there is no client"))
        else:
            self._send(parcels)
