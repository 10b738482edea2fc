"""All tracked ticks at a record, from the rows of what moved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from .._errors import HistoryError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

Ticks: TypeAlias = tuple[Any, ...]

_VERSION = "SELECT version FROM times WHERE machine = ? AND id = ?"
_TRACKED = "SELECT state_names, tracked FROM versions WHERE id = ?"
_IDS = "SELECT name, id FROM states WHERE name IN (SELECT value FROM json_each(?))"
_KEYFRAME = """
    SELECT time_id, ticks FROM keyframes
    WHERE machine = ? AND time_id <= ? ORDER BY time_id DESC LIMIT 1
"""
_KEYFRAME_ID = """
    SELECT time_id FROM keyframes
    WHERE machine = ? AND time_id <= ? ORDER BY time_id DESC LIMIT 1
"""
_MOVED = """
    SELECT state, tick, diff, time_id FROM ticks
    WHERE machine = ? AND time_id > ? AND time_id <= ? ORDER BY time_id
"""
# One search for each state.
_HELD = """
    SELECT value, (
        SELECT tick FROM ticks INDEXED BY ticks_state
        WHERE machine = ? AND state = value AND time_id <= ? ORDER BY time_id DESC LIMIT 1
    ) FROM json_each(?)
"""


class Version:
    """What records of one version are of."""

    def __init__(self, db: sqlite3.Connection, id_: int) -> None:
        row = db.execute(_TRACKED, (id_,)).fetchone()
        if row is None:
            raise HistoryError("the version of a record is missing")
        self.names: tuple[str, ...] = tuple(json.loads(row[0]))
        self.tracked: tuple[str, ...] = tuple(json.loads(row[1]))
        known = dict(db.execute(_IDS, (row[1],)).fetchall())
        self.ids: tuple[int, ...] = tuple([known[name] for name in self.tracked])
        self.wanted = json.dumps(self.ids)


class Vectors:
    """Finds the ticks at records of one machine."""

    def __init__(self, db: sqlite3.Connection, machine: int) -> None:
        self._db = db
        self._machine = machine
        self._versions: dict[int, Version] = {}

    def version(self, id_: int) -> Version:
        """What records of that version are of."""
        known = self._versions.get(id_)
        if known is None:
            known = self._versions[id_] = Version(self._db, id_)
        return known

    def walk(self, records: Sequence[tuple[int, int]]) -> Iterator[tuple[Ticks, Ticks]]:
        """Ticks at records, and their differences, each in its order of tracking.

        ``records`` are ids and versions, oldest first. Those that are near to each other, compared
        to the number of states, are reached through all rows in between.
        """
        start = 0
        for end in range(1, len(records) + 1):
            if end < len(records):
                near = 2 * len(self.version(records[end][1]).ids) + 16
                if records[end][0] - records[end - 1][0] <= near:
                    continue
            yield from self._walk(records[start:end])
            start = end

    def _walk(self, records: Sequence[tuple[int, int]]) -> Iterator[tuple[Ticks, Ticks]]:
        first, last = records[0][0], records[-1][0]
        ticks, begin = self._begin(first, self.version(records[0][1]))
        moved = iter(self._db.execute(_MOVED, (self._machine, begin, last)))
        row = next(moved, None)
        for record, version_id in records:
            diffs: dict[int, int] = {}
            while row is not None and row[3] <= record:
                state, ticks[state] = row[0], row[1]
                if row[3] == record:
                    diffs[state] = row[2]
                row = next(moved, None)
            ids = self.version(version_id).ids
            found = tuple([ticks.get(state) for state in ids])
            if not all([type(tick) is int for tick in found]):
                raise HistoryError("ticks of a record are missing")
            yield found, tuple([diffs.get(state, 0) for state in ids])

    def _begin(self, record: int, version: Version) -> tuple[dict[int, Any], int]:
        """Ticks at a record or not long before, and the id up to which they hold.

        From a keyframe; or, if that is far, by one search for each state.
        """
        row = self._db.execute(_KEYFRAME_ID, (self._machine, record)).fetchone()
        if row is not None and record - row[0] <= 2 * len(version.ids) + 16:
            text = self._db.execute(_KEYFRAME, (self._machine, record)).fetchone()[1]
            ticks = dict(zip(version.ids, json.loads(text), strict=True))
            return ticks, min(row[0], record - 1)
        values = (self._machine, record, version.wanted)
        return dict(self._db.execute(_HELD, values).fetchall()), record - 1


def ticks_at(db: sqlite3.Connection, machine: int, record: int) -> dict[int, int]:
    """Tick of each state tracked at a record; nothing if that cannot be told any more."""
    row = db.execute(_VERSION, (machine, record)).fetchone()
    try:
        vectors = Vectors(db, machine)
        version = vectors.version(row[0])
        ((ticks, _),) = vectors.walk([(record, row[0])])
    except (HistoryError, ValueError, TypeError, KeyError):  # damaged; the next record tells all
        return {}
    return dict(zip(version.ids, ticks, strict=True))
