"""How long handlers of one machine ran, and how long its queue was: what level 2 tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..._store.layout import Kept
from ..._store.packing import unpack

if TYPE_CHECKING:
    from ..._store.client import Client

SLOW = 100_000
"""Microseconds from which on a handler is slow."""
MOST_NAMES = 1000
MOST_LENGTHS = 256
_DURATION, _LENGTH, _RUNS = 2, 3, 8
_ONLY_QUEUED = int(Kept.QUEUED)


@dataclass(slots=True)
class Slow:
    """A handler that was slow: the transition in which it was so the longest."""

    number: int
    longest: int
    count: int


class Length(NamedTuple):
    """How many mutations waited at the end of a transition."""

    number: int
    length: int


class Measures:
    """Slow handlers by name, and lengths of the queue."""

    def __init__(self) -> None:
        self.slow: dict[str, Slow] = {}
        self.lengths: list[Length] = []
        """Not more than a few hundred, evenly spread, the latest one last."""
        self.longest: Length | None = None
        self.cliff: Length | None = None
        """Where most of a long queue was gone at once, without being worked off."""
        self.latest: Length | None = None
        self._stride = 1
        self._seen = 0

    def look(self, client: Client, first: int, last: int) -> None:
        """Go through transitions that came."""
        number, kept = first, client.columns.kept
        for chunk, start, end in client.columns.pieces(first, last):
            begin = chunk.ends[start - 1] if start else 0
            for stop in chunk.ends[start:end]:
                # An array of up to 15 things: the first byte tells how many.
                has_more = stop > begin and (chunk.packed[begin] & 0x0F) > _DURATION
                if has_more and not kept[number - client.first] & _ONLY_QUEUED:
                    self._note(number, unpack(bytes(chunk.packed[begin:stop])))
                begin = stop
                number += 1

    def _note(self, number: int, rest: list[object]) -> None:
        length = rest[_LENGTH] if len(rest) > _LENGTH else None
        if isinstance(length, int):
            self._queue(Length(number, length))
        runs = rest[_RUNS] if len(rest) > _RUNS else None
        if isinstance(runs, (list, tuple)):
            for name, took in runs:
                if took >= SLOW:
                    self._ran(str(name), number, took)

    def _ran(self, name: str, number: int, took: int) -> None:
        known = self.slow.get(name)
        if known is None:
            if len(self.slow) < MOST_NAMES:
                self.slow[name] = Slow(number, took, 1)
            return
        known.count += 1
        if took > known.longest:
            known.number, known.longest = number, took

    def _queue(self, now: Length) -> None:
        before = self.latest
        fell = 0 if before is None else before.length - now.length
        if before is not None and fell > max(before.length // 2, 1):
            self.cliff = max(self.cliff or before, before, key=lambda one: one.length)
        self.latest = now
        if self.longest is None or now.length > self.longest.length:
            self.longest = now
        if self._seen % self._stride == 0:
            self.lengths.append(now)
            if len(self.lengths) >= MOST_LENGTHS:
                del self.lengths[1::2]
                self._stride *= 2
        self._seen += 1
