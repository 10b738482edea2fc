"""Keys, clicks and wheels at random, faster than the screen is drawn, while machines tell of
themselves and the terminal changes its size: nothing of it may end the debugger.

`AM_DBG_HANDS` is the number of runs (2 in CI, 200 at night), `AM_DBG_HANDS_FIRST` the
seed of the first. A failure names the seed, and what was done last.
"""

from __future__ import annotations

import asyncio
import os
import random
import string
from typing import TYPE_CHECKING, Any

import pytest
from textual import events
from textual.keys import REPLACED_KEYS, _character_to_key, key_to_character
from textual.widgets import Input

from am_debugger import BadMessageError
from am_debugger._store.link import Link
from am_debugger._ui.keys import KEYS, PANE_KEYS

from ..exporter import Exporter
from ..messages import process
from .driving import SIZES, click, drive, fill_with_related, settle

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._store.store import Store
    from am_debugger._ui.app import DebuggerApp

RUNS = int(os.environ.get("AM_DBG_HANDS", "2"))
FIRST = int(os.environ.get("AM_DBG_HANDS_FIRST", "0"))
MOVES = 150
EVERYWHERE = [key for one in KEYS if one.action != "quit" for key in one.keys]
IN_PANES = [key for keys in PANE_KEYS.values() for one in keys for key in one.keys]
# Those of text fields, of the palette, and some that mean nothing.
OTHERS = ["ctrl+p", "escape", "delete", "backspace", "ctrl+a", "ctrl+u", "shift+left", "f1"]
QUERIES = [
    "+Ready", "-Start canceled", "arg.id=3", "arg.id~7", "dur>10ms", '"text"', "+Nope", "+", '"',
    "group:Flow +Work", "src:worker-*", "dur>", "!auto-canceled !health", "a b c",
]  # fmt: skip
ROOMS = [*SIZES, (40, 12), (20, 6), (300, 90)]


class Hands:
    """What somebody does who does not look, and machines that go on meanwhile."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.exporters: list[Exporter] = []
        self.link: Any = None
        self.time = 1_000_000
        self.done: list[object] = []

    def fill(self, store: Store) -> None:
        """Three machines, of which one is recorded."""
        fill_with_related(store)
        self.link = Link(store, process())
        for number in (1, 2):
            self.exporters.append(Exporter(self.link, f"worker-{number}", number))
            self.tell(self.chance.choice([0, 1, 30, 200]))

    def tell(self, count: int) -> None:
        """Machines do something; now and then one grows, loses something, or is a new one."""
        chance = self.chance
        if chance.random() < 0.1:
            number = len(self.exporters) + 1
            self.exporters.append(Exporter(self.link, f"new-{number}", number))
        exporter = chance.choice(self.exporters)
        try:
            if chance.random() < 0.1:
                exporter.grow()
            if chance.random() < 0.1:
                exporter.lose({chance.randrange(3): 1})
            for _ in range(count):
                state = chance.randrange(4)
                self.time += 1_000_000
                exporter.do([state], {state: 1}, time=self.time, args={"id": self.time})
        except BadMessageError:
            self.exporters.remove(exporter)  # it was removed by a key
            self.exporters.append(Exporter(self.link, exporter.id, 100 + self.time))

    async def move(self, pilot: Pilot[int], app: DebuggerApp) -> None:
        """One of the things that a user does, or that happen."""
        chance = self.chance
        kind = chance.choices(
            ["key", "pane", "other", "letter", "click", "wheel", "query", "tell", "size"],
            [45, 10, 5, 6, 8, 6, 4, 13, 3],
        )[0]
        x, y = chance.randrange(app.size.width), chance.randrange(app.size.height)
        match kind:
            case "click":
                click(app, x, y)
                self.done.append((kind, x, y))
            case "wheel":
                what = chance.choice([events.MouseScrollDown, events.MouseScrollUp])
                app.post_message(what(None, x, y, 0, 0, 0, False, False, False, x, y))
                self.done.append((kind, x, y))
            case "query":
                if isinstance(app.focused, Input):
                    app.focused.value = chance.choice(QUERIES)
                    self.done.append((kind, app.focused.value))
            case "tell":
                self.tell(chance.choice([1, 1, 5, 50]))
                self.done.append(kind)
            case "size":
                self.done.append((kind, size := chance.choice(ROOMS)))
                await pilot.resize_terminal(*size)
            case _:
                letters = string.ascii_letters + string.punctuation + " "
                keys = {"key": EVERYWHERE, "pane": IN_PANES, "other": OTHERS, "letter": letters}
                key = chance.choice(keys[kind])
                name = _character_to_key(key) if len(key) == 1 else key
                text = key if len(key) == 1 else key_to_character(REPLACED_KEYS.get(name, name))
                app.post_message(events.Key(name, text))
                self.done.append(key)

    async def play(self, pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        """All moves, most of them before the one before it is drawn."""
        for _ in range(MOVES):
            await self.move(pilot, app)
            pause = self.chance.choice(["none", "none", "none", "turn", "turn", "turn", "rest"])
            if pause == "rest":
                await settle(pilot)
            elif pause == "turn":
                await asyncio.sleep(0)
            if app._exception is not None:
                raise app._exception
            if not app.is_running:
                return  # a command of the palette quits


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
def test_nothing_that_hands_do_at_random_ends_the_debugger(seed: int, tmp_path: Path) -> None:
    hands = Hands(seed)
    try:
        instance = drive(tmp_path, hands.play, fill=hands.fill)
    finally:
        print(f"seed {seed}; done last: {hands.done[-15:]}")
    assert instance.debugger.machine.err is None
