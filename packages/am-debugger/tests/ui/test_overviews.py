"""The pages of what all machines wait for, and of where time goes, on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from am_debugger._store.client import Pending
from am_debugger._store.link import Link
from am_telemetry import dbg

from ..exporter import Exporter
from ..messages import process
from .driving import drive, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.client import Client
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp


class Answering:
    """Machines that are asked, and answer when they are told to."""

    def __init__(self) -> None:
        self.asked: list[Client] = []

    def detail_of(self, client: Client) -> int | None:
        return 1

    def want_detail(self, client: Client, level: int) -> None:
        raise NotImplementedError

    def ask_pending(self, client: Client) -> bool:
        self.asked.append(client)
        return True


def fill(store: Store) -> None:
    """Two machines; one worked for three seconds."""
    link = Link(store, process())
    for handle, name in enumerate(("one", "two"), 1):
        exporter = Exporter(link, name, handle)
        for k in range(4):
            exporter.do([2], {2: 1}, time=1_000_000 * k, handlers=(("WorkState", 1000 * handle),))


def answer(client: Client, age: int, *states: str) -> None:
    client.pending = Pending(0, (dbg.PendingDef("wait", "", states, age),))


def test_all_machines_are_asked_and_as_they_answer_the_page_grows_and_leads_to_them(
    tmp_path: Path,
) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        wishes = debugger.wishes = Answering()
        await press(pilot, "alt+a")
        assert [client.id for client in wishes.asked] == ["one", "two"]
        assert "nothing that is known" in text(app)
        assert "0 of 2 connected machines have answered" in text(app)
        answer(wishes.asked[0], 5, "Ready")
        answer(wishes.asked[1], 9, "Work")
        debugger.grown()
        await pilot.pause(0.2)
        await settle(pilot)
        seen = text(app)
        assert "Pending: 2" in seen
        assert "2 of 2 connected machines have answered" in seen
        assert seen.index("two  wait Work") < seen.index("one  wait Ready")
        await press(pilot, "down", "enter")
        view = debugger.session.selected
        assert view is not None
        assert (view.client.id, view.state) == ("one", "Ready")
        assert "Pending: 2" not in text(app)

    drive(tmp_path, body, fill=fill)


def test_the_profile_lists_what_took_long_and_leads_there(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        await press(pilot, "alt+t")
        await settle(pilot)
        seen = text(app)
        for words in ("Busiest states", "one Work: changed 4", "two WorkState: 2.000 ms in 1"):
            assert words in seen
        assert "Loading" not in debugger.machine
        await press(pilot, *["down"] * 4, "enter")
        view = debugger.session.selected
        assert view is not None
        assert (view.client.id, view.cursor) == ("two", 1)

    drive(tmp_path, body, fill=fill)
