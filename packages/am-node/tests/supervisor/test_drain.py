"""Ending gently: running work ends, new work goes elsewhere, and nothing is left."""

from typing import Any

import pytest
import trio

import am_node

pytestmark = pytest.mark.trio


class Sleeper(am_node.Worker):
    async def work(self, seconds: float) -> str:
        await trio.sleep(seconds)
        return "slept"


async def test_draining_lets_running_work_end(pooled: Any, clock: trio.abc.Clock) -> None:
    results: list[str] = []
    async with (
        pooled(Sleeper, 2, 2) as sup,
        am_node.Client("c", Sleeper, supers=[sup.addr]) as client,
    ):

        async def call() -> None:
            results.append(await client.work(seconds=10))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.sleep(1)
            with trio.fail_after(20):
                await sup.drain()
        assert results == ["slept"]
        assert sup.mach.not_("Start")
        assert sup.exit_code == 0


async def test_draining_takes_no_longer_than_it_may(pooled: Any, clock: trio.abc.Clock) -> None:
    timing = am_node.Timing(drain_timeout=5)
    async with (
        pooled(Sleeper, 1, 1, timing=timing) as sup,
        am_node.Client("c", Sleeper, supers=[sup.addr]) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(lambda: client.work(seconds=1000))
        await trio.sleep(1)
        with trio.fail_after(11):
            await sup.drain()
        nursery.cancel_scope.cancel()


async def test_draining_gives_no_worker_to_anybody(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Sleeper, 2, 2) as sup:
        async with am_node.Client("c", Sleeper, supers=[sup.addr]) as client:
            await client.request_worker()
            sup.mach.add("Draining")
            assert sup.mach.not_("WorkersAvailable")
            assert not sup.mach.add("ProvideWorker", worker_rpc_id="a", super_rpc_id="b")
        await sup.mach.when_not("Start")


async def test_a_rolling_restart_replaces_everyone_and_fails_nobody(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Sleeper, 2, 3) as sup,
        am_node.Client("c", Sleeper, supers=[sup.addr]) as client,
    ):
        before = {w.id for w in await sup.workers()}
        lowest = 2
        done = 0

        async def load() -> None:
            nonlocal done
            async for _ in client.map([{"seconds": 1}] * 12, workers=1):
                done += 1

        async def watch() -> None:
            nonlocal lowest
            while True:
                ready = [w for w in await sup.workers() if {"Linked", "Ready"} <= set(w.states)]
                lowest = min(lowest, len(ready))
                await trio.sleep(0.4)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            async with trio.open_nursery() as both:
                both.start_soon(load)
                await trio.sleep(1)
                with trio.fail_after(60):
                    await sup.restart_workers()
            nursery.cancel_scope.cancel()
        assert done == 12
        assert not before & {w.id for w in await sup.workers()}
        assert sup.restarts == 0


async def test_the_runtime_directory_vanishes_with_the_supervisor(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    from pathlib import Path

    async with pooled(Sleeper, 1, 1) as sup:
        folder = Path(sup.local_addr.removeprefix("unix:")).parent
        assert folder.is_dir()
    assert not folder.exists()
