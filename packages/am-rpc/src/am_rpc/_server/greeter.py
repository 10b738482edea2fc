"""The first words of a connection: TLS, websocket, hello, proof, and which machine is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import trio

from .._transport.address import is_loopback_host, start_tls
from .._transport.driver import Connection
from .._wire.protocol import Protocol
from .handshake import Greeted, greet

if TYPE_CHECKING:
    from .handshake import Serving
    from .machines import Catalog


class Met(NamedTuple):
    """A connection, and the client that may be welcomed on it."""

    connection: Connection
    greeted: Greeted


class Greeter:
    """Greets who connects.

    Args:
        serving: the settings that hold.
        catalog: where a client's machine is looked for.
        websocket: whether streams speak websocket.
    """

    def __init__(self, serving: Serving, catalog: Catalog, *, websocket: bool) -> None:
        self._serving = serving
        self._catalog = catalog
        self.websocket = websocket

    async def meet(
        self, stream: trio.abc.Stream, nursery: trio.Nursery | None, states: int = 0
    ) -> Met | None:
        """Greet a client; None if it only wanted to know which machines there are.

        `states` is how many the source has, if it is known already. The nursery is needed for
        websockets, and may end once the connection has.

        Raises:
            NoAccess, VersionMismatch, ProtocolError, NetworkError: as `greet`.
        """
        serving = self._serving
        stream = await self._wrap(stream, nursery)
        protocol = Protocol(client=False, limits=serving.limits, states=states, stranger=True)
        connection = Connection(stream, protocol, serving.limits, serving.stats)
        greeted = None
        try:
            greeted = await greet(connection, serving, self._catalog)
        finally:
            if greeted is None:
                # A websocket, whose task would live on, and not the socket below alone.
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)
        return None if greeted is None else Met(connection, greeted)

    async def _wrap(self, stream: trio.abc.Stream, nursery: trio.Nursery | None) -> trio.abc.Stream:
        serving = self._serving
        has_tls = serving.ssl_context is not None
        if (has_tls or nursery is not None) and isinstance(stream, trio.SocketStream):
            # Clients speak first in either; until this one does nothing is made for it.
            await trio.lowlevel.wait_readable(stream.socket)
        if serving.ssl_context is not None and has_tls:
            stream = await start_tls(stream, serving.ssl_context, server_side=True)
        if nursery is None:
            return stream
        # Only here, for it needs an extra.
        from .._transport.websocket import accept_websocket_stream

        is_own = is_loopback_host if serving.is_loopback else None
        return await accept_websocket_stream(
            stream, nursery, origins=serving.origins, is_own_host=is_own
        )
