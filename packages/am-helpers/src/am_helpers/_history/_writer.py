"""The thread that owns the connection to a history file and writes batches to it.

The machine's thread only leaves notes with the recorder, so a transition never waits for the disk.
They are written when `BATCH` of them wait, when the first has waited `BATCH_DELAY`, when somebody
syncs, and at the end. A batch that could not be written waits on; what waits is bounded.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, TypeAlias

from .._errors import HistoryError
from ._batch import Clock, Ledger, rotate, write
from ._tables import open_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ._notes import Note
    from ._recorder import AnyRecorder

    Enroll: TypeAlias = Callable[[sqlite3.Connection], Ledger]
    Done: TypeAlias = Callable[[HistoryError | None], object]

BATCH = 100
BATCH_DELAY = 0.1  # seconds
MAX_WAITING = 10_000
"""How many notes may wait for the disk; beyond that the oldest are dropped."""
RETRY_DELAY = 1.0  # seconds between tries while the file cannot be written


class Writer:
    """Opens a file in a thread of its own and writes what is put, until it is closed.

    ``tell`` gets each failure once, in the writer's thread; ``layout`` gives all state names and
    the tracked indexes, and is called there too.
    """

    def __init__(
        self,
        path: Path,
        durable: bool,
        recorder: AnyRecorder,
        enroll_in: Enroll,
        layout: Callable[[], tuple[tuple[str, ...], Sequence[int]]],
        tell: Callable[[Exception], object],
    ) -> None:
        self.dropped = 0
        self._path = path
        self._durable = durable
        self._recorder = recorder
        self._enroll = enroll_in
        self._layout = layout
        self._tell = tell
        # What could not be written yet; newer notes are still with the recorder.
        self._waiting: list[Note] = []
        self._changed = threading.Condition()
        self._syncs: list[Done] = []
        self._clock: Clock | None = None
        self._closing = False
        self._failing = False
        self._dropping = False
        self._due_id = 1
        self._thread = threading.Thread(target=self._run, name=f"history {path.name}")
        self._opened = threading.Event()
        self._ledger: Ledger | None = None
        self._error: HistoryError | None = None

    def open(self) -> Ledger:
        """Start the thread and return where records go on. Blocks; call it in a worker thread.

        :raises HistoryError: if the file cannot be used; then no thread is left.
        """
        self._thread.start()
        self._opened.wait()
        if self._ledger is None:
            self._thread.join()
            raise self._error or HistoryError(f"cannot open {self._path}")
        return self._ledger

    def wake(self) -> None:
        """There is a first note, or a batch of them. Called in transitions, so it does little."""
        with self._changed:
            self._changed.notify()

    def sync(self, clock: Clock, done: Done) -> bool:
        """Call ``done(error or None)`` in the writer's thread once all notes put are written.

        ``clock`` is that of the machine now. Returns False, and calls nothing, after `close`.
        """
        with self._changed:
            if self._closing:
                return False
            self._clock = clock
            self._syncs.append(done)
            self._changed.notify()
            return True

    def close(self, clock: Clock) -> None:
        """Have the rest written and the file closed. Does not wait; see `join`."""
        with self._changed:
            if not self._closing:
                self._clock = clock
                self._closing = True
                self._changed.notify()

    def join(self) -> HistoryError | None:
        """Wait for the end of the thread after `close`; return what kept it from writing all."""
        self._thread.join()
        return self._error

    # ------------------------------------------------------ the writer's thread

    def _run(self) -> None:
        try:
            connection = open_writer(self._path, durable=self._durable)
        except HistoryError as exc:
            self._error = exc
            self._opened.set()
            return
        try:
            try:
                self._ledger = self._enroll(connection)
                self._due_id = self._ledger.next_id
            except Exception as exc:
                self._error = HistoryError(f"cannot use {self._path}: {exc}")
                self._error.__cause__ = exc
            finally:
                self._opened.set()
            if self._ledger is not None:
                self._work(self._ledger)
        finally:
            connection.close()

    def _work(self, ledger: Ledger) -> None:
        closing = False
        while not closing:
            syncs, clock, closing = self._wait()
            error = self._write_waiting(ledger, clock)
            if closing and error is not None:
                self._lose(len(self._waiting))
                self._error = error
            for done in syncs:
                done(error)

    def _wait(self) -> tuple[list[Done], Clock | None, bool]:
        """Sleep until there is something to write or to answer."""
        with self._changed:
            self._changed.wait_for(self._has_work)
            self._changed.wait_for(
                self._is_due, timeout=RETRY_DELAY if self._failing else BATCH_DELAY
            )
            syncs, self._syncs = self._syncs, []
            clock, self._clock = self._clock, None
            return syncs, clock, self._closing

    def _has_work(self) -> bool:
        return bool(self._waiting or self._syncs or self._closing or not self._recorder.rest())

    def _is_due(self) -> bool:
        if self._syncs or self._closing:
            return True
        if not self._failing:
            return len(self._recorder) >= BATCH
        # More notes are no reason to try again at once, but the oldest of too many give way.
        self._collect()
        return False

    def _collect(self) -> list[Note]:
        """All notes that are to be written, at most as many as may wait."""
        self._waiting += self._recorder.take()
        del self._waiting[:-MAX_WAITING]
        return self._waiting

    def _write_waiting(self, ledger: Ledger, clock: Clock | None) -> HistoryError | None:
        notes = self._collect()
        try:
            names, indexes = self._layout()
            if notes:
                noted = Clock(notes[-1].after, notes[-1].queue_tick)
                if clock is None or sum(noted.time) > sum(clock.time):
                    clock = noted  # the machine went on after it was asked
            write(ledger, notes, indexes, clock, names)
        except Exception as exc:  # of any kind: those who sync must be answered
            return self._failed(exc)
        self._failing = False
        self._waiting = []
        self._count_lost(notes)
        try:
            rotate(ledger)
        except sqlite3.Error as exc:  # the records are safe, and the next batch rotates again
            self._tell(HistoryError(f"cannot rotate {self._path}: {exc}"))
        return None

    def _failed(self, exc: Exception) -> HistoryError:
        error = HistoryError(f"cannot write {self._path}: {exc}")
        error.__cause__ = exc
        if not self._failing:
            self._failing = True
            self._tell(error)
        return error

    def _count_lost(self, notes: list[Note]) -> None:
        """Ids have no gaps but those of notes which the bound pushed out."""
        if not notes:
            return
        due, self._due_id = self._due_id, notes[-1].id + 1
        missing = self._due_id - due - len(notes)
        if missing:
            self._lose(missing)
        else:
            self._dropping = False

    def _lose(self, count: int) -> None:
        self.dropped += count
        if count and not self._dropping:
            self._dropping = True
            self._tell(HistoryError(f"{self._path} was too slow: {count} records dropped"))
