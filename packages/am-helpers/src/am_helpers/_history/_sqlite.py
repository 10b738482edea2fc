"""A history in an SQLite file: many machines to a file, one writer to a machine."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import trio

from .._errors import HistoryError
from ._batch import Clock, Ledger, enroll
from ._model import HistoryConfig, as_tuples, check_tracked, to_micros
from ._reader import Reader
from ._recorder import recorder_of, tell
from ._schema_json import schema_to_json
from ._tables import open_reader
from ._writer import Writer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from datetime import datetime

    import am_machine as am

    from ._model import MachineRecord, Query, TimeRecord

T = TypeVar("T")

DEFAULT_FILE = "am_history.sqlite"


class SqliteHistory:
    """Keeps the records of a machine in a file; see `HistoryApi`. Use it by ``async with``.

    A transition never waits for the disk. What `sync` has returned for survives a crash of the
    process; after a loss of power the file is consistent, but may lack the last transactions,
    unless ``durable``. Between syncs a crash loses at most 100 records or 100 ms. Errors after
    the start, from the disk or of records dropped because it is too slow, go to ``on_err``, in
    the task's thread; they are logged if there is none.

    :raises ValueError: if there is no state to track.
    :raises am.UnknownStateError: if the configuration names a state the machine lacks.
    """

    def __init__(
        self,
        mach: am.MachineApi,
        path: str | os.PathLike[str] = DEFAULT_FILE,
        config: HistoryConfig | None = None,
        *,
        durable: bool = False,
        on_err: Callable[[Exception], object] | None = None,
    ) -> None:
        self._mach = mach
        self._path = Path(path)
        self._config = config or HistoryConfig()
        self._on_err = on_err
        self._recorder = recorder_of(mach, self._config, self._due, self._stop)
        self._writer = Writer(
            self._path, durable, self._recorder, self._enroll, self._layout, self._tell
        )
        self._token: trio.lowlevel.TrioToken | None = None
        self._reader: Reader | None = None
        self._reading = trio.Lock()
        self._closed = False

    # ------------------------------------------------------------- life cycle

    async def __aenter__(self) -> Self:
        """Open the file and begin to record.

        :raises HistoryError: if the file cannot be used.
        """
        if self._token is not None:
            raise RuntimeError("a history is opened once")
        self._token = trio.lowlevel.current_trio_token()
        with trio.CancelScope(shield=True):  # a local file; half opened it would leave a thread
            ledger = await trio.to_thread.run_sync(self._writer.open)
        self._recorder.attach(ledger.next_id, ledger.last_at)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop recording, write what waits and close the file. Calling it again does nothing.

        It ends even if it is cancelled: the writer has a file of its own to close.
        """
        self._stop()
        if self._closed or self._token is None:
            return
        self._closed = True
        with trio.CancelScope(shield=True):
            error = await trio.to_thread.run_sync(self._writer.join)
            async with self._reading:
                if self._reader is not None:
                    await trio.to_thread.run_sync(self._reader.close)
        if error is not None:
            tell(self._recorder, error, self._on_err)
        await trio.lowlevel.checkpoint()

    def _stop(self) -> None:
        """End recording, on `aclose` or with the machine; the writer goes on to the end."""
        self._recorder.detach()
        self._writer.close(self._clock())

    async def sync(self) -> None:
        """Write all records made so far, with the machine's clock of now.

        :raises HistoryError: if they cannot be written; they wait on for the next try.
        """
        synced = trio.Event()
        errors: list[HistoryError | None] = []

        def done(error: HistoryError | None) -> None:
            errors.append(error)
            self._in_trio(synced.set)

        if self._writer.sync(self._clock(), done):
            await synced.wait()
        else:
            errors.append(await trio.to_thread.run_sync(self._writer.join))
        if errors[0] is not None:
            raise errors[0]

    # ------------------------------------------------- for recorder and writer

    def _due(self) -> None:
        self._writer.wake()

    def _clock(self) -> Clock:
        return Clock(tuple(self._mach.time()), self._mach.queue_tick)

    def _layout(self) -> tuple[tuple[str, ...], tuple[int, ...]]:
        return tuple(self._mach.schema), self._recorder.selection.indexes

    def _enroll(self, connection: sqlite3.Connection) -> Ledger:
        mach, config = self._mach, self._config
        schema = schema_to_json(mach.schema) if config.store_schema else None
        return enroll(
            connection,
            mach.id,
            self._clock(),
            tuple(mach.schema),
            self._recorder.selection.tracked,
            schema,
            mach.machine_tick,
            config.max_records,
        )

    def _tell(self, exc: Exception) -> None:
        self._in_trio(partial(tell, self._recorder, exc, self._on_err))

    def _in_trio(self, fn: Callable[[], Any]) -> None:
        assert self._token is not None
        with suppress(trio.RunFinishedError):  # nobody is left to be told
            self._token.run_sync_soon(fn)

    # --------------------------------------------------------------- questions

    @property
    def name(self) -> str:
        """The name of the tracer."""
        return self._recorder.name

    @property
    def config(self) -> HistoryConfig:
        """What is tracked and recorded."""
        return self._config

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def dropped(self) -> int:
        """How many records were lost to a disk that was too slow, or could not be written."""
        return self._writer.dropped

    @property
    def tracked(self) -> tuple[str, ...]:
        """The tracked states, in the order of the ticks in records."""
        return self._recorder.selection.tracked

    @property
    def machine_record(self) -> MachineRecord:
        """The machine as it was written last. Reads one row of the file; see `sync`."""
        with closing(open_reader(self._path)) as connection:
            return Reader(connection, self._mach.id).machine_record()

    def is_tracked(self, *states: str) -> bool:
        """Whether all these states are tracked."""
        return set(states) <= set(self._recorder.selection.tracked)

    async def activated_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether a record in the range entered the state."""
        return await self._between("activated", None, state, start, end)

    async def deactivated_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether a record in the range left the state."""
        return await self._between("deactivated", None, state, start, end)

    async def active_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether the state was active at any moment of the range."""
        return await self._between("active", True, state, start, end)

    async def inactive_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether the state was inactive at any moment of the range."""
        return await self._between("inactive", False, state, start, end)

    async def _between(
        self, condition: str, before: bool | None, state: str, start: datetime, end: datetime
    ) -> bool:
        """Look inside the range and, unless ``before`` is None, at the last record before it."""
        check_tracked((state,), self._recorder.selection.tracked)
        low, high = to_micros(start), to_micros(end)
        index = self._mach.schema.indexes((state,))[0]

        def ask(reader: Reader) -> bool:
            return low <= high and (
                reader.any_between(condition, index, low, high)
                or (before is not None and reader.was_before(before, index, low))
            )

        return await self._ask(ask)

    async def find_latest(
        self, query: Query, limit: int = 0, with_tx: bool = False
    ) -> list[TimeRecord]:
        """Find records, newest first; at most ``limit``, or all for 0."""
        query = as_tuples(query)
        query.ranges(), query.tick_ranges()  # refuses what does not fit together
        check_tracked(query.states(), self._recorder.selection.tracked)
        places = dict(
            zip(self._recorder.selection.tracked, self._recorder.selection.indexes, strict=True)
        )
        indexes = self._recorder.selection.indexes
        return await self._ask(lambda r: r.find(query, places, indexes, limit, with_tx))

    async def _ask(self, question: Callable[[Reader], T]) -> T:
        """Answer in a worker thread, on a connection that does not wait for writes."""
        if self._token is None or self._closed:
            raise HistoryError("the history is not open")

        def answer() -> T:
            if self._reader is None:
                self._reader = Reader(open_reader(self._path), self._mach.id)
            try:
                return question(self._reader)
            except sqlite3.Error as exc:
                raise HistoryError(f"cannot read {self._path}: {exc}") from exc

        async with self._reading:
            return await trio.to_thread.run_sync(answer)
