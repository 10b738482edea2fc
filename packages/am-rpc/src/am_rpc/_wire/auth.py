"""The shared-secret handshake as pure functions.

Each side proves that it holds the secret over nonces of both, so a recorded mac is worth nothing
and a stranger cannot pass for the server. The hello's own bytes are part of the client's proof, so
nothing in it (version, id, wishes) can be changed on the way.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

NONCE_SIZE: Final = 32
_CLIENT: Final = b"arpc/1 client\0"
_SERVER: Final = b"arpc/1 server\0"

# A secret for all, or key id -> (secret, the client ids it is good for; None means every one).
Secrets = bytes | Mapping[str, tuple[bytes, frozenset[str] | set[str] | None]]


def client_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes, hello: bytes) -> bytes:
    """Return the client's proof; `hello` is the SHA-256 of the hello message's bytes."""
    return hmac.digest(secret, _CLIENT + server_nonce + client_nonce + hello, sha256)


def server_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes) -> bytes:
    """Return the server's proof."""
    return hmac.digest(secret, _SERVER + client_nonce + server_nonce, sha256)


def check_secrets(secrets: Secrets | None) -> None:
    """Refuse secrets that protect nothing.

    :raises ValueError: if there is an empty secret, or a map without any.
    """
    if secrets is None:
        return
    found = [secrets] if isinstance(secrets, bytes) else [secret for secret, _ in secrets.values()]
    if not found or not all(found):
        raise ValueError("an empty secret protects nothing; None stands for no secret")


class Verdict(NamedTuple):
    """Who authenticated: the key id, and the server's proof to send back."""

    key_id: str | None
    mac: bytes


def verify_client(
    secrets: Secrets,
    *,
    key_id: str | None,
    client_id: str,
    server_nonce: bytes,
    client_nonce: bytes,
    hello: bytes,
    mac: bytes,
) -> Verdict | None:
    """Return a verdict, or None if the proof does not hold.

    An unknown key id costs the same time as a wrong secret.
    """
    secret, allowed = find_secret(secrets, key_id)
    known = secret is not None
    expected = client_mac(secret or b"\0", server_nonce, client_nonce, hello)
    if not hmac.compare_digest(expected, mac) or not known or secret is None:
        return None
    if allowed is not None and client_id not in allowed:
        return None
    key = None if isinstance(secrets, bytes) else key_id
    return Verdict(key, server_mac(secret, server_nonce, client_nonce))


def find_secret(
    secrets: Secrets, key_id: str | None
) -> tuple[bytes | None, frozenset[str] | set[str] | None]:
    """Return the secret of a key id and the client ids it is good for."""
    if isinstance(secrets, bytes):
        return secrets, None
    return secrets.get(key_id or "", (None, None))


def verify_server(
    secret: bytes, server_nonce: bytes, client_nonce: bytes, mac: bytes | None
) -> bool:
    """Tell whether the server that answered holds the secret too."""
    expected = server_mac(secret, server_nonce, client_nonce)
    return mac is not None and hmac.compare_digest(expected, mac)
