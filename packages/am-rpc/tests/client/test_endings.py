"""Whatever ends a client ends what waits for it, within a known time and with a reason."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc

pytestmark = pytest.mark.trio


def waits_on(net: Any) -> list[am.Wait]:
    return [
        net.when("C"), net.when_not("B"), net.when_any("C", "E"), net.when_time({"D": 99}),
        net.when_ticks("D", 99), net.when_next_active("C"), net.when_args("D", n=7),
        net.when_query(lambda clock: clock["D"] > 99), net.when_err(),
    ]  # fmt: skip


async def check_cut_off(net: Any, before: list[am.Wait], context: Any, reason: str) -> None:
    for wait in (*before, *waits_on(net)):
        assert await wait is False
    assert context.expired
    assert net.is_("B"), "clocks keep their values"
    for result in (net.add("D"), net.add_err(ValueError("x")), net.add_ns("D")):
        assert not result
        assert isinstance(result.error, am_rpc.RpcError)
        assert reason in str(result.error)


async def started(net: Any) -> tuple[list[am.Wait], Any]:
    assert await net.add("B") is am.EXECUTED
    return waits_on(net), net.state_ctx("B")


async def test_a_client_that_is_stopped_ends_all_waits(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve() as pair, pair.connect() as net:
        before, context = await started(net)
        await pair.mux.stop()
        with trio.fail_after(5):
            await net.client.mach.when_not("Start")
            await check_cut_off(net, before, context, "stopped")


async def test_a_client_that_gave_up_connecting_ends_all_waits(
    network: Any, demo_states: Any, autojump_clock: trio.testing.MockClock
) -> None:
    net_ = network()

    async def dial() -> trio.abc.Stream:
        if mux.mach.disposed:
            raise OSError("nobody there")
        return await net_.dial()  # type: ignore[no-any-return]

    retry = am_rpc.Retry(connect_tries=3, connect_delay=0.01)
    async with am.Machine(demo_states) as source:
        mux = am_rpc.Mux(source, listener=net_.listener(), push_interval=0)
        async with am_rpc.Client(dial, retry=retry) as client:
            async with mux:
                before, context = await started(await client.ready())
            with trio.fail_after(20):
                await client.mach.when("ConnRetryFailed")
                await check_cut_off(client.net, before, context, "nobody there")


async def test_a_disposed_source_ends_all_waits(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve() as pair, pair.connect() as net:
        before, context = await started(net)
        pair.source.dispose()
        with trio.fail_after(20):
            await net.client.mach.when("ConnRetryFailed")
            await check_cut_off(net, before, context, "disposed")


async def test_a_new_start_begins_anew(serve: Any, autojump_clock: trio.testing.MockClock) -> None:
    async with serve() as pair, pair.connect() as net:
        await started(net)
        await net.client.disconnect()
        assert not net.add("D")
        net.client.mach.add("Start")
        with trio.fail_after(5):
            await net.client.ready()
            arrived = net.when_args("D", n=7)
            assert await net.add("D", n=7) is am.EXECUTED
            assert await arrived
        assert pair.source.tick("D") == 1


async def test_what_was_written_has_an_unknown_outcome_when_a_client_gives_up(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    retry = am_rpc.Retry(call_timeout=1, call_tries=1, connect_delay=0.01)
    async with serve() as pair, pair.connect(retry=retry) as net:
        await net.add("B")
        pair.network.lose(out=False, into=True)
        result = net.add("D")
        with trio.fail_after(10):
            assert await result is am.CANCELED
        assert isinstance(result.error, am_rpc.OutcomeUnknown)
        assert pair.source.tick("D") == 1, "it was executed"


async def test_what_was_never_written_is_told_as_late(
    network: Any, autojump_clock: trio.testing.MockClock
) -> None:
    net_ = network()
    retry = am_rpc.Retry(call_total=5, connect_delay=0.01)
    async with am.Machine({"Foo": {}}) as source:
        async with am_rpc.Client(net_.dial, retry=retry) as client:
            async with am_rpc.Mux(source, listener=net_.listener()):
                await client.ready()
            await client.mach.when_not("Connected")
            result = client.net.add("Foo")
            with trio.fail_after(6):
                assert await result is am.CANCELED
        assert isinstance(result.error, am_rpc.NetworkTimeout)
        assert not source.is_("Foo")


class Swallowing(trio.abc.Stream):
    """A stream that from some byte on takes all and gives nothing, until it is closed."""

    def __init__(self, stream: trio.abc.Stream, after: int) -> None:
        self._stream = stream
        self._left = after
        self._closed = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        part = bytes(data[: max(0, self._left)])
        self._left -= len(data)
        if part:
            await self._stream.send_all(part)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._left < 0:
            await self._closed.wait()
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        self._closed.set()
        await self._stream.aclose()


@pytest.mark.parametrize("after", [0, 3, 20, 40])
async def test_a_stream_that_swallows_is_left_and_calls_settle_in_time(
    serve: Any, after: int, autojump_clock: trio.testing.MockClock
) -> None:
    first: list[Swallowing] = []
    retry = am_rpc.Retry(connect_delay=0.01)
    async with serve() as pair:

        async def dial() -> trio.abc.Stream:
            stream = await pair.network.dial()
            if not first:
                first.append(Swallowing(stream, 10**9))
                return first[0]
            return stream  # type: ignore[no-any-return]

        async with am_rpc.Client(dial, retry=retry) as client:
            net = await client.ready()
            first[0]._left = after
            start = trio.current_time()
            results = [net.add("D", n=number) for number in range(5)]
            for result in results:
                assert await result is am.EXECUTED
            # Two silent timeouts, the pause between them, and a new connection; one more timeout
            # if the first answer has come meanwhile.
            timeouts = 2 if after < 20 else 3
            assert trio.current_time() - start <= timeouts * retry.call_timeout + 1.1
            assert pair.source.tick("D") == 9


async def test_calls_are_repeated_soon_after_a_reconnect_too(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    retry = am_rpc.Retry(connect_delay=0.01)
    async with serve() as pair, pair.connect(retry=retry) as net:
        await net.add("B")
        await pair.network.cut()
        # Made while there is no connection, to be given up after a minute.
        result = net.add("D")
        await net.client.mach.when("Ready")
        pair.network.lose(out=True)
        again = net.add("D")
        start = trio.current_time()
        assert await result is am.EXECUTED
        assert await again is am.EXECUTED
        assert trio.current_time() - start <= 2 * retry.call_timeout + 1.1


async def test_slow_one_way_calls_do_not_end_a_connection(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(push_interval=None) as pair, pair.connect() as net:
        for _ in range(30):
            assert net.add_ns("D") is am.EXECUTED
            await trio.sleep(2)
        assert net.client.stats.reconnects == 0
        assert net.client.mach.tick("RetryingCall") == 0
        assert pair.source.tick("D") == 59
        with trio.fail_after(5):
            await net.flush()


@pytest.mark.parametrize(
    ("limits", "most"), [({"heartbeat": 3.0, "dead": 9.0}, 10), ({}, 31)], ids=["short", "usual"]
)
@pytest.mark.parametrize("idle", [0.0, 7.5, 123.4])
async def test_a_half_open_link_is_noticed_in_time_at_both_ends(
    serve: Any,
    limits: dict[str, float],
    most: float,
    idle: float,
    autojump_clock: trio.testing.MockClock,
) -> None:
    bounds = am_rpc.Limits(**limits)
    async with serve(limits=bounds) as pair, pair.connect(limits=bounds) as net:
        await trio.sleep(idle)
        assert net.client.stats.reconnects == 0
        (server,) = pair.mux.servers.values()
        noticed = {
            "client": net.client.mach.when_not("Connected"),
            "server": server.mach.when("ErrNetworkTimeout"),
        }
        pair.network.lose(out=True, into=True)
        lost = trio.current_time()
        took = {}

        async def watch(end: str) -> None:
            await noticed[end]
            took[end] = trio.current_time() - lost

        async with trio.open_nursery() as nursery:
            for end in noticed:
                nursery.start_soon(watch, end)
        assert max(took.values()) <= most, took


async def test_sync_sees_all_that_was_mutated_before(serve: Any) -> None:
    limits = am_rpc.Limits(calls=10_000, outcomes=10_000)
    async with serve(push_interval=None, limits=limits) as pair, pair.connect(limits=limits) as net:
        for _ in range(2_000):
            net.add("D")
        time = await net.sync()
        assert time == pair.source.time()
        assert net.tick("D") == 2 * 2_000 - 1


async def test_a_check_is_asked_behind_what_was_mutated_before(serve: Any) -> None:
    async with serve(push_interval=None) as pair, pair.connect() as net:
        pair.source.bind({"EEnter": lambda event: event.machine.is_("B")})
        net.add("B", "D")
        assert await net.check_add("E") is am.EXECUTED


async def test_a_client_that_cannot_write_connects_again(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve() as pair, pair.connect() as net:
        net.client.link.connection.close(am_rpc.SlowPeer("too much is waiting to be written"))
        with trio.fail_after(5):
            await net.client.mach.when_not("Connected")
            await net.client.mach.when("Ready")
        assert await net.add("B") is am.EXECUTED
        assert net.client.mach.tick("ErrNetworkTimeout") == 2, "it came, and went"


async def test_a_consumer_without_the_state_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="ServerPayload"):
        am_rpc.Client("127.0.0.1:1", consumer=am.Machine({"Foo": {}}, id="mine"))


async def test_a_consumer_that_fails_is_told_of_on_both_sides(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def ServerPayloadState(self, event: am.Event) -> None:
            raise ValueError("bad rows")

    async with (
        am.Machine(am_rpc.Consumer, handlers=Broken(), id="mine") as consumer,
        serve() as pair,
        pair.connect(consumer=consumer),
    ):
        (server,) = pair.mux.servers.values()
        with (
            caplog.at_level(logging.ERROR, "am_rpc"),
            pytest.raises(am_rpc.DeliveryError, match="ValueError: bad rows"),
        ):
            await server.send_payload("rows", [1])
    assert "consumer mine failed" in caplog.text
