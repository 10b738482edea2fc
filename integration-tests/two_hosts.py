"""From one machine to many, tried: a program that is run once for each kind of second host.

Usage: two_hosts.py WAY FOLDER FIRST SECOND [PID]. FIRST and SECOND are addresses; with PID, the
second host is the network namespace of that process, else it is this one under its other address.
FOLDER has `nappers.py`, `pool.pem`, `ca.pem` and `pool.key`, and is where this runs.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import am_node
from am_node.kubernetes import KubernetesLauncher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WORKER = (sys.executable, "-m", "am_node", "worker")
ONE = am_node.Pool(1, 1, 0)
FAKES = Path(__file__).parent.parent / "packages/am-node/tests/launchers/fakes"


class Hosts:
    """The two hosts and what a program on both of them needs."""

    def __init__(self, folder: str, first: str, second: str, pid: str = "") -> None:
        self.folder = Path(folder)
        self.first, self.second = first, second
        self.enter = ("nsenter", "--net", "--target", pid) if pid else ()
        # What a worker on the second host is to bind: all, where that is a host of its own.
        self.bind = "0.0.0.0" if pid else second
        self.secret = (self.folder / "pool.key").read_bytes()
        self.tls = am_node.Tls(self.folder / "pool.pem")
        self.trust = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))

    def client(self, supers: object) -> am_node.Client:
        return am_node.Client("c", supers=supers, secret=self.secret, ssl_context=self.trust)

    def supervisor(self, launcher: am_node.Launcher, **timing: float) -> am_node.Supervisor:
        return am_node.Supervisor(
            "nappers:Napper",
            addr=f"{self.first}:0",
            link_addr=f"{self.first}:0",
            worker_host=self.bind,
            launcher=launcher,
            pool=ONE,
            secret=self.secret,
            tls=self.tls,
            timing=am_node.Timing(conn_timeout=15.0, **timing),
        )

    def stub(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)


@asynccontextmanager
async def command_line(hosts: Hosts, host: str) -> AsyncIterator[tuple[str, trio.Process]]:
    """``am-node supervisor`` on one of the hosts; its address and its process."""
    enter = hosts.enter if host == hosts.second else ()
    command = [
        *enter, sys.executable, "-m", "am_node", "supervisor", "nappers:Napper",
        "--workers", "1", "--addr", f"{host}:0", "--conn-timeout", "15",
        "--secret-file", str(hosts.folder / "pool.key"),
        "--tls-cert", str(hosts.folder / "pool.pem"),
    ]  # fmt: skip
    start = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(start)
        assert process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            line += await process.stdout.receive_some(1000)
        yield line.decode().split()[-1], process
        process.terminate()


async def ask_by_command(hosts: Hosts, supers: str) -> None:
    """``am-node work``, from the first host."""
    command = [
        sys.executable, "-m", "am_node", "work", "nappers:Napper", "--supers", supers,
        "--secret-file", str(hosts.folder / "pool.key"),
        "--tls-ca", str(hosts.folder / "ca.pem"), "--arg", "x", "--val", "12",
    ]  # fmt: skip
    done = await trio.run_process(command, capture_stdout=True)
    assert done.stdout == b"12\n"


async def supervisor_per_host(hosts: Hosts) -> None:
    """Way 1: clients learn both addresses from a directory, and each worker is where it says."""
    folder = hosts.folder / "supers"
    folder.mkdir()
    async with (
        command_line(hosts, hosts.first) as (one, first),
        command_line(hosts, hosts.second) as (two, second),
    ):
        for addr in (one, two):
            async with hosts.client([addr]) as client:
                assert await client.work(x=1) == 1
        await ask_by_command(hosts, f"{one},{two}")
        for name, addr in {"one": one, "two": two}.items():
            (folder / f"{name}.addr").write_text(addr)
        async with hosts.client(am_node.FileDir(folder)) as client:
            assert await client.work(x=2) == 2
            used = {one: first, two: second}[client.supervisor]
            used.kill()
            assert await client.work(x=3) == 3
            assert client.supervisor in {one, two}


async def ssh(hosts: Hosts) -> None:
    """Way 2: one supervisor, its worker on the second host, reached by ssh."""
    enter = " ".join(hosts.enter)
    options = 'while case "$1" in -o*) true ;; *) false ;; esac; do shift; done'
    script = (
        f'#!/bin/sh\n{options}\n[ "$2 $3" = "-- second" ] || exit 64\nexec {enter} sh -c "$4"\n'
    )
    stub = hosts.stub("ssh", script)
    await _works(hosts, am_node.SshLauncher(["second"], command=WORKER, ssh=[stub]))


async def engine(hosts: Hosts) -> None:
    """Way 3: an engine places the worker on the second host."""
    command = [sys.executable, "-m", "fake_cluster", str(hosts.folder)]
    start = partial(
        trio.run_process,
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(FAKES), os.environ["PYTHONPATH"]])},
    )
    async with trio.open_nursery() as nursery:
        cluster: trio.Process = await nursery.start(start)
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        kubeconfig = (await cluster.stdout.receive_some(1000)).decode().strip()
        placed = (*hosts.enter, *WORKER)
        await _works(hosts, KubernetesLauncher("image", command=placed, kubeconfig=kubeconfig))
        await cluster.stdin.aclose()


async def _works(hosts: Hosts, launcher: am_node.Launcher) -> None:
    async with hosts.supervisor(launcher) as sup, hosts.client([sup.addr]) as client:
        assert await client.work(x=5) == 5
        assert await client.work(x=0, has=hosts.second) is True
        if hosts.enter:
            assert await client.work(x=0, has=hosts.first) is False


async def partition(hosts: Hosts) -> None:
    """A worker that is cut off ends, with the code that says so; only between namespaces."""
    marker = hosts.folder / "code"
    command = (*hosts.enter, "sh", "-c", f'"$@"; echo $? > {marker}', "sh", *WORKER)
    launcher = NoLifeline(command)
    async with hosts.supervisor(launcher, remote_orphan_timeout=1.0, link_timeout=2.0) as sup:
        await sup.mach.when("PoolReady")
        await trio.run_process(["ip", "link", "set", "cable1", "down"])
        with trio.fail_after(20):
            while not marker.exists() or not marker.read_text():  # noqa: ASYNC110 - a file
                await trio.sleep(0.05)
        assert marker.read_text() == "75\n"


class NoLifeline(am_node.LocalLauncher):
    """Starts workers that nothing on this host can end, as a cluster would."""

    same_host = False
    lifeline = False


WAYS = {
    "supervisor_per_host": supervisor_per_host,
    "ssh": ssh,
    "engine": engine,
    "partition": partition,
}


async def main(way: str, hosts: Hosts) -> None:
    with trio.fail_after(40):
        await WAYS[way](hosts)


if __name__ == "__main__":
    way, *where = sys.argv[1:]
    trio.run(main, way, Hosts(*where))
