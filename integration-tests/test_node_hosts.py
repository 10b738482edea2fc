"""More than one supervisor, and workers on what stands for another host."""

import os
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
    import os
    import am_node, trio

    class Napper(am_node.Worker):
        async def work(self, x: int, pause: float = 0.0) -> list:
            await trio.sleep(pause)
            return [x, os.getpid()]
    """)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "nappers.py").write_text(WORKERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    )
    return tmp_path


async def test_workers_of_a_command_launcher_use_tcp_on_the_hosts_given(folder: Path) -> None:
    launcher = am_node.CommandLauncher(
        ["/usr/bin/env"], [sys.executable, "-m", "am_node", "worker"]
    )
    supervisor = am_node.Supervisor(
        "nappers:Napper",
        pool=am_node.Pool(1, 1, 0),
        launcher=launcher,
        worker_host="127.0.0.2",
        link_addr="127.0.0.3:0",
    )
    with trio.fail_after(30):
        async with supervisor as sup, am_node.Client("c", supers=[sup.addr]) as client:
            assert (await client.work(x=5))[0] == 5


async def test_requests_move_to_another_supervisor_when_theirs_is_killed(folder: Path) -> None:
    command = [sys.executable, "-m", "am_node", "supervisor", "nappers:Napper", "--workers", "2",
               "--addr", "127.0.0.1:0"]  # fmt: skip
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            supers = {}
            for _ in range(2):
                start = partial(
                    trio.run_process,
                    command,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
                process = await nursery.start(start)
                line = (await process.stdout.receive_some(1000)).decode()
                supers[line.split()[-1]] = process
            async with am_node.Client("c", supers=list(supers)) as client:
                assert (await client.work(x=1))[0] == 1
                answers: list[int] = []

                async def call() -> None:
                    answers.append((await client.work(x=2, pause=2.0))[0])

                async with trio.open_nursery() as calls:
                    calls.start_soon(call)
                    await trio.sleep(0.5)
                    first = client.supervisor
                    os.kill(supers[first].pid, signal.SIGKILL)
                    killed = time.monotonic()
                assert answers == [2]
                assert time.monotonic() - killed <= 15
                assert client.supervisor != first
            for process in supers.values():
                if process.returncode is None:
                    process.terminate()


async def test_a_dead_address_in_the_list_costs_little(folder: Path) -> None:
    pool = am_node.Pool(1, 1, 0)
    with trio.fail_after(30):
        async with am_node.Supervisor("nappers:Napper", pool=pool) as sup:
            await sup.mach.when("PoolReady")
            for _ in range(3):
                async with am_node.Client("c", supers=["127.0.0.1:9", sup.addr]) as client:
                    began = time.monotonic()
                    await client.request_worker()
                    assert time.monotonic() - began <= 5


async def test_a_client_moves_on_when_its_supervisor_drains(folder: Path) -> None:
    pool = am_node.Pool(1, 1, 0)
    with trio.fail_after(40):
        async with (
            am_node.Supervisor("nappers:Napper", pool=pool) as one,
            am_node.Supervisor("nappers:Napper", pool=pool) as two,
        ):
            await one.mach.when("PoolReady")
            await two.mach.when("PoolReady")
            both = {one.addr: one, two.addr: two}
            async with am_node.Client("c", supers=list(both)) as client:
                await client.mach.when("SuperReady")
                first = client.supervisor
                moved = client.mach.when_next_active("SuperReady")
                began = time.monotonic()
                both[first].mach.add("Draining")
                await moved
                assert time.monotonic() - began <= 1
                assert client.supervisor != first
