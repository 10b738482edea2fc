"""What is kept and what comes, to one receiver: a viewer, or another debugger.

Nothing is queued: what a receiver has not been told yet waits in the store. One that is too slow
misses the oldest, and is told how many.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from am_telemetry import dbg

from .._store.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._store.client import Client, Pending
    from .._store.store import Store

BATCH = 200
"""Transitions of one machine at a time."""
MOST_LAG = 20_000
"""Transitions of one machine that may wait; at more, a tenth is left out."""
INTERVAL = 0.05
"""Seconds in which what comes is collected."""
PING = 10.0


class Outgoing:
    """Tells one receiver of machines. `wanted` says of which; `since` (microseconds since 1970)
    from when on, None: all that is kept. `detail_of` says at which level it is told of machines;
    None: that is no matter of the receiver."""

    def __init__(
        self,
        store: Store,
        send: Callable[[bytes], Awaitable[None]],
        *,
        via: tuple[str, ...] = (),
        since: int | None = None,
        wanted: Callable[[Client], bool] = lambda client: True,
        detail_of: Callable[[Client], int | None] = lambda client: None,
    ) -> None:
        self._store = store
        self._send = send
        self._via = via
        self._since = since
        self._wanted = wanted
        self._detail_of = detail_of
        # What the receiver was told of machines, by serial number: the level of detail, the answer
        # to what they wait for, and those that nobody tells of now.
        self._details: dict[int, int | None] = {}
        self._pending: dict[int, Pending | None] = {}
        self._left: set[int] = set()
        self._replays: dict[int, Replay] = {}
        self._schemas: set[bytes] = set()
        self._announced: set[int] = set()
        self.wakes = trio.Event()
        self.told = 0
        """Transitions told."""
        self.dropped = 0
        # (entries told in all after it, serial number, number of the next one)
        self._unacked: deque[tuple[int, int, int]] = deque()
        self._acked: dict[int, int] = {}

    def wake(self) -> None:
        """More came."""
        self.wakes.set()

    def client_of(self, handle: int) -> Client | None:
        """The machine of a handle."""
        replay = self._replays.get(handle)
        return None if replay is None else replay.client

    def acknowledge(self, count: int) -> None:
        """The receiver has so many entries of this connection."""
        while self._unacked and self._unacked[0][0] <= count:
            _, serial, number = self._unacked.popleft()
            self._acked[serial] = number

    def restart(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """A new connection: what was not acknowledged is told again."""
        self._send = send
        self._schemas.clear()
        self._unacked.clear()
        self.told = 0
        self._announced.clear()
        self._details.clear()
        self._left.clear()
        for serial, replay in list(self._replays.items()):
            number = self._acked.get(serial, replay.client.first)
            self._replays[serial] = Replay(
                self._store, replay.client, serial, number=number, via=self._via
            )

    async def run(self) -> None:
        """Tell what is kept, then what comes, until cancelled.

        :raises trio.BrokenResourceError: if the receiver is gone.
        """
        while True:
            self.wakes = trio.Event()
            if await self._tell():
                continue
            with trio.move_on_after(PING) as quiet:
                await self.wakes.wait()
            if quiet.cancelled_caught:
                await self._put([dbg.Ping()])
            else:
                await trio.sleep(INTERVAL)

    async def _tell(self) -> bool:
        """One round over all machines; whether there was anything."""
        was_busy = False
        for client in list(self._store):
            if not self._wanted(client):
                continue
            replay = self._replays.get(client.serial)
            if replay is None:
                replay = self._replays[client.serial] = self._new_replay(client)
            messages: list[dbg.Message] = []
            serial = client.serial
            has_returned = serial in self._left and client.connections > 0
            if serial not in self._announced or has_returned:
                self._announced.add(serial)
                self._left.discard(serial)
                is_resumed = has_returned or serial in self._acked
                messages += replay.begin(is_resumed=is_resumed)
            if replay.lag > MOST_LAG:
                keep = MOST_LAG - MOST_LAG // 10
                before = replay.number
                messages += replay.skip_to(client.last + 1 - keep)
                self.dropped += replay.number - before
            if messages or not replay.is_idle:
                was_busy = True
                await self._put(messages + replay.advance(BATCH))
                self._unacked.append((self.told, client.serial, replay.number))
            news = self._news(client, is_told=replay.is_idle)
            if news:
                was_busy = True
                await self._put(news)
        for serial in [s for s in self._replays if self._store.by_serial(s) is None]:
            del self._replays[serial]
            self._announced.discard(serial)
            self._left.discard(serial)
            self._details.pop(serial, None)
            self._pending.pop(serial, None)
        return was_busy

    def _news(self, client: Client, *, is_told: bool) -> list[dbg.Message]:
        """What is new of a machine apart from its transitions; that nobody tells of it any more
        is told after all of these were."""
        serial, found = client.serial, list[dbg.Message]()
        detail = self._detail_of(client)
        if detail is not None and self._details.get(serial) != detail:
            self._details[serial] = detail
            found.append(dbg.Detail(serial, detail))
        pending = client.pending
        if pending is not None and self._pending.get(serial) is not pending:
            self._pending[serial] = pending
            found.append(dbg.PendingMsg(serial, pending.items))
        if is_told and not client.connections and serial not in self._left:
            self._left.add(serial)
            found.append(dbg.Left(serial))
        return found

    def _new_replay(self, client: Client) -> Replay:
        # Of answers only those are told that come from now on: they bear no time.
        self._pending[client.serial] = client.pending
        number = client.first
        if self._since is not None:
            number = max(client.last_until(self._since), client.first)
        return Replay(self._store, client, client.serial, number=number, via=self._via)

    async def _put(self, messages: list[dbg.Message]) -> None:
        data = bytearray()
        for message in messages:
            if isinstance(message, dbg.SchemaDef):
                if message.hash in self._schemas:
                    continue
                self._schemas.add(message.hash)
            elif isinstance(message, dbg.Txs):
                self.told += len(message.entries)
            data += dbg.encode(message)
        await self._send(bytes(data))
