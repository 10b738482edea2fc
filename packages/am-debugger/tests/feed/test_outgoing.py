"""Viewers and forwarding: what is kept, then what comes, with losses told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from am_debugger import CannotListenError
from am_debugger._feed import outgoing as module
from am_debugger._feed.forward import forward
from am_debugger._feed.server import Server
from am_debugger._feed.viewing import view
from am_debugger._feed.wishes import ViewerWishes
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..exporter import Exporter
from ..messages import mach, process, tx
from .conftest import Open, Peer, Told

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio


class Mirror:
    """A store that is fed by what a viewer gets."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.store = Store()
        self.link = Link(self.store, process("collector"))

    async def take(self, entries: int) -> None:
        """Take messages until so many entries came."""
        while self.link.taken < entries:
            message = await self.peer.next()
            assert message is not None
            self.link.take(message, 0)


def told(store: Store) -> list[object]:
    return [
        (
            client.machine_id,
            [store.tx(client, n).id for n in range(client.first, client.last + 1)],
            client.clock_after(client.last),
            [loss.lost for loss in client.losses],
        )
        for client in store
    ]


def filled(store: Store, count: int = 700) -> Exporter:
    exporter = Exporter(Link(store, process("p1")), "a")
    for k in range(count):
        exporter.do([k % 3], {k % 3: 1}, time=k)
    return exporter


async def test_a_viewer_gets_what_is_kept_and_then_what_comes(
    open_server: Open, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_server() as place:
        exporter = filled(place.store)
        exporter.grow()
        exporter.lose({1: 1})
        exporter.do([1], {1: 1}, time=800)
        peer = place.peer()
        await peer.hello("viewer", "viewer")
        await peer.send(dbg.View(None, None))
        mirror = Mirror(peer)
        await mirror.take(701)
        assert told(mirror.store) == told(place.store)
        for k in range(5):
            exporter.do([2], {2: 1}, time=900 + k)
            place.server.took(10)
        await mirror.take(706)
        assert told(mirror.store) == told(place.store)
        assert next(iter(mirror.store)).process.via == ("collector",)


async def test_a_viewer_may_want_some_machines_since_some_time(
    open_server: Open, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_server() as place:
        filled(place.store)
        Exporter(Link(place.store, process("p2")), "b", 2).do([1], {1: 1}, time=5)
        peer = place.peer()
        await peer.hello("viewer", "viewer")
        await peer.send(dbg.View(690, ("a",)))
        mirror = Mirror(peer)
        await mirror.take(10)
        assert [client.id for client in mirror.store] == ["a"]
        client = next(iter(mirror.store))
        assert client.losses[0].lost == 690
        original = place.store.get("a")
        assert original is not None
        assert client.clock_after(1) == original.clock_after(691)


async def test_a_slow_viewer_misses_the_oldest_and_is_told_how_many(
    open_server: Open, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(module, "MOST_LAG", 300)
    async with open_server() as place:
        filled(place.store, 1000)
        peer = place.peer()
        await peer.hello("viewer", "viewer")
        await peer.send(dbg.View(None, None))
        mirror = Mirror(peer)
        await mirror.take(270)
        client = next(iter(mirror.store))
        assert [loss.lost for loss in client.losses] == [730]
        original = place.store.get("a")
        assert original is not None
        assert client.clock_after(270) == original.clock_after(1000)


async def test_the_highest_level_that_viewers_want_wins(open_server: Open) -> None:
    async with open_server() as place:
        exporter = place.peer()
        await exporter.hello("p1")
        source = Exporter(Link(Store(), process("x")), "a")
        of = source.client.version.schema.sent
        await exporter.send(of, mach(9, "a", of))
        await trio.testing.wait_all_tasks_blocked()
        viewer = place.peer()
        await viewer.hello("viewer", "viewer")
        await viewer.send(dbg.View(None, None))
        seen = await viewer.until(dbg.Mach)
        await viewer.send(dbg.Detail(seen.h, 2), dbg.Ask(seen.h, "pending"), dbg.Detail(77, 2))
        assert await exporter.until(dbg.Detail) == dbg.Detail(9, 2)
        assert await exporter.until(dbg.Ask) == dbg.Ask(9, "pending")
        await viewer.stream.aclose()
        assert await exporter.until(dbg.Detail) == dbg.Detail(9, 1)


async def test_a_viewer_asks_through_the_collector_and_hears_who_left(tmp_path: Path) -> None:
    address = dbg.parse_address(f"unix:{tmp_path / 'dbg.sock'}")
    server = Server(Store(), Told(), process("collector"))
    seen, heard, wishes = Store(), Told(), ViewerWishes()
    source = Exporter(Link(Store(), process("x")), "a")
    of = source.client.version.schema.sent
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve, [address])
            await nursery.start(_viewing, seen, heard, address, wishes)

            async def connect() -> Peer:
                assert address.path is not None
                exporter = Peer(await trio.open_unix_socket(address.path))
                await exporter.hello("p1")
                await exporter.send(of, mach(9, "a", of))
                await heard.until(lambda: seen.get("a") and seen.get("a").is_connected)
                return exporter

            exporter = await connect()
            client = seen.get("a")
            assert client is not None
            await heard.until(lambda: wishes.detail_of(client) == 1)
            wishes.want_detail(client, 2)
            assert await exporter.until(dbg.Detail) == dbg.Detail(9, 2)
            await heard.until(lambda: wishes.detail_of(client) == 2)
            assert wishes.ask_pending(client)
            assert await exporter.until(dbg.Ask) == dbg.Ask(9, "pending")
            items = (dbg.PendingDef("wait", "w", ("Ready",), 5),)
            await exporter.send(dbg.PendingMsg(9, items))
            await heard.until(lambda: client.pending is not None)
            assert client.pending is not None
            assert client.pending.items == items
            await exporter.stream.aclose()
            await heard.until(lambda: not client.is_connected)
            assert wishes.detail_of(client) is None
            assert not wishes.ask_pending(client)
            again = await connect()
            assert [one.id for one in seen] == ["a"], "it is the same machine"
            await again.send(dbg.Txs(((9, tx()),)))
            await heard.until(lambda: client.last == 1)
            await again.stream.aclose()
            nursery.cancel_scope.cancel()
    assert not client.is_connected
    assert client.connections == 0


async def _viewing(
    store: Store,
    listener: Told,
    address: dbg.Address,
    wishes: ViewerWishes,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    task_status.started()
    await view(store, listener, address, process("viewer"), wishes=wishes)


async def test_what_is_forwarded_of_machines_that_left_is_not_connected_there(
    open_server: Open, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_server() as place:
        link = Link(place.store, process("p1"))
        exporter = Exporter(link, "a")
        exporter.do([1], {1: 1}, time=1)
        peer = place.peer()
        await peer.hello("viewer", "viewer")
        await peer.send(dbg.View(None, None))
        mirror = Mirror(peer)
        await mirror.take(1)
        client = next(iter(mirror.store))
        assert client.is_connected
        link.close()
        place.server.took(1)
        assert await peer.until(dbg.Left) == dbg.Left(exporter.client.serial)


async def test_forwarding_repeats_all_with_original_times_over_a_restart(tmp_path: Path) -> None:
    address = dbg.parse_address(f"unix:{tmp_path / 'far.sock'}")
    near, far = Store(), Store()
    server = Server(near, Told(), process("near"))
    exporter = filled(near, 300)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forward, server, address, b"sesame", None)
            for round_ in range(2):
                told_far = Told()
                remote = Server(far, told_far, process("far"), secret=b"sesame")
                async with trio.open_nursery() as serving:
                    await serving.start(remote.serve, [address])
                    await told_far.until(lambda: list(told(far)) == list(told(near)))
                    serving.cancel_scope.cancel()
                assert told(far) == told(near), round_
                for k in range(20):
                    exporter.do([1], {1: 1}, time=1000 + k)
                    server.took(1)
            nursery.cancel_scope.cancel()
    client = next(iter(far))
    assert (client.process.id, client.process.via) == ("p1", ("near",))
    assert not (tmp_path / "far.sock").exists()


async def test_forwarding_with_a_wrong_secret_is_told_and_not_tried_again(tmp_path: Path) -> None:
    address = dbg.parse_address(f"unix:{tmp_path / 'far.sock'}")
    told_near = Told()
    server = Server(Store(), told_near, process("near"))
    for secret, words in ((b"wrong", "wrong secret"), (None, "asks for a secret")):
        async with trio.open_nursery() as nursery:
            remote = Server(Store(), Told(), process("far"), secret=b"sesame")
            await nursery.start(remote.serve, [address])
            with trio.fail_after(5):
                await forward(server, address, secret, None)
            nursery.cancel_scope.cancel()
        assert words in told_near.notes[-1]


async def test_forwarding_in_a_circle_ends(tmp_path: Path) -> None:
    addresses = [dbg.parse_address(f"unix:{tmp_path / name}") for name in ("a.sock", "b.sock")]
    tolds = [Told(), Told()]
    servers = [Server(Store(), t, process(id)) for t, id in zip(tolds, "ab", strict=True)]
    exporter = filled(servers[0].store, 50)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for server, address in zip(servers, addresses, strict=True):
                await nursery.start(server.serve, [address])
            for server, address in zip(servers, reversed(addresses), strict=True):
                nursery.start_soon(forward, server, address, None, None)
            await tolds[0].until(lambda: servers[0].looped)
            nursery.cancel_scope.cancel()
    assert [len(server.store) for server in servers] == [1, 1]
    assert exporter.client.last == 50


async def test_an_address_that_is_taken_is_told_and_a_stale_socket_is_replaced(
    tmp_path: Path,
) -> None:
    path = tmp_path / "dbg.sock"
    address = dbg.parse_address(f"unix:{path}")
    stale = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await stale.bind(str(path))
    stale.close()
    first, second = [Server(Store(), Told(), process(name)) for name in "ab"]
    async with trio.open_nursery() as nursery:
        await nursery.start(first.serve, [address])
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(CannotListenError, match="somebody listens there") as caught:
            await second.serve([address])
        assert caught.value.is_taken
        nursery.cancel_scope.cancel()
    assert not path.exists()
