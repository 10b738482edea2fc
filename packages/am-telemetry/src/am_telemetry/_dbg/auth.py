"""Proving a shared secret to each other without showing it."""

from __future__ import annotations

import hashlib
import hmac

NONCE = 32
"""Bytes of a nonce."""

_CLIENT, _SERVER = b"amdbg/1 client\0", b"amdbg/1 server\0"


def client_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes, hello: bytes) -> bytes:
    """What the exporter proves the secret by; `hello` are the bytes of its hello as sent."""
    return _mac(secret, _CLIENT, server_nonce, client_nonce, hello)


def server_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes, hello: bytes) -> bytes:
    """What the collector proves it by."""
    return _mac(secret, _SERVER, server_nonce, client_nonce, hello)


def is_same(mac: bytes, other: bytes) -> bool:
    """Whether two proofs are alike, in the same time wherever they differ."""
    return hmac.compare_digest(mac, other)


def _mac(secret: bytes, side: bytes, server: bytes, client: bytes, hello: bytes) -> bytes:
    told = side + server + client + hashlib.sha256(hello).digest()
    return hmac.new(secret, told, hashlib.sha256).digest()
