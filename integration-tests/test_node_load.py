"""Draining under load, and payloads of every size, over real processes."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = [pytest.mark.process, pytest.mark.trio]

WORKERS = textwrap.dedent("""\
    import am_node, trio

    class Napper(am_node.Worker):
        async def work(self, x: int, pause: float = 0.0) -> int:
            await trio.sleep(pause)
            return x

    class Filler(am_node.Worker):
        async def work(self, size: int) -> bytes:
            return b"ab"[size % 2:size % 2 + 1] * size
    """)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "load_workers.py").write_text(WORKERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


async def test_a_signal_under_load_loses_no_acknowledged_work(folder: Path) -> None:
    command = [sys.executable, "-m", "am_node", "supervisor", "load_workers:Napper",
               "--workers", "2", "--addr", "127.0.0.1:0"]  # fmt: skip
    start = partial(
        trio.run_process,
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            process = await nursery.start(start)
            addr = (await process.stdout.receive_some(1000)).decode().split()[-1]
            async with am_node.Client("c", supers=[addr]) as client:
                await client.work(x=0)
                answers: list[int] = []

                async def call() -> None:
                    answers.append(await client.work(x=1, pause=2.0))

                async with trio.open_nursery() as calls:
                    calls.start_soon(call)
                    await trio.sleep(0.5)
                    process.send_signal(signal.SIGTERM)
                    signalled = time.monotonic()
                assert answers == [1]
            assert await process.wait() == 0
            assert time.monotonic() - signalled <= 36


@pytest.mark.slow
async def test_results_from_a_byte_to_many_mebibytes_arrive_intact(folder: Path) -> None:
    pool = am_node.Pool(1, 1, 0)
    with trio.fail_after(60):
        async with (
            am_node.Supervisor("load_workers:Filler", pool=pool) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            for size in (0, 1, 65_535, 262_145, 2_000_001, 63 * 2**20):
                data = await client.work(size=size)
                assert len(data) == size
                assert data == b"ab"[size % 2 : size % 2 + 1] * size
            with pytest.raises(am_node.WorkError):
                await client.work(size=65 * 2**20)
