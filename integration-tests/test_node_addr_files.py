"""Supervisors that tell their addresses by files of a folder, and clients that look there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

import am_node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.trio]

SQUARER = """
import am_node

class Squarer(am_node.Worker):
    def work(self, input: int) -> int:
        return input ** 2
"""
_AM_NODE = (sys.executable, "-m", "am_node")


class Hosts:
    """Starts supervisors that write into one folder."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self.folder = folder
        self.shared = folder / "shared"
        self._nursery = nursery

    async def start(self, name: str) -> trio.Process:
        """A supervisor, from when its address can be read."""
        words = ("supervisor", "squarer:Squarer", "--workers", "1", "--addr", "127.0.0.1:0")
        path = self.shared / f"{name}.addr"

        start = partial(
            trio.run_process,
            [*_AM_NODE, *words, "--conn-timeout", "30", "--addr-file", str(path)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            check=False,
        )
        process: trio.Process = await self._nursery.start(start)
        assert process.stdout is not None
        told = (await process.stdout.receive_some(1000)).decode().split()[-1]
        assert path.read_text() == f"{told}\n"
        return process

    def names(self) -> list[str]:
        """What is in the folder."""
        return sorted(path.name for path in self.shared.iterdir())


@pytest.fixture
async def hosts(tmp_path: Path, nursery: trio.Nursery) -> Hosts:
    (tmp_path / "squarer.py").write_text(SQUARER)
    (tmp_path / "shared").mkdir()
    return Hosts(tmp_path, nursery)


async def test_clients_go_where_the_files_of_a_folder_say(hosts: Hosts) -> None:
    with trio.fail_after(60):
        first = await hosts.start("one")
        async with am_node.Client("c", supers=am_node.FileDir(hosts.shared, 0.1)) as client:
            assert await client.work(input=2) == 4
            second = await hosts.start("two")
            assert hosts.names() == ["one.addr", "two.addr"]
            first.terminate()
            assert await client.work(input=3) == 9
            await first.wait()
            assert hosts.names() == ["two.addr"]
        second.terminate()
        await second.wait()
        assert hosts.names() == []


async def test_one_that_was_killed_is_replaced_under_its_name(hosts: Hosts) -> None:
    with trio.fail_after(60):
        killed = await hosts.start("one")
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
        assert hosts.names() == ["one.addr"]  # nobody is left to remove it
        again = await hosts.start("one")
        done = await trio.run_process(
            [
                *_AM_NODE, "work", "squarer:Squarer", "--arg", "input", "--val", "12",
                "--supers-dir", str(hosts.shared),
            ],
            cwd=hosts.folder,
            capture_stdout=True,
        )  # fmt: skip
        assert done.stdout == b"144\n"
        status = await trio.run_process(
            [*_AM_NODE, "status", "--json", "--supers-dir", str(hosts.shared)],
            capture_stdout=True,
        )
        assert json.loads(status.stdout)["kind"] == "Squarer"
        again.terminate()


async def test_the_file_of_a_successor_stays_when_its_predecessor_ends(hosts: Hosts) -> None:
    with trio.fail_after(60):
        first = await hosts.start("one")
        second = await hosts.start("one")
        first.terminate()
        await first.wait()
        assert hosts.names() == ["one.addr"]
        async with am_node.Client("c", supers=am_node.FileDir(hosts.shared)) as client:
            assert await client.work(input=5) == 25
        second.terminate()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--addr-file", "one"), 2, "names that end with .addr"),
        (("--addr", "0.0.0.0:0", "--addr-file", "one.addr"), 2, "nobody can connect to 0.0.0.0:0"),
        (("--addr-file", "nowhere/one.addr"), 3, "there is no folder nowhere"),
    ],
)
async def test_what_no_client_would_find_is_refused(
    tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    done = await trio.run_process(
        [*_AM_NODE, "supervisor", "squarer:Squarer", *words],
        cwd=tmp_path,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == code
    (line,) = done.stderr.decode().splitlines()
    assert told in line


async def test_a_folder_without_supervisors_says_so(tmp_path: Path) -> None:
    done = await trio.run_process(
        [*_AM_NODE, "status", "--supers-dir", str(tmp_path)], capture_stderr=True, check=False
    )
    assert done.returncode == 3
    assert "no supervisor is there" in done.stderr.decode()
