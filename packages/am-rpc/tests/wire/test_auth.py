"""Proofs of a shared secret, as pure functions."""

from __future__ import annotations

from typing import Any

import pytest

from am_rpc._wire.auth import client_mac, find_secret, server_mac, verify_client, verify_server

SECRET, OTHER = b"a long shared secret", b"another secret"
SERVER_NONCE, CLIENT_NONCE, HELLO = bytes(32), bytes(range(32)), b"h" * 32


def verdict(secrets: Any, **changes: Any) -> Any:
    said: dict[str, Any] = {
        "key_id": None,
        "client_id": "rc-me",
        "server_nonce": SERVER_NONCE,
        "client_nonce": CLIENT_NONCE,
        "hello": HELLO,
        "mac": client_mac(SECRET, SERVER_NONCE, CLIENT_NONCE, HELLO),
    }
    return verify_client(secrets, **said | changes)


def test_both_sides_are_convinced_by_the_same_secret() -> None:
    found = verdict(SECRET)
    assert found.key_id is None
    assert verify_server(SECRET, SERVER_NONCE, CLIENT_NONCE, found.mac)


def test_a_key_of_several_is_good_for_the_ids_it_names() -> None:
    keys = {"a": (SECRET, {"rc-me"}), "b": (OTHER, None), "c": (SECRET, None)}
    assert verdict(keys, key_id="a").key_id == "a"
    assert verdict(keys, key_id="c", client_id="rc-you").key_id == "c"
    assert verdict(keys, key_id="a", client_id="rc-you") is None
    assert verdict(keys, key_id="b") is None
    assert verdict(keys, key_id="none") is None
    assert verdict(keys) is None
    assert find_secret(keys, "b") == (OTHER, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"server_nonce": CLIENT_NONCE},
        {"client_nonce": SERVER_NONCE},
        {"hello": b"H" * 32},
        {"mac": bytes(32)},
        {"mac": b""},
        {"mac": server_mac(SECRET, SERVER_NONCE, CLIENT_NONCE)},
        {"mac": client_mac(OTHER, SERVER_NONCE, CLIENT_NONCE, HELLO)},
    ],
)
def test_a_proof_over_anything_else_is_none(changes: dict[str, Any]) -> None:
    assert verdict(SECRET, **changes) is None


def test_a_server_that_proves_nothing_is_refused() -> None:
    told = server_mac(SECRET, SERVER_NONCE, CLIENT_NONCE)
    assert not verify_server(SECRET, SERVER_NONCE, CLIENT_NONCE, None)
    assert not verify_server(OTHER, SERVER_NONCE, CLIENT_NONCE, told)
    assert not verify_server(SECRET, CLIENT_NONCE, SERVER_NONCE, told)


def test_an_empty_secret_in_place_of_an_unknown_key_opens_nothing() -> None:
    forged = client_mac(b"\0", SERVER_NONCE, CLIENT_NONCE, HELLO)
    assert verdict({"a": (SECRET, None)}, key_id="b", mac=forged) is None
