"""Pictures of diagrams, by programs that are installed already. Nothing is downloaded."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .._errors import RendererMissing, RenderError

if TYPE_CHECKING:
    import os

TIME_LIMIT = 60.0  # seconds
_TOLD = 500  # characters of a renderer's complaint that are repeated


def render(text: str, path: str | os.PathLike[str]) -> None:
    """Make a picture of a diagram at ``path``, whose ending says of what kind (``.svg``).

    ``mmdc`` draws Mermaid, ``d2`` draws D2. Blocks, for 60 seconds at most. An existing picture is
    replaced only by a whole one.

    :raises RendererMissing: if the program is not installed.
    :raises RenderError: if it fails or takes too long.
    """
    is_mermaid = text.startswith(("flowchart", "sequenceDiagram"))
    name = "mmdc" if is_mermaid else "d2"
    program = shutil.which(name)
    if program is None:
        raise RendererMissing(f"{name} is not installed")
    goal = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "diagram.mmd" if is_mermaid else "diagram.d2")
        source.write_text(text, encoding="utf-8")
        picture = Path(folder, f"picture{goal.suffix}")
        files = ["-i", str(source), "-o", str(picture)] if is_mermaid else [source, picture]
        _run([program, *map(str, files)])
        if not picture.is_file():
            raise RenderError(f"{name} made no picture")
        shutil.move(picture, goal)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIME_LIMIT
        )
    except subprocess.TimeoutExpired as exc:
        raise RenderError(f"{command[0]} took over {TIME_LIMIT:g} s") from exc
    except OSError as exc:
        raise RenderError(f"{command[0]} cannot be run: {exc}") from exc
    if done.returncode:
        raise RenderError(f"{command[0]} failed: {done.stderr[-_TOLD:].strip()}")
