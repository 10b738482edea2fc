"""`--import` of what is no dump: one line tells why, and the exit code says what kind of fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from am_debugger._cli.main import BAD_DUMP, main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"hello", "not a dump: neither gzip nor zstd"),
        (None, "No such file or directory"),
    ],
)
def test_a_dump_that_cannot_be_imported_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes | None, fault: str
) -> None:
    path = tmp_path / "run.amdbg.gz"
    if data is not None:
        path.write_bytes(data)
    argv = ["--headless", "-l", f"unix:{tmp_path / 's'}", "-d", str(tmp_path)]
    assert main([*argv, "--import", str(path)]) == BAD_DUMP
    told = capsys.readouterr().err.splitlines()
    assert told == [f"am-dbg: {path}: {fault}", "am-dbg: 0 machines, 0 transitions, 0.0 MB"]
