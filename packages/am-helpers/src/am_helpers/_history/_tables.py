"""The tables of a history file, how they came to be, and how a file is opened.

Values go in as parameters only. A batch of records is one JSON parameter which SQLite takes apart:
one statement a table, however many records, since each statement gives up the interpreter's lock
and has to wait for it again.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from .._errors import HistoryError

if TYPE_CHECKING:
    from pathlib import Path

BUSY_MS = 5000

# What each format version adds to the one before; `user_version` says which are in a file.
MIGRATIONS = (
    """
    CREATE TABLE machines (
        id INTEGER PRIMARY KEY,
        machine_id TEXT NOT NULL UNIQUE,
        state_names TEXT NOT NULL,
        tracked TEXT NOT NULL,
        schema TEXT,
        first_tracking INTEGER NOT NULL,
        last_tracking INTEGER NOT NULL,
        last_sync INTEGER NOT NULL,
        time TEXT NOT NULL,
        time_sum INTEGER NOT NULL,
        queue_tick INTEGER NOT NULL,
        machine_tick INTEGER NOT NULL,
        next_id INTEGER NOT NULL
    );
    CREATE TABLE times (
        machine INTEGER NOT NULL REFERENCES machines (id),
        id INTEGER NOT NULL,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        time_sum INTEGER NOT NULL,
        tracked_sum INTEGER NOT NULL,
        diff_sum INTEGER NOT NULL,
        tracked_diff_sum INTEGER NOT NULL,
        record_diff_sum INTEGER NOT NULL,
        machine_tick INTEGER NOT NULL,
        PRIMARY KEY (machine, id)
    ) WITHOUT ROWID;
    CREATE INDEX times_at ON times (machine, at);
    CREATE TABLE ticks (
        machine INTEGER NOT NULL,
        time_id INTEGER NOT NULL,
        state INTEGER NOT NULL,
        tick INTEGER NOT NULL,
        diff INTEGER NOT NULL,
        active INTEGER NOT NULL GENERATED ALWAYS AS (tick & 1) VIRTUAL,
        activated INTEGER NOT NULL GENERATED ALWAYS AS (tick & 1 AND diff > 0) VIRTUAL,
        deactivated INTEGER NOT NULL GENERATED ALWAYS AS (NOT tick & 1 AND diff > 0) VIRTUAL,
        PRIMARY KEY (machine, time_id, state),
        FOREIGN KEY (machine, time_id) REFERENCES times (machine, id) ON DELETE CASCADE
    ) WITHOUT ROWID;
    CREATE INDEX ticks_active ON ticks (machine, state, time_id) WHERE active;
    CREATE INDEX ticks_inactive ON ticks (machine, state, time_id) WHERE NOT active;
    CREATE INDEX ticks_activated ON ticks (machine, state, time_id) WHERE activated;
    CREATE INDEX ticks_deactivated ON ticks (machine, state, time_id) WHERE deactivated;
    CREATE TABLE transitions (
        machine INTEGER NOT NULL,
        record_id INTEGER NOT NULL,
        transition_id TEXT NOT NULL,
        source_tx TEXT NOT NULL,
        source_machine TEXT NOT NULL,
        is_auto INTEGER NOT NULL,
        is_accepted INTEGER NOT NULL,
        is_check INTEGER NOT NULL,
        is_broken INTEGER NOT NULL,
        queue_len INTEGER NOT NULL,
        queued_at INTEGER NOT NULL,
        executed_at INTEGER NOT NULL,
        called TEXT NOT NULL,
        args TEXT NOT NULL,
        PRIMARY KEY (machine, record_id),
        FOREIGN KEY (machine, record_id) REFERENCES times (machine, id) ON DELETE CASCADE
    ) WITHOUT ROWID;
    CREATE INDEX transitions_id ON transitions (machine, transition_id);
    """,
)
FORMAT = len(MIGRATIONS)


def open_writer(path: Path, *, durable: bool) -> sqlite3.Connection:
    """Open a file for writing, making or migrating its tables.

    :raises HistoryError: if it is no history, a newer one, or cannot be opened.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=True)
    except sqlite3.Error as exc:
        raise HistoryError(f"cannot open {path}: {exc}") from exc
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS:d}")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path)
        # Only now: this writes to the file, which might have been somebody else's.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    except sqlite3.Error as exc:
        connection.close()
        raise HistoryError(f"cannot open {path}: {exc}") from exc
    except HistoryError:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing history for reading only; any thread may use it, one at a time.

    :raises HistoryError: if it is no history of a known format.
    """
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"  # WAL readers write shared memory
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS:d}")
            connection.execute("PRAGMA query_only = ON")
            version = _version(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as exc:
        raise HistoryError(f"cannot open {path}: {exc}") from exc
    if version != FORMAT:
        connection.close()
        raise HistoryError(f"{path} is no history of format {FORMAT}")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > FORMAT:
        raise HistoryError(f"{path} has format {version}; this release knows {FORMAT}")
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables up to `FORMAT`, all or nothing; of several openers one does it."""
    if _version(connection, path) == FORMAT:
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        version = _version(connection, path)
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise HistoryError(f"{path} is a database, but no history")
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
