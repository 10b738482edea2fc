"""`am-dbg pending --from`: what machines of other processes wait for, asked by a collector."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .debuggers import AM_DBG, collector, environ_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]
# Waits until its input ends.
PROGRAM = """
import sys
import trio
import am_machine as am
from am_telemetry.dbg import DbgExporter

async def main():
    machine = am.Machine({"Start": {}, %(state)r: {}}, id=%(id)r)
    async with machine:
        machine.add("Start")
        wait = machine.when(%(state)r)
        with DbgExporter(%(address)r) as exporter:
            exporter.bind(machine)
            await trio.to_thread.run_sync(exporter.flush, 20)
            print("waits", flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)

trio.run(main)
"""


@contextmanager
def waiting(folder: Path, id: str, state: str) -> Iterator[None]:
    """A process whose machine waits for a state."""
    program = PROGRAM % {"id": id, "state": state, "address": f"unix:{folder / 'a'}"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as running:  # type: ignore[call-overload]
        assert running.stdout.readline() == "waits\n"
        yield
        running.stdin.close()
        assert running.wait(20) == 0


def pending(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the command says."""
    command = [*AM_DBG, "pending", "--from", f"unix:{folder / 'a'}", *options]
    environ = environ_for(folder)
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


def test_waits_of_all_processes_are_told_oldest_first(tmp_path: Path) -> None:
    with (
        collector(tmp_path),
        waiting(tmp_path, "older", "Ready"),
        waiting(tmp_path, "younger", "Done"),
    ):
        told = pending(tmp_path, "--timeout", "30")
        assert (told.returncode, told.stderr) == (0, "")
        lines = told.stdout.splitlines()
        waits = [line.split("  ")[-2:] for line in lines if " wait " in line]
        assert [(id, text.split()[:2]) for id, text in waits] == [
            ("older", ["wait", "Ready"]),
            ("younger", ["wait", "Done"]),
        ]
        assert lines[-1] == "2 of 2 connected machines have answered"


def test_without_a_machine_it_says_so_in_time(tmp_path: Path) -> None:
    with collector(tmp_path):
        told = pending(tmp_path, "--timeout", "1")
    assert told.returncode == 1
    assert told.stdout.splitlines()[0] == "nothing that is known"
