"""The example tells the story of its README, and its parts do what they say."""

import pytest

import am_helpers as amh
import am_machine as am
from examples.pipes.main import (
    AgainStates,
    Inverted,
    PanelStates,
    ServiceStates,
    ring,
    service_and_panel,
    story,
)


def test_the_story_is_the_one_of_the_readme(capsys: pytest.CaptureFixture[str], told: str) -> None:
    story()
    assert capsys.readouterr().out == told


def test_the_panel_gets_the_error_itself() -> None:
    service, panel = service_and_panel()
    assert isinstance(service.err, OSError)
    assert panel.err is service.err


def test_a_pipe_can_be_turned_round_and_detached() -> None:
    service, panel = am.Machine(ServiceStates), am.Machine(PanelStates)
    binding = service.bind(Inverted(panel))
    service.add("Start", "Ready", "Busy")
    service.remove("Busy")
    assert "Idle" in panel
    binding.detach()
    service.add("Busy")
    assert "Idle" in panel


def test_a_ring_of_multi_states_stops_with_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    ring(AgainStates)
    assert amh.PipeLoopError.__name__ in capsys.readouterr().out
