"""One request of HTTP over a connection of its own: h11 knows the protocol, trio the network."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h11
import trio

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

_CHUNK = 64 * 1024
_PORTS = {"http": 80, "https": 443}
# Seconds of silence after which the system asks a peer whether it is there: what is read may be
# silent for hours, and its end must be noticed.
_KEEPALIVE = 30


class NotSentError(OSError):
    """A request did not get as far as the server."""


class Answer(trio.abc.ReceiveStream):
    """The answer to a request: `status`, and the body as a stream."""

    def __init__(self, stream: trio.abc.Stream, connection: h11.Connection) -> None:
        self.status = 0
        self._stream = stream
        self._connection = connection
        self._is_over = False

    async def begin(self) -> None:
        """Read as far as the status.

        :raises OSError: if the connection is lost, or this is no HTTP.
        """
        event = await self._next()
        while not isinstance(event, h11.Response):
            event = await self._next()
        self.status = event.status_code

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next part of the body, of any size; empty at its end.

        :raises OSError: if the connection is lost before that.
        """
        while not self._is_over:
            event = await self._next()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            self._is_over = isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed))
        return b""

    async def aclose(self) -> None:
        """Let the connection go."""
        await trio.aclose_forcefully(self._stream)

    async def _next(self) -> object:
        try:
            while (event := self._connection.next_event()) is h11.NEED_DATA:
                data = await self._stream.receive_some(_CHUNK)
                self._connection.receive_data(bytes(data))
        except (h11.RemoteProtocolError, trio.BrokenResourceError) as exc:
            raise OSError(f"the answer broke off: {_told(exc)}") from exc
        return event


@asynccontextmanager
async def request(
    method: str,
    url: str,
    *,
    context: ssl.SSLContext | None,
    headers: Mapping[str, str],
    body: bytes = b"",
    patience: float,
) -> AsyncIterator[Answer]:
    """Make a request; within the block its answer is read. It begins within `patience` seconds.

    :raises NotSentError: if there is no server that can be trusted.
    :raises OSError: if it is lost, or answers too late.
    """
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        with trio.fail_after(patience):
            stream = await _dial(parts.hostname or "", parts.port, parts.scheme, context)
    except (OSError, trio.TooSlowError, trio.BrokenResourceError) as exc:
        raise NotSentError(_told(exc)) from exc
    connection = h11.Connection(h11.CLIENT)
    answer = Answer(stream, connection)
    try:
        told = {"Host": parts.netloc, "Connection": "close", "Content-Length": str(len(body))}
        head = h11.Request(method=method, target=target, headers=[*{**told, **headers}.items()])
        try:
            with trio.fail_after(patience):
                for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                    if data := connection.send(event):
                        await stream.send_all(data)
                await answer.begin()
        except (trio.TooSlowError, trio.BrokenResourceError) as exc:
            raise OSError(_told(exc)) from exc
        yield answer
    finally:
        await answer.aclose()


async def _dial(
    host: str, port: int | None, scheme: str, context: ssl.SSLContext | None
) -> trio.abc.Stream:
    stream = await trio.open_tcp_stream(host, port or _PORTS[scheme])
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE)
    if context is None:
        return stream
    try:
        encrypted = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        await encrypted.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return encrypted


def _told(exc: BaseException) -> str:
    if isinstance(exc, trio.TooSlowError):
        return "it takes too long"
    return str(exc.__cause__ or exc) or type(exc).__name__
