"""Texts that fit: cut where there is no room, and spread over a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from .colors import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.style import Style

# The first of equally good ones is taken.
_ENDS = (1 / 2, 2 / 3, 5 / 6)

Row = list[tuple[str, "Style"]]
"""Texts of a line with their styles."""


def cut(text: str, width: int) -> str:
    """A text no wider than there is room; a cut one ends in an ellipsis."""
    if cell_len(text) <= width:
        return text
    kept = text[: max(width - 1, 0)]
    while kept and cell_len(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept}…" if width > 0 else ""


def fit(text: str, width: int, end: float = 0.5) -> str:
    """A text no wider than there is room; the middle goes first, since ids differ at their ends.
    `end` is what part of the room the end of the text has."""
    if len(text) <= width:
        return text
    tail = int((width - 1) * end)
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}" if width > 1 else "…"[:width]


def telling_end(texts: Iterable[str], width: int) -> float:
    """What part of the room the ends of cut texts have to have so that the most of them differ."""
    cut_ones = [text for text in texts if len(text) > width]
    return max(_ENDS, key=lambda end: len({fit(text, width, end) for text in cut_ones}))


def spread(left: Row, right: Row, width: int) -> Row:
    """One row at each end of a line; the left one is cut first."""
    taken = sum([cell_len(text) for text, _ in right])
    room = max(width - taken - 1, 0)
    kept: Row = []
    for text, style in left:
        size = cell_len(text)
        if size > room:
            kept.append((cut(text, room), style))
            room = 0
            break
        kept.append((text, style))
        room -= size
    return [*kept, (" " * (room + 1), PLAIN), *right]
