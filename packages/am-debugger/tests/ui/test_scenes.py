"""Every view, dialog, layout and theme is drawn, and comes out the same each time.

`nox -s screenshots` writes the pictures into the docs; with `-- --check` it compares them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from am_debugger._core import debugger as debugger_module

from .scenes import SCENES, Scene, render

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES = Path(__file__).parents[2] / "docs" / "screens"
HOW = os.environ.get("AM_SCREENSHOTS", "")
_NAMES = {scene.name: scene for scene in SCENES}
# In the docs; the others are only compared with themselves.
SHOWN = ("main-dark", "reader-dark", "rain-dark", "main-light")


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same place of the world, and memory that is looked at once."""
    monkeypatch.setattr(debugger_module, "MEMORY_INTERVAL", 1e6)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("scene", SCENES if HOW else SCENES[:8], ids=lambda scene: scene.name)
def test_a_scene_shows_what_it_is_named_for(scene: Scene, tmp_path: Path) -> None:
    text, picture = render(scene, tmp_path)
    assert scene.words in text
    assert len(text.splitlines()) == scene.size[1]
    if scene.name in SHOWN:
        path = PICTURES / f"{scene.name}.svg"
        if HOW == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(picture)
        elif HOW == "check":
            assert picture == path.read_text(), "run nox -s screenshots"


def test_a_scene_is_drawn_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    scene = _NAMES["reader-dark"]
    assert render(scene, tmp_path / "a") == render(scene, tmp_path / "b")
