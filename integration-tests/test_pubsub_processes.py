"""Six processes in one topic: one is killed, one frozen, one comes back with its clock set back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.process

MEMBER = Path(__file__).parent / "pubsub_member.py"
NAMES = ("a", "b", "c", "d", "e", "f")
KILLS_SECONDS = float(os.environ.get("AM_PUBSUB_KILLS_SECONDS", "20"))


class Group:
    """The processes, and what each wrote down last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *options: str) -> None:
        """Start a member, which knows the first one."""
        connect = ("--connect", self.address("a")) if name != "a" else ()
        command = [sys.executable, str(MEMBER), name, str(self.folder / name), *connect, *options]
        self.running[name] = subprocess.Popen(command)

    def seen(self, name: str) -> dict[str, Any]:
        """Return what a member wrote down."""
        try:
            found: dict[str, Any] = json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return {"view": [], "addresses": []}
        return found

    def kill(self, name: str) -> None:
        """Kill a member and forget what it wrote down."""
        self.running[name].kill()
        self.running[name].wait()
        (self.folder / name).unlink(missing_ok=True)

    def address(self, name: str) -> str:
        """Return where a member listens."""
        address: str = self.seen(name)["addresses"][0]
        return address

    def agree(self, *names: str) -> bool:
        """Tell whether each of these sees all others of these, and nobody else."""
        return all(
            self.seen(name)["view"] == [f"m-{other}" for other in names if other != name]
            for name in names
        )

    def end(self) -> None:
        """Kill all that run."""
        for process in self.running.values():
            process.kill()
            process.wait()


@contextmanager
def group(folder: Path) -> Iterator[Group]:
    """Yield an empty group and end it."""
    members = Group(folder)
    try:
        yield members
    finally:
        members.end()


def until(is_so: Callable[[], bool], seconds: float, what: str) -> float:
    """Poll, since processes tell nothing; return how long it took."""
    began = time.monotonic()
    while not is_so():
        took = time.monotonic() - began
        assert took < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


def start_all(members: Group) -> None:
    """Start six members that see each other."""
    members.start("a")
    until(lambda: bool(members.seen("a")["addresses"]), 30, "the first one listens")
    for name in NAMES[1:]:
        members.start(name)
    until(lambda: members.agree(*NAMES), 60, "all see all")


def test_six_processes_agree_whoever_dies_freezes_or_returns(tmp_path: Path) -> None:
    # Twice the documented times: processes share two processors with other tests.
    with group(tmp_path) as members:
        start_all(members)
        members.kill("f")
        until(lambda: members.agree("a", "b", "c", "d", "e"), 20, "the killed one is gone")

        members.running["e"].send_signal(signal.SIGSTOP)
        until(lambda: members.agree("a", "b", "c", "d"), 32, "the frozen one is gone")
        members.running["e"].send_signal(signal.SIGCONT)
        until(lambda: members.agree("a", "b", "c", "d", "e"), 30, "the frozen one is back")

        members.start("f", "--behind", "3600")
        until(lambda: members.agree(*NAMES), 30, "the restarted one is back")


@pytest.mark.process(lasts=KILLS_SECONDS)
def test_members_that_are_killed_and_frozen_at_random_agree_in_the_end(tmp_path: Path) -> None:
    """For as many seconds as AM_PUBSUB_KILLS_SECONDS says; the first one stays, to be found."""
    random = Random(int(os.environ.get("AM_PUBSUB_SEED", "1")))
    with group(tmp_path) as members:
        start_all(members)
        end = time.monotonic() + KILLS_SECONDS
        while time.monotonic() < end:
            name = random.choice(NAMES[1:])
            time.sleep(random.uniform(0, 2))
            if random.random() < 0.5:
                members.running[name].send_signal(signal.SIGSTOP)
                time.sleep(random.uniform(0, 4))
                members.running[name].send_signal(signal.SIGCONT)
            else:
                members.kill(name)
                time.sleep(random.uniform(0, 4))
                members.start(name, "--behind", str(random.choice((0, 3600))))
        until(lambda: members.agree(*NAMES), 60, "all see all again")
        until(
            lambda: all(members.seen(name)["stats"]["records"] == 2 * len(NAMES) for name in NAMES),
            30,
            "no table grew: two machines of each",
        )
