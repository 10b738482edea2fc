"""Proofs of a shared secret, as pure functions."""

from __future__ import annotations

from typing import Any

import pytest

import am_rpc
from am_rpc._wire.auth import client_mac, server_mac, verify_client, verify_server
from am_rpc._wire.keys import Credentials, Keyring

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
    return verify_client(Keyring(secrets), **said | changes)


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


@pytest.mark.parametrize("given", [[OTHER, SECRET], (SECRET, OTHER), [am_rpc.Key(SECRET)]])
def test_of_several_secrets_each_is_good(given: Any) -> None:
    for secrets, key_id in ((given, None), ({"a": given}, "a")):
        found = verdict(secrets, key_id=key_id)
        assert found.key == am_rpc.Key(SECRET)
        assert found.key_id == key_id
        assert verify_server(SECRET, SERVER_NONCE, CLIENT_NONCE, found.mac)


def test_a_key_says_what_it_opens_and_keeps_its_secret_to_itself() -> None:
    key = am_rpc.Key(SECRET, ids={"rc-me"}, machines=["dev01"], access=am_rpc.Access(write=()))
    assert key.opens("dev01")
    assert not key.opens("dev02")
    assert am_rpc.Key(SECRET).opens("dev02")
    for told in (repr(key), str(key), repr(Credentials(key)), repr([key])):
        assert SECRET.decode() not in told
    assert key == am_rpc.Key(SECRET, ids=["rc-me"], machines={"dev01"}, access=key.access)
    assert key != am_rpc.Key(SECRET)
    assert len({key, am_rpc.Key(SECRET), am_rpc.Key(SECRET)}) == 2


@pytest.mark.parametrize("bad", [[], {}, {"a": []}, b"", [b""], {"a": (b"", None)}])
def test_a_secret_that_protects_nothing_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="secret"):
        Keyring(bad)


@pytest.mark.parametrize("bad", ["text", 5, {"a": "text"}, ["text"], {"a": (b"x", "rc-me")}])
def test_what_is_no_secret_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError):
        Keyring(bad)


def test_a_client_offers_one_secret_after_another_and_stays_with_the_one_that_worked() -> None:
    offers = Credentials({"a": [SECRET, OTHER], "b": am_rpc.Key(OTHER)})
    seen = []
    while True:
        seen.append((offers.key_id, offers.secret))
        if not offers.refused():
            break
    assert seen == [("a", SECRET), ("a", OTHER), ("b", OTHER)]
    offers.refused()
    offers.worked()
    good = (offers.key_id, offers.secret)
    assert offers.refused()
    assert (offers.key_id, offers.secret) != good
    assert not Credentials(SECRET).refused()
    assert (Credentials(("a", SECRET)).key_id, Credentials(None).secret) == ("a", None)


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
