"""Whether a file that is open is still the one with its name.

SQLite goes on to write to a file that was removed or replaced, and tells nobody.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from .._errors import HistoryError

if TYPE_CHECKING:
    from pathlib import Path

_Id: TypeAlias = "tuple[int, int] | None"


class FileId:
    """What a database and its write-ahead log are on the disk, as of now."""

    def __init__(self, path: Path) -> None:
        self._path, self._log = os.fspath(path), f"{path}-wal"
        self._ids: tuple[_Id, _Id] = (_id_of(self._path), None)

    def note(self) -> None:
        """A transaction is through, so the log is there too."""
        if self._ids[1] is None:
            self._ids = (self._ids[0], _id_of(self._log))

    def check(self) -> None:
        """Raise `HistoryError` if the file or its log was removed or replaced."""
        path, log = self._ids
        if path is not None and _id_of(self._path) != path:
            raise HistoryError("the file was removed or replaced")
        if log is not None and _id_of(self._log) != log:
            raise HistoryError("the file's -wal was removed or replaced")


def _id_of(path: str) -> _Id:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino)
