"""What peers tell each other of a machine, and which of two tellings is newer."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgpack  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping

Key: TypeAlias = tuple[bytes, int]
"""A machine: the 8 bytes of its peer, and its index there."""
Vector: TypeAlias = tuple[int, ...]
"""The ticks of a machine's states, in index order; empty for one that is gone."""

PEER_BYTES: Final = 8
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
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
    key: bytes = field(default=b"", compare=False)
    """The public key of the peer, of the topic's own machine where peers sign."""
    signature: bytes = field(default=b"", compare=False)

    def wire(self) -> tuple[object, ...]:
        """Return it as it travels, without its signature."""
        base = (self.id, self.parent, self.tags, self.schema)
        if self.key:
            return (*base, self.addrs, self.key)
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


class Entry:
    """One telling of a machine: where it stands, and what it is if the receiver may not know.

    Nothing of it changes. What is made of it (its rank, its row in digests, its bytes) is kept,
    since it is read more than once: by each neighbour's batch, and by each digest.
    """

    __slots__ = (
        "_packed_row",
        "_rank",
        "_row",
        "epoch",
        "info",
        "key",
        "short",
        "signature",
        "total",
        "vector",
        "whole",
    )

    def __init__(
        self,
        key: Key,
        epoch: int,
        vector: Vector,
        total: int,
        info: Info | None = None,
        signature: bytes = b"",
    ) -> None:
        self.key = key
        self.epoch = epoch
        self.vector = vector
        self.total = total
        """The sum of the vector: made where it was read, never taken on trust."""
        self.info = info
        self.signature = signature
        """Its owner's of all but `info`, which has its own; empty where nobody signs."""
        self._rank: Rank | None = None
        self._row: int | None = None
        self._packed_row: bytes | None = None
        self.short: bytes | None = None
        self.whole: bytes | None = None

    @classmethod
    def of(cls, key: Key, epoch: int, vector: Vector, info: Info | None = None) -> Entry:
        """Return an entry of this vector."""
        return cls(key, epoch, vector, sum(vector), info)

    @property
    def rank(self) -> Rank:
        """What decides whether it is newer."""
        rank = self._rank
        if rank is None:
            vector = self.vector
            rank = self._rank = Rank(self.epoch, not vector, len(vector), self.total)
        return rank

    @property
    def row(self) -> int:
        """The 64 bits that stand for it in a digest."""
        row = self._row
        if row is None:
            peer, index = self.key
            # Of two entries of as many states both are gone, or none is.
            text = peer + _NUMBERS.pack(index, self.epoch, len(self.vector), self.total)
            row = self._row = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
        return row

    @property
    def packed_row(self) -> bytes:
        """What a digest says of it, packed: machine and rank."""
        packed = self._packed_row
        if packed is None:
            packed = self._packed_row = _pack((*self.key, *self.rank))
        return packed

    def wire(self, info: Info | None = None) -> bytes:
        """Return it packed: with what the machine is if that is given."""
        if info is None:
            short = self.short
            if short is None:
                signed = (None, self.signature) if self.signature else ()
                short = self.short = _pack((*self.key, self.epoch, self.vector, *signed))
            return short
        if info is not self.info:
            return self._packed_with(info)
        whole = self.whole
        if whole is None:
            whole = self.whole = self._packed_with(info)
        return whole

    def _packed_with(self, info: Info) -> bytes:
        signed = (self.signature + info.signature,) if self.signature else ()
        return _pack((*self.key, self.epoch, self.vector, info.wire(), *signed))


class Record:
    """What a peer holds of a machine, with its place in the digest."""

    __slots__ = ("bucket", "entry", "info", "since")

    def __init__(self, entry: Entry, info: Info | None, bucket: int, now: float) -> None:
        self.entry = entry
        self.info = info
        """What the machine is, from whichever entry told it; None if it is gone."""
        self.bucket = bucket
        self.since = now

    @property
    def rank(self) -> Rank:
        """What decides whether an entry is newer."""
        return self.entry.rank

    @property
    def is_gone(self) -> bool:
        """Whether it says that the machine is gone."""
        return not self.entry.vector


_NUMBERS: Final = Struct(">QQIQ")
_packer: Final = msgpack.Packer(use_bin_type=True, autoreset=True)


def _pack(value: object) -> bytes:
    packed: bytes = _packer.pack(value)
    return packed
