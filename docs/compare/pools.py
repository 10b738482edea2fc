"""A thousand jobs that do nothing, on worker processes: what a pool itself costs.

All pools are open at once and take turns, so that whatever else the machine does hits all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

import am_node

# The work of the package's own benchmark.
sys.path.insert(0, str(Path(__file__).parents[2] / "packages/am-node/benchmarks"))

import pool_work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Jobs = Callable[[int], Awaitable[list[int]]]

WORKERS = 2


@asynccontextmanager
async def from_trio() -> AsyncIterator[Jobs]:
    """A pool of am-node, used by a program on trio."""
    async with am_node.open_pool(pool_work.Pipelined, workers=WORKERS) as client:

        async def jobs(count: int) -> list[int]:
            inputs = [{"x": n} for n in range(count)]
            found = client.map(inputs, workers=WORKERS, ordered=True)
            return [result async for _, result in found]

        yield jobs


@asynccontextmanager
async def from_plain_code() -> AsyncIterator[Jobs]:
    """The same, used by code that blocks."""
    manager = am_node.blocking(pool_work.Pipelined, workers=WORKERS)
    pool = await trio.to_thread.run_sync(manager.__enter__)

    def jobs(count: int) -> list[int]:
        inputs = [{"x": n} for n in range(count)]
        return [result for _, result in pool.map(inputs, ordered=True)]

    try:
        yield lambda count: trio.to_thread.run_sync(jobs, count)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(manager.__exit__, None, None, None)


@asynccontextmanager
async def standard() -> AsyncIterator[Jobs]:
    """The pool of the standard library, started as ours is: by spawning."""
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:

        def jobs(count: int) -> list[int]:
            return pool.map(pool_work.noop, range(count), chunksize=1)

        yield lambda count: trio.to_thread.run_sync(jobs, count)


@asynccontextmanager
async def with_ray() -> AsyncIterator[Jobs]:
    """Tasks of Ray on a cluster of this host alone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray  # type: ignore[import-not-found,unused-ignore]

    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
    ray.init(num_cpus=WORKERS, _node_ip_address="127.0.0.1", **options)
    try:

        def noop(x: int) -> int:
            return x

        far_noop: Any = ray.remote(noop)

        def jobs(count: int) -> list[int]:
            return ray.get([far_noop.remote(n) for n in range(count)])

        yield lambda count: trio.to_thread.run_sync(jobs, count)
    finally:
        ray.shutdown()


ALL = {
    "am-node from trio, `queue = 64`": from_trio,
    "am-node from plain code, `queue = 64`": from_plain_code,
    "multiprocessing.Pool, `chunksize=1`": standard,
    "Ray": with_ray,
}


async def measure(count: int, rounds: int) -> dict[str, tuple[float, list[float]]]:
    """Seconds until the first job is done, and of each round of so many jobs, by pool."""
    starts: dict[str, float] = {}
    times: dict[str, list[float]] = {name: [] for name in ALL}
    async with AsyncExitStack() as stack:
        opened: dict[str, Jobs] = {}
        for name, make in ALL.items():
            began = time.perf_counter()
            opened[name] = await stack.enter_async_context(make())
            assert await opened[name](1) == [0]
            starts[name] = time.perf_counter() - began
        for jobs in opened.values():
            await jobs(count // 4)
        for _ in range(rounds):
            for name, jobs in opened.items():
                began = time.perf_counter()
                assert await jobs(count) == list(range(count))
                times[name].append(time.perf_counter() - began)
    return {name: (starts[name], times[name]) for name in ALL}
