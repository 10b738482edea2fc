"""Rows of buttons: each stands for a state, or adds one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from .._core.opening import open_or_close
from .._core.showing import shows_reader
from .._core.states import DIAG_GROUP, DIAG_TX, DIAGRAMS
from . import colors
from .keys import bindings_of
from .lines import LineWidget
from .virtual import strip_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from textual import events
    from textual.binding import BindingType
    from textual.strip import Strip

    from .._core.debugger import Debugger
    from .fitting import Row


@dataclass(frozen=True, slots=True)
class Button:
    """A button. Pressed, `state` is added with `args`, and what that has opened closes; with `tool`
    that state is switched. `mark` says what it stands at; without it, an `x` says that the state of
    `tool` is active."""

    text: str
    help: str
    state: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    tool: str = ""
    mark: Callable[[Debugger], str] | None = None


def _is_shown(filter_state: str) -> Callable[[Debugger], str]:
    """`x`: what the button names is shown, the filter that hides it is not active."""

    def mark(debugger: Debugger) -> str:
        return " " if filter_state in debugger.machine else "x"

    return mark


def _auto(debugger: Debugger) -> str:
    """All are shown, all but canceled ones, none."""
    found = debugger.machine.switch("FilterAutoTx", "FilterAutoCanceledTx")
    return {"FilterAutoTx": " ", "FilterAutoCanceledTx": "*", None: "x"}[found]


def _log_level(debugger: Debugger) -> str:
    return str(debugger.session.log_level)


def _timelines(debugger: Debugger) -> str:
    hidden = debugger.machine.switch("TimelineTxHidden", "TimelineStepsHidden")
    return {"TimelineTxHidden": "0", "TimelineStepsHidden": "1", None: "2"}[hidden]


def _reader(debugger: Debugger) -> str:
    return "x" if shows_reader(debugger.machine) else " "


def _matrix(debugger: Debugger) -> str:
    machine = debugger.machine
    is_on = machine.any_("TreeMatrixView", "MatrixView") and "MatrixRain" not in machine
    return "x" if is_on else " "


def _rain(debugger: Debugger) -> str:
    machine = debugger.machine
    is_on = machine.any_("TreeMatrixView", "MatrixView") and "MatrixRain" in machine
    return "x" if is_on else " "


def _one_of(states: Sequence[str], marks: Sequence[str], none: str) -> Callable[[Debugger], str]:
    """The mark of the state that is active."""

    def mark(debugger: Debugger) -> str:
        found = debugger.machine.switch(*states)
        return none if found is None else marks[states.index(found)]

    return mark


def _filter(text: str, state: str, help: str) -> Button:
    return Button(text, help, tool=state, mark=_is_shown(state))


TOOLBARS = (
    (
        Button("▲ mach", "the last place at another machine", "GoPrevMachine"),
        Button("▼ mach", "the next place at another machine", "GoNextMachine"),
        Button("◀ jump", "jump back", "UserJump", {"forward": False}),
        Button("< step", "previous step", "UserBackStep"),
        Button("◁ tx", "previous transition", "UserBack"),
        Button("tx ▷", "next transition", "UserFwd"),
        Button("step >", "next step", "UserFwdStep"),
        Button("jump ▶", "jump forward", "UserJump", {"forward": True}),
        Button("play", "forward each half second", tool="Playing"),
        Button("first", "before the first transition", "SetCursor", {"number": 0}),
        Button("last", "the last transition", "SetCursor", {"number": 1 << 40}),
    ),
    (
        Button("log", "the next level of the log", "NextLogLevel", mark=_log_level),
        _filter("canceled", "FilterCanceledTx", "canceled transitions"),
        _filter("queued", "FilterQueuedTx", "queued mutations"),
        Button("auto", "x all, * without canceled ones", tool="FilterAutoTx", mark=_auto),
        _filter("empty", "FilterEmptyTx", "transitions that changed nothing"),
        _filter("health", "FilterHealth", "health checks and heartbeats"),
        _filter("quiet", "FoldQuiet", "quiet transitions one by one, else a run of them as one"),
        Button("group", "only what calls states of the group", tool="FilterOutGroup"),
        _filter("disconn", "FilterDisconn", "machines that are gone"),
        _filter("checks", "FilterChecks", "checks"),
        Button("times", "when the second changes", tool="LogTimestamps"),
        _filter("rpc", "FilterRpcMachs", "machines of RPC"),
        Button("query", "all this as a query", "QueryDialog", {"is_filter": True}),
    ),
    (
        Button("export", "write a dump", "ExportDialog"),
        Button("expand", "open or close all nodes of the tree", "AllToggled"),
        _filter("traces", "FilterTraces", "stack traces in full"),
        Button(
            "diagrams",
            "none, or of detail 1 to 3",
            "ToolDiagrams",
            mark=_one_of(DIAGRAMS, "123", "0"),
        ),
        Button(
            "diag-tx",
            "what stands out: called, mutated, touched states, relations",
            "ToolDiagTx",
            mark=_one_of(DIAG_TX, ("called", "mutated", "touched", "relations"), "off"),
        ),
        Button(
            "diag-group",
            "other groups: shown, hidden, skipped",
            "ToolDiagGroup",
            mark=_one_of(DIAG_GROUP, ("hide", "skip"), "off"),
        ),
        Button("out-tx", "tx.md follows the cursor", tool="OutputTx"),
        Button("out-log", "log.md follows the cursor", tool="OutputLog"),
        Button("call-log", "call-log/ID has the handlers that ran", tool="OutputCallLog"),
    ),
    (
        Button("help", "signs and keys", "HelpDialog"),
        Button("tail", "stay at the latest transition", tool="TailMode"),
        Button("reader", "the log reader", "ToolReader", mark=_reader),
        Button("timelines", "both, one, none", "ToolTimelines", mark=_timelines),
        Button("wrap", "long lines of the log go on in the next one", tool="LogWrap"),
        Button("narrow", "the layout for few columns", tool="UserNarrowLayout"),
        Button("rain", "a transition a row", "ToolRain", mark=_rain),
        Button("matrix", "a transition as a square", "ToolMatrix", mark=_matrix),
        Button("web", "outputs and diagrams in a browser", tool="Web"),
    ),
)


# At an end of a row beyond which there are buttons that do not fit.
_MORE = "… "


class Place(NamedTuple):
    """Where a button is shown: from column `start`, up to `end`."""

    position: int
    start: int
    end: int


class ToolBar(LineWidget, can_focus=True):
    """One row of buttons."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("buttons")]

    def __init__(self, debugger: Debugger, number: int) -> None:
        super().__init__(id=f"toolbar{number}")
        self._debugger = debugger
        self._buttons = TOOLBARS[number - 1]
        self._at = 0

    def label(self, button: Button) -> str:
        """A button's text, with what it stands at."""
        if button.mark is not None:
            return f"[{button.mark(self._debugger)}]{button.text}"
        if button.tool:
            return f"[{'x' if button.tool in self._debugger.machine else ' '}]{button.text}"
        return button.text

    @property
    def gap(self) -> int:
        """Columns between two buttons: two, or one where there is little room."""
        width = sum([len(self.label(button)) + 2 for button in self._buttons]) - 2
        return 2 if width <= self.room.width else 1

    def places(self) -> list[Place]:
        """The buttons that are shown. Where not all fit, as many are left out at the beginning as
        it takes to show the one under the cursor."""
        gap, width = self.gap, self.room.width
        sizes = [len(self.label(button)) for button in self._buttons]
        last = len(sizes) - 1
        first = 0
        while first < self._at:
            taken = sum([size + gap for size in sizes[first : self._at]]) + sizes[self._at]
            taken += (len(_MORE) if first else 0) + (len(_MORE) if self._at < last else 0)
            if taken <= width:
                break
            first += 1
        x = len(_MORE) if first else 0
        found: list[Place] = []
        for position in range(first, last + 1):
            end = x + sizes[position]
            if end + (len(_MORE) if position < last else 0) > width and found:
                break
            found.append(Place(position, x, end))
            x = end + gap
        return found

    def line(self, y: int) -> Strip:
        """The row."""
        places, gap = self.places(), self.gap
        row: Row = [(_MORE, colors.PLAIN)] if places[0].position else []
        for place in places:
            label = self.label(self._buttons[place.position])
            style = colors.LABEL if label.startswith("[x]") else colors.PLAIN
            if self.has_focus and place.position == self._at:
                style += colors.CURSOR
            row += [(label, style), (" " * gap, colors.PLAIN)]
        if places[-1].position < len(self._buttons) - 1:
            row[-1] = (_MORE[::-1], colors.PLAIN)
        return strip_of(row, self.room.width, self.ground)

    def press(self, position: int) -> None:
        """Press a button."""
        button = self._buttons[position]
        if button.tool:
            self._debugger.machine.add("ToggleTool", tool=button.tool)
        else:
            open_or_close(self._debugger, button.state, button.args)

    def action_move(self, by: int) -> None:
        """To another button."""
        self._go((self._at + by) % len(self._buttons))

    def action_press(self) -> None:
        """Press the button under the cursor."""
        self.press(self._at)

    def on_click(self, event: events.Click) -> None:
        """Press the button under the mouse; beside the first or the last one, go on to others."""
        x, places = event.get_content_offset_capture(self).x, self.places()
        for place in places:
            if place.start <= x < place.end:
                self._at = place.position
                self.press(place.position)
                return
        if x < places[0].start:
            self._go(places[0].position - 1)
        elif x >= places[-1].end and places[-1].position < len(self._buttons) - 1:
            self._go(places[-1].position + 1)

    def _go(self, position: int) -> None:
        self._at = position
        self.redraw()
