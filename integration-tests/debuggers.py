"""`am-dbg` as processes: collectors, what is sent to them, and the dumps that they write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def environ_for(folder: Path) -> dict[str, str]:
    """The environment, without options of whoever runs the tests."""
    return {**os.environ, "XDG_CONFIG_HOME": str(folder), "TERM": "xterm-256color"}


@contextmanager
def collector(folder: Path, *options: str, name: str = "a") -> Iterator[subprocess.Popen[str]]:
    """A collector that listens at a socket in a folder; ended by SIGTERM if it still runs."""
    command = [*AM_DBG, "--headless", "-d", str(folder), *options]
    if "--from" not in options:
        command += ["-l", f"unix:{folder / name}"]
    environ = environ_for(folder)
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
    """A machine `worker` that makes twice so many transitions and one more."""
    program = PROGRAM % (f"unix:{folder / name}", count)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def inspect(path: Path, *options: str) -> list[str]:
    """What `am-dbg inspect` says of a dump."""
    command = [*AM_DBG, "inspect", str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def lint(folder: Path, *options: str) -> tuple[int, str, int]:
    """Exit code and text, of what a collector has, and how many machines that are."""
    command = [*AM_DBG, "lint", "--from", f"unix:{folder / 'a'}", *options]
    done = subprocess.run(
        command, env=environ_for(folder), capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 1), done.stderr
    told, _, last = done.stdout.rstrip("\n").rpartition("\n")
    (counted,) = re.findall(r"found in (\d+) machines", last)
    return done.returncode, told, int(counted)


def dumps(folder: Path) -> list[Path]:
    """Dumps that were written into a folder, oldest first."""
    return sorted(folder.glob("am-dbg-*.amdbg.gz"))


def wait_for_dump(folder: Path, *, newer_than: Path | None = None) -> Path:
    """The newest dump in a folder, once there is another one than this."""
    until = time.monotonic() + 60
    while not dumps(folder) or dumps(folder)[-1] == newer_than:
        assert time.monotonic() < until, "no dump was written"
        time.sleep(0.05)  # another process, which announces no dump
    return dumps(folder)[-1]
