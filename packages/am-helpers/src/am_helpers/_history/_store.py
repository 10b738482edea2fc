"""A history file as one process uses it: opened once, however many machines record into it."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from weakref import WeakValueDictionary

import trio

from .._errors import HistoryError
from ._reader import Reader
from ._tables import open_reader
from ._writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._ledger import Clock
    from ._member import Member

T = TypeVar("T")

_registering = threading.Lock()
_stores: WeakValueDictionary[str, SqliteStore] = WeakValueDictionary()


class SqliteStore:
    """A history file, shared by any number of `SqliteHistory` of this process.

    The same path, by whatever name it is reached, gives the same store. It has one thread that
    writes, one connection that reads, and is open while a history is, or as long as it is used by
    ``async with`` itself. A relative path is that of the moment it is named.

    :raises HistoryError: if the path cannot be that of a file.
    """

    path: Path
    """Absolute, with links resolved."""

    def __new__(cls, path: str | os.PathLike[str]) -> Self:
        try:
            real = os.path.realpath(os.fspath(path))
            real.encode(errors="surrogateescape")
        except (ValueError, OSError) as exc:
            raise HistoryError(f"cannot open {path!r}: {exc}") from exc
        with _registering:
            store = _stores.get(real)
            if not isinstance(store, cls):
                store = super().__new__(cls)
                store.path = Path(real)
                store._lock = threading.Lock()
                store._reading = threading.Lock()
                store._writer = None
                store._reader = None
                store.members = {}
                _stores[real] = store
            return store

    _lock: threading.Lock
    # Not the same: who holds the other one may wait for the writer, and it closes the reader.
    _reading: threading.Lock
    _writer: Writer | None
    _reader: Reader | None
    members: dict[Member, Callable[[], Clock]]
    """Those that record now, and how to ask for their clocks."""

    async def __aenter__(self) -> Self:
        """Open the file, and keep it open between histories.

        :raises HistoryError: if it cannot be used.
        """
        answer = Answer()
        await self.begin(lambda writer: writer.hold(answer))
        with trio.CancelScope(shield=True):  # a local file; half opened it would stay open
            await answer.wait()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        answer = Answer()
        if self._writer is not None and self._writer.release(answer):
            await self.end(answer)

    async def sync(self) -> None:
        """Write what all histories recorded so far, in one transaction. See `SqliteHistory.sync`.

        :raises HistoryError: if it cannot be written; it waits on for the next try.
        """
        answer = Answer()
        clocks = [(member, clock()) for member, clock in list(self.members.items())]
        if self._writer is not None and self._writer.sync(clocks, answer):
            await answer.wait()
        else:
            await trio.lowlevel.checkpoint()

    # ------------------------------------------------------------------ for histories

    async def begin(self, ask: Callable[[Writer], bool]) -> None:
        """Ask the writer, or a new one if there is none. Shielded; not for long."""
        if self._writer is None or not ask(self._writer):
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._renew, ask)

    def _renew(self, ask: Callable[[Writer], bool]) -> None:
        with self._lock:
            if self._writer is not None:
                if ask(self._writer):
                    return
                self._writer.closed.wait()  # a moment: it has only the file to close
            self._writer = Writer(self.path, self._close_reader)
            ask(self._writer)
            self._writer.start()

    async def end(self, answer: Answer) -> None:
        """Wait for the end of a history, or of the file with the last one. Shielded."""
        with trio.CancelScope(shield=True):
            try:
                await answer.wait()
            finally:
                writer = self._writer
                if writer is not None and writer.is_over:
                    await trio.to_thread.run_sync(writer.wait_closed)

    @property
    def writer(self) -> Writer:
        """The thread that writes; there once a history was opened."""
        assert self._writer is not None
        return self._writer

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """Answer in a worker thread, on a connection that does not wait for writes.

        :raises HistoryError: if the file cannot be read.
        """
        return await trio.to_thread.run_sync(lambda: self._answer(question))

    def _answer(self, question: Callable[[Reader], T]) -> T:
        with self._reading:
            writer = self._writer
            if is_kept := writer is not None and not writer.is_over:
                if self._reader is None:
                    self._reader = Reader(open_reader(self.path), self.path)
                reader = self._reader
            else:
                # The end of the writer closes what is kept; after it nobody would.
                reader = Reader(open_reader(self.path), self.path)
        try:
            return question(reader)
        finally:
            if not is_kept:
                reader.close()

    def _close_reader(self) -> None:
        """The writer's thread is about to end. Its connection is the last, and tidies up."""
        with self._reading:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class Answer:
    """What a writer's thread will say to the task that made this."""

    def __init__(self, token: trio.lowlevel.TrioToken | None = None) -> None:
        self._token = token or trio.lowlevel.current_trio_token()
        self._heard = trio.Event()
        self._error: HistoryError | None = None

    def __call__(self, error: HistoryError | None) -> None:
        """Say it, in any thread."""
        self._error = error
        with suppress(trio.RunFinishedError):  # nobody is left to be told
            self._token.run_sync_soon(self._heard.set)

    async def wait(self) -> None:
        """Wait for it.

        :raises HistoryError: if that is what was said.
        """
        await self._heard.wait()
        if self._error is not None:
            raise self._error


if hasattr(os, "register_at_fork"):
    # A forked child has neither the threads nor the locks of its parent's stores.
    os.register_at_fork(after_in_child=_stores.clear)
