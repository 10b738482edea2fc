"""The wire: what a source pays for those who follow it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from growth import Row, Sample, looped

import am_machine as am
import am_rpc
from am_rpc.testing import MemoryNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Longer than a run: what moves meanwhile is merged into one push.
NEVER = 3600.0


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
]
