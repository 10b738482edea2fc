"""Queries on the screen: found, listed, filtered by; faults underlined, names completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input, Static

from am_debugger._core.finding import filter_text
from am_debugger._derive.found import Found
from am_debugger._derive.query import parse_query
from am_debugger._ui.query_panel import FoundList
from am_debugger._ui.toolbars import TOOLBARS, ToolBar

from .driving import drive, fill_with_related, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._ui.app import DebuggerApp


async def ask(pilot: Pilot[int], app: DebuggerApp, query: str) -> None:
    """Write a query, and wait until all of it is found."""
    app.query_one("#query-text", Input).value = query
    await settle(pilot)
    while "Finding" in app.debugger.machine:
        await settle(pilot)
    await settle(pilot)


async def choose(debugger: Debugger, pilot: Pilot[int], client: str, focus: str) -> None:
    debugger.machine.add("SelectingClient", client=client)
    debugger.machine.add(focus)
    await settle(pilot)


def test_what_is_found_is_listed_with_counts_over_one_machine_or_all(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await choose(debugger, pilot, "worker-2", "LogFocused")
        await press(pilot, "slash")
        assert machine.is_("QueryDialog")
        await ask(pilot, app, "arg.id~7")
        listed = app.query_one(FoundList)
        assert str(listed.border_title) == "3 found: worker-2 3"
        await press(pilot, "alt+a")
        await ask(pilot, app, "arg.id~7 ")
        assert str(listed.border_title) == "6 found: worker-2 3, worker-10 3"
        assert "all machines" in text(app)
        # A machine is named once; its transitions have the room for what they did.
        rows = ["".join([one for one, _ in listed.make_row(k)]) for k in range(3)]
        assert rows[0] == "worker-2 3"
        assert [row.split()[1:4] for row in rows[1:]] == [
            ["8", "[add", "Ready"],
            ["18", "[add", "Work"],
        ]
        # The machine, its three, the other machine, and the first of it.
        await press(pilot, "down", "down", "down", "down", "down", "down", "enter")
        selected = debugger.session.selected
        assert selected is not None
        assert (selected.client.id, selected.cursor) == ("worker-10", 8)
        assert machine.not_("QueryDialog")
        assert machine.is_("LogFocused")

    drive(tmp_path, body)


def test_a_search_goes_on_from_match_to_match_in_both_directions(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot, "worker-2", "TreeFocused")
        debugger.machine.add("SetCursor", number=10)
        view = debugger.session.selected
        assert view is not None
        await press(pilot, "slash")
        await ask(pilot, app, "arg.id~7")
        await press(pilot, "enter")
        assert view.cursor == 18
        seen = []
        for key in ("f3", "f3", "f3", "shift+f3", "shift+f3"):
            await press(pilot, key)
            seen.append(view.cursor)
        assert seen == [28, 8, 18, 8, 28]

    drive(tmp_path, body)


def test_a_fault_is_underlined_where_it_is_and_nothing_happens(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot, "worker-2", "LogFocused")
        view = debugger.session.selected
        assert view is not None
        cursor = view.cursor
        await press(pilot, "slash")
        await ask(pilot, app, "+Ready nonsense canceled")
        assert "no such term" in str(app.query_one("#query-fault", Static).render())
        line = app.query_one("#query-text", Input)
        underlined = [
            (segment.text, segment.style.underline)
            for segment in line.render_line(0)
            if segment.style is not None and segment.style.underline
        ]
        assert [part for part, _ in underlined] == ["nonsense"]
        await press(pilot, "enter")
        assert debugger.machine.is_("QueryDialog")
        assert view.cursor == cursor

    drive(tmp_path, body)


def test_names_are_completed_to_the_right(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot, "job", "LogFocused")
        await press(pilot, "slash", "plus", "C", "o", "n", "right")
        assert app.query_one("#query-text", Input).value == "+Connected"

    drive(tmp_path, body, fill=fill_with_related)


def test_the_filter_is_shown_as_a_query_and_taken_back(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await choose(debugger, pilot, "job", "LogFocused")
        await press(pilot, "alt+q")
        line = app.query_one("#query-text", Input)
        assert line.value == "!auto-canceled !health group:"
        await ask(pilot, app, "!canceled group:Flow +Working")
        await press(pilot, "enter")
        assert machine.is_("FilterCanceledTx", "FilterOutGroup")
        assert not machine.any_("FilterAutoCanceledTx", "FilterHealth")
        view = debugger.session.selected
        assert view is not None
        assert view.group == "Flow"
        names = view.client.version.names
        parsed = [debugger.session.parser.parse(view.client, n) for n in view.visible.numbers]
        assert parsed
        assert all("Working" in [names[i] for i in one.added] for one in parsed)
        assert "+Working" in text(app)
        # A button changes the query, and what no button stands for stays.
        machine.add("ToggleTool", tool="FilterQueuedTx")
        assert filter_text(debugger) == "!canceled !queued group:Flow +Working"
        await press(pilot, "alt+q")
        await ask(pilot, app, "")
        await press(pilot, "enter")
        assert len(view.visible) == len(view.client.columns)
        assert filter_text(debugger) == ""

    drive(tmp_path, body, fill=fill_with_related)


def test_until_another_query_has_found_something_the_list_is_that_of_the_last(
    tmp_path: Path,
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot, "worker-2", "LogFocused")
        await press(pilot, "slash")
        await ask(pilot, app, "arg.id~7")
        listed = app.query_one(FoundList)
        rows = [listed.make_row(k) for k in range(listed.row_count())]
        # Another one begins; the screen may be drawn before there is anything to list.
        debugger.session.found = Found(parse_query("+Nothing"), [])
        assert [listed.make_row(k) for k in range(listed.row_count())] == rows
        await press(pilot, "tab", "down", "enter")
        assert debugger.machine.not_("QueryDialog")

    drive(tmp_path, body, fill=fill_with_related)


def test_a_filter_that_is_written_is_not_what_is_looked_for_next(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot, "job", "LogFocused")
        await press(pilot, "slash")
        await ask(pilot, app, "+Working")
        await press(pilot, "enter", "alt+q")
        line = app.query_one("#query-text", Input)
        assert line.value == filter_text(debugger) != ""
        await press(pilot, "escape", "slash")
        assert line.value == "+Working"

    drive(tmp_path, body, fill=fill_with_related)


def test_each_filter_button_by_mouse_writes_what_reads_back(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await choose(debugger, pilot, "job", "LogFocused")
        bar = app.query_one("#toolbar2", ToolBar)
        seen = {filter_text(debugger)}
        for position, button in enumerate(TOOLBARS[1]):
            if button.text in ("log", "times", "quiet", "query"):
                continue
            for _ in range(2 if button.text == "auto" else 1):  # a third time would be as at first
                bar.press(position)
                written = filter_text(debugger)
                assert written not in seen, button.text
                seen.add(written)
                active = {name for name in machine.active if name.startswith("Filter")}
                machine.add("SetFilter", query="")
                machine.add("SetFilter", query=written)
                assert {name for name in machine.active if name.startswith("Filter")} == active

    drive(tmp_path, body, fill=fill_with_related)


def test_what_the_filters_hide_is_told_when_the_list_leads_there(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot, "worker-2", "LogFocused")
        debugger.machine.add("SetFilter", query="n>20")
        await press(pilot, "slash")
        await ask(pilot, app, "n=5")
        await press(pilot, "down", "enter")
        assert "worker-2/5 is hidden by the filters" in text(app)

    drive(tmp_path, body)


def test_tab_goes_from_the_line_to_the_list_and_back(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot, "worker-2", "LogFocused")
        await press(pilot, "slash")
        await ask(pilot, app, "n<5")
        for name in ("found", "query-text", "found"):
            await press(pilot, "tab")
            assert app.focused is not None
            assert app.focused.id == name
        await press(pilot, "shift+tab")
        assert app.focused.id == "query-text"
        await press(pilot, "escape")
        assert debugger.machine.is_("LogFocused")

    drive(tmp_path, body)
