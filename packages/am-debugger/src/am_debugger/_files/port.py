"""Dumps, as the debugger's machine asks for them; and dumps written every so often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.ports import Progress
from .atomic import path_of
from .dump import SUFFIXES
from .dump_reader import read_dump
from .dump_writer import write_dump

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from am_telemetry import dbg

    from .._store.store import Store

KEPT_DUMPS = 24
_PREFIX = "am-dbg-"
# What `rotated_name` makes, and nobody else: people name dumps `am-dbg-1`, too.
_ROTATED = f"{_PREFIX}{'[0-9]' * 8}-{'[0-9]' * 6}-{'[0-9]' * 6}{SUFFIXES[0]}"


class DumpFiles:
    """Reads and writes dumps; `process` is the one that writes."""

    def __init__(self, process: dbg.Process) -> None:
        self._process = process

    def read(self, store: Store, path: str) -> Iterator[Progress]:
        """Take a dump in; yields how far that is.

        :raises DumpError: if it is none.
        :raises OSError: if it cannot be read.
        """
        for reading in read_dump(store, path_of(path)):
            share = reading.read / reading.size if reading.size else 1.0
            yield Progress(share, reading.entries, tuple(reading.warnings))

    def write(self, store: Store, path: str, moment: int | None) -> Iterator[Progress]:
        """Write all machines, or only a moment of them; yields how far that is.

        :raises DumpError: if the name has no known ending.
        :raises OSError: if it cannot be written.
        """
        for written in write_dump(store, path_of(path), self._process, moment=moment):
            share = written.entries / written.total if written.total else 1.0
            yield Progress(share, written.entries)


def rotated_name(now: datetime) -> str:
    """The name of a dump that is written at a time."""
    return f"{_PREFIX}{now:%Y%m%d-%H%M%S-%f}{SUFFIXES[0]}"


def forget_old(folder: Path) -> list[Path]:
    """Remove the oldest rotated dumps of a folder, and return them; 24 stay.

    :raises OSError: if one cannot be removed.
    """
    found = sorted(folder.glob(_ROTATED))
    gone = found[:-KEPT_DUMPS]
    for path in gone:
        path.unlink(missing_ok=True)
    return gone
