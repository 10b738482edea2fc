"""Kill and stop workers at random under load, and prove that nothing was lost.

``python packages/am-node/chaos --seconds 60 --seeds 3``. Exit code 0 only if every request had its
right answer exactly once and in time, the pool came back, and no process was left.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

import am_node

sys.path.insert(0, str(Path(__file__).parent))

from chaos_worker import result_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 3
WORKERS_PER_CLIENT = 2
KILL_EVERY = 0.5
STOP_EVERY = 10.0
TIMEOUT = 60.0
RECOVERY = 15.0


@dataclass
class Report:
    """What happened in one run."""

    killed: int = 0
    stopped: int = 0
    asked: int = 0
    answers: dict[int, int] = field(default_factory=dict)
    twice: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)
    slowest: float = 0.0
    recovery: float = 0.0
    left: list[int] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)

    @property
    def ok(self) -> bool:
        """Whether every promise held."""
        complete = len(self.answers) == self.asked and self.asked > 0
        clean = not (self.twice or self.wrong or self.errors or self.left)
        return complete and clean and self.slowest <= TIMEOUT + 1 and self.recovery <= RECOVERY


async def chaos(seed: int, seconds: float) -> Report:
    """One run: load, killer, recovery."""
    report, rng = Report(), random.Random(seed)
    pool = am_node.Pool(min=2, max=10, warm=6)
    async with am_node.Supervisor("chaos_worker:Hasher", pool=pool) as sup:
        await sup.mach.when("PoolReady")
        until = trio.current_time() + seconds
        numbers = _numbers(report, until)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_violence, sup, rng, report, until)
            for number in range(CLIENTS):
                nursery.start_soon(_load, f"client{number}", sup.addr, numbers, report)
        began = trio.current_time()
        with trio.move_on_after(2 * RECOVERY):
            await sup.mach.when("PoolReady")
        report.recovery = trio.current_time() - began
        report.pids.update([w.pid for w in await sup.workers() if w.pid])
    report.left = [pid for pid in report.pids if _exists(pid)]
    return report


def _numbers(report: Report, until: float) -> Iterator[dict[str, int]]:
    while trio.current_time() < until:
        report.asked += 1
        yield {"number": report.asked}


async def _load(name: str, addr: str, numbers: Iterator[Any], report: Report) -> None:
    async with am_node.Client(name, supers=[addr]) as client:
        started: dict[int, float] = {}

        def inputs() -> Iterator[dict[str, int]]:
            for args in numbers:
                started[args["number"]] = trio.current_time()
                yield args

        # A worker is killed every half second: a request may well meet several of them.
        results = client.map(
            inputs(), workers=WORKERS_PER_CLIENT, timeout=TIMEOUT, attempts=50, return_errors=True
        )
        async for args, result in results:
            number = args["number"]
            report.slowest = max(report.slowest, trio.current_time() - started.pop(number))
            if isinstance(result, BaseException):
                report.errors.append(f"{number}: {result!r}")
                continue
            report.twice += number in report.answers
            report.answers[number] = result
            report.wrong += result != result_of(number)


async def _violence(
    sup: am_node.Supervisor, rng: random.Random, report: Report, until: float
) -> None:
    next_stop = trio.current_time() + STOP_EVERY / 2
    while trio.current_time() < until:
        await trio.sleep(KILL_EVERY)
        alive = [w for w in await sup.workers() if w.pid and "Linked" in w.states]
        report.pids.update(w.pid for w in alive if w.pid)
        if not alive:
            continue
        victim = rng.choice(alive)
        assert victim.pid is not None
        stop = trio.current_time() >= next_stop
        try:
            os.kill(victim.pid, signal.SIGSTOP if stop else signal.SIGKILL)
        except ProcessLookupError:
            continue
        if stop:
            next_stop += STOP_EVERY
            report.stopped += 1
        else:
            report.killed += 1


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> int:
    """Run all seeds and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    failed = 0
    for seed in range(options.seeds):
        began = time.monotonic()
        report = trio.run(chaos, seed, options.seconds)
        print(
            f"seed {seed}: {report.killed} workers killed, {report.stopped} stopped; "
            f"{report.asked} requests, {len(report.answers)} answered, {report.twice} twice, "
            f"{report.wrong} wrong, {len(report.errors)} failed, slowest {report.slowest:.1f} s; "
            f"pool back after {report.recovery:.1f} s; {len(report.left)} processes left; "
            f"{time.monotonic() - began:.0f} s"
        )
        for error in report.errors[:10]:
            print("   ", error)
        verdict = "the results are the expected ones" if report.ok else "PROMISE BROKEN"
        print(f"seed {seed}: {verdict}", flush=True)
        failed += not report.ok
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
