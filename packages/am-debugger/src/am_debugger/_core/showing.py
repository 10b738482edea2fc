"""Handlers of panes: which there are, and which has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ports import Part
from .states import DIALOGS, ToolArgs

if TYPE_CHECKING:
    import am_machine as am

    from .debugger import Debugger

NARROW = 100
"""Columns below which the layout is narrow."""
LOW = 30
"""Rows below which the panes matter more than most of the buttons."""

# Focus states in the order in which tab goes through them.
_ORDER = (
    "AddressFocused", "ClientListFocused", "TreeGroupsFocused", "TreeFocused", "LogFocused",
    "LogReaderFocused", "MatrixFocused", "TimelineTxsFocused", "TimelineStepsFocused",
    "Toolbar1Focused", "Toolbar2Focused", "Toolbar3Focused", "Toolbar4Focused",
)  # fmt: skip

_TOOLBARS = ("Toolbar1Focused", "Toolbar2Focused", "Toolbar3Focused", "Toolbar4Focused")


def focusable(machine: am.MachineApi) -> list[str]:
    """Focus states of the panes that there are, in order; in a dialog only its own. Where it is
    narrow the focus brings up the machines, as long as they have it, and that of the log and the
    reader which had it last; where it is low a row of buttons."""
    if machine.any_(*DIALOGS):
        return ["DialogFocused"]
    is_narrow = "NarrowLayout" in machine
    has_tree = bool(machine.any_("TreeLogView", "TreeMatrixView"))
    has_log = "TreeLogView" in machine
    shown = {
        "ClientListFocused": is_narrow or "ClientListVisible" in machine,
        "TreeGroupsFocused": has_tree,
        "TreeFocused": has_tree,
        "LogFocused": has_log,
        "LogReaderFocused": "LogReaderVisible" in machine,
        "MatrixFocused": not has_log,
        "TimelineTxsFocused": "TimelineTxHidden" not in machine,
        "TimelineStepsFocused": "TimelineStepsHidden" not in machine,
    }
    return [state for state in _ORDER if shown.get(state, True)]


def shows_log(machine: am.MachineApi) -> bool:
    """Whether the log is on the screen: where it is narrow the reader may be in its place."""
    return "TreeLogView" in machine and not _is_behind_reader(machine)


def shows_reader(machine: am.MachineApi) -> bool:
    """Whether the reader is on the screen: where it is narrow the log may be in its place."""
    is_narrow = "NarrowLayout" in machine
    return "LogReaderVisible" in machine and (not is_narrow or _is_behind_reader(machine))


def shown_toolbars(machine: am.MachineApi) -> list[str]:
    """Focus states of the rows of buttons that are on the screen: where it is low only the one that
    has the focus, else the last."""
    if "LowLayout" not in machine:
        return list(_TOOLBARS)
    return [str(machine.switch(*_TOOLBARS) or _TOOLBARS[-1])]


def _is_behind_reader(machine: am.MachineApi) -> bool:
    """Whether the log is. Where it was wide, the log may have the focus nevertheless."""
    has_both = machine.is_("NarrowLayout", "LogReaderVisible", "ReaderInFront")
    return has_both and "LogFocused" not in machine


class ShowingHandlers:
    """Focus, views, dialogs, tools."""

    def __init__(self, core: Debugger) -> None:
        self._core = core

    # ------------------------------------------------------------------ focus

    def UpdateFocusState(self, event: am.Event) -> None:
        """See that a pane has the focus that is shown."""
        machine = event.machine
        shown = focusable(machine)
        if not machine.any_(*shown):
            # What had the focus before a dialog opened has it again, or what is in its place now.
            before = str(machine.switch(*_ORDER) or self._core.focus_before)
            beside = _PREFERRED if "ClientListVisible" in machine else _PREFERRED[1:]
            preferred = (before, *_INSTEAD.get(before, ()), *beside)
            wanted = [state for state in preferred if state in shown]
            machine.add(wanted[0] if wanted else shown[0])
        machine.remove("UpdateFocus")

    def FocusNextState(self, event: am.Event) -> None:
        """To the next pane that is shown."""
        self._cycle(event.machine, 1)
        event.machine.remove("FocusNext")

    def FocusPrevState(self, event: am.Event) -> None:
        """To the previous one."""
        self._cycle(event.machine, -1)
        event.machine.remove("FocusPrev")

    def _cycle(self, machine: am.Machine, step: int) -> None:
        shown = focusable(machine)
        current = machine.switch(*shown)
        at = shown.index(current) if current is not None else -step
        machine.add(shown[(at + step) % len(shown)])

    def AfterFocusState(self, event: am.Event) -> None:
        """Tell the screen which pane has the focus."""
        current = event.machine.switch(*_ORDER, "DialogFocused")
        if current is not None:
            self._core.ui.focus(current)
        event.machine.remove("AfterFocus")

    def AnyState(self, event: am.Event) -> None:
        """The screen follows where the focus, the view or a dialog changed."""
        transition, machine = event.transition, event.machine
        changed = {*transition.added, *transition.removed}
        if changed - _PASSING:
            self._core.ui.invalidate(Part.TOOLBARS, Part.BARS, Part.STATUS)
        if changed & _FOCUS_STATES:
            machine.add("AfterFocus")
            gone = [state for state in transition.removed if state in _ORDER]
            if gone and not machine.any_(*_ORDER):
                self._core.focus_before = gone[0]
            if not machine.any_(*focusable(machine)):
                machine.add("UpdateFocus")
        if changed & _TAKING_TURNS and "NarrowLayout" in machine:
            self._core.ui.invalidate(Part.LAYOUT, Part.TOOLBARS)
        if changed & _TOOLBAR_STATES and "LowLayout" in machine:
            self._core.ui.invalidate(Part.LAYOUT)
        if changed & _LAYOUT_STATES:
            self._core.ui.invalidate(Part.LAYOUT, Part.TOOLBARS)
            machine.add("UpdateFocus")
        if changed & _DIALOG_STATES:
            self._core.ui.invalidate(Part.DIALOG)
            if "DialogFocused" in machine and "DialogFocused" not in changed:
                # One has come in the place of another, and the focus with it.
                self._core.ui.focus("DialogFocused")
        if changed & _LOG_STATES:
            self._core.ui.invalidate(Part.LOG)
        if changed & _LIST_STATES:
            self._core.ui.invalidate(Part.CLIENTS)

    def RedrawState(self, event: am.Event) -> None:
        """Draw all anew."""
        self._core.ui.repaint()
        event.machine.remove("Redraw")

    # ------------------------------------------------------------------ layout

    def ResizedState(self, event: am.Event) -> None:
        """Low below 30 rows, narrow below 100 columns; wide again above, unless the user wants it
        narrow."""
        machine = event.machine
        if event.mutation.args.get("width", NARROW) < NARROW:
            machine.add("NarrowLayout")
        elif "UserNarrowLayout" not in machine:
            machine.remove("NarrowLayout")
            machine.add("ClientListVisible")
        if event.mutation.args.get("height", LOW) < LOW:
            machine.add("LowLayout")
        else:
            machine.remove("LowLayout")
        machine.remove("Resized")

    def UserNarrowLayoutEnd(self, event: am.Event) -> None:
        """Wide again."""
        event.machine.remove("NarrowLayout")
        event.machine.add("ClientListVisible")

    def NextViewState(self, event: am.Event) -> None:
        """Log, matrix, rain beside the tree, then matrix and rain alone, then the log again; where
        it is narrow the reader comes after the log."""
        machine = event.machine
        is_rain = "MatrixRain" in machine
        if "LogReaderVisible" in machine and not shows_reader(machine):
            self._bring_reader(machine)
        elif "TreeLogView" in machine:
            machine.add("TreeMatrixView")
            machine.remove("MatrixRain")
        elif not is_rain:
            machine.add("MatrixRain")
        else:
            machine.remove("MatrixRain", "ReaderInFront")
            machine.add("MatrixView" if "TreeMatrixView" in machine else "TreeLogView")
        machine.remove("NextView")

    def ToolReaderState(self, event: am.Event) -> None:
        """The reader on, beside the log or in its place, or off."""
        machine = event.machine
        if shows_reader(machine):
            machine.remove("LogReaderEnabled")
        else:
            machine.remove("MatrixRain")
            machine.add("LogReaderEnabled", "TreeLogView")
            self._bring_reader(machine)
        machine.remove("ToolReader")

    def _bring_reader(self, machine: am.Machine) -> None:
        """In front of the log, where there is room for one of them; the focus goes along."""
        if machine.is_("NarrowLayout", "LogFocused"):
            machine.add("LogReaderFocused")
        else:
            machine.add("ReaderInFront")

    def ToolRainState(self, event: am.Event) -> None:
        """Rain on, in a view that shows it, or off."""
        machine = event.machine
        if "MatrixRain" in machine and "TreeLogView" not in machine:
            machine.remove("MatrixRain")
            machine.add("TreeLogView")
        else:
            machine.add("MatrixRain", "TreeMatrixView")
        machine.remove("ToolRain")

    def ToolMatrixState(self, event: am.Event) -> None:
        """The matrix beside the tree, or the log again."""
        machine = event.machine
        if "MatrixRain" not in machine and machine.any_("TreeMatrixView", "MatrixView"):
            machine.add("TreeLogView")
        else:
            machine.remove("MatrixRain")
            machine.add("TreeMatrixView")
        machine.remove("ToolMatrix")

    # ------------------------------------------------------------------ dialogs, tools

    def ToggleToolEnter(self, event: am.Event) -> bool:
        """Only a state that there is."""
        return event.args_as(ToolArgs).tool in event.machine.schema

    def ToggleToolState(self, event: am.Event) -> None:
        """Switch a state on or off; of auto transitions in turn."""
        machine, tool = event.machine, event.args_as(ToolArgs).tool
        if tool == "TimelineTxHidden":
            machine.add("ToolTimelines")
        elif tool == "Playing" and "Playing" in machine:
            machine.add("Paused")
        elif tool == "FilterAutoTx":
            self._next_auto(machine)
        else:
            machine.toggle(tool)
        machine.add("ToolToggled")

    def ToolTimelinesState(self, event: am.Event) -> None:
        """Both timelines, then one, then none."""
        machine = event.machine
        if "TimelineTxHidden" in machine:
            machine.remove("TimelineTxHidden", "TimelineStepsHidden")
        elif "TimelineStepsHidden" in machine:
            machine.add("TimelineTxHidden")
        else:
            machine.add("TimelineStepsHidden")
        machine.remove("ToolTimelines")

    def _next_auto(self, machine: am.Machine) -> None:
        """All shown, canceled ones hidden, all hidden, in turn."""
        if "FilterAutoTx" in machine:
            machine.remove("FilterAutoTx")
        elif "FilterAutoCanceledTx" in machine:
            machine.add("FilterAutoTx")
        else:
            machine.add("FilterAutoCanceledTx")


# Which panes may be in the place of one that is gone, and where the focus goes if none of them is.
_INSTEAD = {
    "LogReaderFocused": ("LogFocused", "MatrixFocused"),
    "LogFocused": ("MatrixFocused",),
    "MatrixFocused": ("LogFocused",),
    "TreeFocused": ("MatrixFocused",),
    "TreeGroupsFocused": ("MatrixFocused",),
}
_PREFERRED = ("ClientListFocused", "TreeFocused", "MatrixFocused")
# What comes and goes with each message or move says nothing to a button; `Paused`, which each move
# takes away and gives back, neither: it follows from `Playing` and `TailMode`.
_PASSING = frozenset(
    (
        "ClientMsg", "InitClient", "Fwd", "Back", "UserFwd", "UserBack", "UpdateFocus",
        "AfterFocus", "Paused",
    )
)  # fmt: skip
_FOCUS_STATES = frozenset((*_ORDER, "DialogFocused"))
# Where it is narrow, each of these decides which of two panes is shown.
_TAKING_TURNS = frozenset(("ClientListFocused", "LogFocused", "LogReaderFocused", "ReaderInFront"))
_TOOLBAR_STATES = frozenset(_TOOLBARS)
_LOG_STATES = frozenset(("LogTimestamps", "LogWrap", "FilterTraces"))
_LIST_STATES = frozenset(("FilterDisconn", "FilterRpcMachs"))
_DIALOG_STATES = frozenset(DIALOGS)
_LAYOUT_STATES = frozenset(
    (
        "TreeLogView", "TreeMatrixView", "MatrixView", "MatrixRain", "LogReaderVisible",
        "TimelineTxHidden", "TimelineStepsHidden", "ClientListVisible", "NarrowLayout", "LowLayout",
        *DIALOGS,
    )
)  # fmt: skip
