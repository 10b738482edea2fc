"""The demo's pool, looked at and recorded while it runs: all its machines, the worker that is
killed, and nothing that `am-dbg lint` finds in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .debuggers import collector, dumps, inspect, lint, wait_for_dump
from .terminal import Terminal

pytestmark = [pytest.mark.process, pytest.mark.slow]
ROOT = Path(__file__).parent.parent
DEMO = (sys.executable, "-m", "examples.worker_pool", "--plain")
_WORKER = re.compile(r"((?:\x1b\[[\d;]*m)*)nw-\S+")
"""A worker in the list of machines, and its color."""


def test_all_appear_the_killed_one_greys_out_and_nothing_is_found_in_them(tmp_path: Path) -> None:
    folder = tmp_path / "asyncmachine"  # where AM_DBG_ADDR=1 looks first
    folder.mkdir(mode=0o700)
    to_collector = ("-f", f"unix:{tmp_path / 'a'}")
    with (
        collector(tmp_path, "--rotate-every", "0.0005"),
        Terminal(tmp_path, "-l", f"unix:{folder / 'dbg.sock'}", *to_collector) as terminal,
    ):
        terminal.until("choose a machine")
        told = run_demo(tmp_path, terminal)
        killed = re.findall(r"worker (\S+) was killed", told)[0]
        workers = set(re.findall(r"worker (nw-\S+) pid \d+: Ready", told))
        assert killed in workers
        last = wait_for_dump(tmp_path, newer_than=dumps(tmp_path)[-1])
        last = wait_for_dump(tmp_path, newer_than=last)  # begun when all was over
        recorded = inspect(last)
        kinds = assert_recorded(recorded, killed, workers)
        assert lint(tmp_path) == (0, "", len(kinds))
        assert_listed(terminal.text(), kinds)
        address = f"unix:{folder / 'dbg.sock'}"
        count = int(re.findall(rf"^{killed}: (\d+) ", "\n".join(recorded), re.MULTILINE)[0])
        for size in ((200, 60), (80, 24)):
            viewer = assert_last_words(tmp_path, f"mach://{killed}", address, count, size)
            assert_listed(viewer, kinds)


def run_demo(folder: Path, terminal: Terminal) -> str:
    """Run the demo; on the screen one worker gets another color than the others meanwhile."""
    environ = {**os.environ, "AM_DBG_ADDR": "1", "XDG_RUNTIME_DIR": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    has_greyed = False
    with subprocess.Popen(DEMO, env=environ, cwd=ROOT, **pipes) as demo:  # type: ignore[call-overload]
        while demo.poll() is None:
            colors = _WORKER.findall(terminal.tmux("capture-pane", "-e", "-p"))
            alone = [color for color in set(colors) if colors.count(color) == 1]
            has_greyed = has_greyed or (len(colors) >= 4 and len(alone) == 1)
            time.sleep(0.2)  # a terminal does not announce what it shows
        told: str = demo.stdout.read()
    assert demo.returncode == 0, told
    assert has_greyed, told
    return told


def assert_recorded(lines: list[str], killed: str, workers: set[str]) -> list[str]:
    """All are in the dump; returned is what kind each is of."""
    kinds = [line.split("-")[0].split(":")[0] for line in lines[:-1]]
    assert kinds.count("ns") == 1  # the supervisor
    assert kinds.count("nc") == 2  # its clients
    assert kinds.count("nw") >= 4  # and, where it came in time, the one in place of the killed one
    assert "demo" in kinds
    assert workers <= {line.split(":")[0] for line in lines}
    unsaid = {line.split(":")[0] for line in lines if "disposed" not in line}
    assert killed in unsaid  # it had no time to say that it goes
    return kinds


def assert_listed(shown: str, kinds: list[str]) -> None:
    """All machines are in the list of a screen; long ids are cut in the middle."""
    for kind in ("nc", "ns", "nw"):
        found = re.findall(rf"[║│] *(?:! )?{kind}-\S+ .*\|", shown)
        assert len(found) == kinds.count(kind), shown


def assert_last_words(
    folder: Path, url: str, address: str, count: int, size: tuple[int, int]
) -> str:
    """A viewer that begins at the killed one shows what the last of its transitions did; what it
    shows once the list of machines is chosen."""
    place = folder / f"viewer-{size[0]}"
    place.mkdir()
    shows_all = ("--no-filter-health", "--no-filter-auto-canceled", "--no-filter-group")
    options = ("--from", address, "--no-reader", *shows_all)
    with Terminal(place, url, *options, size=size) as viewer:
        # What was kept comes in pieces; the keys are pressed when nothing more is to come.
        viewer.until_found(rf"Transition \d+ / {count}\b")
        viewer.press("Home")
        viewer.until(f"Transition 0 / {count} ")
        viewer.press("End")
        shown = viewer.until(f"Transition {count} / {count} ")
        assert url in shown
        assert "[state] " in shown
        viewer.press("Escape")
        return viewer.until("Machines:")
