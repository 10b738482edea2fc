"""The example tells the story of its README; what can run side by side does."""

from __future__ import annotations

import pytest
import trio

from examples.dag.main import at_once, story, with_delays


@pytest.mark.trio
async def test_the_story_is_the_one_of_the_readme(
    autojump_clock: trio.abc.Clock, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    await story()
    assert capsys.readouterr().out == told


def test_requirements_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert at_once().is_("A", "B", "C", "D")
    assert capsys.readouterr().out == "at once: D C B A\n"


@pytest.mark.trio
async def test_only_the_longest_path_counts(autojump_clock: trio.abc.Clock) -> None:
    start = trio.current_time()
    mach = await with_delays()
    assert trio.current_time() - start == pytest.approx(0.5 + 0.1)  # C, then A
    assert [mach.tick(f"Do{node}") for node in "ABCD"] == [2, 2, 2, 2]
