"""Tree, log and reader: what is opened, followed, searched, shown in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from am_debugger._ui.client_list import ClientList
from am_debugger._ui.log_pane import LogPane
from am_debugger._ui.reader_pane import ReaderPane
from am_debugger._ui.tree_pane import SchemaTree
from am_telemetry import dbg

from .driving import SIZES, click, click_on, drive, fill_with_related, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._core.session import View
    from am_debugger._ui.app import DebuggerApp


def drawn(pane: SchemaTree) -> list[str]:
    """All rows of the tree as text."""
    return ["".join([text for text, _ in pane.make_row(k)]) for k in range(pane.row_count())]


READY = 5  # the transition in which Ready comes


async def choose(debugger: Debugger, pilot: Pilot[int], focus: str = "ClientListFocused") -> View:
    """Select the only machine, and focus a pane."""
    debugger.machine.add("SelectingClient", client="job")
    debugger.machine.add(focus)
    await settle(pilot)
    view = debugger.session.selected
    assert view is not None
    return view


@pytest.mark.parametrize("size", SIZES)
def test_a_reference_in_the_tree_is_followed_to_its_state(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        view = await choose(debugger, pilot, "TreeFocused")
        await press(pilot, "down", "enter")
        assert view.state == "Connected"
        assert "└ require Start" in text(app)
        await press(pilot, "down", "enter")
        assert view.state == "Start"
        assert app.query_one(SchemaTree).cursor == 0
        assert "#pool:main" in text(app)

    drive(tmp_path, body, size=size, fill=fill_with_related)


def test_steps_open_what_they_touch_and_join_relations_by_lines(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        view = await choose(debugger, pilot)
        assert all("◀" not in line for line in drawn(app.query_one(SchemaTree)))
        debugger.machine.add("SetCursor", number=READY - 1)
        await settle(pilot)
        lines = drawn(app.query_one(SchemaTree))
        assert any("◀" in line for line in lines), "without a step all relations are drawn"
        assert any(set("═║╗╝") & set(line) for line in lines), "the last one is emphasized"
        assert "└ require Connected" not in text(app)
        for _ in range(debugger.session.step_count):
            await press(pilot, "alt+k")
        assert view.step == debugger.session.step_count
        assert "└ require Connected" in text(app)
        assert "▾+Ready" in text(app)
        await press(pilot, "home")
        assert view.step == 0
        assert "└ require Connected" not in text(app)

    drive(tmp_path, body, fill=fill_with_related)


def test_what_was_opened_and_chosen_stays_while_moving(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        view = await choose(debugger, pilot, "TreeFocused")
        await press(pilot, "down", "down", "enter", "down")
        tree = app.query_one(SchemaTree)
        at = tree.names()[tree.cursor]
        await press(pilot, "left", "left", "home", "end")
        assert view.opened == {"Ready"}
        assert tree.names()[tree.cursor] == at
        await press(pilot, "alt+o")
        debugger.machine.add("LogReaderFocused")
        reader = app.query_one(ReaderPane)
        await press(pilot, "enter", "down")
        folded = debugger.session.reader_nodes
        assert folded
        path = reader._rows[reader.cursor].path
        await press(pilot, "left", "right")
        assert debugger.session.reader_nodes == folded
        assert reader._rows[reader.cursor].path == path

    drive(tmp_path, body, fill=fill_with_related)


def test_alt_e_opens_and_closes_all_of_the_focused_tree(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        view = await choose(debugger, pilot, "TreeFocused")
        await press(pilot, "alt+e")
        assert view.opened == set(view.client.version.names)
        await press(pilot, "alt+e")
        assert not view.opened
        await press(pilot, "alt+o")
        debugger.machine.add("LogReaderFocused")
        await press(pilot, "alt+e")
        assert "▸Queue" in text(app)
        await press(pilot, "alt+e")
        assert "▾Queue" in text(app)

    drive(tmp_path, body, fill=fill_with_related)


def test_letters_search_in_machines_and_states_and_wrap(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("ClientListFocused")
        await press(pilot, "w", "o", "r", "k", "e", "r", "minus", "1")
        assert app.query_one(ClientList).at_cursor() == "worker-10"
        await press(pilot, "enter")
        debugger.machine.add("TreeFocused")
        tree = app.query_one(SchemaTree)
        await press(pilot, "d", "o")
        assert tree.names()[tree.cursor] == "Done"
        tree._typing._at = float("-inf")  # the pause is over
        await press(pilot, "s")
        assert tree.names()[tree.cursor] == "Start"

    drive(tmp_path, body)


def test_the_level_of_the_log_goes_round(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot)
        assert "[add] Done" not in text(app)
        seen = []
        for _ in range(6):
            debugger.machine.add("NextLogLevel")
            seen.append(debugger.session.log_level)
        assert seen == [3, 4, 5, 0, 1, 2]
        debugger.machine.add("SetLogLevel", level=3)
        await settle(pilot)
        assert "Log 3: ops" in text(app)
        assert "[add] Done" in text(app)
        debugger.machine.add("SetLogLevel", level=0)
        await settle(pilot)
        assert "[state]" not in text(app)

    drive(tmp_path, body, fill=fill_with_related)


def test_long_lines_are_cut_or_wrapped_and_times_told(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot)
        debugger.machine.add("SetNote", text="word " * 40)
        await settle(pilot)
        assert "── " in text(app)
        debugger.machine.remove("LogTimestamps")
        await settle(pilot)
        log = app.query_one(LogPane)
        assert "──" not in "".join([row.row[1][0] for row in log._rows])
        assert "…" in text(app)

    drive(tmp_path, body, size=(80, 24), fill=fill_with_related)


def test_stack_traces_are_folded_to_their_first_line(tmp_path: Path) -> None:
    def fill(store: object) -> None:
        fill_with_related(store)  # type: ignore[arg-type]
        client = store.get("job")  # type: ignore[attr-defined]
        client.outer_log.append(client.last, 1, 1, "[error] broken\nTraceback\n  line 3")

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot)
        assert "  line 3" in text(app)
        debugger.machine.add("ToggleTool", tool="FilterTraces")
        await settle(pilot)
        assert "[error] broken … 2 more lines" in text(app)
        assert "  line 3" not in text(app)
        debugger.machine.add("ToggleTool", tool="LogWrap")
        await settle(pilot)
        assert "[error] broken" in text(app)

    drive(tmp_path, body, fill=fill)


def test_wrapped_lines_lose_nothing(tmp_path: Path) -> None:
    def fill(store: object) -> None:
        fill_with_related(store)  # type: ignore[arg-type]
        client = store.get("job")  # type: ignore[attr-defined]
        client.outer_log.append(client.last, 1, 1, "x" * 150 + "END")

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot)
        assert "END" not in text(app)
        debugger.machine.add("ToggleTool", tool="LogWrap")
        await settle(pilot)
        assert "END" in text(app)
        debugger.machine.remove("LogWrap")
        debugger.machine.add("LogFocused")
        await settle(pilot)
        for _ in range(16):
            await press(pilot, "right")
        assert "END" in text(app), "sideways"

    drive(tmp_path, body, size=(100, 30), fill=fill)


def test_a_click_on_a_line_of_a_change_goes_there_and_selects_the_state(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        view = await choose(debugger, pilot)
        log = app.query_one(LogPane)
        position, shown = next(
            (k, row)
            for k, row in enumerate(log._rows)
            if row.line is not None and row.line.text == "[state] +Connected"
        )
        await click_on(pilot, log, (12, position + 1))
        assert view.cursor == shown.number
        assert view.state == "Connected"

    drive(tmp_path, body, fill=fill_with_related)


def test_the_log_is_searched_and_n_goes_on(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        view = await choose(debugger, pilot, "LogFocused")
        await press(pilot, "slash")
        assert machine.is_("QueryDialog")
        await press(pilot, "W", "o", "r", "k", "i", "n", "g", "enter")
        assert machine.is_("LogFocused")
        first = view.cursor
        names = view.client.version.names
        assert names.index("Working") in debugger.session.current.tx.called  # type: ignore[union-attr]
        await press(pilot, "N")
        second = view.cursor
        assert second != first
        await press(pilot, "n")
        assert view.cursor == first
        await press(pilot, "slash")
        app.query_one("#query-text", Input).value = '"no such text"'
        await press(pilot, "enter")
        assert view.cursor == first
        assert 'not found: "no such text"' in text(app)

    drive(tmp_path, body, fill=fill_with_related)


def marked(app: DebuggerApp) -> list[str]:
    """What stands out as what was looked for does."""
    lines = app.screen._compositor.render_strips()
    styled = [(one.text, one.style) for line in lines for one in line if one.style is not None]
    return [shown for shown, style in styled if style.bold and style.underline]


@pytest.mark.parametrize("close", ["escape", "slash escape", "slash elsewhere"])
def test_what_was_found_stands_out_until_the_search_is_closed(tmp_path: Path, close: str) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await choose(debugger, pilot, "LogFocused")
        machine.add("StateNameSelected", state="")
        await settle(pilot)
        assert "Working" not in marked(app)
        await press(pilot, "slash", *"Working", "enter")
        assert "Working" in marked(app)
        for key in close.split():
            if key == "elsewhere":
                click(app, 0, app.size.height - 1)
                await settle(pilot)
            else:
                await press(pilot, key)
        assert "Working" not in marked(app)
        assert machine.is_("LogFocused"), "this closed something"
        await press(pilot, "n")
        assert "Working" in marked(app), "it goes on"
        await press(pilot, "escape", "escape")
        assert machine.is_("ClientListFocused"), "nothing was left to close"

    drive(tmp_path, body, fill=fill_with_related)


def test_the_reader_is_searched_on_its_own(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        view = await choose(debugger, pilot)
        await press(pilot, "alt+o")
        debugger.machine.add("LogReaderFocused")
        cursor = view.cursor
        await press(pilot, "slash", "t", "i", "c", "k", "enter")
        reader = app.query_one(ReaderPane)
        assert debugger.machine.is_("LogReaderFocused")
        assert "tick" in reader._rows[reader.cursor].fact.text
        assert view.cursor == cursor
        row = reader.make_row(reader.cursor)
        assert any(style.underline and style.bold for _, style in row)
        await press(pilot, "escape")
        assert debugger.machine.is_("LogReaderFocused")
        assert reader.make_row(reader.cursor) != row, "the search is closed"

    drive(tmp_path, body, fill=fill_with_related)


def test_a_fact_is_shown_in_full_and_closes_by_key_and_by_mouse(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="worker-2")
        await press(pilot, "alt+o")
        machine.add("LogReaderFocused")
        await press(pilot, "down", "enter")
        assert machine.is_("Overlay")
        assert debugger.overlay == ("Arguments", "29")
        await press(pilot, "escape")
        assert machine.not_("Overlay")
        assert machine.is_("LogReaderFocused")
        machine.add("Overlay", title="Long", text="word " * 400 + "END")
        await settle(pilot)
        assert "END" not in text(app)
        for _ in range(12):
            await press(pilot, "pagedown")
        assert "END" in text(app)
        click(app, 40, 23)
        await settle(pilot)
        assert machine.not_("Overlay")

    drive(tmp_path, body, size=(80, 24))


def test_why_tells_causes_of_active_states_and_what_keeps_others_away(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        view = await choose(debugger, pilot)
        await press(pilot, "alt+w")
        assert machine.not_("FactsPage")
        assert "choose a state first" in text(app)
        machine.add("StateNameSelected", state="Ready")
        await press(pilot, "alt+w")
        assert machine.is_("FactsPage")
        assert f"Ready is active since transition {READY}" in text(app)
        await press(pilot, "escape")
        machine.add("SetCursor", number=1)
        machine.add("StateNameSelected", state="Working")
        await press(pilot, "alt+w")
        assert "Working is inactive" in text(app)
        assert "requires Ready" in text(app)
        await press(pilot, "escape")
        machine.add("SetCursor", number=view.client.last)

    drive(tmp_path, body, fill=fill_with_related)


def test_a_note_is_put_on_a_moment_and_kept_in_the_dump(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        view = await choose(debugger, pilot)
        machine = debugger.machine
        await press(pilot, "left", "alt+c", "h", "e", "r", "e", "enter")
        assert view.client.notes == {view.cursor: "here"}
        assert "note: here" in text(app)
        machine.add("Exporting", path="noted")
        for _ in range(40):
            await settle(pilot)
            if "Exported" in machine:
                break
        noted = view.cursor
        machine.add("RemoveClient", client="job")
        await settle(pilot)
        machine.add("Importing", path=str(tmp_path / "noted.amdbg.gz"))
        for _ in range(40):
            await settle(pilot)
            if "Imported" in machine:
                break
        again = debugger.session.store.get("job")
        assert again is not None
        assert again.notes == {noted: "here"}

    drive(tmp_path, body, fill=fill_with_related)


class Wishes:
    """Hears what the user wants."""

    def __init__(self) -> None:
        self.level = 1
        self.asked: list[str] = []

    def detail_of(self, client: object) -> int | None:
        return self.level

    def want_detail(self, client: object, level: int) -> None:
        self.level = level

    def ask_pending(self, client: object) -> bool:
        self.asked.append(client.id)  # type: ignore[attr-defined]
        return True


def test_the_level_of_detail_goes_round_and_panes_say_what_they_miss(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await choose(debugger, pilot)
        await press(pilot, "alt+i")
        assert "job is not connected" in text(app)
        debugger.wishes = wishes = Wishes()
        debugger.machine.add("SetLogLevel", level=3)
        await press(pilot, "alt+o")
        for size, count in (((80, 24), 1), ((100, 30), 2), ((120, 40), 2), ((200, 60), 2)):
            await pilot.resize_terminal(*size)
            await settle(pilot)
            assert text(app).count("journal only - alt+i") == count, size
        debugger.machine.add("SetFilter", query="n>0")
        await settle(pilot)
        assert "journal only - alt+i | n>0" in text(app), "what is filtered is told beside"
        seen = []
        for _ in range(3):
            await press(pilot, "alt+i")
            seen.append(wishes.level)
        assert seen == [2, 0, 1]
        await press(pilot, "alt+i")
        assert "journal only" not in text(app)

    drive(tmp_path, body, fill=fill_with_related, size=(200, 60))


def test_what_a_machine_waits_for_is_asked_and_shown_with_its_time(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.wishes = wishes = Wishes()
        view = await choose(debugger, pilot)
        await press(pilot, "alt+o")
        debugger.machine.add("LogReaderFocused")
        await press(pilot, "slash", "a", "s", "k", "space", "t", "h", "e", "enter", "enter")
        assert wishes.asked == ["job"]
        item = dbg.PendingDef("wait", "until ready", ("Ready",), 3_000_000)
        from am_debugger._store.client import Pending

        view.client.pending = Pending(4_000_000, (item,))
        debugger.took(10)
        await settle(pilot)
        assert "wait Ready (until ready), 3.0 s" in text(app)
        assert "as of " in text(app)

    drive(tmp_path, body, fill=fill_with_related, size=(200, 60))


@pytest.mark.parametrize("end", ["home", "end"])
def test_the_log_scrolls_from_its_ends_at_once_and_back_at_once(tmp_path: Path, end: str) -> None:
    inwards, outwards = ("k", "j") if end == "end" else ("j", "k")

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="worker-2")
        await press(pilot, end)
        debugger.machine.add("LogFocused")
        await settle(pilot)
        pane = app.query_one(LogPane)

        def shown() -> list[int]:
            return [row.number for row in pane._rows]

        at_the_end = shown()
        await press(pilot, outwards, outwards)
        assert shown() == at_the_end
        await press(pilot, inwards)
        assert shown() != at_the_end
        assert len(shown()) == pane.size.height
        await press(pilot, outwards)
        assert shown() == at_the_end

    drive(tmp_path, body, size=(120, 30))


def test_the_current_transition_has_a_line_whatever_came_of_it(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        view = await choose(debugger, pilot)
        log = app.query_one(LogPane)
        without = []
        for number in view.visible.numbers:
            debugger.machine.add("SetCursor", number=number)
            await settle(pilot)
            assert view.cursor == number
            own = [row.line for row in log._rows if row.number == number and row.line is not None]
            assert own, f"nothing of transition {number}"
            if own[0].level > 2:
                without.append(number)
        assert without, "some have no line at this level"
        # Only while the cursor is there.
        debugger.machine.add("SetCursor", number=1)
        await settle(pilot)
        assert not [row for row in log._rows if row.line and row.line.level > 2 and row.number > 1]

    drive(tmp_path, body, fill=fill_with_related)
