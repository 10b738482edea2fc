"""What opens over the panes closes by what has opened it, and by a press of the mouse elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from textual import events

from am_debugger._core.opening import Opened, opened, opened_by
from am_debugger._core.states import DIALOGS
from am_debugger._ui.app import DIALOG_PANELS
from am_debugger._ui.commands import Commands
from am_debugger._ui.dialogs import Overlay
from am_debugger._ui.facts_panel import FactsPanel
from am_debugger._ui.group_menu import GroupChooser
from am_debugger._ui.keys import KEYS
from am_debugger._ui.reader_pane import ReaderPane
from am_debugger._ui.toolbars import TOOLBARS, ToolBar

from .driving import click, drive, fill_with_related, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._ui.app import DebuggerApp

OPENERS = [key for key in KEYS if opened_by(key.state, key.args) is not None]


async def choose(pilot: Pilot[int], debugger: Debugger) -> None:
    """A place at which there is something to open of each kind."""
    machine = debugger.machine
    machine.add("SelectingClient", client="job")
    machine.add("SetCursor", number=5)
    machine.add("StateNameSelected", state="Ready")
    machine.add("LogReaderEnabled")
    machine.add("LogFocused")
    await settle(pilot)


async def look(pilot: Pilot[int], debugger: Debugger) -> Opened | None:
    """What is open, once all is done that was asked for."""
    await settle(pilot)
    while "Loading" in debugger.machine:
        await settle(pilot)
    return opened(debugger)


def test_all_keys_that_open_something_are_among_these() -> None:
    assert {key.keys[0] for key in OPENERS} == {
        "alt+w", "alt+a", "alt+t", "exclamation_mark", "alt+c", "alt+s", "alt+q", "question_mark",
    }  # fmt: skip


def test_each_key_that_opened_something_closes_it(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(pilot, debugger)
        for key in OPENERS:
            await press(pilot, key.keys[0])
            assert await look(pilot, debugger) == opened_by(key.state, key.args)
            await press(pilot, key.keys[0])
            assert await look(pilot, debugger) is None, key.text
            assert debugger.machine.is_("LogFocused"), "what had the focus before has it again"

    drive(tmp_path, body, fill=fill_with_related)


def places(app: DebuggerApp) -> dict[str, tuple[int, int]]:
    """Where the mouse opens something: all buttons that do, the chooser of groups, a fact."""
    found: dict[str, tuple[int, int]] = {}
    for number, buttons in enumerate(TOOLBARS, 1):
        bar = app.query_one(f"#toolbar{number}", ToolBar)
        for position, button in enumerate(buttons):
            if opened_by(button.state, button.args) is not None:
                place = bar.places()[position]
                found[button.text] = (bar.region.x + place.start, bar.region.y)
    chooser, reader = app.query_one(GroupChooser).region, app.query_one(ReaderPane)
    found["groups"] = (chooser.x + 8, chooser.y)
    inner = reader.content_region
    texts = ["".join([one for one, _ in reader.make_row(k)]) for k in range(reader.row_count())]
    found["fact"] = (inner.x + 3, inner.y + texts.index("  tick 4"))
    return found


def test_the_mouse_closes_what_it_opened_at_the_same_place_and_elsewhere(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(pilot, debugger)
        known, elsewhere = places(app), (0, app.size.height - 1)
        assert known.keys() == {"query", "export", "help", "groups", "fact"}
        for what, place in known.items():
            for is_open in (True, False, True):
                click(app, *place)
                shown = await look(pilot, debugger)
                assert (shown is not None) is is_open, what
            click(app, *elsewhere)
            assert await look(pilot, debugger) is None
        for close in ("escape", "elsewhere"):
            click(app, *place)
            assert await look(pilot, debugger) == shown, "closed otherwise, it opens at once"
            if close == "escape":
                await press(pilot, close)
            else:
                click(app, *elsewhere)
            assert await look(pilot, debugger) is None

    drive(tmp_path, body, fill=fill_with_related, size=(200, 60))


def test_a_press_on_what_opens_something_else_opens_that_instead(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(pilot, debugger)
        known = places(app)
        for what, dialog in (
            ("query", "QueryDialog"), ("groups", "GroupMenu"), ("export", "ExportDialog"),
            ("groups", "GroupMenu"), ("query", "QueryDialog"),
        ):  # fmt: skip
            click(app, *known[what])
            shown = await look(pilot, debugger)
            assert shown is not None
            assert shown.dialog == dialog
            assert [one for one in DIALOGS if one in debugger.machine] == [dialog]
        # The same dialog about something else, and a page in the place of another one.
        await press(pilot, "escape", "slash")
        assert await look(pilot, debugger) == Opened("QueryDialog", False)
        await press(pilot, "alt+q")
        assert await look(pilot, debugger) == Opened("QueryDialog", True)
        assert app.query_one("#query").border_title == "Filter"
        await press(pilot, "escape", "alt+a", "exclamation_mark")
        assert await look(pilot, debugger) == Opened("FactsPage", "Lints")
        assert "Looks wrong" in str(app.query_one("#facts").border_title)

    drive(tmp_path, body, fill=fill_with_related, size=(200, 60))


def test_what_is_told_at_length_is_as_high_as_its_lines_whatever_the_width(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(pilot, debugger)
        machine, heights = debugger.machine, set()
        machine.add("Overlay", title="Long", text="some words " * 60)
        for width in (160, 60):
            await pilot.resize_terminal(width, 48)
            await look(pilot, debugger)
            overlay = app.query_one(Overlay)
            assert overlay.row_count() > 1
            assert overlay.region.height == overlay.row_count() + 2
            heights.add(overlay.region.height)
        assert len(heights) == 2
        machine.add("Why")
        await look(pilot, debugger)
        facts = app.query_one(FactsPanel)
        assert facts.row_count() > 1
        assert facts.region.height == facts.row_count() + 2

    drive(tmp_path, body, fill=fill_with_related)


def test_what_opens_in_the_place_of_something_else_has_the_focus(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(pilot, debugger)
        for key, panel in (
            ("question_mark", "help"), ("alt+s", "export"), ("alt+c", "note"), ("alt+q", "query"),
        ):  # fmt: skip
            await press(pilot, key)
            assert app.focused is not None
            assert app.query_one(f"#{panel}") in app.focused.ancestors_with_self
        await press(pilot, "escape")
        assert debugger.machine.is_("LogFocused")

    drive(tmp_path, body, fill=fill_with_related)


def test_tab_does_not_leave_what_is_open(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(pilot, debugger)
        machine = debugger.machine
        for dialog in DIALOGS:
            args = {"title": "A text", "text": "in full"} if dialog == "Overlay" else {}
            machine.add(dialog, **args)
            shown = await look(pilot, debugger)
            assert shown == opened_by(dialog, args) or dialog == "FactsPage"
            panel = app.query_one(f"#{DIALOG_PANELS[dialog]}")
            for keys in (("tab",) * 3, ("shift+tab",) * 2):
                await press(pilot, *keys)
                await settle(pilot)
                assert app.focused is not None
                assert panel in app.focused.ancestors_with_self, (dialog, keys)
        await press(pilot, "escape")
        assert machine.is_("LogFocused")
        assert app.focused is app.query_one("#log")

    drive(tmp_path, body, fill=fill_with_related)


def test_the_palette_closes_by_its_key_and_elsewhere_alone(
    tmp_path: Path,
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(pilot, debugger)
        await press(pilot, "question_mark")
        for close in ("ctrl+p", "escape", "mouse"):
            await press(pilot, "ctrl+p")
            assert isinstance(app.screen, Commands)
            if close == "mouse":
                click(app, 1, app.size.height - 1)
                await settle(pilot)
            else:
                await press(pilot, close)
            assert not isinstance(app.screen, Commands), close
            assert await look(pilot, debugger) == Opened("HelpDialog")

    drive(tmp_path, body, fill=fill_with_related)


def test_a_palette_that_is_told_twice_to_close_does_it_once(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(pilot, debugger)
        for _ in range(3):
            await press(pilot, "ctrl+p")
            # As a double click comes, and as keys that follow each other closely do.
            click(app, 1, app.size.height - 1)
            click(app, 1, app.size.height - 1)
            for key in ("escape", "ctrl+p", "escape"):
                app.post_message(events.Key(key, None))
            await settle(pilot)
            if isinstance(app.screen, Commands):
                await press(pilot, "escape")
            assert len(app.screen_stack) == 1
        assert "LogFocused" in debugger.machine

    drive(tmp_path, body, fill=fill_with_related)


def test_what_is_long_in_the_help_stands_apart_from_the_keys(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.note("imported:/" + "x" * 200, is_quiet=True)
        await press(pilot, "question_mark")
        rows = [line for line in text(app).splitlines() if "xxx" in line]
        assert all(re.search("x  ", line) for line in rows)
        about, keys = app.query_one("#help-about").region, app.query_one("#help-keys").region
        assert about.right + 2 <= keys.x

    drive(tmp_path, body, size=(160, 60))
