"""The example tells the story of its README, and its parts do what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import am_machine as am
from examples.basic.main import FileStates, Handlers, story

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.trio
async def test_the_story_is_the_one_of_the_readme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    await story(tmp_path)
    assert capsys.readouterr().out == told


@pytest.mark.trio
async def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    async with am.Machine(FileStates, handlers=Handlers()) as mach:
        mach.add(FileStates.ProcessingFile, path=tmp_path / "gone.txt")
        await mach.when_err()
        assert isinstance(mach.err, FileNotFoundError)
        assert mach.err.filename == str(tmp_path / "gone.txt")


def test_wrong_keywords_fail_at_the_call(tmp_path: Path) -> None:
    mach = am.Machine(FileStates, handlers=Handlers())
    with pytest.raises(am.ArgsError):
        mach.add(FileStates.ProcessingFile)
    with pytest.raises(am.ArgsError):
        mach.add(FileStates.ProcessingFile, path=tmp_path, size=3)
    assert mach.time().sum == 0
