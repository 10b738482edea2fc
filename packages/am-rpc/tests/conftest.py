"""Machines and connections that the tests share."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

import am_machine as am
import am_rpc
from am_rpc.testing import MemoryNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# Machines differ in speed, so no example has a deadline.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


class DemoStates(am_rpc.StateSource):
    """A source with a bit of everything."""

    A = am.State(auto=True, require=["B"])
    B = am.State()
    C = am.State(remove=["B"])
    D = am.State(multi=True)
    E = am.State(require=["D"])


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
