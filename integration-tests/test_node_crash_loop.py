"""A class whose processes die at once: what that costs, and how it ends."""

import os
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest
import trio

import am_node
import am_rpc

pytestmark = [
    pytest.mark.process,
    pytest.mark.trio,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

REPAIRED_WITHIN = 35.0
CPU_SHARE = 0.05
WORKERS = textwrap.dedent("""\
    import os, sys
    import am_node

    with open("forks", "a") as file:
        file.write("x")
    if os.path.exists("broken"):
        sys.exit(3)

    class Fragile(am_node.Worker):
        def work(self) -> int:
            return 1
    """)


def _cpu_seconds(pid: int) -> float:
    """Processor time of one process, without its children's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _crash_for(folder: Path, seconds: float, pool: am_node.Pool) -> None:
    (folder / "fragile.py").write_text(WORKERS)
    (folder / "broken").touch()
    command = [sys.executable, "-m", "am_node", "supervisor", "fragile:Fragile",
               "--min", str(pool.min), "--warm", str(pool.warm), "--max", str(pool.max),
               "--addr", "127.0.0.1:0"]  # fmt: skip
    start = partial(
        trio.run_process, command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(start)
        assert process.stdout is not None
        addr = (await process.stdout.receive_some(1000)).decode().split()[-1]
        began, spent = time.monotonic(), _cpu_seconds(process.pid)
        async with am_rpc.connect(addr) as net:
            await net.when("CrashLoop")
            await trio.sleep(max(0.0, began + seconds - time.monotonic()))
            share = (_cpu_seconds(process.pid) - spent) / (time.monotonic() - began)
            forks = len((folder / "forks").read_text())
            assert net.is_("CrashLoop")
            assert net.not_("PoolReady")
            assert pool.min <= forks <= pool.min + pool.warm + 10
            assert share <= CPU_SHARE, f"{100 * share:.1f} % of a processor"
            (folder / "broken").unlink()
            with trio.fail_after(REPAIRED_WITHIN):
                await net.when("PoolReady")
            await net.when_not("CrashLoop")
            async with am_node.Client("c", supers=[addr]) as client:
                assert await client.work() == 1
        print(f"{forks} forks and {100 * share:.1f} % of a processor in {seconds:g} s")
        process.terminate()


@pytest.mark.slow
async def test_seconds_of_a_crash_loop_cost_little_and_end_with_the_repair(tmp_path: Path) -> None:
    with trio.fail_after(60):
        # A small pool has not lengthened its delays so far.
        await _crash_for(tmp_path, 5.0, am_node.Pool(1, 2, 1))


@pytest.mark.nightly
async def test_a_minute_of_a_crash_loop_costs_little_and_ends_with_the_repair(
    tmp_path: Path,
) -> None:
    with trio.fail_after(180):
        await _crash_for(tmp_path, 60.0, am_node.Pool())
