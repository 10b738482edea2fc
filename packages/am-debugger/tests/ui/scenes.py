"""Scenes of the screen: what is shown of the recorded pool, at which size, in which colors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from am_debugger._cli.options import parse
from am_debugger._cli.run import Instance
from am_debugger._ui.launcher import running

from ..fixtures.record import FIXTURE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from am_debugger._core.debugger import Debugger

USUAL, WIDE, NARROW = (120, 40), (200, 60), (80, 24)


@dataclass(frozen=True)
class Scene:
    """One picture. `words` are on it, whatever else is; `states` are added to what is shown."""

    name: str
    words: str
    states: tuple[str, ...] = ()
    size: tuple[int, int] = USUAL
    theme: str = "dark"
    steps: int = 0


def _views(theme: str) -> list[Scene]:
    """Each view, dialog and layout in the colors of a theme."""

    def scene(name: str, words: str, *states: str, size: tuple[int, int] = USUAL) -> Scene:
        return Scene(f"{name}-{theme}", words, states, size, theme)

    return [
        scene("main", "Transition", size=WIDE),
        scene("reader", "Reader", "LogReaderEnabled"),
        scene("matrix", "Schema", "TreeMatrixView"),
        scene("matrix-alone", "Transition", "MatrixView"),
        scene("rain", "Rain", "ToolRain"),
        scene("narrow", "Schema", size=NARROW),
        scene("help", "elp", "HelpDialog"),
        scene("export", "xport", "ExportDialog"),
    ]


SCENES = [
    *_views("dark"),
    *_views("light"),
    Scene("steps-dark", "Step 3 /", steps=3),
]


def render(scene: Scene, folder: Path) -> tuple[str, str]:
    """A scene as text and as a picture."""
    argv = ["-l", f"unix:{folder / 's'}", "-d", str(folder), "--no-tail", "--no-reader"]
    argv += ["--theme", scene.theme, "--import", str(FIXTURE)]
    instance = Instance(parse(argv, {"XDG_CONFIG_HOME": str(folder)}))
    found: list[str] = []

    async def main() -> None:
        async with running(instance) as app, app.run_test(size=scene.size) as pilot:
            while "Ready" not in instance.debugger.machine:
                await pilot.pause(0.05)
            _go(instance.debugger, scene)
            # Until nothing is drawn any more.
            for _ in range(50):
                await pilot.pause(0.1)
                picture = app.export_screenshot(title="am-dbg")
                if found and found[-1] == picture:
                    break
                found.append(picture)
            strips = app.screen._compositor.render_strips()
            found.insert(0, "\n".join(["".join([part.text for part in strip]) for strip in strips]))

    asyncio.run(asyncio.wait_for(main(), 120))
    return found[0], found[-1]


def _go(debugger: Debugger, scene: Scene) -> None:
    """To a transition in the middle of the machine that has most of them."""
    machine, store = debugger.machine, debugger.session.store
    busiest = max(store, key=lambda client: (len(client.columns), client.id))
    machine.add("SelectingClient", client=busiest.id)
    view = debugger.session.selected
    assert view is not None
    middle = view.visible.numbers[len(view.visible) // 2]
    machine.add("SetCursor", number=middle)
    states: Callable[..., object] = machine.add
    for state in scene.states:
        states(state)
    for _ in range(scene.steps):
        machine.add("UserFwdStep")
