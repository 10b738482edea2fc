"""Much in both directions at once: neither waits for the other, on every transport."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_machine as am
import am_rpc
from am_rpc.testing import MemoryNetwork

from .test_rpc_transports import transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.trio
KIB = 1024
MIB = 1024 * KIB
# In flight at once; as many at night as both sides are told to take.
CALLS = int(os.environ.get("AM_RPC_IN_FLIGHT", "1500"))
# One thread does the work of both ends, so at once costs what one after the other does, or nearly;
# one round of so many has to show that, for what else the machine does makes memory slower.
AT_ONCE = 1.25
ROUNDS = 10
# Nobody is told to be quick (see `patient`), so who waits for the other direction waits longer.
HELD_UP = 60.0


class Mail:
    """Takes payloads."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def ServerPayloadState(self, event: am.Event) -> None:
        self.sizes.append(len(event.args["data"]))


async def work_of(*calls: Callable[[], Awaitable[object]]) -> float:
    """Seconds of a processor that it takes to make all of these at once."""
    began = time.thread_time()
    with trio.fail_after(HELD_UP):
        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(call)
    return time.thread_time() - began


@pytest.mark.parametrize("kind", ["tcp", "unix", "tls", "ws", "memory"])
async def test_neither_direction_waits_for_the_other(kind: str, tmp_path: Path) -> None:
    # Both ends share one processor, maybe a busy one: it is not time that is to be short here.
    patient = {"heartbeat": 100.0, "dead": 300.0, "write_stall": 100.0, "payload_timeout": 600.0}
    served = am_rpc.Limits(outcomes=50_000, **patient)
    calling = am_rpc.Limits(calls=50_000, calls_bytes=64 * MIB, **patient)
    retry = am_rpc.Retry(call_timeout=100, call_total=600)
    dial: Any
    if kind == "memory":
        network = MemoryNetwork()
        addr, serve, options, dial = None, {"listener": network.listener()}, {}, network.dial
    else:
        addr, serve, options, name = transport(kind, tmp_path)
    mail = Mail()
    async with (
        am.Machine({"Knock": {"multi": True}}, id="door") as door,
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        am_rpc.Mux(door, addr, limits=served, **serve) as mux,
        am_rpc.connect(
            dial if kind == "memory" else name(mux.addr),
            consumer=consumer,
            limits=calling,
            retry=retry,
            **options,
        ) as net,
    ):
        made = 0

        async def up() -> None:
            nonlocal made
            results = [net.add("Knock", who=bytes(60 * KIB)) for _ in range(100)]
            results += [net.add("Knock") for _ in range(CALLS)]
            made += len(results)
            assert {await result for result in results} == {am.EXECUTED}

        async def down() -> None:
            await mux.send_payload("parcel", bytes(7 * MIB))

        ratios = []
        while len(ratios) < ROUNDS and min(ratios, default=9) > AT_ONCE:
            after_each_other = await work_of(up) + await work_of(down)
            ratios.append(await work_of(up, down) / after_each_other)
        assert min(ratios) <= AT_ONCE, ratios
        assert set(mail.sizes) == {7 * MIB}
        assert door.tick("Knock") == 2 * made - 1
        stats = net.client.stats
        assert (stats.reconnects, mux.stats.dedup_hits, mux.stats.errors) == (0, 0, 0)
        # Nothing was repeated.
        assert mux.stats.calls <= made + 2 * len(mail.sizes) + 10


async def test_a_client_has_no_more_in_flight_than_the_server_keeps_outcomes_of() -> None:
    network = MemoryNetwork()
    limits = am_rpc.Limits(calls=50_000, calls_bytes=64 * MIB)
    async with (
        am.Machine({"Knock": {"multi": True}}) as door,
        am_rpc.Mux(door, listener=network.listener(), limits=am_rpc.Limits(outcomes=100)) as mux,
        am_rpc.connect(network.dial, limits=limits) as net,
    ):
        most = 0
        expected = net.client.link.connection.protocol.expected
        results = [net.add("Knock") for _ in range(CALLS)]
        while results[-1].outcome is None:
            most = max(most, len(expected))
            await trio.lowlevel.checkpoint()
        assert most == 100
        assert {await result for result in results} == {am.EXECUTED}
        assert mux.stats.mutations == CALLS
