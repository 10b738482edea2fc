"""The columns against a naive list of objects: whatever comes, both answer alike."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from am_debugger._store.client import EXCEPTION, READY, START
from am_debugger._store.layout import Flag, Mark, Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import NAMES, Exporter, Row
from ..messages import process

SMALL = Sizes(chunk=6, keyframe=4)
GAINS = st.dictionaries(
    st.integers(0, len(NAMES) - 1), st.sampled_from([1, 1, 1, 2, 7]), max_size=3
)
ARGS = st.dictionaries(
    st.text(max_size=3), st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
)
NUMBERS = st.none() | st.integers(0, 99)
TEXTS = st.none() | st.lists(st.text(max_size=3)).map(tuple)
LINES = st.tuples(st.integers(0, 5), st.text(max_size=5))
RUNS = st.tuples(st.just("AState"), st.integers(0, 9))
REST = st.fixed_dictionaries(
    {},
    optional={
        "args": st.none() | ARGS,
        "duration": NUMBERS,
        "queue_len": NUMBERS,
        "log": st.none() | st.lists(LINES).map(tuple),
        "vetoed": st.none() | st.lists(st.sampled_from(["AEnter", "BEnter"])).map(tuple),
        "stack": TEXTS,
        "handlers": st.none() | st.lists(RUNS).map(tuple),
    },
)
FLAGS = st.lists(
    st.sampled_from([Flag.ACCEPTED, Flag.AUTO, Flag.CHECK, Flag.QUEUED, Flag.KEYFRAME, Flag.ERROR]),
    max_size=4,
)
CALLED = st.lists(st.integers(0, len(NAMES) - 1), max_size=3, unique=True)
SOURCES = st.none() | st.tuples(
    st.sampled_from(["m1", "other"]), st.integers(0, 40), st.integers(0, 99)
)
DO = st.fixed_dictionaries(
    {
        "called": CALLED,
        "gains": GAINS,
        "step": st.integers(-3, 9),
        "kind": st.integers(0, 2),
        "flags": FLAGS,
        "prepended": st.booleans(),
        "source": SOURCES,
        "rest": REST,
    }
)
PROGRAMS = st.lists(
    st.one_of(
        DO, DO, DO, DO, st.just("grow"), st.just("drop chunk"), GAINS.map(lambda g: ("lose", g))
    ),
    max_size=60,
)


def play(program: list[Any]) -> tuple[Store, Exporter, int]:
    """Run a program; return the store, the exporter, and how many transitions were dropped."""
    store = Store(sizes=SMALL)
    exporter = Exporter(Link(store, process()))
    time, tick, dropped = 1000, 0, 0
    for step in program:
        if step == "grow":
            exporter.grow()
        elif step == "drop chunk":
            dropped += exporter.client.drop_chunks(1)
        elif isinstance(step, tuple):
            exporter.lose(step[1])
        else:
            time += step["step"]
            flags = 0
            for flag in step["flags"]:
                flags |= flag
            is_queued = bool(flags & Flag.QUEUED)
            tick += 0 if is_queued or step["prepended"] else 1
            source = step["source"]
            if source is not None:
                source = (source[0], b"%02d%06d" % (1, source[1]), source[2])
            exporter.do(
                step["called"],
                {} if is_queued else step["gains"],
                time=time,
                kind=step["kind"],
                flags=flags,
                queue_tick=0 if step["prepended"] else tick + 5 * is_queued,
                source=source,
                **step["rest"],
            )
    return store, exporter, dropped


def numbered(exporter: Exporter, dropped: int) -> list[tuple[int, Row]]:
    return [(n, row) for n, row in enumerate(exporter.rows, 1) if n > dropped]


@given(PROGRAMS)
@settings(max_examples=80)
def test_every_field_of_a_transition_reads_as_it_was_sent(program: list[Any]) -> None:
    store, exporter, dropped = play(program)
    client = exporter.client
    assert (client.first, client.last) == (dropped + 1, len(exporter.rows))
    for number, row in numbered(exporter, dropped):
        tx, sent = store.tx(client, number), row.sent
        kind = ("add", "remove", "set")[sent.kind]
        assert (tx.number, tx.id, tx.time, tx.kind) == (number, sent.id, sent.time, kind)
        assert tx.is_accepted == bool(sent.flags & Flag.ACCEPTED)
        assert tx.is_auto == bool(sent.flags & Flag.AUTO)
        assert tx.is_check == bool(sent.flags & Flag.CHECK)
        assert tx.is_queued == bool(sent.flags & Flag.QUEUED)
        assert tx.has_error == bool(sent.flags & Flag.ERROR)
        assert (tx.called, dict(tx.changes)) == (sent.called, row.gains)
        assert (tx.gained, tx.time_sum) == (sum(row.gains.values()), sum(row.after))
        assert (tx.queue_tick, tx.source) == (sent.queue_tick, sent.source)
        assert tx.args == (sent.args or {})
        assert (tx.duration, tx.queue_length) == (sent.duration, sent.queue_len)
        assert (tx.log, tx.failed) == (sent.log or (), sent.vetoed or ())
        assert (tx.stack, tx.runs) == (sent.stack or (), sent.handlers or ())


@given(PROGRAMS, st.randoms(use_true_random=False))
@settings(max_examples=80)
def test_clocks_are_right_in_whatever_order_they_are_asked_for(
    program: list[Any], random: Any
) -> None:
    _, exporter, dropped = play(program)
    client = exporter.client
    rows = numbered(exporter, dropped)
    for number, row in random.sample(rows, len(rows)):
        assert client.clock_after(number) == row.after
        assert client.clock_before(number) == row.before
        assert client.version_at(number).names == row.names
        for position, name in ((EXCEPTION, "Exception"), (READY, "Ready"), (START, "Start")):
            is_active = row.after[row.names.index(name)] % 2 == 1
            assert client.is_active_at(position, number) == is_active
    if rows:
        assert client.clock_before(rows[0][0]) == rows[0][1].before
        assert client.columns.ticks == exporter.ticks or exporter.has_lost


@given(PROGRAMS, st.integers(900, 1400))
@settings(max_examples=80)
def test_bisects_find_what_a_walk_finds(program: list[Any], asked: int) -> None:
    _, exporter, dropped = play(program)
    client = exporter.client
    rows = numbered(exporter, dropped)
    latest, clamped = 0, []
    for number, row in enumerate(exporter.rows, 1):
        latest = max(latest, row.sent.time)
        if number > dropped:
            clamped.append((number, latest))
    until = [number for number, time in clamped if time <= asked]
    assert client.last_until(asked) == (until[-1] if until else client.first - 1)
    nearest = min(clamped, key=lambda pair: (abs(pair[1] - asked), -pair[0]), default=None)
    assert client.nearest(asked) == (nearest[0] if nearest else client.first - 1)

    summed = [number for number, row in rows if sum(row.after) >= asked % 60]
    assert client.at_sum(asked % 60) == (summed[0] if summed else None)
    tick = asked % 30 + 1
    ticked = [
        number
        for number, row in rows
        if row.sent.queue_tick == tick and not row.sent.flags & Flag.QUEUED
    ]
    assert client.at_queue_tick(tick) == (ticked[0] if ticked else None)


@given(PROGRAMS)
@settings(max_examples=80)
def test_ids_causes_changes_and_errors_are_found_as_by_a_walk(program: list[Any]) -> None:
    _, exporter, dropped = play(program)
    client = exporter.client
    rows = numbered(exporter, dropped)
    for number, row in rows:
        assert client.find_id(row.sent.id) == number
        for machine_id in (exporter.id, "other", "nobody"):
            source = (machine_id, row.sent.id)
            caused = [n for n, one in rows if one.sent.source and one.sent.source[:2] == source]
            assert client.columns.caused_by(machine_id, row.sent.id) == caused
    assert client.find_id(b"no such!") is None
    for state in range(len(exporter.names)):
        moved = [number for number, row in rows if state in row.gains]
        assert [n for n in client.changes_of(state) if n >= client.first] == moved
    index = NAMES.index("Exception")
    errors = [n for n, row in rows if index in row.gains and row.after[index] % 2]
    assert list(client.errors) == errors


@given(PROGRAMS)
@settings(max_examples=80)
def test_marks_follow_from_what_was_sent(program: list[Any]) -> None:
    store, exporter, dropped = play(program)
    for number, row in numbered(exporter, dropped):
        marks = store.tx(exporter.client, number).marks
        queued, accepted = bool(row.sent.flags & Flag.QUEUED), bool(row.sent.flags & Flag.ACCEPTED)
        check, auto = bool(row.sent.flags & Flag.CHECK), bool(row.sent.flags & Flag.AUTO)
        canceled = not queued and not accepted
        assert bool(marks & Mark.CANCELED) == canceled
        assert bool(marks & Mark.QUEUED) == queued
        assert bool(marks & Mark.AUTO) == (auto and not canceled)
        assert bool(marks & Mark.AUTO_CANCELED) == (auto and canceled)
        assert bool(marks & Mark.CHECK) == check
        assert bool(marks & Mark.HEALTH) == (row.sent.called == (NAMES.index("Heartbeat"),))
        assert bool(marks & Mark.EMPTY) == (accepted and not queued and not check and not row.gains)


@pytest.mark.parametrize("count", [5, 6, 7, 13])
def test_a_whole_history_can_go_and_the_machine_goes_on(count: int) -> None:
    store = Store(sizes=SMALL)
    exporter = Exporter(Link(store, process()))
    for _ in range(count):
        exporter.do([0], {0: 1}, time=5)
    while exporter.client.drop_chunks(1):
        pass
    assert (exporter.client.first, exporter.client.last) == (count + 1, count)
    exporter.do([1], {1: 1}, time=6)
    assert exporter.client.clock_before(count + 1) == [count, 0, 0, 0, 0, 0]
    assert exporter.client.clock_after(count + 1) == [count, 1, 0, 0, 0, 0]
