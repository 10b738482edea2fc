"""`am-dbg` on a real terminal, in tmux: keys, quitting, signals, a terminal that is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from .real_servers import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]
PROGRAM = """
import am_machine as am
from am_telemetry.dbg import DbgExporter

machine = am.Machine({"Start": {}, "Work": {"require": ["Start"]}}, id="worker")
with DbgExporter(%r) as exporter:
    exporter.bind(machine)
    machine.add("Start")
    for i in range(20):
        machine.add("Work", id=i)
        machine.remove("Work")
    assert exporter.flush(20)
"""


class Terminal:
    """A terminal of 120 by 40 in a tmux server of its own, with `am-dbg` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._socket = folder / "tmux"
        self.address = f"unix:{folder / 'dbg'}"
        am_dbg = f"{sys.executable} -m am_debugger -l {self.address}"
        told = "echo rc=$?; stty -a | tr ' ' '\\n' | grep -x -e echo -e -echo -e icanon -e -icanon"
        environ = {**os.environ, "XDG_CONFIG_HOME": str(folder), "TERM": "xterm-256color"}
        size = ("-x", "120", "-y", "40")
        script = f"{am_dbg}; {told}; sleep 100"
        self.tmux("-f", "/dev/null", "new-session", "-d", *size, script, env=environ)

    def tmux(self, *args: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-S", str(self._socket), *args]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    def until(self, words: str, seconds: float = 30) -> str:
        """What the terminal shows, once it has these words."""
        deadline = time.monotonic() + seconds
        while words not in (shown := self.text()):
            assert time.monotonic() < deadline, f"no {words!r} in\n{shown}"
            time.sleep(0.1)  # a terminal does not announce what it shows
        return shown

    def pid(self) -> int:
        """The process of `am-dbg`."""
        shell = int(self.tmux("list-panes", "-F", "#{pane_pid}"))
        found = subprocess.run(
            ["pgrep", "-P", str(shell), "-f", "am_debugger"], capture_output=True, text=True
        )
        return int(found.stdout.split()[0]) if found.stdout else shell

    def assert_sane(self, code: int) -> None:
        """It ended with this code, and the terminal is as it was before."""
        self.until(f"rc={code}")
        shown = self.until("icanon").split()
        assert {"echo", "icanon"} <= set(shown)
        assert not (self.folder / "dbg").exists()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    tool("tmux", "tmux", by="dev -- processes")
    made = Terminal(tmp_path)
    try:
        made.until("choose a machine")
        yield made
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # the last session may be gone
            made.tmux("kill-server")


def test_a_program_is_looked_at_by_keys(terminal: Terminal) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM % terminal.address], check=True, timeout=60)
    terminal.until("worker")
    terminal.press("Enter")
    terminal.until("Transition 41 / 41")
    terminal.press("Left")
    shown = terminal.until("Transition 40 / 41")
    assert "[add] Work" not in shown  # a line of level 3
    assert "[state] +Work (id=19)" in shown
    terminal.press("?")
    terminal.until("play or pause")
    terminal.press("C-q")
    terminal.assert_sane(0)
    assert "am-dbg: 1 machines, 41 transitions, " in terminal.text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_the_terminal_sane(terminal: Terminal, number: int, code: int) -> None:
    os.kill(terminal.pid(), number)
    terminal.assert_sane(code)


def test_a_lost_terminal_ends_it(terminal: Terminal) -> None:
    pid = terminal.pid()
    terminal.tmux("kill-session")
    deadline = time.monotonic() + 20
    while (terminal.folder / "dbg").exists():
        assert time.monotonic() < deadline, "it still listens"
        time.sleep(0.1)  # a process of tmux, whose end nobody announces
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.1)
