"""Questions to a history file: one read connection, used by one worker thread at a time.

The between-questions turn times into ids first and then look at one partial index; they never join.
Conditions are put together from constant texts, and every value is a parameter.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._errors import HistoryError
from ._model import SUMS, MachineRecord, TimeRecord, TransitionRecord, from_micros

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ._model import Query

_MACHINE = """
    SELECT id, state_names, schema, first_tracking, last_tracking, last_sync, time, time_sum,
        queue_tick, machine_tick, next_id FROM machines WHERE machine_id = ?
"""
_FIRST_ID = "SELECT id FROM times WHERE machine = ? AND at >= ? ORDER BY at, id LIMIT 1"
_LAST_ID = "SELECT id FROM times WHERE machine = ? AND at <= ? ORDER BY at DESC, id DESC LIMIT 1"
_ID_BEFORE = "SELECT id FROM times WHERE machine = ? AND at < ? ORDER BY at DESC, id DESC LIMIT 1"
_TICK_OF = "SELECT tick FROM ticks WHERE machine = ? AND time_id = ? AND state = ?"

# How each list of a query asks for one of its states.
_HAS = (
    "EXISTS (SELECT 1 FROM ticks WHERE machine = times.machine AND time_id = times.id"
    " AND state = ? AND "
)
CONDITIONS = {
    "active": "active",
    "activated": "activated",
    "inactive": "NOT active",
    "deactivated": "deactivated",
}
# The planner prefers the primary key, which walks every state of every record in the range.
INSIDE = {
    name: f"SELECT 1 FROM ticks INDEXED BY ticks_{name}"
    f" WHERE machine = ? AND state = ? AND time_id BETWEEN ? AND ? AND {text} LIMIT 1"
    for name, text in CONDITIONS.items()
}
_RANGES = {name: f"{name} BETWEEN ? AND ?" for name in (*SUMS, "machine_tick", "at")}

_TIME_COLUMNS = (
    "id, kind, time_sum, tracked_sum, diff_sum, tracked_diff_sum, record_diff_sum, at, machine_tick"
)


class Reader:
    """Reads the records of one machine."""

    def __init__(self, connection: sqlite3.Connection, machine_id: str) -> None:
        self._db = connection
        self._machine_id = machine_id
        self._machine = self._row()[0]

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _row(self) -> Any:
        row = self._db.execute(_MACHINE, (self._machine_id,)).fetchone()
        if row is None:
            raise HistoryError(f"the history has no machine {self._machine_id!r}")
        return row

    def machine_record(self) -> MachineRecord:
        """The machine as it was written last.

        :raises HistoryError: if the row is damaged.
        """
        _, names, schema, first, last, sync, time, *numbers = self._row()
        try:
            return MachineRecord(
                machine_id=self._machine_id,
                state_names=tuple(json.loads(names)),
                schema=None if schema is None else json.loads(schema),
                first_tracking=from_micros(first),
                last_tracking=from_micros(last),
                last_sync=from_micros(sync),
                time=tuple(json.loads(time)),
                time_sum=numbers[0],
                queue_tick=numbers[1],
                machine_tick=numbers[2],
                next_id=numbers[3],
            )
        except (ValueError, TypeError, RecursionError, OverflowError) as exc:
            raise HistoryError(f"the row of machine {self._machine_id!r} is damaged") from exc

    def any_between(self, condition: str, state: int, start: int, end: int) -> bool:
        """Whether a record in the range fulfils one of `CONDITIONS` for the state."""
        first, last = self._id(_FIRST_ID, start), self._id(_LAST_ID, end)
        if first is None or last is None:
            return False
        values = (self._machine, state, first, last)
        return self._db.execute(INSIDE[condition], values).fetchone() is not None

    def was_before(self, active: bool, state: int, start: int) -> bool:
        """Whether the last record before that time says so."""
        last = self._id(_ID_BEFORE, start)
        row = self._db.execute(_TICK_OF, (self._machine, last, state)).fetchone()
        return row is not None and bool(row[0] & 1) is active

    def _id(self, sql: str, at: int) -> int | None:
        row = self._db.execute(sql, (self._machine, at)).fetchone()
        return None if row is None else int(row[0])

    def find(
        self,
        query: Query,
        places: dict[str, int],
        tracked: Sequence[int],
        limit: int,
        with_tx: bool,
    ) -> list[TimeRecord]:
        """Find records, newest first; ``places`` are the indexes of states in the machine."""
        where, values = ["machine = ?"], [self._machine]
        for name, least, most in query.ranges():
            where.append(_RANGES[name])
            values += [least, most]
        for condition, text in CONDITIONS.items():
            for state in getattr(query, condition):
                where.append(f"{_HAS}{text})")
                values.append(places[state])
        for state, least, most in query.tick_ranges():
            where.append(f"{_HAS}tick BETWEEN ? AND ?)")
            values += [places[state], least, most]
        sql = f"SELECT {_TIME_COLUMNS} FROM times WHERE {' AND '.join(where)} ORDER BY id DESC"
        rows = self._db.execute(f"{sql} LIMIT ?", (*values, limit or -1)).fetchall()
        return [self._record(row, tracked, with_tx) for row in rows]

    def _record(self, row: Any, tracked: Sequence[int], with_tx: bool) -> TimeRecord:
        sql = "SELECT state, tick, diff FROM ticks WHERE machine = ? AND time_id = ?"
        ticks = {s: (t, d) for s, t, d in self._db.execute(sql, (self._machine, row[0]))}
        known = [ticks[i] for i in tracked if i in ticks]
        return TimeRecord(
            id=row[0],
            kind=row[1],
            time_sum=row[2],
            tracked_sum=row[3],
            diff_sum=row[4],
            tracked_diff_sum=row[5],
            record_diff_sum=row[6],
            at=from_micros(row[7]),
            tracked_time=tuple(tick for tick, _ in known),
            tracked_diff=tuple(diff for _, diff in known),
            machine_tick=row[8],
            transition=self._transition(row[0]) if with_tx else None,
        )

    def _transition(self, record_id: int) -> TransitionRecord | None:
        sql = "SELECT * FROM transitions WHERE machine = ? AND record_id = ?"
        row = self._db.execute(sql, (self._machine, record_id)).fetchone()
        if row is None:
            return None
        return TransitionRecord(
            record_id=row[1],
            transition_id=row[2],
            source_tx=row[3],
            source_machine=row[4],
            is_auto=bool(row[5]),
            is_accepted=bool(row[6]),
            is_check=bool(row[7]),
            is_broken=bool(row[8]),
            queue_len=row[9],
            queued_at=row[10],
            executed_at=row[11],
            called=tuple(json.loads(row[12])),
            args=json.loads(row[13]),
        )
