"""Where there are few columns or rows, each pane can be come to, and has room for what it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from am_debugger._ui.app import FOCUS
from am_debugger._ui.toolbars import ToolBar

from .driving import SIZES, drive, fill_with_related, press, settle

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._ui.app import DebuggerApp

PANES = ("clients", "tree", "log", "reader", "matrix", "rain")


def shown(app: DebuggerApp) -> list[str]:
    """The panes on the screen: those that have a place there."""
    return [name for name in PANES if app.query_one(f"#{name}").region.area]


async def begin(pilot: Pilot[int], debugger: Debugger) -> None:
    """A machine is chosen, and the reader is wanted, as it is usually."""
    debugger.machine.add("SelectingClient", client="job")
    debugger.machine.add("LogReaderEnabled")
    debugger.machine.add("TreeFocused")
    await settle(pilot)


def test_where_it_is_narrow_the_next_view_leads_to_each_pane(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await begin(pilot, debugger)
        seen = [shown(app)]
        for _ in range(6):
            await press(pilot, "alt+m")
            seen.append(shown(app))
        assert seen == [
            ["tree", "log"], ["tree", "reader"], ["tree", "matrix"], ["tree", "rain"], ["matrix"],
            ["rain"], ["tree", "log"],
        ]  # fmt: skip
        # Also where one of them has the focus: that goes along.
        debugger.machine.add("LogFocused")
        await press(pilot, "alt+m")
        assert shown(app) == ["tree", "reader"]
        assert app.focused is not None
        assert app.focused.id == "reader"

    drive(tmp_path, body, fill=fill_with_related, size=SIZES[2])


def test_tab_leads_to_each_pane_and_each_has_a_place_when_it_has_the_focus(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await begin(pilot, debugger)
        machine, seen = debugger.machine, set()
        for key in ["tab"] * 12 + ["shift+tab"] * 2:
            await press(pilot, key)
            assert app.focused is not None
            assert FOCUS[str(machine.switch(*FOCUS))] == app.focused.id
            assert app.focused.region.area, app.focused.id
            seen.add(app.focused.id)
        bars = {f"toolbar{number}" for number in range(1, 5)}
        assert seen >= {"clients", "groups", "schema", "log", "reader", "txs", "address", *bars}

    drive(tmp_path, body, fill=fill_with_related, size=SIZES[2])


def test_where_it_is_narrow_what_was_looked_at_last_stays_in_front(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await begin(pilot, debugger)
        for state, pane in (("LogReaderFocused", "reader"), ("LogFocused", "log")):
            machine.add(state)
            machine.add("TimelineTxsFocused")
            await settle(pilot)
            assert shown(app) == ["tree", pane]
        # The reader's key brings it up wherever one is, and takes it away where it is in front.
        for focus in ("LogFocused", "TreeFocused"):
            machine.add(focus)
            await press(pilot, "alt+o")
            assert shown(app) == ["tree", "reader"]
            await press(pilot, "alt+o")
            assert shown(app) == ["tree", "log"]
        await press(pilot, "alt+r", "alt+o")
        assert shown(app) == ["tree", "reader"]
        await press(pilot, "alt+r")
        assert shown(app) == ["tree", "rain"]
        # On a wide screen both are there; made narrow again, the one with the focus.
        machine.add("TreeLogView")
        machine.add("Resized", width=160, height=24)
        machine.add("LogFocused")
        await press(pilot, "alt+o")
        await press(pilot, "alt+o")
        assert machine.is_("LogReaderVisible", "LogFocused")
        machine.add("Resized", width=80, height=24)
        await settle(pilot)
        assert shown(app) == ["tree", "log"]

    drive(tmp_path, body, fill=fill_with_related, size=SIZES[2])


def test_the_log_has_room_beside_or_above_the_reader(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await begin(pilot, debugger)
        for width in (119, 120, 200, 100):
            await pilot.resize_terminal(width, 40)
            await settle(pilot)
            assert shown(app) == ["clients", "tree", "log", "reader"]
            log, reader = app.query_one("#log").region, app.query_one("#reader").region
            assert log.width >= 40
            if width < 120:
                assert (log.x, log.width, log.bottom) == (reader.x, reader.width, reader.y)
                assert abs(log.height - reader.height) <= 1
            else:
                assert (log.y, log.height, log.right) == (reader.y, reader.height, reader.x)
        await press(pilot, "alt+o")
        alone = app.query_one("#log").region
        assert alone.height == app.query_one("#tree").region.height
        assert alone.right == 100

    drive(tmp_path, body, fill=fill_with_related, size=(160, 40))


def test_where_it_is_low_the_row_of_buttons_with_the_focus_is_shown(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await begin(pilot, debugger)

        def bars() -> list[str | None]:
            return [bar.id for bar in app.query(ToolBar) if bar.region.area]

        place = app.query_one("#toolbar4").region
        assert bars() == ["toolbar4"]
        await press(pilot, "alt+g")
        assert bars() == ["toolbar2"]
        assert app.query_one("#toolbar2").region == place
        await press(pilot, "right", "enter")
        assert machine.is_("FilterCanceledTx")
        await press(pilot, "tab")
        assert bars() == ["toolbar3"]
        await press(pilot, "enter")
        assert machine.is_("ExportDialog")
        await press(pilot, "escape")
        assert bars() == ["toolbar3"], "what had the focus before has it again"
        await press(pilot, "alt+g", "alt+g")
        assert machine.is_("ClientListFocused")
        assert bars() == ["toolbar4"]
        await pilot.resize_terminal(80, 40)
        await settle(pilot)
        assert bars() == ["toolbar1", "toolbar2", "toolbar3", "toolbar4"]

    drive(tmp_path, body, fill=fill_with_related, size=SIZES[2])
