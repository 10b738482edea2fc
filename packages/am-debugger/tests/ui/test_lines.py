"""Only lines that changed are drawn, and the screen says what it would say if all were."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from textual._compositor import Compositor, LayoutUpdate
from textual.filter import ANSIToTruecolor

from am_debugger._core import debugger as core
from am_debugger._ui.lines import LineWidget
from am_debugger._ui.log_pane import LogPane

from .test_screen import drive, press, settle, text

if TYPE_CHECKING:
    from pathlib import Path

    from rich.segment import Segment
    from textual.color import Color
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


def test_lines_that_only_moved_are_not_worked_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: Counter[str] = Counter()
    whole = ANSIToTruecolor.apply

    def counted(self: ANSIToTruecolor, segments: list[Segment], background: Color) -> list[Segment]:
        finished["".join([segment.text for segment in segments]).rstrip()] += 1
        return whole(self, segments, background)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        machine = debugger.machine
        machine.add("SelectingClient", client="worker-2")
        await press(pilot, "end")
        machine.add("LogFocused")
        await press(pilot, "k")
        monkeypatch.setattr(ANSIToTruecolor, "apply", counted)
        before = text(app)
        await press(pilot, "k", "k", "k")
        assert text(app) != before
        logged = [line for line in finished if line.startswith("▌[")]
        assert len(logged) <= 3

    drive(tmp_path, body, size=(120, 30))


def test_a_pane_of_one_line_keeps_few_that_it_has_drawn(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="worker-2")
        await press(pilot, "home")
        for _ in range(40):
            await press(pilot, "right")
        panes = list(app.query(LineWidget))
        assert panes
        for pane in panes:
            assert len(pane._finished) <= 12 * pane.region.height, pane.id

    drive(tmp_path, body, size=(120, 30))


def test_what_is_drawn_first_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    whole = Compositor.render_full_update

    def seen(self: Compositor, simplify: bool = False) -> LayoutUpdate:
        update = whole(self, simplify=simplify)
        if self.root is not None:
            titles.append(str(self.root.query_one("#clients").border_title))
        return update

    monkeypatch.setattr(Compositor, "render_full_update", seen)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        assert titles[0].startswith("Machines:2 ")

    drive(tmp_path, body, size=(120, 30))


def test_titles_are_shown_as_they_are(tmp_path: Path) -> None:
    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        pane = app.query_one(LogPane)
        pane.entitle("[b]bold[/b] [@click=app.quit]x[/]", "[i]below[/i]")
        await settle(pilot)
        assert "[b]bold[/b] [@click=app.quit]x[/]" in text(app)
        assert "[i]below[/i]" in text(app)

    drive(tmp_path, body, size=(160, 48))


def test_what_others_wrote_over_the_screen_is_drawn_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: Counter[str] = Counter()
    whole = Compositor.render_full_update

    def counted(self: Compositor, simplify: bool = False) -> LayoutUpdate:
        drawn["whole"] += 1
        return whole(self, simplify=simplify)

    async def body(pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        debugger.machine.add("SelectingClient", client="worker-2")
        await press(pilot, "left")
        monkeypatch.setattr(Compositor, "render_full_update", counted)
        await press(pilot, "left")
        assert not drawn
        await press(pilot, "ctrl+l")
        assert drawn == {"whole": 1}
        assert debugger.machine.not_("Redraw")

    drive(tmp_path, body, size=(120, 30))
