"""`am-dbg --headless` as a process: real exporters, a viewer, dumps, signals."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .debuggers import AM_DBG, collector, dumps, export, inspect, wait_for_dump

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_what_a_program_did_is_in_the_dump(tmp_path: Path) -> None:
    with collector(tmp_path, "--rotate-tx", "400"):
        export(tmp_path, 300)
        lines = inspect(wait_for_dump(tmp_path))
        assert lines[0].startswith("worker: 601 transitions, ")
        found = inspect(dumps(tmp_path)[-1], "--where", "+Work arg.id=7")
        assert len(found) == 2
        assert "[add Work (id=7)] +Work mach://worker/" in found[0]


def test_what_came_after_the_last_dump_is_written_at_the_end(tmp_path: Path) -> None:
    with collector(tmp_path, "--rotate-tx", "100000"):
        export(tmp_path, 20)
    (last,) = dumps(tmp_path)
    assert inspect(last)[0].startswith("worker: 41 transitions, ")


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


LOGGING = """
import sys, time
import am_machine as am
from am_telemetry.dbg import DbgExporter

machine = am.Machine({"Step": {"multi": True}}, id="worker", log_level=am.LogLevel.EXTERNAL)
with DbgExporter(sys.argv[1], detail=2) as exporter:
    exporter.bind(machine)
    for k in range(200):
        machine.add("Step", id=k)
        machine.log(f"that was {k}.")
        time.sleep(0.002 * (k % 3 == 0))  # some while the exporter is at work, some before
    assert exporter.flush(20)
"""


def test_lines_between_transitions_stand_between_them(tmp_path: Path) -> None:
    with collector(tmp_path, "--rotate-tx", "100000"):
        command = [sys.executable, "-c", LOGGING, f"unix:{tmp_path / 'a'}"]
        subprocess.run(command, check=True, timeout=60)
    (last,) = dumps(tmp_path)
    found = inspect(last, "--where", '"that was"')
    assert found[-1] == "200 found, worker 200"
    for k in (0, 1, 7, 100, 198, 199):
        (line, _) = inspect(last, "--where", f'"that was {k}."')
        assert f" worker/{k + 1} [add Step (id={k})] " in line
