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


@pytest.mark.parametrize("queue", [0, 2])
@pytest.mark.parametrize("moment", [0.0, 0.3, 1.0])  # at rest, at work, and as that ends
async def test_a_leaving_worker_lets_its_client_go_first(
    pooled: Any, clock: trio.abc.Clock, queue: int, moment: float
) -> None:
    """What the client sends at the last moment is refused, and so no attempt."""

    class Slow(am_node.Worker):
        async def work(self, pause: float) -> float:
            await trio.sleep(pause)
            return pause

    Slow.queue = queue
    async with (
        pooled(Slow, 2, 2) as sup,
        am_node.Client("c", Slow, supers=[sup.addr]) as client,
        trio.open_nursery() as nursery,
    ):
        first = await client.request_worker()
        worker = sup.launcher.hosts[first]
        if moment:
            nursery.start_soon(lambda: client.work(pause=1.0, attempts=1))
        await trio.sleep(moment)
        worker.drain()
        with trio.fail_after(3):
            await worker.mach.when("ClientLeft")
            assert worker.mach.is_("Start", "Draining")
            await worker.mach.when_not("Start")
        assert await client.work(pause=0.1, attempts=1) == 0.1
        assert first not in client.workers
        assert (sup.restarts, sup.mach.tick("ErrWorker")) == (0, 0)
