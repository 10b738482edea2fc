"""The mouse: wheels, clicks on timelines, cells, the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual import events

import am_machine as am
from am_debugger._store.link import Link
from am_debugger._ui.log_pane import LogPane
from am_debugger._ui.matrix_pane import MatrixPane
from am_debugger._ui.rain_pane import RainPane

from ..messages import process
from ..recording import Recorder
from .driving import click, click_on, drive, fill_with_related, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp


async def wheel(pilot: Pilot[int], app: DebuggerApp, pane: str, *, up: bool) -> None:
    kind = events.MouseScrollUp if up else events.MouseScrollDown
    widget = app.query_one(pane)
    x, y = widget.region.x + 3, widget.region.y + min(1, widget.region.height - 1)
    app.post_message(kind(None, x, y, 0, 0, 0, False, False, False, x, y))
    await settle(pilot)


def test_the_wheel_moves_five_transitions_or_one_step(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="worker-2")
        debugger.machine.add("SetCursor", number=15)
        view = debugger.session.selected
        assert view is not None
        await wheel(pilot, app, "#txs", up=True)
        assert view.cursor == 20
        await wheel(pilot, app, "#txs", up=False)
        assert view.cursor == 15
        await wheel(pilot, app, "#steps", up=True)
        assert (view.cursor, view.step) == (15, 1)
        await wheel(pilot, app, "#steps", up=False)
        assert (view.cursor, view.step) == (15, 0)

    drive(tmp_path, body)


def test_a_quick_click_opens_a_dialog_and_another_one_closes_it(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        for pane, dialog in (("#toolbar4", "HelpDialog"), ("#toolbar3", "ExportDialog")):
            region = app.query_one(pane).region
            click(app, region.x + 1, region.y)  # nothing is waited for between press and release
            await settle(pilot)
            assert dialog in machine
            click(app, 0, 0)
            await settle(pilot)
            assert dialog not in machine

        region = app.query_one("#toolbar4").region
        for is_open in (True, False):
            click(app, region.x + 1, region.y)
            await settle(pilot)
            assert ("HelpDialog" in machine) is is_open
        # The palette has the mouse for itself.
        await press(pilot, "?", "ctrl+p")
        click(app, 100, 2)
        await settle(pilot)
        assert "HelpDialog" in machine

    drive(tmp_path, body, size=(200, 60))


def test_a_click_on_the_steps_moves_in_proportion(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="job")
        debugger.machine.add("SetCursor", number=5)
        await settle(pilot)
        view, count = debugger.session.selected, debugger.session.step_count
        assert view is not None
        assert count > 3
        width = app.query_one("#steps").size.width
        await click_on(pilot, "steps", (width - 1, 0))
        assert view.step == count

    drive(tmp_path, body, fill=fill_with_related)


def test_the_wheel_leaves_tail_mode_in_the_log(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="worker-2")
        debugger.machine.add("TailMode")
        await wheel(pilot, app, "#log", up=True)
        assert debugger.machine.is_("LogUserScrolled", "LogFocused")
        assert debugger.machine.not_("TailMode")
        log = app.query_one(LogPane)
        await wheel(pilot, app, "#log", up=True)
        assert log._shift == -6
        await press(pilot, "alt+l")
        assert debugger.machine.not_("LogUserScrolled"), "the log follows the cursor again"

    drive(tmp_path, body)


def test_a_click_on_a_cell_of_the_rain_goes_there_and_selects_the_state(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="worker-2")
        machine.add("ToolRain")
        await settle(pilot)
        rain = app.query_one(RainPane)
        view = debugger.session.selected
        assert view is not None
        top = rain.scroll_offset.y
        await click_on(pilot, rain, (2, 3))  # one in from the border
        assert view.cursor == view.visible.numbers[top + 2]
        assert view.state == view.client.version.names[1]

    drive(tmp_path, body)


@pytest.mark.parametrize(
    ("view", "pane"), [("LogFocused", "log"), ("ToolRain", "rain"), ("ToolMatrix", "matrix")]
)
def test_a_click_on_the_frame_of_a_pane_chooses_nothing(
    view: str, pane: str, tmp_path: Path
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="worker-2")
        debugger.machine.add("SetCursor", number=15)
        debugger.machine.add(view)
        await settle(pilot)
        await click_on(pilot, pane, (30, 0))
        chosen = debugger.session.selected
        assert chosen is not None
        assert (chosen.cursor, chosen.state) == (15, "")

    drive(tmp_path, body)


def test_keys_go_to_a_cell_of_the_rain_and_enter_follows_it(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="worker-2")
        machine.add("ToolRain")
        machine.add("SetCursor", number=15)
        machine.add("MatrixFocused")
        await settle(pilot)
        rain = app.query_one(RainPane)
        view = debugger.session.selected
        assert view is not None
        names = view.client.version.names
        await press(pilot, "k")
        await press(pilot, "k")
        await press(pilot, "enter")
        assert view.state == "", "a row without a cell is a transition alone"
        assert view.cursor == view.visible.numbers[12]
        await press(pilot, "h")
        assert rain.column == 0
        assert rain.border_title == f"Rain: {names[0]}"
        await press(pilot, "h")
        assert rain.column == 0
        await press(pilot, "l")
        await press(pilot, "l")
        line = rain.line(rain.cursor - rain.scroll_offset.y)
        faces = [one.style and bool(one.style.reverse) for cell in range(4)
                 for one in line.crop(cell, cell + 1)]  # fmt: skip
        assert faces == [True, True, False, True], "the cell stands out of the row of the cursor"
        await press(pilot, "k")
        await press(pilot, "enter")
        assert view.cursor == view.visible.numbers[11]
        assert view.state == names[2]
        for _ in range(len(names)):
            await press(pilot, "l")
        assert rain.column == len(names) - 1
        # The first key goes to the state that is selected.
        rain.column = None
        await press(pilot, "l")
        assert rain.column == 2

    drive(tmp_path, body)


def test_the_matrix_tells_steps_and_selects_by_key_and_mouse(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="job")
        machine.add("SetCursor", number=8)
        machine.add("ToolMatrix")
        machine.add("MatrixFocused")
        await settle(pilot)
        matrix = app.query_one(MatrixPane)
        assert matrix.has_focus
        rows = ["".join([one for one, _ in matrix.make_row(k)]).split() for k in range(9)]
        names = ["Start", "Connected", "Ready", "Working", "Done", "Exception"]
        assert rows.pop(0) == ["from", "0", "1", "2", "3", "4", "5"]
        assert rows[0] == ["called", "0", "0", "0", "0", "1", "0"]
        assert rows[1] == ["ticks", "·", "·", "·", "1", "1", "·"]
        assert [row[:2] for row in rows[2:]] == [[one, str(k)] for k, one in enumerate(names)]
        rows[2:] = [[row[0], *row[2:]] for row in rows[2:]]
        done, working = 4, 3
        assert int(rows[2 + done][1 + done]) & (4 + 32) == 4 + 32, "called, and added"
        assert int(rows[2 + working][1 + working]) & 8, "removed"
        assert int(rows[2 + working][1 + done]) & 1, "by the relation of the called one"
        await press(pilot, "down", "down", "down", "j", "enter")
        view = debugger.session.selected
        assert view is not None
        assert view.state == "Connected"
        await click_on(pilot, matrix, (1 + 18 + 4 * 2 + 2, 1))
        assert view.state == "Ready"
        await press(pilot, "right", "right")
        assert view.cursor == 8, "right scrolls here"

    drive(tmp_path, body, fill=fill_with_related)


def fill_with_large(store: Store) -> None:
    """A machine of more states than fit."""
    recorder = Recorder(Link(store, process()))
    machine = am.Machine({f"State{k}": {} for k in range(80)}, id="large")
    recorder.bind(machine)
    machine.add("State70")
    machine.add("State3")
    recorder.flush()


def test_the_matrix_goes_to_the_selected_state_and_keeps_its_head(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="large")
        machine.add("ToolMatrix")
        machine.add("SetCursor", number=1)
        await settle(pilot)
        matrix = app.query_one(MatrixPane)

        def lines() -> list[list[str]]:
            return [matrix.line(y).text.split() for y in range(matrix.size.height)]

        def ground(y: int) -> object:
            style = matrix.line(y)._segments[0].style
            return None if style is None else style.bgcolor

        assert lines()[0][:2] == ["from", "0"]
        machine.add("StateNameSelected", state="State70")
        await settle(pilot)
        head, called, *_ = shown = lines()
        assert [line[0] for line in shown[:3]] == ["from", "called", "ticks"]
        assert called[head.index("70")] == "1"
        at = [line[0] for line in shown].index("State70")
        usual = ground(0)
        assert [y for y in range(len(shown)) if ground(y) != usual] == [at]
        # Whoever scrolls away is not taken back.
        matrix.action_sideways(-80)
        machine.add("SetCursor", number=2)
        await settle(pilot)
        assert lines()[0][:2] == ["from", "0"]

    drive(tmp_path, body, fill=fill_with_large, size=(120, 40))


def test_views_go_round_and_each_can_have_the_focus(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="worker-2")
        machine.add("LogFocused")
        seen = []
        for _ in range(5):
            await press(pilot, "alt+m")
            panes = ("tree", "log", "matrix", "rain")
            seen.append([name for name in panes if app.query_one(f"#{name}").display])
            if "TreeLogView" not in machine:
                machine.add("MatrixFocused")
                await settle(pilot)
                assert app.focused is not None
                assert app.focused.id in seen[-1]
        assert seen == [
            ["tree", "matrix"], ["tree", "rain"], ["matrix"], ["rain"], ["tree", "log"],
        ]  # fmt: skip

    drive(tmp_path, body)


def test_items_of_the_address_are_clicked(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="worker-2")
        machine.add("SelectingClient", client="worker-10")
        await settle(pilot)
        await click_on(pilot, "address", (1, 0))
        view = debugger.session.selected
        assert view is not None
        assert view.client.id == "worker-2"
        at = text(app).splitlines()[0].index("copy")
        await click_on(pilot, "address", (at, 0))
        assert app.clipboard == str(debugger.session.url())
        at = text(app).splitlines()[0].index("paste")
        await click_on(pilot, "address", (at, 0))
        assert machine.is_("AddressFocused")
        app.query_one("#address").post_message(events.Paste("mach://worker-10"))
        await settle(pilot)
        assert debugger.session.selected is not None
        assert debugger.session.selected.client.id == "worker-10"

    drive(tmp_path, body)


def test_backspace_forgets_the_machine_under_the_cursor(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("ClientListFocused")
        await press(pilot, "down", "backspace")
        assert [client.id for client in debugger.session.store] == ["worker-2"]
        await press(pilot, "alt+d")
        assert not len(debugger.session.store)
        assert "AM_DBG_ADDR=1 python" in text(app), "an empty screen says what to type"

    drive(tmp_path, body)
