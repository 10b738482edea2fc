"""Measure a pool beside `concurrent.futures`: start, memory, latency, throughput of two clients.

``python packages/am-node/benchmarks/pool.py`` prints a table, all in one run on one machine;
`--write` renews docs/speed.md. What a task costs, beside other pools and taking turns with them, is
the subject of `compare.py`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import am_node

sys.path.insert(0, str(Path(__file__).parent))

import bare_work
import page
import pool_work
from figures import rss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Barrier

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
HEAD = ("what", "am-node", "beside it")
WORKERS = 4
TASKS = 2000
MANY = 20_000
CLIENT = """
import sys, time, trio, am_node, pool_work
async def main(addr, name, tasks, workers):
    cls = getattr(pool_work, name)
    async with am_node.Client("bench", cls, supers=[addr], workers=workers, keep=True) as client:
        async for _ in client.map([{"x": 0}] * 4 * workers, workers=workers): pass
        print("ready", flush=True)
        sys.stdin.readline()
        async for _ in client.map([{"x": n} for n in range(tasks)], workers=workers): pass
    print("done", flush=True)
trio.run(main, sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
"""


rows: list[tuple[str, str, str]] = []


def row(what: str, value: str, beside: str = "") -> None:
    """Print one line of the table, and keep it."""
    rows.append((what, value, beside))
    print(f"| {what} | {value} | {beside} |", flush=True)


def python(code: str) -> float:
    """Seconds that a new interpreter takes for `code`, the median of five."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def start_and_memory() -> tuple[float, float]:
    """Seconds until four workers are ready; MiB of an idle one."""
    began = time.perf_counter()
    pool = am_node.Pool(WORKERS, WORKERS, 0)
    async with am_node.Supervisor(pool_work.Noop, pool=pool) as sup:
        await sup.mach.when("PoolReady")
        seconds = time.perf_counter() - began
        sizes = [rss(w.pid) for w in await sup.workers() if w.pid]
    return seconds, max(sizes)


async def latency() -> tuple[float, float]:
    """Milliseconds of one request to an idle worker: p50 and p99."""
    pool = am_node.Pool(1, 1, 0)
    async with (
        am_node.Supervisor(pool_work.Noop, pool=pool) as sup,
        am_node.Client("bench", pool_work.Noop, supers=[sup.addr]) as client,
    ):
        await client.work(x=0)
        times = []
        for n in range(1000):
            began = time.perf_counter()
            await client.work(x=n)
            times.append(1000 * (time.perf_counter() - began))
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


async def throughput(
    name: str, tasks: int, clients: int = 2, workers: int = WORKERS
) -> tuple[float, float]:
    """Tasks a second of some client processes; the share of time that a worker has none."""
    pool = am_node.Pool(workers, workers, 0)
    async with am_node.Supervisor(getattr(pool_work, name), pool=pool) as sup:
        await sup.mach.when("PoolReady")
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        start = partial(
            trio.run_process,
            [
                sys.executable,
                "-c",
                CLIENT,
                sup.addr,
                name,
                str(tasks // clients),
                str(workers // clients),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        async with trio.open_nursery() as nursery:
            running = [await nursery.start(start) for _ in range(clients)]
            for client in running:
                await heard(client, b"ready\n")
            pids = [worker.pid for worker in await sup.workers() if worker.pid]
            runnable, began = was_runnable(pids), time.perf_counter()
            for client in running:
                await client.stdin.send_all(b"go\n")
            for client in running:
                await heard(client, b"done\n")
            seconds = time.perf_counter() - began
            runnable = was_runnable(pids) - runnable
    return tasks / seconds, 1 - runnable / seconds / len(pids)


def was_runnable(pids: list[int]) -> float:
    """Seconds that processes have run or waited for a processor; Linux only."""
    found = (Path(f"/proc/{pid}/schedstat").read_text().split()[:2] for pid in pids)
    return sum(int(run) + int(wait) for run, wait in found) / 1e9


async def heard(client: trio.Process, line: bytes) -> None:
    """Wait for a client to say `line`; one that failed must not look fast."""
    assert client.stdout is not None
    said = b""
    while not said.endswith(b"\n"):
        chunk = await client.stdout.receive_some(1)
        if not chunk:
            break
        said += chunk
    if said != line:
        raise RuntimeError(f"a client said {said!r} instead of {line!r}")


def bare_executor() -> float:
    """Seconds to start four spawned workers that import nothing."""
    with _executor(bare_work.arrive) as (_, start):
        return start


@contextmanager
def _executor(arrive: Callable[[Barrier], None]) -> Iterator[tuple[ProcessPoolExecutor, float]]:
    """An executor whose workers are all there, and the seconds that took."""
    began = time.perf_counter()
    spawn = multiprocessing.get_context("spawn")
    # The first worker would answer for all of them.
    all_there = spawn.Barrier(WORKERS + 1)
    with ProcessPoolExecutor(WORKERS, spawn, arrive, (all_there,)) as pool:
        first = pool.map(bare_work.noop, range(WORKERS))
        all_there.wait()
        start = time.perf_counter() - began
        list(first)
        yield pool, start


def executor() -> tuple[float, float, float]:
    """Seconds to start four spawned workers that import am_node; no-op and 50 ms tasks a second."""
    with _executor(pool_work.arrive) as (pool, start):
        began = time.perf_counter()
        list(pool.map(bare_work.noop, range(TASKS), chunksize=1))
        rate = TASKS / (time.perf_counter() - began)
        began = time.perf_counter()
        list(pool.map(pool_work.busy, range(160), chunksize=1))
        return start, rate, 160 / (time.perf_counter() - began)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="renew docs/speed.md")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{page.machine(load)}\n\n{page.table(HEAD, ())}", flush=True)
    measure()
    if options.write:
        page.renew(PAGE, "pool", f"{page.table(HEAD, rows)}\n\n{page.machine(load)}.")


def measure() -> None:
    """Measure all rows, one after the other."""
    ours, theirs = python("import am_node"), python("import trio, msgpack")
    row("import", f"{ours:.2f} s", f"trio and msgpack {theirs:.2f} s: {ours / theirs:.2f} x")
    start, rate, busy = executor()
    seconds, size = trio.run(start_and_memory)
    bare = bare_executor()
    row("4 workers ready", f"{seconds:.2f} s", f"executor {start:.2f} s: {seconds / start:.2f} x;"
        f" one that imports nothing {bare:.2f} s: {seconds / bare:.2f} x")  # fmt: skip
    row("idle worker", f"{size:.0f} MiB")
    p50, p99 = trio.run(latency)
    row("request, idle worker", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    for name, text in (("Noop", "no-op, one in flight"), ("Pipelined", "no-op, queue of 64")):
        mine, _ = trio.run(throughput, name, TASKS)
        row(text, f"{mine:,.0f} tasks/s", f"executor {rate:,.0f}: {mine / rate:.2f} x")
    mine, idle = trio.run(throughput, "Busy", 160)
    row("50 ms of processor", f"{mine:.1f} tasks/s, workers without work {100 * idle:.1f} %",
        f"executor {busy:.1f}: {mine / busy:.2f} x")  # fmt: skip
    for clients, workers in ((1, 1), (1, 2), (1, 4), (2, 4)):
        mine, _ = trio.run(throughput, "Pipelined", MANY, clients, workers)
        row(f"no-op, queue of 64, {clients} client(s), {workers} worker(s)", f"{mine:,.0f} tasks/s")


if __name__ == "__main__":
    main()
