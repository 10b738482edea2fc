"""What is missing is told where it is missing: in the list, the timeline, the bar, the log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from am_debugger._store.eviction import evict
from am_debugger._store.link import Link
from am_debugger._ui.bars import TxTimeline
from am_debugger._ui.log_pane import LogPane
from am_debugger._ui.rows import LOST, short_count

from ..exporter import Exporter
from ..messages import process
from .driving import drive, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp

LOSSES = {20: 3, 21: 1, 150: 12}
"""How many were lost before which transition."""


def fill_with_losses(store: Store) -> None:
    """One machine of 200 transitions, and another that lost nothing."""
    link = Link(store, process())
    exporter = Exporter(link, "leaky", 1)
    for number in range(1, 201):
        for _ in range(LOSSES.get(number, 0)):
            exporter.lose({0: 2})
        exporter.do([2], {2: 1}, time=1_000_000 * number)
    Exporter(link, "whole", 2).do([2], {2: 1}, time=1)


def test_losses_are_told_where_they_are(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="leaky")
        machine.add("SetCursor", number=150)
        await settle(pilot)
        shown = text(app)
        assert re.search(r"leaky +-16 ", shown)
        assert re.search(r"whole +\|", shown)
        assert f"{LOST} 12 lost |" in shown
        assert f"{LOST}── transitions lost before this: 12" in shown
        timeline = app.query_one(TxTimeline)
        bar = timeline.line(0).text[len(timeline.label()) :]
        marks = [x for x, sign in enumerate(bar) if sign == LOST]
        assert [round(200 * x / len(bar)) for x in marks] == pytest.approx([19, 20, 149], abs=3)
        assert set(bar) == {LOST, "━", "─"}
        assert bar.replace(LOST, "━").count("━") == round(len(bar) * 150 / 200)
        machine.add("SelectingClient", client="whole")
        await settle(pilot)
        assert LOST not in text(app)

    drive(tmp_path, body, fill=fill_with_losses, size=(120, 40))


def test_losses_before_what_is_hidden_are_told_before_what_is_shown_next(tmp_path: Path) -> None:
    def fill(store: Store) -> None:
        exporter = Exporter(Link(store, process()), "leaky", 1)
        for number in range(1, 41):
            if number in (20, 22):
                exporter.lose({0: 2})
            # Of health alone are those that nobody sees, 19 to 24.
            called = 4 if 19 <= number <= 24 else 2
            exporter.do([called], {called: 2 if called == 4 else 1}, time=1_000_000 * number)
        exporter.lose({0: 2})

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="leaky")
        machine.add("SetCursor", number=25)
        await settle(pilot)
        assert f"{LOST} 2 lost |" in text(app)
        assert f"{LOST}── transitions lost before this: 2" in text(app)
        machine.add("ToolRain")
        await settle(pilot)
        assert re.findall(rf"[^ ]{LOST}(\d+) \d\d:", text(app)) == ["25"]
        machine.remove("FilterHealth")
        await settle(pilot)
        assert re.findall(rf"[^ ]{LOST}(\d+) \d\d:", text(app)) == ["20", "22"]
        machine.add("SetCursor", number=40)
        await settle(pilot)
        assert "Next | nothing yet, 1 lost" in text(app)

    drive(tmp_path, body, fill=fill)


def test_the_log_begins_with_how_many_are_not_kept(tmp_path: Path) -> None:
    def fill(store: Store) -> None:
        exporter = Exporter(Link(store, process()), "old", 1)
        for number in range(1, 4200):
            exporter.do([2], {2: 1}, time=1_000_000 * number)
        list(evict(store, store.nbytes - 1, now=0, log_ttl=0))

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="old")
        debugger.machine.add("SetCursor", number=0)
        await settle(pilot)
        view = debugger.session.selected
        assert view is not None
        gone = view.client.first - 1
        assert gone > 0
        told = [row.row[1][0] for row in app.query_one(LogPane)._rows]
        assert told[0] == f"── older transitions not kept: {gone}"
        debugger.machine.add("SetCursor", number=view.client.last)
        await settle(pilot)
        assert "not kept" not in text(app)

    drive(tmp_path, body, fill=fill)


def test_counts_stay_short() -> None:
    counts = (0, 999, 1000, 25_400, 999_999, 1_000_000, 12_000_000_000)
    assert [short_count(one) for one in counts] == ["0", "999", "1k", "25k", "999k", "1M", "12G"]
