"""The history of a machine in an SQLite file: many machines to a file, one writer to a machine."""

from __future__ import annotations

from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

import trio

from .._errors import HistoryError
from ._ledger import Clock
from ._member import Member
from ._model import HistoryConfig, as_tuples, to_micros
from ._reader import Reader
from ._recorder import recorder_of, tell
from ._store import Answer, SqliteStore
from ._tables import open_reader

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import am_machine as am

    from ._model import MachineRecord, Query, TimeRecord

T = TypeVar("T")

DEFAULT_FILE = "am_history.sqlite"


class SqliteHistory:
    """Keeps the records of a machine in a file; see `HistoryApi`. Use it by ``async with``.

    A transition never waits for the disk. What `sync` has returned for survives a crash of the
    process; after a loss of power the file is consistent, but may lack the last transactions,
    unless ``durable``. Between syncs a crash loses at most 100 records or 100 ms. Errors after
    the start, from the disk, of records dropped because it is too slow, or of one that cannot be
    written, go to ``on_err``, in the task's thread; they are logged if there is none.

    Histories of one file share its `SqliteStore`, whether they are given the path or the store.
    One process at a time records a machine. Whether a writer on another host still runs cannot be
    seen: ``take_over`` says that it does not.

    :raises ValueError: if there is no state to track.
    :raises am.UnknownStateError: if the configuration names a state the machine lacks.
    :raises HistoryError: if the path cannot be that of a file.
    """

    def __init__(
        self,
        mach: am.MachineApi,
        path: str | os.PathLike[str] | SqliteStore = DEFAULT_FILE,
        config: HistoryConfig | None = None,
        *,
        durable: bool = False,
        on_err: Callable[[Exception], object] | None = None,
        take_over: bool = False,
    ) -> None:
        self._mach = mach
        self._store = path if isinstance(path, SqliteStore) else SqliteStore(path)
        self._config = config or HistoryConfig()
        self._on_err = on_err
        self._recorder = recorder_of(mach, self._config, self._due, self._stop)
        self._member = Member(
            mach.id,
            self._recorder,
            self._config,
            self._tell,
            durable=durable,
            take_over=take_over,
        )
        self._token: trio.lowlevel.TrioToken | None = None
        self._farewell: Answer | None = None
        self._closed = False

    # ------------------------------------------------------------- life cycle

    async def __aenter__(self) -> Self:
        """Open the file, if no other history has, and begin to record.

        :raises HistoryError: if the file cannot be used, or another process records the machine.
        """
        if self._token is not None:
            raise RuntimeError("a history is opened once")
        self._token = trio.lowlevel.current_trio_token()
        answer = Answer()
        with trio.CancelScope(shield=True):  # a local file; half opened it would stay open
            await self._store.begin(lambda w: w.join(self._member, self._clock(), answer))
            try:
                await answer.wait()
            except HistoryError:
                self._closed = True
                raise
        ledger = self._member.ledger
        self._recorder.attach(ledger.next_id, ledger.last_at)
        self._store.members[self._member] = self._clock
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop recording and write what waits; the last history of a file closes it.

        Calling it again does nothing. It ends even if it is cancelled. What could not be written
        is told to ``on_err`` and counted in `dropped`.
        """
        self._stop()
        if self._closed or self._farewell is None:
            return
        self._closed = True
        with suppress(HistoryError):  # told already
            await self._store.end(self._farewell)
        await trio.lowlevel.checkpoint()

    def _stop(self) -> None:
        """End recording, on `aclose` or with the machine; the writer goes on to the end."""
        self._recorder.detach()
        if self._token is None or self._closed or self._farewell is not None:
            return
        self._store.members.pop(self._member, None)
        self._farewell = Answer(self._token)
        if not self._store.writer.leave(self._member, self._clock(), self._farewell):
            self._farewell(self._member.ended)  # the thread is gone, and has told why

    async def sync(self) -> None:
        """Write all records made so far, with the machine's clock of now.

        :raises HistoryError: if they cannot be written; they wait on for the next try.
        """
        answer = self._farewell
        if self._token is None:
            await trio.lowlevel.checkpoint()
            return
        if answer is None:
            answer = Answer()
            if not self._store.writer.sync([(self._member, self._clock())], answer):
                answer(self._member.ended)
        await answer.wait()

    # ------------------------------------------------- for recorder and writer

    def _due(self) -> None:
        self._store.writer.wake(self._member)

    def _clock(self) -> Clock:
        mach = self._mach
        return Clock(tuple(mach.time()), mach.queue_tick, mach.machine_tick)

    def _tell(self, exc: Exception) -> None:
        assert self._token is not None
        with suppress(trio.RunFinishedError):  # nobody is left to be told
            self._token.run_sync_soon(partial(tell, self._recorder, exc, self._on_err))

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
        """The file; absolute, with links resolved."""
        return self._store.path

    @property
    def dropped(self) -> int:
        """How many records were lost: to a disk that was too slow, or could not be written."""
        return self._member.dropped

    @property
    def tracked(self) -> tuple[str, ...]:
        """The states that are tracked now, in the order of the ticks in new records."""
        return self._recorder.selection.tracked

    @property
    def machine_record(self) -> MachineRecord:
        """The machine as it was written last. Reads one row of the file; see `sync`.

        :raises HistoryError: if the file cannot be read.
        """
        with closing(Reader(open_reader(self.path), self.path)) as reader:
            return reader.machine_record(self._member.machine_id)

    def is_tracked(self, *states: str) -> bool:
        """Whether all these states are tracked now."""
        return set(states) <= set(self._recorder.selection.tracked)

    async def activated_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether a record in the range entered the state."""
        return await self._between("activated", state, start, end)

    async def deactivated_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether a record in the range left the state."""
        return await self._between("deactivated", state, start, end)

    async def active_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether the state was active at any moment of the range."""
        return await self._between("active", state, start, end)

    async def inactive_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether the state was inactive at any moment of the range."""
        return await self._between("inactive", state, start, end)

    async def _between(self, condition: str, state: str, start: datetime, end: datetime) -> bool:
        low, high = to_micros(start), to_micros(end)
        id_, now = self._member.machine_id, self.tracked
        return await self._ask(lambda r: r.between(id_, condition, state, low, high, now))

    async def find_latest(
        self, query: Query, limit: int = 0, with_tx: bool = False
    ) -> list[TimeRecord]:
        """Find records, newest first; at most ``limit``, or all for 0.

        A state counts in the records of versions that tracked it.

        :raises QueryError: if no version tracked a state, or bounds do not fit together.
        :raises HistoryError: if the file cannot be read, or it takes more than 30 s.
        """
        query = as_tuples(query)
        query.ranges()  # both refuse what does not fit together
        query.tick_ranges()
        id_, now = self._member.machine_id, self.tracked
        return await self._ask(lambda r: r.find(id_, query, limit, with_tx, now))

    async def _ask(self, question: Callable[[Reader], T]) -> T:
        if self._token is None or self._closed:
            raise HistoryError("the history is not open")
        return await self._store.ask(question)
