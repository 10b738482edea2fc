"""The example tells the story of its README; both versions tell the same."""

from __future__ import annotations

import pytest
import trio

from examples.temporal_expense.main import NUMBER, PATIENCE, WORK, as_code, as_states, story

pytestmark = pytest.mark.trio


async def test_the_story_is_the_one_of_the_readme(
    autojump_clock: trio.abc.Clock, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    await story()
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("sent", [(), (999,), (NUMBER,), (999, NUMBER), (998, 999, NUMBER)])
async def test_states_and_code_tell_the_same(
    autojump_clock: trio.abc.Clock, capsys: pytest.CaptureFixture[str], sent: tuple[int, ...]
) -> None:
    await as_states(*sent)
    *states, end = capsys.readouterr().out.splitlines()
    await as_code(*sent)
    assert capsys.readouterr().out.splitlines() == states
    assert ("Paid:1" in end) is (NUMBER in sent)


async def test_who_waits_in_vain_waits_no_longer_than_agreed(
    autojump_clock: trio.abc.Clock,
) -> None:
    start = trio.current_time()
    mach = await as_states(999, 999)
    assert trio.current_time() - start == pytest.approx(WORK + PATIENCE)
    assert mach.clock("TimedOut", "Paying", "Approval") == {
        "TimedOut": 1,
        "Paying": 0,
        "Approval": 3,
    }
