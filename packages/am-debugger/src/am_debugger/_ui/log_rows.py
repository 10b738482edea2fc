"""What the log says of each transition: lines with a gutter, times, notes; wrapped, folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from am_machine import LogLevel

from .._derive.log_lines import lines_of, outer_lines
from .._derive.text import format_clock, inert
from . import colors
from .rows import LOST, named

if TYPE_CHECKING:
    from rich.style import Style

    from .._core.session import Session
    from .._derive.folds import Fold
    from .._derive.log_lines import Line
    from .._derive.steps import Parsed
    from .._store.client import Client
    from .fitting import Row

_SECOND = 1_000_000
_NARROWEST = 8
_FOLDED = "…"
# From this level on the log is about transitions.
_OF_TRANSITIONS = LogLevel.CHANGES


@dataclass(frozen=True, slots=True)
class LogStyle:
    """How lines are shown: up to which level, wrapped to how many columns (0: cut), with times,
    with stack traces folded; `search` is what is looked for, `chosen` the selected state."""

    level: int = 2
    wrap: int = 0
    has_times: bool = False
    folds: bool = False
    search: str = ""
    chosen: str = ""


class LogRow(NamedTuple):
    """A row: of transition `number`, from a line of the log if it is one."""

    number: int
    line: Line | None
    row: Row


_MARKS = {
    colors.QUEUED: "q",
    colors.CANCELED: "×",  # noqa: RUF001 - told without colour, too
    colors.CHANGED: "▌",
    colors.UNCHANGED: "·",
}


def log_rows(
    session: Session,
    client: Client,
    number: int,
    before: int | None,
    how: LogStyle,
    fold: Fold | None = None,
) -> list[LogRow]:
    """The rows of a transition and of what came after it; `before` is the one shown before it.
    One that stands for others is a row with their count."""
    parsed = session.parser.parse(client, number)
    found: list[LogRow] = []
    if how.has_times and _is_other_second(client, number, before):
        clock = format_clock(parsed.tx.time)[:8]
        told = f"── {clock}  t{parsed.tx.time_sum:_}"
        found.append(LogRow(number, None, [(" ", colors.PLAIN), (told, colors.TIME)]))
    lost = client.lost_between(before or 0, number)
    if lost:
        told = f"── transitions lost before this: {lost}"
        found.append(LogRow(number, None, [(LOST, colors.CANCELED), (told, colors.CANCELED)]))
    gutter = gutter_style(parsed)
    if fold is not None and how.level >= _OF_TRANSITIONS:
        row: Row = [(_FOLDED, colors.TIME), (f"{inert(str(fold))}", colors.TIME)]
        found.append(LogRow(number, None, row))
    for line in lines_of(client, parsed, how.level) if fold is None else ():
        found += [LogRow(number, line, row) for row in _rows(line, gutter, how)]
    for line in outer_lines(client, number, how.level):
        found += [LogRow(number, line, row) for row in _rows(line, colors.PLAIN, how)]
    note = client.notes.get(number)
    if note is not None:
        told = f"note: {inert(note)}"
        found.append(LogRow(number, None, [("✎", colors.LABEL), (told, colors.LABEL)]))
    return found


def with_current(
    session: Session, client: Client, number: int, how: LogStyle, rows: list[LogRow]
) -> list[LogRow]:
    """The rows of the current transition, which has a line at each level that is about transitions:
    if there is none at this one, the first of those that follow."""
    if how.level < _OF_TRANSITIONS or any([row.line is not None for row in rows]):
        return rows
    parsed = session.parser.parse(client, number)
    first = lines_of(client, parsed, LogLevel.EVERYTHING)[:1]
    gutter = gutter_style(parsed)
    return rows + [LogRow(number, line, row) for line in first for row in _rows(line, gutter, how)]


def not_kept(client: Client) -> list[LogRow]:
    """The row above the oldest transition, if there were older ones."""
    count = client.first - 1
    if not count:
        return []
    told = f"── older transitions not kept: {count}"
    return [LogRow(count, None, [(" ", colors.PLAIN), (told, colors.TIME)])]


def gutter_style(parsed: Parsed) -> Style:
    """Queued, canceled, changed, or none of these."""
    if parsed.tx.is_queued:
        return colors.QUEUED
    if not parsed.tx.is_accepted:
        return colors.CANCELED
    return colors.CHANGED if parsed.tx.gained else colors.UNCHANGED


def _is_other_second(client: Client, number: int, before: int | None) -> bool:
    times, first = client.columns.times.shown, client.first
    if before is None or not first <= before:
        return True
    return bool(times[number - first] // _SECOND != times[before - first] // _SECOND)


def _rows(line: Line, gutter: Style, how: LogStyle) -> list[Row]:
    texts = line.text.split("\n")
    more = len(texts) - 1
    if more and how.folds:
        texts = [f"{texts[0]} … {more} more lines"]
    style = colors.ERROR if line.text.startswith("[error") else colors.PLAIN
    mark = _MARKS.get(gutter, " ")
    rows: list[Row] = []
    for text in texts:
        for piece in _pieces(inert(text), how.wrap):
            marked = named(_marked(piece, style, how.search), how.chosen)
            rows.append([(mark, gutter), *marked])
    return rows


def _pieces(text: str, wrap: int) -> list[str]:
    width = wrap - 1
    if width < _NARROWEST or len(text) <= width:
        return [text]
    return [text[k : k + width] for k in range(0, len(text), width)]


def _marked(text: str, style: Style, search: str) -> Row:
    """A text in which what is looked for stands out."""
    if not search:
        return [(text, style)]
    row: Row = []
    folded, sought, at = text.casefold(), search.casefold(), 0
    if len(folded) != len(text):
        return [(text, style)]
    while (found := folded.find(sought, at)) >= 0:
        end = found + len(sought)
        row += [(text[at:found], style), (text[found:end], style + colors.FOUND)]
        at = end
    return [*row, (text[at:], style)]


def state_at(line: Line, x: int, names: frozenset[str]) -> str:
    """The state that a line of a change names at a column, or else the first one; empty if the
    line tells of none."""
    if not line.text.startswith(("[state]", "[auto_]")):
        return ""
    first, start = "", 0
    for word in line.text.split(" "):
        name = word.lstrip("+-")
        if name in names and word != name:
            first = first or name
            if start <= x < start + len(word):
                return name
        start += len(word) + 1
    return first
