"""Where `am-gen` writes to, and what it reads from, if that is no ordinary file."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Gen = Any
DIAGRAM = ("diagram", "am_helpers:Basic", "--out")
HANDLERS = ("handlers", "am_helpers:Basic", "--out")


@pytest.mark.parametrize("command", [DIAGRAM, HANDLERS])
def test_a_pipe_or_device_is_written_to_and_stays_one(
    gen: Gen, tmp_path: Path, command: tuple[str, ...]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert gen(*command, "pipe")[0] == 0
        written = os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert gen(*command, "file")[0] == 0
    assert written == (tmp_path / "file").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe"]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_one_and_what_it_names_is_written(
    gen: Gen, tmp_path: Path, is_there: bool
) -> None:
    (tmp_path / "folder").mkdir()
    goal, link = tmp_path / "folder" / "goal.mmd", tmp_path / "link.mmd"
    link.symlink_to(goal)
    if is_there:
        goal.write_text("an older one")
    assert gen(*DIAGRAM, "link.mmd") == (0, "", "")
    assert link.is_symlink()
    assert goal.read_text().startswith("flowchart")
    assert os.listdir(goal.parent) == ["goal.mmd"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import sys; sys.exit()", "it exits when it is imported"),
        ("raise SystemExit('no')", "it exits when it is imported"),
        ("assert False", "AssertionError: "),
        ("{}['key']", "KeyError: 'key'"),
    ],
)
@pytest.mark.parametrize("command", ["diagram", "handlers"])
def test_a_file_that_cannot_be_imported_is_told_with_its_reason(
    gen: Gen, tmp_path: Path, command: str, text: str, told: str
) -> None:
    (tmp_path / "script.py").write_text(text)
    code, out, err = gen(command, "script.py:States")
    assert (code, out) == (2, "")
    assert err == f"am-gen: script.py:States cannot be loaded: {told}\n"
