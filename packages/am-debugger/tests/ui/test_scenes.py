"""Every view, dialog, layout and theme is drawn, and comes out the same each time.

`nox -s screenshots` draws all scenes and writes what they look like: as text beside this file, some
as pictures into the docs. With `-- --check` it compares all of them; each day the pictures are.
"""

from __future__ import annotations

import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from am_debugger._core import debugger as debugger_module
from am_debugger._core import linting

from .cells import difference, lines_of
from .driving import press
from .moving import moving
from .scenes import SCENES, Drawn, Scene, drawn, render, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.pilot import Pilot

    from am_debugger._core.debugger import Debugger

CONSTRAINTS = Path(__file__).parents[4] / "constraints.txt"
SCREENS = Path(__file__).with_name("screens")
PICTURES = Path(__file__).parents[2] / "docs" / "screens"
HOW = os.environ.get("AM_SCREENSHOTS", "")
_NAMES = {scene.name: scene for scene in SCENES}
# In the docs, as pictures.
SHOWN = (
    "main-dark", "reader-light", "rain-dark", "matrix-light", "steps-dark", "fault-dark",
    "why-dark", "narrow-dark",
)  # fmt: skip
MOST_BYTES = 1_500_000
# A picture that moves: what keys do, one after the other, and what is on the screen then.
TOUR = "tour-dark"
TOUR_BYTES = 1_000_000
STEPS = (
    (("alt+v",), "tail: whatever comes is shown (alt+v)", "Tail"),
    (("left", "left", "left"), "three transitions back (left)", "Paused"),
    (("tab", "tab", *"errw", "enter"), "a state is selected (its first letters)", "ErrWorker"),
    (("alt+left",), "jump to where it changed (alt+left)", "ErrWorker"),
    (("alt+r",), "everything as rain (alt+r)", "Rain"),
)
# Pictures are drawn with these; others draw some of it another way.
_PINNED = ("rich", "textual")


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same place of the world, memory that is looked at once, and all else soon."""
    monkeypatch.setattr(debugger_module, "MEMORY_INTERVAL", 1e6)
    monkeypatch.setattr(debugger_module, "__version__", "0.0.0")
    monkeypatch.setattr(linting, "INTERVAL", 0.05)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _draws_the_same() -> bool:
    """Whether what is installed are the versions that the tree is locked to."""
    locked = CONSTRAINTS.read_text().splitlines() if CONSTRAINTS.is_file() else []
    return all(f"{name}=={version(name)}" in locked for name in _PINNED)


@pytest.mark.parametrize(
    "scene", SCENES if HOW else [_NAMES[name] for name in SHOWN], ids=lambda scene: scene.name
)
def test_a_scene_shows_what_it_is_named_for(scene: Scene, tmp_path: Path) -> None:
    screen, picture = SCREENS / f"{scene.name}.txt", PICTURES / f"{scene.name}.svg"
    is_shown = scene.name in SHOWN
    is_compared = HOW != "write" and (HOW == "check" or _draws_the_same())
    wanted = screen.read_text() if is_compared else ""
    drawn = render(scene, tmp_path, wanted=wanted)
    lines = lines_of(drawn.cells)
    assert scene.words in "\n".join(lines)
    assert len(lines) == scene.size[1]
    if HOW == "write":
        _write(screen, drawn.cells)
        if is_shown:
            _write(picture, drawn.picture)
    if is_compared:
        told = difference(wanted, drawn.cells)
        assert not told, f"run nox -s screenshots\n{told}"
        if is_shown:
            # Not as a comparison in the assertion: telling how pictures differ takes minutes.
            is_the_same = drawn.picture == picture.read_text()
            assert is_the_same, "run nox -s screenshots"


def test_the_tour_shows_what_keys_do(tmp_path: Path) -> None:
    picture = PICTURES / f"{TOUR}.svg"
    if HOW:
        frames = _tour(tmp_path)
        assert len({frame.cells for frame in frames}) == len(STEPS)
        for frame, (_, _, words) in zip(frames, STEPS, strict=True):
            assert words in "\n".join(lines_of(frame.cells))
        tour = moving([frame.picture for frame in frames])
        if HOW == "write":
            _write(picture, tour)
        is_the_same = tour == picture.read_text()
        assert is_the_same, "run nox -s screenshots"
    shown = picture.read_text()
    assert picture.stat().st_size < TOUR_BYTES
    titles = [f">am-dbg: {told}</text>".replace(" ", "&#160;") for _, told, _ in STEPS]
    assert all(title in shown for title in titles)
    assert "prefers-reduced-motion" in shown


def _tour(folder: Path) -> list[Drawn]:
    """The screen after each step."""
    found: list[Drawn] = []

    async def body(pilot: Pilot[int], debugger: Debugger) -> None:
        for keys, title, _ in STEPS:
            await press(pilot, *keys)
            found.append(await drawn(pilot, debugger, title=f"am-dbg: {title}"))

    show(Scene("tour", ""), folder, body)
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_each_scene_has_its_screen_and_no_other_is_there() -> None:
    assert {path.stem for path in SCREENS.glob("*")} == _NAMES.keys()


def test_pictures_in_the_docs_are_these_and_take_little_room() -> None:
    pictures = list(PICTURES.glob("*"))
    assert {path.stem for path in pictures} == {*SHOWN, TOUR}
    assert sum(path.stat().st_size for path in pictures if path.stem != TOUR) < MOST_BYTES


def test_a_scene_is_drawn_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    scene = _NAMES["narrow-light"]
    assert render(scene, tmp_path / "a") == render(scene, tmp_path / "b")
