"""A connection to a server, from its first byte to its last.

The reception greets a client, welcomes or refuses it, runs the connection, and sees the client off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._errors import ErrorCode, NetworkError, NetworkTimeout, RpcError
from .._reason import translate
from .._transport.address import is_loopback_host, start_tls
from .._transport.driver import Connection
from .._wire.agreed_limits import OF_CLIENT, OF_SERVER, agreed, told
from .._wire.delta_encoder import DeltaEncoder
from .._wire.handshake_messages import Welcome
from .._wire.protocol import Protocol
from .._wire.schema import schema_hash, schema_to_wire
from .client_session import ClientSession
from .handshake import Greeted, await_ready, greet

if TYPE_CHECKING:
    from .server import Server


class Acceptor:
    """Takes streams for one server.

    Args:
        server: whose source is served; its `client` is whom it serves now.
        websocket: whether streams speak websocket.
        server_side: whether TLS, if there is a context, is still to be agreed upon.
    """

    def __init__(self, server: Server, *, websocket: bool, server_side: bool) -> None:
        self._server = server
        self._websocket = websocket
        self._server_side = server_side

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve a stream to its end, and close it. Errors become states of the server."""
        if not self._websocket:
            await self._serve_in(stream, None)
            return
        async with trio.open_nursery() as nursery:
            await self._serve_in(stream, nursery)
            nursery.cancel_scope.cancel()

    async def _serve_in(self, stream: trio.abc.Stream, nursery: trio.Nursery | None) -> None:
        server = self._server
        limits = server.serving.limits
        error: RpcError | None = None
        client: ClientSession | None = None
        strangers = server.strangers
        scope = strangers.enter()
        try:
            with scope, trio.fail_after(limits.handshake):
                stream = await self._wrap(stream, nursery)
                protocol = Protocol(
                    client=False, limits=limits, states=len(server.source.schema), stranger=True
                )
                connection = Connection(stream, protocol, limits, server.stats)
                client = await self._welcome(connection)
            strangers.leave(scope)
            if scope.cancelled_caught:
                client = None
                error = NetworkError("it made room for others (Limits.strangers)")
                server.stats.strangers_evicted += 1
            if client is not None:
                await self._run(client)
                error = client.connection.error
        except trio.TooSlowError:
            error = NetworkTimeout(f"handshake took longer than {limits.handshake:g} s")
        except Exception as fault:
            error = translate(fault)
        finally:
            strangers.leave(scope)
            if client is not None:
                self._leave(client)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + limits.close):
                await trio.aclose_forcefully(stream)
        if error is not None and not server.mach.disposed:
            server.report(error)

    async def _wrap(self, stream: trio.abc.Stream, nursery: trio.Nursery | None) -> trio.abc.Stream:
        context = self._server.serving.ssl_context
        if context is not None and self._server_side:
            stream = await start_tls(stream, context, server_side=True)
        if nursery is None:
            return stream
        # Only here, for it needs an extra.
        from .._transport.websocket import accept_websocket_stream

        serving = self._server.serving
        is_own = is_loopback_host if serving.is_loopback else None
        return await accept_websocket_stream(
            stream, nursery, origins=serving.origins, is_own_host=is_own
        )

    async def _welcome(self, connection: Connection) -> ClientSession | None:
        server = self._server
        greeted = await greet(connection, server.serving)
        if server.source.disposed:
            await self._refuse(connection, greeted, ErrorCode.DISPOSED, "the source is disposed")
            return None
        busy = server.client
        if busy is not None and busy.session.nonce != greeted.hello.session:
            await self._refuse(connection, greeted, ErrorCode.BUSY, "busy with another client")
            return None
        if not server.admit():
            await self._refuse(connection, greeted, ErrorCode.BUSY, "too many clients")
            return None
        hops = getattr(server.source, "hops", 0)
        if hops >= server.serving.limits.hops:
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
        client.session.accepted = True
        return client

    async def _refuse(
        self, connection: Connection, greeted: Greeted, code: ErrorCode, text: str
    ) -> None:
        refusal = connection.protocol.send_refusal(greeted.reply_to, code, text)
        await connection.send_now(refusal)
        await connection.aclose()

    def _admit(self, connection: Connection, greeted: Greeted) -> tuple[ClientSession, bool]:
        server = self._server
        hello, store, now = greeted.hello, server.serving.sessions, trio.current_time()
        session = store.resume(hello.session, hello.id, greeted.key_id, now)
        if session is None:
            session = store.open(hello.session, hello.id, greeted.key_id, now)
        resumed = session.accepted
        server.stats.resumes += resumed
        feed = DeltaEncoder(
            server.source.schema.names, greeted.sync, server.readable(greeted.access)
        )
        session.limits = agreed(server.serving.limits, greeted.limits, OF_CLIENT)
        client = ClientSession(server, connection, session, feed, greeted.access, greeted.key)
        replaced = store.attach(session, client)
        if replaced is not None:
            replaced.connection.close()
        server.client = client
        server.said_bye = False
        server.mach.add("ClientConnected", "Handshaking")
        return client, resumed

    def _describe(
        self, client: ClientSession, greeted: Greeted, resumed: bool, hops: int
    ) -> Welcome:
        server, hello = self._server, greeted.hello
        source = server.source
        schema = None
        if client.feed.has_schema and hello.hash != schema_hash(source.schema):
            schema = schema_to_wire(source.schema)
        shape = client.feed.shape(schema, source.time(), source.queue_tick, source.machine_tick)
        # A relay speaks in the name of what it relays.
        relayed: str | None = getattr(source, "remote_id", None)
        parent = source.parent
        parent_id = None if parent is None else parent.id
        return Welcome(
            relayed or source.id,
            server.boot,
            shape,
            resumed,
            client.session.last,
            server.push_interval,
            self._told_limits(),
            True,
            hops + 1,
            greeted.mac,
            parent_id if relayed is None else getattr(source, "remote_parent", None),
            None if relayed is None else source.id,
        )

    def _told_limits(self) -> dict[str, int]:
        limits = self._server.serving.limits
        array = max(limits.array, 2 * len(self._server.source.schema))
        always = {"args": limits.args, "outcomes": limits.outcomes}
        return always | told(limits.replace(array=array), OF_SERVER)

    async def _run(self, client: ClientSession) -> None:
        mach = self._server.mach
        mach.add("HandshakeDone")
        client.begin()
        if len(client.session.undelivered):
            mach.fork(self._server.postman.redeliver, client)
        await client.connection.run(client.handle)

    def _leave(self, client: ClientSession) -> None:
        server = self._server
        client.end()
        client.connection.close()
        server.serving.sessions.detach(client.session, client, trio.current_time())
        if server.client is client:
            server.client = None
            server.mach.remove("ClientConnected", "HandshakeDone", "Handshaking")
