"""What the environment says about logs reaches each process of a pool, and junk stops none."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ECHO = (
    "import am_node\n\nclass Echo(am_node.Worker):\n    def work(self, x: int):\n        return x\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "echo.py").write_text(ECHO)
    return tmp_path


@contextmanager
def supervisor(folder: Path, **env: str) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the lines of its stderr so far."""
    process = subprocess.Popen(
        [sys.executable, "-m", "am_node", "supervisor", "echo:Echo", "--workers", "1",
         "--addr", "127.0.0.1:0", "--log", "INFO"],
        cwd=folder, env={**os.environ, **env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr))
    reader.start()
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    try:
        match = re.search(r"listens on (\S+)", process.stdout.readline())
        assert match is not None
        yield match[1], lines
    finally:
        process.terminate()
        process.wait()
        watchdog.cancel()
        reader.join()
        process.stdout.close()
        process.stderr.close()


def work(folder: Path, addr: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "am_node", "work", "echo:Echo", "--supers", addr]
    return subprocess.run(
        [*command, "--arg", "x", "--val", "5"],
        cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_each_level_makes_its_own_part_talk(folder: Path) -> None:
    with supervisor(folder, AM_NODE_LOG_SUPERVISOR="2", AM_NODE_LOG_WORKER="2") as (addr, lines):
        done = work(folder, addr, AM_NODE_LOG_CLIENT="2")
    assert done.stdout == "5\n"
    assert "Start" in done.stderr
    told = "".join(lines)
    assert re.search(r"INFO am_machine .*PoolReady", told)
    assert re.search(r"INFO am_node\.worker \[nw-Echo-\S+\] INFO am_machine .*Ready", told)


def test_without_levels_no_machine_is_heard(folder: Path) -> None:
    with supervisor(folder) as (addr, lines):
        done = work(folder, addr)
    assert (done.stdout, done.stderr) == ("5\n", "")
    assert "am_machine" not in "".join(lines)


def test_what_is_no_level_is_one_clear_line_each_and_the_work_is_done(folder: Path) -> None:
    junk = {f"AM_NODE_LOG_{part}": "loud" for part in ("SUPERVISOR", "WORKER", "CLIENT")}
    with supervisor(folder, **junk) as (addr, lines):
        done = work(folder, addr, **junk)
    assert done.stdout == "5\n"
    for part, text in (
        ("SUPERVISOR", lines),
        ("WORKER", lines),
        ("CLIENT", done.stderr.splitlines()),
    ):
        told = [line for line in text if f"AM_NODE_LOG_{part}='loud' is not a log level" in line]
        assert len(told) == 1, text
