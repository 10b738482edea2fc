"""Where workers on other hosts call in: one port for all of them, so that they may be behind NAT.

A worker dials its supervisor twice: to report its addresses, and to be followed over what is then
its private link (the supervisor is the calling end of that link in aRPC's terms, whoever dialled).
What both ends say first, so that the stream gets to the one who waits for it, is in
`_reverse_call`.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

import am_rpc

from .._address import host_port, join, reachable
from .._reverse_call import (
    GREETING_TIMEOUT,
    HEAD,
    MAC_SIZE,
    MAX_ID,
    NONCE_SIZE,
    Purpose,
    exactly,
    proof,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

_MAX_GREETING = 64
# Streams that wait for their taker.
_MAX_WAITING = 4
_ACCEPT_PAUSE = 0.1

_log = logging.getLogger("am_node")


class Line:
    """What one worker dials: its report, as a listener, and its private link, stream by stream."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self.host = ""
        self.reports = Calls()
        self._links = Calls()
        self._linked: trio.abc.Stream | None = None

    async def link(self) -> trio.abc.Stream:
        """Wait for the next private link, for a client that has to call nobody."""
        self._linked = await self._links.accept()
        return self._linked

    async def take(self, purpose: Purpose, stream: trio.abc.Stream, host: str) -> bool:
        """Hand over a stream that `host` dialled; False if nobody takes it.

        A worker calls for its link when it has none: whatever was its link before is broken, even
        if that has not been noticed here.
        """
        self.host = host
        if purpose is Purpose.REPORT:
            return self.reports.put(stream)
        before, self._linked = self._linked, None
        waiting = self._links.take_all()
        taken = self._links.put(stream)
        for broken in (*waiting, *([before] if before is not None else [])):
            await trio.aclose_forcefully(broken)
        return taken

    def reachable(self, addr: str) -> str:
        """The address of the worker for its clients: where it called from, if it binds all."""
        return reachable(addr, self.host) if self.host else addr

    async def aclose(self) -> None:
        """Close whatever nobody took."""
        await self.reports.aclose()
        await self._links.aclose()


class Calls(trio.abc.Listener[trio.abc.Stream]):
    """A listener fed by hand."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[trio.abc.Stream](_MAX_WAITING)

    def put(self, stream: trio.abc.Stream) -> bool:
        """Let the next `accept` return it; False if too many wait or nobody will."""
        try:
            self._send.send_nowait(stream)
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    def take_all(self) -> list[trio.abc.Stream]:
        """Take out what waits."""
        waiting = []
        with suppress(trio.WouldBlock, trio.ClosedResourceError):
            while True:
                waiting.append(self._receive.receive_nowait())
        return waiting

    async def accept(self) -> trio.abc.Stream:
        """Wait for a stream.

        :raises trio.ClosedResourceError: once this is closed.
        """
        return await self._receive.receive()

    async def aclose(self) -> None:
        """Close it, and the streams in it."""
        waiting = self.take_all()
        self._receive.close()
        self._send.close()
        for stream in waiting:
            await trio.aclose_forcefully(stream)
        await trio.lowlevel.checkpoint()


class ReverseListener:
    """Listens at `addr` for workers, with TLS if a context is given."""

    def __init__(self, addr: str, context: ssl.SSLContext | None) -> None:
        self.addr = addr
        self._context = context
        self._lines: dict[str, Line] = {}
        self._listeners: list[trio.SocketListener] = []
        self._greeting = 0

    @asynccontextmanager
    async def line(self, worker_id: str, token: bytes) -> AsyncIterator[Line]:
        """Expect the worker `worker_id`, which has `token`; at the end, what nobody took ends."""
        line = self._lines[worker_id] = Line(token)
        try:
            yield line
        finally:
            del self._lines[worker_id]
            with trio.CancelScope(shield=True):
                await line.aclose()

    async def open(self) -> None:
        """Listen; `addr` has the real port then.

        :raises OSError: if the address cannot be listened on.
        """
        host, port = host_port(self.addr)
        self._listeners = await trio.open_tcp_listeners(port, host=host)
        self.addr = join(host, self._listeners[0].socket.getsockname()[1])

    async def serve(self) -> None:
        """Answer calls until cancelled, which stops listening."""
        try:
            async with trio.open_nursery() as nursery:
                for listener in self._listeners:
                    nursery.start_soon(self._accept, listener, nursery)
        finally:
            with trio.CancelScope(shield=True):
                for listener in self._listeners:
                    await listener.aclose()

    async def _accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        # trio's own loop would close a stream as soon as it is answered; here it is handed on.
        while True:
            try:
                nursery.start_soon(self._answer, await listener.accept())
            except OSError as exc:  # out of descriptors, for example
                _log.warning("accept failed: %s", exc)
                await trio.sleep(_ACCEPT_PAUSE)

    async def _answer(self, stream: trio.SocketStream) -> None:
        if self._greeting >= _MAX_GREETING:
            await trio.aclose_forcefully(stream)
            return
        self._greeting += 1
        taken = False
        try:
            with trio.move_on_after(GREETING_TIMEOUT):
                taken = await self._connect(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as exc:
            _log.info("a call to the supervisor broke off: %r", exc)
        finally:
            self._greeting -= 1
            if not taken:
                await trio.aclose_forcefully(stream)

    async def _connect(self, transport: trio.SocketStream) -> bool:
        host = transport.socket.getpeername()[0]
        stream: trio.abc.Stream = transport
        if self._context is not None:
            stream = await am_rpc.start_tls(stream, self._context, server_side=True)
        nonce = secrets.token_bytes(NONCE_SIZE)
        await stream.send_all(nonce)
        letter, size = HEAD.unpack(await exactly(stream, HEAD.size))
        if size > MAX_ID:
            return False
        worker = await exactly(stream, size)
        mac = await exactly(stream, MAC_SIZE)
        line = self._lines.get(worker.decode("utf-8", "replace"))
        try:
            purpose = Purpose(letter)
        except ValueError:
            return False
        # A worker that is not expected is compared as well: the time tells nothing.
        token = secrets.token_bytes(32) if line is None else line.token
        if not hmac.compare_digest(mac, proof(token, purpose, nonce, worker)) or line is None:
            _log.warning("a call from %s to the supervisor was refused", host)
            return False
        return await line.take(purpose, stream, host)
