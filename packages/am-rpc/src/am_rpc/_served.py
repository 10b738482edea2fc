"""One welcomed client on the server's side: its calls, its pushes, its payloads.

Everything here runs in the reader task of the connection or in the source's tracers, and never
waits; what takes time (a relay's answer, a payload) is finished by a callback or a task of the
server's machine.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import trio

import am_machine as am

from . import _messages as m
from . import _news as news
from ._errors import DeliveryError, ErrorCode, InvalidParams, NetworkTimeout, RemoteError, RpcError
from ._mutating import ADD, REMOVE, SET, TOGGLE, AddErr, Mutate, MutationResult
from ._net import NetworkMachine
from ._news import KIND_CODES, Record, Update
from ._observer import Observer
from ._protocol import Notification, Request, Response
from ._results import when_settled
from ._schema_wire import schema_to_wire
from ._typed_args import coerce_args, declared_args
from ._welcome import SchemaGrown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._driver import Connection
    from ._feed import Feed
    from ._mutating import Origin
    from ._payload import Parcel
    from ._protocol import Event
    from ._server import Server
    from ._session import Outcome, Session

logger: Final = logging.getLogger("am_rpc")
_METHODS: Final = {ADD: "add", REMOVE: "remove", SET: "set", TOGGLE: "toggle"}


class ServedClient:
    """The server's end of a connection after its handshake.

    Args:
        server: who serves; owner of the machine and the source.
        connection: the transport, not running yet.
        session: the client's session.
        feed: the clock stream, its baseline set by the welcome.
    """

    __slots__ = (
        "_boot", "_busy", "_dirty", "_observer", "_records", "_responses", "_sent_at", "_untouch",
        "_waits", "connection", "feed", "server", "session", "source",
    )  # fmt: skip

    def __init__(
        self, server: Server, connection: Connection, session: Session, feed: Feed
    ) -> None:
        self.server = server
        self.source = server.source
        self.connection = connection
        self.session = session
        self.feed = feed
        self._observer = Observer.of(self.source)
        # True while a call of this client is executed: its response will carry the changes.
        self._busy = False
        self._dirty = False
        self._sent_at = float("-inf")
        self._records: list[Record] = []
        self._responses: dict[int, Callable[[Response], None]] = {}
        self._waits: dict[int, Any] = {}
        self._boot = server.boot
        self._untouch: Callable[[], None] | None = None

    # Life.

    def begin(self) -> None:
        """Follow the source and push what it did since the welcome."""
        self._observer.follow(self.source, self)
        if self.feed.mutations:
            self._observer.follow_transitions(self.source, self, self._record)
            self._catch_up()
        connection = self.connection
        connection.produce = self._produce
        connection.ping = self._ping
        if isinstance(self.source, NetworkMachine):
            self._untouch = self.source.client.on_touch(self._source_touched)
            if not self.source.client.in_touch:
                self._source_touched(False)
        self.source_moved()

    def end(self) -> None:
        """Let go of the source; subscriptions end."""
        self._observer.unfollow(self.source, self)
        if self._untouch is not None:
            self._untouch()
        waits, self._waits = self._waits, {}
        for wait in waits.values():
            wait.cancel()
        responses, self._responses = self._responses, {}
        lost = Response(0, "", NetworkTimeout("the connection ended"), None)
        for callback in responses.values():
            callback(lost)

    # The source moves.

    def source_moved(self) -> None:
        """Note that something changed; push it now if pushing is immediate."""
        if self._busy:
            return
        interval = self.server.push_interval
        if interval is None:
            return
        if interval == 0 and self.connection.is_flowing:
            self._push()
        elif not self._dirty:
            self._dirty = True
            self.connection.wake()
        else:
            self.server.stats.pushes_merged += 1

    def source_grew(self) -> None:
        """Tell the client of the new states; later updates count from here."""
        source, feed = self.source, self.feed
        feed.grow(source.schema.names)
        schema = schema_to_wire(source.schema) if feed.has_schema else None
        self._records.clear()
        shape = feed.shape(schema, source.time(), source.queue_tick, source.machine_tick)
        self._notify(SchemaGrown(shape))

    def source_disposed(self) -> None:
        """The source is gone: say goodbye."""
        self._notify(m.Bye("disposed"))
        self.server.source_disposed()

    def _produce(self, now: float) -> float | None:
        """Push if it is time; called by the writer before each write."""
        if not self._dirty:
            return None
        interval = self.server.push_interval
        if interval is None:
            self._dirty = False
            return None
        due = self._sent_at + interval
        if now < due:
            return due
        self._push()
        return None

    def _push(self) -> None:
        update = self._take_update()
        if update is None:
            return
        self.server.stats.pushes += 1
        if isinstance(update, Update):
            self._notify(update)
        else:
            self._notify(news.Records(update))

    def _take_update(self) -> Update | tuple[Record, ...] | None:
        """Return everything since the last send; it will be sent, in this order."""
        self._dirty = False
        self._sent_at = trio.current_time()
        if self.feed.mutations:
            records, self._records = tuple(self._records), []
            return records or None
        source = self.source
        return self.feed.diff(source.time(), source.queue_tick, source.machine_tick)

    def _record(self, transition: am.Transition) -> None:
        source = self.source
        kind = "auto" if transition.auto else transition.kind
        called = transition.mutation.indexes
        record = self.feed.record(
            kind, called, source.time(), source.queue_tick, source.machine_tick
        )
        if record is None:
            return
        records = self._records
        records.append(record)
        if len(records) > self.server.serving.limits.records:
            self._records = [merge_records(records)]
        elif (
            len(records) >= self.server.push_max_mutations
            and not self._busy
            and self.server.push_interval is not None
            and self.connection.is_flowing
        ):
            self._push()

    def _catch_up(self) -> None:
        source, feed = self.source, self.feed
        record = feed.record("set", (), source.time(), source.queue_tick, source.machine_tick)
        if record is not None:
            self._records.append(merge_records([record]))

    # Messages.

    def _notify(self, message: m.Message) -> None:
        self.server.stats.notifications += 1
        self.connection.send(self.connection.protocol.send_notification(message))

    def _reply(self, call_id: int, result: Any = None) -> None:
        self.connection.send(self.connection.protocol.send_result(call_id, result))

    def _call(self, message: m.Message, callback: Callable[[Response], None]) -> int:
        self.session.next_call += 1
        call_id = self.session.next_call
        self._responses[call_id] = callback
        self.connection.send(self.connection.protocol.send_request(call_id, message))
        return call_id

    def handle(self, event: Event) -> None:
        """Act on one event; what cannot be done is refused."""
        if type(event) is Request:
            self.server.stats.calls += 1
            message = event.message
            try:
                _REQUESTS[type(message)](self, event.id, message)
            except InvalidParams as error:
                self.connection.refuse(event.id, error.code, str(error))
        elif type(event) is Notification:
            message = event.message
            if type(message) is Mutate:
                self._mutate_one_way(message)
            else:
                self.connection.close()
        elif type(event) is Response:
            callback = self._responses.pop(event.id, None)
            if callback is not None:
                callback(event)

    def _too_late(self, call_id: int, message: Any) -> None:
        raise InvalidParams("the handshake is done", ErrorCode.NOT_READY)

    # Mutations.

    def _mutate(self, call_id: int, message: Mutate | AddErr) -> None:
        outcome = self.session.begin(call_id)
        if outcome is None:
            self._repeat(call_id)
            return
        self._busy = True
        try:
            result = self._execute(message)
        except InvalidParams as error:
            outcome.settle(refusal=(error.code, str(error)))
            raise
        finally:
            self._busy = False
        self.server.stats.mutations += 1
        if result.outcome is not None:
            outcome.settle(executed=result.outcome is am.EXECUTED)
            self._answer(call_id, outcome)
        else:
            outcome.when_settled(lambda known: self._answer(call_id, known))
            when_settled(result, lambda: _settle(outcome, result), self.server.mach)

    def _repeat(self, call_id: int) -> None:
        """A call that was seen before: answer with its outcome, never execute it again."""
        self.server.stats.dedup_hits += 1
        outcome = self.session.find(call_id)
        if outcome is None:
            raise InvalidParams("outcome was forgotten", ErrorCode.SESSION_LOST)
        if not outcome.settled:
            outcome.when_settled(lambda known: self._answer(call_id, known))
        elif outcome.refusal is not None:
            self.connection.refuse(call_id, *outcome.refusal)
        else:
            self._reply(call_id, MutationResult(bool(outcome.executed)))

    def _answer(self, call_id: int, outcome: Outcome) -> None:
        if self.connection.closed:
            return
        if outcome.refusal is not None:
            self.connection.refuse(call_id, *outcome.refusal)
            return
        if not outcome.executed:
            self.server.stats.canceled += 1
        update = self._take_update()
        self._reply(call_id, MutationResult(bool(outcome.executed), update))

    def _mutate_one_way(self, message: Mutate) -> None:
        assert message.seq is not None
        if not self.session.begin_one_way(message.seq):
            self.server.stats.dedup_hits += 1
            return
        self.server.stats.mutations += 1
        try:
            result = self._execute(message)
        except InvalidParams as error:
            self.connection.refuse(None, error.code, str(error))
            return
        if not result:
            self.server.stats.canceled += 1

    def _execute(self, message: Mutate | AddErr) -> am.Result:
        source = self.source
        if source.disposed:
            raise InvalidParams("the source is disposed", ErrorCode.DISPOSED)
        indexes, names = self._states(message.states, self.server.serving.access.write)
        args = coerce_args(source.schema, indexes, message.args)
        try:
            if message.source is not None:
                return self._caused(message.source, message, names, args)
            return self._apply(message, names, args)
        except am.ArgsError as error:
            raise InvalidParams(str(error)) from error

    def _caused(
        self,
        origin: Origin,
        message: Mutate | AddErr,
        names: list[str],
        args: Mapping[str, Any],
    ) -> am.Result:
        if origin.hops > self.server.max_hops:
            raise InvalidParams("too many hops")
        source = am.Source(origin.machine_id, origin.transition_id, origin.time, origin.hops)
        with am.use_source(source):
            return self._apply(message, names, args)

    def _apply(
        self, message: Mutate | AddErr, names: list[str], args: Mapping[str, Any]
    ) -> am.Result:
        source = self.source
        if isinstance(message, Mutate):
            call = getattr(source, _METHODS[message.method])
            result: am.Result = call(*names, **args)
            return result
        error = RemoteError(message.type_name, message.message, message.trace)
        wanted = [name for name in names if name != "Exception"]
        if "ErrOnClient" in source.schema and "ErrOnClient" not in wanted:
            reported = source.add_err("ErrOnClient", error, **args)
            if not wanted:
                return reported
        if wanted:
            return source.add_err(wanted[0], error, **args)
        return source.add_err(error, **args)

    def _states(
        self, wire: tuple[int, ...], allowed: frozenset[str] | None
    ) -> tuple[list[int], list[str]]:
        names = self.source.schema.names
        indexes = []
        for number in wire:
            index = self.feed.source_index(number)
            if index is None:
                raise InvalidParams(f"state {number}", ErrorCode.UNKNOWN_STATE)
            if allowed is not None and names[index] not in allowed:
                raise InvalidParams(f"state {names[index]}", ErrorCode.NO_ACCESS)
            indexes.append(index)
        return indexes, [names[index] for index in indexes]

    # Other calls.

    def _check(self, call_id: int, message: m.Check) -> None:
        access = self.server.serving.access
        if not access.check:
            raise InvalidParams("checks are not allowed", ErrorCode.NO_ACCESS)
        indexes, names = self._states(message.states, access.write)
        args = coerce_args(self.source.schema, indexes, message.args)
        self.server.mach.fork(self._run_check, call_id, message.kind, names, args)

    async def _run_check(
        self, call_id: int, kind: int, names: list[str], args: Mapping[str, Any]
    ) -> None:
        check = self.source.check_remove if kind else self.source.check_add
        try:
            result = await check(*names, **args)
        except am.ArgsError as error:
            self.connection.refuse(call_id, ErrorCode.INVALID_PARAMS, str(error))
        else:
            self._reply(call_id, int(result is am.EXECUTED))

    def _sync(self, call_id: int, message: m.SyncRequest) -> None:
        source = self.source
        self._dirty = False
        self._records.clear()
        self._sent_at = trio.current_time()
        self.server.stats.syncs += 1
        vector = self.feed.reset(source.time(), source.queue_tick, source.machine_tick)
        self._reply(call_id, vector)
        self.server.mach.add("MetricSync")

    def _args(self, call_id: int, message: m.ArgsRequest) -> None:
        readable = self.server.serving.access.read
        declared = declared_args(self.source.schema)
        found = {s: a for s, a in declared.items() if readable is None or s in readable}
        self._reply(call_id, found)

    def _when_args(self, call_id: int, message: m.WhenArgs) -> None:
        if message.state is None:
            raise InvalidParams("state")
        if len(self._waits) >= self.server.serving.limits.subscriptions:
            raise InvalidParams("too many subscriptions", ErrorCode.TOO_LARGE)
        indexes, names = self._states((message.state,), self.server.serving.access.read)
        args = coerce_args(self.source.schema, indexes, message.args)
        old = self._waits.pop(message.token, None)
        if old is not None:
            old.cancel()
        wait = self._waits[message.token] = self.source.when_args(names[0], **args)
        self.server.mach.fork(self._watch_args, message.token, wait)
        self._reply(call_id)

    async def _watch_args(self, token: int, wait: am.Wait) -> None:
        met = await wait
        if self._waits.get(token) is wait:
            del self._waits[token]
        if met and not self.connection.closed:
            self._notify(m.WhenArgs(token))

    def _drop_when_args(self, call_id: int, message: m.DropWhenArgs) -> None:
        wait = self._waits.pop(message.token, None)
        if wait is not None:
            wait.cancel()
        self._reply(call_id)

    def _pong(self, call_id: int, message: m.Ping) -> None:
        self._reply(call_id)

    def _ping(self) -> None:
        self._call(m.Ping(), lambda response: None)

    def _source_touched(self, alive: bool) -> None:
        """This relay is in touch with its own source, or lost it; a new one needs a new start."""
        if self.server.boot != self._boot:
            self.connection.close()
        else:
            self._notify(news.SourceTouch(alive))

    # Payloads.

    def post(self, parcel: Parcel) -> Delivery:
        """Send a small payload now, so that payloads keep their order; `deliver` waits for it."""
        delivery = Delivery()
        if parcel.encoded is None:
            self._ask_to_take(parcel, delivery)
        return delivery

    def _ask_to_take(self, parcel: Parcel, delivery: Delivery) -> None:
        call = news.Payload(parcel.token, parcel.name, parcel.data, parcel.source, parcel.source_tx)
        self._call(call, delivery.answer)

    async def deliver(self, parcel: Parcel, delivery: Delivery) -> None:
        """Send what `post` did not, and wait until the client's consumer took the payload.

        Raises:
            DeliveryError: the consumer refused it, the connection ended, or time ran out. In the
                latter two cases it stays with the session, to be sent again.
        """
        limits = self.server.serving.limits
        with trio.move_on_after(limits.payload_timeout):
            if parcel.encoded is not None:
                self._notify(news.PayloadAnnounced(parcel.token, parcel.name, parcel.size))
                for index, count, data in parcel.chunks(limits.chunk):
                    await self.connection.room()
                    self._notify(news.PayloadChunk(parcel.token, index, count, data))
                await self.connection.room()
                self._ask_to_take(parcel, delivery)
            await delivery.arrived.wait()
        response = delivery.response
        if response is None:
            raise DeliveryError(f"payload {parcel.name} was not taken in time")
        error = response.error
        if error is None:
            self.session.undelivered.pop(parcel.token)
            self.server.stats.payloads += 1
            return
        if not isinstance(error, NetworkTimeout):
            self.session.undelivered.pop(parcel.token)
        raise DeliveryError(f"payload {parcel.name}: {error}") from error


class Delivery:
    """A payload's answer, once it is here."""

    __slots__ = ("arrived", "response")

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.response: Response | None = None

    def answer(self, response: Response) -> None:
        """Keep the answer and wake who waits for it."""
        self.response = response
        self.arrived.set()


_REQUESTS: Final[dict[type[Any], Callable[[ServedClient, int, Any], None]]] = {
    Mutate: ServedClient._mutate,
    AddErr: ServedClient._mutate,
    m.Check: ServedClient._check,
    m.SyncRequest: ServedClient._sync,
    m.ArgsRequest: ServedClient._args,
    m.WhenArgs: ServedClient._when_args,
    m.DropWhenArgs: ServedClient._drop_when_args,
    m.Ping: ServedClient._pong,
    m.Hello: ServedClient._too_late,
    m.Auth: ServedClient._too_late,
    m.Ready: ServedClient._too_late,
}


def _settle(outcome: Outcome, result: am.Result) -> None:
    error = result.error
    if isinstance(error, RpcError):
        outcome.settle(refusal=(error.code, str(error)))
    else:
        outcome.settle(executed=result.outcome is am.EXECUTED)


def merge_records(records: list[Record]) -> Record:
    """Return one record that does what all of them do, as a `set` of what they moved."""
    moved: dict[int, int] = {}
    dq = dm = 0
    for record in records:
        pairs = record.update.pairs
        for at in range(0, len(pairs), 2):
            moved[pairs[at]] = moved.get(pairs[at], 0) + pairs[at + 1]
        dq += record.update.dq
        dm += record.update.dm
    flat = tuple(number for pair in sorted(moved.items()) for number in pair)
    flipped = tuple(index for index, growth in sorted(moved.items()) if growth & 1)
    update = Update(flat, dq, dm, records[-1].update.sum)
    return Record(KIND_CODES["set"], flipped, update)
