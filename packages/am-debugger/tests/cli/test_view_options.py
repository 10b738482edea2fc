"""What options of the view and of filters do to the debugger's machine."""

from __future__ import annotations

import pytest

from am_debugger._cli.options import parse
from am_debugger._cli.view_options import SWITCHES, Switch, begin
from am_debugger._core.debugger import Debugger
from am_debugger._core.states import FILTERS


def begun(*argv: str) -> Debugger:
    options = parse(list(argv), {"XDG_CONFIG_HOME": "/nowhere"})
    debugger = Debugger()
    debugger.machine.add("Start")
    begin(debugger.machine, options)
    return debugger


@pytest.mark.parametrize("switch", SWITCHES, ids=[switch.name for switch in SWITCHES])
def test_each_switch_switches_its_state(switch: Switch) -> None:
    assert (switch.state in begun().machine) is switch.default
    assert switch.state in begun(f"--{switch.name}").machine
    assert switch.state not in begun(f"--no-{switch.name}").machine


def test_the_usual_filters_are_those_of_a_machine_that_was_just_started() -> None:
    debugger = Debugger()
    debugger.machine.add("Start")
    assert begun().session.filters == debugger.session.filters
    assert {*FILTERS.values()} <= {switch.state for switch in SWITCHES}


def test_a_view_is_chosen() -> None:
    assert begun().machine.switch("TreeLogView", "TreeMatrixView", "MatrixView") == "TreeLogView"
    assert "TreeMatrixView" in begun("--view", "tree-matrix").machine
    assert "MatrixView" in begun("-v", "matrix").machine
    assert begun("--rain").machine.is_("TreeMatrixView", "MatrixRain")
    assert begun("--rain", "--view=matrix").machine.is_("MatrixView", "MatrixRain")


@pytest.mark.parametrize(
    ("count", "hidden"),
    [(0, {"TimelineTxHidden", "TimelineStepsHidden"}), (1, {"TimelineStepsHidden"}), (2, set())],
)
def test_so_many_timelines_are_shown(count: int, hidden: set[str]) -> None:
    machine = begun(f"--timelines={count}").machine
    assert {"TimelineTxHidden", "TimelineStepsHidden"} & set(machine.active) == hidden


def test_the_narrow_layout_stays_on_a_wide_screen() -> None:
    machine = begun("--narrow").machine
    machine.add("Resized", width=200, height=60)
    assert machine.is_("NarrowLayout")
    assert machine.not_("ClientListVisible")


def test_the_log_begins_at_a_level() -> None:
    assert begun().session.log_level == 2
    assert begun("--log-level=5").session.log_level == 5
