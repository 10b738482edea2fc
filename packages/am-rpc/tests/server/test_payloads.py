"""Payloads: from a source or server to the consumer of a client."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc

pytestmark = pytest.mark.trio


class Taker:
    """Remembers what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.refuses = False

    def ServerPayloadEnter(self, event: am.Event) -> bool:
        return not self.refuses

    def ServerPayloadState(self, event: am.Event) -> None:
        self.got.append((event.args["name"], event.args["data"]))


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def consumer(taker: Taker) -> am.Machine:
    return am.Machine(am_rpc.Consumer, handlers=taker)


async def test_a_source_sends_to_all_or_to_one(
    serve: Any, consumer: am.Machine, taker: Taker
) -> None:
    other_taker = Taker()
    other = am.Machine(am_rpc.Consumer, handlers=other_taker)
    async with (
        serve() as pair,
        pair.connect(consumer=consumer) as net,
        pair.connect(consumer=other) as second,
    ):
        pair.source.add("SendPayload", name="all", data={"n": [1, 2.5, None, b"x"]})
        with trio.fail_after(10):
            await consumer.when_ticks("ServerPayload", 1)
            await other.when("ServerPayload")
        wait = other.when_ticks("ServerPayload", 2)
        pair.source.add("SendPayload", name="one", data=1, destination=second.client.mach.id)
        with trio.fail_after(10):
            assert await wait
        assert taker.got == [("all", {"n": [1, 2.5, None, b"x"]})]
        assert other_taker.got[1:] == [("one", 1)]
        assert net.client.mach.is_("ServerPayload")


async def test_an_unknown_destination_is_an_error_of_the_source(serve: Any) -> None:
    async with serve() as pair, pair.connect():
        pair.source.add("SendPayload", name="x", data=1, destination="nobody")
        with trio.fail_after(10):
            await pair.source.when("ErrSendPayload")
        assert isinstance(pair.source.err, am_rpc.WrongDestination)
        with pytest.raises(am_rpc.WrongDestination):
            await pair.mux.send_payload("x", 1, "nobody")


async def test_large_payloads_travel_in_chunks(
    serve: Any, consumer: am.Machine, taker: Taker
) -> None:
    limits = am_rpc.Limits(payload=2_000_000, chunk=65_536)
    async with serve(limits=limits) as pair, pair.connect(consumer=consumer, limits=limits) as net:
        data = bytes(range(256)) * 7000
        await pair.mux.send_payload("large", [data, "text" * 10])
        assert taker.got == [("large", [data, "text" * 10])]
        assert net.client.mach.is_("ServerDelivering")
        with pytest.raises(am_rpc.LimitExceeded):
            await pair.mux.send_payload("too large", b"x" * 2_000_001)
        with pytest.raises(am_rpc.EncodeError):
            await pair.mux.send_payload("odd", object())
        with pytest.raises(am_rpc.EncodeError):
            await pair.mux.send_payload("", 1)


async def test_a_client_without_consumer_refuses(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        with pytest.raises(am_rpc.DeliveryError):
            await pair.mux.send_payload("x", 1)
        (server,) = pair.mux.servers.values()
        assert server.mach.is_("ErrDelivery")
        assert not net.client.mach.add("ServerPayload")


async def test_a_consumer_may_refuse(serve: Any, consumer: am.Machine, taker: Taker) -> None:
    taker.refuses = True
    async with serve() as pair, pair.connect(consumer=consumer):
        with pytest.raises(am_rpc.DeliveryError):
            await pair.mux.send_payload("x", 1)
        taker.refuses = False
        await pair.mux.send_payload("y", 2)
        assert taker.got == [("y", 2)]


async def test_an_undelivered_payload_comes_after_a_resume_and_only_once(
    serve: Any, consumer: am.Machine, taker: Taker, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve() as pair, pair.connect(consumer=consumer) as net:
        pair.network.lose(into=True, out=False)
        with pytest.raises(am_rpc.DeliveryError, match="in time"):
            await pair.mux.send_payload("lost", 1)
        assert taker.got == []
        pair.network.lose(into=False, out=True)
        with pytest.raises(am_rpc.DeliveryError, match="in time"):
            await pair.mux.send_payload("not answered", 2)
        assert taker.got == [("not answered", 2)]
        again = net.client.mach.when_ticks("Ready", 2)
        await pair.network.cut()
        await again
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(taker.got) == [("lost", 1), ("not answered", 2)]
        assert pair.mux.stats.payloads_resent == 2


async def test_a_restarted_server_counts_its_payloads_anew(
    network: Any, consumer: am.Machine, taker: Taker, demo_states: Any
) -> None:
    net_ = network()
    retry = am_rpc.Retry(connect_delay=0.01)
    async with am_rpc.Client(net_.dial, consumer=consumer, retry=retry) as client:
        for number in range(2):
            async with (
                am.Machine(demo_states) as source,
                am_rpc.Mux(source, listener=net_.listener()) as mux,
            ):
                await client.ready()
                assert [s.client is not None for s in mux.servers.values()] == [True]
                await mux.send_payload("n", number)
            await client.mach.when_not("Connected")
    assert taker.got == [("n", 0), ("n", 1)]


async def test_a_restarted_server_whose_first_welcome_was_lost_counts_them_anew_too(
    network: Any,
    consumer: am.Machine,
    taker: Taker,
    demo_states: Any,
    autojump_clock: trio.testing.MockClock,
) -> None:
    net_ = network()
    dialled: list[Any] = []

    async def dial() -> trio.abc.Stream:
        stream = await net_.dial()
        dialled.append(stream)
        # The server hears the second connection, which hears nothing of it.
        stream.loses_in = len(dialled) == 2
        return stream  # type: ignore[no-any-return]

    retry = am_rpc.Retry(connect_delay=0.01)
    async with am_rpc.Client(dial, consumer=consumer, retry=retry) as client:
        for number in range(2):
            async with (
                am.Machine(demo_states) as source,
                am_rpc.Mux(source, listener=net_.listener()) as mux,
            ):
                await client.ready(60)
                await mux.send_payload("n", number)
                assert mux.stats.resumes == 0
            await client.mach.when_not("Connected")
    assert len(dialled) >= 3
    assert taker.got == [("n", 0), ("n", 1)]


async def test_payloads_of_one_handler_arrive_in_order(
    serve: Any, consumer: am.Machine, taker: Taker
) -> None:
    async with serve() as pair, pair.connect(consumer=consumer):
        for number in range(50):
            pair.source.add("SendPayload", name="n", data=number)
        with trio.fail_after(10):
            await consumer.when_time({"ServerPayload": 99})
        assert taker.got == [("n", number) for number in range(50)]


async def test_a_payload_for_a_client_that_is_away_waits_for_it(
    serve: Any, consumer: am.Machine, taker: Taker
) -> None:
    retry = am_rpc.Retry(connect_delay=0.1)
    async with serve() as pair, pair.connect(consumer=consumer, retry=retry) as net:
        await pair.network.cut()
        await pair.mux.mach.when_not("HasClients")
        with pytest.raises(am_rpc.DeliveryError, match="away"):
            await pair.mux.send_payload("later", 1, net.client.mach.id)
        with trio.fail_after(10):
            await consumer.when("ServerPayload")
        assert taker.got == [("later", 1)]
