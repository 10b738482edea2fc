"""What the bars say of a transition, as styled text: values in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._derive.text import format_clock, inert
from .._files.inspect import outcome
from . import colors
from .fitting import spread
from .rows import LOST, named

if TYPE_CHECKING:
    from .._core.session import Session, View
    from .._derive.steps import Parsed
    from .._store.tx import Tx
    from .fitting import Row

# Columns from which there are words for what is counted.
_WIDE = 100


def bar_rows(session: Session, parsed: Parsed | None, what: str, width: int) -> Row:
    """A bar over a timeline: what a transition was on the left, what came of it on the right."""
    view = session.selected
    if view is None:
        return [("no machine is selected", colors.INACTIVE)]
    if parsed is None:
        return [(f"{what} | the schema, before the first transition", colors.INACTIVE)]
    tx = parsed.tx
    names = view.client.version_at(tx.number).names
    called = inert(" ".join([names[i] for i in tx.called]))
    kind = f"{'q:' if tx.is_queued else ''}{'multi ' if _is_multi(view, tx) else ''}{tx.kind}"
    left: Row = [
        (f"{what} | tx: {tx.number} | ", colors.PLAIN),
        (f"Time: +{tx.gained}", colors.LABEL if tx.gained else colors.UNCHANGED),
        *named([(f" | {kind}: {called}", colors.PLAIN)], view.state),
    ]
    right: Row = []
    extra = [word for word, on in (("auto", tx.is_auto), ("check", tx.is_check)) if on]
    fold = view.visible.fold(tx.number)
    if fold is not None:
        extra.append(f"{fold.size} quiet")
    lost = view.client.lost_between(view.visible.before(tx.number) or 0, tx.number)
    if lost:
        told, rest = (f"{LOST} {lost} lost", " | ") if width >= _WIDE else (f"{LOST}{lost}", " ")
        right += [(told, colors.CANCELED), (rest, colors.PLAIN)]
    if extra:
        right.append((f"{' '.join(extra)} | ", colors.PLAIN))
    became = outcome(tx)
    if became:
        right += [(became, colors.CANCELED), (" | ", colors.PLAIN)]
    right.append((_counts(parsed, is_long=width >= _WIDE), colors.PLAIN))
    right += clock_row(tx.time, _time_before(view, tx.number))
    return spread(left, right, width)


def _time_before(view: View, number: int) -> int | None:
    before = view.visible.before(number)
    return None if before is None else view.client.columns.times.shown[before - view.client.first]


def _is_multi(view: View, tx: Tx) -> bool:
    """A multi state is called."""
    schema = view.client.version_at(tx.number).schema.schema
    return any([schema[schema.names[i]].multi for i in tx.called])


def _counts(parsed: Parsed, *, is_long: bool) -> str:
    added, removed, touched = len(parsed.added), len(parsed.removed), len(parsed.touched)
    if is_long:
        return f"add: {added} | rm: {removed} | touch: {touched} | "
    return f"+{added} -{removed} *{touched} | "


def step_row(told: str) -> Row:
    """A step in words; what asterisks are around stands out instead."""
    pieces = enumerate(inert(told).split("**"))
    styles = (colors.TIME, colors.TIME + colors.LABEL)
    return [(piece, styles[k % 2]) for k, piece in pieces if piece]


def clock_row(time: int, before: int | None) -> Row:
    """A time of day, in which the first digit stands out that is not that of `before`."""
    told = format_clock(time)
    other = told if before is None else format_clock(before)
    for k, (one, another) in enumerate(zip(told, other, strict=False)):
        if one != another:
            return [(told[:k], colors.PLAIN), (one, colors.DIFFERS), (told[k + 1 :], colors.PLAIN)]
    return [(told, colors.PLAIN)]
