"""Pools in a real terminal: what a person sees of failures, and what ctrl+c does."""

from __future__ import annotations

import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .terminal import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.slow]

WORKERS = textwrap.dedent("""\
    import os, signal, sys
    import am_node

    class Failing(am_node.Worker):
        def work(self, how: str) -> str:
            if how == "raises":
                return self.deeper(how)
            if how == "crashes":
                print("these were my last words", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSEGV)
            return how.upper()

        def deeper(self, how: str) -> str:
            raise LookupError(f"work {how} on purpose")
    """)
PROGRAM = textwrap.dedent("""\
    import sys
    import am_node
    from failing_work import Failing

    if __name__ == "__main__":
        with am_node.blocking(Failing, workers=1) as pool:
            print("said", pool.work(how=sys.argv[1], attempts=1))
    """)
AM_NODE = shlex.quote(str(Path(sys.executable).with_name("am-node")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "failing_work.py").write_text(WORKERS)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "run").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def screen(folder: Path) -> Iterator[Screen]:
    env = {"XDG_RUNTIME_DIR": str(folder / "run"), "PS1": "$ ", "PYTHONPATH": ""}
    with Screen(folder, "/bin/sh", env) as shown:
        yield shown


def _run(screen: Screen, line: str) -> str:
    """Everything that a command shows in the terminal, lines that were too long put together."""
    # What was shown before goes, above the screen as on it.
    screen.tmux("send-keys", "-R")
    screen.tmux("clear-history")
    screen.press(f"{line}; echo rc=$?", "Enter")
    screen.until_found(r"(?m)^rc=\d+", 60)
    return screen.tmux("capture-pane", "-p", "-J", "-S", "-")


def test_the_traceback_of_a_worker_stands_in_its_callers_terminal(screen: Screen) -> None:
    shown = _run(screen, f"{shlex.quote(sys.executable)} program.py raises")
    # As with `concurrent.futures`: the caller's own traceback, and that of the other process.
    assert "program.py" in shown
    assert "WorkError: LookupError: work raises on purpose" in shown
    assert "return self.deeper(how)" in shown
    assert 'raise LookupError(f"work {how} on purpose")' in shown
    assert "failing_work.py" in shown
    assert "rc=1" in shown


def test_a_crash_names_its_signal_and_the_last_line_of_stderr(screen: Screen) -> None:
    shown = _run(screen, f"{shlex.quote(sys.executable)} program.py crashes")
    assert "WorkerLost" in shown
    assert "SIGSEGV" in shown
    assert "these were my last words" in shown


def test_the_commands_work_in_a_terminal_and_ctrl_c_drains(screen: Screen) -> None:
    screen.press(f"{AM_NODE} supervisor failing_work:Failing --workers 1; echo ended=$?", "Enter")
    screen.until("listens on", 60)
    screen.tmux("split-window", "-c", str(screen.folder), "/bin/sh")
    work = f"{AM_NODE} work failing_work:Failing --arg how --val"
    assert '"WELL"' in _run(screen, f"{work} well")
    failed = _run(screen, f"{work} raises")
    assert "am-node: the work failed: LookupError: work raises on purpose" in failed
    assert "rc=1" in failed
    status = _run(screen, f"{AM_NODE} status")
    assert "nw-Failing-" in status
    inputs = """printf '{"how": "%s"}\\n' a b c"""
    mapped = _run(screen, f"{inputs} | {AM_NODE} map failing_work:Failing --running")
    assert [f'"result": "{name}"' in mapped for name in "ABC"] == [True] * 3
    screen.tmux("select-pane", "-U")
    screen.press("C-c")
    assert "Traceback" not in screen.until("ended=0", 60)
