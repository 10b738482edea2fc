"""The example tells the story of its README, and no input leads astray."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import am_machine as am
from examples.fsm.main import Turnstile, TurnstileStates, story


def test_the_story_is_the_one_of_the_readme(capsys: pytest.CaptureFixture[str], told: str) -> None:
    story()
    assert capsys.readouterr().out == told


@settings(deadline=None)
@given(st.lists(st.sampled_from(["InputCoin", "InputPush"]), max_size=30))
def test_exactly_the_fitting_inputs_are_executed(inputs: list[str]) -> None:
    mach = am.Machine(TurnstileStates, handlers=Turnstile())
    mach.set("Locked")
    for name in inputs:
        fits = name == ("InputCoin" if "Locked" in mach else "InputPush")
        assert mach.add(name).executed is fits
        assert len(mach.active) == 1
    assert mach.err is None
