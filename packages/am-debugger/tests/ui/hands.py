"""What somebody does who does not look, and what happens meanwhile."""

from __future__ import annotations

import asyncio
import random
import string
from typing import TYPE_CHECKING

from textual import events
from textual.keys import REPLACED_KEYS, _character_to_key, key_to_character
from textual.widgets import Input

from am_debugger._ui.keys import KEYS, PANE_KEYS

from .crowd import ODD_TEXTS, Crowd, dumps
from .driving import SIZES, click, settle

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger
    from am_debugger._ui.app import DebuggerApp

MOVES = 150
# How often each is done, of all together.
_MOVES = {
    "key": 40, "pane": 10, "other": 6, "letter": 6, "click": 8, "wheel": 6, "typed": 8, "tell": 9,
    "tell oddly": 4, "flood": 1, "size": 3, "paste": 1, "import": 1, "export": 1, "room": 1,
}  # fmt: skip
_EVERYWHERE = [key for one in KEYS if one.action != "quit" for key in one.keys]
_IN_PANES = [key for keys in PANE_KEYS.values() for one in keys for key in one.keys]
# Those of text fields, of the palette, and some that mean nothing.
_OTHERS = [
    "ctrl+p", "escape", "enter", "enter", "delete", "backspace", "ctrl+a", "ctrl+u",
    "shift+left", "f1",
]  # fmt: skip
_KEYS = {
    "key": _EVERYWHERE,
    "pane": _IN_PANES,
    "other": _OTHERS,
    "letter": [*string.ascii_letters, *string.punctuation, " "],
}
_QUERIES = [
    "+Ready", "-Start canceled", "arg.id=3", "arg.id~7", "dur>10ms", '"text"', "+Nope", "+", '"',
    "group:Flow +Work", "src:worker-*", "dur>", "!auto-canceled !health", "a b c",
]  # fmt: skip
_ADDRESSES = ["mach://job/2/1", "mach://nobody", "mach://", "mach://worker-1?ht=x", "?", ""]
_SIZES = [*SIZES, (40, 12), (20, 6), (20, 5), (1, 1), (300, 90)]
_PAUSES = ["none", "none", "none", "turn", "turn", "turn", "rest"]


class Hands:
    """All that is done in one run follows from its seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.crowd = Crowd(self.chance)
        self.dumps = dumps(folder, self.chance)
        self.done: list[object] = []

    @property
    def options(self) -> list[str]:
        """How the debugger was started."""
        chance = self.chance
        views = [f"--view={chance.choice(['tree-log', 'tree-matrix', 'matrix'])}"]
        switches = ["rain", "reader", "tail", "narrow", "wrap", "filter-traces"]
        views += [f"--{chance.choice(['', 'no-'])}{name}" for name in switches]
        limits = [
            f"--max-mem={chance.choice([1, 1000])}",
            f"--max-clients={chance.choice([4, 5000])}",
        ]
        outputs = ["tx", "log", "clients", "graph", "call-log"]
        written = [f"--output-{name}" for name in outputs if chance.random() < 0.2]
        return [*views, *limits, *written, f"--log-level={chance.randrange(6)}"]

    def _text(self) -> str:
        """What is typed or pasted: a query, an address, or anything."""
        chance = self.chance
        pieces = [*_QUERIES, *_ADDRESSES, *ODD_TEXTS]
        return " ".join(chance.choices(pieces, k=chance.choice([1, 1, 2, 5])))

    def _take(self, pilot: Pilot[int], app: DebuggerApp, kind: str) -> object:
        """One of the things that a user does, or that happen; returns what is told of it."""
        chance, debugger = self.chance, app.debugger
        x, y = chance.randrange(app.size.width), chance.randrange(app.size.height)
        match kind:
            case "click":
                click(app, x, y)
                return x, y
            case "wheel":
                what = chance.choice([events.MouseScrollDown, events.MouseScrollUp])
                app.post_message(what(None, x, y, 0, 0, 0, False, False, False, x, y))
                return x, y
            case "typed":
                text = self._text()
                if isinstance(app.focused, Input):
                    app.focused.value = text
                    return text
            case "paste":
                app.post_message(events.Paste(text := self._text()))
                return text
            case "tell":
                self.crowd.tell(chance.choice([1, 1, 5, 50]))
            case "tell oddly":
                self.crowd.tell_oddly()
            case "flood":
                debugger.took(self.crowd.flood())
            case "room":
                debugger.machine.add("GcMsgs")
            case "import":
                debugger.machine.add("Importing", path=str(path := chance.choice(self.dumps)))
                return path.name
            case "export":
                name, only = self._text()[:50], chance.random() < 0.5
                debugger.machine.add("Exporting", path=name, only_moment=only)
                return name, only
            case _:
                key = chance.choice(_KEYS[kind])
                name = _character_to_key(key) if len(key) == 1 else key
                text = key if len(key) == 1 else key_to_character(REPLACED_KEYS.get(name, name))
                app.post_message(events.Key(name, text))
                return key
        return None

    async def play(self, pilot: Pilot[int], app: DebuggerApp, debugger: Debugger) -> None:
        """All moves, most of them before the one before it is drawn."""
        for kind in self.chance.choices(list(_MOVES), list(_MOVES.values()), k=MOVES):
            if kind == "size":
                told: object = self.chance.choice(_SIZES)
                await pilot.resize_terminal(*told)
            else:
                told = self._take(pilot, app, kind)
            self.done.append((kind, told))
            match self.chance.choice(_PAUSES):
                case "rest":
                    await settle(pilot)
                case "turn":
                    await asyncio.sleep(0)
            if app._exception is not None:
                raise app._exception
            if not app.is_running:
                return  # a command of the palette quits
