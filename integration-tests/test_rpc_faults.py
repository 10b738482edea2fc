"""am-rpc on a bad network: a proxy of ours cuts, delays, truncates, corrupts and stalls."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_machine as am
import am_rpc
from am_rpc.testing import MemoryNetwork

from .test_rpc_transports import transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

pytestmark = pytest.mark.trio
SEEDS = range(int(os.environ.get("AM_RPC_SEEDS", "2")))
CALLS = int(os.environ.get("AM_RPC_CALLS", "4000"))
CUTS = 100
OTHER_SEEDS = range((len(SEEDS) + 1) // 2 if len(SEEDS) < 20 else len(SEEDS))


class Proxy:
    """Forwards TCP connections, and harms them on command."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self.pairs: list[tuple[trio.SocketStream, trio.SocketStream]] = []
        self.delay = 0.0
        self.stalled = trio.Event()
        self.stalled.set()
        # Bytes to let through, by direction, before the connection is cut.
        self.cut_after: dict[str, int] = {}
        # Set, and made anew, whenever a connection was cut that way.
        self.cuts = 0
        self.cut = trio.Event()
        # Offset of a byte to change, counted down by direction.
        self.corrupt_at: dict[str, int] = {}

    async def serve(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.port = listeners[0].socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, self._accept, listeners)
            task_status.started()

    async def _accept(self, client: trio.SocketStream) -> None:
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            await client.aclose()
            return
        pair = (client, server)
        self.pairs.append(pair)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, nursery, client, server, "up")
                nursery.start_soon(self._pump, nursery, server, client, "down")
        finally:
            self.pairs.remove(pair)
            with trio.CancelScope(shield=True):
                for stream in pair:
                    await trio.aclose_forcefully(stream)

    async def _pump(self, nursery: trio.Nursery, source: Any, sink: Any, way: str) -> None:
        try:
            async for data in source:
                await self.stalled.wait()
                if self.delay:
                    await trio.sleep(self.delay)
                harmed, ends = self._harm(bytes(data), way)
                await sink.send_all(harmed)
                if ends:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        nursery.cancel_scope.cancel()

    def _harm(self, data: bytes, way: str) -> tuple[bytes, bool]:
        """Return what is left of some bytes, and whether the connection ends after them."""
        if way in self.corrupt_at:
            at = self.corrupt_at[way]
            if at < len(data):
                data = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
                del self.corrupt_at[way]
            else:
                self.corrupt_at[way] = at - len(data)
        left = self.cut_after.pop(way, None)
        if left is None:
            return data, False
        if left > len(data):
            self.cut_after[way] = left - len(data)
            return data, False
        self.cuts += 1
        self.cut.set()
        self.cut = trio.Event()
        return data[:left], True


class WorkStates(am_rpc.StateSource):
    """Calls that are counted."""

    CallOp = am.State(multi=True)
    Done = am.State(multi=True)


class Counter:
    """Remembers the order of calls of each client."""

    def __init__(self) -> None:
        self.seen: dict[int, list[int]] = {}

    def CallOpState(self, event: am.Event) -> None:
        self.seen.setdefault(event.args["who"], []).append(event.args["n"])


@asynccontextmanager
async def proxied(
    source: am.Machine, addr: str = "127.0.0.1:0", **options: Any
) -> AsyncIterator[tuple[am_rpc.Mux, Proxy]]:
    async with am_rpc.Mux(source, addr, **options) as mux, trio.open_nursery() as nursery:
        port = mux.addr.removeprefix("ws://").partition("/")[0].rpartition(":")[2]
        proxy = Proxy(int(port))
        await nursery.start(proxy.serve)
        yield mux, proxy
        nursery.cancel_scope.cancel()


# Plain connections with every seed, the others by day with half of them.
KINDS = [
    *(("tcp", seed) for seed in SEEDS),
    *((kind, seed) for kind in ("tls", "ws") for seed in OTHER_SEEDS),
]


@pytest.mark.parametrize(("kind", "seed"), KINDS)
async def test_every_call_is_executed_once_and_in_order_across_random_cuts(
    kind: str, seed: int
) -> None:
    addr, serve, dial, _ = transport(kind, Path())
    path = "/rpc" if kind == "ws" else ""
    scheme = "ws://" if kind == "ws" else ""
    rand = random.Random(seed)
    counter = Counter()
    retry = am_rpc.Retry(connect_delay=0.005, connect_max_delay=0.02, connect_tries=10_000)
    made = dict.fromkeys(range(4), 0)
    waits: list[am.Wait] = []
    enough = False

    async def work(who: int, addr: str) -> None:
        async with am_rpc.Client(addr, WorkStates, retry=retry, **dial) as client:
            net = await client.ready(30)
            waits.append(net.when("CallOp"))
            results: list[am.Result] = []
            # As many calls as were asked for, and on until the last cut.
            while made[who] < CALLS // 4 or not enough:
                result = net.add("CallOp", who=who, n=made[who])
                assert result, result.error
                results.append(result)
                made[who] += 1
                if len(results) % 50 == 0:
                    await results[-50]
            for result in results:
                await result
            assert {str(r.error) for r in results if r.canceled} == set()

    async def harm(proxy: Proxy, source: am.Machine) -> None:
        nonlocal enough
        # Spread over the calls, not over time: a quick machine gets as many cuts as a slow one.
        for number in range(1, CUTS + 1):
            executed = CALLS * number // (CUTS + 1)
            await source.when_time({"CallOp": 2 * executed - 1})
            # Less than the calls of one share cost in either direction, so that it comes in time.
            proxy.cut_after[rand.choice(("up", "down"))] = rand.randrange(1, 15 * CALLS // CUTS)
            await proxy.cut.wait()
        enough = True

    with trio.fail_after(30 + CALLS / 100):
        async with (
            am.Machine(WorkStates, handlers=counter) as source,
            proxied(source, addr, **serve) as (mux, proxy),
        ):
            async with trio.open_nursery() as nursery:
                for who in range(4):
                    nursery.start_soon(work, who, f"{scheme}127.0.0.1:{proxy.port}{path}")
                nursery.start_soon(harm, proxy, source)
            # Each cut was within a byte stream; few met a handshake, which is begun anew. That of
            # TLS is longer than what is said between two cuts.
            assert proxy.cuts == CUTS
            assert mux.stats.resumes > CUTS * (0.5 if kind == "tls" else 0.75)
            # Some calls were executed and their answer was cut off: those were repeated.
            assert mux.stats.dedup_hits > CUTS
            print(f"{proxy.cuts} cuts, {mux.stats.resumes} resumes, {sum(made.values())} calls")
    assert counter.seen == {who: list(range(made[who])) for who in made}
    for wait in waits:
        assert await wait


@pytest.mark.parametrize("seed", OTHER_SEEDS)
async def test_calls_on_streams_that_swallow_are_executed_once_and_settle_in_time(
    seed: int, autojump_clock: MockClock
) -> None:
    rand = random.Random(seed)
    counter = Counter()
    network = MemoryNetwork()
    retry = am_rpc.Retry(connect_delay=0.05, connect_max_delay=0.1, connect_tries=10_000)
    swallowing: list[Any] = []
    made = dict.fromkeys(range(4), 0)
    waits: list[am.Wait] = []
    late: list[float] = []

    async def dial() -> trio.abc.Stream:
        end = await network.dial()
        if len(swallowing) < CUTS:
            # From a random byte on, behind the handshake, nothing passes until it is closed.
            end.swallows_after = rand.randrange(800, 800 + 30 * CALLS // CUTS)
            swallowing.append(end)
        return end

    async def settled(result: am.Result, began: float, before: int) -> None:
        assert await result is am.EXECUTED, result.error
        # Twice the time of a call without a byte, for each stream that swallowed it.
        bound = 7.5 * (len(swallowing) - before + 1)
        late.append((trio.current_time() - began) / bound)

    async def work(who: int) -> None:
        async with am_rpc.Client(dial, WorkStates, retry=retry) as client:
            net = await client.ready(30)
            waits.append(net.when("CallOp"))
            while made[who] < CALLS // 4 or len(swallowing) < CUTS:
                results = [net.add("CallOp", who=who, n=made[who] + more) for more in range(10)]
                made[who] += len(results)
                began, before = trio.current_time(), len(swallowing)
                for result in results:
                    await settled(result, began, before)
            await net.sync()
            assert net.tick("CallOp") <= source.tick("CallOp")

    async with (
        am.Machine(WorkStates, handlers=counter) as source,
        am_rpc.Mux(source, listener=network.listener(), push_interval=0) as mux,
    ):
        async with trio.open_nursery() as nursery:
            for who in range(4):
                nursery.start_soon(work, who)
        assert mux.stats.resumes >= CUTS * 3 / 4
        assert max(late) <= 1
    assert counter.seen == {who: list(range(made[who])) for who in made}
    for wait in waits:
        assert await wait


async def test_a_sync_after_ten_thousand_adds_sees_them_all() -> None:
    limits = am_rpc.Limits(calls=10_000)
    async with (
        am.Machine(WorkStates) as source,
        am_rpc.Mux(source, "127.0.0.1:0", push_interval=None) as mux,
        am_rpc.connect(mux.addr, WorkStates, limits=limits) as net,
    ):
        for _ in range(5_000):
            net.add("CallOp")
            net.add_ns("CallOp")
        await net.sync()
        assert net.tick("CallOp") == source.tick("CallOp") == 2 * 10_000 - 1


async def test_corrupt_bytes_never_lead_to_wrong_states() -> None:
    rand = random.Random(7)
    retry = am_rpc.Retry(connect_delay=0.005, connect_tries=10_000)
    # A harmed header may announce more than ever comes, which is noticed after `dead`.
    limits = am_rpc.Limits(heartbeat=1, dead=3)
    async with (
        am.Machine(WorkStates, handlers=Counter()) as source,
        proxied(source, push_interval=0) as (_, proxy),
        am_rpc.Client(f"127.0.0.1:{proxy.port}", retry=retry, limits=limits) as client,
    ):
        net = await client.ready()
        with trio.fail_after(60):
            for n in range(60):
                proxy.corrupt_at["down"] = rand.randrange(60)
                net.add("CallOp", who=1, n=n)
                source.add("Done")
                await trio.sleep(0.001)
            proxy.corrupt_at.clear()
            await net.flush()
            await net.sync()
            assert net.time() == source.time()


async def test_a_delayed_and_a_stalled_connection_recover() -> None:
    async with (
        am.Machine(WorkStates, handlers=Counter()) as source,
        proxied(source, push_interval=0) as (_, proxy),
        am_rpc.connect(f"127.0.0.1:{proxy.port}") as net,
    ):
        proxy.delay = 0.05
        with trio.fail_after(20):
            results = [net.add("CallOp", who=1, n=n) for n in range(20)]
            assert {await result for result in results} == {am.EXECUTED}
            proxy.delay = 0
            proxy.stalled = trio.Event()
            result = net.add("CallOp", who=1, n=20)
            await trio.sleep(0.2)
            assert result.outcome is None
            proxy.stalled.set()
            assert await result is am.EXECUTED
            assert net.time() == source.time()


async def test_websockets_survive_cuts_within_frames_and_a_stall() -> None:
    rand = random.Random(3)
    counter = Counter()
    retry = am_rpc.Retry(connect_delay=0.005, connect_max_delay=0.02, connect_tries=10_000)
    with trio.fail_after(60):
        async with (
            am.Machine(WorkStates, handlers=counter) as source,
            proxied(source, "ws://127.0.0.1:0/rpc", push_interval=0) as (mux, proxy),
            am_rpc.Client(f"ws://127.0.0.1:{proxy.port}/rpc", WorkStates, retry=retry) as client,
        ):
            net = await client.ready(30)
            n = 0
            for _ in range(20):
                # Frames carry about 30 bytes: most cuts are within one.
                proxy.cut_after[rand.choice(("up", "down"))] = rand.randrange(1, 600)
                results = [net.add("CallOp", who=1, n=n + more) for more in range(40)]
                n += len(results)
                for result in results:
                    assert await result is am.EXECUTED, result.error
            proxy.cut_after.clear()
            proxy.stalled = trio.Event()
            stuck = net.add("CallOp", who=1, n=n)
            heard = net.when("Done")
            source.add("Done")
            await trio.sleep(0.2)
            assert stuck.outcome is None
            assert not heard.done
            proxy.stalled.set()
            assert await stuck is am.EXECUTED
            assert await heard
            await net.sync()
            assert net.time() == source.time()
            assert mux.stats.resumes >= 10
    assert counter.seen == {1: list(range(n + 1))}


SERVER = textwrap.dedent(
    """
    import sys, trio, am_machine as am, am_rpc

    class WorkStates(am_rpc.StateSource):
        CallOp = am.State(multi=True)
        Done = am.State(multi=True)

    class Handlers:
        def CallOpState(self, event):
            with open(sys.argv[2], "a") as log:
                log.write(f"{event.args['n']}\\n")

    async def main():
        async with am.Machine(WorkStates, handlers=Handlers(), id="work") as mach:
            async with am_rpc.Mux(mach, sys.argv[1]):
                print("ready", flush=True)
                await trio.sleep_forever()

    trio.run(main)
    """
)


def start_server(script: Path, addr: str, log: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(script), addr, str(log)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.process
async def test_a_server_killed_under_load_leaves_only_written_calls_unknown(
    tmp_path: Path,
) -> None:
    script, log = tmp_path / "server.py", tmp_path / "log"
    script.write_text(SERVER)
    addr = f"unix:{tmp_path / 'sock'}"
    # A busy machine may need many seconds to start the second server.
    retry = am_rpc.Retry(connect_delay=0.02, connect_max_delay=0.1, connect_tries=10_000)
    process = await trio.to_thread.run_sync(start_server, script, addr, log)
    try:
        async with am_rpc.Client(addr, WorkStates, retry=retry) as client:
            net = await client.ready(10)
            results = {}
            for n in range(600):
                results[n] = net.add("CallOp", n=n)
                if n == 300:
                    await trio.sleep(0.02)
                    process.kill()
                if n % 20 == 0:
                    await trio.sleep(0.001)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
            process = await trio.to_thread.run_sync(start_server, script, addr, log)
            with trio.fail_after(60):
                outcomes = {n: await result for n, result in results.items()}
        executed = [n for n, outcome in outcomes.items() if outcome is am.EXECUTED]
        unknown = [n for n, outcome in outcomes.items() if outcome is am.CANCELED]
        reasons = {repr(results[n].error) for n in unknown}
        assert {r for r in reasons if not r.startswith("OutcomeUnknown(")} == set()
        logged = [int(line) for line in log.read_text().split()]
        assert len(logged) == len(set(logged))
        assert set(executed) <= set(logged)
        assert set(logged) - set(executed) <= set(unknown)
        assert executed[-1] == 599
        assert net.client.mach.tick("SourceReplaced") > 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def test_a_thousand_clients_come_hear_one_change_and_go() -> None:
    count = int(os.environ.get("AM_RPC_CLIENTS", "200"))

    async def live(addr: str) -> None:
        async with am_rpc.Client(addr, WorkStates) as client:
            net = await client.ready(30)
            ready.append(client)
            if len(ready) == count:
                all_ready.set()
            await net.when("Done")
            heard.append(trio.current_time())
            if len(heard) == count:
                all_heard.set()
            await leave.wait()

    heard: list[float] = []
    ready: list[Any] = []
    all_ready, all_heard, leave = trio.Event(), trio.Event(), trio.Event()
    descriptors = open_descriptors()
    async with am.Machine(WorkStates) as source:
        async with am_rpc.Mux(source, "127.0.0.1:0") as mux:
            async with trio.open_nursery() as nursery:
                for _ in range(count):
                    nursery.start_soon(live, mux.addr)
                with trio.fail_after(20):
                    await all_ready.wait()
                start = trio.current_time()
                source.add("Done")
                with trio.fail_after(30):
                    await all_heard.wait()
                # Within a second of the push that follows, at the latest, an interval later.
                assert max(heard) - start < 0.25 + 1
                leave.set()
            with trio.fail_after(10):
                await mux.mach.when_not("HasClients")
            assert not mux.servers
            # None of them mutated anything, so they are kept as strangers are.
            assert len(mux.serving.sessions) == min(count, am_rpc.Limits().stranger_sessions)
        assert trio.lowlevel.current_statistics().tasks_living < 20
    if descriptors:
        assert open_descriptors() <= descriptors + 2


def open_descriptors() -> int:
    folder = "/proc/self/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0
