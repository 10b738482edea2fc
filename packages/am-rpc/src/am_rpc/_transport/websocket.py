"""Websockets as streams: the same bytes in binary messages, whose boundaries mean nothing.

Needs the extra `am-rpc[ws]`. The library reads in a task of its own, which two things can go wrong
with: it raises whatever the parsers below it make of hostile bytes, and it ends in silence when
the peer leaves amid the handshake, which nobody hears of. `_keep` is there for the one,
`_Transport` for the other.
"""

from __future__ import annotations

import errno
import logging
import time
from typing import TYPE_CHECKING, Final

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    WebSocketRequest,
    wrap_client_stream,
    wrap_server_stream,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from .address import Address

    ShakeHands = Callable[[trio.Nursery], Awaitable[WebSocketConnection]]

logger: Final = logging.getLogger("am_rpc")
# The largest frame: a message of the protocol is cut into these.
_FRAME: Final = 64 * 1024
_MAX_MESSAGE: Final = 1024 * 1024
# Bytes that are read at once, and seconds of processor that they may take.
_LEAST_READ: Final = 128
_MOST_READ: Final = 4096
_LONG: Final = 0.004


class WebSocketStream(trio.abc.Stream):
    """One websocket connection as a stream of bytes; closing it closes the transport below."""

    def __init__(
        self,
        connection: WebSocketConnection,
        transport: trio.abc.Stream,
        kept: trio.CancelScope,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._kept = kept
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
        # A message may be empty, and an empty read is the end of a stream: a loop, since a peer
        # chooses how many such messages it sends in a row.
        while not len(self._rest):
            try:
                message = await self._connection.get_message()
            except ConnectionClosed:
                return b""
            if isinstance(message, str):
                raise trio.BrokenResourceError("a text message, binary ones were expected")
            self._rest = memoryview(message)
        size = len(self._rest) if max_bytes is None else max_bytes
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data

    async def aclose(self) -> None:
        """Close the websocket, and the transport even if the websocket broke before."""
        try:
            await self._connection.aclose()
        finally:
            # The library's task may wait for somebody to take a message.
            self._kept.cancel()
            await trio.aclose_forcefully(self._transport)


class _Transport(trio.abc.Stream):
    """What carries a websocket. While hands are shaken, its end is an error.

    The library takes apart all that it read before anybody else gets a turn, and frames may be six
    bytes short. So pieces begin small, and stay so while they take long.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.opening = True
        self._piece = _LEAST_READ
        # Seconds of processor that this thread had taken when the last piece was handed over.
        self._handed_at = 0.0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        taken = time.thread_time() - self._handed_at
        if taken > _LONG:
            self._piece = max(self._piece // 2, _LEAST_READ)
        elif taken < _LONG / 2:
            self._piece = min(self._piece * 2, _MOST_READ)
        try:
            data = await self._stream.receive_some(min(max_bytes or _MOST_READ, self._piece))
        except trio.BrokenResourceError as error:
            if self.opening:
                raise OSError("the connection broke") from error
            raise
        if not data and self.opening:
            raise OSError("the peer closed the connection")
        self._handed_at = time.thread_time()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()
        if self.opening:
            # By the library, which says no more after it could not read what came.
            raise OSError("what came is no handshake of a websocket")


async def open_websocket_stream(
    transport: trio.abc.Stream, address: Address, nursery: trio.Nursery
) -> WebSocketStream:
    """Shake hands as a client; the library's task runs in `nursery` until the stream is closed.

    The transport is closed if that fails.

    Raises:
        OSError: no websocket there.
    """
    watched = _Transport(transport)

    async def shake_hands(own: trio.Nursery) -> WebSocketConnection:
        return await wrap_client_stream(
            own,
            watched,  # type: ignore[arg-type]  # any stream will do
            f"{address.host}:{address.port}",
            address.path,
            max_message_size=_MAX_MESSAGE,
        )

    return await _open(watched, nursery, shake_hands, f"no websocket at {address}")


async def accept_websocket_stream(
    transport: trio.abc.Stream,
    nursery: trio.Nursery,
    *,
    origins: Collection[str] = (),
    is_own_host: Callable[[str], bool] | None = None,
) -> WebSocketStream:
    """Take a client's websocket handshake on a connected stream; see `open_websocket_stream`.

    A browser lets any page connect and says which one it is: an `Origin` has to be one of
    `origins`. A page may also have a name of its own point here, so on a loopback address
    the `Host` has to be one (`is_own_host`). Both are answered with HTTP status 403.
    """
    watched = _Transport(transport)

    async def shake_hands(own: trio.Nursery) -> WebSocketConnection:
        request = await wrap_server_stream(
            own,
            watched,
            max_message_size=_MAX_MESSAGE,
        )
        fault = _judge(request, origins, is_own_host)
        if fault:
            await request.reject(403, body=fault.encode())
            raise OSError(fault)
        return await request.accept()

    return await _open(watched, nursery, shake_hands, "no websocket handshake")


def _judge(
    request: WebSocketRequest,
    origins: Collection[str],
    is_own_host: Callable[[str], bool] | None,
) -> str:
    """Return why a request is refused, nothing if it is not."""
    allowed = {origin.lower() for origin in origins}
    for name, value in request.headers:
        origin = value.decode("latin-1").strip().lower()
        if name.lower() == b"origin" and origin not in allowed:
            return f"the origin {origin[:100]!a} is not allowed"
    # The library has no public name for it; without one here all are refused.
    host = str(request._event.host)
    if is_own_host is not None and not is_own_host(host.strip().lower()):
        return f"the host {host[:100]!a} is not this one"
    return ""


async def _open(
    transport: _Transport, nursery: trio.Nursery, shake_hands: ShakeHands, failure: str
) -> WebSocketStream:
    try:
        connection, kept = await nursery.start(_keep, transport, shake_hands)
    except BaseException as error:
        transport.opening = False
        await trio.aclose_forcefully(transport)
        if isinstance(error, Exception):
            raise OSError(errno.EPROTO, f"{failure}: {_reason(error)}") from error
        raise
    return WebSocketStream(connection, transport, kept)


async def _keep(
    transport: _Transport,
    shake_hands: ShakeHands,
    task_status: trio.TaskStatus[tuple[WebSocketConnection, trio.CancelScope]],
) -> None:
    """Hold the library's task. What it raises fails the handshake, or later ends the stream."""
    try:
        async with trio.open_nursery() as nursery:
            connection = await shake_hands(nursery)
            transport.opening = False
            # It hears the peer agree to close, even if those who close were cancelled; then
            # `WebSocketStream.aclose` ends it.
            nursery.cancel_scope.shield = True
            task_status.started((connection, nursery.cancel_scope))
    except* Exception as group:
        if transport.opening:
            raise
        logger.info("a websocket broke: %s", _reason(group))
        await trio.aclose_forcefully(transport)


def _reason(error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ConnectionRejected):
        return f"the server answered with HTTP status {error.status_code}"
    return str(error) or type(error).__name__
