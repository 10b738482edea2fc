"""Scenes of the screen: what is shown of the recorded pool, at which size, in which colors."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.widgets import Input

from am_debugger._cli.options import parse
from am_debugger._cli.run import Instance
from am_debugger._derive.folds import QUIET
from am_debugger._store.client import Loss, Pending
from am_debugger._store.versions import compile_sent
from am_debugger._ui.launcher import running
from am_debugger._ui.port import ScreenPort
from am_telemetry import dbg

from ..fixtures.record import FIXTURE
from .cells import told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.client import Client
    from am_debugger._store.store import Store
    from am_debugger._store.versions import SchemaVersion

    Body = Callable[[Pilot[int], Debugger], Awaitable[None]]

USUAL, WIDE, NARROW = (120, 40), (200, 60), (80, 24)


# The last of the recorded runs, and what happened in it.
RUN = "demo~4"
SUPERVISOR, DEMO = "ns-TextStats-vm-191934-758", "demo~4"
WORKER_DIED, TIMED_OUT = 268, 2383
# More than a line of the list has room for, and a few just before what is looked at.
LOSSES = {40: 25_000, 265: 1, WORKER_DIED: 12}


@dataclass(frozen=True)
class Scene:
    """One picture: transition `number` of a machine. `words` are on it, whatever else is; `state`
    is selected, `states` are added to what is shown, the first of them with `args`."""

    name: str
    words: str
    states: tuple[str, ...] = ()
    size: tuple[int, int] = USUAL
    theme: str = "dark"
    machine: str = SUPERVISOR
    number: int = WORKER_DIED
    state: str = ""
    steps: int = 0
    args: Mapping[str, Any] = field(default_factory=dict)
    is_live: bool = False
    """The machine is connected, tells of its journal only, and answers what it waits for."""
    losses: Mapping[int, int] = field(default_factory=dict)
    """How many transitions of the machine were lost before which one."""
    has_quiet: bool = False
    """Looking for workers is tagged as quiet."""


def _views(theme: str) -> list[Scene]:
    """Each view, dialog and layout in the colors of a theme."""

    def scene(name: str, words: str, *states: str, **more: Any) -> Scene:
        return Scene(f"{name}-{theme}", words, states, theme=theme, **more)

    return [
        scene("main", "ErrWorker", "LogReaderEnabled", size=WIDE, state="ErrWorker"),
        scene("reader", "Reader", "LogReaderEnabled"),
        scene("matrix", "Schema", "ToolMatrix", state="WorkerGone"),
        scene("matrix-alone", "Transition", "MatrixView"),
        scene("rain", "Rain", "ToolRain", state="ErrWorker"),
        scene("narrow", "Schema", size=NARROW),
        scene("narrow-machines", "Machines:", "ClientListFocused", size=NARROW),
        scene("narrow-reader", "Reader", "ToolReader", size=NARROW),
        scene("help", "play or pause", "HelpDialog"),
        scene("narrow-help", "E error", "HelpDialog", size=NARROW),
        scene("export", "only this moment", "ExportDialog"),
        scene("search", "n and N", "LogReaderEnabled", "LogReaderFocused", "SearchDialog"),
        scene("query", "found", "Searched", "QueryDialog", args={"text": "+WorkerGone"}),
        scene("note", "dumps keep it", "NoteDialog"),
        scene("groups", "all", "GroupMenu"),
        scene("searched", "WorkerGone", "Searched", args={"text": "WorkerGone"}),
        scene("why", "by demo~4/", "Why", machine=DEMO, number=TIMED_OUT, state=_TIMEOUT),
        scene("lints", "dbg:quiet", "Lints"),
        scene("profile", "Longest active", "Profile", size=WIDE),
        scene("pending", "of 1 connected machines have answered", "Pending", is_live=True),
        scene("journal-only", "journal only", "SetLogLevel", args={"level": 4}, is_live=True),
        scene("asked", "wait WorkersAvailable", "LogReaderEnabled", size=WIDE, is_live=True),
        scene("quiet", "quiet: ListWorkers", has_quiet=True),
        scene("quiet-rain", "quiet: ListWorkers", "ToolRain", has_quiet=True, size=WIDE),
        scene("losses", "12 lost |", "LogReaderEnabled", losses=LOSSES),
        scene("losses-rain", "12 lost |", "ToolRain", losses=LOSSES, size=WIDE),
        scene("narrow-losses", "12 +3 -0", size=NARROW, losses=LOSSES),
        scene("steps", "Step 6 /", "LogReaderEnabled", steps=6),
        scene("fault", _TIMEOUT, "LogReaderEnabled", machine=DEMO, number=TIMED_OUT),
        scene("empty", "AM_DBG_ADDR=1", machine=""),
        scene("narrow-empty", "AM_DBG_ADDR=1", machine="", size=NARROW),
    ]


_TIMEOUT = "ErrHandlerTimeout"
SCENES = [*_views("dark"), *_views("light")]


class Drawn(NamedTuple):
    """A scene as it came out: as text with looks (`cells`), and as a picture."""

    cells: str
    picture: str


def render(scene: Scene, folder: Path, *, wanted: str = "") -> Drawn:
    """Draw a scene, until nothing is drawn any more. Cells that are `wanted` have ten seconds to
    come, for a busy machine may rest before all was drawn."""
    found: list[Drawn] = []

    async def body(pilot: Pilot[int], debugger: Debugger) -> None:
        found.append(await drawn(pilot, debugger, wanted=wanted))

    show(scene, folder, body)
    return found[0]


def show(
    scene: Scene, folder: Path, body: Callable[[Pilot[int], Debugger], Awaitable[None]]
) -> None:
    """Show a scene, and do something with it."""
    argv = ["-l", f"unix:{folder / 's'}", "-d", str(folder), "--no-tail", "--no-reader"]
    argv += ["--theme", scene.theme, "--import", str(FIXTURE)]
    instance = Instance(parse(argv, {"XDG_CONFIG_HOME": str(folder)}))

    async def main() -> None:
        async with running(instance) as app, app.run_test(size=scene.size) as pilot:
            while "Ready" not in instance.debugger.machine:
                await pilot.pause(0.05)
            # The round that is under way may have begun before all was loaded.
            rounds = instance.debugger.lints.rounds
            while instance.debugger.lints.rounds < rounds + 2:
                await pilot.pause(0.02)
            _go(instance.debugger, scene)
            await body(pilot, instance.debugger)

    asyncio.run(asyncio.wait_for(main(), 120))


async def drawn(
    pilot: Pilot[int], debugger: Debugger, *, title: str = "am-dbg", wanted: str = ""
) -> Drawn:
    """What is on the screen once nothing is drawn any more, also where the machine has much else
    to do."""
    app = pilot.app
    found: list[str] = []
    for _ in range(100):
        for line in app.screen.query(Input):
            line.cursor_blink = False  # else it is seen every other half second
        await pilot.pause(0.1)
        found.append(told(app.screen._compositor.render_strips()))
        is_still = len(set(found[-_STILL:])) == 1 and len(found) >= _STILL
        is_done = is_still and _rests(debugger)
        if is_done and found[-1] == (wanted or found[-1]):
            break
    return Drawn(found[-1], app.export_screenshot(title=title))


# A screen that is the same so many times, a tenth of a second apart, stays so.
_STILL = 4


def _rests(debugger: Debugger) -> bool:
    """Whether nothing is under way that is drawn later."""
    port = debugger.ui
    assert isinstance(port, ScreenPort)
    is_drawn = port._timer is None and not port._invalid
    return is_drawn and "Loading" not in debugger.machine


class Answering:
    """One machine that is connected, and answers at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        client.connections = 1
        client.gone_at = None

    def detail_of(self, client: Client) -> int | None:
        """It tells of its journal."""
        return 1 if client is self._client else None

    def want_detail(self, client: Client, level: int) -> None:
        """It stays so."""

    def ask_pending(self, client: Client) -> bool:
        """It waits for two things, since it is not told for how long."""
        waits = (
            dbg.PendingDef("wait", "demo", ("WorkersAvailable",), None),
            dbg.PendingDef("task", "", ("NormalizingPool",), None),
        )
        client.pending = Pending(client.columns.times.searched(0), waits)
        return True


def _tag_quiet(store: Store) -> None:
    """Tag a state that comes and goes all the time."""
    for client in store:
        client.versions[:] = [
            dataclasses.replace(version, schema=_tagged(version.schema))
            for version in client.versions
        ]


def _tagged(schema: SchemaVersion) -> SchemaVersion:
    sent = schema.sent
    if "ListWorkers" not in sent.names:
        return schema
    states = list(sent.states)
    at = sent.names.index("ListWorkers")
    states[at] = dataclasses.replace(states[at], tags=(*states[at].tags, QUIET))
    return compile_sent(dataclasses.replace(sent, states=tuple(states)))


def _go(debugger: Debugger, scene: Scene) -> None:
    """To the place of the scene, in one of the recorded runs."""
    machine, store = debugger.machine, debugger.session.store
    last_run = store.get(RUN)
    assert last_run is not None
    begun = last_run.columns.times.searched(0)
    for client in list(store):
        if client.columns.times.searched(0) < begun or not scene.machine:
            machine.add("RemoveClient", client=client.id)
    debugger.memory.held = 3 << 20  # which is not the same with each Python
    debugger.notes.clear()  # they tell how long loading took
    debugger.addresses = ("unix:/run/user/1000/asyncmachine/dbg.sock",)
    if scene.has_quiet:
        _tag_quiet(store)
    if scene.losses:
        client = store.get(scene.machine)
        assert client is not None
        client.losses = [Loss(number, lost, 0) for number, lost in scene.losses.items()]
        client.lost = sum(scene.losses.values())
    if scene.is_live:
        client = store.get(scene.machine)
        assert client is not None
        debugger.wishes = Answering(client)
        debugger.wishes.ask_pending(client)
    if scene.machine:
        machine.add("SelectingClient", client=scene.machine)
        machine.add("SetCursor", number=scene.number)
        machine.add("StateNameSelected", state=scene.state)
    if scene.steps:
        machine.remove("TimelineStepsHidden", "TimelineTxHidden")
    for k, state in enumerate(scene.states):
        machine.add(state, **({} if k else scene.args))
    for _ in range(scene.steps):
        machine.add("UserFwdStep")
