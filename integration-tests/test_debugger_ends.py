"""However `am-dbg` ends: the terminal is sane, the exit code as listed, the port free, and no
process is left (which every test marked `process` is watched for)."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from .terminal import Terminal, assert_free, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]
UI_FAULT = """
from am_debugger._ui.app import DebuggerApp
def spoiled(self, number):
    raise RuntimeError("the screen is spoiled")
DebuggerApp.action_key = spoiled
"""
CORE_FAULT = """
from am_debugger._core.debugger import Debugger
import trio
async def spoiled(self):
    await trio.sleep(1.5)
    raise RuntimeError("the core is spoiled")
Debugger.watch_memory = spoiled
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A port for exporters, which must be free again in the end."""
    found = free_port()
    yield found
    assert_free(found)


def opened(folder: Path, port: int, fault: str = "") -> Terminal:
    terminal = Terminal(
        folder, "-l", f"unix:{folder / 'dbg'}", "-l", f"127.0.0.1:{port}", fault=fault
    )
    terminal.until("choose a machine")
    return terminal


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_the_terminal_sane(
    tmp_path: Path, port: int, number: int, code: int
) -> None:
    with opened(tmp_path, port) as terminal:
        os.kill(terminal.pid(), number)
        assert "am-dbg: 0 machines" in terminal.assert_sane(code)


def test_a_fault_of_the_screen_is_told_when_the_terminal_is_sane_again(
    tmp_path: Path, port: int
) -> None:
    with opened(tmp_path, port, UI_FAULT) as terminal:
        terminal.press("Space")
        shown = terminal.assert_sane(1)
        assert "the screen is spoiled" in shown
        assert "am-dbg: 0 machines" in shown


def test_a_fault_of_the_core_ends_the_screen_and_is_told_after_it(
    tmp_path: Path, port: int
) -> None:
    with opened(tmp_path, port, CORE_FAULT) as terminal:
        shown = terminal.assert_sane(1)
        assert "RuntimeError: the core is spoiled" in shown
        assert "am-dbg: 0 machines" in shown


def test_a_fault_of_a_collector_is_told(tmp_path: Path, port: int) -> None:
    argv = ["--headless", "-l", f"127.0.0.1:{port}"]
    code = f"{CORE_FAULT}\nfrom am_debugger._cli.main import main\nimport sys\nsys.exit(main())"
    environ = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, *argv]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "RuntimeError: the core is spoiled" in done.stderr
    assert done.stderr.splitlines()[-1] == "am-dbg: 0 machines, 0 transitions, 0.0 MB"


def test_a_lost_terminal_ends_it(tmp_path: Path, port: int) -> None:
    with opened(tmp_path, port) as terminal:
        pid = terminal.pid()
        terminal.tmux("kill-session")
        deadline = time.monotonic() + 20
        while (tmp_path / "dbg").exists() or is_running(pid):
            assert time.monotonic() < deadline, "it still runs, or listens"
            time.sleep(0.1)  # a process of tmux, whose end nobody announces


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no hangup is told")
def test_a_lost_terminal_that_is_not_its_own_ends_it_and_takes_no_processor(
    tmp_path: Path, port: int
) -> None:
    master, slave = pty.openpty()
    environ = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm"}
    command = [sys.executable, "-m", "am_debugger", "-l", f"127.0.0.1:{port}"]
    # In a session without a controlling terminal: no signal tells it of the end.
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
    ) as process:
        os.close(slave)
        try:
            shown = b""
            while b"choose a machine" not in shown:
                shown += os.read(master, 1 << 16)
            os.close(master)
            assert process.wait(20) == 129
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path, port: int) -> None:
    with opened(tmp_path, port):
        environ = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm"}
        command = [sys.executable, "-m", "am_debugger", "-l", f"127.0.0.1:{port}"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 3
        assert f"am-dbg --from 127.0.0.1:{port}" in done.stderr
        assert "\x1b" not in done.stdout  # nothing was drawn
