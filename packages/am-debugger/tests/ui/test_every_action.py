"""Each key and each button, on screens of three sizes, goes through its states; none is without
a case."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from textual import events

from am_debugger._core.states import DIALOGS
from am_debugger._ui.keys import KEYS, PANE_KEYS
from am_debugger._ui.toolbars import TOOLBARS, ToolBar

from .driving import SIZES, click_on, drive, press, settle

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._core.ports import Part
    from am_debugger._ui.app import DebuggerApp

# At night all sizes; the middle one tells most.
KEY_SIZES = SIZES if os.environ.get("AM_DBG_KEY_SIZES") == "all" else SIZES[1:2]


@dataclass(frozen=True)
class Case:
    """A key makes `state` come, pressed where `focus` is active."""

    state: str
    focus: str = "TreeFocused"


KEY_CASES = {
    "next pane": Case("FocusNext"),
    "previous pane": Case("FocusPrev"),
    "play or pause": Case("ToggleTool"),
    "next transition, or step": Case("UserFwd"),
    "previous transition, or step": Case("UserBack"),
    "jump forward": Case("UserJump"),
    "jump back": Case("UserJump"),
    "next step": Case("UserFwdStep"),
    "previous step": Case("UserBackStep"),
    "before the first transition": Case("SetCursor"),
    "last transition": Case("SetCursor"),
    "tail mode": Case("TailMode"),
    "next view": Case("NextView"),
    "rain": Case("ToolRain"),
    "log reader": Case("LogReaderEnabled"),
    "to the buttons and back": Case("AfterFocus"),
    "open or close all nodes of the tree": Case("AllToggled"),
    "open or fold quiet transitions here": Case("FoldToggled"),
    "why the selected state is active, or not": Case("Why"),
    "what all machines wait for": Case("Pending"),
    "where time and transitions went": Case("Profile"),
    "what looks wrong in all machines": Case("Lints"),
    "detail of the machine: mute, journal, everything": Case("NextDetail"),
    "a note on this moment": Case("NoteDialog"),
    "export": Case("ExportDialog"),
    "find by a query; in the reader a text": Case("QueryDialog", "LogFocused"),
    "next found": Case("Searched", "LogFocused"),
    "previous found": Case("Searched", "LogFocused"),
    "what is shown, as a query": Case("QueryDialog"),
    "draw the screen anew": Case("Redraw"),
    "help": Case("HelpDialog"),
    "close, or to the machines": Case("AfterFocus", "TreeFocused"),
    "quit": Case("Start"),
}
_FOCUS_OF = {
    "log": "LogFocused",
    "reader": "LogReaderFocused",
    "rain": "MatrixFocused",
    "matrix": "MatrixFocused",
    "address": "AddressFocused",
    "groups": "TreeGroupsFocused",
    "buttons": "Toolbar4Focused",
    "machines": "ClientListFocused",
    "lists": "TreeFocused",
}
# Keys of panes that make a state come; the others move within the pane.
PANE_CASES = {
    ("log", "scroll up"): "LogUserScrolled",
    ("log", "scroll down"): "LogUserScrolled",
    ("log", "page up"): "LogUserScrolled",
    ("log", "page down"): "LogUserScrolled",
    ("log", "open or fold quiet transitions"): "FoldToggled",
    ("log", "next found"): "Searched",
    ("log", "previous found"): "Searched",
    ("reader", "next found"): "Searched",
    ("reader", "previous found"): "Searched",
    ("address", "place before"): "GoBack",
    ("address", "place after"): "GoFwd",
    ("address", "copy the address"): "",
    ("groups", "previous group"): "SetGroup",
    ("groups", "next group"): "SetGroup",
    ("groups", "list of groups"): "GroupMenu",
    ("buttons", "press"): "HelpDialog",
    ("lists", "choose, open, close, follow"): "NodeToggled",
}
_WITHIN = {
    # A machine that is forgotten is none to go on with: test_mouse has it.
    ("machines", "forget the machine"),
    ("lists", "up"), ("lists", "down"), ("lists", "page up"), ("lists", "page down"),
    ("log", "scroll left"), ("log", "scroll right"),
    ("reader", "down"), ("reader", "up"), ("rain", "down"), ("rain", "up"),
    # To a cell, which `enter` follows: test_mouse has it beside the click that does the same.
    ("rain", "cell to the left"), ("rain", "cell to the right"),
    ("matrix", "down"), ("matrix", "up"), ("matrix", "scroll left"), ("matrix", "scroll right"),
    ("buttons", "previous button"), ("buttons", "next button"),
}  # fmt: skip


def test_no_key_is_without_a_case() -> None:
    assert {key.text for key in KEYS} == KEY_CASES.keys()
    found = {(where, key.text) for where, keys in PANE_KEYS.items() for key in keys}
    assert found == PANE_CASES.keys() | _WITHIN


async def reset(pilot: Pilot[int], debugger: Debugger) -> None:
    """One machine in the middle of its history, the log beside the tree, nothing over it."""
    machine = debugger.machine
    opened = machine.switch(*DIALOGS)
    if opened is not None:
        machine.remove(opened)
    machine.remove("MatrixRain", "Playing", "TailMode")
    machine.add("SelectingClient", client="worker-2")
    machine.add("TreeLogView")
    machine.add("LogReaderEnabled")
    machine.add("SetCursor", number=15)
    await settle(pilot)


@pytest.mark.parametrize("size", KEY_SIZES)
def test_each_key_goes_through_its_state(tmp_path: Path, size: tuple[int, int]) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        for key in KEYS:
            case = KEY_CASES[key.text]
            # All names of a key are tried on one of the screens.
            for name in key.keys if size == SIZES[1] else key.keys[:1]:
                if key.action == "quit":
                    continue
                await reset(pilot, debugger)
                if case.state in machine:
                    machine.remove(case.state)
                machine.add(case.focus)
                await settle(pilot)
                before = machine.tick(case.state)
                await press(pilot, name)
                assert machine.tick(case.state) > before, f"{name}: {key.text}"
        await press(pilot, "ctrl+q")
        assert app.return_code == 0

    drive(tmp_path, body, size=size)


@pytest.mark.parametrize("size", KEY_SIZES)
def test_each_key_of_a_pane_goes_through_its_state(tmp_path: Path, size: tuple[int, int]) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        for where, keys in PANE_KEYS.items():
            for key in keys:
                state = PANE_CASES.get((where, key.text))
                if not state:
                    continue
                for name in key.keys:
                    await reset(pilot, debugger)
                    machine.add(_FOCUS_OF[where])
                    await settle(pilot)
                    before = machine.tick(state)
                    await press(pilot, name)
                    assert machine.tick(state) > before, f"{where} {name}: {key.text}"

    drive(tmp_path, body, size=size)


@pytest.mark.parametrize("size", SIZES)
def test_each_button_is_there_as_far_as_there_is_room(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        for number, buttons in enumerate(TOOLBARS, 1):
            bar = app.query_one(f"#toolbar{number}", ToolBar)
            assert bar.display is (size[1] >= 30 or number == len(TOOLBARS))
            width = sum([len(bar.label(one)) + bar.gap for one in buttons]) - bar.gap
            assert not bar.display or width <= size[0]

    drive(tmp_path, body, size=size)


@pytest.mark.parametrize("number", range(1, len(TOOLBARS) + 1))
def test_each_button_goes_through_its_state_by_mouse(tmp_path: Path, number: int) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine, buttons = debugger.machine, TOOLBARS[number - 1]
        bar = app.query_one(f"#toolbar{number}", ToolBar)
        for position, button in enumerate(buttons):
            await reset(pilot, debugger)
            state = "ToggleTool" if button.tool else button.state
            x = sum([len(bar.label(one)) + bar.gap for one in buttons[:position]]) + 1
            before = machine.tick(state)
            await click_on(pilot, bar, (x, 0))
            assert machine.tick(state) > before, button.text

    drive(tmp_path, body, size=(200, 60))


def test_buttons_are_gone_through_and_pressed_by_keys(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await reset(pilot, debugger)
        await press(pilot, "alt+g", "right", "right", "left", "enter")
        assert debugger.machine.is_("FilterCanceledTx")
        await press(pilot, "alt+g")
        assert debugger.machine.is_("ClientListFocused")

    drive(tmp_path, body)


@pytest.mark.parametrize("width", [60, 80, 100, 110])
def test_where_a_row_has_too_little_room_its_buttons_are_shown_as_the_cursor_comes_to_them(
    tmp_path: Path, width: int
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await reset(pilot, debugger)
        debugger.machine.add("Toolbar2Focused")
        await settle(pilot)
        bar = app.query_one("#toolbar2", ToolBar)
        for k, button in enumerate(TOOLBARS[1]):
            places = {place.position: place for place in bar.places()}
            row = bar.line(0).text
            assert row[places[k].start : places[k].end] == bar.label(button)
            assert places[len(places) - 1 + min(places)].end <= width
            assert row.startswith("… ") is (0 not in places)
            assert row.rstrip(" ").endswith("…") is (len(TOOLBARS[1]) - 1 not in places)
            await press(pilot, "right")
        assert bar.places()[0].position == 0

    drive(tmp_path, body, size=(width, 40))


def test_buttons_that_are_not_shown_are_come_to_by_mouse(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await reset(pilot, debugger)
        bar, last = app.query_one("#toolbar2", ToolBar), len(TOOLBARS[1]) - 1
        assert bar.places()[-1].position < last
        for _ in range(last):
            if bar.places()[-1].position < last:
                await click_on(pilot, bar, (bar.places()[-1].end + 1, 0))
        await click_on(pilot, bar, (bar.places()[-1].start + 1, 0))
        assert "QueryDialog" in debugger.machine
        await press(pilot, "escape")
        for _ in range(last):
            if bar.places()[0].position:
                await click_on(pilot, bar, (0, 0))
        level = debugger.session.log_level
        await click_on(pilot, bar, (1, 0))
        assert debugger.session.log_level != level

    drive(tmp_path, body, size=(80, 40))


def test_buttons_say_what_they_stand_at(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await reset(pilot, debugger)

        def label(text: str) -> str:
            for number, buttons in enumerate(TOOLBARS, 1):
                for button in buttons:
                    if button.text == text:
                        return app.query_one(f"#toolbar{number}", ToolBar).label(button)
            raise AssertionError(text)

        def labels_of(text: str, count: int) -> list[str]:
            found = []
            for buttons in TOOLBARS:
                for button in buttons:
                    if button.text == text:
                        for _ in range(count):
                            found.append(label(text)[1])
                            if button.tool:
                                debugger.machine.add("ToggleTool", tool=button.tool)
                            else:
                                debugger.machine.add(button.state, **button.args)
            return found

        assert labels_of("canceled", 2) == ["x", " "]
        assert labels_of("health", 2) == [" ", "x"]
        assert labels_of("auto", 4) == ["*", " ", "x", "*"]
        assert labels_of("log", 6) == ["2", "3", "4", "5", "0", "1"]
        assert labels_of("timelines", 4) == ["2", "1", "0", "2"]
        assert labels_of("diagrams", 5) == ["0", "1", "2", "3", "0"]
        assert labels_of("matrix", 3) == [" ", "x", " "]
        assert "TreeMatrixView" in debugger.machine
        assert labels_of("rain", 3) == [" ", "x", " "]
        assert labels_of("wrap", 2) == [" ", "x"]

    drive(tmp_path, body)


def test_no_key_is_lost_however_quickly_they_come_and_what_they_did_is_drawn_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await reset(pilot, debugger)
        await press(pilot, "end")
        view = debugger.session.selected
        assert view is not None
        drawn: list[set[Part]] = []
        draw = app.draw

        def counted(parts: set[Part]) -> None:
            drawn.append(parts)
            draw(parts)

        monkeypatch.setattr(app, "draw", counted)
        for _ in range(20):
            app.post_message(events.Key("left", None))
        for name in ("right", "space", "space", "left"):
            app.post_message(events.Key(name, None))
        await settle(pilot)
        assert view.cursor == 10
        assert not debugger.machine.any_("Playing", "TailMode")
        assert len(drawn) < 20

    drive(tmp_path, body)


def test_what_comes_in_waits_for_a_key_until_that_is_on_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await reset(pilot, debugger)
        view, pace = debugger.session.selected, debugger.pace
        assert view is not None
        told: list[tuple[str, int]] = []
        begin, end, draw = pace.begin_key, pace.end_key, app.draw

        def begun() -> None:
            told.append(("begun", view.cursor))
            begin()

        def drawn(parts: set[Part]) -> None:
            assert pace.has_key
            told.append(("drawn", view.cursor))
            draw(parts)

        def ended() -> None:
            told.append(("ended", view.cursor))
            end()

        monkeypatch.setattr(pace, "begin_key", begun)
        monkeypatch.setattr(pace, "end_key", ended)
        monkeypatch.setattr(app, "draw", drawn)
        await press(pilot, "left")
        assert told[:3] == [("begun", 15), ("drawn", 14), ("ended", 14)]
        assert not pace.has_key

    drive(tmp_path, body)
