"""`Server`: one source for one client at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import trio

import am_machine as am

from ._address import Address, accept, open_listener, open_stream, parse_address, start_tls
from ._driver import Connection, SlowPeer, translate
from ._env import tune
from ._errors import (
    DeliveryError,
    ErrorCode,
    NetworkError,
    NetworkTimeout,
    RpcError,
    WrongDestination,
)
from ._feed import Feed
from ._options import Access, Limits, Retry
from ._payload import Parcel, wrap
from ._protocol import Protocol
from ._schema_wire import schema_hash, schema_to_wire
from ._served import Delivery, ServedClient
from ._serving import (
    PUSH_INTERVAL,
    PUSH_MAX_MUTATIONS,
    Greeted,
    Serving,
    await_ready,
    greet,
    turn_away,
)
from ._states import ServerStates
from ._welcome import Welcome

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from ._auth import Secrets
    from ._mux import Mux
    from ._stats import Stats

logger: Final = logging.getLogger("am_rpc")
# Connections of a lone server that may shake hands at the same time.
_MAX_GREETING: Final = 8


class Server:
    """Serves one source to one client at a time; another client is told that it is busy.

    Args:
        source: the machine to serve, local or itself a replica.
        addr: `host:port` (port 0 picks one, see `addr`), `unix:PATH` or `ws://…`.
        listener: a trio listener to use instead of an address.
        stream: one connected stream to serve instead; the server ends with it.
        tunnel: `ws://…` or `wss://…` of a relay to dial instead; the client comes through it. A
            broken tunnel is dialled again by `tunnel_retry`.
        push_interval: seconds between pushes; 0 pushes after each drain of the source, None never.
        push_max_mutations: records that are pushed early, in per-mutation mode.
        strict: refuse to listen beyond this host without TLS or secret, instead of warning.
        access: what clients may follow and mutate.
        limits: bounds, in bytes, counts and seconds.
        ssl_context: TLS for every connection.
        secret: shared secret, or a map of key id to (secret, client ids or None).
        allow_id: the only client id that is served.
        payload_state: state of the source whose activation sends a payload.
        parent: machine that disposes this one with itself.

    Use it with `async with`, which listens and, at the end, says goodbye and closes.

    Raises:
        ValueError: a bad address, or one that `strict` refuses.
        NetworkError: from `async with`, if the address cannot be listened on.
    """

    def __init__(
        self,
        source: am.MachineApi,
        addr: str | None = None,
        *,
        listener: trio.abc.Listener[Any] | None = None,
        stream: trio.abc.Stream | None = None,
        tunnel: str | None = None,
        tunnel_retry: Retry = Retry(),  # noqa: B008 - frozen
        push_interval: float | None = PUSH_INTERVAL,
        push_max_mutations: int = PUSH_MAX_MUTATIONS,
        strict: bool = False,
        access: Access = Access(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        ssl_context: ssl.SSLContext | None = None,
        secret: Secrets | None = None,
        allow_id: str | None = None,
        payload_state: str = "SendPayload",
        parent: am.Machine | None = None,
        name: str | None = None,
        serving: Serving | None = None,
    ) -> None:
        if sum(way is not None for way in (addr, listener, stream, tunnel)) != 1:
            raise ValueError("give one of addr, listener, stream and tunnel")
        self.serving = serving or Serving(
            push_interval, push_max_mutations, strict, access, limits,
            ssl_context, secret, allow_id, payload_state,
        )  # fmt: skip
        self.source = source
        self.push_interval = self.serving.push_interval
        self.push_max_mutations = self.serving.push_max_mutations
        self.stats: Stats = self.serving.stats
        self.client: ServedClient | None = None
        self.ended = trio.Event()
        self._owns_payloads = serving is None
        self._address = None if addr is None else parse_address(addr)
        if self._address is not None:
            check_exposure(self._address, self.serving)
        self._listener = listener
        self._stream = stream
        self._tunnel = None if tunnel is None else parse_address(tunnel)
        self._tunnel_retry = tunnel_retry
        self._greeting = 0
        self._opened = trio.Event()
        self._open_error: Exception | None = None
        self._payload_binding: Any = None
        self.mach = am.Machine(
            ServerStates,
            id=f"rs-{name or source.id}",
            handlers=self,
            parent=parent,
            tags=("rpc-server", f"src-id:{source.id}"),
        )
        tune(self.mach, "SERVER")

    @property
    def addr(self) -> str:
        """The address that clients connect to, with the real port; empty if there is none."""
        return "" if self._address is None else str(self._address)

    @property
    def source_id(self) -> str:
        """Id of the source."""
        return self.source.id

    @property
    def boot(self) -> bytes:
        """Boot id of the source: that of the serving object, or the one a relay was told."""
        relayed: bytes | None = getattr(self.source, "boot", None)
        return relayed or self.serving.boot

    @property
    def _readable(self) -> frozenset[str] | None:
        """States a client may follow, None for all; a relay has only what it follows itself."""
        allowed = self.serving.access.read
        tracked: frozenset[str] | None = getattr(self.source, "tracked", None)
        if allowed is None or tracked is None:
            return tracked if allowed is None else allowed
        return allowed & tracked

    @property
    def max_hops(self) -> int:
        """Longest chain of causes that a mutation may have."""
        return self.serving.limits.hops * 64

    async def __aenter__(self) -> Self:
        await self.mach.__aenter__()
        try:
            self.mach.add("Start")
            await self._opened.wait()
            if self._open_error is not None:
                raise translate(self._open_error) from self._open_error
        except BaseException as error:
            await self.mach.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        limits = self.serving.limits
        with trio.CancelScope(shield=True, deadline=trio.current_time() + limits.close):
            await self.disconnect("close")
        self._unbind_payloads()
        try:
            await self.mach.__aexit__(exc_type, exc, traceback)
        finally:
            # The machine lets an exception of the body, or a cancellation, pass through here.
            await self._close_listener()

    async def _close_listener(self) -> None:
        if self._listener is not None:
            with trio.CancelScope(shield=True):
                await self._listener.aclose()
            remove_socket_file(self._address)

    async def disconnect(self, reason: str = "close") -> None:
        """Say goodbye to the client and close its connection.

        The client reconnects by its `Retry`, unless `reason` is "stop", which ends it for good.
        """
        if self.client is not None:
            await self.client.connection.say_bye(reason)

    # Handlers of the server's machine.

    async def RpcStartingState(self, event: am.Event) -> None:
        """Open the listener."""
        try:
            if self._address is not None and self._listener is None:
                self._listener, self._address = await open_listener(self._address)
        except (OSError, ValueError) as error:
            self._open_error = error
            self._opened.set()
            self.mach.add_err("ErrNetwork", translate(error))
            return
        self._bind_payloads()
        self._opened.set()
        self.mach.add("RpcAccepting")

    def RpcAcceptingState(self, event: am.Event) -> None:
        """The listener is open."""
        self.mach.add("RpcReady")

    def RpcReadyEnter(self, event: am.Event) -> bool:
        """Only a server that listens becomes ready."""
        return self.mach.is_("RpcAccepting")

    async def RpcReadyState(self, event: am.Event) -> None:
        """Accept connections, or serve the one given."""
        if self._stream is not None:
            await self._serve(self._stream)
            self.ended.set()
            return
        if self._tunnel is not None:
            await self._serve_tunnel(self._tunnel)
            return
        assert self._listener is not None
        async with trio.open_nursery() as nursery:
            while (stream := await accept(self._listener)) is not None:
                nursery.start_soon(self._serve, stream)

    async def _serve_tunnel(self, relay: Address) -> None:
        retry, attempt = self._tunnel_retry, 0
        while True:
            try:
                async with trio.open_nursery() as nursery:
                    with trio.fail_after(retry.connect_timeout):
                        stream = await open_stream(relay, self.serving.ssl_context, nursery)
                    attempt = 0
                    self.mach.add("WebSocketTunnel")
                    await self._serve_in(stream, None)
                    nursery.cancel_scope.cancel()
            except* (OSError, trio.TooSlowError) as group:
                self.report(NetworkError(f"no tunnel to {relay}: {group.exceptions[0]}"))
            self.mach.remove("WebSocketTunnel")
            attempt += 1
            if attempt >= retry.connect_tries:
                self.report(NetworkError(f"gave up dialling {relay}"))
                return
            await trio.sleep(retry.connect_pause(attempt, random.random()))

    def HandshakeDoneState(self, event: am.Event) -> None:
        """The peer is usable, so earlier errors are over."""
        self.mach.remove("Exception")

    def HandshakeDoneEnd(self, event: am.Event) -> None:
        """The client is not usable any more."""
        if self.client is not None:
            self.client.connection.close()

    def ExceptionState(self, event: am.Event) -> None:
        """Errors of a connection are states of this machine and nobody else's."""
        logger.info("%s: %s", self.mach.id, self.mach.err)

    # A connection, from accept to close.

    async def _serve(self, stream: trio.abc.Stream) -> None:
        if not self.serving.websocket and (self._address is None or self._address.kind != "ws"):
            await self._serve_in(stream, None)
            return
        async with trio.open_nursery() as nursery:
            await self._serve_in(stream, nursery)
            nursery.cancel_scope.cancel()

    async def _serve_in(self, stream: trio.abc.Stream, nursery: trio.Nursery | None) -> None:
        serving = self.serving
        limits = serving.limits
        error: RpcError | None = None
        client: ServedClient | None = None
        self._greeting += 1
        try:
            protocol = Protocol(client=False, limits=limits, states=len(self.source.schema))
            try:
                with trio.fail_after(limits.handshake):
                    if serving.ssl_context is not None and self._tunnel is None:
                        stream = await start_tls(stream, serving.ssl_context, server_side=True)
                    if nursery is not None:
                        # Only here, for it needs an extra.
                        from ._websocket import accept_websocket_stream

                        stream = await accept_websocket_stream(stream, nursery)
                    connection = Connection(stream, protocol, limits, self.stats)
                    client = await self._welcome(connection)
            finally:
                self._greeting -= 1
            if client is not None:
                await self._run(client)
                error = connection.error
        except trio.TooSlowError:
            error = NetworkTimeout(f"handshake took longer than {limits.handshake:g} s")
        except Exception as fault:
            error = translate(fault)
        finally:
            if client is not None:
                self._leave(client)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + limits.close):
                await trio.aclose_forcefully(stream)
        if error is not None and not self.mach.disposed:
            self.report(error)

    async def _welcome(self, connection: Connection) -> ServedClient | None:
        if self._greeting > _MAX_GREETING:
            await turn_away(connection, ErrorCode.BUSY, "too many connections")
            return None
        greeted = await greet(connection, self.serving)
        if self.source.disposed:
            await self._refuse(connection, greeted, ErrorCode.DISPOSED, "the source is disposed")
            return None
        busy = self.client
        if busy is not None and busy.session.nonce != greeted.hello.session:
            await self._refuse(connection, greeted, ErrorCode.BUSY, "busy with another client")
            return None
        hops = getattr(self.source, "hops", 0)
        if hops >= self.serving.limits.hops:
            await self._refuse(connection, greeted, ErrorCode.BUSY, "too many relays")
            return None
        client, resumed = self._admit(connection, greeted)
        welcome = connection.protocol.send_result(
            greeted.reply_to, self._describe(client, greeted, resumed, hops)
        )
        try:
            await connection.send_now(welcome)
            await await_ready(connection, greeted.reply_to, welcome)
        except BaseException:
            self._leave(client)
            raise
        return client

    async def _refuse(
        self, connection: Connection, greeted: Greeted, code: ErrorCode, text: str
    ) -> None:
        refusal = connection.protocol.send_refusal(greeted.reply_to, code, text)
        await connection.send_now(refusal)
        await connection.aclose()

    def _admit(self, connection: Connection, greeted: Greeted) -> tuple[ServedClient, bool]:
        hello, store, now = greeted.hello, self.serving.sessions, trio.current_time()
        session = store.resume(hello.session, hello.id, greeted.key_id, now)
        resumed = session is not None
        if session is None:
            session = store.open(hello.session, hello.id, greeted.key_id, now)
        else:
            self.stats.resumes += 1
        feed = Feed(self.source.schema.names, greeted.sync, self._readable)
        client = ServedClient(self, connection, session, feed)
        replaced = store.attach(session, client)
        if replaced is not None:
            replaced.connection.close()
        self.client = client
        self.mach.add("ClientConnected", "Handshaking")
        return client, resumed

    def _describe(
        self, client: ServedClient, greeted: Greeted, resumed: bool, hops: int
    ) -> Welcome:
        source, serving, hello = self.source, self.serving, greeted.hello
        schema = None
        if client.feed.has_schema and hello.hash != schema_hash(source.schema):
            schema = schema_to_wire(source.schema)
        shape = client.feed.shape(schema, source.time(), source.queue_tick, source.machine_tick)
        return Welcome(
            source.id,
            self.boot,
            shape,
            resumed,
            client.session.last,
            self.push_interval,
            {"args": serving.limits.args, "outcomes": serving.limits.outcomes},
            True,
            hops + 1,
            greeted.mac,
            None if source.parent is None else source.parent.id,
        )

    async def _run(self, client: ServedClient) -> None:
        self.mach.add("HandshakeDone")
        client.begin()
        if len(client.session.undelivered):
            self.mach.fork(self._redeliver, client)
        await client.connection.run(client.handle)

    def _leave(self, client: ServedClient) -> None:
        client.end()
        client.connection.close()
        self.serving.sessions.detach(client.session, client, trio.current_time())
        if self.client is client:
            self.client = None
            self.mach.remove("ClientConnected", "HandshakeDone", "Handshaking")

    def report(self, error: RpcError) -> None:
        """Turn an error of a connection into states of this machine."""
        self.stats.errors += 1
        self.mach.add_err(error_state(error), error)

    def source_disposed(self) -> None:
        """The source is gone: end the connection."""
        client = self.client
        if client is not None and not self.mach.disposed:
            self.mach.fork(client.connection.say_bye, "disposed")

    # Payloads.

    async def send_payload(
        self,
        name: str,
        data: Any,
        destination: str | None = None,
        *,
        source: str | None = None,
        source_tx: str | None = None,
    ) -> None:
        """Deliver data to the client's consumer and wait until it was taken.

        Raises:
            EncodeError: the data has no wire form.
            LimitExceeded: it is larger than `Limits.payload`, or too much waits already.
            WrongDestination: the client is not connected or not `destination`.
            DeliveryError: it was refused, or not taken in time.
        """
        posted = self.post_payload(name, data, destination, source=source, source_tx=source_tx)
        await self.settle_payload(posted)

    def post_payload(
        self,
        name: str,
        data: Any,
        destination: str | None = None,
        *,
        source: str | None = None,
        source_tx: str | None = None,
    ) -> Posted:
        """Begin to deliver a payload; `settle_payload` waits for its end. Raises as `send_payload`.

        Payloads are posted in the order of these calls; one that is large enough to travel in
        chunks may be overtaken.
        """
        client = self.client
        if destination is not None and (client is None or destination != client.session.client_id):
            raise away(self, name, data, destination, source_tx)
        if client is None:
            raise WrongDestination("no client is connected")
        undelivered = client.session.undelivered
        origin = self.source.id if source is None else source
        limits = self.serving.limits
        parcel = wrap(undelivered.next_token(), name, data, origin, source_tx, limits)
        undelivered.push(parcel)
        return Posted(client, parcel, client.post(parcel))

    async def settle_payload(self, posted: Posted) -> None:
        """Wait until a posted payload was taken; raises `DeliveryError`."""
        try:
            await posted.client.deliver(posted.parcel, posted.delivery)
        except DeliveryError as error:
            if not self.mach.disposed:
                self.mach.add_err("ErrDelivery", error)
            raise

    async def _redeliver(self, client: ServedClient) -> None:
        for parcel in client.session.undelivered:
            self.stats.payloads_resent += 1
            try:
                await client.deliver(parcel, client.post(parcel))
            except DeliveryError as error:
                if client.connection.closed:
                    return
                self.mach.add_err("ErrDelivery", error)

    def _bind_payloads(self) -> None:
        if self._owns_payloads:
            self._payload_binding = bind_payloads(
                self.source, self.serving.payload_state, self._on_send_payload
            )

    def _unbind_payloads(self) -> None:
        if self._payload_binding is not None:
            self._payload_binding.detach()
            self._payload_binding = None

    def _on_send_payload(self, event: am.Event) -> None:
        args = event.args
        if "name" not in args:
            return
        try:
            posted = self.post_payload(
                args["name"],
                args.get("data"),
                args.get("destination"),
                source_tx=event.transition.id,
            )
        except RpcError as error:
            report_undelivered(self.source, error)
        else:
            self.mach.fork(self.settle_for_source, posted)

    async def settle_for_source(self, posted: Posted) -> None:
        """Wait for the end of a payload that the source sent, and tell it of a failure."""
        try:
            await self.settle_payload(posted)
        except RpcError as error:
            report_undelivered(self.source, error)


@dataclass(frozen=True, slots=True)
class Posted:
    """A payload on its way to one client."""

    client: ServedClient
    parcel: Parcel
    delivery: Delivery


def away(
    server: Server | Mux, name: str, data: Any, client_id: str, source_tx: str | None
) -> DeliveryError:
    """Keep a payload for a client that is away; return the error that says what became of it."""
    session = server.serving.sessions.of_client(client_id)
    if session is None:
        return WrongDestination(f"no client {client_id}")
    undelivered = session.undelivered
    token = undelivered.next_token()
    undelivered.push(wrap(token, name, data, server.source_id, source_tx, server.serving.limits))
    return DeliveryError(f"{client_id} is away; payload {name} is sent when it is back")


def bind_payloads(source: am.MachineApi, state: str, handler: Any) -> Any:
    """Call `handler` when the source enters its payload state; None if it has no such state."""
    if state not in source.schema:
        return None
    return source.bind({f"{state}State": handler}, name="rpc-payload")


def report_undelivered(source: am.MachineApi, error: RpcError) -> None:
    """Tell a source that its payload did not arrive."""
    if "ErrSendPayload" in source.schema and not source.disposed:
        source.add_err("ErrSendPayload", error)


def error_state(error: RpcError) -> str:
    """Return the state of server and client machines that stands for an error."""
    if isinstance(error, SlowPeer):
        return "ErrSlowClient"
    if isinstance(error, NetworkTimeout):
        return "ErrNetworkTimeout"
    if isinstance(error, NetworkError):
        return "ErrNetwork"
    if isinstance(error, DeliveryError):
        return "ErrDelivery"
    return "ErrRpc"


def check_exposure(address: Any, serving: Serving) -> None:
    """Warn of an address that others can reach unprotected; raise `ValueError` if strict."""
    if address.is_local or serving.ssl_context is not None or serving.secret is not None:
        return
    text = f"{address} can be reached from other hosts without TLS or secret"
    if serving.strict:
        raise ValueError(text)
    logger.warning("%s", text)


def remove_socket_file(address: Any) -> None:
    """Remove the file of a unix socket that is closed."""
    if address is not None and address.kind == "unix":
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address.path)
