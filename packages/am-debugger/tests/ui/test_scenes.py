"""Every view, dialog, layout and theme is drawn, and comes out the same each time.

`nox -s screenshots` writes the pictures into the docs; with `-- --check` it compares all of them.
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

from .scenes import SCENES, Scene, render

if TYPE_CHECKING:
    from collections.abc import Iterator

CONSTRAINTS = Path(__file__).parents[4] / "constraints.txt"
PICTURES = Path(__file__).parents[2] / "docs" / "screens"
HOW = os.environ.get("AM_SCREENSHOTS", "")
_NAMES = {scene.name: scene for scene in SCENES}
# In the docs; the others are only looked at.
SHOWN = (
    "main-dark", "reader-light", "rain-dark", "matrix-light", "steps-dark", "fault-dark",
    "why-dark", "narrow-dark",
)  # fmt: skip
MOST_BYTES = 1_500_000
# Pictures are drawn with these; others draw some of it another way.
_PINNED = ("rich", "textual")


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same place of the world, memory that is looked at once, and all else soon."""
    monkeypatch.setattr(debugger_module, "MEMORY_INTERVAL", 1e6)
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
    path = PICTURES / f"{scene.name}.svg" if scene.name in SHOWN else None
    is_compared = path is not None and HOW != "write" and (HOW == "check" or _draws_the_same())
    wanted = path.read_text() if path is not None and is_compared else ""
    text, picture = render(scene, tmp_path, wanted=wanted)
    assert scene.words in text
    assert len(text.splitlines()) == scene.size[1]
    if path is not None and HOW == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(picture)
    if is_compared:
        # Not as a comparison in the assertion: telling how pictures differ takes minutes.
        is_the_same = picture == wanted
        assert is_the_same, "run nox -s screenshots"


def test_pictures_in_the_docs_are_these_and_take_little_room() -> None:
    pictures = list(PICTURES.glob("*"))
    assert {path.stem for path in pictures} == set(SHOWN)
    assert sum(path.stat().st_size for path in pictures) < MOST_BYTES


def test_a_scene_is_drawn_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    scene = _NAMES["narrow-light"]
    assert render(scene, tmp_path / "a") == render(scene, tmp_path / "b")
