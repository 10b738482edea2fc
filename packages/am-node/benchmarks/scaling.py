"""What one supervisor carries: ``python packages/am-node/benchmarks/scaling.py``.

Takes the processor time, memory and bytes of a supervisor's process with more and more workers and
clients, at rest and at work, and from that what each of them costs; prints both as tables, and what
follows for one core. `--write` renews docs/scaling.md. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

sys.path.insert(0, str(Path(__file__).parent))

import page
from figures import ran, rss
from scaling_parts import PAUSE, WORKERS_PER_CLIENT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"
PARTS = str(Path(__file__).with_name("scaling_parts.py"))
SETTLE = 3.0
"""Seconds after a start, until what that cost is over."""
RESTING = (50, 100, 200)
BUSY = (50, 100)
LINKED = (50, 100)
LEASING = 8
HALF = 0.5
"""Of one core: what a supervisor may use and still answer at once."""


class Part:
    """One of the processes."""

    def __init__(self, *args: object) -> None:
        command = [sys.executable, PARTS, *map(str, args)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        with stdin, stdout:
            pass
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self) -> dict[str, Any]:
        """What it has done so far."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"?")
        return self._answer()


@dataclass
class Row:
    """A supervisor during some seconds; shares of one core, bytes and things done a second."""

    what: str
    count: int
    core: float
    size: float
    sent: float
    done: float = 0.0

    def cells(self) -> Iterator[str]:
        """Return the cells of the table."""
        yield f"{self.count} {self.what}" if self.count else self.what
        yield f"{100 * self.core:.1f} %"
        yield f"{self.size:.0f}"
        yield f"{self.sent / 1000:.1f}"
        yield f"{self.done:,.0f}" if self.done else ""


class Bench:
    """Runs supervisors, one after the other."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.rows: list[Row] = []

    @contextlib.contextmanager
    def supervisor(self, workers: int) -> Iterator[tuple[Part, str]]:
        """A supervisor with so many workers, and its address."""
        with tempfile.TemporaryDirectory() as folder:
            addr = f"unix:{folder}/s"
            with Part("supervisor", addr, workers) as part:
                yield part, addr

    def look(self, what: str, count: int, supervisor: Part, crowd: Part | None = None) -> Row:
        """Measure for some seconds."""
        time.sleep(SETTLE)  # what a start costs is not what is measured
        pid = supervisor.process.pid
        sent, done = supervisor.ask()["bytes"], crowd.ask()["done"] if crowd else 0
        used, began = ran([pid]), time.monotonic()
        time.sleep(self._seconds)  # the length of a measurement
        used, took = ran([pid]) - used, time.monotonic() - began
        done = (crowd.ask()["done"] if crowd else 0) - done
        size, sent = rss(pid), supervisor.ask()["bytes"] - sent
        row = Row(what, count, used / took, size, max(0, sent) / took, done / took)
        self.rows.append(row)
        print("| " + " | ".join(row.cells()) + " |", flush=True)
        return row

    def crowd(self, kind: str, clients: int, workers: int, what: str, count: int) -> Row:
        """Measure a supervisor whose clients do something."""
        with self.supervisor(workers) as (part, addr), Part(kind, addr, clients) as crowd:
            return self.look(what, count, part, crowd)

    def rest(self, workers: int) -> Row:
        """Measure a supervisor whose workers have nothing to do."""
        with self.supervisor(workers) as (part, _):
            return self.look("workers at rest" if workers else "no workers", workers, part)


@dataclass
class Costs:
    """What each costs: milliseconds of processor a second, or each time; KiB."""

    worker: float
    worker_size: float
    task: float
    client: float
    client_size: float
    lease: float
    visit: float

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """Return what follows of them for one core."""
        lasting = (
            ("a worker at rest", self.worker, self.worker_size, "workers"),
            ("a client at rest", self.client, self.client_size, "clients"),
        )
        for what, cost, size, many in lasting:
            yield what, f"{cost:.2f} ms/s", f"{size:.0f} KiB", f"{_half(cost)} {many}"
        done = (
            ("a task, as far as its worker tells of it", self.task),
            ("a lease, taken and given back", self.lease),
            ("a client that comes, has one task done, and goes", self.visit),
        )
        for what, cost in done:
            yield what, f"{cost:.2f} ms", "", f"{_half(cost)} a second"


def _half(cost: float) -> str:
    """How many half a core carries, in two figures."""
    return f"{float(f'{1000 * HALF / cost:.1e}'):,.0f}"


def run(bench: Bench) -> Costs:
    """Measure all."""
    nobody = bench.rest(0)
    resting = [bench.rest(workers) for workers in RESTING]
    linked = [bench.crowd("rest", n, 0, "clients at rest, no workers", n) for n in LINKED]
    text = f"workers with tasks of {PAUSE:g} s"
    busy = [bench.crowd("work", n // WORKERS_PER_CLIENT, n, text, n) for n in BUSY]
    few = 2 * LEASING
    lease = bench.crowd("lease", LEASING, few, "clients that take a worker for each task", LEASING)
    visit = bench.crowd("come", LEASING, few, "clients that come and go for each task", LEASING)
    most, crowded, working = resting[-1], linked[-1], busy[-1]
    worker = 1000 * (most.core - nobody.core) / most.count
    return Costs(
        worker=worker,
        worker_size=1024 * (most.size - nobody.size) / most.count,
        task=(1000 * (working.core - nobody.core) - worker * working.count) / working.done,
        client=1000 * (crowded.core - nobody.core) / crowded.count,
        client_size=1024 * (crowded.size - nobody.size) / crowded.count,
        lease=1000 * lease.core / lease.done,
        visit=1000 * visit.core / visit.done,
    )


def report(rows: list[Row], costs: Costs, load: float, seconds: float) -> str:
    """Return both tables, and what they were taken on."""
    measured = page.table(
        ("supervisor with", "of one core", "MiB", "kB/s", "tasks/s"), map(Row.cells, rows)
    )
    each = page.table(("each", "processor", "memory", "half a core carries"), costs.rows())
    return f"{measured}\n\n{each}\n\nEach row is of {seconds:g} s; {page.machine(load)}."


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each row")
    parser.add_argument("--write", action="store_true", help="renew docs/scaling.md")
    options = parser.parse_args()
    load, bench = os.getloadavg()[0], Bench(options.seconds)
    costs = run(bench)
    text = report(bench.rows, costs, load, options.seconds)
    print(f"\n{text}")
    if options.write:
        page.renew(PAGE, "supervisor", text)


if __name__ == "__main__":
    main()
