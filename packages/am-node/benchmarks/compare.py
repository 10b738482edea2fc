"""What a task costs, beside other pools: ``python packages/am-node/benchmarks/compare.py``.

No-op tasks over four workers through ``client.map``, with one request in flight per worker and
with a queue of 64 inside of each, beside `ProcessPoolExecutor` with ``chunksize=1`` and, where it
can be imported, dask.distributed; ``--tractor PYTHON`` adds tractor in that interpreter. All pools
are open at once and take turns, several times, so that whatever else the machine does hits all of
them. Of the rates the best counts, of the processor time the least. ``--write`` renews
docs/speed.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

import am_node

sys.path.insert(0, str(Path(__file__).parent))

import page
import pool_work
import rivals
from figures import ran

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
HEAD = (
    "pool", "tasks/s", "slowest round", "x executor", "us in the parent", "us in the workers", "",
)  # fmt: skip
WORKERS = 4


@dataclass
class Figures:
    """The best of some repetitions; microseconds per task, of this process and of the workers."""

    name: str
    rate: float = 0.0
    own: float = float("inf")
    theirs: float = float("inf")
    rates: list[float] = field(default_factory=list)
    notes: str = ""

    def add(self, tasks: int, seconds: float, own: float, theirs: float) -> None:
        """Take one repetition."""
        self.rates.append(tasks / seconds)
        self.rate = max(self.rates)
        self.own = min(self.own, 1e6 * own / tasks)
        self.theirs = min(self.theirs, 1e6 * theirs / tasks)


class Ours:
    """One of our pools with a client in this process, beside its supervisor."""

    def __init__(self, cls: type[am_node.Worker], name: str) -> None:
        self._cls = cls
        self.figures = Figures(name)
        self.supervisor = am_node.Supervisor(cls, pool=am_node.Pool(WORKERS, WORKERS, 0))
        self.client: Any = None

    async def open(self, stack: Any) -> None:
        """Start it and hold all workers."""
        await stack.enter_async_context(self.supervisor)
        await self.supervisor.mach.when("PoolReady")
        self.client = am_node.Client(
            "bench", self._cls, supers=[self.supervisor.addr], workers=WORKERS
        )
        await stack.enter_async_context(self.client)
        await self.perform(400)

    async def perform(self, tasks: int) -> None:
        """Have so many done."""
        inputs = [{"x": n} for n in range(tasks)]
        async for args, result in self.client.map(inputs, workers=WORKERS):
            assert args["x"] == result

    async def measure(self, tasks: int) -> None:
        """One repetition."""
        pids = [worker.pid for worker in await self.supervisor.workers() if worker.pid]
        stats = self.client.stats
        theirs, own, began = ran(pids), time.process_time(), time.perf_counter()
        await self.perform(tasks)
        seconds, own = time.perf_counter() - began, time.process_time() - own
        self.figures.add(tasks, seconds, own, ran(pids) - theirs)
        after = self.client.stats
        grown = {name: after[name] - stats.get(name, 0) for name in after}
        # Each call has its response, each payload is acknowledged.
        messages = 2 * (grown["calls"] + grown["payloads"]) / tasks
        size = (grown["bytes_in"] + grown["bytes_out"]) / tasks
        self.figures.notes = f"{messages:.2f} messages, {size:.0f} bytes per task"


def measure_other(other: Any, figures: Figures, tasks: int) -> None:
    """One repetition of a pool that blocks."""
    pids = other.pids
    theirs, own, began = ran(pids), time.process_time(), time.perf_counter()
    other.perform(tasks)
    seconds, own = time.perf_counter() - began, time.process_time() - own
    figures.add(tasks, seconds, own, ran(pids) - theirs)


async def run(tasks: int, repetitions: int, tractor: str) -> list[Figures]:
    """Measure all in turn; the executor is the first of the result."""
    ours = [
        Ours(pool_work.Pipelined, "am-node, queue of 64"),
        Ours(pool_work.Noop, "am-node, one in flight"),
        Ours(pool_work.Foreground, "am-node, one in flight, `background = False`"),
    ]
    with ExitStack() as blocking:
        others = [(blocking.enter_context(rivals.Executor(WORKERS)), 1)]
        if rivals.is_importable(rivals.HERE, "distributed"):
            # So much slower that a part of the tasks is enough.
            others.append((blocking.enter_context(rivals.Dask(WORKERS)), 8))
        figures = [Figures(other.name) for other, _ in others]
        async with trio.open_nursery() as nursery:
            async with am_stack() as stack:
                for pool in ours:
                    await pool.open(stack)
                for other, _ in others:
                    other.perform(200)
                for _ in range(repetitions):
                    for (other, part), found in zip(others, figures, strict=True):
                        measure_other(other, found, tasks // part)
                    for pool in ours:
                        await pool.measure(tasks)
            nursery.cancel_scope.cancel()
    if tractor:
        figures += tractor_figures(tractor, tasks // 8, repetitions)
    return [figures[0], *(pool.figures for pool in ours), *figures[1:]]


def am_stack() -> Any:
    """An exit stack for async contexts."""
    from contextlib import AsyncExitStack

    return AsyncExitStack()


def tractor_figures(python: str, tasks: int, repetitions: int) -> list[Figures]:
    """tractor, which measures itself; its processor time is not known here."""
    other, found = rivals.Tractor(python, WORKERS), []
    for in_flight in (1, 17):
        figures = Figures(f"tractor, {in_flight} in flight")
        figures.rates = [other.rate(tasks, in_flight) for _ in range(min(repetitions, 3))]
        figures.rate = max(figures.rates)
        found.append(figures)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--tractor", default="", help="an interpreter that has tractor")
    parser.add_argument("--write", action="store_true", help="renew docs/speed.md")
    options = parser.parse_args()
    about = [page.machine(os.getloadavg()[0]), f"trio {trio.__version__}"]
    for python, name in ((rivals.HERE, "distributed"), (options.tractor, "tractor")):
        if python and rivals.is_importable(python, name):
            about.append(f"{name} {rivals.version(python, name)}")
    found = trio.run(run, options.tasks, options.repetitions, options.tractor)
    text = f"{page.table(HEAD, rows(found))}\n\n{', '.join(about)}."
    print(text)
    if options.write:
        page.renew(PAGE, "tasks", text)


def rows(found: list[Figures]) -> list[tuple[str, ...]]:
    """The table's rows; the first of the figures are the executor's."""
    return [
        (
            one.name,
            f"{one.rate:,.0f}",
            f"{min(one.rates):,.0f}",
            f"{one.rate / found[0].rate:.2f}",
            f"{one.own:.0f}" if one.own < float("inf") else "",
            f"{one.theirs:.0f}" if one.theirs < float("inf") else "",
            one.notes,
        )
        for one in found
    ]


if __name__ == "__main__":
    main()
