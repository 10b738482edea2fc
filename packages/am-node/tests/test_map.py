"""Many requests over several workers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

import am_node

pytestmark = pytest.mark.trio


class Echo(am_node.Worker):
    async def work(self, x: int, pause: float = 0.0) -> int:
        await trio.sleep(pause)
        if x < 0:
            raise ValueError(f"{x} is negative")
        return x


class Queued(Echo):
    queue = 3


def _inputs(count: int) -> list[dict[str, int]]:
    return [{"x": n} for n in range(count)]


@pytest.mark.parametrize("worker", [Echo, Queued])
async def test_every_input_has_its_result(
    pooled: Any, clock: trio.abc.Clock, worker: type[am_node.Worker]
) -> None:
    async with (
        pooled(worker, 3, 3) as sup,
        am_node.Client("c", worker, supers=[sup.addr]) as client,
    ):
        pairs = [(a["x"], r) async for a, r in client.map(_inputs(100), workers=3)]
        assert sorted(pairs) == [(n, n) for n in range(100)]


@pytest.mark.parametrize("worker", [Echo, Queued])
async def test_results_come_in_order_if_wanted(
    pooled: Any, clock: trio.abc.Clock, worker: type[am_node.Worker]
) -> None:
    inputs = [{"x": n, "pause": 0.3 if n % 7 == 0 else 0.0} for n in range(40)]
    async with (
        pooled(worker, 3, 3) as sup,
        am_node.Client("c", worker, supers=[sup.addr]) as client,
    ):
        results = [r async for _, r in client.map(inputs, workers=3, ordered=True)]
        assert results == list(range(40))


async def test_no_input_is_no_result(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 1, 1) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        assert [pair async for pair in client.map([], workers=1)] == []


async def test_inputs_may_come_later(pooled: Any, clock: trio.abc.Clock) -> None:
    async def slowly() -> AsyncIterator[dict[str, int]]:
        for n in range(5):
            await trio.sleep(1)
            yield {"x": n}

    async with pooled(Echo, 1, 1) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        assert [r async for _, r in client.map(slowly(), workers=1)] == [0, 1, 2, 3, 4]


async def test_no_more_inputs_are_taken_than_are_needed(pooled: Any, clock: trio.abc.Clock) -> None:
    taken = 0

    def counted() -> Any:
        nonlocal taken
        for taken in range(1, 1000):
            yield {"x": taken}

    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        async with client.map(counted(), workers=2) as results:
            seen = 0
            async for _ in results:
                seen += 1
                await trio.sleep(1)
                assert taken - seen <= 8
                if seen == 10:
                    break
        assert taken < 20


async def test_the_first_error_cancels_the_rest(pooled: Any, clock: trio.abc.Clock) -> None:
    inputs = [{"x": 1}, {"x": -1}, *({"x": n, "pause": 100} for n in range(50))]
    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        started = trio.current_time()
        with pytest.raises(am_node.WorkError, match="-1 is negative"):
            async for _ in client.map(inputs, workers=2):
                pass
        assert trio.current_time() - started < 50
        assert await client.work(x=7) == 7


async def test_errors_can_be_results(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        inputs = [{"x": n} for n in (1, -1, 2, -2)]
        pairs = {a["x"]: r async for a, r in client.map(inputs, workers=2, return_errors=True)}
        assert pairs[1] == 1
        assert isinstance(pairs[-2], am_node.WorkError)
        assert len(pairs) == 4


async def test_leaving_the_iteration_stops_the_work(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        async with client.map([{"x": 1, "pause": 1}] * 100, workers=2) as results:
            async for _ in results:
                break
        await trio.sleep(3)
        tasks = sum(w.tasks for w in await sup.workers())
        await trio.sleep(30)
        assert sum(w.tasks for w in await sup.workers()) == tasks < 8


async def test_a_map_survives_the_loss_of_workers(pooled: Any, clock: trio.abc.Clock) -> None:
    async with (
        pooled(Echo, 3, 4) as sup,
        am_node.Client("c", Echo, supers=[sup.addr]) as client,
    ):
        inputs = [{"x": n, "pause": 0.3} for n in range(40)]
        results = []
        async for _, result in client.map(inputs, workers=3):
            results.append(result)
            if len(results) in {10, 20}:
                victim = next(w for w in await sup.workers() if w.client)
                sup.mach.add("KillWorker", id=victim.id, reason="test")
        assert sorted(results) == list(range(40))


async def test_queued_requests_wait_inside_the_worker_and_move_with_it(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Queued, 2, 3) as sup,
        am_node.Client("c", Queued, supers=[sup.addr]) as client,
    ):
        results = []
        most = 0
        async for _, result in client.map([{"x": n, "pause": 0.5} for n in range(16)], workers=1):
            results.append(result)
            hosts = list(sup.launcher.hosts.values())
            most = max(most, *(host.flow.waiting for host in hosts))
            if len(results) == 3:
                victim = next(w for w in await sup.workers() if w.client)
                sup.mach.add("KillWorker", id=victim.id, reason="test")
        assert sorted(results) == list(range(16))
        assert 1 <= most <= 3


async def test_a_map_needs_a_worker() -> None:
    client = am_node.Client("c", Echo, supers=["127.0.0.1:1"])
    with pytest.raises(ValueError, match="at least one"):
        client.map([], workers=0)
