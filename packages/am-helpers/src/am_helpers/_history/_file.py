"""A history file for those who only read it, while it is written or after."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .._errors import HistoryError
from ._model import Query, as_tuples
from ._reader import Reader
from ._tables import FORMAT, Reading, open_reader

if TYPE_CHECKING:
    from ._model import MachineRecord, TimeRecord


class HistoryFile:
    """Reads a history file and never writes to it. Use it by ``with``; any thread may.

    Another process may write the file meanwhile. Calls block, as long as the disk needs and at
    most 30 s; in a task use ``trio.to_thread.run_sync``. Nothing in the file is executed, so it
    may come from strangers.

    :raises HistoryError: if it is no history, or cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._reader = Reader(open_unchanged(self._path), self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Calling it again does nothing."""
        self._reader.close()

    @property
    def path(self) -> Path:
        """The file, as it was given."""
        return self._path

    def machines(self) -> list[MachineRecord]:
        """All machines recorded in the file, by id, as they were written last.

        :raises HistoryError: if the file cannot be read, or is damaged.
        """
        return self._reader.machines()

    def machine(self, id: str) -> MachineRecord:
        """One machine, as it was written last.

        :raises HistoryError: if it is not there, or the file cannot be read, or is damaged.
        """
        return self._reader.machine_record(id)

    def records(
        self, id: str, query: Query | None = None, limit: int = 0, with_tx: bool = False
    ) -> list[TimeRecord]:
        """Find records of a machine, newest first; at most ``limit``, or all for 0.

        Each record names its states, since those may differ between versions of the machine.

        :raises QueryError: if no version tracked a state, or bounds do not fit together.
        :raises HistoryError: if the machine is not there, or the file cannot be read.
        :raises ValueError: if a time of the query is naive.
        """
        query = as_tuples(query or Query())
        query.ranges()  # both refuse what does not fit together
        query.tick_ranges()
        return self._reader.find(id, query, limit, with_tx)


def open_unchanged(path: Path, formats: tuple[int, ...] = (FORMAT,)) -> Reading:
    """Open a file without changing it.

    A file that nobody has open and whose folder cannot be written has no place for shared memory;
    then it does not change either.
    """
    try:
        return open_reader(path, mode="ro", formats=formats)
    except HistoryError:
        if os.path.exists(f"{path}-wal") or os.access(path.absolute().parent, os.W_OK):
            raise
        return open_reader(path, mode="immutable", formats=formats)
