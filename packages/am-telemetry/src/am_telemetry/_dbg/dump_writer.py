"""What machines do, written to a dump file by the hub."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .._env import LOGGER
from .._hub import Closing, Consumer, Hub, time_of_last
from . import messages as m
from .consumer import mach_of, new_process
from .dump import DumpFile
from .encode import schema_def
from .feed import Feed
from .items import Ended, Gap, Run
from .outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    import am_machine as am

    from .._hub import Batch, Handle, MachineLink
    from .items import Rebound, Track

FLUSH_EACH = 1.0
"""Seconds between two flushes of the compressor."""
_ALL = 1 << 40


class _File:
    """The file of a dump, until it cannot be written; that is told once, and what follows is lost.

    Nothing is raised, and nothing is kept for later: in the middle of a compressed file there is no
    going on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._failed = False

    def write(self, data: bytes) -> int:
        """Write, if it still can be."""
        if not self._failed:
            with self._telling():
                self._file.write(data)
        return len(data)

    def flush(self) -> None:
        """Have the system take what was written."""
        if not self._failed:
            with self._telling():
                self._file.flush()

    def close(self) -> None:
        """End the file."""
        with self._telling():
            self._file.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if not self._failed:
                self._failed = True
                LOGGER.error(
                    "the dump %s cannot be written: %s; it ends before that", self._path, exc
                )


class _Writing(Consumer):
    """What the hub tells, into a dump; in the hub's thread."""

    def __init__(self, file: _File) -> None:
        self._file = file
        self._dump = DumpFile(file, new_process())
        self._outbox = Outbox(_ALL)
        self._feed = Feed(self._outbox)
        self._came: deque[tuple[MachineLink, tuple[int, ...]]] = deque()
        self._schemas: set[bytes] = set()
        self._machines = 0
        self._next_flush = 0.0
        self.is_closing = self.is_closed = False

    def bound(self, link: MachineLink) -> None:
        """A machine came."""
        machine = link.machine
        if machine is not None:
            self._came.append((link, tuple(machine.time())))

    def _meet(self) -> None:
        while self._came:
            link, clock = self._came.popleft()
            track = self._outbox.track(link, clock)
            self._machines += not track.is_known
            self._introduce(track)

    def _introduce(self, track: Track) -> None:
        schema = schema_def(track.link.schema)
        if schema.hash not in self._schemas:
            self._schemas.add(schema.hash)
            self._dump.message(schema)
        self._dump.message(mach_of(track, schema))
        track.is_known = True

    def entries(self, batch: Batch) -> None:
        """What machines did."""
        self._meet()
        tracks = self._outbox.tracks
        for link, entries in batch:
            track = tracks.get(link.number)
            if track is not None:
                self._feed.entries(track, entries)
        self._put(time_of_last(batch[-1][1]))

    def lost(self, link: MachineLink, count: int, at: int) -> None:
        """Entries were lost in a journal."""
        self._meet()
        track = self._outbox.tracks.get(link.number)
        if track is not None:
            self._feed.lost(track, count, at)

    def schema_changed(self, link: MachineLink) -> None:
        """Told again."""
        self._meet()
        track = self._outbox.tracks.get(link.number)
        if track is not None:
            self._introduce(track)

    def pipes_changed(self, link: MachineLink) -> None:
        """Told again."""
        self.schema_changed(link)

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine went."""
        self._meet()
        track = self._outbox.tracks.get(link.number)
        if track is not None:
            self._feed.end(track, at)
            self._put(at)

    def tick(self, at: float) -> None:
        """Flush now and then."""
        self._meet()
        if at >= self._next_flush and not self.is_closed:
            self._next_flush = at + FLUSH_EACH
            self._dump.flush()

    def flush(self, deadline: float) -> None:
        """The end of the dump, if it was asked for or the program ends; else more may follow."""
        if not self.is_closing and threading.main_thread().is_alive():
            self._next_flush = 0.0
            self.tick(0.0)
        elif not self.is_closed:
            self.is_closed = True
            self._meet()
            self._dump.close(self._machines, self._outbox.dropped)
            self._file.close()

    def forked(self) -> None:
        """The file is the parent's."""
        self.is_closed = True
        self._came.clear()

    def _put(self, at: int) -> None:
        """Everything that waits, in chunks."""
        outbox, dump = self._outbox, self._dump
        while True:
            if outbox.unsent and dump.opens_chunk(at):
                for track in outbox.tracks.values():
                    track.needs_keyframe = True
            wires: list[bytes] = []
            count = 0
            for item in outbox.take(min(m.MAX_BATCH, dump.room() or 1), 1 << 17):
                if isinstance(item, Run):
                    count += len(item)
                    wires += item.wires
                else:
                    dump.entries_message(wires)
                    wires = []
                    self._put_marker(item)
            dump.entries_message(wires)
            # What is written needs no acknowledgement.
            outbox.ack(outbox.acked + count)
            if not outbox.unsent and not count:
                return

    def _put_marker(self, item: Gap | Rebound | Ended) -> None:
        track = item.track
        if isinstance(item, Ended):
            self._dump.message(m.Gone(track.h, item.at))
            return
        self._introduce(track)
        if isinstance(item, Gap) and item.count:
            self._dump.message(m.Drop(track.h, item.count, item.at))


class DbgWriter(Closing):
    """Writes what machines do to a dump file, for runs without a debugger.

    The file is made anew, readable by its owner alone. Used as `with` it is closed at the end, with
    an index; a dump that was not closed can be read all the same. If it cannot be written on, as on
    a full disk, that is one error in the log.

    :raises OSError: if the file cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        file = _File(self.path)
        self._hub = Hub.of_process()
        self._writing = _Writing(file)

    def bind(self, machine: am.MachineApi | am.BaseMachine) -> Handle:
        """Write what a machine does from now on, with its living and future submachines.

        :raises RuntimeError: in a thread other than the machine's.
        :raises TypeError: if it takes no tracers.
        """
        return self._hub.attach(self._writing, machine)

    def close(self) -> None:
        """Detach from all machines and end the file. Again: nothing. In any thread."""
        if not self._writing.is_closed:
            self._writing.is_closing = True
            self._hub.close(self._writing)

    def __repr__(self) -> str:
        return f"<DbgWriter to {self.path}>"
