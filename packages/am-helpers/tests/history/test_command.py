"""`am-history` where the world around it is not as it should be: one line says what is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_helpers as amh
import am_machine as am
from am_helpers._history._cli import main

if TYPE_CHECKING:
    from pathlib import Path

SNOW = "snow \N{SNOWMAN}"
OLD = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one machine."""
    path = tmp_path / "h.sqlite"

    async def make() -> None:
        machine = am.Machine({"Foo": {}}, id=SNOW)
        async with amh.SqliteHistory(machine, path):
            machine.add("Foo")

    trio.run(make)
    return path


def _run(path: Path, *words: str, out: Any = subprocess.PIPE) -> tuple[int, str | None, str]:
    command = [sys.executable, "-m", "am_helpers._history._cli", str(path), *words]
    done = subprocess.run(
        command, stdout=out, stderr=subprocess.PIPE, text=True, env={**os.environ, **OLD},
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.process
def test_characters_that_an_old_encoding_lacks_are_escaped_and_understood(path: Path) -> None:
    code, out, err = _run(path)
    assert (code, err) == (0, "")
    assert out is not None
    assert out.startswith("snow \\u2603  ")
    code, out, err = _run(path, SNOW, "--active", "Foo")
    assert (code, err) == (0, "")
    assert out is not None
    assert out.endswith("add +Foo:1  [Foo]\n")


@pytest.mark.process
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_no_disk_takes_is_told(path: Path) -> None:
    with open("/dev/full", "w") as full:
        assert _run(path, out=full) == (
            1, None, "am-history: stdout: [Errno 28] No space left on device\n",
        )  # fmt: skip


def test_closed_output_is_told(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main([str(path)]) == 1
    assert capsys.readouterr().err == "am-history: stdout is closed\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["m1", "--since", "yesterday"], "'yesterday' is no time of the years 1 to 9999, as 20"),
        (["m1", "--until", "0001-01-01T00:00+14:00"], "is no time of the years 1 to 9999"),
        (["m1", "--limit", "-1"], "'-1' is no number of records, 0 or more"),
        (["m1", "--limit", "few"], "'few' is no number of records, 0 or more"),
        (["m\udcff"], r"'m\udcff' is not UTF-8"),
        (["--active", "Foo"], "--active: of which machine? Its ID follows the FILE"),
        (["--since", "2026-11-29", "--transitions"], "--since, --transitions: of which machine?"),
    ],
)
def test_wrong_words_are_told_by_what_they_should_be(
    path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(path), *words])
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_words_come_in_any_order(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--limit", "1", str(path), "--active", "Foo", SNOW]) == 0
    assert capsys.readouterr().out.endswith("add +Foo:1  [Foo]\n")


def test_what_is_there_and_no_file_is_called_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (str(tmp_path), os.devnull):
        assert main([place]) == 1
        told = f"am-history: cannot open {place}: it is no regular file\n"
        assert capsys.readouterr().err == told


def test_a_file_without_machines_says_so_and_where_they_may_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, copy = tmp_path / "h.sqlite", tmp_path / "copy.sqlite"

    async def copied_while_it_is_written() -> None:
        async with amh.SqliteHistory(am.Machine({"Foo": {}}, id="m1"), path) as history:
            await history.sync()
            shutil.copy(path, copy)

    trio.run(copied_while_it_is_written)
    assert main([str(copy)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"am-history: {copy} holds no machine (what is new stands in ")
