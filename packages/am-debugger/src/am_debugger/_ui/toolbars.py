"""Rows of buttons: each stands for a state, or adds one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from . import colors
from .keys import JUMP, bindings_of
from .lines import LineWidget
from .virtual import Row, strip_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual import events
    from textual.binding import BindingType
    from textual.strip import Strip

    from .._core.debugger import Debugger


@dataclass(frozen=True, slots=True)
class Button:
    """A button: `state` is added with `args`; with `tool` that state is switched, and the button
    shows whether it is active."""

    text: str
    state: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    tool: str = ""
    help: str = ""


TOOLBARS = (
    (
        Button("◀ mach", "GoPrevMachine"),
        Button("mach ▶", "GoNextMachine"),
        Button("◀ back", "GoBack"),
        Button("forward ▶", "GoFwd"),
        Button("◀ jump", "UserBack", {"amount": JUMP}),
        Button("< step", "UserBackStep"),
        Button("◁ tx", "UserBack"),
        Button("tx ▷", "UserFwd"),
        Button("step >", "UserFwdStep"),
        Button("jump ▶", "UserFwd", {"amount": JUMP}),
        Button("play", tool="Playing"),
        Button("first", "SetCursor", {"number": 0}),
        Button("last", "SetCursor", {"number": 1 << 40}),
    ),
    (
        Button("canceled", tool="FilterCanceledTx"),
        Button("queued", tool="FilterQueuedTx"),
        Button("auto", tool="FilterAutoTx"),
        Button("empty", tool="FilterEmptyTx"),
        Button("health", tool="FilterHealth"),
        Button("group", tool="FilterOutGroup"),
        Button("checks", tool="FilterChecks"),
        Button("disconn", tool="FilterDisconn"),
        Button("rpc", tool="FilterRpcMachs"),
        Button("times", tool="LogTimestamps"),
    ),
    (Button("export", tool="ExportDialog"), Button("traces", tool="FilterTraces")),
    (
        Button("help", tool="HelpDialog"),
        Button("tail", tool="TailMode"),
        Button("reader", tool="LogReaderEnabled"),
        Button("timelines", tool="TimelineTxHidden"),
        Button("narrow", tool="UserNarrowLayout"),
        Button("rain", "ToolRain"),
        Button("view", "NextView"),
    ),
)
_HIDES = frozenset(
    button.tool for button in TOOLBARS[1] if button.tool.startswith("Filter")
)  # of these a cross means that something is hidden


class ToolBar(LineWidget, can_focus=True):
    """One row of buttons."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("buttons")]

    def __init__(self, debugger: Debugger, number: int) -> None:
        super().__init__(id=f"toolbar{number}")
        self._debugger = debugger
        self._buttons = TOOLBARS[number - 1]
        self._at = 0

    def label(self, button: Button) -> str:
        """A button's text, with what it stands at. Of the filter of auto transitions `*` means
        that only canceled ones are hidden."""
        machine = self._debugger.machine
        if not button.tool:
            return button.text
        mark = "x" if button.tool in machine else " "
        if button.tool == "FilterAutoTx" and "FilterAutoCanceledTx" in machine:
            mark = "*"
        return f"[{mark}]{button.text}"

    def line(self, y: int) -> Strip:
        """The row."""
        row: Row = []
        for position, button in enumerate(self._buttons):
            is_on = button.tool in self._debugger.machine if button.tool else False
            style = colors.LABEL if is_on else colors.PLAIN
            if self.has_focus and position == self._at:
                style += colors.CURSOR
            row += [(self.label(button), style), ("  ", colors.PLAIN)]
        return strip_of(row, self.size.width).apply_style(self.ground)

    def press(self, position: int) -> None:
        """Press a button."""
        button = self._buttons[position]
        machine = self._debugger.machine
        if button.tool:
            machine.add("ToggleTool", tool=button.tool)
        else:
            machine.add(button.state, **button.args)

    def action_move(self, by: int) -> None:
        """To another button."""
        self._at = (self._at + by) % len(self._buttons)
        self.refresh()

    def action_press(self) -> None:
        """Press the button under the cursor."""
        self.press(self._at)

    def on_click(self, event: events.Click) -> None:
        """Press the button under the mouse."""
        x, end = event.get_content_offset_capture(self).x, 0
        for position, button in enumerate(self._buttons):
            start, end = end, end + len(self.label(button)) + 2
            if start <= x < end - 2:
                self._at = position
                self.press(position)
                return
