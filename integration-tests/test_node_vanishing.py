"""Clients that end, or fall silent, without a goodbye: somebody else gets their worker."""

import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = [pytest.mark.process, pytest.mark.trio]

FREED_WITHIN = 11.0
WORKERS = textwrap.dedent("""\
    import am_node, trio

    class Napper(am_node.Worker):
        async def work(self, pause: float = 0.0) -> str:
            await trio.sleep(pause)
            return "napped"
    """)
CLIENT = textwrap.dedent("""\
    import sys, trio
    import am_node

    async def main():
        async with am_node.Client("vanishing", supers=[sys.argv[1]]) as client:
            await client.work(pause=float(sys.argv[2]), timeout=1000.0)

    trio.run(main)
    """)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "nappers.py").write_text(WORKERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


@asynccontextmanager
async def _client_at_work(sup: am_node.Supervisor, pause: float) -> AsyncIterator[trio.Process]:
    """A process with a client that has the one worker, and has it working."""
    command = [sys.executable, "-c", CLIENT, sup.addr, str(pause)]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(partial(trio.run_process, command, check=False))
        try:
            while not await sup.workers(  # noqa: ASYNC110 - the pool has no state for this
                lambda w: w.work_status == "Working"
            ):
                await trio.sleep(0.05)
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_worker_of_a_client_that_vanishes_is_free_within_eleven_seconds(
    folder: Path, end: signal.Signals
) -> None:
    pool = am_node.Pool(1, 1, 0)
    with trio.fail_after(40):
        async with am_node.Supervisor("nappers:Napper", pool=pool) as sup:
            await sup.mach.when("PoolReady")
            (worker,) = await sup.workers()
            async with (
                _client_at_work(sup, 1000.0) as process,
                am_node.Client("next", supers=[sup.addr]) as following,
            ):
                os.kill(process.pid, end)
                began = time.monotonic()
                await sup.mach.when("WorkersAvailable")
                assert time.monotonic() - began <= FREED_WITHIN
                # The same process: a lost client is no fault of its worker.
                assert await following.request_worker() == worker.id
                assert await following.work() == "napped"
            assert sup.restarts == 0


@pytest.mark.slow
async def test_a_client_that_was_stopped_for_long_goes_on_with_another_lease(folder: Path) -> None:
    pool = am_node.Pool(1, 1, 0)
    with trio.fail_after(60):
        async with am_node.Supervisor("nappers:Napper", pool=pool) as sup:
            await sup.mach.when("PoolReady")
            async with _client_at_work(sup, 2.0) as process:
                os.kill(process.pid, signal.SIGSTOP)
                await sup.mach.when("WorkersAvailable")
                os.kill(process.pid, signal.SIGCONT)
                assert await process.wait() == 0
