"""The client's end of one connection after its handshake: what it sends, and what it hears."""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import trio

import am_machine as am

from .._errors import (
    InvalidParams,
    InvalidResponse,
    LimitExceeded,
    NetworkTimeout,
    NotConnected,
    ProtocolError,
    RemoteError,
    RpcError,
)
from .._wire import handshake_messages as w
from .._wire import messages as m
from .._wire import server_messages as news
from .._wire.args_chunks import INCOMPLETE, NO_ROOM
from .._wire.payload_chunks import Assembler
from .._wire.protocol import Notification, Request, Response
from .._wire.server_messages import Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._transport.driver import Connection
    from .._wire.args_chunks import ArgsChunk
    from .._wire.mutation_messages import MutationResult
    from .._wire.protocol import Event
    from .network_machine import NetworkMachine
    from .outbox import Entry
    from .uplink import LinkClient

logger: Final = logging.getLogger("am_rpc")
MISMATCH_WINDOW: Final = 60.0
# Bytes of large args that are handed to a connection before others have a turn.
_AT_ONCE: Final = 256 * 1024
_NOT_KEPT: Final = frozenset((NO_ROOM, INCOMPLETE))


class Link:
    """One usable connection of a client."""

    def __init__(self, client: LinkClient, connection: Connection, net: NetworkMachine) -> None:
        self.client = client
        self.connection = connection
        self.net = net
        self._calls: dict[int, tuple[m.Message, Callable[[Response], None]]] = {}
        self._assembler = Assembler(client.limits)
        self._mismatches: deque[float] = deque()
        self._syncing = False
        self._sync_due = math.inf
        self._sync_is_watched = False
        # Settled while a full sync was on its way; told once it is here.
        self._held: list[tuple[Entry, am.Result, RemoteError | None]] = []
        self._pinged_at: float | None = None
        # A mutation with large args whose chunks are on their way, and those still to be sent.
        self._large: Entry | None = None
        self._chunks: Iterator[ArgsChunk] = iter(())
        # The reason of the server's goodbye, once that was heard.
        self.bye: str | None = None
        # When the last answer to a mutation came.
        self.answered_at = -math.inf
        connection.produce = self._produce
        connection.ping = self.ping

    def end(self) -> None:
        """The connection is over: calls fail, results that were held back settle."""
        calls, self._calls = self._calls, {}
        for call_id, (message, callback) in calls.items():
            lost = NotConnected("the connection ended")
            callback(Response(call_id, message.method, lost, None))
        self._release()

    def request(self, message: m.Message, callback: Callable[[Response], None]) -> None:
        """Send a call that is no mutation; `callback` gets its response in stream order."""
        call_id = self.client.next_id()
        self._calls[call_id] = (message, callback)
        self.client.stats.calls += 1
        if self.client.outbox.has_fresh:
            # It was made after them, so it is said after them.
            self.connection.collect()
        self.connection.send(self.connection.protocol.send_request(call_id, message))

    def notify(self, message: m.Message) -> None:
        """Send a notification."""
        self.client.stats.notifications += 1
        self.connection.send(self.connection.protocol.send_notification(message))

    def ask_for_receipt(self) -> None:
        """Ask for an answer, which tells that all one-way mutations before were executed."""
        self.request(m.Ping(), lambda response: None)

    def ping(self) -> None:
        """Ask for a sign of life, and time it."""
        if self._pinged_at is None:
            self._pinged_at = trio.current_time()
            self.request(m.Ping(), self._ponged)

    def _ponged(self, response: Response) -> None:
        if self._pinged_at is not None:
            self.client.stats.rtt_us = int((trio.current_time() - self._pinged_at) * 1e6)
            self._pinged_at = None

    def _produce(self, now: float, out: list[bytes]) -> float | None:
        """Hand over what the outbox holds; called before each write."""
        client = self.client
        outbox = client.outbox
        if outbox.has_fresh:
            due = now + client.retry.call_timeout
            expected = self.connection.protocol.expected
            for entry in outbox.take_fresh():
                entry.heard = client.stats.bytes_in
                entry.due = due
                if entry.result is not None:
                    expected[entry.seq] = entry.method
                if entry.large is None:
                    out.append(entry.data)
                else:
                    self._large, self._chunks = entry, entry.large.chunks(entry.seq, entry.method)
            client.look_at(due)
            if self._large is None:
                self._handed_over()
        if self._large is not None and not self._hand_chunks(self._large, now, out):
            # The rest when these have left.
            return now
        return None

    def _handed_over(self) -> None:
        client = self.client
        outbox = client.outbox
        if outbox.is_holding:
            # Answered in order: the answer tells that what is before it could be read.
            self.request(m.Ping(), self._passed)
        if outbox.one_way and (
            outbox.one_way >= client.limits.unacknowledged or client.is_flushing
        ):
            self.ping()

    def _hand_chunks(self, entry: Entry, now: float, out: list[bytes]) -> bool:
        """Hand over the next chunks, and the mutation behind the last; tell whether that is all."""
        client, size = self.client, 0
        if client.outbox.get(entry.seq) is entry:
            for chunk in self._chunks:
                data = self.connection.protocol.send_notification(chunk)
                out.append(data)
                size += len(data)
                if size >= _AT_ONCE:
                    return False
            out.append(entry.data)
            entry.is_partial, entry.written = False, True
            entry.heard = client.stats.bytes_in
            entry.due = now + client.retry.call_timeout
            client.look_at(entry.due)
        # Else it was refused, or given up.
        self._large, self._chunks = None, iter(())
        self._handed_over()
        return True

    def _make_again(self, entry: Entry) -> bool:
        """Have a mutation written again for which the server has no room now; False if too late."""
        client, now = self.client, trio.current_time()
        retry = client.retry
        entry.repeats += 1
        if entry.repeats > retry.call_tries or now - entry.created >= retry.call_total:
            return False
        if self._large is entry:
            self._large, self._chunks = None, iter(())
        pause = retry.call_pause(entry.repeats)
        entry.is_partial = False
        entry.due = now + pause + retry.call_timeout
        client.mach.fork(self._make_later, entry, pause)
        return True

    async def _make_later(self, entry: Entry, pause: float) -> None:
        await trio.sleep(pause)
        outbox = self.client.outbox
        if not self.connection.closed and outbox.get(entry.seq) is entry:
            outbox.take_back(entry)
            self.connection.wake()

    def _passed(self, response: Response) -> None:
        if response.error is None:
            self.client.outbox.passed()
            self.connection.wake()

    def repeat(self, entry: Entry, pause: float) -> None:
        """Write a mutation again, under its old id, after a pause in seconds."""
        self.client.mach.fork(self._repeat_later, entry, pause)

    async def _repeat_later(self, entry: Entry, pause: float) -> None:
        await trio.sleep(pause)
        outbox = self.client.outbox
        if not self.connection.closed and outbox.get(entry.seq) is entry:
            entry.heard = self.client.stats.bytes_in
            self.connection.send(entry.data)

    # Events.

    def handle(self, event: Event) -> None:
        """Act on one event."""
        if type(event) is Response:
            self._handle_response(event)
            return
        assert isinstance(event, (Notification, Request))
        try:
            _HANDLERS[type(event.message)](self, event)
        except InvalidParams as error:
            call_id = event.id if isinstance(event, Request) else None
            self.connection.refuse(call_id, error.code, str(error))

    def _handle_response(self, event: Response) -> None:
        outbox = self.client.outbox
        if outbox.acknowledge(event.id):
            self.client.outbox_shrank()
        if (
            event.error is not None
            and (waiting := outbox.get(event.id)) is not None
            and waiting.large is not None
            and str(event.error) in _NOT_KEPT
            and self._make_again(waiting)
        ):
            return
        entry = outbox.pop(event.id)
        if entry is None:
            known = self._calls.pop(event.id, None)
            if known is not None:
                known[1](event)
            return
        self.answered_at = self.connection.last_rx
        if outbox.has_fresh:
            # The window was full.
            self.connection.wake()
        if event.error is not None:
            self.client.settle(entry, am.CANCELED, event.error)
            return
        result: MutationResult = event.result
        update = result.update
        if update is not None and not self._syncing:
            if isinstance(update, Update):
                fits = self.net.apply(update)
            else:
                fits = self.net.apply_records(update)
            if not fits:
                self._mismatch()
        outcome = am.EXECUTED if result.executed else am.CANCELED
        failure = None if result.failure is None else RemoteError(*result.failure)
        if self._syncing:
            self._held.append((entry, outcome, failure))
        else:
            self.client.settle(entry, outcome, failure)

    def _on_update(self, event: Notification) -> None:
        if not self._syncing and not self.net.apply(event.message):
            self._mismatch()

    def _on_records(self, event: Notification) -> None:
        if not self._syncing and not self.net.apply_records(event.message.records):
            self._mismatch()

    def _mismatch(self) -> None:
        stats, now = self.client.stats, trio.current_time()
        stats.checksum_errors += 1
        mismatches = self._mismatches
        mismatches.append(now)
        while mismatches[0] < now - MISMATCH_WINDOW:
            mismatches.popleft()
        if len(mismatches) >= self.client.limits.mismatches:
            self.connection.close(ProtocolError("the clock drifted from its source again"))
            return
        self.resync(lambda response: None)

    def resync(self, callback: Callable[[Response], None]) -> None:
        """Ask for full values; updates are ignored until they come, which must be soon."""
        if not self._syncing:
            self._syncing = True
            self._sync_due = trio.current_time() + self.client.retry.call_timeout
        if not self._sync_is_watched:
            self._sync_is_watched = True
            self.client.mach.fork(self._watch_sync)
        self.client.stats.syncs += 1
        self.client.mach.add("MetricSync")

        def synced(response: Response) -> None:
            if response.error is None:
                self._syncing = False
                self._adopt(response.result)
                self._release()
            else:
                # Updates were ignored meanwhile, so only a new beginning can help.
                self.connection.close(response.error)
            callback(response)

        self.request(m.SyncRequest(), synced)

    async def _watch_sync(self) -> None:
        """Start the connection over if full values do not come: without them all stands still."""
        while self._syncing and not self.connection.closed:
            if trio.current_time() >= self._sync_due:
                seconds = self.client.retry.call_timeout
                self.connection.close(NetworkTimeout(f"no full values within {seconds:g} s"))
            else:
                await trio.sleep_until(self._sync_due)
        self._sync_is_watched = False

    def _adopt(self, vector: w.Vector) -> None:
        if len(vector.ticks) != self.net.wire_states:
            self.connection.close(InvalidResponse("sync: wrong number of ticks"))
            return
        self.net.adopt(vector)

    def _release(self) -> None:
        held, self._held = self._held, []
        for entry, outcome, failure in held:
            self.client.settle(entry, outcome, failure)

    def _on_schema(self, event: Notification) -> None:
        shape: w.Shape = event.message.shape
        try:
            self.client.grow(shape)
        except (RpcError, am.SchemaError) as error:
            self.connection.close(InvalidResponse(f"schema: {error}"))

    def _on_when_args(self, event: Notification) -> None:
        self.net.subscriptions.met(event.message.token)

    def _on_touch(self, event: Notification) -> None:
        self.client.source_touched(event.message.alive)

    def _on_bye(self, event: Notification) -> None:
        self.bye = event.message.reason
        if event.message.reason == "stop":
            self.client.stop_requested()
        self.connection.close()

    def _on_ping(self, event: Request) -> None:
        self.connection.send(self.connection.protocol.send_result(event.id))

    # Payloads.

    def _on_announced(self, event: Notification) -> None:
        message: news.PayloadAnnounced = event.message
        try:
            self._assembler.announce(message)
        except LimitExceeded as error:
            self.connection.close(error)
            return
        self.client.mach.add("ServerDelivering", token=message.token, name=message.name)

    def _on_chunk(self, event: Notification) -> None:
        self._assembler.add(event.message)

    def _on_payload(self, event: Request) -> None:
        message: news.Payload = event.message
        client, call_id, connection = self.client, event.id, self.connection

        def answer(error: RpcError | None) -> None:
            if error is None:
                client.seen_tokens.add(message.token)
            if connection.closed:
                return
            if error is None:
                connection.send(connection.protocol.send_result(call_id))
            else:
                connection.refuse(call_id, error.code, str(error))

        if message.token in client.seen_tokens:
            self._assembler.drop(message.token)
            answer(None)
        elif client.passing.is_open(message.token, answer):
            self._assembler.drop(message.token)
        else:
            try:
                data = self._assembler.finish(message.token)
            except KeyError:
                data = message.data
            except ProtocolError as error:
                raise InvalidParams(str(error)) from error
            client.deliver(message, data, answer)


_HANDLERS: Final[dict[type[Any], Callable[[Link, Any], None]]] = {
    Update: Link._on_update,
    news.Records: Link._on_records,
    w.SchemaGrown: Link._on_schema,
    m.WhenArgs: Link._on_when_args,
    news.SourceTouch: Link._on_touch,
    m.Bye: Link._on_bye,
    m.Ping: Link._on_ping,
    news.PayloadAnnounced: Link._on_announced,
    news.PayloadChunk: Link._on_chunk,
    news.Payload: Link._on_payload,
}
