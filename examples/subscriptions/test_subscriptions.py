"""The example tells the story of its README, and shows every wait that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

import am_machine as am
from examples.subscriptions import main
from examples.subscriptions.main import LampStates, story


@pytest.mark.trio
async def test_the_story_is_the_one_of_the_readme(
    capsys: pytest.CaptureFixture[str], told: str
) -> None:
    await story()
    assert capsys.readouterr().out == told


def test_no_wait_is_left_out() -> None:
    assert main.__file__ is not None
    code = Path(main.__file__).read_text()
    waits = [name for name in dir(am.Machine) if name.startswith("when")]
    assert len(waits) >= 11
    assert [name for name in waits if f".{name}(" not in code] == []


def test_a_wait_that_is_made_too_late_has_missed_it() -> None:
    lamp = am.Machine(LampStates)
    early = lamp.when("On")
    lamp.add("On")
    lamp.add("Off")
    late = lamp.when("On")
    assert (early.done, late.done) == (True, False)
