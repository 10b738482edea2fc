"""Questions to a history file, on one read connection, by one thread at a time.

Each is answered from one state of the file, whatever is written meanwhile.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .._errors import HistoryError, QueryError
from ._model import MachineRecord, TimeRecord, TransitionRecord, from_micros
from ._search import HOLDS, MOVES, TICK, Search
from ._tables import FORMAT
from ._vectors import Vectors, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ._model import Query
    from ._tables import Reading

_MACHINES = """
    SELECT machine_id, state_names, schema, first_tracking, last_tracking, last_sync, time,
        time_sum, queue_tick, machine_tick, next_id
    FROM machines LEFT JOIN versions ON versions.id = version
"""
# Names, schema and clocks of format 1 are in one row, written together.
_OLD_MACHINES = """
    SELECT machine_id, state_names, schema, first_tracking, last_tracking, last_sync, time,
        time_sum, queue_tick, machine_tick, next_id FROM machines
"""
_FIRST_ID = "SELECT id FROM times WHERE machine = ? AND at >= ? ORDER BY at, id LIMIT 1"
_LAST_ID = "SELECT id FROM times WHERE machine = ? AND at <= ? ORDER BY at DESC, id DESC LIMIT 1"
_ID_BEFORE = "SELECT id FROM times WHERE machine = ? AND at < ? ORDER BY at DESC, id DESC LIMIT 1"
# The planner prefers the primary key, which walks every state of every record in the range.
INSIDE = {
    name: f"SELECT 1 FROM ticks INDEXED BY ticks_{name}"
    f" WHERE machine = ? AND state = ? AND time_id BETWEEN ? AND ? AND {text} LIMIT 1"
    for name, text in (HOLDS | MOVES).items()
}
_TRACKED = """
    SELECT tracked FROM versions WHERE id IN (
        SELECT version FROM stretches WHERE machine = :machine
        UNION SELECT version FROM machines WHERE id = :machine
    )
"""
_STATES = "SELECT name, id FROM states WHERE name IN (SELECT value FROM json_each(?))"
_TRANSITION = "SELECT * FROM transitions WHERE machine = ? AND record_id = ?"
_UNHEARD_OF = -1  # a state that no record has
_LOOK = 1000  # records between two looks at the clock
# What values of a wrong kind lead to.
_DAMAGE = (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError)


class Reader:
    """Reads a history file."""

    def __init__(self, reading: Reading, path: Path) -> None:
        self._reading = reading
        self._db = reading.connection
        self._path = path
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection, after the question that is being answered."""
        with self._lock:
            self._reading.close()

    @contextmanager
    def _question(self) -> Iterator[None]:
        """One at a time, in a transaction, with errors that are ours.

        :raises HistoryError: if the file cannot be read, or is damaged.
        """
        with self._lock:
            try:
                self._reading.grant()
                self._db.execute("BEGIN")
                try:
                    yield
                finally:
                    with suppress(sqlite3.Error):
                        self._db.execute("ROLLBACK")
            except sqlite3.Error as exc:
                raise HistoryError(f"cannot read {self._path}: {exc}") from exc
            except QueryError:
                raise
            except HistoryError as exc:
                raise HistoryError(f"{self._path} is damaged: {exc}") from exc
            except _DAMAGE as exc:
                raise HistoryError(f"{self._path} is damaged: {exc!r}") from exc

    # ------------------------------------------------------------------ machines

    def machines(self) -> list[MachineRecord]:
        """All machines, by id."""
        with self._question():
            rows = self._db.execute(f"{self._machines()} ORDER BY machine_id").fetchall()
            return [_machine_record(row) for row in rows]

    def machine_record(self, machine_id: str) -> MachineRecord:
        """The machine as it was written last.

        :raises HistoryError: if it is not there, or its row is damaged.
        """
        with self._question():
            sql = f"{self._machines()} WHERE machine_id = ?"
            row = self._db.execute(sql, (machine_id,)).fetchone()
            record = None if row is None else _machine_record(row)
        if record is None:
            raise HistoryError(f"{self._path} has no machine {machine_id!r}")
        return record

    def _machines(self) -> str:
        return _MACHINES if self._reading.version == FORMAT else _OLD_MACHINES

    def _machine(self, machine_id: str) -> int | None:
        sql = "SELECT id FROM machines WHERE machine_id = ?"
        row = self._db.execute(sql, (machine_id,)).fetchone()
        return None if row is None else int(row[0])

    def _states(self, machine: int, names: Iterable[str], known: Sequence[str]) -> dict[str, int]:
        """What the file calls these states; of those that are ``known`` it need not know.

        :raises QueryError: if no version of the machine tracked one.
        """
        wanted = set(names)
        if not wanted:
            return {}
        tracked = set(known)
        for (text,) in self._db.execute(_TRACKED, {"machine": machine}):
            tracked.update(json.loads(text))
        if missing := sorted(wanted - tracked):
            raise QueryError(f"not tracked: {', '.join(missing)}")
        found = self._db.execute(_STATES, (json.dumps(sorted(wanted)),)).fetchall()
        return dict.fromkeys(wanted, _UNHEARD_OF) | dict(found)

    # ------------------------------------------------------------- between two times

    def between(
        self,
        machine_id: str,
        condition: str,
        state: str,
        start: int,
        end: int,
        known: Sequence[str] = (),
    ) -> bool:
        """Whether a condition of `INSIDE` held for the state in the range, in microseconds.

        A state is active, or inactive, in the last record before the range too.
        """
        found = False
        with self._question():
            machine = self._machine(machine_id)
            if machine is not None:
                id_ = self._states(machine, (state,), known)[state]
                found = self._between(machine, condition, id_, start, end)
        if machine is None:
            raise HistoryError(f"{self._path} has no machine {machine_id!r}")
        return found

    def _between(self, machine: int, condition: str, id_: int, start: int, end: int) -> bool:
        first, last = self._id(machine, _FIRST_ID, start), self._id(machine, _LAST_ID, end)
        if start > end:
            return False
        inside = first is not None and last is not None and first <= last
        if condition in HOLDS:
            # The row that holds at the first record may be older.
            begin = self._id(machine, _ID_BEFORE, start) or (first if inside else None)
            row = self._db.execute(TICK, (machine, id_, begin)).fetchone()
            tick = None if row is None else row[0]
            if tick is not None and bool(tick & 1) is (condition == "active"):
                return True
        values = (machine, id_, first, last)
        return inside and self._db.execute(INSIDE[condition], values).fetchone() is not None

    def _id(self, machine: int, sql: str, at: int) -> int | None:
        row = self._db.execute(sql, (machine, at)).fetchone()
        return None if row is None else int(row[0])

    # ------------------------------------------------------------------ records

    def find(
        self,
        machine_id: str,
        query: Query,
        limit: int,
        with_tx: bool,
        known: Sequence[str] = (),
    ) -> list[TimeRecord]:
        """Find records, newest first; at most ``limit``, or all for 0."""
        with self._question():
            machine = self._machine(machine_id)
            if machine is not None:
                states = self._states(machine, query.states(), known)
                rows = Search(self._db, machine, query, states).rows(limit, self._reading.check)
                return self._records(machine, rows, with_tx)
        raise HistoryError(f"{self._path} has no machine {machine_id!r}")

    def _records(self, machine: int, rows: list[Any], with_tx: bool) -> list[TimeRecord]:
        vectors = Vectors(self._db, machine)
        records = []
        rows.reverse()
        walk = vectors.walk([(row[0], row[8]) for row in rows])
        for number, (row, (ticks, diffs)) in enumerate(zip(rows, walk, strict=True)):
            if not number % _LOOK:
                self._reading.check()
            version = vectors.version(row[8])
            records.append(
                TimeRecord(
                    id=row[0],
                    kind=row[1],
                    time_sum=row[2],
                    tracked_sum=row[3],
                    diff_sum=row[4],
                    tracked_diff_sum=row[5],
                    record_diff_sum=row[6],
                    at=from_micros(row[7]),
                    tracked_time=ticks,
                    tracked_diff=diffs,
                    machine_tick=row[9],
                    transition=self._transition(machine, row[0], version) if with_tx else None,
                    states=version.tracked,
                )
            )
        records.reverse()
        return records

    def _transition(self, machine: int, record: int, version: Version) -> TransitionRecord | None:
        row = self._db.execute(_TRANSITION, (machine, record)).fetchone()
        if row is None:
            return None
        called = tuple(json.loads(row[12]))
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
            called=called,
            args=json.loads(row[13]),
            called_states=tuple([version.names[i] for i in called]),
        )


def _machine_record(row: Any) -> MachineRecord:
    machine_id, names, schema, first, last, sync, time, *numbers = row
    return MachineRecord(
        machine_id=machine_id,
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
