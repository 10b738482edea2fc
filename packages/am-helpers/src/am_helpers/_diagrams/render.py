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
_SUFFIXES = {"mmdc": ".mmd", "d2": ".d2", "dot": ".dot"}
_TOLD = 500  # characters of a renderer's complaint that are repeated


def render(text: str, path: str | os.PathLike[str]) -> None:
    """Make a picture of a diagram at ``path``, whose ending says of what kind (``.svg``).

    ``mmdc`` draws Mermaid, ``d2`` draws D2, ``dot`` of Graphviz draws DOT. Blocks, for 60 seconds
    at most. An existing picture is replaced only by a whole one.

    :raises RendererMissing: if the program is not installed.
    :raises RenderError: if it fails or takes too long.
    """
    draw(text, path, TIME_LIMIT)


def draw(text: str, path: str | os.PathLike[str], limit: float) -> None:
    """`render` within a number of seconds."""
    name = renderer_of(text)
    program = shutil.which(name)
    if program is None:
        raise RendererMissing(f"{name} is not installed")
    goal = Path(path)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"diagram{_SUFFIXES[name]}")
        source.write_text(text, encoding="utf-8")
        picture = Path(folder, f"picture{goal.suffix}")
        files: list[str | Path] = [source, picture]
        if name == "mmdc":
            files = ["-i", source, "-o", picture]
        elif name == "dot":
            files = [f"-T{goal.suffix.removeprefix('.')}", "-o", picture, source]
        _run([program, *map(str, files)], limit)
        if not picture.is_file():
            raise RenderError(f"{name} made no picture")
        shutil.move(picture, goal)


def renderer_of(text: str) -> str:
    """The program that draws a diagram in this language."""
    if text.startswith(("flowchart", "sequenceDiagram")):
        return "mmdc"
    return "dot" if text.startswith("digraph") else "d2"


def _run(command: list[str], limit: float) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=limit
        )
    except subprocess.TimeoutExpired as exc:
        raise RenderError(f"{command[0]} took over {limit:g} s") from exc
    except OSError as exc:
        raise RenderError(f"{command[0]} cannot be run: {exc}") from exc
    if done.returncode:
        raise RenderError(f"{command[0]} failed: {done.stderr[-_TOLD:].strip()}")
