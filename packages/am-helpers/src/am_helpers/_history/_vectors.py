"""All tracked ticks at a record, from the rows of what moved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .._errors import HistoryError

if TYPE_CHECKING:
    import sqlite3

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
    WHERE machine = ? AND time_id > ? AND time_id <= ?
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
    """Goes from record to record of one machine, oldest first, and knows the ticks at each."""

    def __init__(self, db: sqlite3.Connection, machine: int) -> None:
        self._db = db
        self._machine = machine
        self._versions: dict[int, Version] = {}
        self._at = 0
        self._ticks: dict[int, int] = {}

    def version(self, id_: int) -> Version:
        """What records of that version are of."""
        known = self._versions.get(id_)
        if known is None:
            known = self._versions[id_] = Version(self._db, id_)
        return known

    def go(self, record: int, version: Version) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ticks at a record and their differences, in the order of tracking.

        From a keyframe, or from where it stands, through all rows up to the record; or, if that is
        far compared to the number of states, by one search for each.
        """
        key = self._key(record)
        near = self._at if key <= self._at <= record else key
        diffs: dict[int, int] = {}
        if record - near <= 2 * len(version.ids) + 16 and (near or key):
            if near != self._at or not near:
                self._load(key, version)
            start = min(near, record - 1)
            for state, tick, diff, at in self._db.execute(_MOVED, (self._machine, start, record)):
                self._ticks[state] = tick
                if at == record:
                    diffs[state] = diff
        else:
            values = (self._machine, record, version.wanted)
            self._ticks = dict(self._db.execute(_HELD, values).fetchall())
            values_ = (self._machine, record - 1, record)
            diffs = {state: diff for state, _, diff, _ in self._db.execute(_MOVED, values_)}
        self._at = record
        return self._of(version, diffs)

    def _key(self, record: int) -> int:
        row = self._db.execute(_KEYFRAME_ID, (self._machine, record)).fetchone()
        return 0 if row is None else int(row[0])

    def _load(self, record: int, version: Version) -> None:
        _, text = self._db.execute(_KEYFRAME, (self._machine, record)).fetchone()
        self._ticks = dict(zip(version.ids, json.loads(text), strict=True))

    def _of(
        self, version: Version, diffs: dict[int, int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        ticks: list[Any] = [self._ticks.get(state) for state in version.ids]
        if not all([type(tick) is int for tick in ticks]):
            raise HistoryError("ticks of a record are missing")
        return tuple(ticks), tuple([diffs.get(state, 0) for state in version.ids])


def ticks_at(db: sqlite3.Connection, machine: int, record: int) -> dict[int, int]:
    """Tick of each state tracked at a record; nothing if that cannot be told any more."""
    row = db.execute(_VERSION, (machine, record)).fetchone()
    try:
        vectors = Vectors(db, machine)
        version = vectors.version(row[0])
        ticks, _ = vectors.go(record, version)
    except (HistoryError, ValueError, TypeError, KeyError):  # damaged; the next record tells all
        return {}
    return dict(zip(version.ids, ticks, strict=True))
