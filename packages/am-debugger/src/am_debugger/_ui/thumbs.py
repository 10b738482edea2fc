"""Scroll bars that are drawn anew only where their thumb looks otherwise.

Of a hundred thousand rows one more, or a step from one to the next, is less than a bar can show;
to draw it costs as much as some rows do.
"""

from __future__ import annotations

from math import ceil

from textual.scrollbar import ScrollBar

# A thumb begins and ends at eighths of a cell.
_EIGHTHS = 8


def thumb(size: int, window: int, rows: int, position: float) -> tuple[int, int]:
    """Where the thumb of a bar of `size` cells begins, and how long it is, in eighths of a cell:
    `window` of `rows` are visible, from a position on."""
    if not 0 < window < rows or not size:
        return 0, 0
    length = max(1, window / (rows / size))
    start = (size - length) * (position / (rows - window))
    return int(start * _EIGHTHS), ceil(length * _EIGHTHS)


def move_thumb(bar: ScrollBar, *, rows: int | None = None, position: float | None = None) -> None:
    """There are so many rows, or other ones are visible."""
    size, window = bar.size.height, bar.window_size
    rows = bar.window_virtual_size if rows is None else rows
    at = bar.position if position is None else bar.validate_position(position)
    was = thumb(size, window, bar.window_virtual_size, bar.position)
    if thumb(size, window, rows, at) == was:
        bar.set_reactive(ScrollBar.window_virtual_size, rows)
        bar.set_reactive(ScrollBar.position, at)
    else:
        bar.window_virtual_size = rows
        bar.position = at
