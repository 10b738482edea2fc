"""Time travel through the states of the debugger, without a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from am_debugger._core.ports import NullUi, Part
from am_debugger._store.layout import Flag

if TYPE_CHECKING:
    from am_debugger._core.debugger import Debugger

    from .conftest import Feed


def at(debugger: Debugger) -> tuple[str, int]:
    view = debugger.session.selected
    assert view is not None
    return view.client.id, view.cursor


def select(debugger: Debugger, id: str) -> None:
    debugger.machine.add("SelectingClient", client=id)


def test_the_first_machine_is_shown_at_its_end(debugger: Debugger, feed: Feed) -> None:
    feed("a", 10, 20, 30)
    select(debugger, "a")
    assert at(debugger) == ("a", 3)
    assert debugger.machine.is_("ClientSelected", "Paused", "TxSelected")
    assert debugger.session.moment == 30


def test_forward_and_back_stop_at_the_ends(debugger: Debugger, feed: Feed) -> None:
    feed("a", 10, 20, 30)
    select(debugger, "a")
    machine = debugger.machine
    for expected in (2, 1, 0, 0):
        machine.add("UserBack")
        assert at(debugger) == ("a", expected)
    assert not machine.is_("TxSelected")
    assert debugger.session.clock == [0] * 6
    assert debugger.session.moment == 9
    for expected in (1, 2, 3, 3):
        machine.add("UserFwd")
        assert at(debugger) == ("a", expected)
    machine.add("UserBack", amount=50)
    assert at(debugger) == ("a", 0)
    machine.add("UserFwd", amount=2)
    assert at(debugger) == ("a", 2)
    assert not machine.any_("UserFwd", "UserBack", "Fwd", "Back")


def test_nothing_moves_while_no_machine_is_selected(debugger: Debugger) -> None:
    for action in ("UserFwd", "UserBack", "UserFwdStep", "ScrollToMutTx"):
        assert debugger.machine.add(action).canceled
    assert debugger.machine.add("SelectingClient", client="none").canceled
    assert debugger.machine.add("Playing").canceled


def test_another_machine_is_shown_at_the_moment_and_the_moment_stays(
    debugger: Debugger, feed: Feed
) -> None:
    feed("a", 10, 20, 20, 40)
    feed("b", 5, 19, 21, 50)
    feed("c", 100)
    select(debugger, "a")
    debugger.machine.add("SetCursor", number=2)
    select(debugger, "b")
    assert at(debugger) == ("b", 3)  # the later of two equally near
    assert debugger.session.moment == 20
    select(debugger, "c")
    assert at(debugger) == ("c", 1)
    select(debugger, "a")
    assert at(debugger) == ("a", 2)  # the very same, though another one has that time
    select(debugger, "b")
    debugger.machine.add("UserFwd")
    assert debugger.session.moment == 50
    select(debugger, "a")
    assert at(debugger) == ("a", 4)


def test_tail_mode_follows_what_comes_until_the_user_goes_back(
    debugger: Debugger, feed: Feed
) -> None:
    exporter = feed("a", 10, 20)
    select(debugger, "a")
    machine = debugger.machine
    machine.add("TailMode")
    exporter.do([2], {2: 1}, time=30)
    debugger.took(10)
    assert at(debugger) == ("a", 3)
    machine.add("UserBack")
    assert machine.is_("Paused")
    assert machine.not_("TailMode")
    exporter.do([2], {2: 1}, time=40)
    debugger.took(10)
    assert at(debugger) == ("a", 2)
    assert debugger.session.next_number == 3
    machine.add("TailMode")
    assert at(debugger) == ("a", 4)
    machine.add("LogFocused")
    machine.add("LogUserScrolled")
    assert machine.not_("TailMode")


def test_playing_paused_and_tail_exclude_each_other(debugger: Debugger, feed: Feed) -> None:
    feed("a", 10)
    select(debugger, "a")
    machine = debugger.machine
    modes = {"Playing", "Paused", "TailMode"}
    for mode in ("TailMode", "Paused", "TailMode"):
        machine.add(mode)
        assert modes & set(machine.active) == {mode}
    machine.remove("TailMode")
    assert modes & set(machine.active) == {"Paused"}


def test_tail_mode_comes_again_with_the_next_machine(debugger: Debugger, feed: Feed) -> None:
    feed("a", 10)
    feed("b", 1, 2, 3)
    select(debugger, "a")
    debugger.machine.add("TailMode")
    select(debugger, "b")
    assert debugger.machine.is_("TailMode")
    assert at(debugger) == ("b", 3)


@pytest.mark.parametrize("state", ["FilterCanceledTx", "FilterEmptyTx", "FilterChecks"])
def test_filters_never_hide_the_cursor(debugger: Debugger, feed: Feed, state: str) -> None:
    exporter = feed("a", 10)
    flags = {"FilterCanceledTx": Flag(0), "FilterChecks": Flag.ACCEPTED | Flag.CHECK}
    for time in (20, 30):
        exporter.do([2], {}, time=time, flags=int(flags.get(state, Flag.ACCEPTED)))
    exporter.do([2], {2: 1}, time=40)
    debugger.took(1)
    select(debugger, "a")
    machine = debugger.machine
    machine.add("SetCursor", number=3)
    machine.add("ToggleTool", tool=state)
    assert at(debugger) == ("a", 1)
    machine.add("UserFwd")
    assert at(debugger) == ("a", 4)
    machine.add("ToggleTool", tool=state)
    machine.add("UserBack")
    assert at(debugger) == ("a", 3)


def test_where_nothing_is_visible_backwards_the_cursor_goes_forwards(
    debugger: Debugger, feed: Feed
) -> None:
    exporter = feed("a")
    exporter.do([2], {}, time=10, flags=0)
    exporter.do([2], {2: 1}, time=20)
    select(debugger, "a")
    debugger.machine.add("SetCursor", number=1)
    debugger.machine.add("FilterCanceledTx")
    assert at(debugger) == ("a", 2)


def test_health_checks_are_hidden_from_the_start(debugger: Debugger, feed: Feed) -> None:
    exporter = feed("a", 10)
    exporter.do([4], {4: 1}, time=20)
    select(debugger, "a")
    assert at(debugger) == ("a", 1)
    debugger.machine.remove("FilterHealth")
    debugger.machine.add("UserFwd")
    assert at(debugger) == ("a", 2)


def test_a_group_hides_what_calls_none_of_its_states(debugger: Debugger, feed: Feed) -> None:
    exporter = feed("a", 10)
    exporter.do([0], {0: 1}, time=20)
    select(debugger, "a")
    debugger.machine.add("SetGroup", group="Flow")
    assert at(debugger) == ("a", 1)
    assert debugger.session.forward() is False
    debugger.machine.remove("FilterOutGroup")
    debugger.machine.add("UserFwd")
    assert at(debugger) == ("a", 2)


def test_jumps_go_to_changes_of_the_selected_state(
    debugger: Debugger, feed: Feed, ui: NullUi
) -> None:
    exporter = feed("a", 10)
    for k in range(20):
        exporter.do([0], {0: 1} if k in (5, 11) else {1: 1}, time=20 + k)
    select(debugger, "a")
    machine = debugger.machine
    machine.add("StateNameSelected", state="Start")
    for expected in (13, 7):
        machine.add("ScrollToMutTx", forward=False)
        assert at(debugger) == ("a", expected)
    assert ui.told == []
    machine.add("ScrollToMutTx", forward=False)
    assert at(debugger) == ("a", 7)
    assert ui.told == ["no earlier transition changed Start"]
    machine.add("ScrollToMutTx")
    assert at(debugger) == ("a", 13)


def test_steps_lead_through_the_next_transition_and_beyond(debugger: Debugger, feed: Feed) -> None:
    feed("a", 10, 20, 30)
    select(debugger, "a")
    machine, session = debugger.machine, debugger.session
    machine.add("SetCursor", number=1)
    view, count = session.selected, session.step_count
    assert view is not None
    assert count >= 2
    for expected in range(1, count + 1):
        machine.add("UserFwdStep")
        assert view.step == expected
    machine.add("UserFwdStep")
    assert (view.cursor, view.step) == (2, 0)
    machine.add("UserBackStep")
    assert (view.cursor, view.step) == (1, count)
    machine.add("ScrollToStep", step=99)
    assert view.step == count
    machine.add("TimelineStepsScrolled", step=1)
    assert view.step == 1
    machine.add("UserFwd")
    assert (view.cursor, view.step) == (2, 0)


def test_a_transition_of_another_machine_is_gone_to(
    debugger: Debugger, feed: Feed, ui: NullUi
) -> None:
    feed("a", 10)
    feed("b", 1, 2, 3)
    select(debugger, "a")
    machine = debugger.machine
    machine.add("ScrollToTx", client="b", number=2)
    assert at(debugger) == ("b", 2)
    assert machine.is_("SwitchedClientTx", "ClientSelected", "Paused")
    machine.add("ScrollToTx", client="none", number=2)
    assert ui.told == ["there is no machine none"]
    assert machine.is_("ClientSelected")


def test_the_history_of_places_goes_back_forward_and_by_machine(
    debugger: Debugger, feed: Feed
) -> None:
    feed("a", 1, 2, 3, 4)
    feed("b", 1, 2, 3, 4)
    machine = debugger.machine
    select(debugger, "a")
    for number in (1, 2, 3):
        machine.add("SetCursor", number=number)
    select(debugger, "b")
    machine.add("SetCursor", number=1)
    places = [(place.serial, place.number) for place in debugger.session.places.all]
    assert places == [(1, 4), (1, 3), (2, 3), (2, 1)]
    machine.add("GoBack")
    assert at(debugger) == ("b", 3)
    machine.add("GoBack")
    assert at(debugger) == ("a", 3)
    machine.add("GoFwd")
    assert at(debugger) == ("b", 3)
    machine.add("GoPrevMachine")
    assert at(debugger) == ("a", 3)
    machine.add("GoNextMachine")
    assert at(debugger) == ("b", 3)
    machine.add("GoBack")
    machine.add("SetCursor", number=2)  # what was ahead is forgotten
    machine.add("GoFwd")
    assert at(debugger) == ("a", 2)


def test_a_removed_machine_takes_its_places_along(debugger: Debugger, feed: Feed) -> None:
    feed("a", 1, 2)
    feed("b", 1, 2)
    select(debugger, "a")
    select(debugger, "b")
    machine = debugger.machine
    machine.add("RemoveClient", client="b")
    assert debugger.session.selected is None
    assert machine.not_("ClientSelected", "RemoveClient")
    assert [place.serial for place in debugger.session.places.all] == [1]
    machine.add("GoBack")
    select(debugger, "a")
    assert at(debugger)[0] == "a"


def test_an_address_leads_to_its_place_and_back(debugger: Debugger, feed: Feed, ui: NullUi) -> None:
    feed("a", 10, 20, 30)
    feed("b", 15)
    select(debugger, "a")
    machine, session = debugger.machine, debugger.session
    machine.add("SetCursor", number=2)
    machine.add("StateNameSelected", state="Work")
    machine.add("SetGroup", group="Flow")
    url = str(session.url())
    select(debugger, "b")
    machine.add("GoToUrl", url=url)
    assert at(debugger) == ("a", 2)
    assert str(session.url()) == url
    assert session.selected is not None
    assert (session.selected.state, session.selected.group) == ("Work", "Flow")
    for text, number in (("t=0", 0), ("t=3", 3), ("ht=1970-01-01T00:00:00.000012Z", 1)):
        machine.add("GoToUrl", url=f"mach://a?{text}")
        assert at(debugger) == ("a", number), text
    machine.add("GoToUrl", url="mach://unknown")
    machine.add("GoToUrl", url="nonsense")
    assert at(debugger) == ("a", 1)
    assert ui.told[0] == "mach://unknown is not known here"
    assert "no address of a machine" in ui.told[1]


def test_an_address_without_a_moment_leads_where_choosing_the_machine_does(
    debugger: Debugger, feed: Feed
) -> None:
    feed("a", 10, 20, 30)
    exporter = feed("b", 15, 25)
    machine = debugger.machine
    machine.add("GoToUrl", url="mach://a?state=Work")
    assert at(debugger) == ("a", 3)
    assert debugger.session.moment == 30
    assert debugger.session.selected is not None
    assert debugger.session.selected.state == "Work"
    machine.add("SetCursor", number=2)
    machine.add("GoToUrl", url="mach://b?group=Flow")
    assert at(debugger) == ("b", 2), "the later of two that are equally near"
    assert debugger.session.moment == 20
    machine.add("GoToUrl", url="mach://a")
    assert at(debugger) == ("a", 2)
    machine.add("TailMode")
    machine.add("GoToUrl", url="mach://b?state=Work")
    assert at(debugger) == ("b", 2)
    assert machine.is_("TailMode")
    exporter.do([2], {2: 1}, time=40)
    debugger.grown()
    assert at(debugger) == ("b", 3)
    machine.add("GoToUrl", url="mach://a?t=1")
    assert at(debugger) == ("a", 1)
    assert machine.not_("TailMode")


def test_what_shows_the_cursor_is_drawn_anew_when_it_moves(
    debugger: Debugger, feed: Feed, ui: NullUi
) -> None:
    feed("a", 10, 20)
    select(debugger, "a")
    ui.invalid.clear()
    debugger.machine.add("UserBack")
    assert {Part.BARS, Part.LOG, Part.SCHEMA, Part.TIMELINES, Part.CLIENTS} <= ui.invalid


def test_steps_are_no_more_than_those_of_the_transition_that_follows(
    debugger: Debugger, feed: Feed
) -> None:
    feed("a", 10, 20, 30)
    select(debugger, "a")
    machine, session = debugger.machine, debugger.session
    machine.add("SetCursor", number=1)
    view, count = session.selected, session.step_count
    assert view is not None
    # As where what followed was hidden, or gone, and another follows that has fewer.
    view.step = count + 5
    session.settle(view)
    assert view.step == count
    view.step = count + 5
    select(debugger, "a")
    assert view.step == count
