"""The scenarios whose cost the documentation states: bytes and calls per round, clients per mux."""

from __future__ import annotations

import gc
import random
import resource
import sys
import time
from typing import Any

import msgpack
import trio

import am_machine as am
import am_rpc


class ValueStates(am.States):
    """An event, and the value it announces."""

    Event = am.State(multi=True)
    CallOp = am.State(multi=True)
    Value1 = am.State(remove=["Value2", "Value3"])
    Value2 = am.State(remove=["Value1", "Value3"])
    Value3 = am.State(remove=["Value1", "Value2"])


class ValueHandlers:
    """Each call sets a random value and tells of it."""

    def CallOpState(self, event: am.Event) -> None:
        """Answer."""
        event.machine.add(f"Value{random.randint(1, 3)}")
        event.machine.add("Event")


async def subscribe_get_process(rounds: int, addr: str = "127.0.0.1:0") -> dict[str, float]:
    """Wait for an event, read the value, call the operation; per round."""
    async with (
        am.Machine(ValueStates, handlers=ValueHandlers()) as source,
        am_rpc.Mux(source, addr) as mux,
        am_rpc.Client(mux.addr, ValueStates) as client,
    ):
        net = await client.ready()
        await net.add("CallOp", op=0)
        stats = client.stats
        calls, traffic = stats.calls, stats.bytes_in + stats.bytes_out
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(rounds):
            wait = net.when_next_active("Event")
            value = net.switch("Value1", "Value2", "Value3")
            assert value is not None
            net.add("CallOp", op=int(value[-1]))
            await wait
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        return {
            "calls": (stats.calls - calls) / rounds,
            "bytes": (stats.bytes_in + stats.bytes_out - traffic) / rounds,
            "us": wall / rounds * 1e6,
            "cpu_us": cpu / rounds * 1e6,
            "errors": float(stats.errors + stats.checksum_errors),
        }


async def one_way_bytes(count: int = 1000) -> float:
    """Bytes of a one-way mutation, the final sync included."""
    async with (
        am.Machine(ValueStates) as source,
        am_rpc.Mux(source, "127.0.0.1:0", push_interval=None) as mux,
        am_rpc.Client(mux.addr, ValueStates) as client,
    ):
        net = await client.ready()
        before = client.stats.bytes_out + client.stats.bytes_in
        for _ in range(count):
            net.add_ns("Event")
        await net.sync()
        return (client.stats.bytes_out + client.stats.bytes_in - before) / count


async def push_bytes(count: int = 1000) -> float:
    """Bytes of a push that tells of one change."""
    async with (
        am.Machine(ValueStates) as source,
        am_rpc.Mux(source, "127.0.0.1:0", push_interval=0) as mux,
        am_rpc.Client(mux.addr, ValueStates) as client,
    ):
        net = await client.ready()
        before = client.stats.bytes_in
        for _ in range(count):
            heard = net.when_next_active("Event")
            source.add("Event")
            await heard
        return (client.stats.bytes_in - before) / count


def resident() -> int:
    """Resident size of this process in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def many_clients(count: int) -> dict[str, float]:
    """Raw clients on one mux: KiB of the server side per client, seconds to reach all."""
    async with (
        am.Machine(ValueStates) as source,
        am_rpc.Mux(source, "127.0.0.1:0") as mux,
    ):
        host, _, port = mux.addr.rpartition(":")
        streams: list[Any] = []
        gc.collect()
        before, start = resident(), time.perf_counter()
        for number in range(count):
            stream = await trio.open_tcp_stream(host, int(port))
            hello = {"v": 1, "id": f"rc-{number}", "se": number.to_bytes(8, "big")}
            await stream.send_all(msgpack.packb([0, 1, "hello", [hello]]))
            await stream.receive_some()
            await stream.send_all(msgpack.packb([0, 2, "ready", []]))
            await stream.receive_some()
            streams.append(stream)
        ready = time.perf_counter() - start
        gc.collect()
        size = (resident() - before) / count / 1024
        await trio.sleep(0.3)
        start = time.perf_counter()
        source.add("Event")
        for stream in streams:
            await stream.receive_some()
        reach = time.perf_counter() - start
        for stream in streams:
            await stream.aclose()
        await mux.mach.when_not("HasClients")
        return {"ready_s": ready, "kib_per_client": size, "reach_s": reach}


def main() -> None:
    """Print all figures."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print("subscribe-get-process", trio.run(subscribe_get_process, rounds))
    print("one-way bytes", trio.run(one_way_bytes))
    print("push bytes", trio.run(push_bytes))
    print("clients", trio.run(many_clients, int(sys.argv[2]) if len(sys.argv) > 2 else 1000))


if __name__ == "__main__":
    main()
