"""Who may say what of a peer, where only the peer itself may: signatures, and whose they are.

What a peer says of its machines is signed twice: once what the machine is, once where it stands, so
that a machine that moves is told by its vector alone. The peer's public key travels with its own
machine, and must be the one that its id was made of.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

import msgpack  # type: ignore[import-untyped]

from .entries import SIGNATURE_BYTES, Entry

if TYPE_CHECKING:
    from .entries import Info, Key, Vector
    from .messages import Bye, User
    from .table import Table


class Keys(Protocol):
    """The key of a peer, and how those of others are used."""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        ...

    def verify(self, public: bytes, signature: bytes, data: bytes) -> bool:
        """Tell whether the owner of a public key signed this."""
        ...

    def peer_of(self, public: bytes) -> bytes:
        """Return the id of the peer that has this public key."""
        ...


class Ownership:
    """Signs what this peer says, and checks that others speak of themselves only."""

    def __init__(self, topic: str, peer: bytes, keys: Keys, table: Table) -> None:
        if keys.peer_of(keys.public) != peer:
            raise ValueError("the id of a peer that signs is made of its public key")
        self._topic = topic
        self._keys = keys
        self._table = table

    # -- what this peer says

    def entry(self, key: Key, epoch: int, vector: Vector, info: Info | None) -> Entry:
        """Return a signed entry."""
        signed = None
        if info is not None:
            held = self._table.get(key)
            if held is not None and held.info == info and held.entry.epoch == epoch:
                signed = held.info
            else:
                public = self._keys.public if key[1] == 0 else b""
                signed = replace(info, key=public)
                what = self._sign(b"info", *key, epoch, signed.wire())
                signed = replace(signed, signature=what)
        where = self._sign(b"entry", *key, epoch, vector)
        return Entry(key, epoch, vector, sum(vector), signed, where)

    def goodbye(self, peer: bytes, epoch: int) -> bytes:
        """Return the signature of a goodbye."""
        return self._sign(b"bye", peer, epoch)

    def payload(self, peer: bytes, epoch: int, number: int, data: bytes) -> bytes:
        """Return the signature of a payload."""
        return self._sign(b"user", peer, epoch, number, data)

    # -- what others say

    def key_known(self, entry: Entry) -> bool:
        """Tell whether the public key of an entry's peer is there, or comes with it."""
        return bool(self._key(entry))

    def owns(self, entry: Entry) -> bool:
        """Tell whether an entry was signed by the peer that it speaks of."""
        public = self._key(entry)
        key, epoch, info = entry.key, entry.epoch, entry.info
        if not public or self._keys.peer_of(public) != key[0]:
            return False
        if not self._verify(public, entry.signature, b"entry", *key, epoch, entry.vector):
            return False
        return info is None or self._verify(
            public, info.signature, b"info", *key, epoch, info.wire()
        )

    def says_goodbye(self, message: Bye) -> bool:
        """Tell whether a goodbye is that of the peer itself."""
        peer, epoch = message.peer, message.epoch
        return self._verify(self._public(peer), message.signature, b"bye", peer, epoch)

    def sends(self, message: User) -> bool:
        """Tell whether a payload is that of the peer that it names."""
        what = (message.peer, message.epoch, message.number, message.data)
        return self._verify(self._public(message.peer), message.signature, b"user", *what)

    # -- parts

    def _key(self, entry: Entry) -> bytes:
        peer, index = entry.key
        if index == 0 and entry.info is not None:
            return entry.info.key
        return self._public(peer)

    def _public(self, peer: bytes) -> bytes:
        held = self._table.get((peer, 0))
        return held.info.key if held is not None and held.info is not None else b""

    def _sign(self, *what: object) -> bytes:
        return self._keys.sign(_packed(self._topic, *what))

    def _verify(self, public: bytes, signature: bytes, *what: object) -> bool:
        return (
            bool(public)
            and len(signature) == SIGNATURE_BYTES
            and self._keys.verify(public, signature, _packed(self._topic, *what))
        )


_packer: Final = msgpack.Packer(use_bin_type=True, autoreset=True)


def _packed(*what: object) -> bytes:
    packed: bytes = _packer.pack(what)
    return packed
