"""What peers say to each other: the kinds of messages, and how they are packed.

A message is a MessagePack array `[version, kind, …]`. All that is written here is small and
checked where it is read (`parse`); a version or a kind that is not known is dropped and counted,
so that peers of the next version can live in the same topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import msgpack  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .entries import Entry, Key, Rank, Schema

VERSION: Final = 1


class Kind(IntEnum):
    """The second item of a message."""

    HELLO = 0
    DELTA = 1
    ROOT = 2
    BUCKETS = 3
    ROWS = 4
    WANT = 5
    SUSPECT = 6
    BYE = 7
    DROP = 8
    USER = 9


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of both ends, the dialler's first: who one is, in which topic, and the
    root of one's digest, by which both see at once whether one of them lacks something."""

    topic: str
    peer: bytes
    links: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Delta:
    """Entries that are news to somebody, and the schemas that they need; `last` ends an exchange
    of digests: what was missing is here, or was sent before."""

    entries: Sequence[Entry]
    schemas: tuple[tuple[bytes, object], ...]
    last: bool


@dataclass(frozen=True, slots=True)
class Root:
    """The root of the sender's digest; `ask` wants an answer even if it is equal."""

    root: bytes
    ask: bool
    links: int


@dataclass(frozen=True, slots=True)
class Buckets:
    """All buckets of the sender's digest, in one piece."""

    buckets: bytes


@dataclass(frozen=True, slots=True)
class Rows:
    """Which machines the sender holds in some buckets, and how new."""

    buckets: tuple[int, ...]
    rows: Sequence[tuple[Key, Rank]]
    last: bool


@dataclass(frozen=True, slots=True)
class Want:
    """Machines to be told whole, with their schemas."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Suspect:
    """Somebody lost the last link to a peer of this epoch."""

    peer: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class Bye:
    """A peer leaves: all its machines of this epoch are gone."""

    peer: bytes
    epoch: int
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Drop:
    """This link is closed on purpose, nobody has died; addresses to try instead."""

    reason: str
    addrs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class User:
    """What a user sent to all: the `number`-th payload of a peer in this epoch."""

    peer: bytes
    epoch: int
    number: int
    data: bytes
    signature: bytes = b""


Message: TypeAlias = Hello | Delta | Root | Buckets | Rows | Want | Suspect | Bye | Drop | User

_packer: Final = msgpack.Packer(use_bin_type=True, autoreset=True)


def pack(kind: Kind, *items: object) -> bytes:
    """Return a message of these items."""
    packed: bytes = _packer.pack((VERSION, int(kind), *items))
    return packed


def pack_delta(entries: Iterable[bytes], schemas: Iterable[Schema], *, last: bool) -> bytes:
    """Return a message of entries that are packed already."""
    ready = [*entries]
    parts = [_packer.pack_array_header(5), _packer.pack(VERSION), _packer.pack(int(Kind.DELTA))]
    parts.append(_packer.pack_array_header(len(ready)))
    parts += ready
    packed = [schema.packed for schema in schemas]
    parts.append(_packer.pack_array_header(len(packed)))
    parts += packed
    parts.append(_packer.pack(last))
    return b"".join(parts)


def pack_rows(buckets: Iterable[int], rows: Sequence[bytes], *, last: bool) -> bytes:
    """Return a message that says what is held in these buckets, of rows that are packed already."""
    parts = [_packer.pack_array_header(5), _packer.pack(VERSION), _packer.pack(int(Kind.ROWS))]
    parts.append(_packer.pack(tuple(buckets)))
    parts.append(_packer.pack_array_header(len(rows)))
    parts += rows
    parts.append(_packer.pack(last))
    return b"".join(parts)
