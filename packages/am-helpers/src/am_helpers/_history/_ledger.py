"""Entering machines into a file: what their records are of, who writes them, where they go on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from .._errors import HistoryError
from ._claims import Claim, is_alive
from ._notes import now_micros
from ._vectors import ticks_at

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ._notes import Layout

_INSERT = """
    INSERT INTO machines (machine_id, writer, version, first_tracking, last_tracking, last_sync,
        time, time_sum, queue_tick, machine_tick, next_id)
    VALUES (:name, :writer, :version, :now, :now, :now, :time, :sum, :queue_tick, :tick, 1)
    ON CONFLICT (machine_id) DO UPDATE SET writer = :writer, version = :version,
        last_tracking = :now, last_sync = :now, time = :time, time_sum = :sum,
        queue_tick = :queue_tick, machine_tick = :tick
    RETURNING id, next_id
"""
_FOUND = """
    SELECT machines.id, writer, version, state_names, schema FROM machines
    LEFT JOIN versions ON versions.id = version WHERE machine_id = ?
"""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks of the whole machine at one moment."""

    time: Sequence[int]
    queue_tick: int
    machine_tick: int


class Edition(NamedTuple):
    """A layout as the file knows it."""

    version: int
    indexes: tuple[int, ...]
    """Of the tracked states in the machine …"""
    ids: dict[int, int]
    """… and what the file calls them, by these indexes."""


@dataclass(slots=True)
class Ledger:
    """Where one machine's records are in a file, and how far they go."""

    machine: int
    next_id: int
    first_id: int
    count: int
    last_at: int
    last_sum: int | None
    ticks: list[int]
    """Of all states, as of the last record."""
    known: dict[int, int]
    """Of the states that were tracked by an earlier session, as of its last record."""
    machine_tick: int
    edition: Edition | None = None
    """Of the last record; None if the next one begins the session."""
    tracked_sum: int = 0
    key_id: int = 0
    """The last record that has a keyframe."""
    carried: dict[int, int] = field(default_factory=dict)
    """Ticks that moved in records which were left out."""

    def draft(self) -> Ledger:
        """A copy to be changed by a transaction that may fail."""
        return replace(
            self, ticks=self.ticks.copy(), known=self.known.copy(), carried=self.carried.copy()
        )


def register(
    db: sqlite3.Connection, layout: Layout, schema: str | None, ids: dict[str, int]
) -> Edition:
    """Enter a layout, if it is new; ``ids`` are the known states by name. In a transaction."""
    names, tracked = json.dumps(layout.names), json.dumps(layout.tracked)
    digest = sha256(json.dumps([names, tracked, schema]).encode()).hexdigest()
    find = "SELECT id FROM versions WHERE digest = ?"
    row = db.execute(find, (digest,)).fetchone()
    if row is None:
        values = (names, tracked, schema, digest)
        added = db.execute("INSERT INTO versions VALUES (NULL, ?, ?, ?, ?) RETURNING id", values)
        row = added.fetchone()
    if not ids.keys() >= set(layout.tracked):
        wanted = json.dumps(layout.tracked)
        db.execute("INSERT OR IGNORE INTO states (name) SELECT value FROM json_each(?)", (wanted,))
        found = "SELECT name, id FROM states WHERE name IN (SELECT value FROM json_each(?))"
        ids.update(db.execute(found, (wanted,)).fetchall())
    known = {i: ids[name] for i, name in zip(layout.indexes, layout.tracked, strict=True)}
    return Edition(row[0], layout.indexes, known)


def stored_schema(db: sqlite3.Connection, machine_id: str, names: tuple[str, ...]) -> str | None:
    """The schema that an earlier session stored, if the machine has the same states now."""
    row = db.execute(_FOUND, (machine_id,)).fetchone()
    if row is None or row[4] is None or row[3] != json.dumps(names):
        return None
    return str(row[4])


def own_writer(db: sqlite3.Connection, own: Claim, known: int | None) -> int:
    """Return the row of this process as a writer, and enter it if need be. In a transaction.

    Rows of writers without machines are cleared away, by any process; so it may be gone again.
    Numbers are never given twice.
    """
    is_there = "SELECT 1 FROM writers WHERE id = ?"
    if known is not None and db.execute(is_there, (known,)).fetchone():
        return known
    db.execute(
        "DELETE FROM writers WHERE id NOT IN (SELECT writer FROM machines WHERE writer IS NOT NULL)"
    )
    row = db.execute("INSERT INTO writers VALUES (NULL, ?, ?, ?) RETURNING id", own).fetchone()
    return int(row[0])


def check_writer(
    db: sqlite3.Connection, machine_id: str, own: Claim, seen: dict[int, Claim], force: bool
) -> None:
    """Refuse a machine that is being written by another process.

    ``seen`` keeps the writers that were found dead, since many machines have the same one.

    :raises HistoryError: if its writer is alive, or may be.
    """
    row = db.execute(_FOUND, (machine_id,)).fetchone()
    if row is None or row[1] is None or row[1] in seen or force:
        return
    found = db.execute("SELECT host, pid, start FROM writers WHERE id = ?", (row[1],)).fetchone()
    claim = None if found is None else Claim(*found)
    if claim is None or claim == own:  # this process has closed it, though it could not say so
        return
    alive = is_alive(claim)
    if alive is None:
        raise HistoryError(
            f"{machine_id!r} was recorded by {claim}, and whether that still runs cannot be seen"
            " from here; if it does not, open the history with take_over=True"
        )
    if alive:
        raise HistoryError(f"{machine_id!r} is being recorded by {claim}")
    seen[row[1]] = claim


def enroll(
    db: sqlite3.Connection, machine_id: str, clock: Clock, edition: Edition, writer: int
) -> Ledger:
    """Enter a machine, or one that was here before; return where it goes on. In a transaction."""
    row = db.execute(
        _INSERT,
        {
            "name": machine_id,
            "writer": writer,
            "version": edition.version,
            "now": now_micros(),
            "time": json.dumps(list(clock.time)),
            "sum": sum(clock.time),
            "queue_tick": clock.queue_tick,
            "tick": clock.machine_tick,
        },
    ).fetchone()
    machine, next_id = row
    last = "SELECT id, at, time_sum, version FROM times WHERE machine = ? ORDER BY id DESC LIMIT 1"
    found = db.execute(last, (machine,)).fetchone()
    if found is None:
        return Ledger(
            machine, next_id, next_id, 0, 0, None, list(clock.time), {}, clock.machine_tick
        )
    first = "SELECT id FROM times WHERE machine = ? ORDER BY id LIMIT 1"
    first_id = db.execute(first, (machine,)).fetchone()[0]
    return Ledger(
        machine=machine,
        next_id=max(next_id, found[0] + 1),
        first_id=first_id,
        count=found[0] - first_id + 1,  # at most; rotation counts when it comes to that
        last_at=found[1],
        last_sum=found[2],
        ticks=list(clock.time),
        known=ticks_at(db, machine, found[0]),
        machine_tick=clock.machine_tick,
    )
