"""Mutated frames into the sans-IO core, then into a live mux with a healthy client beside.

`python fuzz.py FRAMES SECONDS SEED`; exits with an error if anything but a refusal happens.
"""

from __future__ import annotations

import gc
import random
import resource
import sys
import time

import msgpack
import trio

import am_machine as am
import am_rpc

HELLO = {"v": 1, "id": "rc-fuzz", "se": bytes(8)}
FRAMES = [
    msgpack.packb(frame)
    for frame in (
        [0, 1, "hello", [HELLO | {"sync": {"allowed": ["A"], "mutations": True}}]],
        [0, 1, "auth", [bytes(32), bytes(32)]],
        [0, 2, "ready", []],
        [0, 3, "a", [[1], {"x": [1, {"y": None}]}, ["m", "t", 5, 1]]],
        [0, 4, "s", [[0, 1, 2]]],
        [2, "r", [5, [1]]],
        [0, 6, "e", [[0], {"t": "T", "m": "m", "tb": "x"}]],
        [0, 7, "c", [1, [0], {}]],
        [0, 8, "wa", [1, 0, {"id": 1}]],
        [0, 9, "wx", [1]],
        [0, 10, "sync", []],
        [1, 1, None, [1, [[0, 1], 1, 0, 3]]],
        [1, 2, [5, "text"], None],
        [2, "u", [[0, 2, 1, 1], 3, 0, 14]],
        [2, "um", [[0, [1], [[1, 1], 1, 0, 10]]]],
        [2, "schema", [{"names": ["A", "B"], "t": [0, 0], "q": 1, "m": 0, "n": 2}]],
        [0, 3, "p", [1, "sq", 4, "m", "t"]],
        [2, "pc", [1, 0, 2, b"x" * 50]],
        [2, "bye", ["stop"]],
    )
]


def harmed(rand: random.Random) -> bytes:
    """Return a few frames with some bytes changed, lost or doubled."""
    data = bytearray(b"".join(rand.choices(FRAMES, k=rand.randint(1, 4))))
    for _ in range(rand.randrange(4)):
        at = rand.randrange(len(data))
        match rand.randrange(3):
            case 0:
                data[at] = rand.randrange(256)
            case 1:
                del data[at : at + rand.randrange(8)]
            case _:
                data[at:at] = data[at : at + rand.randrange(8)]
        if not data:
            data += b"\xc1"
    return bytes(data)


def fuzz_core(frames: int, rand: random.Random) -> int:
    """Feed both sides of the core; count what was refused."""
    refused = 0
    for number in range(frames):
        protocol = am_rpc.Protocol(client=bool(number & 1))
        for call_id in range(3):
            protocol.expect(call_id, "a")
        try:
            protocol.receive_data(harmed(rand))
            while protocol.next_event() is not None:
                pass
        except am_rpc.RpcError:
            refused += 1
    return refused


class FuzzStates(am.States):
    """A few states."""

    A = am.State(multi=True)
    B = am.State(auto=True, require=[A])
    Beat = am.State(multi=True)


async def attack(addr: str, rand: random.Random, until: float) -> None:
    """Connect, say nonsense, leave; again and again."""
    host, _, port = addr.rpartition(":")
    while trio.current_time() < until:
        stream = await trio.open_tcp_stream(host, int(port))
        try:
            with trio.move_on_after(0.5):
                if rand.random() < 0.7:
                    hello = HELLO | {"se": rand.randbytes(8)}
                    await stream.send_all(msgpack.packb([0, 1, "hello", [hello]]))
                    await stream.receive_some()
                    await stream.send_all(msgpack.packb([0, 2, "ready", []]))
                for _ in range(rand.randrange(1, 20)):
                    await stream.send_all(harmed(rand))
                if rand.random() < 0.5:
                    await stream.receive_some()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)


async def fuzz_mux(seconds: float, rand: random.Random) -> dict[str, float]:
    """Attack a mux from four sides; measure the round trips of a healthy client."""
    worst = 0.0
    async with (
        am.Machine(FuzzStates) as source,
        am_rpc.Mux(source, "127.0.0.1:0") as mux,
        am_rpc.connect(mux.addr) as net,
    ):
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tasks = trio.lowlevel.current_statistics().tasks_living
        until = trio.current_time() + seconds
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(attack, mux.addr, random.Random(rand.random()), until)
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
        assert net.client.stats.reconnects == 0
        return {
            "connections": float(mux.mach.tick("ClientConnected")) / 2,
            "worst_s": worst,
            "kib": grown,
            "tasks_left": left,
        }


def main(frames: int, seconds: float, seed: int) -> None:
    """Run both and print what happened."""
    rand = random.Random(seed)
    print(f"core: {fuzz_core(frames, rand)} of {frames} refused, nothing else raised")
    found = trio.run(fuzz_mux, seconds, rand)
    print("mux:", found)
    assert found["worst_s"] <= 1
    assert found["kib"] <= 32 * 1024
    assert found["tasks_left"] <= 0


if __name__ == "__main__":
    main(*(int(arg) for arg in (sys.argv[1:] + ["1000000", "60", "1"][len(sys.argv) - 1 :])))
