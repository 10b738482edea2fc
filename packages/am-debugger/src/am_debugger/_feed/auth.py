"""Proving a shared secret to the other side of the stream, without showing it."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_NONCE = 32
_CLIENT, _SERVER = b"amdbg/1 client\0", b"amdbg/1 server\0"


def new_nonce() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(_NONCE)


def client_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes, hello: bytes) -> bytes:
    """What the side that sent the hello proves the secret by; `hello` are its bytes as sent."""
    return _mac(secret, _CLIENT, server_nonce, client_nonce, hello)


def server_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes, hello: bytes) -> bytes:
    """What the side that took the hello proves it by."""
    return _mac(secret, _SERVER, server_nonce, client_nonce, hello)


def is_same(mac: bytes, other: bytes) -> bool:
    """Whether two proofs are alike, in the same time wherever they differ."""
    return hmac.compare_digest(mac, other)


def _mac(secret: bytes, side: bytes, server: bytes, client: bytes, hello: bytes) -> bytes:
    told = side + server + client + hashlib.sha256(hello).digest()
    return hmac.new(secret, told, hashlib.sha256).digest()
