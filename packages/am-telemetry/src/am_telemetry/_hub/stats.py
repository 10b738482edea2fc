"""What streams tell of themselves, for whoever shows it."""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple, Protocol


class StreamStats(NamedTuple):
    """Numbers of one debugger stream; `acked + dropped + buffered == produced` at all times."""

    produced: int = 0
    """Entries in all."""
    acked: int = 0
    """Those that the debugger has taken."""
    dropped: int = 0
    """Those that were lost, in the machine's journal or here."""
    buffered: int = 0
    """Those that are kept, sent or not."""
    bytes: int = 0
    """Bytes sent."""
    connected: bool = False


class Stream(Protocol):
    """Something that has such numbers."""

    @property
    def stats(self) -> StreamStats:
        """The numbers of now. In any thread."""
        ...


def add_stats(one: StreamStats, other: StreamStats) -> StreamStats:
    """The numbers of two streams together; connected if one of them is."""
    return StreamStats(
        one.produced + other.produced,
        one.acked + other.acked,
        one.dropped + other.dropped,
        one.buffered + other.buffered,
        one.bytes + other.bytes,
        one.connected or other.connected,
    )


class Streams:
    """The streams of a process, and what those counted that are closed. In any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: list[Stream] = []
        self._closed = StreamStats()

    def add(self, stream: Stream) -> None:
        """Have a stream's numbers in the total."""
        with self._lock:
            self._open.append(stream)

    def remove(self, stream: Stream) -> None:
        """It is closed; what it counted stays."""
        last = stream.stats
        with self._lock:
            if stream in self._open:
                self._open.remove(stream)
                self._closed = add_stats(self._closed, last)

    def total(self) -> tuple[StreamStats, int]:
        """The numbers of all streams together, and how many of them are connected."""
        with self._lock:
            streams, total = list(self._open), self._closed
        connected = 0
        for stream in streams:
            stats = stream.stats
            connected += stats.connected
            total = add_stats(total, stats)
        return total, connected

    def forked(self) -> None:
        """This is a child process: another thread may have held the lock."""
        self._lock = Lock()
