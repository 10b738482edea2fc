"""A server with a store, and peers that speak to it over memory streams or loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
import trio.testing

from am_debugger._feed.server import Server
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..messages import process


@dataclass
class Told:
    """What the server told its listener."""

    connects: int = 0
    disconnects: int = 0
    machines: int = 0
    nbytes: int = 0
    turns: int = 0
    notes: list[str] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)

    async def until(self, check: Callable[[], object]) -> None:
        """Wait until something holds; it is looked at whenever the server tells something."""
        while not check():
            await self.changed.wait()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def connected(self) -> None:
        self.connects += 1
        self._tell()

    def disconnected(self) -> None:
        self.disconnects += 1
        self._tell()

    def machine_came(self) -> None:
        self.machines += 1
        self._tell()

    def took(self, nbytes: int, *, is_debugger: bool = False) -> None:
        self.nbytes += nbytes
        self._tell()

    async def turn(self) -> None:
        self.turns += 1
        await trio.lowlevel.checkpoint()

    def note(self, text: str) -> None:
        self.notes.append(text)
        self._tell()


class Peer:
    """The other end of a connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._decoder = dbg.Decoder()
        self._decoder.trust()

    async def send(self, *messages: dbg.Message) -> None:
        await self.stream.send_all(b"".join(map(dbg.encode, messages)))

    async def next(self) -> dbg.Message | None:
        """The next message; None if the connection ended."""
        while True:
            for message in self._decoder:
                return message
            try:
                data = await self.stream.receive_some(1 << 16)
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._decoder.feed(data)

    async def until(self, kind: type[Any]) -> Any:
        """The next message of a kind; others are passed over."""
        while True:
            message = await self.next()
            assert message is not None, f"it ended before a {kind.__name__} came"
            if isinstance(message, kind):
                return message

    async def hello(self, id: str = "p1", *caps: str, **more: Any) -> dbg.Message | None:
        """Say hello, and return the answer."""
        await self.send(dbg.Hello(1, process(id, **more), caps))
        return await self.next()


@dataclass
class Place:
    """A server that runs, and how to reach it."""

    server: Server
    store: Store
    told: Told
    nursery: trio.Nursery

    def peer(self) -> Peer:
        """A new connection in memory."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.server._serve_one, theirs)
        return Peer(ours)


Open = Callable[..., Any]


@pytest.fixture
def open_server() -> Open:
    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[Place]:
        store, told = Store(), Told()
        server = Server(store, told, process("collector"), **options)
        async with trio.open_nursery() as nursery:
            yield Place(server, store, told, nursery)
            nursery.cancel_scope.cancel()

    return opened
