"""A live mux that strangers attack from four sides, and a healthy client beside them."""

from __future__ import annotations

import gc
import random
import resource
import time
from dataclasses import dataclass
from typing import Final

import msgpack
import trio
from inputs import HELLO, STALLED, UPGRADE, framed, harmed, reshaped, spoiled

import am_machine as am
import am_rpc

ATTACKERS: Final = 4
WORST_ROUND_TRIP: Final = 1.0  # seconds
GROWTH: Final = 32 * 1024  # KiB
ACCESS: Final = am_rpc.Access(write=frozenset({"A", "B", "Beat"}))
EMPTY_FRAMES: Final = 2_000  # more than Python's stack is deep


class FuzzStates(am.States):
    """A few states."""

    A = am.State(multi=True)
    B = am.State(auto=True, require=[A])
    Beat = am.State(multi=True)
    Guarded = am.State()


async def attack(port: int, over_ws: bool, rand: random.Random, until: float) -> None:
    """Connect, say nonsense, leave; again and again."""
    while trio.current_time() < until:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        try:
            with trio.move_on_after(0.5):
                await (_annoy_websocket if over_ws else _annoy)(stream, rand)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)


async def _annoy(stream: trio.SocketStream, rand: random.Random) -> None:
    if rand.random() < 0.7:
        hello = HELLO | {"se": rand.randbytes(8)}
        await stream.send_all(msgpack.packb([0, 1, "hello", [hello]]))
        await stream.receive_some()
        await stream.send_all(msgpack.packb([0, 2, "ready", []]))
    if rand.random() < 0.2:
        await stream.send_all(rand.choice(STALLED))
        await trio.sleep(rand.random())
        return
    if rand.random() < 0.2:
        # What is not in `write` is out of reach, by whatever call.
        for number, method in enumerate(("s", "e", "r", "t"), 100):
            error = [{"t": "T", "m": "m"}] if method == "e" else []
            states = rand.choice(([], [0], [3], [0, 1, 2], [4]))
            await stream.send_all(msgpack.packb([0, number, method, [states, *error]]))
    for _ in range(rand.randrange(1, 20)):
        data = harmed(rand)
        await stream.send_all(reshaped(data, rand) if rand.random() < 0.5 else data)
    if rand.random() < 0.5:
        await stream.receive_some()


async def _annoy_websocket(stream: trio.SocketStream, rand: random.Random) -> None:
    if rand.random() < 0.3:
        await stream.send_all(spoiled(UPGRADE, rand))
    else:
        await stream.send_all(UPGRADE)
        await stream.receive_some()
        if rand.random() < 0.3:
            hello = [0, 1, "hello", [HELLO | {"se": rand.randbytes(8)}]]
            for message in (hello, [0, 2, "ready", []]):
                await stream.send_all(framed(msgpack.packb(message)))
                await stream.receive_some()
            await stream.send_all(framed(b"") * EMPTY_FRAMES)
    for _ in range(rand.randrange(1, 20)):
        frame = framed(harmed(rand), rand.choice((0, 1, 2, 2, 2, 8, 9, 10, 3)))
        await stream.send_all(spoiled(frame, rand) if rand.random() < 0.5 else frame)
    if rand.random() < 0.5:
        await stream.receive_some()


@dataclass(frozen=True)
class Report:
    """What the attack cost the others."""

    connections: int
    worst: float
    kib: int
    tasks_left: int
    reconnects: int
    is_guarded: bool

    @property
    def ok(self) -> bool:
        """Whether it cost them nothing that counts."""
        clean = self.tasks_left <= 0 and self.reconnects == 0 and self.is_guarded
        return clean and self.worst <= WORST_ROUND_TRIP and self.kib <= GROWTH

    def __str__(self) -> str:
        return (
            f"{self.connections} connections; worst round trip of the healthy client "
            f"{self.worst:.3f} s, {self.reconnects} reconnects; {self.kib} KiB of memory; "
            f"{max(self.tasks_left, 0)} tasks left; what may not be written "
            f"{'was not' if self.is_guarded else 'WAS'}"
        )


async def besiege(addr: str, seconds: float, rand: random.Random) -> Report:
    """Attack a mux from four sides; measure the round trips of a healthy client."""
    worst = 0.0
    async with (
        am.Machine(FuzzStates) as source,
        am_rpc.Mux(source, addr, access=ACCESS) as mux,
        am_rpc.connect(mux.addr) as net,
    ):
        source.add("Guarded")
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tasks = trio.lowlevel.current_statistics().tasks_living
        until = trio.current_time() + seconds
        over_ws = addr.startswith("ws:")
        port = int(mux.addr.rstrip("/").rpartition(":")[2])
        async with trio.open_nursery() as nursery:
            for _ in range(ATTACKERS):
                own = random.Random(rand.random())
                nursery.start_soon(attack, port, over_ws, own, until)
            while trio.current_time() < until:
                start = time.perf_counter()
                assert await net.add("Beat") is am.EXECUTED
                worst = max(worst, time.perf_counter() - start)
                await trio.sleep(0.05)
        with trio.fail_after(10):
            while len(mux.servers) > 1:  # noqa: ASYNC110 - no event for the second last one
                await trio.sleep(0.05)
        # A server leaves the table just before its task ends.
        await trio.sleep(0.5)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        left = trio.lowlevel.current_statistics().tasks_living - tasks
        connections = mux.mach.tick("ClientConnected") // 2
        guarded = source.tick("Guarded") == 1 and source.tick("Exception") == 0
        return Report(connections, worst, grown, left, net.client.stats.reconnects, guarded)
