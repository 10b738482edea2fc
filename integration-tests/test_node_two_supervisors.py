"""Two supervisors and clients that know both: either may be restarted, drained or killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = [pytest.mark.process, pytest.mark.trio, pytest.mark.slow]

WORKERS = textwrap.dedent("""\
    import am_node, trio

    class Napper(am_node.Worker):
        async def work(self, x: int, pause: float = 0.0) -> int:
            await trio.sleep(pause)
            return x
    """)
CLIENTS = 3
MOVED_WITHIN = 15.0
DRAINED_WITHIN = 36.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "nappers.py").write_text(WORKERS)
    return tmp_path


class Host:
    """A supervisor in a process of its own, which can be started again on its address."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._workers = workers
        self.addr = "127.0.0.1:0"
        self.process: trio.Process | None = None

    async def start(self, nursery: trio.Nursery) -> None:
        """Return when it listens."""
        command = [sys.executable, "-m", "am_node", "supervisor", "nappers:Napper", "--workers",
                   str(self._workers), "--addr", self.addr]  # fmt: skip
        run = partial(
            trio.run_process, command, cwd=self._folder, stdout=subprocess.PIPE, check=False
        )
        self.process = await nursery.start(run)
        assert self.process is not None
        assert self.process.stdout is not None
        self.addr = (await self.process.stdout.receive_some(1000)).decode().split()[-1]

    async def end(self, how: signal.Signals) -> int:
        """Send a signal, return the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return await self.process.wait()


@asynccontextmanager
async def _two_hosts(folder: Path, workers: int) -> AsyncIterator[tuple[list[Host], trio.Nursery]]:
    async with trio.open_nursery() as nursery:
        hosts = [Host(folder, workers) for _ in range(2)]
        for host in hosts:
            await host.start(nursery)
        yield hosts, nursery
        for host in hosts:
            assert host.process is not None
            if host.process.returncode is None:
                await host.end(signal.SIGTERM)


async def test_a_rolling_restart_of_both_under_load_fails_no_request(folder: Path) -> None:
    answered = [0] * CLIENTS
    ends = trio.Event()
    with trio.fail_after(100):
        async with _two_hosts(folder, CLIENTS) as (hosts, nursery):
            supers = [host.addr for host in hosts]

            def inputs() -> Iterator[dict[str, float]]:
                number = 0
                while not ends.is_set():
                    number += 1
                    yield {"x": number, "pause": 0.02}

            async def load(which: int) -> None:
                async with am_node.Client(f"c{which}", supers=supers) as client:
                    async for args, result in client.map(inputs()):
                        assert result == args["x"]
                        answered[which] += 1

            async def everybody_goes_on() -> None:
                before = list(answered)
                while any(  # noqa: ASYNC110 - answers are no states
                    now < then + 5 for now, then in zip(answered, before, strict=True)
                ):
                    await trio.sleep(0.05)

            async with trio.open_nursery() as clients:
                for which in range(CLIENTS):
                    clients.start_soon(load, which)
                await everybody_goes_on()
                for host in hosts:
                    began = time.monotonic()
                    assert await host.end(signal.SIGTERM) == 0
                    assert time.monotonic() - began <= DRAINED_WITHIN
                    await everybody_goes_on()
                    await host.start(nursery)
                ends.set()
            assert all(answered)


async def test_a_killed_supervisors_open_requests_are_done_by_the_other(folder: Path) -> None:
    answers: list[int] = []
    with trio.fail_after(60):
        async with _two_hosts(folder, CLIENTS) as (hosts, _), AsyncExitStack() as stack:
            supers = [host.addr for host in hosts]
            clients = [
                await stack.enter_async_context(am_node.Client(f"c{n}", supers=supers))
                for n in range(CLIENTS)
            ]
            for client in clients:
                assert await client.work(x=0) == 0

            async def call(client: am_node.Client, x: int) -> None:
                answers.append(await client.work(x=x, pause=1.5))

            async with trio.open_nursery() as calls:
                for number, client in enumerate(clients):
                    calls.start_soon(call, client, number)
                await trio.sleep(0.5)
                used = [client.supervisor for client in clients]
                victim = max(hosts, key=lambda host: used.count(host.addr))
                assert victim.process is not None
                os.kill(victim.process.pid, signal.SIGKILL)
                killed = time.monotonic()
            assert sorted(answers) == list(range(CLIENTS))
            assert time.monotonic() - killed <= MOVED_WITHIN
            assert victim.addr not in {client.supervisor for client in clients}


async def test_a_drain_under_load_leases_nothing_and_loses_nothing(folder: Path) -> None:
    answers: list[int] = []
    with trio.fail_after(60):
        async with _two_hosts(folder, CLIENTS) as (hosts, _), AsyncExitStack() as stack:
            drained, other = hosts
            supers = [host.addr for host in hosts]
            # Each has a worker of its own when the drain begins, however slowly workers come up.
            clients = [
                await stack.enter_async_context(
                    am_node.Client(f"c{n}", supers=[drained.addr], keep=True)
                )
                for n in range(CLIENTS)
            ]
            for client in clients:
                assert await client.work(x=0) == 0

            async def call(client: am_node.Client, x: int) -> None:
                answers.append(await client.work(x=x, pause=2.0, attempts=1))

            async with trio.open_nursery() as calls:
                for number, client in enumerate(clients):
                    calls.start_soon(call, client, number)
                await trio.sleep(0.5)
                assert drained.process is not None
                drained.process.send_signal(signal.SIGTERM)
                began = time.monotonic()
                async with am_node.Client("late", supers=supers) as late:
                    assert await late.work(x=7) == 7
                    assert late.supervisor == other.addr
            assert sorted(answers) == list(range(CLIENTS))
            assert await drained.process.wait() == 0
            assert time.monotonic() - began <= DRAINED_WITHIN
