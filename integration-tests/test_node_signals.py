"""What signals do to a supervisor and to its workers."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = [pytest.mark.process, pytest.mark.trio]

KILLED_WITHIN = 6.0
WORKERS = textwrap.dedent("""\
    import os
    import am_node, trio

    class Napper(am_node.Worker):
        async def work(self, pause: float = 0.0) -> int:
            await trio.sleep(pause)
            return os.getpid()
    """)


@asynccontextmanager
async def _supervisor(folder: Path) -> AsyncIterator[tuple[trio.Process, str]]:
    (folder / "nappers.py").write_text(WORKERS)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    command = [sys.executable, "-m", "am_node", "supervisor", "nappers:Napper",
               "--workers", "2", "--addr", "127.0.0.1:0"]  # fmt: skip
    start = partial(
        trio.run_process,
        command,
        cwd=folder,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(start)
            assert process.stdout is not None
            addr = (await process.stdout.receive_some(1000)).decode().split()[-1]
            yield process, addr
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_drains(tmp_path: Path, number: signal.Signals) -> None:
    async with (
        _supervisor(tmp_path) as (process, addr),
        am_node.Client("c", supers=[addr]) as client,
    ):
        assert await client.work() > 0
        process.send_signal(number)
        assert await process.wait() == 0


async def test_a_second_signal_waits_for_no_work(tmp_path: Path) -> None:
    async with (
        _supervisor(tmp_path) as (process, addr),
        am_node.Client("c", supers=[addr]) as client,
        trio.open_nursery() as nursery,
    ):
        assert await client.work() > 0

        async def call() -> None:
            await client.work(pause=1000.0, timeout=1000.0)

        nursery.start_soon(call)
        await trio.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(1.0):
            await process.wait()
            pytest.fail("running work was not waited for")
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert await process.wait() == 130
        assert time.monotonic() - began <= KILLED_WITHIN
        nursery.cancel_scope.cancel()


async def test_a_worker_ignores_the_interrupt_of_the_terminal_and_drains_on_sigterm(
    tmp_path: Path,
) -> None:
    async with (
        _supervisor(tmp_path) as (process, addr),
        am_node.Client("c", supers=[addr]) as client,
    ):
        worker: int = await client.work()
        answers: list[int] = []

        async def call() -> None:
            answers.append(await client.work(pause=1.0, attempts=1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.sleep(0.3)
            os.kill(worker, signal.SIGINT)
            os.kill(worker, signal.SIGTERM)
        assert answers == [worker]
        # It ended after that request, and the next one goes elsewhere.
        assert await client.work() != worker
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
