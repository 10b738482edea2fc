"""More than one supervisor, and workers on what stands for another host."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme

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
TRAVELLERS = textwrap.dedent("""\
    import socket
    import am_node

    class Napper(am_node.Worker):
        def work(self, x: int, has: str = "") -> object:
            if not has:
                return x
            try:
                socket.create_server((has, 0)).close()
            except OSError:
                return False
            return True
    """)
SECOND_HOSTS = {"loopback": ("127.0.0.1", "127.0.0.2"), "namespaces": ("10.77.0.1", "10.77.0.2")}


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
        timing=am_node.Timing(conn_timeout=15.0),
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
    timing = am_node.Timing(conn_timeout=15.0)
    with trio.fail_after(45):
        async with am_node.Supervisor("nappers:Napper", pool=pool, timing=timing) as sup:
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


# -- from one machine to many


@pytest.fixture
def luggage(tmp_path: Path) -> Path:
    """What every host has: the class, the secret, the certificate."""
    (tmp_path / "nappers.py").write_text(TRAVELLERS)
    (tmp_path / "pool.key").write_text("a long random text")
    authority = trustme.CA()
    hosts = [host for pair in SECOND_HOSTS.values() for host in pair]
    cert = authority.issue_cert(*hosts)
    cert.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "pool.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path


def _namespaces(root: Path) -> list[str]:
    """The command that runs another one between two namespaces; skips the test if none may be."""
    missing = [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: no second host can be made up")
    between = ["unshare", "--map-root-user", "--net", "--fork", "--kill-child",
               "sh", str(root / "integration-tests" / "two_hosts.sh")]  # fmt: skip
    tried = subprocess.run([*between, "true"], capture_output=True, text=True, timeout=30)
    if tried.returncode:
        pytest.skip(f"this user may make no network namespaces: {tried.stderr.strip()}")
    return between


WAYS = [
    (way, second) for way in ("supervisor_per_host", "ssh", "engine") for second in SECOND_HOSTS
]
# There is no cable to cut within one host.
CUT = ("partition", "namespaces")


@pytest.mark.slow
@pytest.mark.parametrize(("way", "second"), [*WAYS, CUT])
async def test_each_way_to_many_machines_works(
    root: Path, luggage: Path, second: str, way: str
) -> None:
    between = _namespaces(root) if second == "namespaces" else []
    program = [sys.executable, str(root / "integration-tests" / "two_hosts.py"), way, str(luggage)]
    path = os.pathsep.join([str(luggage), str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
        [*between, *program, *SECOND_HOSTS[second]],
        cwd=luggage,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_workers_of_a_supervisor_on_all_interfaces_are_where_it_was_reached(
    luggage: Path,
) -> None:
    command = [
        sys.executable, "-m", "am_node", "supervisor", "nappers:Napper", "--workers", "1",
        "--addr", "0.0.0.0:0", "--secret-file", "pool.key", "--tls-cert", "pool.pem",
    ]  # fmt: skip
    trust = ssl.create_default_context(cafile=str(luggage / "ca.pem"))
    secret = b"a long random text"
    start = partial(trio.run_process, command, cwd=luggage, stdout=subprocess.PIPE, check=False)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(start)
            assert process.stdout is not None
            line = b""
            while not line.endswith(b"\n"):
                line += await process.stdout.receive_some(1000)
            port = line.decode().strip().rpartition(":")[2]
            for host in ("127.0.0.1", "127.0.0.2"):
                supers = [f"{host}:{port}"]
                async with am_node.Client(
                    "c", supers=supers, secret=secret, ssl_context=trust
                ) as client:
                    assert await client.work(x=4) == 4
            process.terminate()


NAPS_OR_BLOCKS = textwrap.dedent("""\
    import pathlib, time
    import am_node

    class Napper(am_node.Worker):
        thread = False

        def work(self, block: bool) -> None:
            pathlib.Path("working").touch()
            if block:
                time.sleep(60)
    """)
FAR_SUPERVISOR = textwrap.dedent("""\
    import sys
    import am_node, trio

    class Far(am_node.LocalLauncher):
        same_host = False
        lifeline = False

    async def main(block):
        worker = [sys.executable, "-m", "am_node", "worker"]
        launcher = Far(["sh", "-c", '"$@"; echo $? > code', "sh", *worker])
        timing = am_node.Timing(
            conn_timeout=15.0, remote_orphan_timeout=1.0, orphan_grace=0.5, link_timeout=1.5
        )
        pool = am_node.Pool(1, 1, 0)
        async with am_node.Supervisor(
            "nappers:Napper", pool=pool, launcher=launcher, timing=timing
        ) as sup, am_node.Client("c", supers=[sup.addr]) as client:
            await client.work(block=block)
            await trio.sleep_forever()

    trio.run(main, bool(int(sys.argv[1])))
    """)


async def _contents(path: Path) -> str:
    while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
        await trio.sleep(0.02)
    return path.read_text()  # noqa: ASYNC240


@pytest.mark.parametrize("block", [0, 1], ids=["idle", "event loop blocked"])
async def test_a_far_worker_without_lifeline_outlives_its_supervisor_briefly(
    folder: Path, block: int
) -> None:
    (folder / "nappers.py").write_text(NAPS_OR_BLOCKS)
    start = partial(
        trio.run_process,
        [sys.executable, "-c", FAR_SUPERVISOR, str(block)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            supervisor: trio.Process = await nursery.start(start)
            await _contents(folder / "working")
            supervisor.kill()
            killed = time.monotonic()
            while not (code := await _contents(folder / "code")):  # noqa: ASYNC110
                await trio.sleep(0.02)
            assert code == "75\n"
            assert 0.9 <= time.monotonic() - killed <= 8
