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
    wrap_client_stream,
    wrap_server_stream,
)

if TYPE_CHECKING:
    from ._address import Address

# The largest frame: a message of the protocol is cut into these.
_FRAME: Final = 64 * 1024
_MAX_MESSAGE: Final = 1024 * 1024


class WebSocketStream(trio.abc.Stream):
    """One websocket connection as a stream of bytes; closing it closes the transport below."""

    def __init__(self, connection: WebSocketConnection, transport: trio.abc.Stream) -> None:
        self._connection = connection
        self._transport = transport
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
        """Close the websocket, and the transport even if the websocket broke before."""
        try:
            await self._connection.aclose()
        finally:
            await trio.aclose_forcefully(self._transport)


async def open_websocket_stream(
    transport: trio.abc.Stream, address: Address, nursery: trio.Nursery
) -> WebSocketStream:
    """Shake hands as a client; the library's task runs in `nursery` until the stream is closed.

    The transport is closed if that fails.

    Raises:
        OSError: no websocket there.
    """
    try:
        connection = await wrap_client_stream(
            nursery,
            transport,  # type: ignore[arg-type]  # any stream will do
            f"{address.host}:{address.port}",
            address.path,
            max_message_size=_MAX_MESSAGE,
        )
    except BaseException as error:
        await trio.aclose_forcefully(transport)
        if isinstance(error, HandshakeError | ConnectionClosed):
            raise OSError(f"no websocket at {address}: {error}") from error
        raise
    return WebSocketStream(connection, transport)


async def accept_websocket_stream(
    transport: trio.abc.Stream, nursery: trio.Nursery
) -> WebSocketStream:
    """Take a client's websocket handshake on a connected stream; see `open_websocket_stream`."""
    try:
        request = await wrap_server_stream(nursery, transport, max_message_size=_MAX_MESSAGE)
        return WebSocketStream(await request.accept(), transport)
    except (HandshakeError, ConnectionClosed) as error:
        raise OSError(f"no websocket handshake: {error}") from error
