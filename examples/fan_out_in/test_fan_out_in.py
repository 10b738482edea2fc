"""The example tells the story of its README, as fast as three at once allow."""

from __future__ import annotations

import pytest
import trio

import am_machine as am
from examples.fan_out_in.main import AT_ONCE, SECONDS, TASKS, FanStates, done, grow, story


@pytest.mark.trio
async def test_the_story_is_the_one_of_the_readme(
    autojump_clock: trio.abc.Clock, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    start = trio.current_time()
    await story()
    assert capsys.readouterr().out == told
    rounds = -(-(len(TASKS) + 1) // AT_ONCE)  # one task is tried twice
    assert trio.current_time() - start == pytest.approx(rounds * SECONDS)


def test_ready_follows_the_last_outcome_only() -> None:
    mach = am.Machine(FanStates)
    before = mach.schema.names
    grow(mach, ("Task1", "Task2"))
    assert mach.schema.names[: len(before)] == before
    mach.add("Start")
    mach.add("Task1", "Task2")
    mach.add(done("Task1"))
    assert "Ready" not in mach
    mach.add(done("Task2"))
    assert mach.is_("Start", "Ready", "Task1Done", "Task2Done")
    assert mach.not_("Task1", "Task2")
