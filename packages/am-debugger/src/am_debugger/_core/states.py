"""The states of the debugger. Every key, button, call and test goes through these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import am_helpers as amh
import am_machine as am
import am_rpc

_PLAYING = ("Playing", "Paused", "TailMode")
_VIEWS = ("TreeLogView", "TreeMatrixView", "MatrixView")
_FOCUS = (
    "AddressFocused", "ClientListFocused", "TreeGroupsFocused", "TreeFocused", "LogFocused",
    "LogReaderFocused", "MatrixFocused", "TimelineTxsFocused", "TimelineStepsFocused",
    "Toolbar1Focused", "Toolbar2Focused", "Toolbar3Focused", "Toolbar4Focused", "DialogFocused",
)  # fmt: skip
DIALOGS = (
    "HelpDialog", "ExportDialog", "SearchDialog", "QueryDialog", "NoteDialog", "Overlay",
    "FactsPage", "GroupMenu",
)  # fmt: skip
"""What opens over the panes, one at a time."""
SEARCHES = ("SearchDialog", "QueryDialog")
"""Those that ask what to look for."""
PAGES = ("Why", "Pending", "Profile", "Lints")
"""Each makes a page of facts, and opens it."""
_WORK = ("Importing", "Exporting")
OUTPUTS = ("OutputTx", "OutputLog", "OutputClients", "OutputGraph", "OutputCallLog")
"""Each writes a file, or some, that follow the cursor."""
DIAGRAMS = ("Diagrams1", "Diagrams2", "Diagrams3")
DIAG_TX = ("DiagTxCalled", "DiagTxMutated", "DiagTxTouched", "DiagTxRelations")
DIAG_GROUP = ("DiagGroupHide", "DiagGroupSkip")
RENDERING = ("DiagramsGraphRendering", "DiagramsMachRendering", "DiagramsStatesRendering")
LOADING = ("SelectingClient", "GcMsgs", "Filtering", "Finding", "Profile", *_WORK, *RENDERING)
"""While one of these is active, so is `Loading`."""


@dataclass(frozen=True, slots=True)
class MoveArgs:
    """How many visible transitions or steps to move."""

    amount: int = 1


@dataclass(frozen=True, slots=True)
class SelectArgs:
    """The machine to select: the id that is shown."""

    client: str


@dataclass(frozen=True, slots=True)
class CursorArgs:
    """A transition of the selected machine by number, and a step of the next one."""

    number: int
    step: int = 0


@dataclass(frozen=True, slots=True)
class RainArgs:
    """A transition of the selected machine by number, and a state of it; empty: as before."""

    number: int
    state: str = ""


@dataclass(frozen=True, slots=True)
class PlaceArgs:
    """A transition of any machine: the id that is shown, and the number."""

    client: str
    number: int


@dataclass(frozen=True, slots=True)
class StepArgs:
    """A step of the next transition; 0: none."""

    step: int


@dataclass(frozen=True, slots=True)
class DirectionArgs:
    """Forward or back in time."""

    forward: bool = True


@dataclass(frozen=True, slots=True)
class StateNameArgs:
    """A state of the selected machine; empty: none."""

    state: str = ""


@dataclass(frozen=True, slots=True)
class GroupArgs:
    """A group of states of the selected machine; empty: all."""

    group: str = ""


@dataclass(frozen=True, slots=True)
class UrlArgs:
    """The address of a place."""

    url: str


@dataclass(frozen=True, slots=True)
class FileArgs:
    """A file; for an export whether it holds only this moment, for an import whether there is
    nothing to go on with where it cannot be read: whoever added that then tells why, and ends."""

    path: str
    only_moment: bool = False
    is_needed: bool = False


@dataclass(frozen=True, slots=True)
class ToolArgs:
    """A state to switch on or off."""

    tool: str


@dataclass(frozen=True, slots=True)
class NodeArgs:
    """A node of a tree by its path; `pane` is `schema` or `reader`."""

    pane: str
    node: str


@dataclass(frozen=True, slots=True)
class LevelArgs:
    """A level of the log, 0 to 5: silent, external, changes, ops, decisions, everything."""

    level: int


@dataclass(frozen=True, slots=True)
class OverlayArgs:
    """A text to show in full."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class SearchArgs:
    """What to look for, empty: the same as before; and in which direction."""

    text: str = ""
    forward: bool = True


@dataclass(frozen=True, slots=True)
class FindArgs:
    """A query, and whether it is asked of all machines or of the selected one."""

    query: str
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class FilterArgs:
    """A query that says what is shown, by buttons and beyond; empty: everything."""

    query: str = ""


@dataclass(frozen=True, slots=True)
class QueryDialogArgs:
    """Whether a filter is asked for, or what to look for."""

    is_filter: bool = False


@dataclass(frozen=True, slots=True)
class NoteArgs:
    """A note for the transition under the cursor; empty: none."""

    text: str = ""


def _once(doc: str, args: type | None = None, **more: Any) -> am.State:
    """An action that removes itself at the end of its handler."""
    return am.State(args=args, doc=doc, require=["ClientSelected"], **more)


class DebuggerStates(amh.Basic, amh.Disposed, am_rpc.StateSource):
    """The debugger.

    Of the log only the lines that are visible are made, each time they are drawn, and a graph of
    machines is gathered only where it is drawn: neither is ever being built, so that no states tell
    of it, and a graph that cannot be drawn is `ErrDiagrams`.
    """

    Start = am.State(
        add=[
            "ClientListVisible", "ClientListFocused", "FilterHealth", "FilterAutoCanceledTx",
            "FilterOutGroup", "FoldQuiet", "LogTimestamps",
        ],
        doc="It runs.",
    )  # fmt: skip
    Ready = amh.Basic.Ready.extend(add=["UpdateFocus"], doc="It takes machines in.")

    # Server
    ConnectEvent = am.State(multi=True, require=[Start], doc="An exporter came.")
    ClientMsg = am.State(multi=True, require=[Start], doc="Messages of one connection came.")
    DisconnectEvent = am.State(multi=True, require=[Start], doc="A connection ended.")
    InitClient = am.State(multi=True, require=[Start], doc="A machine came, or changed.")

    # Errors
    ErrDiagrams = am.State(multi=True, require=["Exception"], doc="A diagram failed.")
    ErrWeb = am.State(multi=True, require=["Exception"], doc="The web server failed.")
    ErrImport = am.State(multi=True, require=["Exception"], doc="A dump cannot be read.")

    # Input
    UserFwd = _once("The user goes forward.", MoveArgs, add=["Fwd"], remove=_PLAYING)
    UserBack = _once("The user goes back.", MoveArgs, add=["Back"], remove=_PLAYING)
    UserFwdStep = _once("The user goes a step on.", MoveArgs, add=["FwdStep"], remove=_PLAYING)
    UserBackStep = _once("The user goes a step back.", MoveArgs, add=["BackStep"], remove=_PLAYING)

    UserJump = _once(
        "The user goes to where the selected state changed, else fifty on or back.", DirectionArgs
    )

    # Focus
    AddressFocused = am.State(remove=_FOCUS)
    ClientListFocused = am.State(remove=_FOCUS)
    TreeGroupsFocused = am.State(remove=_FOCUS)
    TreeFocused = am.State(remove=_FOCUS)
    LogFocused = am.State(remove=(*_FOCUS, "ReaderInFront"))
    LogReaderFocused = am.State(require=["LogReaderVisible"], add=["ReaderInFront"], remove=_FOCUS)
    MatrixFocused = am.State(remove=_FOCUS)
    TimelineTxsFocused = am.State(remove=_FOCUS)
    TimelineStepsFocused = am.State(remove=_FOCUS)
    Toolbar1Focused = am.State(remove=_FOCUS)
    Toolbar2Focused = am.State(remove=_FOCUS)
    Toolbar3Focused = am.State(remove=_FOCUS)
    Toolbar4Focused = am.State(remove=_FOCUS)
    DialogFocused = am.State(remove=_FOCUS)
    UpdateFocus = am.State(multi=True, doc="Which panes there are has changed.")
    AfterFocus = am.State(multi=True, doc="Another pane has the focus.")
    FocusPrev = am.State(multi=True, doc="To the pane before.")
    FocusNext = am.State(multi=True, doc="To the pane after.")
    Resized = am.State(multi=True, doc="The screen has another size: `width`, `height`.")

    # Views
    TreeLogView = am.State(auto=True, remove=_VIEWS)
    TreeMatrixView = am.State(remove=_VIEWS)
    MatrixView = am.State(remove=_VIEWS)
    MatrixRain = am.State(doc="The matrix shows transitions as rows.")
    MatrixRainSelected = am.State(multi=True, require=["ClientSelected"], args=RainArgs)
    ToolRain = am.State(multi=True, doc="Rain on or off.")
    LogReaderEnabled = am.State()
    LogReaderVisible = am.State(auto=True, require=[TreeLogView, LogReaderEnabled])
    ReaderInFront = am.State(doc="Where it is narrow the reader is in the place of the log.")
    ToolReader = am.State(multi=True, doc="The log reader on, in a view that shows it, or off.")
    TimelineStepsHidden = am.State()
    TimelineTxHidden = am.State(require=[TimelineStepsHidden])
    ClientListVisible = am.State()
    NarrowLayout = am.State(remove=[ClientListVisible])
    LowLayout = am.State(doc="There are few rows: one row of buttons is shown.")
    UserNarrowLayout = am.State(add=[NarrowLayout])
    LogWrap = am.State(doc="Long lines of the log go on in the next one.")

    NextView = am.State(multi=True, doc="Log, matrix, rain beside the tree, then without it.")

    # Dialogs
    HelpDialog = am.State(add=[DialogFocused], remove=DIALOGS)
    ExportDialog = am.State(add=[DialogFocused], remove=DIALOGS)
    SearchDialog = am.State(
        add=[DialogFocused], remove=DIALOGS, doc="A text is asked for, to be found in the reader."
    )
    QueryDialog = am.State(
        multi=True,
        add=[DialogFocused],
        remove=DIALOGS,
        args=QueryDialogArgs,
        doc="A query is asked for, and what it finds is listed.",
    )
    NoteDialog = am.State(add=[DialogFocused], remove=DIALOGS, require=["TxSelected"])
    GroupMenu = am.State(
        add=[DialogFocused],
        remove=DIALOGS,
        require=["ClientSelected"],
        doc="The groups of the schema are listed.",
    )
    Overlay = am.State(
        multi=True,
        add=[DialogFocused],
        remove=DIALOGS,
        args=OverlayArgs,
        doc="The full text of something is shown.",
    )

    FactsPage = am.State(
        multi=True,
        add=[DialogFocused],
        remove=DIALOGS,
        doc="Facts are listed, many of which lead to their places.",
    )

    # Filters
    FilterAutoTx = am.State(remove=["FilterAutoCanceledTx"])
    FilterAutoCanceledTx = am.State(remove=[FilterAutoTx])
    FilterCanceledTx = am.State()
    FilterQueuedTx = am.State()
    FilterEmptyTx = am.State()
    FilterHealth = am.State()
    FilterChecks = am.State()
    FilterOutGroup = am.State()
    FilterDisconn = am.State(doc="Disconnected machines are not listed.")
    FilterRpcMachs = am.State(doc="Machines of am-rpc are not listed.")
    FoldQuiet = am.State(doc="A run of quiet transitions is shown as one: see `dbg:quiet`.")
    FoldToggled = am.State(
        multi=True, require=["ClientSelected"], doc="What is folded here is opened, or folded."
    )
    FilterTraces = am.State(doc="Stack traces are folded to their first line.")
    LogTimestamps = am.State(doc="The log tells when the second changes.")

    # Playing
    Playing = am.State(require=["ClientSelected"], remove=(*_PLAYING, "LogUserScrolled"))
    # The user scrolls where it is paused, so this takes no scrolling back.
    Paused = am.State(auto=True, require=["ClientSelected"], remove=_PLAYING)
    TailMode = am.State(require=["ClientSelected"], remove=(*_PLAYING, "LogUserScrolled"))
    LogUserScrolled = am.State(require=[LogFocused], remove=[Playing, TailMode])

    # Moving
    Fwd = _once("To the next visible transition.", MoveArgs)
    Back = _once("To the previous visible transition.", MoveArgs)
    FwdStep = _once("To the next step.", MoveArgs)
    BackStep = _once("To the previous step.", MoveArgs)
    ScrollToTx = am.State(multi=True, args=PlaceArgs, doc="To a transition of any machine.")
    ScrollToStep = _once("To a step.", StepArgs)
    ScrollToMutTx = _once("To a transition that changed the selected state.", DirectionArgs)
    SetCursor = _once("To a transition of the selected machine.", CursorArgs)
    TimelineStepsScrolled = _once("The timeline of steps was moved.", StepArgs)
    TxSelected = am.State(require=["ClientSelected"], doc="A transition is under the cursor.")
    SwitchingClientTx = am.State(args=PlaceArgs, remove=["SwitchedClientTx"])
    SwitchedClientTx = am.State(remove=[SwitchingClientTx])
    GoToUrl = am.State(multi=True, args=UrlArgs, doc="To the place of an address.")
    GoBack = am.State(multi=True, doc="To the place before, in the history of places.")
    GoFwd = am.State(multi=True, doc="To the place after.")
    GoPrevMachine = am.State(multi=True, doc="To the last place at another machine.")
    GoNextMachine = am.State(multi=True, doc="To the next place at another machine.")

    # Clients
    SelectingClient = am.State(args=SelectArgs, remove=["ClientSelected"])
    ClientSelected = am.State(remove=[SelectingClient])
    RemoveClient = am.State(args=SelectArgs, doc="Forget a machine.")
    SetGroup = am.State(multi=True, require=[ClientSelected], args=GroupArgs)
    StateNameSelected = am.State(multi=True, require=[ClientSelected], args=StateNameArgs)
    NodeToggled = am.State(multi=True, args=NodeArgs, doc="A node was opened or closed.")
    AllToggled = am.State(multi=True, doc="All nodes of the focused tree are opened or closed.")
    AskPending = am.State(multi=True, require=[ClientSelected], doc="Ask what it waits for.")
    NextDetail = am.State(
        multi=True, require=[ClientSelected], doc="Mute, journal, everything of the machine."
    )
    Why = am.State(multi=True, require=[ClientSelected], doc="Why the selected state is as it is.")
    Pending = am.State(multi=True, doc="All machines are asked what they wait for; it is listed.")
    Profile = am.State(doc="It is counted where time and transitions went, and listed.")
    Lints = am.State(multi=True, doc="What looks wrong is listed.")
    SetNote = am.State(multi=True, require=[ClientSelected], args=NoteArgs)
    GcMsgs = am.State(doc="Memory is short: old data goes.")

    # Log
    SetLogLevel = am.State(multi=True, args=LevelArgs)
    NextLogLevel = am.State(multi=True, doc="The next level of the log, after the last the first.")
    Searched = am.State(multi=True, args=SearchArgs, doc="To where a text is found next.")
    SearchShown = am.State(doc="What was looked for stands out, until the search is closed.")
    SearchingLog = am.State(args=SearchArgs, doc="The log is searched.")
    Finding = am.State(args=FindArgs, doc="All that a query means is looked for.")
    SetFilter = am.State(multi=True, args=FilterArgs, doc="A query says what is shown.")
    Filtering = am.State(doc="What passes the filters is worked out.")
    UpdateLogReader = am.State(
        multi=True, require=[LogReaderEnabled], doc="Facts are gathered anew."
    )

    # Screen
    ToolMatrix = am.State(multi=True, doc="The matrix on or off.")
    ToolTimelines = am.State(multi=True, doc="Both timelines, one, none in turn.")
    Redraw = am.State(multi=True, doc="All is drawn anew: others wrote to the terminal.")
    Loading = am.State(doc="Something takes a while.")
    ToggleTool = am.State(args=ToolArgs, remove=["ToolToggled"], doc="A button was pressed.")
    ToolToggled = am.State(remove=[ToggleTool])

    # Work
    Importing = am.State(args=FileArgs, remove=["Imported"])
    Imported = am.State(remove=[Importing])
    Exporting = am.State(args=FileArgs, remove=["Exported"])
    Exported = am.State(remove=[Exporting])
    DiagramsGraphRendering = am.State(multi=True, remove=["DiagramsGraphReady"])
    DiagramsGraphReady = am.State(remove=[DiagramsGraphRendering])
    DiagramsMachRendering = am.State(multi=True, remove=["DiagramsMachReady"])
    DiagramsMachReady = am.State(remove=[DiagramsMachRendering])
    DiagramsStatesRendering = am.State(multi=True, remove=["DiagramsStatesReady"])
    DiagramsStatesReady = am.State(remove=[DiagramsStatesRendering])

    # Outputs
    OutputTx = am.State(doc="tx.md has the transition under the cursor.")
    OutputLog = am.State(doc="log.md has the log around it.")
    OutputClients = am.State(doc="clients.txt has all machines at the moment.")
    OutputGraph = am.State(doc="graph.md has them with what connects them.")
    OutputCallLog = am.State(doc="call-log/ID has the handlers of the machine as they ran.")
    Diagrams1 = am.State(remove=DIAGRAMS, doc="Diagrams are drawn: the coarsest.")
    Diagrams2 = am.State(remove=DIAGRAMS, doc="Diagrams with relations.")
    Diagrams3 = am.State(remove=DIAGRAMS, doc="Diagrams with all there is.")
    ToolDiagrams = am.State(multi=True, doc="No diagrams, then those of each detail in turn.")
    DiagTxCalled = am.State(remove=DIAG_TX, doc="In diagrams called states stand out.")
    DiagTxMutated = am.State(remove=DIAG_TX, doc="Those that changed.")
    DiagTxTouched = am.State(remove=DIAG_TX, doc="Those that a step named.")
    DiagTxRelations = am.State(remove=DIAG_TX, doc="These, and what they have relations with.")
    ToolDiagTx = am.State(multi=True, doc="The next of what stands out, after the last nothing.")
    DiagGroupHide = am.State(remove=DIAG_GROUP, doc="States of the chosen group are left out.")
    DiagGroupSkip = am.State(remove=DIAG_GROUP, doc="The frames of groups are left out.")
    ToolDiagGroup = am.State(multi=True, doc="Groups as they are, hidden, skipped, in turn.")
    Web = am.State(doc="The diagrams pane is served to browsers.")

    class Groups:
        """Named groups of states."""

        Focus = _FOCUS
        Playing = _PLAYING
        Views = _VIEWS
        Loading = LOADING
        Outputs = OUTPUTS
        Diagrams = DIAGRAMS
        DiagTx = DIAG_TX
        DiagGroup = DIAG_GROUP


FILTERS = {
    "canceled": "FilterCanceledTx",
    "queued": "FilterQueuedTx",
    "auto": "FilterAutoTx",
    "auto_canceled": "FilterAutoCanceledTx",
    "empty": "FilterEmptyTx",
    "health": "FilterHealth",
    "checks": "FilterChecks",
    "out_group": "FilterOutGroup",
}
"""Fields of `Filters` and the states that set them."""
