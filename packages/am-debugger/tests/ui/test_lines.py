"""Only lines that changed are drawn, and the screen says what it would say if all were."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from am_debugger._core import debugger as core
from am_debugger._ui.lines import LineWidget

from .test_screen import drive, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot
    from textual.strip import Strip

    from am_debugger._core.debugger import Debugger
    from am_debugger._ui.app import DebuggerApp

KEYS = ("left", "right", "up", "down", "alt+h", "home", "end", "tab", "enter", "alt+m", "alt+o",
        "alt+k", "alt+r", "alt+g", "pagedown")  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_screen_is_as_if_all_was_drawn_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    # What memory is held is looked at now and then, between two pictures, too.
    monkeypatch.setattr(core, "MEMORY_INTERVAL", 600.0)
    chance = random.Random(seed)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="worker-2")
        for _ in range(12):
            await press(pilot, chance.choice(KEYS))
            shown = text(app)
            for widget in app.query("*"):
                widget.refresh()
            await settle(pilot)
            assert shown == text(app)

    drive(tmp_path, body, size=(120, 36))


def test_moving_in_a_list_draws_two_of_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: Counter[str] = Counter()
    whole = LineWidget.render_line

    def counted(self: LineWidget, y: int) -> Strip:
        drawn[self.id or ""] += 1
        return whole(self, y)

    monkeypatch.setattr(LineWidget, "render_line", counted)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="worker-2")
        debugger.machine.add("ClientListFocused")
        await settle(pilot)
        drawn.clear()
        await press(pilot, "down")
        assert drawn == {"clients": 2}

    drive(tmp_path, body)
