"""Peers that do not read, send nonsense, or drift; none of it costs the others anything."""

from __future__ import annotations

import inspect
import os
import random
from typing import Any

import msgpack
import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
from am_rpc._server.observer import Observer
from am_rpc._wire.checksum import full_sum, moved_sum

HELLO = {"v": 1, "id": "rc-raw", "se": bytes(8)}
# By night as many as a mux takes by itself.
CONNECTIONS = int(os.environ.get("AM_RPC_CONNECTIONS", "500"))
HARMED_UPDATES = int(os.environ.get("AM_RPC_HARMED_UPDATES", "100000"))


class LockstepNetwork:
    """Streams without any buffer: a write waits for its reader."""

    def __init__(self) -> None:
        self.send, self.receive = trio.open_memory_channel[trio.abc.Stream](10)

    async def dial(self) -> trio.abc.Stream:
        ours, theirs = trio.testing.lockstep_stream_pair()
        await self.send.send(theirs)
        return ours

    def listener(self) -> trio.abc.Listener[trio.abc.Stream]:
        channel = self.receive

        class Listener(trio.abc.Listener[trio.abc.Stream]):
            async def accept(self) -> trio.abc.Stream:
                try:
                    return await channel.receive()
                except trio.ClosedResourceError:
                    raise
                except trio.EndOfChannel as error:
                    raise trio.ClosedResourceError from error

            async def aclose(self) -> None:
                await channel.aclose()

        return Listener()


async def shake_hands(stream: trio.abc.Stream, session: int = 0) -> None:
    hello = HELLO | {"se": session.to_bytes(8, "big")}
    await stream.send_all(msgpack.packb([0, 1, "hello", [hello]]))
    await stream.receive_some()
    await stream.send_all(msgpack.packb([0, 2, "ready", []]))
    assert await stream.receive_some() == msgpack.packb([1, 2, None, None])


@pytest.mark.trio
@pytest.mark.parametrize("interval", [0, 0.25])
async def test_a_client_that_does_not_read_costs_little_and_catches_up(
    demo_states: Any, interval: float
) -> None:
    network = LockstepNetwork()
    async with (
        am.Machine(demo_states) as source,
        am_rpc.Mux(source, listener=network.listener(), push_interval=interval) as mux,
    ):
        stream = await network.dial()
        await shake_hands(stream)
        await trio.testing.wait_all_tasks_blocked()
        (server,) = mux.servers.values()
        held = 0
        for number in range(100_000):
            source.add("D")
            if number % 100 == 0:
                await trio.lowlevel.checkpoint()
                held = max(held, server.client.connection._out_bytes)
        assert held <= 64 * 1024
        unpacker = msgpack.Unpacker()
        tick = 0
        with trio.fail_after(60):
            while tick < source.tick("D"):
                unpacker.feed(await stream.receive_some())
                for message in unpacker:
                    pairs = message[2][0]
                    tick += dict(zip(pairs[::2], pairs[1::2], strict=True)).get(
                        source.schema.names.index("D"), 0
                    )
        assert tick == source.tick("D")
        await stream.aclose()


@pytest.mark.trio
async def test_a_write_that_stalls_ends_the_connection(
    demo_states: Any, autojump_clock: trio.testing.MockClock
) -> None:
    network = LockstepNetwork()
    async with (
        am.Machine(demo_states) as source,
        am_rpc.Mux(source, listener=network.listener(), push_interval=0) as mux,
    ):
        stream = await network.dial()
        await shake_hands(stream)
        await trio.testing.wait_all_tasks_blocked()
        (server,) = mux.servers.values()
        slow = server.mach.when_next_active("ErrSlowClient")
        start = trio.current_time()
        source.add("D")
        assert await slow
        assert 10 <= trio.current_time() - start <= 20
        await stream.aclose()


@pytest.mark.trio
async def test_reading_stops_while_responses_are_not_taken(demo_states: Any) -> None:
    network = LockstepNetwork()
    async with (
        am.Machine(demo_states) as source,
        am_rpc.Mux(source, listener=network.listener(), push_interval=None) as mux,
    ):
        stream = await network.dial()
        await shake_hands(stream)
        (server,) = mux.servers.values()
        pings = msgpack.packb([0, 3, "ping", []]) * 500

        async def flood() -> None:
            for _ in range(10):
                await stream.send_all(pings)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await trio.testing.wait_all_tasks_blocked()
            assert server.stats.calls < 200
            answers = 0
            unpacker = msgpack.Unpacker()
            while answers < 5000:
                unpacker.feed(await stream.receive_some())
                answers += sum(1 for _ in unpacker)
        await stream.aclose()


@pytest.mark.trio
async def test_too_many_payloads_that_nobody_takes_end_the_connection(demo_states: Any) -> None:
    network = LockstepNetwork()
    limits = am_rpc.Limits(out_bytes=100_000, undelivered_bytes=10**9)
    async with (
        am.Machine(demo_states) as source,
        am_rpc.Mux(source, listener=network.listener(), limits=limits) as mux,
    ):
        stream = await network.dial()
        await shake_hands(stream)
        (server,) = mux.servers.values()
        slow = server.mach.when_next_active("ErrSlowClient")
        for _ in range(60):
            source.add("SendPayload", name="x", data=b"x" * 5000)
        with trio.fail_after(5):
            assert await slow
        await stream.aclose()


SESSION = [
    [0, 3, "a", [[2], {"x": [1, {"y": None}]}]],
    [0, 4, "r", [[2]]],
    [2, "a", [5, [3]]],
    [0, 6, "sync", []],
    [0, 7, "wa", [1, 3, {"id": 1}]],
    [0, 8, "c", [0, [1]]],
    [0, 9, "e", [[7], {"t": "T", "m": "m"}]],
    [0, 10, "args", []],
    [1, 1, None, None],
    [0, 11, "ping", []],
    [2, "bye", ["x"]],
]


def harmed(rand: random.Random) -> bytes:
    data = bytearray(b"".join(map(msgpack.packb, SESSION)))
    for _ in range(rand.randrange(4)):
        data[rand.randrange(len(data))] = rand.randrange(256)
    if rand.random() < 0.3:
        del data[rand.randrange(len(data)) :]
    return bytes(data)


@pytest.mark.trio
async def test_nonsense_hurts_neither_the_mux_nor_a_healthy_client(serve: Any) -> None:
    rand = random.Random(1)
    async with serve() as pair, pair.connect() as net:
        tasks = trio.lowlevel.current_statistics().tasks_living
        for round_ in range(300):
            stream = await pair.network.dial()
            try:
                if rand.random() < 0.7:
                    await shake_hands(stream)
                await stream.send_all(harmed(rand))
            except (trio.BrokenResourceError, AssertionError):
                pass
            await trio.testing.wait_all_tasks_blocked()
            await trio.aclose_forcefully(stream)
            if round_ % 20 == 0:
                with trio.fail_after(1):
                    assert await net.add("D") is am.EXECUTED
        with trio.fail_after(5):
            while len(pair.mux.servers) > 1:
                await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living <= tasks
        assert net.client.stats.reconnects == 0
        assert pair.mux.mach.is_("Ready")


@pytest.mark.trio
@pytest.mark.slow
async def test_one_connection_too_many_is_refused_politely_and_the_others_are_served(
    serve: Any,
) -> None:
    assert inspect.signature(am_rpc.Mux).parameters["max_clients"].default == 4096
    # The first ones wait for the last, and answer no ping meanwhile.
    patient = am_rpc.Limits(heartbeat=600, dead=900)
    async with serve(push_interval=None, limits=patient, max_clients=CONNECTIONS) as pair:
        streams = []
        for number in range(CONNECTIONS):
            streams.append(await pair.network.dial())
            await shake_hands(streams[-1], number)
        assert len(pair.mux.servers) == CONNECTIONS
        one_more = await pair.network.dial()
        await one_more.send_all(msgpack.packb([0, 1, "hello", [HELLO]]))
        kind, call_id, error, result = msgpack.unpackb(await one_more.receive_some())
        assert (kind, call_id, result) == (1, 1, None)
        assert error[:2] == [am_rpc.ErrorCode.BUSY, "too many clients"]
        assert await one_more.receive_some() == b""
        assert pair.mux.mach.is_("Full")
        for stream in (streams[0], streams[-1]):
            await stream.send_all(msgpack.packb([0, 3, "ping", []]))
            assert msgpack.unpackb(await stream.receive_some())[:3] == [1, 3, None]
        await streams.pop().aclose()
        await pair.mux.mach.when_not("Full")
        await shake_hands(await pair.network.dial(), CONNECTIONS)
        await pair.network.cut()


def test_harmed_updates_are_noticed_by_their_sum() -> None:
    rand = random.Random(3)
    states, missed = 40, 0
    for _ in range(HARMED_UPDATES):
        start = rand.randrange(2**16)
        indexes = sorted(rand.sample(range(states), rand.randint(1, 4)))
        pairs = [number for index in indexes for number in (index, rand.randint(1, 6))]
        told = moved_sum(start, pairs, 1, 0)
        harm = rand.randrange(3)
        bad = list(pairs)
        at = 2 * rand.randrange(len(indexes))
        if harm == 0:
            bad[at] = (bad[at] + rand.randint(1, states - 1)) % states
        elif harm == 1:
            bad[at + 1] += rand.randint(1, 250)
        else:
            bad, start = pairs, (start - rand.randrange(1, 2**16)) % 2**16
        missed += moved_sum(start, bad, 1, 0) == told
    assert missed <= HARMED_UPDATES * 0.0001, f"{missed} of {HARMED_UPDATES}"
    assert full_sum([0, 1], 7, 0) == 10


@pytest.mark.trio
@pytest.mark.parametrize("ending", ["leave", "stop", "drain"])
async def test_a_mux_ends_though_a_peer_does_not_take_its_welcome(
    demo_states: Any, ending: str, autojump_clock: trio.testing.MockClock
) -> None:
    network = LockstepNetwork()
    async with am.Machine(demo_states) as source:
        async with am_rpc.Mux(source, listener=network.listener()) as mux:
            stream = await network.dial()
            await stream.send_all(msgpack.packb([0, 1, "hello", [HELLO]]))
            # The welcome is on its way, byte for byte, and nobody reads it.
            await trio.testing.wait_all_tasks_blocked()
            start = trio.current_time()
            if ending == "stop":
                await mux.stop()
            elif ending == "drain":
                await mux.drain(1)
        assert trio.current_time() - start <= 10
        await stream.aclose()
    assert source.disposed


@pytest.mark.trio
async def test_a_goodbye_amid_the_handshake_does_not_break_into_the_welcome(
    demo_states: Any, autojump_clock: object
) -> None:
    network = LockstepNetwork()
    async with am.Machine(demo_states) as source, trio.open_nursery() as nursery:
        async with am_rpc.Mux(source, listener=network.listener()) as mux:
            stream = await network.dial()
            await stream.send_all(msgpack.packb([0, 1, "hello", [HELLO]]))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(mux.stop)
            await trio.lowlevel.checkpoint()
            heard = bytearray()
            while data := await stream.receive_some(7):
                heard += data
        unpacker = msgpack.Unpacker()
        unpacker.feed(heard)
        messages = list(unpacker)
        assert messages[0][:3] == [1, 1, None]
        assert messages[1:] in ([], [[2, "bye", ["stop"]]])
        await stream.aclose()


@pytest.mark.trio
async def test_who_knows_already_that_the_source_moved_is_not_told_again(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(push_interval=10) as pair:
        async with pair.connect() as one, pair.connect() as other:
            await trio.sleep(10)
            before = pair.mux.stats.pushes
            observer = Observer.of(pair.source)
            assert len(observer._armed) == 2
            for _ in range(50):
                pair.source.add("D")
            assert not observer._armed
            await trio.sleep(20)
            assert one.tick("D") == other.tick("D") == 99
            assert pair.mux.stats.pushes == before + 2, "one to each"
            assert pair.mux.stats.pushes_merged == 2 * 49
            assert len(observer._armed) == 2
        assert not observer.followers
        assert not observer._armed
