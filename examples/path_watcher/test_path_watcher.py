"""The example tells the story of its README; late and stale listings count for nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import trio

from examples.path_watcher.main import POLL, QUIET, PathWatcher, story

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio


async def test_the_story_is_the_one_of_the_readme(
    autojump_clock: trio.abc.Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    await story(tmp_path)
    assert capsys.readouterr().out == told


async def test_a_listing_that_is_overtaken_is_thrown_away(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    (tmp_path / "run").touch(mode=0o755)
    watcher = PathWatcher(str(tmp_path))
    async with watcher.mach, watcher.dirs[0].mach as mach:
        mach.add("Listing")
        mach.add("Changed")
        await trio.sleep(QUIET / 2)
        assert watcher.programs == {}
        await mach.when("Listed")
        assert watcher.programs == {tmp_path: ["run"]}
        assert mach.tick("Listed") == 1


async def test_a_burst_of_changes_is_listed_once_and_when_it_is_over(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    watcher = PathWatcher(str(tmp_path))
    async with watcher.mach, watcher.dirs[0].mach as mach:
        start = trio.current_time()
        for _ in range(5):
            mach.add("Changed")
            await trio.sleep(QUIET * 0.9)
        await mach.when("Listed")
        assert trio.current_time() - start == pytest.approx(QUIET * (4 * 0.9 + 1))
        assert mach.tick("Listing") == 2


async def test_a_directory_that_does_not_exist_is_empty_until_it_does(
    autojump_clock: trio.abc.Clock, tmp_path: Path
) -> None:
    folders = [tmp_path / "later", tmp_path]
    watcher = PathWatcher(os.pathsep.join(map(str, folders)))
    async with watcher.mach as mach, watcher.dirs[0].mach as later, watcher.dirs[1].mach as now:
        later.add("Watching")
        now.add("Watching")
        await mach.when("Ready")
        assert watcher.programs == {folders[0]: [], folders[1]: []}
        updated = mach.when_next_active("Updated")
        folders[0].mkdir()
        (folders[0] / "run").touch(mode=0o755)
        await updated
        await trio.sleep(POLL + QUIET * 2)
        assert watcher.programs[folders[0]] == ["run"]
