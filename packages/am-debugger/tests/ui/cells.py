"""A screen as text, so that two of them can be compared and their difference be read: its lines,
below them how each stretch of a line looks, by numbers, and what the numbers mean."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.strip import Strip

RULE = "-" * 8
# Lines of a difference that are told.
_MOST_TOLD = 40


def told(strips: Iterable[Strip]) -> str:
    """What is on the screen, and how it looks."""
    looks: dict[str, int] = {}
    lines, stretches = [], []
    for strip in strips:
        row: list[list[int]] = []
        for text, style, _ in strip:
            look = looks.setdefault(str(style), len(looks))
            if not row or row[-1][0] != look:
                row.append([look, 0])
            row[-1][1] += cell_len(text)
        lines.append("".join([text for text, _, _ in strip]).rstrip(" "))
        stretches.append(" ".join([f"{look}:{count}" for look, count in row]))
    meanings = [f"{number} {look}" for look, number in looks.items()]
    return "\n".join([*lines, RULE, *stretches, RULE, *meanings, ""])


def lines_of(cells: str) -> list[str]:
    """The lines of a screen."""
    return cells.partition(f"\n{RULE}\n")[0].split("\n")


def difference(wanted: str, cells: str) -> str:
    """The first lines in which two screens differ; empty if they do not."""
    found = difflib.unified_diff(
        wanted.split("\n"), cells.split("\n"), "as it was", "as it is", n=0, lineterm=""
    )
    return "\n".join(list(found)[:_MOST_TOLD])
