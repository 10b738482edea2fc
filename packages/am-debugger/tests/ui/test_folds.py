"""Runs of quiet transitions on the screen: one line, opened by a key, a click, and the button."""

from __future__ import annotations

from typing import TYPE_CHECKING

from am_debugger._store.link import Link

from ..exporter import Exporter
from ..messages import process
from .driving import click, drive, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp

LOUD, QUIET = 2, 3
MADE: list[Exporter] = []


def fill(store: Store) -> None:
    """One machine: a loud transition, five quiet ones, a loud one."""
    exporter = Exporter(Link(store, process()), "w1")
    MADE[:] = [exporter]
    for called in (LOUD, *[QUIET] * 5, LOUD):
        do(exporter, called)


def do(exporter: Exporter, called: int) -> None:
    exporter.do([called], {called: 1}, time=1_000_000 * len(exporter.rows))


def test_a_run_is_one_line_in_all_panes_until_it_is_opened(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="w1")
        await press(pilot, "home", "right", "right")
        view = debugger.session.selected
        assert view is not None
        assert view.cursor == 6
        assert "5 quiet: Done" in text(app)
        assert "5 quiet" in text(app).split("tx: 6")[1].split("\n")[0]
        assert "Transition 2 / 3" in text(app)
        await press(pilot, "alt+r")
        assert "… 5 quiet: Done" in text(app)
        await press(pilot, "alt+r", "alt+u")
        assert "quiet" not in text(app).split("Transition 6 / 7")[0]
        assert text(app).count("+Done") >= 3
        await press(pilot, "left")
        assert view.cursor == 5
        await press(pilot, "alt+u")
        assert view.cursor == 6
        assert "Transition 2 / 3" in text(app)
        machine.add("ToggleTool", tool="FoldQuiet")
        await settle(pilot)
        assert "Transition 6 / 7" in text(app)
        await press(pilot, "alt+u")
        assert "nothing is folded here" in debugger_told(app)

    drive(tmp_path, body, fill=fill)


def debugger_told(app: DebuggerApp) -> str:
    return " ".join([note.message for note in app._notifications])


def test_a_second_click_on_the_line_opens_it_as_enter_does(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="w1")
        await press(pilot, "end")
        view = debugger.session.selected
        assert view is not None
        for _ in range(2):
            assert len(view.visible) == 3
            lines = text(app).split("\n")
            y = next(k for k, line in enumerate(lines) if "5 quiet: Done" in line)
            x = lines[y].index("5 quiet")
            click(app, x, y)
            await settle(pilot)
        assert len(view.visible) == 7
        machine.add("LogFocused")
        await press(pilot, "enter")
        assert len(view.visible) == 3
        await press(pilot, "enter")
        assert len(view.visible) == 7

    drive(tmp_path, body, fill=fill)


def test_in_tail_mode_the_run_grows_under_the_cursor_and_a_pause_keeps_its_place(
    tmp_path: Path,
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="w1")
        await press(pilot, "end", "alt+v")
        view = debugger.session.selected
        assert view is not None
        for _ in range(3):
            do(MADE[0], QUIET)
            debugger.grown()
        await settle(pilot)
        assert (view.cursor, len(view.visible)) == (10, 4)
        assert "3 quiet: Done" in text(app)
        # Not by keys: on a busy machine there is time to play between two of them.
        debugger.machine.add("Playing")
        debugger.machine.add("Paused")
        for _ in range(2):
            do(MADE[0], QUIET)
            debugger.grown()
        await settle(pilot)
        assert (view.cursor, len(view.visible)) == (10, 5)
        assert "2 quiet: Done" in text(app)

    drive(tmp_path, body, fill=fill)
