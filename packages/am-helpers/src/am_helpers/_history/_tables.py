"""The tables of a history file, and how a file is opened.

* A *version* says what records are of: the names of the states, which are tracked, the schema.
  Versions and names of states are shared by all machines of a file.
* `times` has a row for each record, `ticks` one for each tracked state whose tick is another than
  in the record before, with NULL where a state stops being tracked. So the tick of a state holds
  from its row to the state's next one. `keyframes` keep all tracked ticks of a record now and then.
* A *stretch* is a run of records of one version in which no clock goes back, so that conditions on
  clocks are ranges of ids. `stretches` has the first record of each, which has a keyframe too.
* Rotation keeps, of what is older than the oldest record, the rows which still hold.

Files may come from strangers: nothing in them is executed, and a question takes bounded time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from .._errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUSY_MS = 5000
FORMAT = 2
"""`user_version` of the files written here."""
OLDEST_SQLITE = (3, 35)  # UPDATE … FROM
PATIENCE = 30.0
"""Seconds that one question may take; a file can be made so that it would take for ever."""
_STEPS = 100_000  # between two looks at the clock: a few milliseconds
_MAX_VALUE = 64 << 20  # bytes of one value

TABLES = """
CREATE TABLE writers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start TEXT NOT NULL
);
CREATE TABLE versions (
    id INTEGER PRIMARY KEY,
    state_names TEXT NOT NULL,
    tracked TEXT NOT NULL,
    schema TEXT,
    digest TEXT NOT NULL UNIQUE
);
CREATE TABLE states (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE machines (
    id INTEGER PRIMARY KEY,
    machine_id TEXT NOT NULL UNIQUE,
    writer INTEGER,
    version INTEGER NOT NULL,
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
    machine INTEGER NOT NULL,
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    time_sum INTEGER NOT NULL,
    tracked_sum INTEGER NOT NULL,
    diff_sum INTEGER NOT NULL,
    tracked_diff_sum INTEGER NOT NULL,
    record_diff_sum INTEGER NOT NULL,
    version INTEGER NOT NULL,
    machine_tick INTEGER NOT NULL,
    PRIMARY KEY (machine, id)
) WITHOUT ROWID;
CREATE INDEX times_at ON times (machine, at);
CREATE INDEX times_diff_sum ON times (machine, diff_sum);
CREATE INDEX times_tracked_diff_sum ON times (machine, tracked_diff_sum);
CREATE INDEX times_record_diff_sum ON times (machine, record_diff_sum);
CREATE TABLE stretches (
    machine INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (machine, first_id)
) WITHOUT ROWID;
CREATE TABLE keyframes (
    machine INTEGER NOT NULL,
    time_id INTEGER NOT NULL,
    ticks TEXT NOT NULL,
    PRIMARY KEY (machine, time_id)
) WITHOUT ROWID;
CREATE TABLE ticks (
    machine INTEGER NOT NULL,
    time_id INTEGER NOT NULL,
    state INTEGER NOT NULL,
    tick INTEGER,
    diff INTEGER NOT NULL,
    PRIMARY KEY (machine, time_id, state)
) WITHOUT ROWID;
CREATE INDEX ticks_state ON ticks (machine, state, time_id);
CREATE INDEX ticks_active ON ticks (machine, state, time_id) WHERE tick & 1;
CREATE INDEX ticks_inactive ON ticks (machine, state, time_id) WHERE NOT tick & 1;
CREATE INDEX ticks_activated ON ticks (machine, state, time_id) WHERE tick & 1 AND diff > 0;
CREATE INDEX ticks_deactivated ON ticks (machine, state, time_id) WHERE NOT tick & 1 AND diff > 0;
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
    PRIMARY KEY (machine, record_id)
) WITHOUT ROWID;
CREATE INDEX transitions_id ON transitions (machine, transition_id);
"""
_STATEMENTS = tuple(text.strip() for text in TABLES.split(";") if text.strip())

OLD_FORMAT = (
    "{path} has format 1, whose records do not say which names their states had. It can only be"
    " restored from, by load_machine; move it away, and a new file begins"
)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a file for writing, readable by its owner only if it is made here.

    :raises HistoryError: if it is no history, one of another format, or cannot be opened.
    """
    check_sqlite()
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if not path.is_file():
            raise HistoryError(f"cannot open {path}: it is no regular file")
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, ValueError, sqlite3.Error) as exc:  # a NUL or a surrogate is a ValueError
        raise HistoryError(f"cannot open {os.fspath(path)!r}: {exc}") from exc
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS:d}")
        _guard(connection)
        _make(connection, path)
        # Only now: this writes to the file, which might have been somebody else's.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except (OSError, sqlite3.Error) as exc:
        connection.close()
        raise HistoryError(f"cannot open {path}: {exc}") from exc
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, *, mode: str = "rw", formats: tuple[int, ...] = (FORMAT,)) -> Reading:
    """Open an existing history for reading only; any thread may use it, one at a time.

    A reader beside a writer keeps shared memory up to date, which needs ``mode`` rw.

    :raises HistoryError: if it is no history of one of the formats.
    """
    check_sqlite()
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        if mode == "immutable":
            uri = uri.replace("mode=immutable", "mode=ro&immutable=1")
        if not path.is_file():
            why = "it is no regular file" if path.exists() else "there is no such file"
            raise HistoryError(f"cannot open {path}: {why}")
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except (OSError, ValueError, sqlite3.Error) as exc:
        raise HistoryError(f"cannot open {os.fspath(path)!r}: {exc}") from exc
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS:d}")
        connection.execute("PRAGMA query_only = ON")
        _guard(connection)
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version not in formats:
            raise _refusal(version, path)
        if version == FORMAT:
            _check_tables(connection, path)
    except (OSError, sqlite3.Error) as exc:
        connection.close()
        raise HistoryError(f"cannot open {path}: {exc}") from exc
    except BaseException:
        connection.close()
        raise
    return Reading(connection, version)


class Reading:
    """A read connection, and how long a question may take on it."""

    def __init__(self, connection: sqlite3.Connection, version: int) -> None:
        self.connection = connection
        self.version = version
        self._until = 0.0
        connection.set_progress_handler(self._is_late, _STEPS)
        self.grant()

    def grant(self) -> None:
        """Begin a question."""
        self._until = time.monotonic() + PATIENCE

    def check(self) -> None:
        """Raise what SQLite raises, if the question takes too long by many small steps."""
        if self._is_late():
            raise sqlite3.OperationalError("interrupted")

    def _is_late(self) -> bool:
        return time.monotonic() > self._until

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def check_sqlite() -> None:
    """Raise `HistoryError` if the SQLite of this Python is too old."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise HistoryError(f"histories need SQLite 3.35, this is {sqlite3.sqlite_version}")


def in_transaction(connection: sqlite3.Connection, work: Callable[[], None]) -> None:
    """Do the work in a transaction that writes, all of it or nothing.

    What SQLite said first is what is raised: after some errors it has rolled back by itself.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        work()
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _guard(connection: sqlite3.Connection) -> None:
    """Trust nothing that a file brings along."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)


def _refusal(version: int, path: Path) -> HistoryError:
    if version > FORMAT:
        return HistoryError(f"{path} has format {version}; this release knows {FORMAT}")
    if version == 1:
        return HistoryError(OLD_FORMAT.format(path=path))
    return HistoryError(f"{path} is a database, but no history")


def _make(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in an empty file, all or nothing; of several openers one does it."""
    if int(connection.execute("PRAGMA user_version").fetchone()[0]) == FORMAT:
        return _check_tables(connection, path)

    def work() -> None:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == FORMAT:
            return _check_tables(connection, path)
        if version or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise _refusal(version, path)
        for statement in _STATEMENTS:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT:d}")

    in_transaction(connection, work)


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file whose tables are others: a view or a trigger could do anything."""
    found = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'index')"
    missing = set(_STATEMENTS) - {sql for (sql,) in connection.execute(found)}
    foreign = "SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger')"
    if missing or connection.execute(foreign).fetchone():
        raise HistoryError(f"{path} says it is a history, but its tables are others")
