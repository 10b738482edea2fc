"""One `map` over very many no-ops: ``python packages/am-node/benchmarks/many.py --tasks 1000000``.

The inputs come from a generator. Supervisor, workers and client are processes of their own: this
one is the client. Prints one object of JSON: seconds to the first result, tasks a second, and the
memory of each process in MiB, as it was when all was ready, at the end, at each tenth of the way,
and at most. `--write` renews docs/scaling.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

import am_node

sys.path.insert(0, str(Path(__file__).parent))

import figures
import page
import pool_work

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"
PATIENCE = 60.0
LOOK = 0.05


def inputs(tasks: int) -> Iterator[dict[str, int]]:
    """Make the inputs one by one."""
    for n in range(tasks):
        yield {"x": n}


async def ready(client: am_node.Client) -> am_node.PoolStatus:
    """Wait until all workers are there; what the supervisor says then."""
    with trio.fail_after(PATIENCE):
        while True:
            status = await client.status(PATIENCE)
            if "PoolReady" in status.states:
                return status
            await trio.sleep(LOOK)  # another process, which does not announce it to clients


class Memory:
    """The memory of some processes along the way."""

    def __init__(self, processes: dict[str, int]) -> None:
        self._processes = processes
        self._tenths: dict[str, list[float]] = {name: [] for name in processes}
        self._first = self._now()

    def _now(self) -> dict[str, float]:
        return {name: figures.rss(pid) for name, pid in self._processes.items()}

    def note(self) -> None:
        """Another tenth is done."""
        for name, size in self._now().items():
            self._tenths[name].append(round(size, 1))

    def told(self) -> dict[str, dict[str, Any]]:
        """All of it, by process."""
        return {
            name: {
                "start": round(self._first[name], 1),
                "end": self._tenths[name][-1],
                "peak": round(figures.peak(pid), 1),
                "tenths": self._tenths[name],
            }
            for name, pid in self._processes.items()
        }


async def measure(client: am_node.Client, tasks: int, workers: int) -> dict[str, Any]:
    """Have so many done, each of them once."""
    status = await ready(client)
    pids = {f"worker {n}": info.pid for n, info in enumerate(status.workers) if info.pid}
    memory = Memory({"client": os.getpid(), "supervisor": status.pid, **pids})
    done = total = 0
    first = 0.0
    tenth = max(1, tasks // 10)
    ran, began = time.process_time(), time.perf_counter()
    async for args, result in client.map(inputs(tasks), workers=workers):
        assert result == args["x"]
        if not done:
            first = time.perf_counter() - began
        done, total = done + 1, total + result
        if done % tenth == 0:
            memory.note()
    seconds, ran = time.perf_counter() - began, time.process_time() - ran
    assert (done, total) == (tasks, tasks * (tasks - 1) // 2)
    return {
        "tasks": tasks,
        "workers": workers,
        "first": round(first, 3),
        "rate": round(tasks / seconds),
        "client_us": round(1e6 * ran / tasks, 1),
        "memory": memory.told(),
    }


async def run(name: str, tasks: int, workers: int) -> dict[str, Any]:
    """Start a pool, use it, return what was found."""
    with tempfile.TemporaryDirectory() as folder:
        addr = f"unix:{folder}/pool"
        supervise = ["supervisor", f"pool_work:{name}", "--addr", addr, "--workers", str(workers)]
        here = ("--path", str(Path(__file__).parent))
        command = [sys.executable, "-m", "am_node", *supervise, *here]
        start = partial(trio.run_process, command, stdout=subprocess.PIPE)
        async with trio.open_nursery() as nursery:
            process = await nursery.start(start)
            await process.stdout.receive_some(1000)  # the line that tells that it listens
            async with am_node.Client("many", getattr(pool_work, name), supers=[addr]) as client:
                found = await measure(client, tasks, workers)
            nursery.cancel_scope.cancel()
    return found


def told(found: dict[str, Any], load: float) -> str:
    """The same as a table."""
    head = ("process", "MiB at the start", "at the end", "at most")
    sizes = found["memory"].items()
    rows = ((name, size["start"], size["end"], size["peak"]) for name, size in sizes)
    return (
        f"{page.table(head, rows)}\n\n{found['tasks']:,} no-ops, {found['rate']:,} a second, the "
        f"first result after {1000 * found['first']:.0f} ms; {page.machine(load)}."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", default="Pipelined", help="the class in pool_work")
    parser.add_argument("--write", action="store_true", help="renew docs/scaling.md")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    found = trio.run(run, options.work, options.tasks, options.workers)
    print(json.dumps(found))
    if options.write:
        page.renew(PAGE, "map", told(found, load))


if __name__ == "__main__":
    main()
