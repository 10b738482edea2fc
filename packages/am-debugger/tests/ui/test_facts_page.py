"""Pages of facts: what looks wrong, and why a state is as it is; each fact leads to its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_helpers as amh
from am_debugger._core import linting
from am_debugger._derive.lints.lints import Lints
from am_debugger._derive.moment import label
from am_debugger._ui.facts_panel import FactsPanel
from am_debugger._ui.rows import client_row

from ..lints.runs import Recording
from .driving import drive, press, settle, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp


def fill_with_a_pipe(store: Store) -> None:
    """A screen that is to show what a server serves, and a door that is tried in vain."""
    recording = Recording()
    recording.store = recording.link.store = store
    server = recording.machine({"Key": {}, "Up": {"require": ["Key"]}}, "server")
    screen = recording.machine({"Up": {}, "Shown": {"require": ["Up"]}}, "screen")
    door = recording.machine({"Locked": {"remove": ["Open"]}, "Open": {}}, "door")
    amh.bind(server, screen, "Up")
    server.add("Up")
    screen.add("Shown")
    door.add("Locked")
    for _ in range(12):
        door.add("Open")
    recording.flush()


async def looked(pilot: Pilot[int], debugger: Debugger) -> None:
    """All was gone through since now."""
    rounds = debugger.lints.rounds
    while debugger.lints.rounds < rounds + 2:
        await pilot.pause(0.02)
    await settle(pilot)


def test_what_looks_wrong_is_marked_listed_and_led_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linting, "INTERVAL", 0.02)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        await looked(pilot, debugger)
        assert "! door" in text(app)
        assert "! screen" not in text(app)
        machine.add("SelectingClient", client="screen")
        await press(pilot, "exclamation_mark")
        assert "door: add Open was refused 12 times running" in text(app)
        assert "dbg:quiet" in text(app)
        await press(pilot, "enter")
        view = debugger.session.selected
        assert view is not None
        assert (view.client.id, view.cursor, view.state) == ("door", 13, "Open")
        assert machine.not_("FactsPage", "DialogFocused")
        # What cured the fault takes it from the page that is open.
        await press(pilot, "exclamation_mark", "down", "down", "enter")
        assert machine.is_("FactsPage")
        debugger.session.store.remove(view.client)
        await looked(pilot, debugger)
        assert "Nothing looks wrong" in text(app)
        await press(pilot, "escape")
        assert machine.not_("FactsPage")

    drive(tmp_path, body, fill=fill_with_a_pipe)


def test_that_nothing_looks_wrong_is_told_once_all_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linting, "INTERVAL", 0.02)
    whole, may_look = Lints.look, False

    def look(self: Lints, now: int | None = None) -> Iterator[None]:
        if may_look:
            yield from whole(self, now)

    monkeypatch.setattr(Lints, "look", look)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        nonlocal may_look
        debugger.machine.add("Lints")
        await settle(pilot)
        assert "nothing found so far" in text(app)
        assert "machines still to be looked at: 2" in text(app)
        assert "Nothing looks wrong" not in text(app)
        may_look = True
        await looked(pilot, debugger)
        assert "nothing found " in text(app)
        assert "so far" not in text(app)
        assert "Nothing looks wrong" in text(app), "the page is drawn as soon as that is known"

    drive(tmp_path, body)


def test_facts_of_why_lead_to_another_machine_where_why_goes_on(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="screen")
        machine.add("StateNameSelected", state="Shown")
        await press(pilot, "alt+w")
        panel = app.query_one(FactsPanel)
        lines = [fact.text.strip() for fact in debugger.page()[1]]
        assert "it comes by a pipe from server: Up" in lines
        assert "Up was dropped: it requires Key, which is inactive" in lines
        assert "nothing that is kept has called Key" in lines
        panel.show(next(k for k, (_, fact) in enumerate(panel._rows) if "by a pipe" in fact.text))
        await press(pilot, "enter")
        view = debugger.session.selected
        assert view is not None
        assert (view.client.id, view.state) == ("server", "Up")
        await press(pilot, "alt+w")
        assert "Why: Up" in text(app)
        assert "nothing that is kept has called Key" in text(app)

    drive(tmp_path, body, fill=fill_with_a_pipe)


def test_a_long_fact_goes_on_in_the_next_line_and_leads_to_the_same_place(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="screen")
        debugger.machine.add("StateNameSelected", state="Shown")
        await press(pilot, "alt+w")
        panel = app.query_one(FactsPanel)
        assert panel.row_count() > len(debugger.page()[1])
        for strip in app.screen._compositor.render_strips():
            assert strip.cell_length == 30

    drive(tmp_path, body, fill=fill_with_a_pipe, size=(30, 24))


def test_a_mark_leaves_room_for_the_id() -> None:
    recording = Recording()
    recording.machine({"A": {}}, "worker-with-a-long-name").add("A")
    (client,) = recording.end()
    told = label(client, recording.now)
    for width in (4, 12, 24, 60):
        row = client_row(told, width, 1, is_selected=False, is_suspect=True)
        assert "".join([part for part, _ in row]).lstrip().startswith("!")
