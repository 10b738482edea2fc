"""A thousand jobs that do nothing, on worker processes: what a pool itself costs.

All pools are open at once and take turns, so that whatever else the machine does hits all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import am_node

# The work of the package's own benchmark.
sys.path.insert(0, str(Path(__file__).parents[2] / "packages/am-node/benchmarks"))

import pool_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKERS = 2
Jobs = "Callable[[int], list[int]]"


@contextmanager
def ours(cls: type[am_node.Worker]) -> Iterator[Callable[[int], list[int]]]:
    """A pool of am-node, used by plain code."""
    with am_node.blocking(cls, workers=WORKERS) as pool:

        def jobs(count: int) -> list[int]:
            inputs = [{"x": n} for n in range(count)]
            return [result for _, result in pool.map(inputs, ordered=True)]

        yield jobs


@contextmanager
def standard() -> Iterator[Callable[[int], list[int]]]:
    """The pool of the standard library, started as ours is: by spawning."""
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        yield lambda count: pool.map(pool_work.noop, range(count), chunksize=1)


@contextmanager
def with_ray() -> Iterator[Callable[[int], list[int]]]:
    """Tasks of Ray on a cluster of this host alone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    options: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False}
    ray.init(num_cpus=WORKERS, _node_ip_address="127.0.0.1", **options)
    try:

        @ray.remote
        def noop(x: int) -> int:
            return x

        yield lambda count: ray.get([noop.remote(n) for n in range(count)])
    finally:
        ray.shutdown()


ALL: dict[str, Callable[[], Any]] = {
    "am-node, `queue = 64`": lambda: ours(pool_work.Pipelined),
    "am-node, one in flight per worker": lambda: ours(pool_work.Noop),
    "multiprocessing.Pool, `chunksize=1`": standard,
    "Ray": with_ray,
}


def measure(count: int, rounds: int) -> dict[str, tuple[float, list[float]]]:
    """Seconds until the first job is done, and of each round of so many jobs, by pool."""
    starts: dict[str, float] = {}
    times: dict[str, list[float]] = {name: [] for name in ALL}
    with ExitStack() as stack:
        opened: dict[str, Callable[[int], list[int]]] = {}
        for name, make in ALL.items():
            began = time.perf_counter()
            opened[name] = stack.enter_context(make())
            assert opened[name](1) == [0]
            starts[name] = time.perf_counter() - began
        for jobs in opened.values():
            jobs(count // 4)
        for _ in range(rounds):
            for name, jobs in opened.items():
                began = time.perf_counter()
                assert jobs(count) == list(range(count))
                times[name].append(time.perf_counter() - began)
    return {name: (starts[name], times[name]) for name in ALL}
