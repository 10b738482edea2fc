"""Machines and connections that the tests share."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class DemoStates(am_rpc.StateSource):
    """A source with a bit of everything."""

    A = am.State(auto=True, require=["B"])
    B = am.State()
    C = am.State(remove=["B"])
    D = am.State(multi=True)
    E = am.State(require=["D"])


class FaultyStream(trio.abc.Stream):
    """A stream whose directions can be made to lose everything."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.loses_out = False
        self.loses_in = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.loses_out:
            await trio.lowlevel.checkpoint()
            return
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        while data and self.loses_in:
            data = await self._stream.receive_some(max_bytes)
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class MemoryNetwork:
    """Hands out in-memory streams; what a server has not accepted yet waits."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[trio.abc.Stream](1000)
        self.client_ends: list[FaultyStream] = []

    async def dial(self) -> trio.abc.Stream:
        ours, theirs = trio.testing.memory_stream_pair()
        end = FaultyStream(ours)
        self.client_ends.append(end)
        await self._send.send(theirs)
        return end

    def lose(self, *, out: bool = True, into: bool = False) -> None:
        """Make every connection made so far lose what a client sends, or what it gets."""
        for end in self.client_ends:
            end.loses_out, end.loses_in = out, into

    def listener(self) -> trio.abc.Listener[Any]:
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


class Pair:
    """A source behind a mux, and how to connect to it."""

    def __init__(self, source: am.Machine, mux: am_rpc.Mux, network: MemoryNetwork) -> None:
        self.source = source
        self.mux = mux
        self.network = network

    def client(self, schema: Any = None, **options: Any) -> am_rpc.Client:
        options.setdefault("retry", am_rpc.Retry(connect_delay=0.01))
        return am_rpc.Client(self.network.dial, schema, **options)

    @asynccontextmanager
    async def connect(self, schema: Any = None, **options: Any) -> AsyncIterator[Any]:
        async with self.client(schema, **options) as client:
            yield await client.ready()


@pytest.fixture
def demo_states() -> type[am.States]:
    return DemoStates


@pytest.fixture
def network() -> Callable[[], MemoryNetwork]:
    return MemoryNetwork


@pytest.fixture
def serve() -> Any:
    """An async context manager: a source behind a mux on an in-memory network."""

    @asynccontextmanager
    async def serve(
        schema: Any = DemoStates, handlers: object | None = None, **options: Any
    ) -> AsyncIterator[Pair]:
        options.setdefault("push_interval", 0)
        network = MemoryNetwork()
        async with (
            am.Machine(schema, handlers=handlers, id="source") as source,
            am_rpc.Mux(source, listener=network.listener(), **options) as mux,
        ):
            yield Pair(source, mux, network)

    return serve
