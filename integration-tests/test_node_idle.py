"""A pool with nothing to do keeps its workers, however long that lasts.

The kernel ends a worker when the thread that forked it ends, and a pool thread ends after ten idle
seconds: a supervisor that forked in one would lose healthy workers for no visible reason.
"""

import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = [
    pytest.mark.process,
    pytest.mark.trio,
    pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's"),
]

NIGHT = float(os.environ.get("AM_NODE_IDLE", "1200"))
# Seconds after which an idle pool thread ends, instead of trio's ten. A child that asks for the
# signal only after that walks past the trap, hence not less, and longer ones for a busy machine.
THREADS_IDLE = (1.5, 5.0, 12.0)
SECONDS = 4.0
WORKERS = textwrap.dedent("""\
    import am_node

    class Idler(am_node.Worker):
        async def work(self) -> int:
            return 1
    """)
ARMED = textwrap.dedent("""\
    import os
    from am_node._worker.lifeline import die_with_parent
    die_with_parent(os.getppid())
    os.write(1, b"armed")
    os.read(0, 1)
    """)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "idlers.py").write_text(WORKERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


@pytest.fixture
def threads_idle(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the seconds after which an idle thread of trio's pool ends."""
    return partial(monkeypatch.setattr, "trio._core._thread_cache.IDLE_TIMEOUT")


async def _idle(seconds: float) -> None:
    """Open a pool, leave it alone, and find the same workers afterwards."""
    pool = am_node.Pool(2, 5, 2)
    async with am_node.Supervisor("idlers:Idler", pool=pool) as sup:
        with trio.fail_after(30):
            await sup.mach.when("PoolReady", "PoolWarm")
        before = {w.pid for w in await sup.workers()}
        # Each thread of trio's pool has ended, and another one, long before the time is over.
        await trio.to_thread.run_sync(os.getpid)
        await trio.sleep(seconds)
        await trio.to_thread.run_sync(os.getpid)
        infos = await sup.workers()
        assert {w.pid for w in infos} == before
        assert [w.errors for w in infos] == [0] * 4
        assert (sup.forks, sup.restarts) == (4, 0)
        assert sup.mach.is_("Ready", "PoolReady", "PoolWarm", "WorkersAvailable")
        async with am_node.Client("c", supers=[sup.addr]) as client:
            with trio.fail_after(10):
                assert await client.work() == 1


async def _dies_with_its_thread(seconds: float) -> bool:
    command = [sys.executable, "-c", ARMED]
    process = await trio.lowlevel.open_process(command, stdin=-1, stdout=-1)
    assert process.stdin is not None
    assert process.stdout is not None
    async with process.stdin, process.stdout:
        assert await process.stdout.receive_some(10) == b"armed"
        with trio.move_on_after(seconds + 1):
            return await process.wait() == -signal.SIGKILL
        process.kill()
        await process.wait()
    return False


async def test_a_process_forked_in_a_pool_thread_dies_with_that_thread(
    threads_idle: Callable[[float], None],
) -> None:
    """The trap itself, so that the tests below are known to walk over it."""
    for seconds in THREADS_IDLE:
        threads_idle(seconds)
        if await _dies_with_its_thread(seconds):
            return
    pytest.fail("no child died with the thread that forked it")


async def test_idle_seconds_kill_no_worker_though_pool_threads_end(
    folder: Path, threads_idle: Callable[[float], None]
) -> None:
    threads_idle(THREADS_IDLE[0])
    await _idle(SECONDS)


@pytest.mark.nightly
async def test_idle_minutes_kill_no_worker(folder: Path) -> None:
    await _idle(NIGHT)
