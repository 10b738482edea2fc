"""Each side sends what the other takes, whatever their limits are."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing

import am_machine as am
import am_rpc
from am_rpc._wire.agreed_limits import OF_CLIENT, OF_SERVER, agreed, parse_told, told

pytestmark = pytest.mark.trio


class Inbox:
    """Keeps payloads."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def ServerPayloadState(self, event: am.Event) -> None:
        self.got.append(event.args["data"])


@pytest.mark.parametrize(
    ("limits", "args", "named"),
    [
        ({"array": 100}, {"d": [0] * 101}, "Limits.array"),
        ({"map": 50}, {"d": {f"k{n}": 0 for n in range(51)}}, "Limits.map"),
        ({"text": 1000}, {"d": "x" * 1001}, "Limits.text"),
        ({"args": 500}, {"d": b"x" * 501}, "Limits.args"),
        ({"message": 500}, {"d": b"x" * 501}, "Limits.message"),
        ({"args_depth": 16, "depth": 18}, {"d": [[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]}, "args_depth"),
        ({"containers": 100}, {"d": [[]] * 101}, "Limits.containers"),
    ],
)
async def test_what_a_server_does_not_take_is_told_at_the_call(
    serve: Any, limits: dict[str, int], args: dict[str, Any], named: str
) -> None:
    # The client has the usual limits; only the server knows better. It takes no chunks of args.
    served = am_rpc.Limits(large_args=0, **limits)
    async with serve(limits=served) as pair, pair.connect() as net:
        with pytest.raises(am_rpc.EncodeError, match=named) as told_:
            net.add("D", **args)
        assert "argument d" in str(told_.value)
        assert await net.add("D", d=1) is am.EXECUTED
        assert net.client.stats.reconnects == 0


@pytest.mark.parametrize(
    ("limits", "args", "named"),
    [
        ({"large_array": 2000}, {"d": [0] * 2001}, "Limits.large_array"),
        ({"large_map": 2000}, {"d": {f"k{n}": 0 for n in range(2001)}}, "Limits.large_map"),
        ({"large_args": 70_000}, {"d": b"x" * 70_001}, "Limits.large_args"),
        ({"containers": 100}, {"d": [[]] * 101}, "Limits.containers"),
    ],
)
async def test_what_a_server_does_not_even_take_in_chunks_is_told_at_the_call(
    serve: Any, limits: dict[str, int], args: dict[str, Any], named: str
) -> None:
    async with serve(limits=am_rpc.Limits(**limits)) as pair, pair.connect() as net:
        with pytest.raises(am_rpc.EncodeError, match=named) as told_:
            net.add("D", **args)
        assert "argument d" in str(told_.value)
        assert await net.add("D", d=1) is am.EXECUTED
        assert net.client.stats.reconnects == 0


@pytest.mark.parametrize(
    ("limits", "args"),
    [
        ({"array": 5000}, {"d": [0] * 5000}),
        ({"map": 3000}, {"d": {f"k{n}": 0 for n in range(3000)}}),
        ({"args": 400_000, "text": 300_000}, {"d": "x" * 250_000}),
        ({"containers": 30_000, "args": 500_000, "array": 20_000}, {"d": [[]] * 15_000}),
        ({"array": 20, "large_array": 3000}, {"d": [0] * 3000}),
        ({"large_map": 5000}, {"d": {f"k{n}": 0 for n in range(5000)}}),
    ],
)
async def test_a_server_that_takes_more_is_sent_more(
    serve: Any, limits: dict[str, int], args: dict[str, Any]
) -> None:
    async with serve(limits=am_rpc.Limits(**limits)) as pair, pair.connect() as net:
        with trio.fail_after(10):
            assert await net.add("D", **args) is am.EXECUTED
        assert net.client.stats.reconnects == 0


@pytest.mark.parametrize(
    ("limits", "data", "named"),
    [
        ({"client_array": 100}, [0] * 101, "client_array"),
        ({"client_text": 5000, "payload": 20_000}, "x" * 20_001, "payload"),
        ({"client_containers": 50}, [[]] * 60, "client_containers"),
    ],
)
async def test_what_a_client_does_not_take_is_told_to_the_sender(
    serve: Any, limits: dict[str, int], data: Any, named: str
) -> None:
    inbox = Inbox()
    async with (
        am.Machine(am_rpc.Consumer, handlers=inbox) as consumer,
        serve() as pair,
        pair.connect(consumer=consumer, limits=am_rpc.Limits(**limits)) as net,
    ):
        (server,) = pair.mux.servers.values()
        with pytest.raises(am_rpc.EncodeError, match=f"payload rows: .*Limits.{named}"):
            await server.send_payload("rows", data)
        await server.send_payload("rows", "x" * 15_000)
        assert inbox.got == ["x" * 15_000]
        assert net.client.stats.reconnects == 0


async def test_no_more_calls_are_in_flight_than_the_server_keeps_outcomes_of(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    limits = am_rpc.Limits(outcomes=16)
    retry = am_rpc.Retry(connect_delay=0.01)
    async with serve(limits=limits) as pair, pair.connect(retry=retry) as net:
        results = [net.add("D", n=number) for number in range(500)]
        for number in range(10):
            await trio.lowlevel.checkpoint()
            pair.network.lose(out=number % 2 == 0, into=number % 2 == 1)
            await trio.sleep(0.001)
            await pair.network.cut()
        for result in results:
            assert await result is am.EXECUTED, result.error
        assert pair.source.tick("D") == 2 * 500 - 1


async def test_one_way_calls_take_no_place_among_outcomes(serve: Any) -> None:
    async with serve(limits=am_rpc.Limits(outcomes=16)) as pair, pair.connect() as net:
        for _ in range(100):
            net.add_ns("D")
        assert await net.add("B") is am.EXECUTED
        assert pair.source.tick("D") == 199


async def test_only_what_is_unusual_is_told() -> None:
    usual = am_rpc.Limits()
    assert told(usual, OF_SERVER) == told(usual, OF_CLIENT) == {}
    odd = am_rpc.Limits(array=7000, outcomes=99)
    said = told(odd, OF_SERVER)
    assert said == {"array": 7000, "outcomes": 99}
    assert agreed(am_rpc.Limits(array=5, message=100), said, OF_SERVER) == odd
    assert parse_told(said | {"later": "x"}, OF_SERVER) == said
    for bad in ({"array": -1}, {"array": "x"}, {"array": 0}, {"array": 2**40}, []):
        with pytest.raises(am_rpc.InvalidParams):
            parse_told(bad, OF_SERVER)
