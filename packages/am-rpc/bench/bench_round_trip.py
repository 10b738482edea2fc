"""Round trips over loopback TCP, both ends in one process, beside a bare trio + msgpack echo."""

from __future__ import annotations

import sys
import time
from statistics import median, quantiles
from typing import Any

import msgpack
import trio

import am_machine as am
import am_rpc

REQUEST = [0, 1000, "a", [[1], {"op": 3}]]
RESPONSE = [1, 1000, None, [1, [[1, 2, 2, 1], 1, 0, 4711]]]


async def echo_server(stream: trio.SocketStream) -> None:
    unpacker = msgpack.Unpacker()
    async for data in stream:
        unpacker.feed(data)
        for _ in unpacker:
            await stream.send_all(msgpack.packb(RESPONSE))


async def bench_echo(rounds: int) -> float:
    """Seconds per round of request and response with nothing else."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, echo_server, 0)
        port = listeners[0].socket.getsockname()[1]
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        unpacker = msgpack.Unpacker()
        start = time.process_time()
        for _ in range(rounds):
            await stream.send_all(msgpack.packb(REQUEST))
            got: Any = None
            while got is None:
                unpacker.feed(await stream.receive_some())
                got = next(unpacker, None)
        took = time.process_time() - start
        nursery.cancel_scope.cancel()
    return took / rounds


class BenchStates(am.States):
    """A call and the event that answers it."""

    CallOp = am.State(multi=True)
    Event = am.State(multi=True)


class BenchHandlers:
    """Answer each call."""

    def CallOpState(self, event: am.Event) -> None:
        event.machine.add("Event")


async def bench_mutation(rounds: int, limits: am_rpc.Limits | None = None) -> float:
    """Seconds per awaited mutation."""
    async with (
        am.Machine(BenchStates, handlers=BenchHandlers()) as source,
        am_rpc.Mux(source, "127.0.0.1:0") as mux,
        am_rpc.connect(mux.addr, BenchStates) as net,
    ):
        start = time.process_time()
        for number in range(rounds):
            await net.add("CallOp", op=number & 3)
        return (time.process_time() - start) / rounds


async def bench_pipelined(rounds: int) -> float:
    """Seconds per mutation, a thousand in flight."""
    async with (
        am.Machine(BenchStates) as source,
        am_rpc.Mux(source, "127.0.0.1:0") as mux,
        am_rpc.connect(mux.addr, BenchStates) as net,
    ):
        start = time.process_time()
        for _ in range(rounds // 1000):
            for _ in range(1000):
                net.add("CallOp")
            await net.flush()
        return (time.process_time() - start) / rounds


async def main(rounds: int, runs: int = 40) -> None:
    """Print medians of many short runs that take turns, and of their ratios.

    A ratio is that of neighbours: the machine is as fast for one as for the other, however its
    speed changes meanwhile.
    """
    echo, mutation, pipelined = [], [], []
    for _ in range(runs):
        echo.append(await bench_echo(rounds))
        mutation.append(await bench_mutation(rounds))
        pipelined.append(await bench_pipelined(max(1000, rounds)))
    floor, trip, pipe = (median(times) for times in (echo, mutation, pipelined))
    print(f"median: echo {floor * 1e6:.1f} us  mutation {trip * 1e6:.1f} us", end="  ")
    print(f"pipelined {1 / pipe:.0f}/s")
    for told, times in (("mutation", mutation), ("pipelined", pipelined)):
        ratios = [one / two for one, two in zip(times, echo, strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        print(f"{told} beside its echo: {middle:.2f} x, half of them {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 400)
