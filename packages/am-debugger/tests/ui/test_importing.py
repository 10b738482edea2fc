"""A dump that is loaded while the screen is there: it tells how far that is, and keys work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from am_debugger._core import working
from am_debugger._core.pace import Pace
from am_debugger._core.ports import Progress
from am_debugger._files.port import DumpFiles

from .driving import drive, press, settle, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp


def test_the_status_tells_how_far_an_import_is_and_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [Progress(0.25, 12_345)]

    def read(self: DumpFiles, store: Store, path: str) -> Iterator[Progress]:
        while not steps[-1].warnings:
            yield steps[-1]
        yield steps[-1]

    monkeypatch.setattr(DumpFiles, "read", read)

    async def turn(self: Pace) -> None:
        await trio.sleep(0.01)

    monkeypatch.setattr(working, "_SLICE", 0.0)  # it has nothing to do but to go on
    monkeypatch.setattr(Pace, "turn", turn)  # and leaves the processor to others

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        assert machine.is_("Importing", "Loading")
        assert machine.not_("Ready")
        assert "loading 25%, 12_345 transitions |" in text(app)
        await press(pilot, "question_mark")
        assert machine.is_("HelpDialog")
        await press(pilot, "escape", "enter", "left")
        view = debugger.session.selected
        assert view is not None
        assert view.cursor == 29, "what is there can be walked through"
        steps.append(Progress(0.5, 23_456))
        while "loading 50%, 23_456 transitions |" not in text(app):
            await pilot.pause(0.05)
        steps.append(Progress(1.0, 34_567, ("the end is missing",)))
        while "Ready" not in machine:
            await pilot.pause(0.05)
        await settle(pilot)
        assert machine.is_("Imported")
        assert "ready |" in text(app)
        assert "the end is missing" in text(app)

    drive(tmp_path, body, options=["--import", "run.amdbg.gz"])
