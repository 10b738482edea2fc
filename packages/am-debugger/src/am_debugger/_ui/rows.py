"""What rows and bars say, as styled text: values in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._derive.text import format_clock, inert
from .._files.inspect import outcome
from . import colors

if TYPE_CHECKING:
    from rich.style import Style

    import am_machine as am

    from .._core.session import Session
    from .._derive.moment import Label
    from .._derive.steps import Parsed
    from .._store.client import Client
    from .virtual import Row


def client_row(label: Label, width: int, *, is_selected: bool) -> Row:
    """A machine of the list: its id on the left, flags and number on the right."""
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
    right = f"{mark}{label.flags:>2}|{label.number}{'+' if label.has_more else ' '}"
    name = "  " * label.depth + inert(client.id)
    room = max(width - len(right) - 1, 1)
    shown = name if len(name) <= room else name[: room - 1] + "…"
    told = style + colors.SELECTED if is_selected else style
    return [(shown, told), (" " * (room - len(shown) + 1), colors.PLAIN), (right, style)]


def state_style(schema: am.Schema, name: str, tick: int) -> Style:
    """Inactive, active, active multi, or error."""
    if not tick % 2:
        return colors.INACTIVE
    if name == "Exception" or name.startswith("Err"):
        return colors.ERROR
    return colors.MULTI if schema[name].multi else colors.ACTIVE


def bar_rows(session: Session, parsed: Parsed | None, what: str) -> Row:
    """A bar over a timeline: what a transition was, and what came of it."""
    view = session.selected
    if view is None:
        return [("no machine is selected", colors.INACTIVE)]
    if parsed is None:
        return [(f"{what} the schema, before the first transition", colors.INACTIVE)]
    tx = parsed.tx
    names = view.client.version_at(tx.number).names
    called = " ".join([names[i] for i in tx.called])
    gained = colors.LABEL if tx.gained else colors.UNCHANGED
    kind = f"{'q:' if tx.is_queued else ''}{tx.kind}"
    extra = [word for word, on in (("auto", tx.is_auto), ("check", tx.is_check)) if on]
    became = outcome(tx)
    row: Row = [
        (f"{what} | tx: {tx.number} | ", colors.PLAIN),
        (f"time: +{tx.gained}", gained),
        (f" | {kind}: {called}", colors.PLAIN),
    ]
    if extra:
        row.append((f" | {' '.join(extra)}", colors.PLAIN))
    if became:
        row.append((f" | {became}", colors.CANCELED))
    counts = f" | +{len(parsed.added)} -{len(parsed.removed)} *{len(parsed.touched)}"
    row.append((f"{counts} | {format_clock(tx.time)}", colors.PLAIN))
    return row


RAIN_ROWS = {
    "active": "1",
    "touched": "2",
    "removed": "|",
    "considered": "*",
    "canceled": "c",
    "inactive": ".",
}


def rain_row(session: Session, client: Client, number: int, width: int, *, is_current: bool) -> Row:
    """A transition of the rain: a character a state, as far as there is room beside its number and
    time."""
    parsed = session.parser.parse(client, number)
    clock = client.clock_after(number)
    touched, removed, called = set(parsed.touched), set(parsed.removed), set(parsed.tx.called)
    row: Row = []
    schema = client.version_at(number).schema.schema
    names = schema.names
    told = f" {number} {format_clock(parsed.tx.time)}"
    for i, tick in enumerate(clock[: max(width - len(told), 0)]):
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
        if i in called:
            style += colors.SELECTED
        row.append((RAIN_ROWS[kind], style))
    tail = colors.CURRENT if is_current else colors.INACTIVE
    row.append((told, tail))
    return row
