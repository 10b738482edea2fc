"""A connection to a server, from its first byte to its last.

The reception greets a client, welcomes or refuses it, runs the connection, and sees the client off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._errors import ErrorCode, NetworkError, NetworkTimeout, RpcError
from .._reason import translate
from .._wire.agreed_limits import OF_CLIENT, OF_SERVER, agreed, told
from .._wire.delta_encoder import DeltaEncoder
from .._wire.handshake_messages import Welcome
from .._wire.schema import schema_hash, schema_to_wire
from .client_session import ClientSession
from .handshake import Greeted, await_ready
from .machines import told_id, told_parent

if TYPE_CHECKING:
    from .._transport.driver import Connection
    from .context import ServerContext
    from .greeter import Greeter, Met


class Acceptor:
    """Takes streams for one server.

    Args:
        server: whose source is served; its `client` is whom it serves now.
        greeter: who takes the first words of a connection.
    """

    def __init__(self, server: ServerContext, greeter: Greeter) -> None:
        self._server = server
        self._greeter = greeter

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve a stream to its end, and close it. Errors become states of the server."""
        if not self._greeter.websocket:
            await self._serve_in(stream, None)
            return
        async with trio.open_nursery() as nursery:
            await self._serve_in(stream, nursery)
            nursery.cancel_scope.cancel()

    async def serve_met(self, met: Met) -> None:
        """Serve a client that was greeted elsewhere, as `serve` does a stream."""
        await self._serve_in(met.connection.stream, None, met)

    async def _serve_in(
        self, stream: trio.abc.Stream, nursery: trio.Nursery | None, met: Met | None = None
    ) -> None:
        server = self._server
        limits = server.serving.limits
        error: RpcError | None = None
        client: ClientSession | None = None
        strangers = server.strangers
        scope = strangers.enter()
        try:
            with scope, trio.fail_after(limits.handshake):
                if met is None:
                    states = len(server.source.schema)
                    met = await self._greeter.meet(stream, nursery, states)
                if met is not None:
                    stream = met.connection.stream
                    client = await self._welcome(*met)
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

    async def _welcome(self, connection: Connection, greeted: Greeted) -> ClientSession | None:
        server = self._server
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
            await await_ready(connection, greeted, welcome, server.catalog)
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
        who = (hello.session, hello.id, greeted.key_id, now, server.session_scope)
        session = store.resume(*who)
        if session is None:
            session = store.open(*who)
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
        relayed = told_id(source) != source.id
        return Welcome(
            told_id(source),
            server.boot,
            shape,
            resumed,
            client.session.last,
            server.push_interval,
            self._told_limits(),
            True,
            hops + 1,
            greeted.mac,
            told_parent(source),
            source.id if relayed else None,
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
