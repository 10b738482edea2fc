"""The runtime directory is private, short, gone at the end, and swept when its owner died."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from am_node._supervisor.runtime_dir import runtime_directory, sweep


def _dead_pid() -> int:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, check=True)  # fmt: skip
    return int(child.stdout)


def test_it_is_private_and_removed_with_its_contents(tmp_path: Path) -> None:
    with runtime_directory(tmp_path) as directory:
        path = directory.path
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        (path / "w1").touch()
    assert list(tmp_path.iterdir()) == []


def test_socket_paths_in_it_stay_below_a_hundred_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp/" + "x" * 90)
    with runtime_directory() as directory:
        path = directory.path
        assert len(os.fsencode(path / "w100000")) <= 100


def test_what_a_dead_owner_left_is_swept(tmp_path: Path) -> None:
    stale = tmp_path / f"am-node-{_dead_pid()}-abcdef"
    stale.mkdir()
    (stale / "w1").touch()
    assert sweep(tmp_path) == [stale]
    assert not stale.exists()


def test_what_a_living_owner_uses_is_left_alone(tmp_path: Path) -> None:
    with runtime_directory(tmp_path) as directory:
        path = directory.path
        assert sweep(tmp_path) == []
        assert path.is_dir()


def test_a_locked_directory_is_left_alone_even_if_its_pid_looks_dead(tmp_path: Path) -> None:
    with runtime_directory(tmp_path) as directory:
        path = directory.path
        foreign = tmp_path / f"am-node-{_dead_pid()}-abcdef"
        path.rename(foreign)
        assert sweep(tmp_path) == []
        foreign.rename(path)


def test_files_and_links_that_only_look_alike_are_left_alone(tmp_path: Path) -> None:
    dead = _dead_pid()
    target = tmp_path / "precious"
    target.mkdir()
    (tmp_path / f"am-node-{dead}-aaaaaa").symlink_to(target)
    (tmp_path / f"am-node-{dead}-bbbbbb").touch()
    (tmp_path / "am-node-notes").mkdir()
    assert sweep(tmp_path) == []
    assert target.is_dir()
