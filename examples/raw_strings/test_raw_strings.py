"""The example tells the story of its README, and its parts do what they say."""

from __future__ import annotations

import pytest
import trio

import am_machine as am
from examples.raw_strings.main import SCHEMA, Handlers, story

pytestmark = pytest.mark.trio


async def test_the_story_is_the_one_of_the_readme(
    autojump_clock: trio.abc.Clock, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    await story()
    assert capsys.readouterr().out == told


async def test_leaving_the_state_ends_the_work(autojump_clock: trio.abc.Clock) -> None:
    async with am.Machine(SCHEMA, handlers=Handlers()) as mach:
        mach.add("ProcessingFile", filename="huge.txt")
        mach.remove("ProcessingFile")
        await trio.sleep(120)
        assert str(mach) == "()"
        assert mach.tick("FileProcessed") == 0


async def test_a_second_file_waits_for_no_first_one(autojump_clock: trio.abc.Clock) -> None:
    async with am.Machine(SCHEMA, handlers=Handlers()) as mach:
        mach.add("ProcessingFile", filename="a.txt")
        mach.add("ProcessingFile", filename="huge.txt")  # active already, and not multi
        await mach.when("FileProcessed")
        assert trio.current_time() < 1
