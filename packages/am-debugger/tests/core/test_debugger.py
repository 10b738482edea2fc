"""The machine of the debugger: playing, memory, dumps, focus and views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from am_debugger import DumpError
from am_debugger._core import debugger as module
from am_debugger._core import working
from am_debugger._core.debugger import Debugger, Settings
from am_debugger._core.ports import NullUi, Part, Progress
from am_debugger._core.showing import focusable
from am_debugger._core.states import FILTERS, LOADING, DebuggerStates
from am_debugger._store.link import Link

from ..exporter import Exporter
from ..messages import process
from .conftest import Files

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Feed


@pytest.mark.trio
async def test_playing_goes_forward_each_half_second_and_stops_at_the_end(
    debugger: Debugger, feed: Feed, autojump_clock: trio.testing.MockClock
) -> None:
    feed("a", 10, 20, 30)
    async with debugger.machine as machine:
        machine.add("SelectingClient", client="a")
        machine.add("UserBack", amount=9)
        view = debugger.session.selected
        assert view is not None
        machine.add("Playing")
        start = trio.current_time()
        await trio.sleep(0.7)
        assert view.cursor == 1
        await machine.when("Paused")
        assert view.cursor == 3
        assert trio.current_time() - start == pytest.approx(2.0)
        machine.add("UserBack", amount=9)
        machine.add("Playing")
        await trio.sleep(0.6)
        machine.add("UserBack")
        assert machine.is_("Paused")
        await trio.sleep(5)
        assert view.cursor == 0


@pytest.mark.trio
async def test_memory_over_the_cap_lets_the_oldest_go_and_says_so(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(module, "_MEGABYTE", 1000)
    debugger = Debugger(Settings(max_mem=700, tail=False))
    exporter = Exporter(Link(debugger.session.store, process()), "a")
    async with debugger.machine as machine:
        machine.add("Start")
        for k in range(9000):
            exporter.do([2], {2: 1}, time=k)
        debugger.took(1)
        machine.add("SelectingClient", client="a")
        machine.add("SetCursor", number=100)
        assert debugger.session.store.nbytes > 500_000
        debugger.settings.max_mem = 300
        machine.fork(debugger.watch_memory, state="Start")
        await machine.when("GcMsgs")
        await machine.when_not("GcMsgs")
        assert debugger.session.store.nbytes <= 300_000
        client = exporter.client
        view = debugger.session.selected
        assert view is not None
        assert client.first > 4000
        assert view.cursor == client.first
        assert "transitions of 1 machines" in debugger.notes[0]
        assert machine.not_("Loading")


@pytest.mark.trio
async def test_while_the_oldest_go_the_cursor_is_where_something_is(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(module, "_MEGABYTE", 1000)
    monkeypatch.setattr(working, "_SLICE", 0.0)  # others have their turn after each step
    debugger = Debugger(Settings(max_mem=300, tail=False))
    exporter = Exporter(Link(debugger.session.store, process()), "a")
    async with debugger.machine as machine:
        machine.add("Start")
        for k in range(13_000):
            exporter.do([2], {2: 1}, time=k)
        machine.add("SelectingClient", client="a")
        machine.add("SetCursor", number=100)
        view, looked = debugger.session.selected, set()
        assert view is not None
        debugger.check_memory()
        while "GcMsgs" in machine:
            assert debugger.session.clock
            assert debugger.session.url()
            looked.add(view.cursor)
            await trio.lowlevel.checkpoint()
        assert len(looked) > 2, "there was no turn between two steps"


@pytest.mark.trio
async def test_an_import_shows_that_it_loads_and_how_far_it_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Following(Debugger):
        """Notes each progress that is told."""

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "progress":
                self.told = [*getattr(self, "told", []), value]
            super().__setattr__(name, value)

    files, ui = Files(), NullUi()
    debugger = Following(files=files, ui=ui)
    async with debugger.machine as machine:
        machine.add("Start")
        loading = machine.when("Loading")
        machine.add("Importing", path="run.amdbg.gz")
        await loading
        await machine.when("Imported")
        assert machine.not_("Loading", "Importing")
    told = [Progress(0.5, 10), Progress(1.0, 20, ("the end is missing",))]
    assert debugger.told == [None, *told, None]
    assert files.calls == [("read", "run.amdbg.gz", None)]
    assert {Part.CLIENTS, Part.STATUS} <= ui.invalid
    assert ui.told == ["the end is missing"]
    assert "imported: run.amdbg.gz: 20 transitions in 0.0 s" in debugger.about()


@pytest.mark.trio
async def test_a_dump_that_is_needed_and_cannot_be_read_is_left_to_whoever_needs_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fault = DumpError("x", "not a dump")
    debugger = Debugger(files=Files(fault))
    async with debugger.machine as machine:
        machine.add("Start")
        machine.add("Importing", path="run.amdbg.gz", is_needed=True)
        await machine.when_not("Importing")
        assert machine.not_("Exception", "ErrImport", "Imported")
    assert debugger.fault is fault
    assert debugger.notes == []


@pytest.mark.parametrize("fault", [DumpError("x", "not a dump"), FileNotFoundError("gone")])
@pytest.mark.trio
async def test_a_bad_dump_is_an_error_and_no_end(
    fault: Exception, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    ui = NullUi()
    debugger = Debugger(files=Files(fault), ui=ui)
    async with debugger.machine as machine:
        machine.add("Start")
        machine.add("Importing", path="run.amdbg.gz")
        await machine.when("ErrImport")
        assert machine.err is fault
        assert machine.not_("Importing", "Imported", "Loading")
        assert debugger.progress is None
        machine.remove("ErrImport", "Exception")
        machine.add("Exporting", path="x")
        await machine.when("Exception")
        assert machine.not_("Exporting")
    assert ui.told == [f"not imported: {fault}", f"not exported: {fault}"]
    caplog.clear()


@pytest.mark.trio
async def test_an_export_stays_in_the_folder_and_gets_an_ending(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    files = Files()
    ui = NullUi()
    debugger = Debugger(Settings(folder=tmp_path), files=files, ui=ui)
    async with debugger.machine as machine:
        machine.add("Start")
        machine.add("Exporting", path="../../etc/am-dbg-dump", only_moment=True)
        await machine.when("Exported")
    assert files.calls == [("write", str(tmp_path / "am-dbg-dump.amdbg.gz"), 0)]
    assert ui.told == [f"written: {tmp_path / 'am-dbg-dump.amdbg.gz'}"]


def test_start_sets_what_is_shown_at_first(debugger: Debugger) -> None:
    assert debugger.machine.is_(
        "ClientListVisible", "ClientListFocused", "FilterHealth", "FilterAutoCanceledTx",
        "FilterOutGroup", "LogTimestamps", "TreeLogView",
    )  # fmt: skip
    filters = debugger.session.filters
    assert (filters.health, filters.auto_canceled, filters.out_group) == (True, True, True)
    assert not (filters.auto)
    assert not (filters.canceled)
    assert not (filters.queued)
    assert not (filters.empty)


@pytest.mark.parametrize(("field", "state"), list(FILTERS.items()))
def test_each_filter_state_sets_its_filter(debugger: Debugger, field: str, state: str) -> None:
    before = getattr(debugger.session.filters, field)
    debugger.machine.toggle(state)
    assert getattr(debugger.session.filters, field) is not before


def test_auto_and_canceled_auto_filters_exclude_each_other(debugger: Debugger) -> None:
    machine = debugger.machine
    seen = []
    for _ in range(4):
        seen.append((machine.is_("FilterAutoTx"), machine.is_("FilterAutoCanceledTx")))
        machine.add("ToggleTool", tool="FilterAutoTx")
    assert seen == [(False, True), (True, False), (False, False), (False, True)]


def test_tab_goes_round_the_panes_that_are_shown(debugger: Debugger) -> None:
    machine = debugger.machine
    shown = focusable(machine)
    assert "MatrixFocused" not in shown
    seen = []
    for _ in shown:
        machine.add("FocusNext")
        seen.append(machine.switch(*shown))
    assert sorted(str(one) for one in seen) == sorted(shown)
    machine.add("FocusPrev")
    assert machine.switch(*shown) == seen[-2]


def test_exactly_one_pane_has_the_focus_whatever_is_shown(debugger: Debugger) -> None:
    machine = debugger.machine
    groups = DebuggerStates.schema().groups
    for action in (
        "NextView", "LogReaderEnabled", "LogReaderFocused", "NextView", "NextView", "HelpDialog",
        "NextView", "ExportDialog", "NextView", "UserNarrowLayout", "MatrixFocused", "NextView",
    ):  # fmt: skip
        machine.add(action)
        assert len([state for state in groups["Focus"] if state in machine]) == 1, action
        assert len([state for state in groups["Views"] if state in machine]) == 1, action
        assert machine.switch(*focusable(machine)) is not None, action


def test_a_dialog_takes_the_focus_and_gives_it_back(debugger: Debugger) -> None:
    machine = debugger.machine
    machine.add("HelpDialog")
    machine.add("FocusNext")
    assert machine.is_("DialogFocused")
    machine.add("ExportDialog")
    assert machine.not_("HelpDialog")
    machine.remove("ExportDialog")
    assert machine.not_("DialogFocused")
    assert machine.is_("ClientListFocused")


def test_the_focus_goes_to_what_comes_in_the_place_of_its_pane(debugger: Debugger) -> None:
    machine = debugger.machine
    machine.add("LogReaderEnabled")
    for gone, action, focus in (
        ("LogReaderFocused", "ToolReader", "LogFocused"),
        ("LogFocused", "NextView", "MatrixFocused"),
        ("MatrixFocused", "ToolMatrix", "LogFocused"),
        ("TreeFocused", "MatrixView", "MatrixFocused"),
        ("MatrixFocused", "ToolReader", "LogFocused"),
        ("TimelineTxsFocused", "HelpDialog", "DialogFocused"),
        ("DialogFocused", "UserFwd", "DialogFocused"),
    ):
        machine.add(gone)
        machine.add(action)
        assert machine.is_(focus), action
    machine.remove("HelpDialog")
    assert machine.is_("TimelineTxsFocused")


def test_views_follow_each_other(debugger: Debugger) -> None:
    machine = debugger.machine
    seen = []
    for _ in range(6):
        view = machine.switch("TreeLogView", "TreeMatrixView", "MatrixView")
        seen.append((view, "MatrixRain" in machine))
        machine.add("NextView")
    assert seen == [
        ("TreeLogView", False),
        ("TreeMatrixView", False),
        ("TreeMatrixView", True),
        ("MatrixView", False),
        ("MatrixView", True),
        ("TreeLogView", False),
    ]


def test_a_narrow_screen_has_the_client_list_only_while_it_has_the_focus(
    debugger: Debugger,
) -> None:
    machine = debugger.machine
    machine.add("Resized", width=80)
    assert machine.is_("NarrowLayout")
    assert machine.not_("ClientListVisible")
    assert machine.is_("ClientListFocused"), "it is shown until a machine is chosen"
    Exporter(Link(debugger.session.store, process()), "a").do([2], {2: 1})
    machine.add("SelectingClient", client="a")
    assert machine.is_("TreeFocused")
    machine.add("Resized", width=120)
    assert machine.is_("ClientListVisible")
    machine.add("UserNarrowLayout")
    machine.add("Resized", width=200)
    assert machine.not_("ClientListVisible")
    machine.remove("UserNarrowLayout")
    assert machine.is_("ClientListVisible")


def test_timelines_go_one_by_one(debugger: Debugger) -> None:
    machine = debugger.machine
    seen = []
    for _ in range(4):
        seen.append([s for s in ("TimelineTxHidden", "TimelineStepsHidden") if s not in machine])
        machine.add("ToggleTool", tool="TimelineTxHidden")
    assert [len(one) for one in seen] == [2, 1, 0, 2]


def test_the_log_reader_is_shown_beside_the_log_only(debugger: Debugger) -> None:
    machine = debugger.machine
    assert machine.add("LogReaderFocused").canceled
    machine.add("LogReaderEnabled")
    assert machine.is_("LogReaderVisible")
    machine.add("LogReaderFocused")
    machine.add("TreeMatrixView")
    assert machine.not_("LogReaderVisible", "LogReaderFocused")
    machine.add("TreeLogView")
    assert machine.is_("LogReaderVisible")


def test_the_first_machine_is_selected_if_wanted(feed: Feed, debugger: Debugger) -> None:
    debugger.settings.select_connected = True
    feed("a", 1)
    assert debugger.session.selected is not None
    feed("b", 1)
    assert debugger.session.selected.client.id == "a"


def test_old_machines_go_when_a_new_one_finds_them_gone(debugger: Debugger) -> None:
    debugger.settings.clean_on_connect = True
    link = Link(debugger.session.store, process())
    Exporter(link, "a").do([2], {2: 1})
    debugger.machine.add("SelectingClient", client="a")
    debugger.machine.add("ConnectEvent")
    assert len(debugger.session.store) == 1
    link.close()
    debugger.machine.add("ConnectEvent")
    assert len(debugger.session.store) == 0
    assert debugger.machine.not_("ClientSelected")
    assert debugger.session.selected is None


def test_loading_follows_from_what_takes_a_while(debugger: Debugger) -> None:
    machine = debugger.machine
    for state in LOADING[-3:]:
        machine.add(state)
        assert machine.is_("Loading")
        machine.remove(state)
        assert machine.not_("Loading")


def test_no_handler_is_bound_to_a_name_that_is_none() -> None:
    names = set(Debugger().machine.handler_names)
    assert {"FwdState", "PlayingState", "AnyState", "GcMsgsState"} <= names
