"""`am-dbg --headless` as a process: real exporters, a viewer, dumps, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.slow]
ROOT = Path(__file__).parent.parent
AM_DBG = (sys.executable, "-m", "am_debugger")
PROGRAM = """
import am_machine as am
from am_telemetry.dbg import DbgExporter

machine = am.Machine({"Start": {}, "Work": {"require": ["Start"]}}, id="worker")
with DbgExporter(%r) as exporter:
    exporter.bind(machine)
    machine.add("Start")
    for i in range(%d):
        machine.add("Work", id=i)
        machine.remove("Work")
    assert exporter.flush(20)
"""


@contextmanager
def collector(folder: Path, *options: str, name: str = "a") -> Iterator[subprocess.Popen[str]]:
    """A collector that listens at a socket in a folder; ended by SIGTERM if it still runs."""
    environ = {**os.environ, "XDG_CONFIG_HOME": str(folder)}
    command = [*AM_DBG, "--headless", "-d", str(folder), *options]
    if "--from" not in options:
        command += ["-l", f"unix:{folder / name}"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        try:
            assert running.stderr.readline().startswith("am-dbg: ")
            yield running
        finally:
            if running.poll() is None:
                running.terminate()
                running.wait(10)


def export(folder: Path, count: int, name: str = "a") -> None:
    program = PROGRAM % (f"unix:{folder / name}", count)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def inspect(path: Path, *options: str) -> list[str]:
    command = [*AM_DBG, "inspect", str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def dumps(folder: Path) -> list[Path]:
    return sorted(folder.glob("am-dbg-*.amdbg.gz"))


def wait_for_dump(folder: Path, *, newer_than: Path | None = None) -> Path:
    until = time.monotonic() + 60
    while not dumps(folder) or dumps(folder)[-1] == newer_than:
        assert time.monotonic() < until, "no dump was written"
        time.sleep(0.05)  # another process, which announces no dump
    return dumps(folder)[-1]


def test_what_a_program_did_is_in_the_dump(tmp_path: Path) -> None:
    with collector(tmp_path, "--rotate-tx", "400"):
        export(tmp_path, 300)
        lines = inspect(wait_for_dump(tmp_path))
        assert lines[0].startswith("worker: 601 transitions, ")
        found = inspect(dumps(tmp_path)[-1], "--where", "+Work arg.id=7")
        assert len(found) == 2
        assert "[add Work (id=7)] +Work mach://worker/" in found[0]


def test_a_forwarder_and_a_viewer_have_the_same(tmp_path: Path) -> None:
    far, near, seen = (tmp_path / name for name in ("far", "near", "seen"))
    for folder in (far, near, seen):
        folder.mkdir()
    rotated = ("--rotate-tx", "200")
    with (
        collector(far, *rotated),
        collector(near, "--forward", f"unix:{far / 'a'}"),
        collector(seen, "--from", f"unix:{near / 'a'}", *rotated),
    ):
        export(near, 100)
        told = [inspect(wait_for_dump(folder)) for folder in (far, seen)]
    for lines in told:
        assert lines[0].startswith("worker: 201 transitions, ")


def test_a_debugger_is_debugged_by_another_one(tmp_path: Path) -> None:
    above, below = tmp_path / "above", tmp_path / "below"
    for folder in (above, below):
        folder.mkdir()
    with (
        collector(above, "--rotate-tx", "20"),
        collector(below, "--dbg-addr", f"unix:{above / 'a'}"),
    ):
        export(below, 20)
        lines = inspect(wait_for_dump(above))
    assert lines[0].startswith("am-dbg: ")
    assert "Ready" in lines[0]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)]
)
def test_signals_end_it_with_their_exit_codes_and_last_words(
    tmp_path: Path, number: int, code: int
) -> None:
    with collector(tmp_path) as running:
        export(tmp_path, 5)
        running.send_signal(number)
        assert running.wait(10) == code
        assert running.stderr is not None
        assert running.stderr.read().startswith("am-dbg: 1 machines, 11 transitions, ")
    assert not (tmp_path / "a").exists()


def test_a_second_one_at_the_same_address_says_how_to_look_at_the_first(tmp_path: Path) -> None:
    with collector(tmp_path):
        command = [*AM_DBG, "--headless", "-l", f"unix:{tmp_path / 'a'}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 3
    assert f"am-dbg --from unix:{tmp_path / 'a'}" in done.stderr


def test_a_pool_of_workers_is_recorded_with_the_one_that_was_killed(tmp_path: Path) -> None:
    environ = {**os.environ, "AM_DBG_ADDR": f"unix:{tmp_path / 'a'}"}
    with collector(tmp_path, "--rotate-every", "0.001"):
        demo = [sys.executable, "-m", "examples.worker_pool", "--plain"]
        done = subprocess.run(
            demo, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        last = wait_for_dump(tmp_path, newer_than=dumps(tmp_path)[-1])
        last = wait_for_dump(tmp_path, newer_than=last)  # begun when all was over
        lines = inspect(last)
    kinds = [line.split("-")[0].split(":")[0] for line in lines[:-1]]
    assert kinds.count("ns") == 1  # the supervisor
    assert kinds.count("nc") == 2  # its clients
    assert kinds.count("nw") >= 4  # and, where it came in time, the one in place of the killed one
    assert "demo" in kinds
    killed = [line for line in lines if line.startswith("nw") and "disposed" not in line]
    assert killed  # it had no time to say that it goes
