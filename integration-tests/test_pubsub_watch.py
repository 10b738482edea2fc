"""`am-pubsub watch` in a real terminal, beside a topic of this process."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

import am_machine as am
import am_pubsub

from .real_servers import tool

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.trio]
SECRET = "a secret of tests"


async def test_the_command_shows_peers_machines_and_what_moves(tmp_path: Path) -> None:
    tool("tmux", "tmux", by="dev -- processes")
    worker = am.Machine({"Start": {}, "Working": {}}, id="worker-1", tags=("worker",))
    worker.add("Start")
    tmux = ("tmux", "-S", str(tmp_path / "tmux"))

    def say(*words: str) -> str:
        env = {**os.environ, "AM_PUBSUB_SECRET": SECRET, "TERM": "xterm-256color"}
        return subprocess.run([*tmux, *words], env=env, capture_output=True, text=True).stdout

    async def until(pattern: str) -> None:
        shown = ""
        with trio.move_on_after(30):
            while not re.search(pattern, shown := say("capture-pane", "-p")):  # noqa: ASYNC110 - a terminal tells nothing
                await trio.sleep(0.1)
        assert re.search(pattern, shown), shown

    async with am_pubsub.Topic(
        "jobs", listen="127.0.0.1:0", machines=[worker], secret=SECRET.encode()
    ) as topic:
        command = ["-m", "am_pubsub._cli", "watch", "jobs", "--connect", *topic.addresses]
        program = shlex.join([sys.executable, *command])
        size = ("-x", "100", "-y", "30")
        say("-f", "/dev/null", "new-session", "-d", *size, f"{program}; echo rc=$?; sleep 100")
        with contextlib.ExitStack() as stack:
            stack.callback(say, "kill-server")
            await until(r"jobs: 1 peers, 1 machines, 1 links, lag \d+ ms")
            await until(rf"peer {topic.peer_id}\s+worker-1  \(Start:1\)  \[worker\]")
            worker.add("Working")
            await until(r"worker-1  \(Start:1 Working:1\)")
            say("send-keys", "C-c")
            await until(r"rc=130")


async def test_a_topic_that_does_not_want_the_command_says_why() -> None:
    async with am_pubsub.Topic("jobs", listen="127.0.0.1:0") as topic:
        command = ["-m", "am_pubsub._cli", "watch", "other", "--once", "--connect"]
        done = await trio.run_process(
            [sys.executable, *command, *topic.addresses],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        assert done.returncode == 1
        assert "not seen: " in done.stdout.decode()
        assert "its topic has another name" in done.stdout.decode()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--listen", "nowhere"), "not an address: 'nowhere'"),
        (("--listen", "unix:/none/such"), "no such file or directory"),
        (("--every", "-1"), "'-1' is not a number of seconds"),
    ],
)
async def test_wrong_usage_of_the_command_is_one_line(flags: tuple[str, ...], told: str) -> None:
    command = ["-m", "am_pubsub._cli", "watch", "jobs", "--connect", "127.0.0.1:1", *flags]
    done = await trio.run_process(
        [sys.executable, *command], capture_stdout=True, capture_stderr=True, check=False
    )
    assert done.returncode == 2
    assert told in done.stderr.decode().splitlines()[-1]
    assert "Traceback" not in done.stderr.decode()


async def test_what_machines_are_called_does_not_steer_the_terminal() -> None:
    hostile = am.Machine({"Foo": {}}, id="red\x1b[31m", tags=("tag\x1b]0;title\x07",))
    async with am_pubsub.Topic("jobs", listen="127.0.0.1:0", machines=[hostile]) as topic:
        command = ["-m", "am_pubsub._cli", "watch", "jobs", "--once", "--connect"]
        done = await trio.run_process(
            [sys.executable, *command, *topic.addresses], capture_stdout=True
        )
        assert "red\\x1b[31m  ()  [tag\\x1b]0;title\\x07]" in done.stdout.decode()
        assert b"\x1b" not in done.stdout
