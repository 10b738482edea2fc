"""Six processes in one topic: one is killed, one frozen, one comes back with its clock set back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.process

MEMBER = Path(__file__).parent / "pubsub_member.py"
NAMES = ("a", "b", "c", "d", "e", "f")


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

    def seen(self, name: str) -> dict[str, list[str]]:
        """Return what a member wrote down."""
        try:
            found: dict[str, list[str]] = json.loads((self.folder / name).read_text())
        except FileNotFoundError:
            return {"view": [], "addresses": []}
        return found

    def address(self, name: str) -> str:
        """Return where a member listens."""
        return self.seen(name)["addresses"][0]

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


def test_six_processes_agree_whoever_dies_freezes_or_returns(tmp_path: Path) -> None:
    # Twice the documented times: processes share two processors with other tests.
    with group(tmp_path) as members:
        members.start("a")
        until(lambda: bool(members.seen("a")["addresses"]), 30, "the first one listens")
        for name in NAMES[1:]:
            members.start(name)
        until(lambda: members.agree(*NAMES), 30, "all see all")

        members.running["f"].kill()
        members.running["f"].wait()
        (tmp_path / "f").unlink()
        until(lambda: members.agree("a", "b", "c", "d", "e"), 20, "the killed one is gone")

        members.running["e"].send_signal(signal.SIGSTOP)
        until(lambda: members.agree("a", "b", "c", "d"), 32, "the frozen one is gone")
        members.running["e"].send_signal(signal.SIGCONT)
        until(lambda: members.agree("a", "b", "c", "d", "e"), 30, "the frozen one is back")

        members.start("f", "--behind", "3600")
        until(lambda: members.agree(*NAMES), 30, "the restarted one is back")
