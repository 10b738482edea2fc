"""Proving a shared secret to each other without showing it."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_NONCE = 32
_CLIENT, _SERVER = b"amdbg/1 client\0", b"amdbg/1 server\0"


def new_nonce() -> bytes:
    """Return 32 random bytes, for one proof."""
    return secrets.token_bytes(_NONCE)


def client_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes, hello: bytes) -> bytes:
    """Return what the side that said hello proves the secret by.

    :param hello: The bytes of its hello as they were sent.
    """
    return _mac(secret, _CLIENT, server_nonce, client_nonce, hello)


def server_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes, hello: bytes) -> bytes:
    """Return what the side that took the hello proves the secret by.

    :param hello: The bytes of the hello as they came.
    """
    return _mac(secret, _SERVER, server_nonce, client_nonce, hello)


def is_same_mac(mac: bytes, other: bytes) -> bool:
    """Tell whether two proofs are alike, in the same time wherever they differ."""
    return hmac.compare_digest(mac, other)


def _mac(secret: bytes, side: bytes, server: bytes, client: bytes, hello: bytes) -> bytes:
    told = side + server + client + hashlib.sha256(hello).digest()
    return hmac.new(secret, told, hashlib.sha256).digest()
