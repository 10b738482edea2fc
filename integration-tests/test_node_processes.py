"""Real worker processes: how they come up, how they fail, and that none outlives its supervisor."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = [pytest.mark.process, pytest.mark.trio]

WORKERS = textwrap.dedent("""\
    import ctypes, os, sys, threading, time
    import am_node

    class Good(am_node.Worker):
        def work(self, x: int, pause: float = 0.0) -> list:
            time.sleep(pause)
            return [x, os.getpid()]

    class Stuck(Good):
        work_timeout = 0.3

    class Eager(Good):
        background = False

    class Blocking(am_node.Worker):
        async def work(self, how: str) -> None:
            if how == "loop":
                while True:
                    pass
            ctypes.PyDLL(None).sleep(1000)
    """)
# Each way to fail before the worker reports, with a piece of the reason that must be told.
FAILURES = {
    "raises": ("raise RuntimeError('no luck at import')", "no luck at import"),
    "hangs": ("import time; time.sleep(1000)", "no report within"),
    "exits": ("import sys; sys.exit(9)", "exit code 9"),
    "is killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "is no worker": ("class W: pass", "not a subclass of am_node.Worker"),
    "allocates": ("x = bytearray(10**10)", "MemoryError"),
}
QUICK = am_node.Timing(conn_timeout=6.0, kill_timeout=2.0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "pool_workers.py").write_text(WORKERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def _supervisor(name: str, workers: int = 2) -> am_node.Supervisor:
    pool = am_node.Pool(workers, workers, 0)
    return am_node.Supervisor(f"pool_workers:{name}", pool=pool, timing=QUICK)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("way", FAILURES)
async def test_a_worker_that_cannot_come_up_is_an_error_with_its_reason(
    folder: Path, way: str
) -> None:
    code, reason = FAILURES[way]
    (folder / "bad_worker.py").write_text(code + "\n")
    reasons: list[str] = []

    class Watching(am_node.Supervisor):
        def ErrWorkerState(self, e: object) -> None:
            reasons.append(str(self.mach.err))

    limits = am_node.Rlimits(memory=2 * 1024**3)
    pool = am_node.Pool(1, 1, 0)
    timing = am_node.Timing(conn_timeout=3.0, kill_timeout=1.0)
    with trio.fail_after(30):
        async with Watching("bad_worker:W", pool=pool, rlimits=limits, timing=timing) as sup:
            await sup.mach.when_ticks("ErrWorker", 1)
    assert reason in reasons[0], reasons


async def test_a_missing_command_is_an_error_with_its_reason(folder: Path) -> None:
    reasons: list[str] = []

    class Watching(am_node.Supervisor):
        def ErrWorkerState(self, e: object) -> None:
            reasons.append(str(self.mach.err))

    launcher = am_node.LocalLauncher(["/no/such/command"])
    with trio.fail_after(30):
        async with Watching("pool_workers:Good", launcher=launcher) as sup:
            await sup.mach.when_ticks("ErrWorker", 1)
    assert "cannot be started" in reasons[0]


async def test_a_killed_worker_is_replaced_and_its_work_moves(folder: Path) -> None:
    with trio.fail_after(30):
        async with (
            _supervisor("Good") as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            answers: list[list[int]] = []

            async def call() -> None:
                answers.append(await client.work(x=7, pause=1.0))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                await sup.mach.when("PoolReady")
                while not (  # noqa: ASYNC110 - the pool has no state for this
                    busy := await sup.workers(lambda w: w.work_status == "Working")
                ):
                    await trio.sleep(0.02)
                assert busy[0].pid is not None
                os.kill(busy[0].pid, signal.SIGKILL)
            assert answers[0][0] == 7
            assert answers[0][1] != busy[0].pid
            await sup.mach.when("PoolReady")
            assert len(await sup.workers()) == 2


async def test_a_stopped_worker_is_replaced_within_ten_seconds(folder: Path) -> None:
    with trio.fail_after(40):
        async with _supervisor("Good", 1) as sup:
            await sup.mach.when("PoolReady")
            (info,) = await sup.workers()
            assert info.pid is not None
            gone = sup.mach.when_not("PoolReady")
            os.kill(info.pid, signal.SIGSTOP)
            stopped = time.monotonic()
            assert await gone
            assert time.monotonic() - stopped <= 9.5
            while _alive(info.pid):  # noqa: ASYNC110 - the system tells nobody
                await trio.sleep(0.01)
            assert time.monotonic() - stopped <= 10
            await sup.mach.when("PoolReady")


async def test_synchronous_work_that_cannot_be_cancelled_costs_its_process(folder: Path) -> None:
    with trio.fail_after(40):
        async with (
            _supervisor("Stuck", 1) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            await client.request_worker()
            (info,) = await sup.workers()
            with pytest.raises(am_node.WorkError, match="WorkTimeout"):
                await client.work(x=1, pause=100.0)
            await sup.mach.when_ticks("WorkerKilled", 1)
            assert info.pid is not None
            assert not _alive(info.pid)


async def test_leaving_a_supervisor_kills_its_workers_within_six_seconds(folder: Path) -> None:
    with trio.fail_after(30):
        async with _supervisor("Good", 2) as sup:
            await sup.mach.when("PoolReady")
            pids = [w.pid for w in await sup.workers()]
            left = time.monotonic()
    assert time.monotonic() - left <= 6
    assert not any(_alive(pid) for pid in pids if pid)


_SUPERVISOR = """
import sys, trio, am_node
async def main():
    pool = am_node.Pool(1, 1, 0)
    async with am_node.Supervisor("pool_workers:Blocking", pool=pool) as sup:
        await sup.mach.when("PoolReady")
        (info,) = await sup.workers()
        async with am_node.Client("c", supers=[sup.addr]) as client:
            await client.request_worker()
            if sys.argv[1] != "idle":
                with trio.move_on_after(1):
                    await client.work(how=sys.argv[1])
            print(info.pid, flush=True)
            await trio.sleep(100)
trio.run(main)
"""


@pytest.mark.parametrize("how", ["idle", "loop", "C code"])
async def test_workers_of_a_killed_supervisor_are_gone_within_a_second(
    folder: Path, how: str
) -> None:
    supervisor = subprocess.Popen(  # noqa: ASYNC220 - it is the subject
        [sys.executable, "-c", _SUPERVISOR, how],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert supervisor.stdout is not None
    try:
        pid = int(supervisor.stdout.readline())
        assert _alive(pid)
    finally:
        supervisor.kill()
        supervisor.wait()
        supervisor.stdout.close()
    limit = time.monotonic() + (1.0 if sys.platform == "linux" else 6.0)
    while _alive(pid):
        assert time.monotonic() < limit
        await trio.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")
@pytest.mark.parametrize(("name", "policy"), [("Good", "SCHED_BATCH"), ("Eager", "SCHED_OTHER")])
async def test_a_worker_interrupts_others_only_if_its_class_says_so(
    folder: Path, name: str, policy: str
) -> None:
    async with _supervisor(name, 1) as sup:
        await sup.mach.when("PoolReady")
        async with am_node.Client("c", supers=[sup.addr]) as client:
            _, pid = await client.work(x=1)
        assert os.sched_getscheduler(pid) == getattr(os, policy)


async def test_a_client_on_the_same_host_takes_the_short_way_and_can_do_without(
    folder: Path,
) -> None:
    # By TCP unless there is a shorter way: where no address is given, there is none but that.
    tcp = am_node.Supervisor(
        "pool_workers:Good", addr="127.0.0.1:0", pool=am_node.Pool(1, 1, 0), timing=QUICK
    )
    async with tcp as sup:
        await sup.mach.when("PoolReady")
        (slot,) = sup._shared
        near = slot.near_addr.removeprefix("unix:")
        for way in ("unix", "tcp"):
            async with am_node.Client("c", supers=[sup.addr]) as client:
                assert (await client.work(x=1))[0] == 1
                assert _way(os.getpid(), near) == way
            await slot.mach.when("Available")
            if way == "unix":
                os.unlink(near)


def _way(pid: int, near: str) -> str:
    """Whether anybody has accepted a connection at a unix socket of this path."""
    rows = [row.split() for row in Path(f"/proc/{pid}/net/unix").read_text().splitlines()]
    # One that listens has the flag 00010000; those that it accepted bear its path, too.
    return "unix" if any(row[-1] == near and row[3] == "00000000" for row in rows) else "tcp"
