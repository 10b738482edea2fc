"""Secrets, access rules, limits on peers, and servers that refuse politely."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
from am_rpc._wire.auth import client_mac, server_mac, verify_server

pytestmark = pytest.mark.trio
SECRET = b"a long shared secret"


class RawClient:
    """Speaks bytes, as an attacker would."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.unpacker = msgpack.Unpacker()

    async def send(self, *messages: Any) -> None:
        await self.stream.send_all(b"".join(map(msgpack.packb, messages)))

    async def receive(self) -> Any:
        """The next message, None at the end."""
        while (message := next(self.unpacker, None)) is None:
            data = await self.stream.receive_some()
            if not data:
                return None
            self.unpacker.feed(data)
        return message

    async def ask(self, method: str, *params: Any, call_id: int = 1) -> Any:
        await self.send([0, call_id, method, list(params)])
        return await self.receive()


HELLO = {"v": 1, "id": "rc-raw", "se": bytes(8)}


@pytest.fixture
def raw() -> Any:
    async def connect(pair: Any) -> RawClient:
        return RawClient(await pair.network.dial())

    return connect


@pytest.mark.parametrize("key", ["same", "map"])
async def test_who_knows_the_secret_gets_in(serve: Any, key: str) -> None:
    secret: Any = SECRET if key == "same" else {"k1": (SECRET, {"rc-me"}), "k2": (b"other", None)}
    mine: Any = SECRET if key == "same" else ("k1", SECRET)
    async with serve(secret=secret) as pair, pair.connect(secret=mine, id="me") as net:
        assert await net.add("B") is am.EXECUTED


@pytest.mark.parametrize(
    ("served", "given", "client_id"),
    [
        (SECRET, b"wrong", "me"),
        (SECRET, None, "me"),
        (None, SECRET, "me"),
        ({"k1": (SECRET, {"rc-me"})}, ("k1", SECRET), "you"),
        ({"k1": (SECRET, None)}, ("k2", SECRET), "me"),
        ({"k1": (SECRET, None)}, SECRET, "me"),
        (SECRET, SECRET, "stranger"),
    ],
)
async def test_everybody_else_is_refused_and_stops_trying(
    serve: Any, served: Any, given: Any, client_id: str, autojump_clock: trio.testing.MockClock
) -> None:
    allow = "rc-me" if client_id == "stranger" else None
    async with serve(secret=served, allow_id=allow) as pair:
        client = pair.client(secret=given, id=client_id)
        async with client:
            with pytest.raises(am_rpc.NoAccess):
                await client.ready()
            assert client.mach.is_("ConnRetryFailed")


async def test_an_id_may_be_required_without_a_secret(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(allow_id="rc-me") as pair:
        async with pair.connect(id="me") as net:
            assert net.client.mach.is_("Ready")
        with pytest.raises(am_rpc.NoAccess):
            async with pair.connect(id="you"):
                raise AssertionError("let in")


async def test_nothing_leaks_before_the_proof_and_a_recorded_proof_is_worthless(
    serve: Any, raw: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(secret=SECRET) as pair:
        first = await raw(pair)
        kind, _, error, challenge = await first.ask("hello", HELLO)
        assert (kind, error) == (1, None)
        assert set(challenge) == {"v", "auth"}
        hello = msgpack.packb([0, 1, "hello", [HELLO]])
        digest = __import__("hashlib").sha256(hello).digest()
        nonce = bytes(32)
        mac = client_mac(SECRET, challenge["auth"], nonce, digest)
        welcome = (await first.ask("auth", nonce, mac, call_id=2))[3]
        assert verify_server(SECRET, challenge["auth"], nonce, welcome["mac"])
        assert not verify_server(b"wrong", challenge["auth"], nonce, welcome["mac"])
        assert not verify_server(SECRET, challenge["auth"], nonce, None)
        second = await raw(pair)
        other = (await second.ask("hello", HELLO))[3]
        assert other["auth"] != challenge["auth"]
        start = trio.current_time()
        answer = await second.ask("auth", nonce, mac, call_id=2)
        assert answer[2][0] == 3
        assert 0.2 <= trio.current_time() - start <= 0.8
        assert await second.receive() is None


async def test_a_hello_that_was_changed_on_the_way_does_not_pass(
    serve: Any, raw: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(secret=SECRET) as pair:
        peer = await raw(pair)
        challenge = (await peer.ask("hello", HELLO | {"id": "rc-changed"}))[3]
        meant = __import__("hashlib").sha256(msgpack.packb([0, 1, "hello", [HELLO]])).digest()
        mac = client_mac(SECRET, challenge["auth"], bytes(32), meant)
        assert (await peer.ask("auth", bytes(32), mac, call_id=2))[2][0] == 3


async def test_a_server_that_does_not_know_the_secret_is_refused(network: Any) -> None:
    net_ = network()

    async def pretend(stream: Any) -> None:
        peer = RawClient(stream)
        await peer.receive()
        await peer.send([1, 1, None, {"v": 1, "auth": bytes(32)}])
        _, call_id, _, (nonce, _) = await peer.receive()
        mac = server_mac(b"guess", bytes(32), nonce)
        welcome = {"v": 1, "id": "x", "boot": bytes(8), "names": ["A"], "t": [0], "q": 1}
        await peer.send([1, call_id, None, welcome | {"m": 0, "n": 1, "mac": mac}])

    async with trio.open_nursery() as nursery, am_rpc.Client(net_.dial, secret=SECRET) as client:
        nursery.start_soon(pretend, await net_.listener().accept())
        with pytest.raises(am_rpc.NoAccess, match="server"):
            await client.ready()


async def test_another_version_is_told_which_one_is_spoken(serve: Any, raw: Any) -> None:
    async with serve() as pair:
        peer = await raw(pair)
        assert (await peer.ask("hello", {"v": 2, "id": "x"}))[2] == [2, "supported: 1"]
        assert await peer.receive() is None


@pytest.mark.parametrize("method", ["ping", "a", "sync", "ready", "auth", "nope"])
async def test_nothing_works_before_the_handshake(serve: Any, raw: Any, method: str) -> None:
    async with serve() as pair:
        peer = await raw(pair)
        answer = await peer.ask(method, *([bytes(32), bytes(32)] if method == "auth" else [[0]]))
        assert answer[2][0] in (4, 8)
        assert await peer.receive() is None


async def test_a_slow_handshake_is_cut(
    serve: Any, raw: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve() as pair:
        peer = await raw(pair)
        start = trio.current_time()
        with pytest.raises(trio.BrokenResourceError):
            await _trickle(peer)
        assert trio.current_time() - start < 8


async def _trickle(peer: RawClient) -> None:
    for byte in msgpack.packb([0, 1, "hello", [HELLO]]):
        await peer.stream.send_all(bytes([byte]))
        await trio.sleep(1)


async def ready(peer: RawClient, hello: dict[str, Any] | None = None) -> Any:
    welcome = (await peer.ask("hello", hello or HELLO))[3]
    assert await peer.ask("ready", call_id=2) == [1, 2, None, None]
    return welcome


async def test_bad_calls_are_refused_and_the_connection_goes_on(serve: Any, raw: Any) -> None:
    async with serve(push_interval=None) as pair:
        peer = await raw(pair)
        await ready(peer)
        assert (await peer.ask("a", [99], call_id=3))[2] == [6, "state 99"]
        assert (await peer.ask("a", [99], call_id=3))[2] == [6, "state 99"], "a repeat"
        assert (await peer.ask("a", [0], {"_x": 1}, call_id=4))[2][0] == 5
        assert (await peer.ask("hello", HELLO, call_id=5))[2][0] == 8
        assert (await peer.ask("wa", 1, call_id=6))[2][0] == 5
        assert (await peer.ask("a", [7], {}, ["m", "t", 1, 10**6], call_id=7))[2][0] == 5
        assert (await peer.ask("ping", call_id=8)) == [1, 8, None, None]
        await peer.send([2, "a", [9, [99]]], [2, "a", [9, [0]]])
        assert (await peer.ask("args", call_id=10))[2] is None
        assert (await peer.ask("a", [1], call_id=1))[2] == [12, "outcome was forgotten"]


async def test_a_peer_with_too_many_errors_is_cut(serve: Any, raw: Any) -> None:
    async with serve(limits=am_rpc.Limits(errors_per_minute=5)) as pair:
        peer = await raw(pair)
        await ready(peer)
        answers = [await peer.ask("nope", call_id=n) for n in range(3, 9)]
        assert answers[4][2][0] == 4
        while await peer.receive() is not None:
            pass


async def test_access_rules_bound_what_a_client_sees_and_does(serve: Any) -> None:
    access = am_rpc.Access(read={"A", "B"}, write={"B", "D"}, check=False)
    async with serve(access=access) as pair, pair.connect() as net:
        assert await net.add("B", "D") is am.EXECUTED
        assert net.active == ("A", "B")
        assert net.tick("D") == 0
        result = net.add("C")
        assert await result is am.CANCELED
        assert isinstance(result.error, am_rpc.NoAccess)
        with pytest.raises(am_rpc.NoAccess):
            await net.check_add("B")
        assert not net.client.mach.is_("ConnRetryFailed")


async def test_errors_of_the_source_carry_no_trace(serve: Any, raw: Any) -> None:
    class Broken:
        def DState(self, event: am.Event) -> None:
            raise ValueError("/etc/secret/path")

    async with serve(handlers=Broken()) as pair:
        pair.source.catch_exceptions = False
        peer = await raw(pair)
        await ready(peer)
        pair.source.log_traceback = False
        index = pair.source.schema.names.index("D")
        answer = await peer.ask("a", [index], call_id=3)
        while answer[0] != 1:
            answer = await peer.receive()
        assert answer[2][0] == 11
        assert "secret" not in answer[2][1]
        assert (await peer.ask("ping", call_id=4))[2] is None or True


async def test_bad_args_are_told(serve: Any) -> None:
    from dataclasses import dataclass
    from enum import Enum

    class Color(Enum):
        RED = "red"

    @dataclass
    class Paint:
        color: Color
        layers: int = 1

    globals()["Color"] = Color
    seen: list[Any] = []

    class States(am.States):
        Painting = am.State(args=Paint, multi=True)

    class Handlers:
        def PaintingState(self, event: am.Event) -> None:
            seen.append(event.args)

    async with serve(States, Handlers()) as pair:
        async with pair.connect(States) as net:
            with pytest.raises(am.ArgsError):
                net.add("Painting", colour="red")
            with pytest.raises(am.ArgsError):
                net.add("Painting")
            assert await net.add("Painting", color=Color.RED) is am.EXECUTED
            assert await net.client.call(am_rpc._wire.messages.ArgsRequest()) == {
                "Painting": ("color", "layers")
            }
        async with pair.connect() as net:
            result = net.add("Painting", color="blue")
            assert await result is am.CANCELED
            assert isinstance(result.error, am_rpc.InvalidParams)
            result = net.add("Painting", colour="red")
            assert await result is am.CANCELED
            assert "colour" in str(result.error)
    assert seen == [Paint(Color.RED)]
    del globals()["Color"]


async def test_one_client_too_many_is_refused_politely(serve: Any, raw: Any) -> None:
    async with serve(max_clients=1) as pair:
        async with pair.connect():
            peer = await raw(pair)
            assert (await peer.ask("hello", HELLO))[2] == [9, "too many clients"]
            assert await peer.receive() is None
            assert pair.mux.mach.is_("Full")
        with trio.fail_after(1):
            await pair.mux.mach.when_not("Full")
        async with pair.connect() as net:
            assert await net.add("B") is am.EXECUTED


async def test_a_factory_that_raises_refuses_the_peer(serve: Any, raw: Any) -> None:
    def refuse(mux: Any, number: int, stream: Any) -> Any:
        raise RuntimeError("not you")

    async with serve(new_server=refuse) as pair:
        peer = await raw(pair)
        failed = pair.mux.mach.when("NewServerErr")
        assert (await peer.ask("hello", HELLO))[2][0] == 9
        assert await failed
        assert pair.mux.mach.is_("Ready")


async def test_a_second_connection_of_a_session_replaces_the_first(serve: Any, raw: Any) -> None:
    async with serve() as pair:
        first, second = await raw(pair), await raw(pair)
        await ready(first)
        welcome = await ready(second)
        assert welcome["resume"] is True
        while await first.receive() is not None:
            pass
        assert (await second.ask("ping", call_id=9))[2] is None


async def test_a_lone_server_refuses_another_client_while_busy(network: Any) -> None:
    net_ = network()

    class States(am.States):
        Foo = am.State()

    async with (
        am.Machine(States, id="lone") as source,
        am_rpc.Server(source, listener=net_.listener(), push_interval=0) as server,
    ):
        assert server.mach.is_("RpcReady")
        retry = am_rpc.Retry(connect_delay=0.01)
        async with am_rpc.Client(net_.dial, retry=retry) as client:
            await client.ready()
            assert server.mach.is_("Ready", "ClientConnected", "HandshakeDone")
            peer = RawClient(await net_.dial())
            assert (await peer.ask("hello", HELLO))[2] == [9, "busy with another client"]
            await net_.cut()
            assert await client.net.add("Foo") is am.EXECUTED
        with trio.fail_after(1):
            await server.mach.when_not("ClientConnected")
        peer = RawClient(await net_.dial())
        await ready(peer)


async def test_a_disposed_source_says_goodbye_and_is_refused_later(serve: Any, raw: Any) -> None:
    async with serve() as pair:
        async with pair.connect() as net:
            lost = net.client.mach.when_not("Connected")
            pair.source.dispose()
            with trio.fail_after(1):
                assert await lost
        peer = await raw(pair)
        assert (await peer.ask("hello", HELLO))[2][0] == 10


async def test_exposed_addresses_warn_and_strict_ones_refuse(caplog: Any) -> None:
    machine = am.Machine({"Foo": {}})
    with pytest.raises(ValueError, match="other hosts"):
        am_rpc.Mux(machine, "0.0.0.0:0", strict=True)
    am_rpc.Server(machine, "0.0.0.0:0")
    assert "other hosts" in caplog.text
    am_rpc.Mux(machine, "0.0.0.0:0", strict=True, secret=SECRET)
    for bad in ("nope", "host:port", "unix:", "::1:5", "127.0.0.1:70000", "[::1:5"):
        with pytest.raises(ValueError, match=r"address|port|path"):
            am_rpc.Mux(machine, bad)
    with pytest.raises(ValueError, match="one of"):
        am_rpc.Server(machine)
    with pytest.raises(ValueError, match="source"):
        am_rpc.Mux(None, "127.0.0.1:0")


async def test_draining_sends_clients_elsewhere(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        lost = net.client.mach.when("RetryingConn")
        await pair.mux.drain(1)
        assert not pair.mux.servers
        with trio.fail_after(1):
            assert await lost
        assert net.client.mach.is_("Start")
