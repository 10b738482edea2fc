"""What rows say, as styled text: values in, values out."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from .._derive.text import format_clock, inert
from . import colors
from .fitting import Row, fit, telling_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.style import Style

    import am_machine as am

    from .._core.session import Session
    from .._derive.folds import Fold
    from .._derive.moment import Label
    from .._store.client import Client


_THOUSAND = 1000
# Machines whose ids are looked at for where to cut them: more do not fit on screens.
_MOST_COMPARED = 500


# Flags, number and what is around them in a row of the list, but for the digits of the number.
_FLAGS_WIDTH = 6


def id_end(clients: Iterable[Client], width: int, digits: int) -> float:
    """What part of the room the ends of ids have in a list of machines, so that they differ."""
    ids = [inert(client.id) for client in islice(clients, _MOST_COMPARED)]
    return telling_end(ids, width - digits - _FLAGS_WIDTH)


def client_row(
    label: Label,
    width: int,
    digits: int,
    *,
    is_selected: bool,
    is_suspect: bool = False,
    end: float = 0.5,
) -> Row:
    """A machine of the list: its id on the left, flags and number on the right, in columns, before
    them how many transitions were lost. A `!` stands before one in which something looks wrong.
    `end` is what part of the room the end of a long id has."""
    client = label.client
    if label.has_error:
        style = colors.ERROR
    elif not client.is_connected:
        style = colors.DISCONNECTED
    elif label.had_error:
        style = colors.HAD_ERROR
    else:
        style = colors.PLAIN
    # Told without color, too: gone, or an error not long ago.
    mark = "×" if not client.is_connected else "!" if label.had_error else " "  # noqa: RUF001
    more = "+" if label.has_more else " "
    lost = f"-{short_count(client.lost)} " if client.lost else ""
    right = f"{lost}{mark}{label.flags:>2}|{label.number:>{digits}}{more}"
    room = max(width - len(right) - 1, 1)
    indent = min(2 * label.depth, room // 2)
    lead = " " * indent + ("! " if is_suspect else "")
    shown = lead + fit(inert(client.id), max(room - len(lead), 1), end)
    told = style + colors.SELECTED if is_selected else style
    return [(shown, told), (" " * (room - len(shown) + 1), colors.PLAIN), (right, style)]


def short_count(count: int) -> str:
    """A count in four characters at most, up to a billion."""
    for unit in ("", "k", "M"):
        if count < _THOUSAND:
            return f"{count}{unit}"
        count //= _THOUSAND
    return f"{count}G"


def state_style(schema: am.Schema, name: str, tick: int) -> Style:
    """Inactive, active, active multi, or error."""
    if not tick % 2:
        return colors.INACTIVE
    if name == "Exception" or name.startswith("Err"):
        return colors.ERROR
    return colors.MULTI if schema[name].multi else colors.ACTIVE


def named(row: Row, chosen: str) -> Row:
    """Texts in which the name of the selected state stands out."""
    if not chosen:
        return row
    found: Row = []
    for text, style in row:
        # Every second piece is the name.
        for k, piece in enumerate(_word(chosen).split(text)):
            if piece:
                found.append((piece, style + colors.SELECTED if k % 2 else style))
    return found


@lru_cache(maxsize=32)
def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)({re.escape(inert(name))})(?!\w)")


LOST = "╳"  # noqa: RUF001 - a sign that is no letter
"""The sign where transitions were lost."""
RAIN_ROWS = {
    "active": "1",
    "touched": "2",
    "removed": "|",
    "considered": "*",
    "canceled": "c",
    "inactive": ".",
}


# Columns of the time of day, and of blanks beside the number.
_TIME = 17
# Columns from which on it is worth to name what was called.
_LEAST_NAME = 12


def rain_columns(client: Client, number: int, width: int) -> int:
    """How many states there is room for in a row of the rain."""
    names = client.version_at(number).names
    return max(0, min(len(names), width - len(str(number)) - _TIME))


def rain_row(
    session: Session,
    client: Client,
    number: int,
    width: int,
    *,
    is_current: bool,
    chosen: str = "",
    fold: Fold | None = None,
    has_lost: bool = False,
) -> Row:
    """A transition of the rain: a character a state, as far as there is room beside its number and
    time; where there is more, what it was, or what it stands for. The column of the `chosen` state
    is shaded. Neighbors of one style are one text. A sign before the number tells that others were
    lost before it."""
    parsed = session.parser.parse(client, number)
    clock = client.clock_after(number)
    touched, removed, called = set(parsed.touched), set(parsed.removed), set(parsed.tx.called)
    row: Row = []
    schema = client.version_at(number).schema.schema
    names = schema.names
    shaded = schema.index.get(chosen)
    called_names = " ".join([names[i] for i in parsed.tx.called])
    told = f" {number} {format_clock(parsed.tx.time)}"
    for i, tick in enumerate(clock[: rain_columns(client, number, width)]):
        is_active = bool(tick % 2)
        if i in removed:
            kind = "removed"
        elif is_active:
            kind = "touched" if i in touched else "active"
        elif i in called and not parsed.tx.is_accepted:
            kind = "canceled"
        else:
            kind = "considered" if i in touched else "inactive"
        style = state_style(schema, names[i], tick)
        if is_active and style is colors.ERROR:
            style = colors.ERROR_GROUND
        elif i == shaded:
            style += colors.SHADED
        if i in called:
            style += colors.SELECTED
        if row and row[-1][1] == style:
            row[-1] = (row[-1][0] + RAIN_ROWS[kind], style)
        else:
            row.append((RAIN_ROWS[kind], style))
    tail = colors.CURRENT if is_current else colors.INACTIVE
    row += [(LOST, colors.CANCELED), (told[1:], tail)] if has_lost else [(told, tail)]
    if width - len(told) - len(names) >= _LEAST_NAME:
        what = f"{parsed.tx.kind} {called_names}" if fold is None else f"… {fold}"
        row.append((f" {inert(what)}", tail))
    return row
