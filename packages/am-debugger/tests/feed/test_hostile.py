"""Floods: machines without end, connections without end, names without end. What was left out is
said, what others sent is there, and nothing grows beyond its bounds."""

from __future__ import annotations

import gc
import os
import ssl
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
import trustme

from am_debugger._cli.listener import Listener
from am_debugger._core.debugger import Debugger, Settings
from am_debugger._feed.losses import INTERVAL, Losses
from am_debugger._feed.server import MOST_CONNECTIONS, Server
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..messages import mach, process, schema, tx
from .conftest import Open, Peer, Told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio
OF = schema(("Start", "Exception"))
MACHINES = int(os.environ.get("AM_DBG_FLOOD_MACHINES", "2000"))
# Of these so many at the beginning, and at the end, are looked at more closely.
TRACED = 1000
STORM = int(os.environ.get("AM_DBG_FLOOD_CONNECTIONS", "500"))
_MEGABYTE = 1 << 20


async def test_machines_without_end_leave_room_for_what_was_there(open_server: Open) -> None:
    async with open_server() as place:
        place.store.max_clients = 100
        good, bad = place.peer(), place.peer()
        await good.hello("good")
        await good.send(OF, mach(1, "good", OF))
        await bad.hello("bad")

        async def flood(first: int, last: int) -> int:
            """Bytes that are held more after it, of machines `first` to `last - 1`."""
            for start in range(first, last, 500):
                handles = range(start, min(start + 500, last))
                await bad.send(*[mach(h, f"m{h}", OF) for h in handles])
                await bad.send(dbg.Txs(tuple([(h, tx()) for h in handles])))
                await good.send(dbg.Ping())  # this may take longer than it may be silent
                left_out = handles.stop - 99
                await place.told.until(lambda n=left_out: place.store.refused_clients == n)
            # What the last message tells of machines that were left out is on its way still.
            await trio.testing.wait_all_tasks_blocked(0.05)
            gc.collect()
            return tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0

        await bad.send(OF)
        began = trio.current_time()
        # To trace all of a million takes ten times as long as the flood.
        tracemalloc.start()
        held = await flood(0, TRACED)
        tracemalloc.stop()
        await flood(TRACED, MACHINES - TRACED)
        tracemalloc.start()
        more = await flood(MACHINES - TRACED, MACHINES)
        tracemalloc.stop()
        assert await bad.until(dbg.Ack)
        assert held < 20 * _MEGABYTE
        assert more < _MEGABYTE // 4
        assert len(place.store) == 100
        assert "machines were left out: 100 machines are known" in place.told.notes[0]
        assert len(place.told.notes) <= 2 + (trio.current_time() - began) / INTERVAL
        await good.send(dbg.Txs(((1, tx()),)))
        assert await good.until(dbg.Ack) == dbg.Ack(1)
        assert [client.last for client in place.store.named("good")] == [1]


async def test_machines_that_are_not_connected_make_room_for_new_ones() -> None:
    debugger = Debugger(Settings(max_clients=3))
    debugger.machine.add("Start", "Ready")
    store = debugger.session.store
    old, new = Link(store, process("old")), Link(store, process("new"))
    for link in (old, new):
        link.schema(OF)
    for handle in range(3):
        old.machine(mach(handle, f"old{handle}", OF))
    debugger.machine.add("SelectingClient", client="old0")
    old.close()
    for handle in range(2):
        new.machine(mach(handle, f"new{handle}", OF))
    assert [client.id for client in store] == ["old0", "new0", "new1"]
    debugger.check_memory()
    assert debugger.notes == ["2 machines were forgotten for others to come"]
    with pytest.raises(Exception, match="no more are taken in"):
        new.machine(mach(2, "new2", OF))


async def test_machines_that_live_shortly_make_room_for_each_other_without_end() -> None:
    debugger = Debugger(Settings(max_clients=100))
    debugger.machine.add("Start", "Ready")
    store = debugger.session.store
    server = Server(store, Listener(debugger), process("collector"))
    async with trio.open_nursery() as nursery:
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(server._serve_one, theirs)
        peer = Peer(ours)
        await peer.hello("busy")
        await peer.send(OF)
        for start in range(0, MACHINES, 250):
            for h in range(start, start + 250):
                gone = dbg.Gone(h, 2)
                await peer.send(mach(h, f"m{h}", OF), dbg.Txs(((h, tx()),)), gone)
            while (link := next(iter(server._incoming)).link) is None or link.taken < start + 250:
                await trio.lowlevel.checkpoint()
        assert [client.id for client in store] == [f"m{MACHINES - 100 + k}" for k in range(100)]
        assert [client.last for client in store] == [1] * 100
        assert not server.losses.counts
        debugger.check_memory()
        counts = [int(note.split()[0]) for note in debugger.notes]
        assert sum(counts) == MACHINES - 100
        assert debugger.notes[-1].endswith("machines were forgotten for others to come")
        nursery.cancel_scope.cancel()


async def test_a_storm_of_reconnects_leaves_nothing_behind(open_server: Open) -> None:
    async with open_server() as place:
        good = place.peer()
        await good.hello("good")
        await good.send(OF, mach(1, "good", OF))
        for number in range(STORM):
            peer = place.peer()
            assert await peer.hello(f"p{number}", argv0="x" * 500)
            await peer.stream.aclose()
        await place.told.until(lambda: place.told.disconnects == STORM)
        assert list(place.store.processes) == ["good"]
        assert len(place.server._incoming) == 1
        await good.send(dbg.Txs(((1, tx()),)))
        assert await good.until(dbg.Ack) == dbg.Ack(1)


async def test_five_hundred_connections_are_served_and_more_than_may_be_are_refused(
    open_server: Open,
) -> None:
    async with open_server() as place:
        peers = [place.peer() for _ in range(500)]
        for number, peer in enumerate(peers):
            await peer.hello(f"p{number}")
            await peer.send(OF, mach(1, f"m{number}", OF), dbg.Txs(((1, tx()),)))
        for peer in peers:
            assert await peer.until(dbg.Ack) == dbg.Ack(1)
        assert place.store.transitions == 500
        idle = [place.peer() for _ in range(MOST_CONNECTIONS - 500)]
        await trio.testing.wait_all_tasks_blocked()
        refused = place.peer()
        assert await refused.next() is None
        assert place.told.notes == [f"1 connections were refused: {MOST_CONNECTIONS} are open"]
        assert await idle[0].hello("late")


@pytest.mark.parametrize(
    "more",
    [
        {"id": "m" * _MEGABYTE},
        {"id": "m", "parent": "p" * _MEGABYTE},
        {"id": "m", "tags": ("t" * _MEGABYTE,)},
        {"id": "m", "tags": tuple(["t" * 1000] * 1000)},
        {"id": "m", "handlers": ("h" * _MEGABYTE,)},
        {"id": "m", "lib": "l" * _MEGABYTE},
        {"id": "m", "process": process("p2", argv0="a" * _MEGABYTE)},
    ],
)
async def test_a_machine_with_names_without_end_is_left_out(
    open_server: Open, more: dict[str, object]
) -> None:
    async with open_server() as place:
        peer = place.peer()
        await peer.hello()
        await peer.send(OF, mach(1, of=OF, **more), mach(2, "good", OF))  # type: ignore[arg-type]
        await place.told.until(lambda: place.told.machines)
        assert [client.id for client in place.store] == ["good"]
        assert "messages did not fit" in place.told.notes[0]
        assert len(place.told.notes[0]) < 500


async def test_a_schema_with_names_without_end_is_left_out(open_server: Open) -> None:
    async with open_server() as place:
        peer = place.peer()
        await peer.hello()
        long = schema(("S" * _MEGABYTE, "Exception"))
        await peer.send(long, mach(1, "bad", long), OF, mach(2, "good", OF))
        await place.told.until(lambda: place.told.machines)
        assert [client.id for client in place.store] == ["good"]
        assert list(place.store.schemas) == [OF.hash]


async def test_texts_of_schemas_count_as_memory_and_go_if_no_machine_has_them() -> None:
    store = Store()
    link = Link(store, process())
    names = ("Start", "Exception")
    docs = [schema(names, Start={"doc": str(k) * 100_000}) for k in range(10)]
    for sent in docs:
        link.schema(sent)
    link.machine(mach(1, "m", docs[0]))
    assert store.nbytes > 1_000_000
    assert store.drop_schemas() == 9
    assert list(store.schemas) == [docs[0].hash]


async def test_a_stranger_without_the_secret_is_told_of_and_takes_no_room(
    open_server: Open,
) -> None:
    async with open_server(secret=b"right") as place:
        for number in range(50):
            peer = place.peer()
            assert isinstance(await peer.hello(f"p{number}"), dbg.Challenge)
            await peer.send(dbg.Auth(b"n" * 32, b"m" * 32))
            assert isinstance(await peer.next(), dbg.Refusal)
            assert await peer.next() is None
        assert place.store.processes == {}
        assert place.server.losses.counts["connections did not know the secret"] == 50
        assert len(place.told.notes) < 5


async def test_over_tls_a_machine_is_taken_in_and_plain_talk_is_not(tmp_path: Path) -> None:
    authority = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)
    told = Told()
    server = Server(Store(), told, process("collector"), tls=server_tls)
    where = dbg.parse_address("127.0.0.1:1")._replace(port=0)
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(server.serve, [where])
        plain = Peer(await trio.open_tcp_stream(address.host, address.port))
        # So long since its first bytes look like the length of an old kind of TLS message.
        await plain.send(dbg.Hello(1, process("plain", argv0="x" * 6000), ()))
        assert await plain.next() is None
        stream = await trio.open_ssl_over_tcp_stream(
            address.host, address.port, ssl_context=client_tls
        )
        peer = Peer(stream)
        await peer.hello("p1")
        await peer.send(OF, mach(1, "m", OF), dbg.Txs(((1, tx()),)))
        assert await peer.until(dbg.Ack) == dbg.Ack(1)
        assert list(server.store.processes) == ["p1"]
        await plain.stream.aclose()
        await plain.stream.aclose()
        await stream.aclose()
        nursery.cancel_scope.cancel()


async def test_losses_are_told_now_and_then_and_none_is_forgotten(
    autojump_clock: trio.testing.MockClock,
) -> None:
    told: list[str] = []
    losses = Losses(told.append)
    for _ in range(100):
        losses.add("things were lost", why="it rains")
        await trio.sleep(INTERVAL / 50)
    losses.rest()
    assert told[0] == "1 things were lost: it rains"
    await trio.sleep(INTERVAL)
    losses.rest()
    losses.rest()
    assert len(told) <= 4
    assert sum([int(line.split()[0]) for line in told]) == 100 == losses.counts.total()
