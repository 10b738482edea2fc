"""Files that are there as a whole or not at all, also where the name is none of a file."""

import os
import stat
from pathlib import Path

import pytest

from am_debugger._files.atomic import path_of, written


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with written(path) as file:
        file.write(b"one")
        assert not path.exists()
    with pytest.raises(TypeError), written(path) as file:
        file.writelines([b"two", "three"])  # type: ignore[list-item]
    assert path.read_bytes() == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_a_pipe_or_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        with written(pipe) as file:
            file.write(b"one")
        assert os.read(reader, 100) == b"one"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_link_stays_one_and_what_it_names_is_written(tmp_path: Path) -> None:
    link, goal = tmp_path / "link", tmp_path / "goal"
    link.symlink_to(goal)
    with written(link) as file:
        file.write(b"one")
    assert link.is_symlink()
    assert goal.read_bytes() == b"one"


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_no_file_can_be_named_is_an_error_of_files(text: str) -> None:
    with pytest.raises(OSError, match="no file can have this name"):
        path_of(text)
    assert path_of("a b/é") == Path("a b/é")
