"""`arpc doctor`: each way in which a connection fails is named, with what to do about it."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import trio
import trustme

import am_machine as am
import am_rpc
from am_rpc import Key
from am_rpc._repl._cli import main
from am_rpc._repl._doctor import examine
from am_rpc._repl._outcome import Code, Outcome
from am_rpc._repl._pool import Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

SECRET = b"a long shared secret"
KEYS = {"ops": Key(SECRET), "dev1": Key(b"other", machines=["dev1"])}


def steps(outcome: Outcome) -> list[str]:
    return [step["step"] for step in outcome.data["steps"]]


def last(outcome: Outcome) -> dict[str, Any]:
    step: dict[str, Any] = outcome.data["steps"][-1]
    return step


@asynccontextmanager
async def served(addr: str = "127.0.0.1:0", **options: Any) -> AsyncIterator[str]:
    async with (
        am.Machine({"A": {}, "B": {}}, id="source") as source,
        am_rpc.Mux(source, addr, **options) as mux,
    ):
        yield mux.addr


@asynccontextmanager
async def answering(answer: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, answer, 0)
        yield f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def silent(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def old(stream: trio.SocketStream) -> None:
    unpacker = msgpack.Unpacker()
    unpacker.feed(await stream.receive_some())
    call_id = next(unpacker)[1]
    await stream.send_all(msgpack.packb([1, call_id, [2, "supported: 7"], None]))
    await trio.sleep_forever()


async def web(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await stream.aclose()


@pytest.mark.trio
async def test_a_good_address_passes_every_step(tmp_path: Path) -> None:
    for addr in ("127.0.0.1:0", f"unix:{tmp_path / 's'}", "ws://127.0.0.1:0"):
        async with served(addr, limits=am_rpc.Limits(args=5000)) as found:
            outcome = await examine(found, Access())
            assert outcome.code is Code.OK
            names = steps(outcome)
            assert names[-6:] == ["handshake", "version", "key", "machine", "limits", "round trip"]
            told = {step["step"]: step["found"] for step in outcome.data["steps"]}
            assert told["machine"] == "source, 3 states"
            assert told["limits"] == "args 5,000"
            assert ("websocket" in told) == addr.startswith("ws")
            assert ("name lookup" in told) != addr.startswith("unix")


@pytest.mark.trio
async def test_nobody_there(tmp_path: Path) -> None:
    async with served() as addr:
        pass
    outcome = await examine(addr, Access())
    assert (outcome.code, steps(outcome)) == (Code.NOT_CONNECTED, ["name lookup", "TCP"])
    assert "nobody listens" in last(outcome)["found"]
    (tmp_path / "file").write_text("")
    for name, told in (("none", "no such file"), ("file", "no socket")):
        outcome = await examine(f"unix:{tmp_path / name}", Access())
        assert (outcome.code, steps(outcome)) == (Code.NOT_CONNECTED, ["socket file"])
        assert told in last(outcome)["found"]


@pytest.mark.trio
async def test_an_unknown_name() -> None:
    class Resolver(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args: Any) -> Any:
            raise trio.socket.gaierror(-2, "Name or service not known")

        async def getnameinfo(self, *args: Any) -> Any:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Resolver())
    outcome = await examine("nowhere.example:6000", Access())
    assert (outcome.code, steps(outcome)) == (Code.NOT_CONNECTED, ["name lookup"])
    assert "spelling" in last(outcome)["advice"]


@pytest.mark.trio
@pytest.mark.parametrize(
    ("answer", "code", "step", "advice"),
    [
        (silent, Code.TIMEOUT, "handshake", "TLS and websockets"),
        (old, Code.NO, "version", "upgrade"),
        (web, Code.NOT_CONNECTED, "handshake", "ws://"),
    ],
)
async def test_something_else_there(answer: Any, code: Code, step: str, advice: str) -> None:
    async with answering(answer) as addr:
        outcome = await examine(addr, Access(), 0.5)
    assert (outcome.code, last(outcome)["step"]) == (code, step)
    assert advice in last(outcome)["advice"]


@pytest.mark.trio
@pytest.mark.parametrize(
    ("mine", "told", "advice"),
    [
        (None, "wants a secret", "--secret-file"),
        (b"wrong", "refused the secret", "--key-id"),
        (("ops", b"wrong"), "refused the secret", "compare"),
        (("who", SECRET), "refused the secret", "compare"),
    ],
)
async def test_a_key_that_is_not_taken(mine: Any, told: str, advice: str) -> None:
    async with served(secret=KEYS, limits=am_rpc.Limits(refusal_delay=0.01)) as addr:
        outcome = await examine(addr, Access(secret=mine))
        assert (outcome.code, last(outcome)["step"]) == (Code.NO, "key")
        assert told in last(outcome)["found"]
        assert advice in last(outcome)["advice"]
        good = await examine(addr, Access(secret=("ops", SECRET)))
        assert good.code is Code.OK


@pytest.mark.trio
async def test_many_machines_are_told_to_be_chosen_from() -> None:
    machines = [am.Machine({"A": {}}, id=f"dev{n}") for n in range(9)]
    async with am_rpc.Mux(machines, "127.0.0.1:0", secret=KEYS) as mux:
        outcome = await examine(mux.addr, Access(secret=("ops", SECRET)))
        assert (outcome.code, last(outcome)["step"]) == (Code.NO, "machine")
        assert "there are 9: dev0, dev1" in last(outcome)["advice"]
        outcome = await examine(mux.addr, Access(secret=("dev1", b"other"), machines=("dev2",)))
        assert "there are 1: dev1" in last(outcome)["advice"]
        outcome = await examine(mux.addr, Access(secret=("dev1", b"other"), machines=("dev1",)))
        assert outcome.code is Code.OK


@pytest.mark.trio
async def test_tls_on_one_side_only_or_of_somebody_else() -> None:
    authority, other = trustme.CA(), trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    good, bad = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(good)
    other.configure_trust(bad)
    async with served(ssl_context=theirs) as addr:
        outcome = await examine(addr, Access(good))
        assert outcome.code is Code.OK
        assert "TLSv1" in outcome.data["steps"][2]["found"]
        outcome = await examine(addr, Access(bad))
        assert (outcome.code, last(outcome)["step"]) == (Code.NOT_CONNECTED, "TLS")
        assert "trust who signed" in last(outcome)["advice"]
        outcome = await examine(addr, Access(), 0.5)
        assert "it speaks TLS: give --tls-ca" in last(outcome)["advice"]
    async with served() as addr:
        outcome = await examine(addr, Access(good), 0.5)
        assert last(outcome)["step"] == "TLS"
        assert "leave it away" in last(outcome)["advice"]


def test_the_command_tells_steps_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "127.0.0.1:1"]) == 3
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "ok   name lookup: 127.0.0.1 is 127.0.0.1"
    assert told[1].startswith("FAIL TCP: ")
    assert main(["doctor", "127.0.0.1:1", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert [step["ok"] for step in document["steps"]] == [True, False]
    assert main(["doctor", "nonsense"]) == 2
    assert main(["doctor"]) == 2
    assert main(["doctor", "--help"]) == 0
