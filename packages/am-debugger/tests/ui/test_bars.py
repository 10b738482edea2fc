"""Bars, timelines, the status line, and the list of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from am_debugger._core.ports import Progress
from am_debugger._ui import colors
from am_debugger._ui.bar_rows import clock_row, step_row
from am_debugger._ui.bars import SPINNER, StatusBar
from am_debugger._ui.fitting import spread
from am_debugger._ui.group_menu import GroupMenu

from .driving import SIZES, click_on, drive, fill_with_related, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._ui.app import DebuggerApp

NOON = 1_700_000_000_000_000


def test_the_first_digit_that_differs_from_the_time_before_stands_out() -> None:
    later = clock_row(NOON + 20_300, NOON + 20_000)
    assert [len(text) for text, _ in later] == [12, 1, 2]
    assert [style == colors.DIFFERS for _, style in later] == [False, True, False]
    assert later[1][0] == "3"
    assert clock_row(NOON, NOON) == clock_row(NOON, None)
    assert len(clock_row(NOON, None)) == 1


def test_states_of_a_step_stand_out() -> None:
    row = step_row("**Ready** require **Start**")
    assert "".join([text for text, _ in row]) == "Ready require Start"
    assert [text for text, style in row if style.bold] == ["Ready", "Start"]


@given(
    st.lists(st.text(st.characters(categories=["L", "N"]), max_size=9), max_size=4),
    st.text(st.characters(categories=["N"]), max_size=9),
    st.integers(1, 40),
)
def test_what_is_spread_fills_its_line_and_its_left_is_cut_first(
    left: list[str], right: str, width: int
) -> None:
    row = spread([(one, colors.PLAIN) for one in left], [(right, colors.PLAIN)], width)
    assert row[-1][0] == right
    if cell_len(right) < width:
        assert sum([cell_len(one) for one, _ in row]) in (width, width - 1)
    shown = "".join([one for one, _ in row[:-1]])
    if cell_len("".join(left)) + cell_len(right) + 1 <= width:
        assert shown.rstrip(" ") == "".join(left).rstrip(" ")


def test_the_spinner_turns_while_something_takes_a_while(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        status = app.query_one(StatusBar)
        assert "ready" in status.row()[0][0]
        assert not status._turning._active.is_set()
        debugger.progress = Progress(0.5, 12_345)
        debugger.machine.add("DiagramsGraphRendering")
        await settle(pilot)
        told = status.row()[0][0]
        assert told[0] in SPINNER
        assert "loading 50%, 12_345 transitions" in told
        assert status._turning._active.is_set()
        debugger.machine.remove("DiagramsGraphRendering")
        await settle(pilot)
        assert not status._turning._active.is_set()
        assert "ready" in text(app)

    drive(tmp_path, body)


@pytest.mark.parametrize("size", SIZES)
def test_a_group_is_chosen_from_the_list_that_drops_down(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="job")
        machine.add("TreeGroupsFocused")
        await press(pilot, "enter")
        menu = app.query_one(GroupMenu)
        assert menu.has_focus
        chooser = app.query_one("#groups").region
        assert menu.region.y == chooser.y + 1, "right below the chooser"
        assert menu.region.x <= chooser.x < menu.region.right
        rows = ["".join([one for one, _ in menu.make_row(k)]).split() for k in range(2)]
        assert rows == [["all", "6"], ["Flow", "2"]]
        await press(pilot, "down", "enter")
        view = debugger.session.selected
        assert view is not None
        assert view.group == "Flow"
        assert machine.not_("GroupMenu")
        assert machine.is_("TreeGroupsFocused"), "the focus is where it was"
        assert "[Flow" in text(app)
        await click_on(pilot, "groups")
        assert machine.is_("GroupMenu")
        assert menu.cursor == 1, "on the chosen one"
        await press(pilot, "escape")
        assert machine.not_("GroupMenu")
        assert view.group == "Flow"

    drive(tmp_path, body, fill=fill_with_related, size=size)
