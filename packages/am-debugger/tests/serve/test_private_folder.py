"""The folder of a process: removed at the end, and by the next one if it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from am_debugger._serve.private_folder import PREFIX, private_folder

HOLDER = """
import sys
from am_debugger._serve.private_folder import private_folder
with private_folder() as folder:
    (folder / "tabs.sock").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holder(place: Path) -> tuple[subprocess.Popen[str], Path]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environ = {**os.environ, "TMPDIR": str(place)}
    running = subprocess.Popen([sys.executable, "-c", HOLDER], env=environ, **pipes)  # type: ignore[call-overload]
    return running, Path(running.stdout.readline().strip())


@pytest.mark.process
def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(place: Path) -> None:
    killed, stale = holder(place)
    living, held = holder(place)
    with killed, living:
        assert stale.exists(), "its process lives"
        killed.kill()
        killed.wait()
        assert stale.exists()
        with private_folder() as mine:
            assert not stale.exists()
            assert (held / "tabs.sock").exists()
            assert mine.stat().st_mode & 0o777 == 0o700
        assert not mine.exists()
        assert living.stdin is not None
        living.stdin.close()
        living.wait(10)
        assert not held.exists()
    assert list(place.iterdir()) == []


def test_a_folder_that_is_being_made_stays_and_an_old_one_without_a_lock_goes(
    place: Path,
) -> None:
    young, old = place / f"{PREFIX}young", place / f"{PREFIX}old"
    for folder in (young, old):
        folder.mkdir()
    os.utime(old, (1, 1))
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (place / f"{PREFIX}link").symlink_to(elsewhere)
    with private_folder():
        assert young.exists()
        assert not old.exists()
        assert elsewhere.exists()
