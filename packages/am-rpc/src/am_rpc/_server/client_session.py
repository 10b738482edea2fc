"""One welcomed client on the server's side: its calls, and the server's calls to it.

Everything here runs in the reader task of the connection or in the source's tracers, and never
waits; what takes time (a relay's answer, a payload) is finished by a callback or a task of the
server's machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import am_machine as am

from .._errors import ErrorCode, InvalidParams, LimitExceeded, NetworkTimeout, RpcError
from .._wire import messages as m
from .._wire.args_chunks import ArgsChunk
from .._wire.catalog_messages import ListRequest
from .._wire.mutation_messages import AddErr, InChunks, Mutate
from .._wire.protocol import Notification, Request, Response
from .._wire.server_messages import SourceTouch
from .._wire.typed_args import declared_args, load_args
from .executing import Executor, is_replica
from .machines import page
from .pushing import Pusher
from .receiving import ArgsReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .._client.network_machine import NetworkMachine
    from .._options import Access
    from .._transport.driver import Connection
    from .._wire.delta_encoder import DeltaEncoder
    from .._wire.keys import Key
    from .._wire.payload_chunks import Parcel
    from .._wire.protocol import Event
    from .._wire.server_messages import Payload
    from .context import SessionContext
    from .session import Session


# Bytes that the name of a client behind a relay takes beside its own.
_NAME: Final = 200
# Of `x`, by number.
KINDS: Final = ("add", "remove", "set")
# Bytes that a subscription takes beside its args: a wait, a task.
_WAIT: Final = 4096


class ClientSession:
    """The server's end of a connection after its handshake.

    Args:
        server: who serves; owner of the machine and the source.
        connection: the transport, not running yet.
        session: the client's session.
        feed: the clock stream, its baseline set by the welcome.
        access: what the client may do.
        key: what it proved to have, if anything.
    """

    __slots__ = (
        "_args_in",
        "_boot",
        "_executor",
        "_pusher",
        "_responses",
        "_source",
        "_unpass",
        "_untouch",
        "_waits",
        "access",
        "behind",
        "connection",
        "feed",
        "key",
        "server",
        "session",
    )  # fmt: skip

    def __init__(
        self,
        server: SessionContext,
        connection: Connection,
        session: Session,
        feed: DeltaEncoder,
        access: Access,
        key: Key | None = None,
    ) -> None:
        self.server = server
        self.connection = connection
        self.session = session
        self.feed = feed
        self.access = access
        self.key = key
        self._source = server.source
        self._pusher = Pusher(server, connection, feed)
        self._executor = Executor(server, connection, session, feed, self._pusher, access)
        self._args_in = ArgsReceiver(
            server.mach, connection, session, self._executor, server.serving.limits
        )
        self._responses: dict[int, Callable[[Response], None]] = {}
        # Token -> the wait, and what it takes of the session's budget.
        self._waits: dict[int, tuple[Any, int]] = {}
        self._boot = server.boot
        self._untouch: Callable[[], None] | None = None
        self._unpass: Callable[[], None] | None = None
        # Ids of clients that this one serves, a relay.
        self.behind: set[str] = set()

    # Life.

    def begin(self) -> None:
        """Follow the source and push what it did since the welcome."""
        self.connection.ping = self._ping
        source = self._source
        if is_replica(source):
            self._untouch = source.uplink.on_touch(self._source_touched)
            self._unpass = source.uplink.pass_payloads(self._pass_on)
            source.uplink.reaches(self.session.client_id, True)
            if not source.uplink.in_touch:
                self._source_touched(False)
        self._pusher.begin()

    def end(self) -> None:
        """Let go of the source; subscriptions end."""
        self._pusher.end()
        if self._untouch is not None:
            self._untouch()
        if self._unpass is not None:
            self._unpass()
            self._unpass = None
            assert is_replica(self._source)
            for client_id in (self.session.client_id, *self.behind):
                self._source.uplink.reaches(client_id, False)
        for client_id in self.behind:
            self.session.budget.give(len(client_id) + _NAME)
        self.behind.clear()
        for token in tuple(self._waits):
            self._end_wait(token)
        self._args_in.end()
        responses, self._responses = self._responses, {}
        lost = Response(0, "", NetworkTimeout("the connection ended"), None)
        for callback in responses.values():
            callback(lost)

    # Messages.

    def handle(self, event: Event) -> None:
        """Act on one event; what cannot be done is refused."""
        if type(event) is Request:
            self.server.stats.calls += 1
            message = event.message
            try:
                if type(message) is Mutate:
                    self._executor.mutate(event.id, message)
                elif type(message) is m.WhenArgs:
                    self._when_args(event.id, message, event.size)
                else:
                    _REQUESTS[type(message)](self, event.id, message)
            except (InvalidParams, LimitExceeded) as error:
                self.connection.refuse(event.id, error.code, str(error))
        elif type(event) is Response:
            callback = self._responses.pop(event.id, None)
            if callback is not None:
                callback(event)
        elif type(event) is Notification:
            self._hear(event.message)

    def notify(self, message: m.Message) -> None:
        """Send a notification."""
        self._pusher.notify(message)

    def call_at_once(self, message: m.Message, callback: Callable[[Response], None]) -> None:
        """Send a request; `callback` gets its response, or why there is none."""
        self.session.next_call += 1
        call_id = self.session.next_call
        self._responses[call_id] = callback
        self.connection.send_at_once(self.connection.protocol.send_request(call_id, message))

    def deliver_at_once(self, parcel: Parcel, callback: Callable[[Response], None]) -> None:
        """Send a payload; `callback` gets the response, or why there is none."""
        self.session.next_call += 1
        call_id = self.session.next_call
        self._responses[call_id] = callback
        self.connection.send_at_once(self.connection.protocol.send_payload(call_id, parcel))

    def _reply(self, call_id: int, result: Any = None) -> None:
        self.connection.send(self.connection.protocol.send_result(call_id, result))

    def _hear(self, message: Any) -> None:
        if type(message) is Mutate:
            self._executor.mutate_one_way(message)
        elif type(message) is m.Behind:
            self._learn(message)
        elif type(message) is ArgsChunk:
            self._args_in.take(message)
        elif type(message) is InChunks:
            self._args_in.execute(None, message)
        else:
            # A goodbye.
            self.server.said_bye = True
            self.connection.close()

    def _too_late(self, call_id: int, message: Any) -> None:
        raise InvalidParams("the handshake is done", ErrorCode.NOT_READY)

    def _report_error(self, call_id: int, message: AddErr) -> None:
        self._executor.mutate(call_id, message)

    def _execute_large(self, call_id: int, message: InChunks) -> None:
        self._args_in.execute(call_id, message)

    def _check(self, call_id: int, message: m.Check) -> None:
        if not self.access.check:
            raise InvalidParams("checks are not allowed", ErrorCode.NO_ACCESS)
        indexes, names = self._executor.writable(message.states)
        args = load_args(self._source.schema, indexes, message.args)
        with self._executor.called():
            self.server.mach.fork(self._run_check, call_id, message.kind, names, args)

    async def _run_check(
        self, call_id: int, kind: int, names: tuple[str, ...], args: Mapping[str, Any]
    ) -> None:
        check = self._source.check_remove if kind else self._source.check_add
        try:
            result = await check(*names, **args)
        except am.ArgsError as error:
            self.connection.refuse(call_id, ErrorCode.INVALID_PARAMS, str(error))
        except RpcError as error:
            # Of a relay, whose own source cannot be asked.
            self.connection.refuse(call_id, error.code, str(error))
        else:
            self._reply(call_id, int(result is am.EXECUTED))

    def _explain(self, call_id: int, message: m.Explain) -> None:
        if not self.access.check:
            raise InvalidParams("checks are not allowed", ErrorCode.NO_ACCESS)
        _, names = self._executor.states(message.states, None)
        kind = KINDS[message.kind]
        source = self._source
        if is_replica(source) and source.has_client:
            self.server.mach.fork(self._ask_why, source, call_id, kind, names)
        elif isinstance(source, am.BaseMachine):
            self._tell_why(call_id, source.explain(*names, kind=kind).reasons)
        else:
            explained = source.schema.explain(kind, names, source.active)
            self._tell_why(call_id, explained.reasons)

    async def _ask_why(
        self, source: NetworkMachine, call_id: int, kind: str, names: tuple[str, ...]
    ) -> None:
        try:
            reasons = await source.explain_remote(*names, kind=kind)
        except RpcError as error:
            self.connection.refuse(call_id, error.code, str(error))
        else:
            self._tell_why(call_id, reasons)

    def _tell_why(self, call_id: int, reasons: Iterable[str]) -> None:
        # Here, as few clients ask.
        from .explaining import told_reasons

        names = self._source.schema.names
        readable = self.server.readable(self.access)
        self._reply(call_id, told_reasons(reasons, names, readable, self.access))

    def _sync(self, call_id: int, message: m.SyncRequest) -> None:
        self.server.stats.syncs += 1
        self._reply(call_id, self._pusher.take_all())
        self.server.mach.add("MetricSync")

    def _args(self, call_id: int, message: m.ArgsRequest) -> None:
        readable = self.access.read
        declared = declared_args(self._source.schema)
        found = {s: a for s, a in declared.items() if readable is None or s in readable}
        self._reply(call_id, found)

    def _list(self, call_id: int, message: ListRequest) -> None:
        self._reply(call_id, page(self.server.catalog, message.after, self.key))

    def _pong(self, call_id: int, message: m.Ping) -> None:
        self._reply(call_id)

    def _ping(self) -> None:
        self.call_at_once(m.Ping(), lambda response: None)

    def _source_touched(self, alive: bool) -> None:
        """This relay is in touch with its own source, or lost it; a new one needs a new start."""
        if self.server.boot != self._boot:
            self.connection.close()
        else:
            self.notify(SourceTouch(alive))

    # Clients behind this one.

    def _learn(self, message: m.Behind) -> None:
        """Note whom a relay serves; only ids that its own key may have are believed."""
        ids = None if self.key is None else self.key.ids
        source = self._source
        for client_id in message.ids:
            if message.is_there == (client_id in self.behind):
                continue
            cost = len(client_id) + _NAME
            if not message.is_there:
                self.behind.discard(client_id)
                self.session.budget.give(cost)
            elif ids is not None and client_id not in ids:
                continue
            else:
                try:
                    self.session.budget.take(cost, "clients behind a relay")
                except LimitExceeded:
                    return
                self.behind.add(client_id)
            if is_replica(source):
                source.uplink.reaches(client_id, message.is_there)

    def is_way_to(self, client_id: str | None) -> bool:
        """Tell whether a payload for this id goes to this client, whosever it is."""
        return client_id in (None, self.session.client_id) or client_id in self.behind

    def _pass_on(
        self, message: Payload, data: Any, done: Callable[[RpcError | None], None]
    ) -> bool:
        """Begin to deliver a payload of the source above, if it is for this way."""
        if not self.is_way_to(message.destination):
            return False
        source, source_tx = message.source, message.source_tx
        self.server.post_payload(
            message.name, data, message.destination, source=source, source_tx=source_tx, done=done
        )
        return True

    # Waits for args, kept here for the client.

    def _when_args(self, call_id: int, message: m.WhenArgs, size: int) -> None:
        if message.state is None:
            raise InvalidParams("state")
        if len(self._waits) >= self.server.serving.limits.subscriptions:
            raise InvalidParams("too many subscriptions", ErrorCode.TOO_LARGE)
        indexes, names = self._executor.states((message.state,), self.access.read)
        args = load_args(self._source.schema, indexes, message.args)
        self._end_wait(message.token)
        cost = size + _WAIT
        self.session.budget.take(cost, "subscriptions")
        try:
            wait = self._source.when_args(names[0], **args)
        except RpcError as error:
            self.session.budget.give(cost)
            raise InvalidParams(str(error), error.code) from error
        self._waits[message.token] = (wait, cost)
        self.server.mach.fork(self._watch_args, message.token, wait)
        self._reply(call_id)

    async def _watch_args(self, token: int, wait: am.Wait) -> None:
        met = await wait
        known = self._waits.get(token)
        if known is not None and known[0] is wait:
            self._end_wait(token)
        if met and not self.connection.closed:
            self.notify(m.WhenArgs(token))

    def _drop_when_args(self, call_id: int, message: m.DropWhenArgs) -> None:
        self._end_wait(message.token)
        self._reply(call_id)

    def _end_wait(self, token: int) -> None:
        wait, cost = self._waits.pop(token, (None, 0))
        if wait is not None:
            wait.cancel()
            self.session.budget.give(cost)


_REQUESTS: Final[dict[type[Any], Callable[[ClientSession, int, Any], None]]] = {
    AddErr: ClientSession._report_error,
    InChunks: ClientSession._execute_large,
    m.Check: ClientSession._check,
    m.Explain: ClientSession._explain,
    m.SyncRequest: ClientSession._sync,
    m.ArgsRequest: ClientSession._args,
    ListRequest: ClientSession._list,
    m.DropWhenArgs: ClientSession._drop_when_args,
    m.Ping: ClientSession._pong,
    m.Hello: ClientSession._too_late,
    m.Auth: ClientSession._too_late,
    m.Ready: ClientSession._too_late,
}
