"""How many processes a pool has, counted by the operating system, whatever happens to them."""

import os
import random
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = [
    pytest.mark.process,
    pytest.mark.trio,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

EVERY = 0.003  # seconds between two counts
CONVERGES = 5.0
WORKERS = textwrap.dedent("""\
    import os, sys
    import am_node

    if os.path.exists({flag!r}):
        sys.exit(3)

    class Echo(am_node.Worker):
        async def work(self, x: int) -> int:
            return x
    """)


class Count:
    """The children of this process, counted every few milliseconds by a thread."""

    def __init__(self) -> None:
        self.before = self.now()
        self.highest = 0
        self.counts = 0
        self.bound = 0
        self.excess: list[tuple[int, int]] = []
        self._stopped = threading.Event()

    @staticmethod
    def now() -> int:
        """Children that exist now, those that ended and were not waited for included."""
        while True:
            try:
                return sum(map(Count._of_thread, os.listdir("/proc/self/task")))
            except (FileNotFoundError, ProcessLookupError):
                continue  # a thread ended meanwhile, and its children are another one's now

    @staticmethod
    def _of_thread(thread: str) -> int:
        with open(f"/proc/self/task/{thread}/children", "rb", buffering=0) as children:
            return len(children.read().split())

    def run(self) -> None:
        """Count until stopped."""
        while not self._stopped.wait(EVERY):
            bound = self.bound
            try:
                count = self.now() - self.before
            except OSError:  # a thread ended meanwhile
                continue
            self.counts += 1
            self.highest = max(self.highest, count)
            if count > max(bound, self.bound):
                self.excess.append((count, bound))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count in a thread."""
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()


@pytest.fixture
def flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file exists, new workers die at once."""
    flag = tmp_path / "broken"
    (tmp_path / "echoes.py").write_text(WORKERS.format(flag=str(flag)))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return flag


def _is_ready(worker: am_node.WorkerInfo) -> bool:
    return "Ready" in worker.states


async def _has(sup: am_node.Supervisor, least: int) -> None:
    while len(await sup.workers(_is_ready)) < least:  # noqa: ASYNC110 - the pool has no such state
        await trio.sleep(0.02)


async def _kill_at_random(sup: am_node.Supervisor, rng: random.Random, times: int) -> None:
    """Kill workers that are up: the death of others would delay the next fork."""
    for _ in range(times):
        await trio.sleep(rng.uniform(0.0, 0.2))
        await _has(sup, 1)
        victim = rng.choice(await sup.workers(_is_ready))
        assert victim.pid is not None
        with suppress(ProcessLookupError):  # it ended by itself just now
            os.kill(victim.pid, signal.SIGKILL)


@pytest.mark.slow
async def test_a_pool_never_has_more_processes_than_its_maximum(flag: Path) -> None:
    rng, count = random.Random(1), Count()
    timing = am_node.Timing(crash_delay=0.02)
    pool = am_node.Pool(2, 4, 1)
    with trio.fail_after(60), count.running():
        count.bound = 4
        async with am_node.Supervisor("echoes:Echo", pool=pool, timing=timing) as sup:
            await sup.mach.when("PoolReady")
            await _kill_at_random(sup, rng, 5)
            for low, warm in ((4, 4), (1, 0), (3, 9), (0, 1), (4, 0)):
                sup.set_pool(am_node.Pool(low, 4, warm))
                await _kill_at_random(sup, rng, 1)
            await _has(sup, 4)
            await trio.Path(flag).touch()
            await _kill_at_random(sup, rng, 2)
            await sup.mach.when("CrashLoop")
            await sup.mach.when_ticks("ErrWorker", 6)
            await trio.Path(flag).unlink()
            await _has(sup, 4)
    assert count.excess == []
    assert count.highest == 4
    assert count.counts > 100


@pytest.mark.slow
async def test_a_live_pool_that_is_raised_or_lowered_has_its_size_within_five_seconds(
    flag: Path,
) -> None:
    count = Count()
    with trio.fail_after(60), count.running():
        count.bound = 2
        async with am_node.Supervisor("echoes:Echo", pool=am_node.Pool(2, 2, 0)) as sup:
            await sup.mach.when("PoolReady")
            for (low, high, warm), workers in (
                ((2, 4, 1), 3), ((4, 4, 0), 4), ((1, 3, 1), 2), ((1, 1, 5), 1), ((2, 3, 0), 2),
            ):  # fmt: skip
                # While a maximum is being lowered, those beyond it are on their way out.
                count.bound = max(high, count.bound)
                sup.set_pool(am_node.Pool(low, high, warm))
                began = time.monotonic()
                while len(await sup.workers(_is_ready)) != workers:  # noqa: ASYNC110 - as above
                    await trio.sleep(0.02)
                assert time.monotonic() - began <= CONVERGES
                with trio.fail_after(CONVERGES):
                    while count.now() - count.before > workers:  # noqa: ASYNC110 - being reaped
                        await trio.sleep(0.02)
                count.bound = high
    assert count.excess == []
    assert count.highest == 4
