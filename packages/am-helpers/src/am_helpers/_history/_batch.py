"""Writing batches of records, and giving up the oldest. Runs in the writer's thread only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._notes import now_micros

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ._model import TransitionRecord
    from ._notes import Note

ROTATION_SLACK = 1.1
"""Rotation begins when this many times `max_records` are kept, so that it is seldom."""
ROTATION_CHUNK = 1000
"""How many records one transaction of a rotation deletes; others may write in between."""

_TIMES = """
    INSERT INTO times SELECT :p1, json_extract(value, '$[0]'), json_extract(value, '$[1]'),
        json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'),
        json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]'), :p2
    FROM json_each(:p3)
"""
_TICKS = """
    INSERT INTO ticks (machine, time_id, state, tick, diff)
    SELECT :p1, json_extract(value, '$[0]'), json_extract(value, '$[1]'),
        json_extract(value, '$[2]'), json_extract(value, '$[3]')
    FROM json_each(:p2)
"""
_TRANSITION = "INSERT INTO transitions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_MACHINE = """
    INSERT INTO machines (machine_id, state_names, tracked, schema, first_tracking,
        last_tracking, last_sync, time, time_sum, queue_tick, machine_tick, next_id)
    VALUES (:p1, :p2, :p3, :p4, :p5, :p5, :p5, :p6, :p7, :p8, :p9, 1)
    ON CONFLICT (machine_id) DO UPDATE SET state_names = :p2, tracked = :p3,
        schema = coalesce(:p4, schema), last_tracking = :p5, last_sync = :p5, time = :p6,
        time_sum = :p7, queue_tick = :p8, machine_tick = :p9
"""
_CLOCK = """
    UPDATE machines SET state_names = :p2, time = :p3, time_sum = :p4, queue_tick = :p5,
        next_id = max(next_id, :p6), last_sync = :p7 WHERE id = :p1
"""


def numbered(*values: object) -> dict[str, object]:
    """Values for `:p1`, `:p2` …: the numbered form `?1` is deprecated for sequences."""
    return {f"p{number}": value for number, value in enumerate(values, 1)}


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks of the whole machine at one moment."""

    time: Sequence[int]
    queue_tick: int


@dataclass(slots=True)
class Ledger:
    """Where one machine's records are in a file, and how far they go."""

    connection: sqlite3.Connection
    machine: int
    machine_tick: int
    next_id: int
    last_at: int
    last_sum: int | None
    count: int
    max_records: int


def enroll(
    connection: sqlite3.Connection,
    machine_id: str,
    clock: Clock,
    names: Sequence[str],
    tracked: Sequence[str],
    schema: dict[str, Any] | None,
    machine_tick: int,
    max_records: int,
) -> Ledger:
    """Enter a machine, or one that was here before, and return where its records go on."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            _MACHINE,
            numbered(
                machine_id,
                json.dumps(list(names)),
                json.dumps(list(tracked)),
                None if schema is None else json.dumps(schema),
                now_micros(),
                json.dumps(list(clock.time)),
                sum(clock.time),
                clock.queue_tick,
                machine_tick,
            ),
        )
        row = "SELECT id, next_id FROM machines WHERE machine_id = ?"
        machine, next_id = connection.execute(row, (machine_id,)).fetchone()
        last = "SELECT id, at, time_sum FROM times WHERE machine = ? ORDER BY id DESC LIMIT 1"
        found = connection.execute(last, (machine,)).fetchone() or (0, 0, None)
        many = "SELECT count(*) FROM times WHERE machine = ?"
        count = connection.execute(many, (machine,)).fetchone()[0]
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    next_id = max(next_id, found[0] + 1)
    return Ledger(
        connection, machine, machine_tick, next_id, found[1], found[2], count, max_records
    )


def write(
    ledger: Ledger,
    notes: Sequence[Note],
    indexes: Sequence[int],
    clock: Clock | None,
    names: Sequence[str],
) -> None:
    """Write notes and the machine's clock in one transaction, all or nothing."""
    rows = _rows(ledger, notes, indexes)
    db = ledger.connection
    next_id = notes[-1].id + 1 if notes else ledger.next_id
    db.execute("BEGIN IMMEDIATE")
    try:
        if notes:
            db.execute(_TIMES, numbered(ledger.machine, ledger.machine_tick, rows.times))
            db.execute(_TICKS, numbered(ledger.machine, rows.ticks))
            db.executemany(_TRANSITION, rows.transitions)
        if clock is not None:
            time = list(clock.time)
            known = json.dumps(list(names[: len(time)]))
            values = (known, json.dumps(time), sum(time), clock.queue_tick, next_id, now_micros())
            db.execute(_CLOCK, numbered(ledger.machine, *values))
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    ledger.last_sum, ledger.next_id = rows.last_sum, next_id
    ledger.count += len(notes)


@dataclass(slots=True)
class _Rows:
    """A batch as it goes into the tables: times and ticks as JSON, transitions as values."""

    times: str
    ticks: str
    transitions: list[tuple[Any, ...]]
    last_sum: int | None


def _rows(ledger: Ledger, notes: Sequence[Note], indexes: Sequence[int]) -> _Rows:
    """Work out sums and differences.

    The thread that does this shares the interpreter with the machine, so it must be cheap:
    formatting whole numbers takes a third of what the json module needs.
    """
    times: list[str] = []
    ticks: list[str] = []
    transitions = []
    last_sum = ledger.last_sum
    for id_, at, kind, before, after, _, _, transition in notes:
        if len(before) < len(after):  # the machine grew in between
            before += (0,) * (len(after) - len(before))
        time_sum = sum(after)
        tracked_sum = tracked_diff = 0
        for i in indexes:
            if i < len(after):
                tick = after[i]
                diff = tick - before[i]
                tracked_sum += tick
                tracked_diff += diff
                ticks.append(f"[{id_},{i},{tick},{diff}]")
        moved = 0 if last_sum is None else time_sum - last_sum
        diff_sum = time_sum - sum(before)
        times.append(
            f'[{id_},{at},"{kind}",{time_sum},{tracked_sum},{diff_sum},{tracked_diff},{moved}]'
        )
        last_sum = time_sum
        if transition is not None:
            transitions.append(_transition_row(ledger.machine, transition))
    return _Rows(f"[{','.join(times)}]", f"[{','.join(ticks)}]", transitions, last_sum)


def _transition_row(machine: int, tx: TransitionRecord) -> tuple[Any, ...]:
    return (
        machine, tx.record_id, tx.transition_id, tx.source_tx, tx.source_machine, tx.is_auto,
        tx.is_accepted, tx.is_check, tx.is_broken, tx.queue_len, tx.queued_at, tx.executed_at,
        json.dumps(tx.called), json.dumps(dict(tx.args)),
    )  # fmt: skip


def rotate(ledger: Ledger) -> None:
    """Give up the oldest records, once there are enough of them to be worth it."""
    if ledger.count <= ledger.max_records * ROTATION_SLACK:
        return
    db = ledger.connection
    while ledger.count > ledger.max_records:
        chunk = min(ROTATION_CHUNK, ledger.count - ledger.max_records)
        oldest = "SELECT id FROM times WHERE machine = ? ORDER BY id LIMIT 1 OFFSET ?"
        (limit,) = db.execute(oldest, (ledger.machine, chunk)).fetchone()
        db.execute("DELETE FROM times WHERE machine = ? AND id < ?", (ledger.machine, limit))
        ledger.count -= chunk  # a chunk is a transaction of its own
