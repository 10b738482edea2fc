"""`am-dbg --headless` as a process: real exporters, a viewer, dumps, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]
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


def wait_for_dump(folder: Path) -> Path:
    until = time.monotonic() + 20
    while not dumps(folder):
        assert time.monotonic() < until, "no dump was written"
        time.sleep(0.05)
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
