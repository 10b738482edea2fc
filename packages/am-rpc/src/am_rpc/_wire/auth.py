"""The shared-secret handshake as pure functions.

Each side proves that it holds the secret over nonces of both, so a recorded mac is worth nothing
and a stranger cannot pass for the server. The hello's own bytes are part of the client's proof, so
nothing in it (version, id, wishes) can be changed on the way.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .keys import Key, Keyring

NONCE_SIZE: Final = 32
_CLIENT: Final = b"arpc/1 client\0"
_SERVER: Final = b"arpc/1 server\0"


def client_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes, hello: bytes) -> bytes:
    """Return the client's proof; `hello` is the SHA-256 of the hello message's bytes."""
    return hmac.digest(secret, _CLIENT + server_nonce + client_nonce + hello, sha256)


def server_mac(secret: bytes, server_nonce: bytes, client_nonce: bytes) -> bytes:
    """Return the server's proof."""
    return hmac.digest(secret, _SERVER + client_nonce + server_nonce, sha256)


class Verdict(NamedTuple):
    """Who authenticated: the key id, the key itself, and the server's proof to send back."""

    key_id: str | None
    key: Key
    mac: bytes


def verify_client(
    keyring: Keyring,
    *,
    key_id: str | None,
    client_id: str,
    server_nonce: bytes,
    client_nonce: bytes,
    hello: bytes,
    mac: bytes,
) -> Verdict | None:
    """Return a verdict, or None if the proof does not hold.

    An unknown key id costs the same time as a wrong secret, and of several keys all are tried.
    """
    keys = keyring.find(key_id)
    found: Key | None = None
    for key in keys:
        expected = client_mac(key.secret, server_nonce, client_nonce, hello)
        if hmac.compare_digest(expected, mac) and found is None:
            found = key
    if not keys:
        hmac.compare_digest(client_mac(b"\0", server_nonce, client_nonce, hello), mac)
    if found is None or (found.ids is not None and client_id not in found.ids):
        return None
    known = key_id if keyring.is_named else None
    return Verdict(known, found, server_mac(found.secret, server_nonce, client_nonce))


def verify_server(
    secret: bytes, server_nonce: bytes, client_nonce: bytes, mac: bytes | None
) -> bool:
    """Tell whether the server that answered holds the secret too."""
    expected = server_mac(secret, server_nonce, client_nonce)
    return mac is not None and hmac.compare_digest(expected, mac)
