"""Attacks on a server that others use at the same time."""

from __future__ import annotations

import logging
import ssl
import time
from typing import Any

import msgpack
import pytest
import trio
import trio.testing
import trustme

import am_machine as am
import am_rpc
from am_rpc._transport.address import open_stream, parse_address

pytestmark = pytest.mark.trio
HELLO = {"v": 1, "id": "rc-x", "se": bytes(8)}


async def shake_hands(stream: trio.abc.Stream, number: int) -> None:
    hello = HELLO | {"id": f"rc-{number}", "se": number.to_bytes(8, "big")}
    await stream.send_all(msgpack.packb([0, 1, "hello", [hello]]))
    await stream.receive_some()
    await stream.send_all(msgpack.packb([0, 2, "ready", []]))
    await stream.receive_some()


async def test_stalled_strangers_keep_nobody_out(serve: Any) -> None:
    async with serve() as pair, pair.connect() as healthy:
        stalled = [await pair.network.dial() for _ in range(1000)]
        for stream in stalled[-50:]:
            await stream.send_all(b"\x94\x00\x01")
        begun = time.process_time()
        async with pair.connect() as net:
            assert await net.add("B") is am.EXECUTED
        # Of this process, whatever else the machine does.
        assert time.process_time() - begun <= 1
        assert await healthy.add("D") is am.EXECUTED
        assert len(pair.mux.serving.strangers) <= am_rpc.Limits().strangers
        assert pair.mux.stats.strangers_evicted >= 900
        assert not pair.mux.mach.is_("Full")
        for stream in stalled:
            await trio.aclose_forcefully(stream)


@pytest.mark.parametrize("transport", ["plain", "tls", "ws"])
async def test_a_thousand_that_connect_and_say_nothing_keep_nobody_out(transport: str) -> None:
    theirs = ours = None
    if transport == "tls":
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(theirs)
        ours = ssl.create_default_context()
        authority.configure_trust(ours)
    addr = "ws://127.0.0.1:0" if transport == "ws" else "127.0.0.1:0"
    async with (
        am.Machine({"Foo": {}}) as source,
        am_rpc.Mux(source, addr, ssl_context=theirs) as mux,
    ):
        port = int(mux.addr.rstrip("/").rpartition(":")[2])
        stalled = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(1000)]
        begun = time.process_time()
        async with am_rpc.connect(mux.addr, ssl_context=ours, timeout=30) as net:
            assert await net.add("Foo") is am.EXECUTED
        assert time.process_time() - begun <= 1
        assert len(mux.servers) <= 1, "no server is made for who says nothing"
        for stream in stalled:
            await trio.aclose_forcefully(stream)


async def test_a_websocket_of_a_stranger_ends_with_it() -> None:
    async with am.Machine({"Foo": {}}) as source, am_rpc.Mux(source, "ws://127.0.0.1:0") as mux:
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                stream = await open_stream(parse_address(mux.addr), None, nursery)
                try:
                    # More than the library hands on at once, none of it a message of ours.
                    with trio.move_on_after(5):
                        for _ in range(20):
                            await stream.send_all(b"\xc1")
                        await stream.receive_some()
                except trio.BrokenResourceError:
                    pass
                finally:
                    await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()
        with trio.fail_after(10):
            while trio.lowlevel.current_statistics().tasks_living > tasks:  # noqa: ASYNC110
                await trio.sleep(0.01)


async def test_stalled_strangers_keep_nobody_from_a_lone_server(network: Any) -> None:
    net = network()
    async with (
        am.Machine({"Foo": {}}) as source,
        am_rpc.Server(source, listener=net.listener(), push_interval=0),
    ):
        stalled = [await net.dial() for _ in range(100)]
        with trio.fail_after(5):
            async with am_rpc.connect(net.dial) as replica:
                assert await replica.add("Foo") is am.EXECUTED
        for stream in stalled:
            await trio.aclose_forcefully(stream)


async def test_answers_to_nothing_count_as_errors_and_leave_others_their_turn(serve: Any) -> None:
    limits = am_rpc.Limits(errors_per_minute=50)
    async with serve(limits=limits) as pair, pair.connect() as healthy:
        stream = await pair.network.dial()
        await shake_hands(stream, 1)
        await stream.send_all(msgpack.packb([1, 7, None, None]) * 5_000)
        assert await healthy.add("B") is am.EXECUTED
        with trio.fail_after(5):
            while await stream.receive_some():
                pass


async def test_subscriptions_take_from_the_budget_of_their_session(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    limits = am_rpc.Limits(session_bytes=100_000)
    async with serve(limits=limits) as pair, pair.connect(id="greedy") as net:
        index = net.schema.names.index("D")
        await _subscribe(net, 1, index, "x" * 50_000)
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                with pytest.raises(am_rpc.LimitExceeded, match="session_bytes"):
                    await _subscribe(net, 2, index, "x" * 50_000)
        assert pair.mux.stats.kept_bytes > 50_000
        assert pair.mux.stats.limits_met == 3
        # The same token again takes the place of the old one.
        await _subscribe(net, 1, index, "y" * 50_000)
        await net.client.call(am_rpc._wire.messages.DropWhenArgs(1))
        assert pair.mux.stats.kept_bytes == 0
    told = [r.getMessage() for r in caplog.records if "session_bytes" in r.getMessage()]
    assert len(told) == 1, "one line per peer"
    assert "rc-greedy" in told[0]


async def _subscribe(net: Any, token: int, index: int, text: str) -> None:
    await net.client.call(am_rpc._wire.messages.WhenArgs(token, index, {"x": text}))


async def test_payloads_that_nobody_takes_are_kept_as_bytes(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve() as pair:
        stream = await pair.network.dial()
        await shake_hands(stream, 1)
        (server,) = pair.mux.servers.values()
        rows = [[n, n + 1] for n in range(2_000)]
        server.post_payload("rows", rows)
        (parcel,) = server.client.session.undelivered
        assert pair.mux.stats.kept_bytes == parcel.size == len(msgpack.packb(rows))

        def post_many() -> None:
            for _ in range(200):
                server.post_payload("rows", rows)

        with pytest.raises(am_rpc.LimitExceeded, match="undelivered"):
            post_many()
        assert pair.mux.stats.kept_bytes <= am_rpc.Limits().undelivered_bytes


async def test_chunks_that_were_not_announced_are_not_kept() -> None:
    from am_rpc._wire.payload_chunks import Assembler
    from am_rpc._wire.server_messages import PayloadChunk

    assembler = Assembler(am_rpc.Limits())
    for token in range(100):
        with pytest.raises(am_rpc.InvalidParams, match="announced"):
            assembler.add(PayloadChunk(token, 0, 1, b""))
    assert not assembler._parts


async def test_errors_that_a_client_reports_pass_no_args_class(serve: Any) -> None:
    from dataclasses import dataclass

    @dataclass
    class Known:
        code: int = 0

    class States(am.States):
        Exception = am.State(multi=True, args=Known)
        Work = am.State(multi=True, args=Known)

    async with serve(States) as pair, pair.connect() as net:
        for name in ("err", "panic", "task"):
            result = net.add("Work", **{name: "x"})
            assert await result is am.CANCELED
            assert isinstance(result.error, am_rpc.InvalidParams)
            assert name in str(result.error)
        assert await net.add("Work", code=1) is am.EXECUTED
