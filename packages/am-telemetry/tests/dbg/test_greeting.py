"""Hello and the proof of a secret, as values."""

from __future__ import annotations

import pytest

from am_telemetry import dbg
from am_telemetry._dbg.greeting import Greeting, Refused

HELLO = dbg.Hello(1, dbg.Process("p", 1, "host", "program", "lib", 0), ())
THEIRS = bytes(range(32))


def challenged(secret: bytes | None) -> tuple[Greeting, dbg.Auth]:
    greeting = Greeting(HELLO, secret)
    answer = greeting.take(dbg.Challenge(THEIRS))
    assert isinstance(answer, dbg.Auth)
    return greeting, answer


def test_without_a_secret_a_welcome_is_enough() -> None:
    greeting = Greeting(HELLO, None)
    assert greeting.hello == dbg.encode(HELLO)
    assert not greeting.is_over
    assert greeting.take(dbg.Welcome(())) is None
    assert greeting.is_over


def test_both_sides_prove_that_they_know_the_secret() -> None:
    greeting, auth = challenged(b"sesame")
    expected = dbg.client_mac(b"sesame", THEIRS, auth.nonce, greeting.hello)
    assert dbg.is_same_mac(auth.mac, expected)
    assert not greeting.is_over
    mac = dbg.server_mac(b"sesame", THEIRS, auth.nonce, greeting.hello)
    assert greeting.take(dbg.Proof(mac, ())) is None
    assert greeting.is_over


def test_one_sides_proof_is_not_the_others() -> None:
    greeting, auth = challenged(b"sesame")
    with pytest.raises(Refused, match="does not know the secret"):
        greeting.take(dbg.Proof(auth.mac, ()))
    assert not greeting.is_over


def test_each_proof_has_a_nonce_of_its_own() -> None:
    assert challenged(b"sesame")[1].nonce != challenged(b"sesame")[1].nonce
    assert len(dbg.new_nonce()) == 32


def test_a_secret_that_is_not_asked_for_is_not_done_without() -> None:
    with pytest.raises(Refused, match="does not ask for it"):
        Greeting(HELLO, b"sesame").take(dbg.Welcome(()))


def test_a_secret_that_is_lacking_is_told() -> None:
    with pytest.raises(Refused, match="there is none"):
        Greeting(HELLO, None).take(dbg.Challenge(THEIRS))


def test_a_refusal_is_told_in_short() -> None:
    with pytest.raises(Refused) as info:
        Greeting(HELLO, None).take(dbg.Refusal(1, "x" * 1000))
    assert str(info.value) == f"the debugger refuses: {'x' * 200}"


@pytest.mark.parametrize(
    "message", [dbg.Proof(bytes(32), ()), dbg.Ack(0), dbg.Ping(), dbg.Auth(bytes(32), bytes(32))]
)
def test_what_is_no_answer_to_hello_is_an_error(message: dbg.Message) -> None:
    with pytest.raises(dbg.DecodeError):
        Greeting(HELLO, b"sesame").take(message)


def test_a_secret_is_asked_for_once_and_not_let_go_of() -> None:
    greeting, _ = challenged(b"sesame")
    for message in (dbg.Challenge(THEIRS), dbg.Welcome(())):
        with pytest.raises(dbg.DecodeError):
            greeting.take(message)
