"""States and their relations as a drawing: names in a column, relations as arcs beside them.

It needs no program, and what styles say of it holds in the page, dark or light.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sheet import Sheet

MOST_ROWS = 80
"""States that are drawn; where there are more, those that matter to the transition."""
_ROW = 24
_LETTER = 8
_LONGEST = 28
_ARC = 18
_LANES = 9


class _Arc(NamedTuple):
    kind: str
    source: int
    target: int


def drawing(sheet: Sheet) -> str:
    """An SVG element; empty if no state has a relation."""
    rows = _rows(sheet)
    place = {i: y for y, i in enumerate(rows)}
    index = {state.name: i for i, state in enumerate(sheet.states)}
    arcs = [
        _Arc(kind, place[i], place[index[name]])
        for i in rows
        for kind, names in sheet.states[i].relations
        for name in names
        if index.get(name) in place
    ]
    if not arcs:
        return ""
    longest = max([len(_short(sheet.states[i].name)) for i in rows])
    start = 30 + _LETTER * longest
    width, height = start + _ARC * (_LANES + 1), _ROW * len(rows) + 8
    pieces = [
        f'<svg class="relations" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="relations-title">'
        f'<title id="relations-title">States of {escape(sheet.machine)} and their relations'
        "</title>",
        *_names(sheet, rows, start),
        *[_arc(arc, start) for arc in arcs],
        "</svg>",
    ]
    return "".join(pieces)


def _rows(sheet: Sheet) -> list[int]:
    """The states to draw, in order: all, or those that the transition named, and their
    relations."""
    if len(sheet.states) <= MOST_ROWS:
        return list(range(len(sheet.states)))
    index = {state.name: i for i, state in enumerate(sheet.states)}
    named = [i for i, _ in sheet.frame.marks]
    found = dict.fromkeys(named)
    for i in named:
        for _, names in sheet.states[i].relations:
            found.update({index[name]: None for name in names if name in index})
    return sorted(list(found)[:MOST_ROWS])


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _names(sheet: Sheet, rows: list[int], start: int) -> Iterator[str]:
    ticks, marks = sheet.frame.ticks, dict(sheet.frame.marks)
    for y, i in enumerate(rows):
        name = sheet.states[i].name
        is_active = i < len(ticks) and ticks[i] % 2
        words = ["node", "on" if is_active else "off"]
        words += ["called"] if "c" in marks.get(i, "") else []
        middle = y * _ROW + _ROW // 2 + 4
        yield (
            f'<g class="{" ".join(words)}" data-state="{i}">'
            f'<rect x="4" y="{middle - 10}" width="{start - 8}" height="20" rx="5"/>'
            f'<circle cx="16" cy="{middle}" r="4"/>'
            f'<text x="26" y="{middle + 4}">{escape(_short(name))}</text></g>'
        )


def _arc(arc: _Arc, start: int) -> str:
    one, other = [y * _ROW + _ROW // 2 + 4 for y in (arc.source, arc.target)]
    reach = start + _ARC * (1 + min(abs(arc.source - arc.target), _LANES - 1))
    tip = f"M{start + 5} {other - 4}L{start} {other}L{start + 5} {other + 4}"
    return (
        f'<path class="arc {arc.kind}" d="M{start} {one}C{reach} {one} {reach} {other} '
        f'{start} {other}{tip}"><title>{arc.kind}</title></path>'
    )
