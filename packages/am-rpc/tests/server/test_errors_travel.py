"""What a handler of the source raises reaches whoever made the mutation."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import am_machine as am
import am_rpc
from am_rpc._server.session import Outcome, Session, SessionStore

pytestmark = pytest.mark.trio


class States(am_rpc.StateSource):
    Vote = am.State()
    Final = am.State()
    Odd = am.State()
    Fine = am.State()
    Refused = am.State()


class BadTextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Handlers:
    def VoteEnter(self, event: am.Event) -> bool:
        raise KeyError("vote")

    def FinalState(self, event: am.Event) -> None:
        raise ValueError(event.args.get("text", "final"))

    def OddState(self, event: am.Event) -> None:
        raise BadTextError

    def RefusedEnter(self, event: am.Event) -> bool:
        return False

    def ExceptionState(self, event: am.Event) -> None:
        event.machine.remove("Exception")


@pytest.mark.parametrize(
    ("state", "kind", "text"),
    [("Vote", "KeyError", "'vote'"), ("Final", "ValueError", "final")],
)
async def test_type_and_text_stand_on_the_result(
    serve: Any, state: str, kind: str, text: str
) -> None:
    async with serve(States, Handlers()) as pair, pair.connect() as net:
        result = net.add(state)
        assert await result is am.CANCELED
    assert isinstance(result.error, am_rpc.RemoteError)
    assert (result.error.type_name, result.error.message) == (kind, text)
    assert result.error.trace is None


async def test_a_refusal_and_a_success_after_an_error_have_none(serve: Any) -> None:
    async with serve(States, Handlers()) as pair, pair.connect() as net:
        await net.add("Final")
        for state, outcome in (("Refused", am.CANCELED), ("Fine", am.EXECUTED)):
            result = net.add(state)
            assert await result is outcome
            assert result.error is None


async def test_long_and_impossible_texts_travel_in_part(serve: Any) -> None:
    async with serve(States, Handlers()) as pair, pair.connect() as net:
        result = net.add("Final", text="\u00e9" * 5000)
        await result
        assert result.error.message == "\u00e9" * 1024
        odd = net.add("Odd")
        await odd
        assert odd.error.type_name == "BadTextError"
        assert await net.add("Fine")


async def test_a_server_may_keep_its_errors_to_itself(serve: Any) -> None:
    access = am_rpc.Access(errors=False)
    async with serve(States, Handlers(), access=access) as pair, pair.connect() as net:
        result = net.add("Final")
        assert await result is am.CANCELED
        assert result.error is None


async def test_an_error_that_a_client_reports_is_not_told_back(serve: Any) -> None:
    async with serve(States, Handlers()) as pair, pair.connect() as net:
        result = net.add_err(ValueError("mine"))
        await result
        assert result.error is None


async def test_errors_pass_through_a_relay(serve: Any) -> None:
    async with serve(States, Handlers()) as pair, pair.connect() as net:
        with trio.fail_after(5):
            async with (
                am_rpc.Mux(net, "127.0.0.1:0") as relay,
                am_rpc.connect(relay.addr) as far,
            ):
                result = far.add("Final")
                assert await result is am.CANCELED
                assert isinstance(result.error, am_rpc.RemoteError)
                assert result.error.message == "final"
                assert await far.add("Fine") is am.EXECUTED


async def test_a_repeat_is_told_the_same_error_and_fails_once(serve: Any) -> None:
    async with serve(States, Handlers()) as pair, pair.connect() as net:
        (server,) = pair.mux.servers.values()
        raised: list[str] = []

        class Cutter:
            def ExceptionState(self, event: am.Event) -> None:
                raised.append("Final")
                server.client.connection.close()

        pair.source.bind(Cutter())
        result = net.add("Final")
        with trio.fail_after(5):
            assert await result is am.CANCELED
        assert result.error.message == "final"
        assert raised == ["Final"]
        assert pair.mux.stats.dedup_hits == 1


def _session(limits: am_rpc.Limits) -> Session:
    return SessionStore(limits).open(b"n", "rc-a", None, 0)


@pytest.mark.parametrize("room", [True, False])
async def test_errors_are_kept_as_far_as_the_budget_of_the_session_allows(room: bool) -> None:
    limits = am_rpc.Limits(session_bytes=1_000_000 if room else 1)
    session = _session(limits)
    session.budget.take(1, "something")
    failed = session.failed(Outcome(), False, ("ValueError", "x" * 100))
    assert failed.executed is False
    assert failed.failure == (("ValueError", "x" * 100) if room else None)
    assert (session.budget.used > 100) is room
