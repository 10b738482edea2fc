"""Dumps, as the debugger's machine asks for them; and dumps written every so often."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .dump import SUFFIXES
from .dump_reader import read_dump
from .dump_writer import write_dump

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from am_telemetry import dbg

    from .._store.store import Store

KEPT_DUMPS = 24
_PREFIX = "am-dbg-"


class DumpFiles:
    """Reads and writes dumps; `process` is the one that writes."""

    def __init__(self, process: dbg.Process) -> None:
        self._process = process
        self.warnings: list[str] = []
        """What was wrong with files that were read."""

    def read(self, store: Store, path: str) -> Iterator[float]:
        """Take a dump in; yields, of 1, how much is done.

        :raises DumpError: if it is none.
        :raises OSError: if it cannot be read.
        """
        reading = None
        for reading in read_dump(store, Path(path)):
            yield reading.read / reading.size if reading.size else 1.0
        if reading is not None:
            self.warnings += reading.warnings

    def write(self, store: Store, path: str, moment: int | None) -> Iterator[float]:
        """Write all machines, or only a moment of them; yields, of 1, how much is done.

        :raises DumpError: if the name has no known ending.
        :raises OSError: if it cannot be written.
        """
        for written in write_dump(store, Path(path), self._process, moment=moment):
            yield written.entries / written.total if written.total else 1.0


def rotated_name(now: datetime) -> str:
    """The name of a dump that is written at a time."""
    return f"{_PREFIX}{now:%Y%m%d-%H%M%S-%f}{SUFFIXES[0]}"


def forget_old(folder: Path) -> list[Path]:
    """Remove the oldest rotated dumps of a folder, and return them; 24 stay.

    :raises OSError: if one cannot be removed.
    """
    found = sorted(folder.glob(f"{_PREFIX}[0-9]*{SUFFIXES[0]}"))
    gone = found[:-KEPT_DUMPS]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone
