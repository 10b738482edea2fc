"""Which files of the folder of outputs a browser gets: those that outputs write, and no others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_KNOWN = re.compile(
    r"(?:tx\.md|log\.md|graph\.md|clients\.txt"
    r"|diagrams/(?:graph|machine|state|steps)\.(?:svg|mmd|d2)"
    r"|call-log/[A-Za-z0-9_-][A-Za-z0-9._-]*/[0-9]{9}\.py)",
    re.ASCII,
)
_SVG, _TEXT = "image/svg+xml", "text/plain; charset=utf-8"
_LISTED = (
    "tx.md", "log.md", "graph.md", "clients.txt",
    *(f"diagrams/{name}.{ending}" for name in ("graph", "machine", "state", "steps")
      for ending in ("svg", "mmd")),
)  # fmt: skip


def find(folder: Path, name: str) -> Path | None:
    """The file of a name; None if outputs do not write such a file, or it is a link elsewhere."""
    if not _KNOWN.fullmatch(name):
        return None
    path = folder / name
    is_inside = path.resolve().is_relative_to(folder.resolve())
    return path if is_inside and path.is_file() else None


def media_type(name: str) -> str:
    """What a file is told to be."""
    return _SVG if name.endswith(".svg") else _TEXT


def present(folder: Path) -> list[str]:
    """The files that the viewer may show now."""
    return [name for name in _LISTED if find(folder, name) is not None]
