"""The screen: panes laid out, keys that add states, and what is drawn as states change."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical

from .._core.opening import close, close_beside, open_or_close, opened
from .._core.pace import LONGEST
from .._core.ports import NullUi, Part
from .._core.showing import focusable, shown_toolbars, shows_log, shows_reader
from . import bars, colors, dialogs
from .alt_keys import know_alt_letters
from .client_list import ClientList
from .commands import Commands
from .facts_panel import FactsPanel
from .group_menu import GroupChooser, GroupMenu
from .help_text import name_of
from .keys import KEYS
from .lines import LineWidget
from .log_pane import LogPane
from .matrix_pane import MatrixPane
from .port import ScreenPort
from .query_panel import QueryPanel
from .rain_pane import RainPane
from .reader_pane import ReaderPane
from .terminal import survives_its_terminal
from .toolbars import TOOLBARS, ToolBar
from .tree_pane import SchemaTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult
    from textual.driver import Driver
    from textual.screen import Screen
    from textual.widget import Widget

    from .._core.debugger import Debugger

_TYPED = ("ExportDialog", "SearchDialog", "QueryDialog", "NoteDialog")
# What still works while a line is typed: what ends that, and what goes on to another line.
_DIALOG_KEYS = frozenset(
    ("escape", "ctrl+q", *[name for key in KEYS if key.state in _TYPED for name in key.keys])
)
# Dialogs and their panels.
DIALOG_PANELS = {
    "HelpDialog": "help",
    "ExportDialog": "export",
    "SearchDialog": "search",
    "QueryDialog": "query",
    "NoteDialog": "note",
    "Overlay": "overlay",
    "FactsPage": "facts",
    "GroupMenu": "group-menu",
}
# Focus states and the ids of their panes.
FOCUS = {
    "AddressFocused": "address",
    "TreeGroupsFocused": "groups",
    "ClientListFocused": "clients",
    "TreeFocused": "schema",
    "LogFocused": "log",
    "LogReaderFocused": "reader",
    "MatrixFocused": "rain",
    "TimelineTxsFocused": "txs",
    "TimelineStepsFocused": "steps",
    **{f"Toolbar{number}Focused": f"toolbar{number}" for number in range(1, len(TOOLBARS) + 1)},
}
# The rain and the matrix take turns.
_STATE_OF = {**{pane: state for state, pane in FOCUS.items()}, "matrix": "MatrixFocused"}
# Parts of the screen and the panes that show them.
_PANES = {
    Part.CLIENTS: ("clients",),
    Part.SCHEMA: ("groups", "schema"),
    Part.LOG: ("log",),
    Part.READER: ("reader",),
    Part.MATRIX: ("rain", "matrix"),
    Part.BARS: ("bar", "next"),
    Part.TIMELINES: ("txs", "steps"),
    Part.PAGE: ("facts",),
    Part.STATUS: ("status",),
    Part.ADDRESS: ("address",),
    Part.FOUND: ("found",),
    Part.TOOLBARS: tuple([f"toolbar{number}" for number in range(1, len(TOOLBARS) + 1)]),
}


class DebuggerApp(App[int]):
    """The debugger on a terminal. All that it does goes through states of the machine."""

    TITLE = "am-dbg"
    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False  # the terminal selects text, with shift
    AUTO_FOCUS = ""  # the focus is a matter of states
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        # Panes may have arrows of their own; nothing takes the other keys away.
        Binding(
            ",".join(key.keys),
            f"key({number})",
            key.text,
            show=False,
            priority=key.action not in ("forward", "back"),
        )
        for number, key in enumerate(KEYS)
    ]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__()
        # Below the second, the log and the reader beside it were too narrow to be read.
        self.HORIZONTAL_BREAKPOINTS = [(0, "-few-columns"), (120, "-many-columns")]
        self.debugger = debugger
        for name in colors.PALETTES:
            self.register_theme(colors.theme_of(name))
        # Set aside, for the theme below takes them: each would read all styles once more.
        self.set_reactive(App.ansi_theme_dark, colors.terminal_of(colors.DARK))
        self.set_reactive(App.ansi_theme_light, colors.terminal_of(colors.LIGHT))
        self.is_mounted_whole = False
        self._key_ends: asyncio.TimerHandle | None = None
        self.theme = colors.LIGHT if debugger.settings.theme == "light" else colors.DARK

    def get_driver_class(self) -> type[Driver]:
        """The driver for this platform; it lets the app end where the terminal is lost, and tells
        letters with `alt` at once."""
        know_alt_letters()
        return survives_its_terminal(super().get_driver_class())

    def copy_to_clipboard(self, text: str) -> None:
        """Copy, by way of the terminal (OSC 52), unless that is not wanted."""
        if self.debugger.settings.clipboard:
            super().copy_to_clipboard(text)

    def compose(self) -> ComposeResult:
        """All panes; which of them are shown is a matter of states."""
        debugger = self.debugger
        yield bars.AddressBar(debugger, "address")
        with Horizontal(id="body"):
            yield ClientList(debugger)
            with Vertical(id="tree") as tree:
                tree.border_title = "Schema"
                yield GroupChooser(debugger, "groups")
                yield SchemaTree(debugger)
            with Container(id="texts"):
                yield LogPane(debugger)
                yield ReaderPane(debugger)
            yield RainPane(debugger)
            yield MatrixPane(debugger)
        yield bars.TxBar(debugger, "bar")
        yield bars.TxTimeline(debugger, "txs")
        yield bars.NextBar(debugger, "next")
        yield bars.StepTimeline(debugger, "steps")
        for number in range(1, len(TOOLBARS) + 1):
            yield ToolBar(debugger, number)
        yield bars.StatusBar(debugger, "status")
        yield dialogs.HelpPanel(debugger)
        yield dialogs.ExportPanel(debugger)
        yield dialogs.SearchPanel(debugger)
        yield QueryPanel(debugger)
        yield dialogs.NotePanel(debugger)
        yield dialogs.Overlay(debugger)
        yield FactsPanel(debugger)
        yield GroupMenu(debugger)

    def on_mount(self) -> None:
        """From here on the machine draws; what it told before is told now."""
        self.is_mounted_whole = True
        before, self.debugger.ui = self.debugger.ui, ScreenPort(self)
        for text in before.told if isinstance(before, NullUi) else ():
            self.debugger.ui.notify(text)
        machine = self.debugger.machine
        machine.add("Resized", width=self.size.width, height=self.size.height)
        machine.add("AfterFocus")
        self.draw(set(Part))

    def on_unmount(self) -> None:
        """From here on there is no screen."""
        self.is_mounted_whole = False
        self.debugger.ui = NullUi()

    def on_resize(self, event: events.Resize) -> None:
        """The layout may be another one."""
        self.debugger.machine.add("Resized", width=event.size.width, height=event.size.height)
        self.debugger.ui.invalidate(*Part)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click or the mouse gave a pane the focus."""
        if event.widget is not self.focused:
            return  # another one has it by now
        state = _STATE_OF.get(event.widget.id or "")
        machine = self.debugger.machine
        if state in focusable(machine) and state not in machine:
            machine.add(state)

    # ------------------------------------------------------------------ drawing

    def draw(self, parts: set[Part]) -> None:
        """Draw parts anew."""
        if not self.is_mounted_whole:
            return
        if Part.LAYOUT in parts or Part.DIALOG in parts:
            self._lay_out()
            # What is shown now may never have been drawn, and has no size yet.
            self.call_after_refresh(self.draw, set(Part) - {Part.LAYOUT, Part.DIALOG})
            return
        for part in parts:
            for name in _PANES.get(part, ()):
                pane = self.query_one(f"#{name}")
                if not pane.display:
                    continue
                if isinstance(pane, LineWidget):
                    pane.update_changed()
                else:
                    getattr(pane, "update_rows", pane.refresh)()

    def _lay_out(self) -> None:
        machine = self.debugger.machine
        has_log = "TreeLogView" in machine
        # Where there is little room, machines take the place of the schema while one is chosen.
        has_clients = bool(machine.any_("ClientListVisible", "ClientListFocused"))
        is_narrow = "NarrowLayout" in machine
        has_tree = bool(machine.any_("TreeLogView", "TreeMatrixView"))
        toolbars = shown_toolbars(machine)
        shown = {
            "clients": has_clients,
            "tree": has_tree and not (is_narrow and has_clients),
            "texts": has_log,
            "log": shows_log(machine),
            "reader": shows_reader(machine),
            "rain": not has_log and "MatrixRain" in machine,
            "matrix": not has_log and "MatrixRain" not in machine,
            "txs": "TimelineTxHidden" not in machine,
            "steps": "TimelineStepsHidden" not in machine,
            **{pane: state in toolbars for state, pane in FOCUS.items() if "toolbar" in pane},
            **{panel: state in machine for state, panel in DIALOG_PANELS.items()},
        }
        for name, is_shown in shown.items():
            self.query_one(f"#{name}").display = is_shown
        if "MatrixFocused" in machine:
            self.focus_pane("MatrixFocused")
        self.screen.set_class("NarrowLayout" in machine, "narrow")
        self.query_one("#texts").set_class(shown["log"] and shown["reader"], "both")

    def pane_of(self, state: str) -> str | None:
        """The pane that has the focus in a focus state."""
        if state == "MatrixFocused" and "MatrixRain" not in self.debugger.machine:
            return "matrix"
        return FOCUS.get(state)

    def focus_pane(self, state: str) -> None:
        """Give a pane the focus."""
        if state == "DialogFocused":
            self._focus_dialog()
            return
        name = self.pane_of(state)
        pane: Widget | None = self.query_one(f"#{name}") if name is not None else None
        if pane is not None and not pane.display:
            self._lay_out()
        if pane is not self.focused:
            self.set_focus(pane)

    def _focus_dialog(self) -> None:
        self._lay_out()
        shown = opened(self.debugger)
        if shown is not None:
            panel = self.query_one(f"#{DIALOG_PANELS[shown.dialog]}")
            panel.opened()  # type: ignore[attr-defined]

    def find_in_reader(self, text: str, *, forward: bool) -> bool:
        """Put the reader's cursor on the next row that has a text; False if there is none."""
        return self.query_one(ReaderPane).find(text, forward=forward)

    def _close_beside(self, event: events.MouseDown) -> None:
        """A click outside closes what is open."""
        shown = opened(self.debugger)
        if shown is None or len(self.screen_stack) > 1:
            return
        region = self.query_one(f"#{DIALOG_PANELS[shown.dialog]}").region
        if not region.contains(int(event.screen_x), int(event.screen_y)):
            close_beside(self.debugger)

    # ------------------------------------------------------------------ keys

    async def on_event(self, event: events.Event) -> None:
        """No key is lost. One that is held goes on no longer than it is held: what many did is
        drawn at once, so that they never wait for the screen."""
        if isinstance(event, events.InputEvent) and not self.screen_stack:
            return  # the debugger ends, and this was pressed behind it
        if isinstance(event, events.Key):
            self._begin_key()
        if isinstance(event, (events.Key, events.MouseDown)):
            self.debugger.closed = None
        if isinstance(event, events.MouseDown) and not event.is_forwarded:
            # At once: by the time it has bubbled up, the click may have opened something.
            self._close_beside(event)
        await super().on_event(event)

    def _begin_key(self) -> None:
        """What comes in gives way until the screen shows what the key did, if it does anything."""
        pace = self.debugger.pace
        pace.press()
        if pace.has_key:
            return
        pace.begin_key()
        if self._key_ends is not None:
            self._key_ends.cancel()
        self._key_ends = asyncio.get_running_loop().call_later(LONGEST, pace.end_key)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a name is typed, most keys are letters of it."""
        if action == "key" and len(self.screen_stack) > 1:
            return False  # the palette has all keys for itself
        if action == "key" and self.debugger.machine.any_(*_TYPED):
            number = parameters[0]
            assert isinstance(number, int)
            return bool(set(KEYS[number].keys) & _DIALOG_KEYS)
        return True

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """All keys and buttons as commands: nothing depends on a key that a terminal keeps."""
        for number, key in enumerate(KEYS):
            if key.action != "quit":
                yield SystemCommand(key.text, name_of(key), partial(self.action_key, number))
        for bar, buttons in enumerate(TOOLBARS, 1):
            for position, button in enumerate(buttons):
                press = partial(self.query_one(f"#toolbar{bar}", ToolBar).press, position)
                yield SystemCommand(f"button {button.text}", button.help, press)
        for name in colors.PALETTES:
            command = partial(setattr, self, "theme", name)
            yield SystemCommand(f"theme {name}", "colors of the screen", command)
        yield SystemCommand("quit", "ctrl+q", self.do_quit)

    def action_command_palette(self) -> None:
        """Open the palette, or close it."""
        if isinstance(self.screen, Commands):
            self.simulate_key("escape")
        else:
            self.push_screen(Commands())

    def action_key(self, number: int) -> None:
        """A key of the table was pressed."""
        key = KEYS[number]
        if key.action:
            getattr(self, f"do_{key.action}")()
        else:
            open_or_close(self.debugger, key.state, key.args)

    def do_forward(self) -> None:
        """The next transition; the next step where the steps have the focus."""
        is_steps = "TimelineStepsFocused" in self.debugger.machine
        self.debugger.machine.add("UserFwdStep" if is_steps else "UserFwd")

    def do_back(self) -> None:
        """The previous one."""
        is_steps = "TimelineStepsFocused" in self.debugger.machine
        self.debugger.machine.add("UserBackStep" if is_steps else "UserBack")

    def do_buttons(self) -> None:
        """To the filter buttons, and back to the machines."""
        machine = self.debugger.machine
        is_there = "Toolbar2Focused" in machine
        machine.add("ClientListFocused" if is_there else "Toolbar2Focused")
        machine.add("UpdateFocus")

    def do_escape(self) -> None:
        """Close what is open, else to the machines."""
        if not close(self.debugger):
            self.debugger.machine.add("ClientListFocused")

    def do_search(self) -> None:
        """Search in the reader if that has the focus, else by a query."""
        machine = self.debugger.machine
        if "LogReaderFocused" in machine:
            machine.add("SearchDialog")
        elif shows_reader(machine) and not shows_log(machine):
            machine.add("LogReaderFocused")
            machine.add("SearchDialog")
        else:
            if shows_log(machine):
                machine.add("LogFocused")
            machine.add("QueryDialog")

    def do_quit(self) -> None:
        """End."""
        self.exit(0)
