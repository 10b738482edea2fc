"""What peers tell each other of a machine, and which of two tellings is newer."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgpack  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping

Key: TypeAlias = tuple[bytes, int]
"""A machine: the 8 bytes of its peer, and its index there."""
Vector: TypeAlias = tuple[int, ...]
"""The ticks of a machine's states, in index order; empty for one that is gone."""

PEER_BYTES: Final = 8
MOST_TICK: Final = 2**63


class Rank(NamedTuple):
    """What decides which of two entries of a machine is newer, compared in this order."""

    epoch: int
    gone: bool
    states: int
    total: int


@dataclass(frozen=True, slots=True)
class Info:
    """What a machine is called and how it is made; `addrs` only of the topic's own machine."""

    id: str
    parent: str
    tags: tuple[str, ...]
    schema: bytes
    addrs: tuple[str, ...] = ()

    def wire(self) -> tuple[object, ...]:
        """Return it as it travels."""
        base = (self.id, self.parent, self.tags, self.schema)
        return (*base, self.addrs) if self.addrs else base


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema as it travels: name -> properties, in index order, and its hash."""

    hash: bytes
    names: tuple[str, ...]
    wire: Mapping[str, Mapping[str, object]]
    packed: bytes
    """Hash and schema as one item of a message."""

    @classmethod
    def of(cls, hash: bytes, wire: Mapping[str, Mapping[str, object]]) -> Schema:
        """Return a schema ready to be sent."""
        return cls(hash, tuple(wire), wire, _pack((hash, wire)))


class Entry(NamedTuple):
    """One telling of a machine: where it stands, and what it is if the receiver may not know."""

    key: Key
    epoch: int
    vector: Vector
    total: int
    """The sum of the vector: made where it was read, never taken on trust."""
    info: Info | None = None

    @classmethod
    def of(cls, key: Key, epoch: int, vector: Vector, info: Info | None = None) -> Entry:
        """Return an entry of this vector."""
        return cls(key, epoch, vector, sum(vector), info)

    @property
    def rank(self) -> Rank:
        """What decides whether it is newer."""
        return Rank(self.epoch, not self.vector, len(self.vector), self.total)

    def wire(self, *, whole: bool) -> bytes:
        """Return it packed: with what the machine is if `whole`."""
        (peer, index), epoch, vector, _, info = self
        if whole and info is not None:
            return _pack((peer, index, epoch, vector, info.wire()))
        return _pack((peer, index, epoch, vector))


class Record:
    """What a peer holds of a machine, with its place in the digest."""

    __slots__ = ("bucket", "entry", "packed", "rank", "row", "since")

    def __init__(self, bucket: int) -> None:
        self.bucket = bucket
        self.row = 0
        self.entry: Entry
        self.rank: Rank
        self.since: float
        self.packed: bytes | None

    def take(self, entry: Entry, rank: Rank, now: float) -> int:
        """Hold an entry from now on; return by what the bucket changes."""
        self.entry = entry
        self.rank = rank
        self.since = now
        self.packed = None
        before, self.row = self.row, row_hash(entry.key, rank)
        return before ^ self.row

    def wire(self) -> bytes:
        """Return the entry without its info, packed once for all links."""
        if self.packed is None:
            self.packed = self.entry.wire(whole=False)
        return self.packed


def row_hash(key: Key, rank: Rank) -> int:
    """Return the 64 bits that stand for this rank of this machine in digests."""
    peer, index = key
    epoch, gone, states, total = rank
    text = b"%b:%d:%d:%d:%d:%d" % (peer, index, epoch, gone, states, total)
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


_packer: Final = msgpack.Packer(use_bin_type=True, autoreset=True)


def _pack(value: object) -> bytes:
    packed: bytes = _packer.pack(value)
    return packed
