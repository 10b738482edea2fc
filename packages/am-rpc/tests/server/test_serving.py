"""The settings that a mux shares with its servers."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

import am_rpc

GIVEN: dict[str, Any] = {
    "push_interval": 0.5,
    "push_max_mutations": 7,
    "strict": True,
    "access": am_rpc.Access(check=False),
    "limits": am_rpc.Limits(sessions=3),
    "ssl_context": ssl.create_default_context(),
    "secret": b"a secret",
    "allow_id": "rc-one",
    "payload_state": "Telling",
    "websocket": True,
    "origins": ("https://here",),
    "is_loopback": True,
}


def test_what_is_not_replaced_stays_but_for_the_sessions() -> None:
    serving = am_rpc.Serving(**GIVEN)
    other = serving.replace(allow_id="rc-other", secret=b"another")
    for name, value in GIVEN.items():
        assert getattr(serving, name) == value
        if name not in ("allow_id", "secret"):
            assert getattr(other, name) == value
    assert (other.allow_id, other.secret) == ("rc-other", b"another")
    assert (other.boot, other.stats) == (serving.boot, serving.stats)
    assert other.stats is serving.stats
    assert other.sessions is not serving.sessions
    assert other.strangers is not serving.strangers
    assert not other.still_takes(None, am_rpc.Key(b"a secret"))
    assert serving.still_takes(None, am_rpc.Key(b"a secret"))


def test_settings_that_there_are_not_cannot_be_replaced() -> None:
    with pytest.raises(TypeError, match="acces"):
        am_rpc.Serving().replace(acces=am_rpc.Access())
    with pytest.raises(TypeError, match="several"):
        am_rpc.Serving(origins="https://here")


def test_copy_of_later_pythons_replaces_it_too() -> None:
    assert am_rpc.Serving().__replace__(strict=True).strict
