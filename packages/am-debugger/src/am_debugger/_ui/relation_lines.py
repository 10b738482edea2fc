"""Lines in a column to the right of a list, that join rows: values in, characters out."""

from __future__ import annotations

from typing import NamedTuple

MOST_LANES = 6


class Join(NamedTuple):
    """A line from a row to another; the last one of all is drawn double."""

    source: int
    target: int
    is_last: bool = False


class Column:
    """Joins laid side by side, so that no two that overlap share a lane. Beyond the most lanes
    there may be, the oldest are left out."""

    def __init__(self, joins: list[Join], most: int = MOST_LANES) -> None:
        self._lanes: list[list[Join]] = []
        for join in reversed(joins):
            for lane in self._lanes:
                if not any([_overlap(join, other) for other in lane]):
                    lane.append(join)
                    break
            else:
                if len(self._lanes) < most:
                    self._lanes.append([join])

    @property
    def width(self) -> int:
        """Characters that the column takes; 0 if there is nothing to join."""
        return len(self._lanes) + 1 if self._lanes else 0

    def row(self, position: int) -> list[tuple[str, bool]]:
        """The characters of a row, each with whether it belongs to the last join."""
        cells = [(" ", False)] * self.width
        for at, lane in enumerate(self._lanes, 1):
            for join in lane:
                low, high = sorted((join.source, join.target))
                if low < position < high:
                    cells[at] = (_crossed(cells[at], "║" if join.is_last else "│"), join.is_last)
                elif position in (low, high):
                    self._corner(cells, at, join, position)
        return cells

    @staticmethod
    def _corner(cells: list[tuple[str, bool]], at: int, join: Join, position: int) -> None:
        is_last = join.is_last
        for k in range(1, at):
            if cells[k][0] == " ":
                cells[k] = ("═" if is_last else "─", is_last)
        if position == join.target:
            cells[0] = ("◀", is_last or cells[0][1])
        elif cells[0][0] == " ":
            cells[0] = ("═" if is_last else "─", is_last)
        if join.source == join.target:
            corner = "⟲"
        elif position == min(join.source, join.target):
            corner = "╗" if is_last else "╮"
        else:
            corner = "╝" if is_last else "╯"
        cells[at] = (corner, is_last)


def _overlap(one: Join, other: Join) -> bool:
    low, high = sorted((one.source, one.target))
    other_low, other_high = sorted((other.source, other.target))
    return low <= other_high and other_low <= high


def _crossed(cell: tuple[str, bool], line: str) -> str:
    return "┼" if cell[0] in "─═" else line
