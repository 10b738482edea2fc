"""A live mux that strangers attack from four sides, and a healthy client beside them."""

from __future__ import annotations

import gc
import random
import resource
import ssl
import time
from dataclasses import dataclass
from typing import Final

import msgpack
import trio
from inputs import HELLO, STALLED, UPGRADE, framed, harmed, reshaped, spoiled

import am_machine as am
import am_rpc

ATTACKERS: Final = 4
# Seconds of this process that a round trip of the healthy client may take, 95 of 100; what other
# processes take of the processor does not count.
P95_ROUND_TRIP: Final = 0.05
WORST_ROUND_TRIP: Final = 1.0  # seconds by the clock
GROWTH: Final = 64 * 1024  # KiB
ACCESS: Final = am_rpc.Access(write=frozenset({"A", "B", "Beat"}))
EMPTY_FRAMES: Final = 2_000  # more than Python's stack is deep


class FuzzStates(am.States):
    """A few states."""

    A = am.State(multi=True)
    B = am.State(auto=True, require=[A])
    Beat = am.State(multi=True)
    Guarded = am.State()


async def attack(siege: Siege, rand: random.Random, until: float) -> None:
    """Connect, say nonsense, leave; again and again."""
    annoy = _annoy_websocket if siege.kind == "ws" else _annoy
    while trio.current_time() < until:
        stream: trio.abc.Stream = await trio.open_tcp_stream("127.0.0.1", siege.port)
        siege.connections += 1
        try:
            with trio.move_on_after(0.5):
                if siege.kind == "tls" and rand.random() < 0.7:
                    stream = await am_rpc.start_tls(stream, _blind(), server_hostname="127.0.0.1")
                await annoy(stream, rand)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)


def _blind() -> ssl.SSLContext:
    """TLS of an attacker, who trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _annoy(stream: trio.abc.Stream, rand: random.Random) -> None:
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


async def _annoy_websocket(stream: trio.abc.Stream, rand: random.Random) -> None:
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


@dataclass
class Siege:
    """What is attacked, and how often it was."""

    kind: str
    port: int
    connections: int = 0


@dataclass(frozen=True)
class Report:
    """What the attack cost the others."""

    connections: int
    p95: float
    p95_wall: float
    worst: float
    kib: int
    tasks_left: int
    reconnects: int
    is_guarded: bool

    @property
    def ok(self) -> bool:
        """Whether it cost them nothing that counts."""
        clean = self.tasks_left <= 0 and self.reconnects == 0 and self.is_guarded
        in_time = self.p95 <= P95_ROUND_TRIP and self.worst <= WORST_ROUND_TRIP
        return clean and in_time and self.kib <= GROWTH

    def __str__(self) -> str:
        return (
            f"{self.connections} connections; round trips of the healthy client: 95 of 100 within "
            f"{1000 * self.p95:.1f} ms of this process ({1000 * self.p95_wall:.1f} by the clock), "
            f"the worst {self.worst:.3f} s; {self.reconnects} reconnects; "
            f"{self.kib} KiB of memory; "
            f"{max(self.tasks_left, 0)} tasks left; what may not be written "
            f"{'was not' if self.is_guarded else 'WAS'}"
        )


def _contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of the server, and of a client that trusts it."""
    import trustme

    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    return theirs, ours


async def besiege(kind: str, seconds: float, rand: random.Random) -> Report:
    """Attack a mux from four sides; measure the round trips of a healthy client.

    `kind` is how it listens: tcp, tls or ws.
    """
    addr = "ws://127.0.0.1:0/" if kind == "ws" else "127.0.0.1:0"
    theirs, ours = _contexts() if kind == "tls" else (None, None)
    spent: list[float] = []
    walls: list[float] = []
    async with (
        am.Machine(FuzzStates) as source,
        am_rpc.Mux(source, addr, access=ACCESS, ssl_context=theirs) as mux,
        am_rpc.connect(mux.addr, ssl_context=ours, timeout=10) as net,
    ):
        source.add("Guarded")
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tasks = trio.lowlevel.current_statistics().tasks_living
        until = trio.current_time() + seconds
        siege = Siege(kind, int(mux.addr.rstrip("/").rpartition(":")[2]))
        async with trio.open_nursery() as nursery:
            for _ in range(ATTACKERS):
                nursery.start_soon(attack, siege, random.Random(rand.random()), until)
            while trio.current_time() < until:
                start, worked = time.perf_counter(), time.process_time()
                assert await net.add("Beat") is am.EXECUTED
                spent.append(time.process_time() - worked)
                walls.append(time.perf_counter() - start)
                await trio.sleep(0.05)
        with trio.fail_after(10):
            while len(mux.servers) > 1:  # noqa: ASYNC110 - no event for the second last one
                await trio.sleep(0.05)
        # A server leaves the table just before its task ends.
        await trio.sleep(0.5)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        left = trio.lowlevel.current_statistics().tasks_living - tasks
        guarded = source.tick("Guarded") == 1 and source.tick("Exception") == 0
        return Report(
            siege.connections, _p95(spent), _p95(walls), max(walls), grown, left,
            net.client.stats.reconnects, guarded,
        )  # fmt: skip


def _p95(values: list[float]) -> float:
    return sorted(values)[len(values) * 95 // 100]
