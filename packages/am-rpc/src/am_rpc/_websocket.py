"""Websockets as streams: the same bytes in binary messages, whose boundaries mean nothing.

Needs the extra `am-rpc[ws]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    connect_websocket,
    wrap_server_stream,
)

if TYPE_CHECKING:
    import ssl

    from ._address import Address

# The largest frame: a message of the protocol is cut into these.
_FRAME: Final = 64 * 1024
_MAX_MESSAGE: Final = 1024 * 1024


class WebSocketStream(trio.abc.Stream):
    """One websocket connection as a stream of bytes."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self._rest = memoryview(b"")

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes as one or more binary messages."""
        view = memoryview(data)
        try:
            for start in range(0, len(view), _FRAME):
                await self._connection.send_message(bytes(view[start : start + _FRAME]))
        except ConnectionClosed as error:
            raise trio.BrokenResourceError(str(error)) from error

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once; the library offers nothing to wait for."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return some bytes, or none once the peer has closed."""
        if not len(self._rest):
            try:
                message = await self._connection.get_message()
            except ConnectionClosed:
                return b""
            if isinstance(message, str):
                raise trio.BrokenResourceError("a text message, binary ones were expected")
            self._rest = memoryview(message)
        size = len(self._rest) if max_bytes is None else max_bytes
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data or await self.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close the websocket."""
        await self._connection.aclose()


async def open_websocket_stream(
    address: Address, ssl_context: ssl.SSLContext | None, nursery: trio.Nursery
) -> WebSocketStream:
    """Connect; the library's task runs in `nursery` until the stream is closed.

    Raises:
        OSError: no connection, or no websocket there.
    """
    use_ssl: bool | ssl.SSLContext = ssl_context if ssl_context is not None else False
    if address.kind == "wss" and ssl_context is None:
        use_ssl = True
    try:
        connection = await connect_websocket(
            nursery,
            address.host,
            address.port,
            address.path,
            use_ssl=use_ssl,
            max_message_size=_MAX_MESSAGE,
        )
    except (HandshakeError, ConnectionClosed) as error:
        raise OSError(f"no websocket at {address}: {error}") from error
    return WebSocketStream(connection)


async def accept_websocket_stream(
    stream: trio.abc.Stream, nursery: trio.Nursery
) -> WebSocketStream:
    """Take a client's websocket handshake on a connected stream; see `open_websocket_stream`."""
    try:
        request = await wrap_server_stream(nursery, stream, max_message_size=_MAX_MESSAGE)
        return WebSocketStream(await request.accept())
    except (HandshakeError, ConnectionClosed) as error:
        raise OSError(f"no websocket handshake: {error}") from error
