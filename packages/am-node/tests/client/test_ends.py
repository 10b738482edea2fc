"""Clients that end while something of theirs is under way."""

from typing import Any

import pytest
import trio

import am_node

pytestmark = pytest.mark.trio


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        return x


async def test_a_client_that_ends_as_a_worker_is_offered_ends_quietly(
    pooled: Any, clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask(client: am_node.Client) -> None:
        with pytest.raises(am_node.WorkerLost, match="closed"):
            await client.work(x=1)

    async with pooled(Echo, 1, 1) as sup, trio.open_nursery() as nursery:
        for _ in range(10):  # in half of them the client's end comes before the offer is taken up
            async with am_node.Client("c", Echo, supers=[sup.addr]) as client:
                offered = client.mach.when_next_active("ServerPayload")
                nursery.start_soon(ask, client)
                await offered
    assert not caplog.records
