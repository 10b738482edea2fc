"""Outputs: files that follow the cursor, written at most every 300 ms."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from am_debugger._core.debugger import Debugger, Settings
from am_debugger._core.ports import NullUi
from am_debugger._core.session import Session
from am_debugger._core.states import RENDERING
from am_debugger._files.atomic import file_name
from am_debugger._files.diagrams.drawer import Drawer, DrawingError
from am_debugger._files.diagrams.worker import answer_to
from am_debugger._files.outputs import call_log
from am_debugger._files.outputs.call_log import call_files
from am_debugger._files.outputs.handlers import INTERVAL, OutputHandlers
from am_debugger._store.layout import Flag, Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import process

if TYPE_CHECKING:
    from pathlib import Path

    from am_debugger._files.diagrams.request import Answer, Request

EVIL = "../../evil\x1b[31m`*<b>"


class HereDrawer(Drawer):
    """Draws in this process; counts, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.fault = ""

    async def draw(self, request: Request) -> Answer:
        await trio.lowlevel.checkpoint()
        self.requests.append(request)
        if self.fault:
            raise DrawingError(self.fault)
        return answer_to(request)


class Bench:
    """A debugger that writes into a folder, fed by one machine."""

    def __init__(self, folder: Path, id: str = "m1") -> None:
        self.folder = folder
        self.debugger = Debugger(Settings(tail=False, folder=folder))
        self.drawer = HereDrawer()
        self.rounds = 0
        outputs = OutputHandlers(self.debugger, drawer=self.drawer, on_written=self.wrote)
        self.debugger.machine.bind(outputs)
        self.machine = self.debugger.machine
        link = Link(self.debugger.session.store, process())
        self.exporter = Exporter(link, id)
        self.exporter.announce(handlers=("WorkEnter", "WorkState", "AnyState"))

    def wrote(self) -> None:
        self.rounds += 1

    def feed(self, count: int) -> None:
        for k in range(count):
            gains = {2: 1}
            self.exporter.do([2], gains, time=1000 * k + 1, kind=self.exporter.ticks[2] % 2)
        self.machine.add("InitClient")
        self.debugger.took(100)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def names(self) -> set[str]:
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()}


def changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns


def everything(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


@pytest.mark.trio
async def test_files_follow_the_cursor(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    bench = Bench(tmp_path)
    bench.feed(4)
    async with bench.machine as machine:
        machine.add("Start", "OutputTx", "OutputLog", "OutputClients")
        machine.add("Ready")
        machine.add("SelectingClient", client="m1")
        await trio.sleep(1)
        assert bench.names() == {"tx.md", "log.md", "clients.txt"}
        assert "transition 4" in bench.read("tx.md")
        machine.add("UserBack", amount=2)
        await trio.sleep(1)
        text = bench.read("tx.md")
        assert "transition 2" in text
        assert "mutation: remove Work" in text
        assert "```mermaid\nsequenceDiagram" in text
        assert "**→** 2 " in bench.read("log.md")
        assert "+Work" in bench.read("log.md")
        assert "m1" in bench.read("clients.txt")
        assert "|2+" in bench.read("clients.txt")
        machine.add("SetCursor", number=0)
        await trio.sleep(1)
        assert "Before the first transition" in bench.read("tx.md")


@pytest.mark.trio
async def test_writing_happens_at_most_every_300_ms_and_never_for_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    bench = Bench(tmp_path)
    bench.feed(200)
    async with bench.machine as machine:
        machine.add("Start", "Ready")
        machine.add("SelectingClient", client="m1")
        await trio.sleep(5)
        assert bench.rounds == 0
        machine.add("OutputTx")
        await trio.sleep(5)
        assert bench.rounds == 1
        for _ in range(100):
            machine.add("UserBack")
            await trio.sleep(0.03)
        await trio.sleep(1)
        assert 9 <= bench.rounds - 1 <= 3 / INTERVAL + 2
        assert "transition 100" in bench.read("tx.md")
        assert not bench.drawer.requests


@pytest.mark.trio
async def test_diagrams_are_drawn_for_the_detail_that_is_wanted(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    bench = Bench(tmp_path)
    bench.feed(3)
    async with bench.machine as machine:
        machine.add("Start", "Ready")
        machine.add("SelectingClient", client="m1")
        machine.add("ToolDiagrams")
        assert machine.is_("Diagrams1")
        await trio.sleep(1)
        assert machine.is_("DiagramsGraphReady", "DiagramsMachReady", "DiagramsStatesReady")
        assert machine.not_(*RENDERING)
        stems = {name.rpartition(".")[0] for name in bench.names()}
        assert stems == {f"diagrams/{name}" for name in ("graph", "machine", "state", "steps")}
        assert "classDef added" in bench.read("diagrams/machine.mmd")
        machine.add("SetCursor", number=0)
        await trio.sleep(1)
        stems = {name.rpartition(".")[0] for name in bench.names()}
        assert stems == {"diagrams/graph", "diagrams/machine"}
        machine.add("ToolDiagrams")
        machine.add("StateNameSelected", state="Done")
        await trio.sleep(1)
        assert machine.is_("Diagrams2")
        assert "-->|require|" in bench.read("diagrams/state.mmd")
        machine.add("ToolDiagrams")
        machine.add("ToolDiagrams")
        assert machine.not_("Diagrams1", "Diagrams2", "Diagrams3")
        count = len(bench.drawer.requests)
        machine.add("UserFwd")
        await trio.sleep(1)
        assert len(bench.drawer.requests) == count


@pytest.mark.trio
async def test_a_diagram_that_fails_is_an_error_and_the_next_one_is_drawn(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    bench = Bench(tmp_path)
    bench.feed(3)
    async with bench.machine as machine:
        machine.add("Start", "Ready")
        machine.add("SelectingClient", client="m1")
        bench.drawer.fault = "no memory"
        machine.add("Diagrams1")
        await trio.sleep(1)
        assert machine.is_("ErrDiagrams")
        assert machine.not_(*RENDERING)
        assert isinstance(bench.debugger.ui, NullUi)
        assert "no memory" in bench.debugger.ui.told[-1]
        bench.drawer.fault = ""
        machine.add("UserBack")
        await trio.sleep(1)
        assert machine.is_("DiagramsGraphReady", "DiagramsMachReady", "DiagramsStatesReady")


@pytest.mark.trio
async def test_an_output_that_cannot_be_written_is_switched_off_with_a_note(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    folder = tmp_path / "file"
    folder.write_text("in the way")
    bench = Bench(folder)
    bench.feed(1)
    async with bench.machine as machine:
        machine.add("Start", "Ready", "OutputTx", "OutputGraph")
        machine.add("SelectingClient", client="m1")
        await trio.sleep(1)
        assert machine.not_("OutputTx", *RENDERING)
        assert any("OutputTx is off" in note for note in bench.debugger.notes)


@pytest.mark.trio
async def test_names_from_outside_stay_in_the_folder_and_inert(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    folder = tmp_path / "a" / "b"
    bench = Bench(folder, EVIL)
    bench.exporter.announce(handlers=("WorkState", "import os; os.abort()"))
    bench.exporter.do([2], {2: 1}, time=1, handlers=(("WorkState", 1), ('x"]; import os', 1)))
    async with bench.machine as machine:
        machine.add("Start", "Ready", "Diagrams3")
        machine.add("OutputTx", "OutputLog", "OutputClients", "OutputGraph", "OutputCallLog")
        machine.add("SelectingClient", client=EVIL)
        await trio.sleep(1)
    assert all(path.is_relative_to(tmp_path / "a") for path in everything(tmp_path))
    assert f"call-log/{file_name(EVIL)}/000000001.py" in bench.names()
    for name in bench.names() - {n for n in bench.names() if n.endswith(".svg")}:
        assert "\x1b" not in bench.read(name), name
    assert "\\`\\*\\<b\\>" in bench.read("tx.md")
    assert "import os" not in bench.read(f"call-log/{file_name(EVIL)}/000000001.py")


@pytest.mark.trio
async def test_the_call_log_is_python_that_makes_the_calls_in_order(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "CALLS_OF_FILE", 10)
    bench = Bench(tmp_path)
    bench.feed(12)
    bench.exporter.do([2], {}, flags=Flag(0), vetoed=("WorkEnter",), time=10**5)
    async with bench.machine as machine:
        machine.add("Start", "Ready", "OutputCallLog")
        machine.add("SelectingClient", client="m1")
        await trio.sleep(1)
        first, second = sorted((tmp_path / "call-log" / "m1").iterdir())
        assert (first.name, second.name) == ("000000001.py", "000000011.py")
        before = changed_at(first)
        bench.feed(1)
        await trio.sleep(1)
        assert changed_at(first) == before
    ast.parse(first.read_text())
    done = await trio.run_process([sys.executable, str(second)], capture_stdout=True)
    # Handlers after the one that voted against it did not run.
    lines = [tuple(line.split()) for line in done.stdout.decode().splitlines()]
    assert [name for number, name in lines if number == "13"] == ["WorkEnter"]
    assert [name for number, name in lines if number == "11"] == [
        "WorkEnter", "WorkState", "AnyState"
    ]  # fmt: skip
    assert lines[-1][0] == "14"


def test_calls_that_go_while_they_are_told_are_left_out() -> None:
    store = Store(sizes=Sizes(chunk=4, keyframe=2))
    exporter = Exporter(Link(store, process()), "m1")
    exporter.announce(handlers=("WorkState",))
    for k in range(20):
        exporter.do([2], {2: 1}, time=k + 1, kind=k % 2)
    session, (client,) = Session(store), tuple(store)
    files = call_files(session, client, 1)
    for _ in range(3):
        assert next(files) is None
    client.columns.drop_chunks(2)
    store.forget_views(client)
    (made,) = [file for file in files if file is not None]
    told = [int(line.split(",")[0].strip(" (")) for line in made.text.splitlines() if '"Wo' in line]
    assert (client.first, client.last) == (9, 20)
    # Each second one ends the state, and calls nothing.
    assert told == [1, 3, *range(9, 21, 2)]
