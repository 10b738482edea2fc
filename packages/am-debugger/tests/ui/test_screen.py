"""The screen, driven by keys and mouse through the real launcher; states and cursors are looked at,
not pixels."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from am_debugger._core.debugger import Debugger
from am_debugger._store.link import Link
from am_debugger._ui.app import FOCUS, DebuggerApp
from am_debugger._ui.bars import TxTimeline
from am_debugger._ui.keys import KEYS
from am_debugger._ui.toolbars import TOOLBARS
from am_debugger._ui.tree_pane import SchemaTree
from am_telemetry import dbg

from ..exporter import NAMES
from ..messages import mach, process, schema, tx
from .driving import SIZES, click_on, drive, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot


@pytest.mark.parametrize("size", SIZES)
def test_a_machine_is_chosen_and_walked_through_by_keys(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        assert "choose a machine" in text(app)
        assert "Graph:t" in text(app)
        assert "Machines:2" in text(app)
        is_narrow = size[0] < 100
        assert is_narrow is ("NarrowLayout" in machine)
        await press(pilot, "down", "up", "enter")
        if is_narrow:
            assert machine.is_("TreeFocused"), "what was chosen is shown"
            assert "Machines:2" not in text(app)
            await press(pilot, "escape")
            assert "Machines:2" in text(app)
            await press(pilot, "tab", "tab")
            assert "Group [all" in text(app)
        view = debugger.session.selected
        assert view is not None
        assert (view.client.id, view.cursor) == ("worker-2", 30)
        await press(pilot, "left", "left")
        assert view.cursor == 28
        await press(pilot, "right")
        assert view.cursor == 29
        assert "Transition 29 / 30" in text(app)
        assert "[state]" in text(app)
        await press(pilot, "home")
        assert view.cursor == 0
        await press(pilot, "alt+right")
        assert view.cursor == 30
        await press(pilot, "alt+h")
        assert view.cursor == 0
        await press(pilot, "end")
        assert view.cursor == 30
        await press(pilot, "alt+v")
        assert machine.is_("TailMode")

    drive(tmp_path, body, size=size)


def test_steps_are_walked_through_by_keys(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await press(pilot, "enter", "left", "alt+k")
        view = debugger.session.selected
        assert view is not None
        assert view.step == 1
        assert "called Work" in text(app)
        await press(pilot, "alt+j")
        assert view.step == 0
        debugger.machine.add("TimelineStepsFocused")
        await press(pilot, "right")
        assert view.step == 1

    drive(tmp_path, body)


@pytest.mark.parametrize("size", SIZES)
def test_an_empty_screen_says_what_to_type(tmp_path: Path, size: tuple[int, int]) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        shown = text(app)
        assert "AM_DBG_ADDR=1 python" in shown
        assert "amh.debug_env(machine)" in shown
        assert "? shows the keys" in shown
        titles = (" Schema ", " Log 2: changes ") if size[0] >= 100 else (" Log 2: changes ",)
        assert all(title in shown for title in titles)

    drive(tmp_path, body, size=size, fill=lambda store: None)


def test_focus_that_moves_on_at_once_stays_where_it_came_last(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await press(pilot, "enter")
        for last in ("ClientListFocused", "LogFocused", "TreeFocused"):
            for state in ("TreeFocused", "LogFocused", "ClientListFocused", last):
                machine.add(state)
            await settle(pilot)
            assert machine.is_(last)
            assert app.focused is not None
            assert app.focused.id == FOCUS[last]

    drive(tmp_path, body)


def test_where_it_is_narrow_the_reader_takes_the_place_of_the_log(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await press(pilot, "enter")

        def shown() -> list[str]:
            names = ("clients", "tree", "log", "reader", "matrix")
            return [name for name in names if app.query_one(f"#{name}").display]

        assert machine.is_("TreeFocused")
        assert shown() == ["tree", "log"]
        await press(pilot, "alt+o")
        assert shown() == ["tree", "reader"]
        await press(pilot, "slash")
        assert debugger.searches_reader
        await press(pilot, "escape", "alt+o")
        assert shown() == ["tree", "log"]
        await press(pilot, "alt+m", "escape")
        assert shown() == ["clients", "matrix"]
        assert machine.is_("ClientListFocused")

    drive(tmp_path, body, size=SIZES[2])


def test_a_state_is_chosen_and_jumps_go_to_its_changes(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await press(pilot, "enter", "tab", "tab")
        assert debugger.machine.is_("TreeFocused")
        await press(pilot, "enter")
        view = debugger.session.selected
        assert view is not None
        assert view.state == "Start"
        assert "no relations" in text(app)
        await press(pilot, "alt+left")
        assert view.cursor == 28
        await press(pilot, "alt+left")
        assert view.cursor == 25

    drive(tmp_path, body)


def test_views_reader_and_help_come_and_go(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await press(pilot, "enter", "alt+o")
        assert "▾Arguments" in text(app)
        await press(pilot, "alt+r")
        assert "Rain" in text(app)
        await press(pilot, "alt+r", "question_mark")
        assert "play or pause" in text(app)
        await press(pilot, "escape")
        assert "play or pause" not in text(app)
        await press(pilot, "alt+m")
        assert debugger.machine.is_("TreeMatrixView")

    drive(tmp_path, body)


def test_a_dump_is_written_where_the_dialog_says(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await press(pilot, "enter", "alt+s")
        app.query_one(Input).value = ""
        await press(pilot, "a", "space", "b", "home", "c")
        assert app.query_one(Input).value == "ca b"
        await press(pilot, "enter")
        assert debugger.machine.not_("ExportDialog")
        for _ in range(40):
            await settle(pilot)
            if "Exported" in debugger.machine:
                break
        assert (tmp_path / "ca b.amdbg.gz").exists()

    drive(tmp_path, body)


def test_each_pane_takes_the_focus_by_tab_and_by_mouse(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await press(pilot, "enter", "alt+o")
        seen = set()
        for _ in range(20):
            await press(pilot, "tab")
            focused = app.focused
            assert focused is not None
            state = machine.switch(*FOCUS)
            assert FOCUS[str(state)] == focused.id
            seen.add(focused.id)
        assert seen >= {"address", "clients", "groups", "schema", "log", "reader", "txs", "steps"}
        for pane in ("schema", "log", "clients"):
            await click_on(pilot, pane)
            assert FOCUS[str(machine.switch(*FOCUS))] == pane

    drive(tmp_path, body)


def test_what_was_told_before_there_was_a_screen_is_told_on_it(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        assert "waits for mach://nobody" in text(app)
        assert debugger.session.selected is None

    drive(tmp_path, body, options=["mach://nobody"])


def test_clicks_choose_machines_lines_and_places_on_timelines(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await click_on(pilot, "clients", (3, 2))
        view = debugger.session.selected
        assert view is not None
        assert view.client.id == "worker-10"
        bar = app.query_one("#txs", TxTimeline)
        start = len(bar.label())
        await click_on(pilot, bar, (start + (bar.size.width - start) // 2, 0))
        assert 14 <= view.cursor <= 16
        await click_on(pilot, "log", (5, 1))
        assert view.cursor < 14

    drive(tmp_path, body)


def test_each_key_and_each_button_is_a_command_of_the_palette(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        commands = {command.title: command for command in app.get_system_commands(app.screen)}
        assert {key.text for key in KEYS} <= commands.keys()
        assert {f"button {one.text}" for bar in TOOLBARS for one in bar} <= commands.keys()
        commands["export"].callback()
        assert debugger.machine.is_("ExportDialog")
        commands["theme am-light"].callback()
        assert not app.current_theme.dark
        await press(pilot, "escape", "enter", "ctrl+p", "t", "a", "i", "l", "space", "m")
        for _ in range(40):
            await settle(pilot)
            if "tail mode" in text(app):
                break
        await press(pilot, "enter")
        assert debugger.machine.is_("TailMode")

    drive(tmp_path, body)


def test_each_key_of_the_table_does_something_that_exists() -> None:
    schema_names = Debugger().machine.schema.names
    for key in KEYS:
        if key.action:
            assert hasattr(DebuggerApp, f"do_{key.action}"), key.text
        else:
            assert key.state in schema_names, key.text


def test_hostile_names_are_shown_inert(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        of = schema(NAMES)
        link = Link(debugger.session.store, process("evil"))
        link.schema(of)
        link.machine(mach(1, "a\x1b[31m[red]\u202e[/]", of, tags=("[bold]\x07",)))
        debugger.machine.add("InitClient")
        await settle(pilot)
        shown = text(app)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert r"a\x1b[31m[red]" in shown
        debugger.machine.add("SelectingClient", client="a\x1b[31m[red]\u202e[/]")
        await settle(pilot)
        assert "\x07" not in text(app)
        link.transition(1, tx())
        debugger.machine.add("LogFocused")
        await press(pilot, "slash")
        app.query_one("#query-text", Input).value = "!auto"
        await settle(pilot)
        await settle(pilot)
        shown = text(app)
        assert "\x1b" not in shown
        assert r"1 found: a\x1b[31m[red]\u202e[/] 1" in shown

    drive(tmp_path, body)


def test_no_row_is_wider_than_its_pane_without_an_ellipsis(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        of = schema(NAMES)
        link = Link(debugger.session.store, process("long"))
        link.schema(of)
        link.machine(mach(1, "m" * 300, of))
        debugger.machine.add("InitClient")
        await settle(pilot)
        assert "m…" in text(app)
        pane = app.query_one(SchemaTree)
        assert pane.row_width <= pane.size.width

    drive(tmp_path, body)


def test_what_comes_over_the_network_is_drawn(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        _, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        of = schema(NAMES)
        for message in (
            dbg.Hello(1, process("far"), ()),
            of,
            mach(1, "from-afar", of),
            dbg.Txs(((1, tx()),)),
        ):
            writer.write(dbg.encode(message))
            await settle(pilot)
        for _ in range(40):
            await settle(pilot)
            if "from-afar" in text(app):
                break
        assert "from-afar" in text(app)
        debugger.machine.add("SelectingClient", client="from-afar")
        debugger.machine.add("TailMode")
        writer.write(dbg.encode(dbg.Txs(((1, tx(b"entry002")),))))
        for _ in range(40):
            await settle(pilot)
            if "Transition 2 / 2" in text(app):
                break
        assert "Transition 2 / 2" in text(app)
        writer.close()
        await writer.wait_closed()

    drive(tmp_path, body)


def test_quitting_leaves_nothing_behind(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await press(pilot, "ctrl+q")

    instance = drive(tmp_path, body)
    assert instance.debugger.machine.disposed
    assert not (tmp_path / "s").exists()


def test_an_error_of_the_core_ends_the_screen_and_is_raised(tmp_path: Path) -> None:
    class Fault(Exception):
        pass

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        async def fail() -> None:
            raise Fault

        debugger.machine.catch_exceptions = False
        debugger.machine.fork(fail, state="Start")
        await settle(pilot)
        assert app.return_code == 1

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - bare or in a group
        drive(tmp_path, body)
    assert "Fault" in "".join(repr(leaf) for leaf in leaves(caught.value))


def leaves(exc: BaseException) -> list[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        return [leaf for one in exc.exceptions for leaf in leaves(one)]
    return [exc]
