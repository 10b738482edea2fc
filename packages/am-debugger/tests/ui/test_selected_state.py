"""The selected state stands out wherever it is named; what is cut keeps what tells most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from am_debugger._derive.reader import Fact, Jump
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_debugger._ui.bars import TxBar
from am_debugger._ui.log_pane import LogPane
from am_debugger._ui.rain_pane import RainPane
from am_debugger._ui.reader_pane import ReaderPane, _short
from am_debugger._ui.tree_pane import SchemaTree

from ..exporter import Exporter
from ..messages import process
from .driving import drive, fill_with_related, settle

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._ui.app import DebuggerApp
    from am_debugger._ui.lines import LineWidget

READY = 5  # the transition in which Ready comes


def standing_out(pane: LineWidget) -> set[str]:
    """Texts of a pane that are bold and underlined."""
    segments = [one for y in range(pane.size.height) for one in pane.line(y)]
    return {
        one.text.strip() for one in segments if one.style and one.style.bold and one.style.underline
    }


def test_the_selected_state_stands_out_wherever_it_is_named(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="job")
        machine.add("LogReaderEnabled")
        machine.add("SetCursor", number=READY)
        machine.add("SetNote", text="Ready at last")
        await settle(pilot)
        places = (SchemaTree, LogPane, ReaderPane, TxBar)
        panes: list[LineWidget] = [app.query_one(place) for place in places]
        assert [standing_out(pane) & {"Ready"} for pane in panes] == [set()] * len(panes)
        machine.add("StateNameSelected", state="Ready")
        await settle(pilot)
        assert [standing_out(pane) & {"Ready"} for pane in panes] == [{"Ready"}] * len(panes)
        machine.add("ToolRain")
        await settle(pilot)
        view = debugger.session.selected
        assert view is not None
        rain, column = app.query_one(RainPane), view.client.version.names.index("Ready")
        cells = [
            [rain.line(y).crop(x, x + 1)._segments[0].style for x in (column, column + 1)]
            for y in range(rain.row_count())
        ]
        assert len(cells) > READY
        for chosen, other in cells:
            assert chosen is not None
            assert other is not None
            assert chosen.bgcolor != other.bgcolor

    drive(tmp_path, body, fill=fill_with_related)


def test_an_id_in_the_reader_gives_way_to_what_follows() -> None:
    client = Exporter(Link(Store(), process()), "a-worker-with-a-long-name").client
    fact = Fact(f"{client.id}/12 add Ready", Jump(client, 12))
    assert _short(fact, 60) == fact.text
    for room in range(24, 40):
        assert _short(fact, room).endswith("/12 add Ready")
        assert len(_short(fact, room)) <= room
    assert _short(fact, 3) == "a-w…ame/12 add Ready"
    other = Fact(f"about {client.id}/12 add Ready", Jump(client, 12))
    assert _short(other, 20) == other.text
