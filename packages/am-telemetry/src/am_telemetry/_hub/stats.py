"""What streams tell of themselves, for whoever shows it."""

from __future__ import annotations

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
