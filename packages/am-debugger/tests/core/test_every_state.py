"""Each state that is declared is true at some time: none only says what might have been."""

from __future__ import annotations

import ast
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import am_debugger
from am_debugger._cli.listener import Listener
from am_debugger._core import finding
from am_debugger._core.debugger import Debugger, Settings
from am_debugger._core.showing import focusable
from am_debugger._core.states import DIALOGS, DebuggerStates
from am_debugger._errors import DumpError
from am_debugger._files.diagrams.drawer import Drawer, DrawingError
from am_debugger._files.diagrams.request import Answer
from am_debugger._files.outputs.handlers import OutputHandlers
from am_debugger._store.link import Link
from am_debugger._ui.keys import KEYS
from am_debugger._ui.toolbars import TOOLBARS
from am_debugger._web.handlers import WebHandlers

from ..exporter import Exporter
from ..messages import process
from .conftest import Files

if TYPE_CHECKING:
    import am_machine as am
    from am_debugger._files.diagrams.request import Request

SOURCE = Path(am_debugger.__file__).parent
ENDS = ("State", "Enter", "Exit", "End")
NAMED_IN_PARTS = {"DiagramsGraphReady", "DiagramsMachReady", "DiagramsStatesReady"}
"""They are added as `{what}Ready`."""
OF_OTHERS = {
    "ErrNetwork": "of Basic: the feed tells of a connection that fails by DisconnectEvent",
    "ErrHandlerTimeout": "of Basic: the engine adds it where a handler hangs",
    "Healthcheck": "of Basic: whoever watches the process adds it",
    "Heartbeat": "of Basic: nobody follows the machine over a network but arpc, which asks",
    "RegisterDisposal": "of Disposed: nothing has to be let go that does not end by itself",
    "Disposing": "of Disposed: leaving the machine disposes it without an order",
    "Disposed": "of Disposed: as above",
    "ErrOnClient": "of StateSource: am-rpc adds it where arpc tells of an error",
    "ErrProviding": "of StateSource: nothing is provided",
    "ErrSendPayload": "of StateSource: no payload is sent",
    "SendPayload": "of StateSource: as above",
}
"""States that come along with others, and are never entered here."""


def named() -> set[str]:
    """Texts and names of methods in the source, but for where states are declared."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        if path.name == "states.py":
            tree.body = [one for one in tree.body if getattr(one, "name", "") != "DebuggerStates"]
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found |= {node.name.removesuffix(end) for end in ENDS}
    return found


def test_no_state_is_declared_of_which_nothing_else_knows() -> None:
    unknown = set(DebuggerStates.names()) - named()
    assert unknown - OF_OTHERS.keys() == NAMED_IN_PARTS


class FailingDrawer(Drawer):
    """The first diagram cannot be drawn; the others are drawn already."""

    has_failed = False

    async def draw(self, request: Request) -> Answer:
        await trio.lowlevel.checkpoint()
        if not self.has_failed:
            self.has_failed = True
            raise DrawingError("no memory")
        return Answer((), ())


def feed(debugger: Debugger) -> None:
    """What a connection tells, from its beginning to its end."""
    listener = Listener(debugger)
    listener.connected()
    for handle, name in enumerate(("a", "b"), 1):
        exporter = Exporter(Link(debugger.session.store, process()), name, handle)
        for k in range(120):
            exporter.do([2], {2: 1}, time=1000 * k, args={"id": k}, kind=exporter.ticks[2] % 2)
    listener.machine_came()
    listener.took(100)
    listener.disconnected()


def press_all(machine: am.Machine) -> None:
    """Each key that adds a state, and each button until it has gone round, and is as it was."""
    for key in KEYS:
        if key.state:
            machine.add(key.state, **key.args)
            machine.remove(*DIALOGS)
    for button in [button for row in TOOLBARS for button in row]:
        for _ in range(6):
            if button.tool:
                machine.add("ToggleTool", tool=button.tool)
            else:
                machine.add(button.state, **button.args)
            machine.remove(*DIALOGS)


def walk_panes(machine: am.Machine) -> None:
    """Through all views, and in those with a tree through all panes by tab."""
    for _ in range(5):
        machine.add("NextView")
    machine.add("LogReaderEnabled")
    machine.remove("MatrixRain", "TimelineTxHidden", "TimelineStepsHidden")
    for view in ("TreeLogView", "TreeMatrixView"):
        machine.add(view)
        for _ in focusable(machine):
            machine.add("FocusNext")


def move(machine: am.Machine) -> None:
    """What keys of panes, clicks and addresses do."""
    machine.add("TreeLogView")
    machine.add("SetCursor", number=60)
    for state in ("UserFwd", "UserBack", "UserFwdStep", "UserBackStep", "Playing", "FoldToggled"):
        machine.add(state)
    machine.add("ScrollToStep", step=1)
    machine.add("TimelineStepsScrolled", step=0)
    machine.add("StateNameSelected", state="Work")
    machine.add("UserJump", forward=False)
    machine.add("MatrixRainSelected", number=5, state="Work")
    machine.add("ScrollToTx", client="b", number=3)
    machine.add("GoToUrl", url="mach://a?t=5")
    machine.add("GoBack")
    machine.add("GoFwd")
    machine.add("SetGroup", group="Flow")
    machine.add("SetGroup", group="")
    machine.add("NodeToggled", pane="schema", node="Work")
    machine.add("UpdateLogReader")
    machine.add("AskPending")
    machine.add("LogFocused")
    machine.add("LogUserScrolled")
    machine.add("SetNote", text="here")
    machine.add("Overlay", title="a text", text="in full")
    machine.add("GroupMenu")
    machine.add("SearchDialog")
    machine.remove(*DIALOGS)
    machine.add("Resized", width=80, height=24)
    machine.add("Resized", width=200, height=60)


async def work(debugger: Debugger, files: Files) -> None:
    """What takes a while, and what fails."""
    machine = debugger.machine
    machine.add("LogFocused")
    machine.add("Searched", text="+Work", forward=True)
    await machine.when_not("SearchingLog")
    machine.add("Finding", query="+Work", everywhere=True)
    await machine.when_not("Finding")
    machine.add("SetFilter", query="+Work")
    await machine.when("Filtering")
    await machine.when_not("Filtering")
    machine.add("Profile")
    await machine.when_not("Profile")
    machine.add("Exporting", path="run")
    await machine.when("Exported")
    machine.add("Importing", path="run.amdbg.gz")
    await machine.when("Imported")
    files.fault = DumpError("run.amdbg.gz", "not a dump")
    machine.add("Importing", path="run.amdbg.gz")
    await machine.when("ErrImport")
    debugger.settings.max_mem = 0
    debugger.check_memory()
    await machine.when_not("GcMsgs")
    machine.add("RemoveClient", client="b")


@pytest.mark.trio
async def test_each_state_is_entered_by_keys_panes_feeds_or_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(finding, "_AT_ONCE", 0)  # so that any filter takes long
    files = Files()
    debugger = Debugger(Settings(folder=tmp_path), files=files)
    machine = debugger.machine
    machine.bind(OutputHandlers(debugger, drawer=FailingDrawer()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        machine.bind(WebHandlers(debugger, taken.getsockname()))
        async with machine:
            machine.add("Start")
            machine.add("Ready")
            feed(debugger)
            machine.add("SelectingClient", client="a")
            press_all(machine)
            walk_panes(machine)
            move(machine)
            machine.add("Diagrams3", "OutputGraph", "OutputClients", "Web")
            await machine.when("ErrDiagrams")
            await machine.when("ErrWeb")
            await machine.when("DiagramsGraphReady", "DiagramsMachReady", "DiagramsStatesReady")
            await work(debugger, files)
            never = {name for name in machine.schema if not machine.tick(name)}
    assert never == OF_OTHERS.keys()
    caplog.clear()  # what failed was meant to
