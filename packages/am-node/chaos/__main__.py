"""Kill and stop workers at random under load, and prove that nothing was lost.

``python packages/am-node/chaos --seconds 60 --seeds 3``. With ``--unruly`` workers besides exit,
crash, hang, flood their output, and end after some tasks, by themselves. Prints what was killed,
what was retried, and whether the results are the expected set. Exit code 0 only if every request
had its right answer exactly once and in time, the pool came back, and no process and no socket was
left.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import trio

import am_node

sys.path.insert(0, str(Path(__file__).parent))

from chaos_worker import EACH_MET, LOG, PIDS, misdeed_of, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CLIENTS = 3
WORKERS_PER_CLIENT = 2
KILL_EVERY = 0.5
STOP_EVERY = 10.0
TIMEOUT = 60.0
RECOVERY = 15.0
_REAPED = 10.0
_LOOK = 0.1


@dataclass
class Victim:
    """A worker that was sent a signal, and what it did at that moment."""

    at: float
    signal: signal.Signals
    worker: str
    pid: int
    status: str

    def __str__(self) -> str:
        doing = self.status or "not asked for anything yet"
        return f"{self.at:6.2f} s  {self.signal.name}  {self.worker}  pid {self.pid}  {doing}"


@dataclass
class Report:
    """What happened in one run."""

    victims: list[Victim] = field(default_factory=list)
    asked: int = 0
    answers: dict[int, int] = field(default_factory=dict)
    runs: Counter[int] = field(default_factory=Counter)
    twice: int = 0
    errors: list[str] = field(default_factory=list)
    slowest: float = 0.0
    recovery: float = 0.0
    left: list[str] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    is_unruly: bool = False

    @property
    def misdeeds(self) -> Counter[str]:
        """What workers did of themselves, by kind, and how often."""
        done = map(misdeed_of, self.runs) if self.is_unruly else ()
        return Counter(what for what in done if what)

    @property
    def retried(self) -> dict[int, int]:
        """The requests that were begun more than once, and how often."""
        return {number: runs for number, runs in self.runs.items() if runs > 1}

    @property
    def complete(self) -> bool:
        """Whether the set of results is the expected one."""
        expected = {number: result_of(number) for number in range(1, self.asked + 1)}
        return self.asked > 0 and self.answers == expected

    @property
    def ok(self) -> bool:
        """Whether every promise held."""
        clean = not (self.twice or self.errors or self.left)
        in_time = self.slowest <= TIMEOUT + 1 and self.recovery <= RECOVERY
        return self.complete and clean and in_time

    def count(self, number: signal.Signals) -> int:
        """How many workers were sent this signal."""
        return sum(victim.signal is number for victim in self.victims)

    def lines(self) -> Iterator[str]:
        """The whole report as text."""
        yield from map(str, self.victims)
        killed, stopped = self.count(signal.SIGKILL), self.count(signal.SIGSTOP)
        most = max(self.runs.values(), default=0)
        yield f"{killed} workers killed, {stopped} stopped"
        for what, count in sorted(self.misdeeds.items()):
            yield f"misdeed: a worker {what} ({count} times)"
        yield f"{len(self.retried)} requests retried, one of them begun {most} times"
        yield (
            f"{self.asked} requests, {len(self.answers)} answered, {self.twice} twice, "
            f"{len(self.errors)} failed, slowest {self.slowest:.1f} s"
        )
        yield f"pool back at its minimum after {self.recovery:.1f} s"
        yield f"left behind: {', '.join(self.left) or 'nothing'}"
        yield from self.errors[:10]
        equal = "equals" if self.complete else "DIFFERS FROM"
        yield f"the set of results {equal} the expected one"
        yield "every promise held" if self.ok else "PROMISE BROKEN"


async def chaos(
    seed: int,
    seconds: float,
    entry: str,
    launcher: am_node.Launcher | None = None,
    folder: str | None = None,
    spare: int = 0,
) -> Report:
    """One run: load, killer, recovery.

    Workers of a `launcher` of one's own need `LOG` and `PIDS` in their environment, two files in
    `folder`. So many as `spare` are left alone at any time: where starting a worker takes seconds,
    none would otherwise live to do anything, and that nothing is done then proves nothing.
    """
    report, rng = Report(is_unruly=entry.endswith(":Unruly")), random.Random(seed)
    pool = am_node.Pool(min=2, max=10, warm=6)
    with tempfile.TemporaryDirectory(dir=folder) as own, _notes(folder or own) as log:
        async with am_node.Supervisor(entry, pool=pool, launcher=launcher) as sup:
            await sup.mach.when("PoolReady")
            sockets = Path(sup.local_addr.removeprefix("unix:")).parent
            await _load_and_kill(sup, rng, report, seconds, spare)
            began = trio.current_time()
            with trio.move_on_after(2 * RECOVERY):
                await sup.mach.when("PoolReady")
            report.recovery = trio.current_time() - began
            report.pids.update(_pids(await sup.workers()).values())
        report.runs.update(map(int, log.read().split()))
    if launcher is not None:
        # Whoever started them there waits for them in its own time.
        with trio.move_on_after(_REAPED):
            while any(map(_exists, report.pids)):  # noqa: ASYNC110 - nobody announces it
                await trio.sleep(_LOOK)
    # Nothing but the kernel is asked: zombies exist, too, until somebody waits for them.
    report.left += [f"process {pid}" for pid in sorted(report.pids) if _exists(pid)]
    report.left += [str(sockets)] if sockets.exists() else []
    return report


@contextlib.contextmanager
def _notes(folder: str) -> Iterator[BinaryIO]:
    """Name the files in which workers tell what they do; yields the one of begun requests."""
    for variable in (LOG, PIDS):
        os.environ[variable] = os.path.join(folder, variable)
        Path(os.environ[variable]).write_bytes(b"")
    with open(os.environ[LOG], "rb") as log:
        yield log


def _pids(workers: Iterable[am_node.WorkerInfo]) -> dict[str, int]:
    """The processes of workers that have told."""
    told = Path(os.environ[PIDS]).read_text().splitlines()
    known = dict(line.rsplit(" ", 1) for line in told)
    return {w.id: int(known[w.id]) for w in workers if w.id in known}


async def _load_and_kill(
    sup: am_node.Supervisor, rng: random.Random, report: Report, seconds: float, spare: int
) -> None:
    until = trio.current_time() + seconds
    numbers = _numbers(report, until)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_violence, sup, rng, report, until, spare)
        for number in range(CLIENTS):
            nursery.start_soon(_load, f"client{number}", sup.addr, numbers, report)


def _numbers(report: Report, until: float) -> Iterator[dict[str, int]]:
    # However few requests a busy machine gets done in that time.
    least = EACH_MET if report.is_unruly else 1
    while trio.current_time() < until or report.asked < least:
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


async def _violence(
    sup: am_node.Supervisor, rng: random.Random, report: Report, until: float, spare: int
) -> None:
    began = trio.current_time()
    harmed: set[int] = set()
    next_stop = began + STOP_EVERY / 2
    while trio.current_time() < until:
        await trio.sleep(KILL_EVERY)
        # One that was stopped or killed is the pool's to find.
        workers = {w.id: w for w in await sup.workers() if "Linked" in w.states}
        pids = _pids(workers.values())
        alive = [name for name, pid in pids.items() if pid not in harmed]
        report.pids.update(pids.values())
        if len(alive) <= spare:
            continue
        victim = workers[rng.choice(alive)]
        pid = pids[victim.id]
        now = trio.current_time()
        number = signal.SIGSTOP if now >= next_stop else signal.SIGKILL
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        if number is signal.SIGSTOP:
            next_stop += STOP_EVERY
        harmed.add(pid)
        report.victims.append(Victim(now - began, number, victim.id, pid, victim.work_status))


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
    parser.add_argument("--unruly", action="store_true", help="workers misbehave themselves")
    options = parser.parse_args()
    entry = f"chaos_worker:{'Unruly' if options.unruly else 'Hasher'}"
    # Each death is a warning; the report tells of them.
    logging.getLogger("am_node").setLevel(logging.ERROR)
    failed = 0
    for seed in range(options.seeds):
        began = time.monotonic()
        report = trio.run(chaos, seed, options.seconds, entry)
        for line in report.lines():
            print(f"seed {seed}: {line}")
        print(f"seed {seed}: took {time.monotonic() - began:.0f} s", flush=True)
        failed += not report.ok
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
