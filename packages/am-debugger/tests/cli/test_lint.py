"""`am-dbg lint`: what looks wrong in a recorded run, by its text and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from am_debugger._cli.main import main
from am_debugger._files.dump_writer import write_dump

from ..lints.runs import Recording
from ..messages import process

if TYPE_CHECKING:
    from pathlib import Path

    from am_debugger._store.store import Store


def written(folder: Path, *, fails: bool) -> str:
    """A dump of a door that is tried in vain, or that opens."""
    recording = Recording()
    door = recording.machine({"Locked": {"remove": ["Open"]}, "Open": {}}, "door")
    if fails:
        door.add("Locked")
    for _ in range(12):
        door.add("Open")
    path = folder / "run.amdbg.gz"
    list(write_dump(recording.end(), path, process("writer")))
    return str(path)


def test_what_looks_wrong_is_told_with_the_exit_code_of_a_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, fails=True)
    assert main(["lint", path]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("refused: door: add Open was refused 12 times running mach://door/")
    assert "  Open was dropped: it is removed by Locked" in told
    assert "dbg:quiet" in told[-2]
    assert told[-1] == "1 found in 1 machines, 13 transitions"
    # The address leads there.
    address = told[0].split()[-1]
    assert main(["why", path, address, "Open"]) == 0
    assert "Locked is active since transition 1" in capsys.readouterr().out
    assert main(["lint", path, "--ignore", "refused,flapping"]) == 0
    assert capsys.readouterr().out == "nothing found in 1 machines, 13 transitions\n"


def test_nothing_wrong_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", written(tmp_path, fails=False)]) == 0
    assert capsys.readouterr().out == "nothing found in 1 machines, 12 transitions\n"


@pytest.mark.parametrize(
    ("argv", "code", "told"),
    [
        (["DUMP", "--ignore", "typos"], 2, "unhandled,refused"),
        ([], 2, "give a dump, or --from"),
        (["DUMP", "--from", "unix:/nowhere"], 2, "give a dump, or --from"),
        (["nothing.amdbg.gz"], 4, "nothing.amdbg.gz"),
        (["--from", "unix:/nowhere/a", "--timeout", "1s"], 3, "no collector answered"),
        (["--from", "unix:/nowhere/a", "--peer-secret-env", "AM_NO_SUCH"], 2, "AM_NO_SUCH"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, told: str
) -> None:
    path = written(tmp_path, fails=False)
    assert main(["lint", *[path if word == "DUMP" else word for word in argv]]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("am-dbg: ")
    assert told in line


def test_hostile_names_are_shown_inert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = Recording()
    door = recording.machine({"Locked": {"remove": ["Open"]}, "Open": {}}, "do\x1b[31mor")
    door.add("Locked")
    for _ in range(12):
        door.add("Open")
    path = tmp_path / "run.amdbg.gz"
    store: Store = recording.end()
    list(write_dump(store, path, process("writer")))
    assert main(["lint", str(path)]) == 1
    assert "\x1b" not in capsys.readouterr().out
