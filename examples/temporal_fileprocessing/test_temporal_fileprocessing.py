"""The example tells the story of its README; nothing half done is left, nothing is done twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from examples.temporal_fileprocessing.main import (
    BACKOFF,
    WORK,
    cancel_and_go_on,
    crash,
    resume,
    story,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_the_story_is_the_one_of_the_readme(
    autojump_clock: trio.abc.Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    await story(tmp_path)
    assert capsys.readouterr().out == told


async def test_a_cancelled_file_goes_on_without_a_second_download(
    autojump_clock: trio.abc.Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await cancel_and_go_on(tmp_path)
    assert capsys.readouterr().out.count("downloading") == 1
    assert files(tmp_path) == ["raw", "result"]


async def test_a_crash_leaves_a_part_and_resuming_removes_it(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    saved = await crash(tmp_path)
    assert files(tmp_path) == ["part", "raw"]
    start = trio.current_time()
    mach = await resume(tmp_path, saved)
    assert files(tmp_path) == ["raw", "result"]
    assert mach.machine_tick == 1
    # Once more processed, three uploads, two waits between them.
    assert trio.current_time() - start == pytest.approx(4 * WORK + BACKOFF + 2 * BACKOFF)
