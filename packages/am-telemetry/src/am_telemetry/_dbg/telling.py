"""What a connection is told once it lives: schemas, machines, entries, losses, ends, in order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from . import encode
from . import messages as m
from .items import Ended, Gap, Rebound, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .items import Item, Track
    from .outbox import Outbox
    from .stream import Stream

QUEUED_BYTES = 256 << 10
"""Bytes that are queued for the socket at once."""
BATCH_BYTES = 128 << 10
"""Bytes of entries in one message: as no list takes less than two, they cannot be too many."""
_TXS = b"\x93\x02\xa7dbg.txs\x91\xdd"


class Teller:
    """Puts messages into a stream, as many as have room. `mach` tells a machine and its schema as
    they travel, before the next entry of it."""

    def __init__(self, outbox: Outbox, mach: Callable[[Track], tuple[m.SchemaDef, m.Mach]]) -> None:
        self._outbox = outbox
        self._mach = mach
        # By hash, those that the connection was told of.
        self._schemas: set[bytes] = set()
        self._later: deque[m.Message] = deque(maxlen=outbox.limit)
        self._to_introduce: dict[int, Track] = {}

    def begin(self) -> None:
        """A connection lives: every machine has to be told."""
        self._schemas.clear()
        self._to_introduce = dict(self._outbox.tracks)

    @property
    def has_machines(self) -> bool:
        """Whether machines are still to be told."""
        return bool(self._to_introduce)

    def introduce(self, track: Track) -> None:
        """Tell a machine as soon as there is room, or again since something of it changed."""
        self._to_introduce[track.h] = track

    def later(self, message: m.Message) -> None:
        """Tell something that is no entry, of a machine; the latest are kept. In any thread."""
        self._later.append(message)

    def tell_first(self, stream: Stream) -> None:
        """Tell machines, and what was said later of."""
        waiting = self._to_introduce
        while waiting and stream.pending < QUEUED_BYTES:
            h = next(iter(waiting))
            track = waiting.pop(h)
            if h in self._outbox.tracks and not track.is_gone:
                self._introduce(stream, track)
        while self._later and stream.pending < QUEUED_BYTES:
            self._tell_later(stream, self._later.popleft())

    def tell_entries(self, stream: Stream) -> None:
        """Tell what the outbox has, if there is room for a batch."""
        if stream.pending < QUEUED_BYTES:
            self._put(stream, self._outbox.take(m.MAX_BATCH, BATCH_BYTES))

    def _introduce(self, stream: Stream, track: Track) -> None:
        schema, mach = self._mach(track)
        if schema.hash not in self._schemas:
            self._schemas.add(schema.hash)
            stream.send(encode.encode(schema))
        stream.send(encode.encode(mach))
        track.is_known = True

    def _tell_later(self, stream: Stream, message: m.Message) -> None:
        h = message.h if isinstance(message, m.Log) else 0
        track = self._outbox.tracks.get(h)
        if track is not None:
            if not track.is_known:
                self._introduce(stream, track)
            stream.send(encode.encode(message))

    def _put(self, stream: Stream, items: Iterable[Item]) -> None:
        wires: list[bytes] = []
        for item in items:
            if isinstance(item, Run):
                if not item.track.is_known:
                    _put_entries(stream, wires)
                    self._introduce(stream, item.track)
                wires += item.wires
            else:
                _put_entries(stream, wires)
                self._put_marker(stream, item)
        _put_entries(stream, wires)

    def _put_marker(self, stream: Stream, item: Gap | Rebound | Ended) -> None:
        track = item.track
        if not isinstance(item, Ended) or not track.is_known:
            # After a gap for its clock: perhaps nothing follows that would tell it.
            self._introduce(stream, track)
        if isinstance(item, Gap) and item.count:
            stream.send(encode.encode(m.Drop(track.h, item.count, item.at)))
        elif isinstance(item, Ended):
            stream.send(encode.encode(m.Gone(track.h, item.at)))


def _put_entries(stream: Stream, wires: list[bytes]) -> None:
    """One message of entries, which leave the list."""
    if wires:
        stream.send(b"".join((_TXS, len(wires).to_bytes(4, "big"), *wires)))
        wires.clear()
