"""Filters against a walk over objects, whatever is hidden."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from am_debugger._derive.filters import Filters, Visible
from am_debugger._store.layout import Flag, Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..messages import mach, process, schema, tx

if TYPE_CHECKING:
    from am_debugger._store.client import Client

NAMES = ("A", "B", "Heartbeat", "Exception")
FLAGS = [Flag.ACCEPTED, Flag.AUTO, Flag.CHECK, Flag.QUEUED]
ROWS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), max_size=2, unique=True),
        st.dictionaries(st.integers(0, 3), st.integers(1, 2), max_size=2),
        st.lists(st.sampled_from(FLAGS)),
    ),
    max_size=40,
)
BOXES = [field.name for field in fields(Filters) if field.name != "query"]
FILTERS = st.builds(Filters, **dict.fromkeys(BOXES, st.booleans()))
GROUPS = st.none() | st.frozensets(st.sampled_from(NAMES), max_size=2)


def filled(rows: list[Any]) -> tuple[Link, Client]:
    link = Link(Store(sizes=Sizes(chunk=7, keyframe=5)), process())
    of = schema(NAMES)
    link.schema(of)
    client = link.machine(mach(1, "m", of))
    for row in rows:
        send(link, client.last + 1, row)
    return link, client


def send(link: Link, number: int, row: Any) -> None:
    called, gains, flags = row
    flat = tuple([part for pair in gains.items() for part in pair])
    bits = sum({int(flag) for flag in flags})
    sent = tx(number.to_bytes(8, "big"), number, flags=bits, called=tuple(called), diff=flat)
    link.transition(1, sent)


def is_hidden(filters: Filters, group: Any, row: Any) -> bool:
    called, gains, flags = row
    queued, accepted = Flag.QUEUED in flags, Flag.ACCEPTED in flags
    canceled = not queued and not accepted
    auto, check = Flag.AUTO in flags, Flag.CHECK in flags
    empty = accepted and not queued and not check and not gains
    return bool(
        (filters.canceled and canceled)
        or (filters.queued and queued)
        or (filters.auto and auto)
        or (filters.auto_canceled and auto and canceled)
        or (filters.empty and empty)
        or (filters.health and called == [2])
        or (filters.checks and check)
        or (filters.out_group and group is not None and not {NAMES[i] for i in called} & group)
    )


@given(ROWS, FILTERS, GROUPS, st.integers(1, 9))
def test_what_is_visible_is_what_a_walk_finds(
    rows: list[Any], filters: Filters, group: Any, slice_size: int
) -> None:
    link, client = filled(rows)
    visible = Visible(client, filters, group)
    while visible.extend(slice_size):
        pass
    expected = [n for n, row in enumerate(rows, 1) if not is_hidden(filters, group, row)]
    assert list(visible.numbers) == expected
    assert visible.is_complete

    more = ([0], {0: 1}, [Flag.ACCEPTED])
    send(link, client.last + 1, more)
    assert not visible.is_complete
    visible.complete()
    if not is_hidden(filters, group, more):
        expected.append(client.last)
    assert list(visible.numbers) == expected
    client.drop_chunks(1)
    visible.complete()
    assert list(visible.numbers) == [n for n in expected if n >= client.first]


@given(ROWS, FILTERS, st.integers(0, 45), st.integers(1, 5))
def test_moves_go_to_visible_transitions_only(
    rows: list[Any], filters: Filters, number: int, count: int
) -> None:
    _, client = filled(rows)
    visible = Visible(client, filters, None)
    visible.complete()
    shown = [n for n, row in enumerate(rows, 1) if not is_hidden(filters, None, row)]
    later, earlier = [n for n in shown if n > number], [n for n in shown if n < number]
    assert visible.after(number, count) == (later[:count][-1] if later else None)
    assert visible.before(number, count) == (earlier[-count:][0] if earlier else None)
    until = [n for n in shown if n <= number]
    assert visible.nearest(number) == (until[-1] if until else shown[0] if shown else None)
    assert visible.position(number) == len(until)
    assert (number in visible) == (number in shown)
    assert visible.last == (shown[-1] if shown else None)
    for state in range(4):
        moved = [n for n in shown if state in rows[n - 1][1]]
        forward = [n for n in moved if n > number]
        back = [n for n in moved if n < number]
        assert visible.changing(state, number, forward=True) == (forward[0] if forward else None)
        assert visible.changing(state, number, forward=False) == (back[-1] if back else None)


def test_a_mark_that_changes_later_changes_what_is_visible() -> None:
    link, client = filled([])
    flags = int(Flag.QUEUED | Flag.AUTO)
    link.transition(1, tx(b"queued01", flags=flags, diff=(), queue_tick=5, number=9))
    visible = Visible(client, Filters(auto_canceled=True), None)
    visible.complete()
    assert list(visible.numbers) == [1]
    flags = int(Flag.AUTO)
    link.transition(1, tx(b"executed", flags=flags, diff=(), queue_tick=5, number=9))
    assert not visible.is_complete
    visible.complete()
    assert list(visible.numbers) == []
