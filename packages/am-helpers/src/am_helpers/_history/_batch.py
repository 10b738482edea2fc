"""Writing batches of records, and giving up the oldest. Runs in the writer's thread only.

Values go in as parameters only. A batch is one JSON parameter a table which SQLite takes apart: one
statement, however many records of however many machines, since each statement gives up the
interpreter's lock and has to wait for it again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._notes import now_micros
from ._tables import in_transaction

if TYPE_CHECKING:
    import sqlite3

    from ._ledger import Clock, Edition, Ledger
    from ._model import TransitionRecord
    from ._trail import Moves, Step

ROTATION_SLACK = 1.1
"""Rotation begins when this many times `max_records` are kept, so that it is seldom."""
ROTATION_CHUNK = 1000
"""How many records one transaction of a rotation deletes; others may write in between."""
KEYFRAME = 1000
"""After so many records all tracked ticks are written."""
_MOST = 2**63 - 1  # what SQLite keeps exactly


def _columns(*kinds: int) -> str:
    return ", ".join(f"json_extract(value, '$[{number}]')" for number in kinds)


_TIMES = f"INSERT INTO times SELECT {_columns(*range(11))} FROM json_each(?)"
_TICKS = f"INSERT INTO ticks SELECT {_columns(*range(5))} FROM json_each(?)"
_STRETCHES = f"INSERT INTO stretches SELECT {_columns(*range(3))} FROM json_each(?)"
_KEYFRAMES = f"INSERT INTO keyframes SELECT {_columns(*range(3))} FROM json_each(?)"
_TRANSITIONS = "INSERT INTO transitions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CLOCKS = """
    UPDATE machines SET version = c.version, time = c.time, time_sum = c.time_sum,
        queue_tick = c.queue_tick, machine_tick = c.machine_tick,
        next_id = max(machines.next_id, c.next_id), last_sync = c.now,
        writer = CASE WHEN c.released THEN NULL ELSE writer END
    FROM (
        SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS version,
            json_extract(value, '$[2]') AS time, json_extract(value, '$[3]') AS time_sum,
            json_extract(value, '$[4]') AS queue_tick, json_extract(value, '$[5]') AS machine_tick,
            json_extract(value, '$[6]') AS next_id, json_extract(value, '$[7]') AS now,
            json_extract(value, '$[8]') AS released
        FROM json_each(?)
    ) AS c WHERE machines.id = c.id
"""


@dataclass(slots=True)
class Rows:
    """A batch as it goes into the tables: JSON, but transitions as values."""

    times: list[str] = field(default_factory=list)
    ticks: list[str] = field(default_factory=list)
    stretches: list[str] = field(default_factory=list)
    keyframes: list[str] = field(default_factory=list)
    transitions: list[tuple[Any, ...]] = field(default_factory=list)
    clocks: list[str] = field(default_factory=list)

    def insert(self, db: sqlite3.Connection) -> None:
        """Write everything. In a transaction."""
        for sql, lines in (
            (_TIMES, self.times),
            (_TICKS, self.ticks),
            (_STRETCHES, self.stretches),
            (_KEYFRAMES, self.keyframes),
            (_CLOCKS, self.clocks),
        ):
            if lines:
                db.execute(sql, (f"[{','.join(lines)}]",))
        if self.transitions:
            db.executemany(_TRANSITIONS, self.transitions)


def add_clock(rows: Rows, ledger: Ledger, version: int, clock: Clock, released: bool) -> None:
    """Put the machine's clocks on the page; ``released`` if this process writes it no more."""
    time = ",".join(map(str, clock.time))
    rows.clocks.append(
        f"[{ledger.machine},{version},[{time}],{sum(clock.time)},{clock.queue_tick},"
        f"{clock.machine_tick},{ledger.next_id},{now_micros()},{released:d}]"
    )


def add_step(rows: Rows, ledger: Ledger, step: Step, edition: Edition) -> None:
    """Put one record on the page, and go on by it in the ledger, which is a draft.

    :raises Exception: if it cannot be written, whatever is tried; then nothing has changed.
    """
    if step.time_sum > _MOST:
        raise OverflowError("its ticks are more than a file can hold")
    machine, id_ = ledger.machine, step.id
    if step.transition is not None:
        rows.transitions.append(_transition_row(machine, step.transition))
    moves = _with_carried(ledger.carried, step.moves) if ledger.carried else step.moves
    begins = ledger.edition is not edition or ledger.machine_tick != step.machine_tick
    if begins:
        tracked_sum, tracked_diff, lines = _whole(ledger, step, edition, moves)
    else:
        tracked_sum, tracked_diff, lines, begins = _partial(ledger, step.id, edition, moves)
    rows.ticks += lines
    last_sum = ledger.last_sum
    if begins or (last_sum is not None and step.time_sum < last_sum):
        rows.stretches.append(f"[{machine},{id_},{edition.version}]")
        begins = True
    if begins or id_ - ledger.key_id >= KEYFRAME:
        ticks = ",".join([str(ledger.ticks[i]) for i in edition.indexes])
        rows.keyframes.append(f"[{machine},{id_},[{ticks}]]")
        ledger.key_id = id_
    rows.times.append(
        f'[{machine},{id_},{step.at},"{step.kind}",{step.time_sum},{tracked_sum},{step.diff_sum},'
        f"{tracked_diff},{0 if last_sum is None else step.time_sum - last_sum},"
        f"{edition.version},{step.machine_tick}]"
    )
    if not ledger.count:
        ledger.first_id = id_
    ledger.count += 1
    ledger.next_id, ledger.last_at, ledger.last_sum = id_ + 1, step.at, step.time_sum
    ledger.machine_tick, ledger.edition, ledger.tracked_sum = (
        step.machine_tick,
        edition,
        tracked_sum,
    )
    ledger.carried = {}


def _with_carried(carried: dict[int, int], moves: Moves) -> Moves:
    """The moves of a step, and those of steps before it that were left out."""
    all_ = {i: (i, tick, 0) for i, tick in carried.items()}
    return (*(all_ | {move[0]: move for move in moves}).values(),)


def _partial(
    ledger: Ledger, id_: int, edition: Edition, moves: Moves
) -> tuple[int, int, list[str], bool]:
    """The rows of what moved; whether a clock went back."""
    lines, went_back = [], False
    tracked_sum, tracked_diff = ledger.tracked_sum, 0
    ticks, ids = ledger.ticks, edition.ids
    for i, tick, diff in moves:
        old, ticks[i] = ticks[i], tick
        if tick < old:
            went_back = True
        state = ids.get(i)
        if state is not None and (tick != old or diff):
            tracked_sum += tick - old
            tracked_diff += diff
            lines.append(f"[{ledger.machine},{id_},{state},{tick},{diff}]")
    return tracked_sum, tracked_diff, lines, went_back


def _whole(
    ledger: Ledger, step: Step, edition: Edition, moves: Moves
) -> tuple[int, int, list[str]]:
    """The rows of a first record: all that is other than what the file holds of before."""
    known, ticks = ledger.known, ledger.ticks
    if ledger.edition is not None:
        known = {state: ticks[i] for i, state in ledger.edition.ids.items()}
    ticks.extend([0] * (step.size - len(ticks)))
    diffs = {}
    for i, tick, diff in moves:
        ticks[i], diffs[i] = tick, diff
    lines, head = [], f"[{ledger.machine},{step.id}"
    for i, state in edition.ids.items():
        diff = diffs.get(i, 0)
        if known.pop(state, None) != ticks[i] or diff:
            lines.append(f"{head},{state},{ticks[i]},{diff}]")
    lines += [f"{head},{state},null,0]" for state in known]  # no longer tracked
    ledger.known = {}
    tracked_diff = sum([diff for i, diff in diffs.items() if i in edition.ids])
    return sum([ticks[i] for i in edition.ids]), tracked_diff, lines


def _transition_row(machine: int, tx: TransitionRecord) -> tuple[Any, ...]:
    texts = (tx.transition_id, tx.source_tx, tx.source_machine)
    called, args = json.dumps(tx.called), json.dumps(dict(tx.args), ensure_ascii=False)
    for text in (*texts, args):
        text.encode()  # a lone surrogate cannot be stored
    return (
        machine, tx.record_id, *texts, tx.is_auto, tx.is_accepted, tx.is_check, tx.is_broken,
        tx.queue_len, tx.queued_at, tx.executed_at, called, args,
    )  # fmt: skip


# Driven by the states that moved among the records given up, so that thousands of states which
# did not move cost nothing.
_PRUNE = """
    DELETE FROM ticks WHERE machine = :machine AND (time_id, state) IN (
        SELECT older.time_id, older.state FROM (
            SELECT state, max(time_id) AS time_id FROM ticks
            WHERE machine = :machine AND time_id > :first AND time_id <= :keep GROUP BY +state
        ) AS held CROSS JOIN ticks AS older INDEXED BY ticks_state
        ON older.machine = :machine AND older.state = held.state AND older.time_id < held.time_id
    )
"""


def _older(table: str, id_: str) -> str:
    """Delete what is older than the row that still holds for the oldest record."""
    return (
        f"DELETE FROM {table} WHERE machine = :machine AND {id_} < coalesce((SELECT max({id_})"
        f" FROM {table} WHERE machine = :machine AND {id_} <= :keep), 0)"
    )


_ROTATION = (
    "DELETE FROM times WHERE machine = :machine AND id < :keep",
    "DELETE FROM transitions WHERE machine = :machine AND record_id < :keep",
    _PRUNE,
    _older("keyframes", "time_id"),
    _older("stretches", "first_id"),
)


def rotate(db: sqlite3.Connection, ledger: Ledger, max_records: int) -> None:
    """Give up the oldest records, once there are enough of them to be worth it."""
    if ledger.count <= max_records * ROTATION_SLACK:
        return
    newest = "SELECT id FROM times WHERE machine = ? ORDER BY id DESC LIMIT 1 OFFSET ?"
    row = db.execute(newest, (ledger.machine, max_records - 1)).fetchone()
    if row is None:  # gaps of lost records, or somebody else deleted some
        count = "SELECT count(*) FROM times WHERE machine = ?"
        ledger.count = db.execute(count, (ledger.machine,)).fetchone()[0]
        return
    while ledger.first_id < row[0]:
        keep = min(ledger.first_id + ROTATION_CHUNK, row[0])
        values = {"machine": ledger.machine, "first": ledger.first_id - 1, "keep": keep}

        def work(values: dict[str, int] = values) -> None:
            for sql in _ROTATION:
                db.execute(sql, values)

        in_transaction(db, work)
        ledger.first_id = keep
    ledger.count = max_records
