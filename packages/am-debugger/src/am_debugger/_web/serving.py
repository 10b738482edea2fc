"""A small web server on trio: GET and one kind of socket, one request a connection.

HTTP and WebSocket are read and written by h11 and wsproto. Nothing is shielded, so that a browser
that reads no more cannot keep anything from ending; everything has a time and a size.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

import h11
import trio
import wsproto
import wsproto.utilities
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    Request,
    TextMessage,
)

from .guard import HEADERS, is_own

if TYPE_CHECKING:
    from wsproto.events import Event

MOST_CONNECTIONS = 100
_HEAD_BYTES, _PIECE = 16_384, 16_384
_ASKING, _SENDING = 10.0, 20.0
"""Seconds for a request to come in, and for a browser to take what is sent."""
_PING_EVERY = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets."""

    body: bytes
    media_type: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = field(default=())


Get: TypeAlias = Callable[[str], Awaitable[Answer]]
"""Answers the request for a path, `/` in front, without its query."""
Follow: TypeAlias = Callable[[], AsyncIterator[str]]
"""The texts that a socket tells, for as long as the browser is there."""
# Whoever goes away, is too slow, or says what makes no sense, is gone.
_GONE = (
    trio.BrokenResourceError,
    trio.TooSlowError,
    h11.ProtocolError,
    wsproto.utilities.ProtocolError,
)
_NO_METHOD = Answer(b"only GET\n", status=405, headers=(("allow", "GET, HEAD"),))
_FOREIGN = Answer(b"not from here\n", status=403)
_BUSY = Answer(b"too many connections\n", status=503)
_BAD = Answer(b"not a request\n", status=400)


class Site:
    """Serves pages by `get`, and at the path `socket` what `follow` tells."""

    def __init__(self, get: Get, socket: str, follow: Follow) -> None:
        self._get = get
        self._socket = socket
        self._follow = follow
        self._open = 0

    async def serve(
        self,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve at an address until cancelled; tells the port.

        :raises OSError: if it cannot be listened at.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(trio.serve_listeners, self._connection, [listener])
            found: tuple[object, ...] = listeners[0].socket.getsockname()
            task_status.started(int(str(found[1])))

    async def _connection(self, stream: trio.SocketStream) -> None:
        self._open += 1
        try:
            async with stream:
                await self._answer(stream)
        except* _GONE:
            pass
        finally:
            self._open -= 1

    async def _answer(self, stream: trio.SocketStream) -> None:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        try:
            with trio.fail_after(_ASKING):
                request = await _request(parser, stream)
        except h11.RemoteProtocolError:
            await _send_answer(parser, stream, _BAD)
            return
        if request is None:
            return
        path = unquote(request.target.decode("latin-1").partition("?")[0], errors="replace")
        if not _is_own(request):
            await _send_answer(parser, stream, _FOREIGN)
        elif self._open > MOST_CONNECTIONS:
            await _send_answer(parser, stream, _BUSY)
        elif path == self._socket and _wants_socket(request):
            await self._tell(stream, request)
        elif request.method not in (b"GET", b"HEAD"):
            await _send_answer(parser, stream, _NO_METHOD)
        else:
            is_head = request.method == b"HEAD"
            await _send_answer(parser, stream, await self._get(path), is_head=is_head)

    async def _tell(self, stream: trio.SocketStream, request: h11.Request) -> None:
        """Tell what there is to tell, until the browser goes."""
        connection = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        connection.initiate_upgrade_connection(
            list(request.headers), request.target.decode("latin-1")
        )
        writer = _SocketWriter(connection, stream)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_gone, connection, stream, writer, nursery.cancel_scope)
            nursery.start_soon(_ping, writer)
            await writer.opened.wait()
            async for text in self._follow():
                await writer.send(TextMessage(text))


class _SocketWriter:
    """One message after another, each within its time."""

    def __init__(self, connection: wsproto.WSConnection, stream: trio.SocketStream) -> None:
        self._connection = connection
        self._stream = stream
        self._turn = trio.Lock()
        self.opened = trio.Event()

    async def send(self, event: Event) -> None:
        """Send an event."""
        async with self._turn:
            with trio.fail_after(_SENDING):
                await self._stream.send_all(self._connection.send(event))


async def _until_gone(
    connection: wsproto.WSConnection,
    stream: trio.SocketStream,
    writer: _SocketWriter,
    scope: trio.CancelScope,
) -> None:
    """Accept, answer pings, and end all when the browser goes; what it says is passed over."""
    while True:
        for event in connection.events():
            match event:
                case Request():
                    await writer.send(AcceptConnection())
                    writer.opened.set()
                case Ping():
                    await writer.send(event.response())
                case CloseConnection():
                    await writer.send(event.response())
                    scope.cancel()
        data = await stream.receive_some(_PIECE)
        if not data:
            scope.cancel()
            return
        connection.receive_data(bytes(data))


async def _ping(writer: _SocketWriter) -> None:
    """A browser that has gone without a word is noticed by what it does not take."""
    await writer.opened.wait()
    while True:
        await trio.sleep(_PING_EVERY)
        await writer.send(Ping())


async def _request(parser: h11.Connection, stream: trio.SocketStream) -> h11.Request | None:
    """The request, or None if the other side went before it was whole; bodies are not read."""
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(bytes(await stream.receive_some(_PIECE)))
        elif isinstance(event, h11.Request):
            return event
        else:
            return None


def _values(request: h11.Request, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in request.headers if key == name]


def _is_own(request: h11.Request) -> bool:
    hosts, origins = _values(request, b"host"), _values(request, b"origin")
    return (
        len(hosts) == 1 and len(origins) < 2 and is_own(hosts[0], origins[0] if origins else None)
    )


def _wants_socket(request: h11.Request) -> bool:
    wanted = [value.lower() for value in _values(request, b"upgrade")]
    return request.method == b"GET" and wanted == ["websocket"]


async def _send_answer(
    parser: h11.Connection, stream: trio.SocketStream, answer: Answer, *, is_head: bool = False
) -> None:
    """Send an answer, or only its head; the connection ends after it."""
    headers = [
        ("content-type", answer.media_type),
        ("content-length", str(len(answer.body))),
        ("connection", "close"),
        *answer.headers,
        *HEADERS,
    ]
    data = parser.send(h11.Response(status_code=answer.status, headers=headers)) or b""
    if not is_head:
        data += parser.send(h11.Data(data=answer.body)) or b""
    data += parser.send(h11.EndOfMessage()) or b""
    with trio.fail_after(_SENDING):
        await stream.send_all(data)
    await stream.send_eof()
