"""Ed25519 keys of peers: what signs, and what checks signatures. Needs the extra `sign`."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from .._gossip.entries import PEER_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEPT = 4096
"""Public keys that are kept ready."""


class Ed25519Keys:
    """The key of this peer, and the public ones of others.

    :raises ImportError: if `cryptography` is not installed.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        try:
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric import ed25519
        except ImportError as error:
            raise ImportError('signing needs: pip install "am-pubsub[sign]"') from error
        self._key = key
        self._invalid = InvalidSignature
        self._load = ed25519.Ed25519PublicKey.from_public_bytes
        self._loaded: dict[bytes, ed25519.Ed25519PublicKey] = {}
        self.public = key.public_key().public_bytes_raw()

    @property
    def peer(self) -> bytes:
        """The id of the peer that has this key."""
        return self.peer_of(self.public)

    def sign(self, data: bytes) -> bytes:
        """Return a signature of 64 bytes."""
        return self._key.sign(data)

    def verify(self, public: bytes, signature: bytes, data: bytes) -> bool:
        """Tell whether the owner of a public key signed this; False also for what is no key."""
        try:
            key = self._loaded.get(public)
            if key is None:
                if len(self._loaded) >= _KEPT:
                    self._loaded.clear()
                key = self._loaded[public] = self._load(public)
            key.verify(signature, data)
        except (self._invalid, ValueError):
            return False
        return True

    def peer_of(self, public: bytes) -> bytes:
        """Return the id of the peer that has this public key."""
        return blake2b(public).digest()[:PEER_BYTES]
