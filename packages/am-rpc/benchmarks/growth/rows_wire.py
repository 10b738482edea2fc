"""The wire: what a source pays for those who follow it."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

import trio
from growth import AtMost, Row, Sample, looped

import am_machine as am
import am_rpc
import am_rpc.wire
from am_rpc.testing import MemoryNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Longer than a run: what moves meanwhile is merged into one push.
NEVER = 3600.0
# Clients of a source with many states.
FEW = 20
# Mutations per sample.
AWAITED = 100


@asynccontextmanager
async def followed(size: int) -> AsyncIterator[Sample]:
    """A source with n clients that know already that it has moved."""
    network = MemoryNetwork()
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(am.Machine({"A": {}, "B": {}}))
        mux = am_rpc.Mux(source, listener=network.listener(), push_interval=NEVER)
        await stack.enter_async_context(mux)
        for _ in range(size):
            client = am_rpc.Client(network.dial)
            await stack.enter_async_context(client)
            await client.ready(60)

        def loop(count: int) -> None:
            for _ in range(count):
                source.add("A")
                source.remove("A")

        yield looped(loop)


@asynccontextmanager
async def pushed(size: int, states: int = 2) -> AsyncIterator[Sample]:
    """A source whose every change is pushed to n clients at once; seconds per client."""
    async with serving(states, size) as source:

        def loop(count: int) -> None:
            for _ in range(count):
                source.add("S0")
                source.remove("S0")

        measure = looped(loop, 20)
        yield lambda: measure() / 2 / size


@asynccontextmanager
async def pushed_among(states: int) -> AsyncIterator[Sample]:
    """The same with many states, of which one changes, and a few clients."""
    async with pushed(FEW, states) as sample:
        yield sample


@asynccontextmanager
async def serving(states: int, clients: int) -> AsyncIterator[am.Machine]:
    """A source of so many states with clients that are told of each change at once."""
    network = MemoryNetwork()
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(am.Machine(schema_of(states)))
        mux = am_rpc.Mux(source, listener=network.listener(), push_interval=0)
        await stack.enter_async_context(mux)
        for _ in range(clients):
            client = am_rpc.Client(network.dial)
            await stack.enter_async_context(client)
            await client.ready(60)
        yield source


@cache
def schema_of(states: int) -> am.Schema:
    """So many states; the first counts each activation."""
    return am.Schema({f"S{number}": {"multi": number == 0} for number in range(states)})


def awaited(states: int) -> Sample:
    """Seconds per awaited mutation of a source with so many states."""

    async def run() -> float:
        network = MemoryNetwork()
        schema = schema_of(states)
        async with (
            am.Machine(schema) as source,
            am_rpc.Mux(source, listener=network.listener()),
            am_rpc.connect(network.dial, schema) as net,
        ):
            await net.add("S0")
            start = time.process_time()
            for _ in range(AWAITED):
                await net.add("S0")
            return (time.process_time() - start) / AWAITED

    return lambda: trio.run(run)


def flushed(size: int) -> Sample:
    """Seconds per task, of n tasks that each mutate and wait until that is settled."""

    async def run() -> float:
        network = MemoryNetwork()
        limits = am_rpc.Limits(calls=size + 10)
        async with (
            am.Machine(schema_of(2)) as source,
            am_rpc.Mux(source, listener=network.listener()),
            am_rpc.connect(network.dial, limits=limits) as net,
        ):

            async def work() -> None:
                net.add("S0")
                await net.flush()

            start = time.process_time()
            async with trio.open_nursery() as nursery:
                for _ in range(size):
                    nursery.start_soon(work)
            return (time.process_time() - start) / size

    return lambda: trio.run(run)


def received(size: int) -> Sample:
    """Peak of memory while a server reads args of so many bytes, over these bytes."""
    rows = [{f"name{column}": 100_000 + row for column in range(8)} for row in range(size // 200)]
    table = [[100_000 + number for number in range(100)] for _ in range(size // 1000)]
    args = {"rows": rows, "table": table}
    data = am_rpc.Protocol(client=True).encode_mutation(7, "a", (1,), args, None)

    def sample() -> float:
        server = am_rpc.Protocol(client=False)
        # Whatever it is asked first is kept, for the proof of a secret.
        server.receive_data(am_rpc.wire.pack([0, 1, "hello", []]))
        server.next_event()
        tracemalloc.start()
        try:
            server.receive_data(data)
            event = server.next_event()
            assert event is not None
            return tracemalloc.get_traced_memory()[1] / len(data)
        finally:
            tracemalloc.stop()

    return sample


ROWS = [
    Row(
        "C17",
        "two mutations at a source that n clients follow",
        (1, 10, 100, 400),
        (1, 30),
        followed,
        in_trio=True,
        most_laps=11,
    ),
    Row(
        "C18",
        "a push of one change to n clients, for each",
        (10, 100, 400),
        (3, 30),
        pushed,
        in_trio=True,
        most_laps=11,
    ),
    Row(
        "C18",
        f"a push of one change among n states to {FEW} clients, for each",
        (10, 400, 4000),
        (10, 400),
        pushed_among,
        in_trio=True,
        most_laps=11,
    ),
    Row(
        "C19",
        "n tasks that mutate and flush at once, each",
        (100, 1000, 10_000),
        (50, 500),
        flushed,
        most_laps=5,
        least_laps=3,
    ),
    Row(
        "C20", "an awaited mutation at n states", (10, 400, 4000), (10, 400), awaited, most_laps=11
    ),
    Row(
        "C21",
        "memory while args of n bytes are read, over their size",
        (4000, 16_000, 60_000),
        (4000,),
        received,
        AtMost("at most 12 times", {4000: 12, 16_000: 12, 60_000: 12}),
        "x",
        most_laps=1,
    ),
]
