"""Networks for tests: connections in memory, and connections that fail on command.

A `MemoryNetwork` replaces sockets in one process, its `FaultyStream` ends lose what they are told
to. A `FaultProxy` stands between a real client and a real server, and delays, cuts or swallows.
`socket_writes` and `peers_of_user` show and change what else only the system knows.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import trio
import trio.testing

from ._transport import peer_user

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Buffer

__all__ = ["FaultProxy", "FaultyStream", "MemoryNetwork", "peers_of_user", "socket_writes"]

# Connections that wait to be accepted.
_BACKLOG = 1000


class FaultyStream(trio.abc.Stream):
    """A stream whose directions can be made to lose everything.

    `loses_out` and `loses_in` hold until they are set otherwise. With `swallows_after`, so many
    bytes are written yet, then all is lost both ways until the stream is closed.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._is_closed = trio.Event()
        self.loses_out = False
        self.loses_in = False
        self.swallows_after: int | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes, as far as they are not to be lost."""
        if self.swallows_after is not None:
            data = bytes(data)[: self.swallows_after]
            self.swallows_after -= len(data)
        if self.loses_out or not data:
            await trio.lowlevel.checkpoint()
            return
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait as the stream below does."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return bytes that are not to be lost."""
        data = await self._stream.receive_some(max_bytes)
        while data and self.loses_in:
            data = await self._stream.receive_some(max_bytes)
        if self.swallows_after == 0:
            await self._is_closed.wait()
            raise trio.ClosedResourceError
        return data

    async def aclose(self) -> None:
        """Close the stream below, too."""
        self._is_closed.set()
        await self._stream.aclose()


class MemoryNetwork:
    """Hands out connections in memory; what a server has not accepted yet waits.

    ```python
    network = MemoryNetwork()
    async with am_rpc.Mux(source, listener=network.listener()):
        async with am_rpc.connect(network.dial) as net:
            ...
            await network.cut()  # the client connects again
    ```
    """

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[trio.abc.Stream](_BACKLOG)
        self.client_ends: list[FaultyStream] = []

    async def dial(self) -> trio.abc.Stream:
        """Return the client's end of a new connection."""
        ours, theirs = trio.testing.memory_stream_pair()
        end = FaultyStream(ours)
        self.client_ends.append(end)
        await self._send.send(theirs)
        return end

    def lose(self, *, out: bool = True, into: bool = False) -> None:
        """Make every connection made so far lose what a client sends, or what it gets."""
        for end in self.client_ends:
            end.loses_out, end.loses_in = out, into

    def listener(self) -> trio.abc.Listener[trio.abc.Stream]:
        """Return what gives a server its ends."""
        return _MemoryListener(self._receive.clone())

    async def cut(self) -> None:
        """Break every connection made so far."""
        for end in self.client_ends:
            await trio.aclose_forcefully(end)
        self.client_ends.clear()


class _MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    def __init__(self, channel: trio.MemoryReceiveChannel[trio.abc.Stream]) -> None:
        self._channel = channel

    async def accept(self) -> trio.abc.Stream:
        try:
            return await self._channel.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError) as error:
            raise trio.ClosedResourceError from error

    async def aclose(self) -> None:
        await self._channel.aclose()


class FaultProxy:
    """Forwards TCP connections to a server on loopback, and harms them on command.

    Use it with `async with`; clients connect to `addr`.

    Args:
        addr: `127.0.0.1:port` of the server; it may be changed later by `target`.
    """

    def __init__(self, addr: str) -> None:
        self.target = addr
        self.addr = ""
        # Seconds that each piece of data takes.
        self.delay = 0.0
        self._flows = trio.Event()
        self._flows.set()
        self._pairs: list[tuple[trio.SocketStream, trio.SocketStream]] = []
        self._manager = trio.open_nursery()

    async def __aenter__(self) -> Self:
        nursery = await self._manager.__aenter__()
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.addr = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.start_soon(trio.serve_listeners, self._forward, listeners)
        self._scope = nursery.cancel_scope
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._scope.cancel()
        await self._manager.__aexit__(exc_type, exc, traceback)

    @property
    def connections(self) -> int:
        """Return how many connections there are."""
        return len(self._pairs)

    async def cut(self) -> None:
        """Break every connection made so far, wherever its bytes are."""
        for pair in tuple(self._pairs):
            for stream in pair:
                await trio.aclose_forcefully(stream)

    def stall(self) -> None:
        """Let nothing pass, in both directions and on all connections, until `resume`."""
        if self._flows.is_set():
            self._flows = trio.Event()

    def resume(self) -> None:
        """Let everything pass again, what waited first."""
        self._flows.set()

    async def _forward(self, client: trio.SocketStream) -> None:
        host, _, port = self.target.rpartition(":")
        try:
            server = await trio.open_tcp_stream(host, int(port))
        except OSError:
            await trio.aclose_forcefully(client)
            return
        pair = (client, server)
        self._pairs.append(pair)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, client, server, nursery.cancel_scope)
                nursery.start_soon(self._pump, server, client, nursery.cancel_scope)
        finally:
            self._pairs.remove(pair)
            with trio.CancelScope(shield=True):
                for stream in pair:
                    await trio.aclose_forcefully(stream)

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for data in source:
                if self.delay:
                    await trio.sleep(self.delay)
                await self._flows.wait()
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            scope.cancel()


@contextmanager
def socket_writes() -> Iterator[list[int]]:
    """Note what goes to sockets at once, without a task: the descriptor of each write, in order.

    One entry is one call of the system, so what left together shows as one. For one thread.
    """
    found: list[int] = []
    write = os.write

    def noted(fd: int, data: Buffer, /) -> int:
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            found.append(fd)
        return write(fd, data)

    os.write = noted
    try:
        yield found
    finally:
        os.write = write


@contextmanager
def peers_of_user(user: int) -> Iterator[None]:
    """Let processes that connect through unix sockets pass for those of another user."""
    asked = peer_user.peer_user
    peer_user.peer_user = lambda stream: user
    try:
        yield
    finally:
        peer_user.peer_user = asked
