"""`am-dbg profile` and `am-dbg pending` of dumps, and their usage."""

from __future__ import annotations

from pathlib import Path

import pytest

from am_debugger._cli.main import main
from am_debugger._files.dump_writer import write_dump
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import process


@pytest.fixture(autouse=True)
def dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run.amdbg.gz` in the current folder: handlers ran, and one mutation was never executed."""
    monkeypatch.chdir(tmp_path)
    store = Store()
    exporter = Exporter(Link(store, process()), "w\x1b1")
    for k in range(3):
        exporter.do([2], {2: 1}, time=1_000_000 * k, handlers=(("WorkState", 4000 + k),))
    exporter.do(
        [3], {}, time=3_000_000, flags=Flag.ACCEPTED | Flag.QUEUED, number=5, queue_len=1
    )  # fmt: skip
    exporter.do([2], {2: 1}, time=5_000_000)
    list(write_dump(store, Path("run.amdbg.gz"), process("writer")))


def test_a_profile_names_states_handlers_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "run.amdbg.gz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Busiest states", "  w\\x1b1 Work: changed 4, called 4"]
    assert "  w\\x1b1 WorkState: 4.002 ms in 3, 12.003 ms in 3 runs" in lines
    assert "  w\\x1b1 Work: 4.000 s (80 %)" in lines
    assert lines[-1] == "5 transitions, durations of the latest 5"


def test_what_was_queued_and_never_executed_is_pending(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pending", "run.amdbg.gz"]) == 0
    line, last = capsys.readouterr().out.splitlines()
    assert line.startswith("   2.000 s  w\\x1b1  mutation add Done (not connected, as of ")
    assert last == "no machine is connected: of others only queues are known"


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["pending"], 2, "either a dump, or --from"),
        (["pending", "run.amdbg.gz", "--from", "unix:/nowhere"], 2, "either a dump, or --from"),
        (
            ["pending", "--from", "unix:/nowhere", "--peer-secret-env", "AM_NOTHING"],
            2,
            "AM_NOTHING",
        ),
        (["pending", "nothing.amdbg.gz"], 4, "No such file"),
        (["profile", "nothing.amdbg.gz"], 4, "No such file"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], argv: list[str], code: int, words: str
) -> None:
    assert main(argv) == code
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
