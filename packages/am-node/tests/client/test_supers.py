"""Many supervisors: which one to use, when to leave it, how to learn of others."""

import os
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node
from am_node._client.candidates import Candidates
from am_node._client.discovery import as_discovery

pytestmark = pytest.mark.trio


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        return x


async def test_a_failing_address_is_avoided_ever_longer() -> None:
    candidates = Candidates(frozenset({"a", "b"}))
    candidates.failed("a", now=0)
    assert {candidates.next(1) for _ in range(20)} == {"b"}
    candidates.failed("b", now=1)
    assert candidates.next(2) == "a"
    assert candidates.next(32) is not None
    candidates.reached("a")
    for _ in range(12):
        candidates.failed("a", now=0)
    assert candidates.next(599, other_than="") == "b"
    assert candidates.next(0, other_than="b") == "a"


async def test_the_only_address_is_used_even_if_it_fails() -> None:
    candidates = Candidates(frozenset({"a"}))
    candidates.failed("a", now=0)
    assert candidates.next(1, other_than="a") == "a"
    assert Candidates().next(0) is None


async def test_addresses_come_and_go() -> None:
    candidates = Candidates(frozenset({"a"}))
    candidates.merge(frozenset({"b"}))
    assert len(candidates) == 2
    candidates.update(frozenset({"b"}))
    assert candidates.next(0) == "b"


@pytest.mark.parametrize("bad", ["127.0.0.1:7000", []])
async def test_what_is_no_list_of_addresses_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="address"):
        as_discovery(bad)


async def test_a_directory_of_addresses_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a.addr").write_text("127.0.0.1:1\n")
    (tmp_path / "junk.addr").write_bytes(b"\xff\xfe")
    (tmp_path / "long.addr").write_text("x" * 1000)
    (tmp_path / "other.txt").write_text("127.0.0.1:9")
    seen = []
    with trio.fail_after(5):
        async with aclosing(am_node.FileDir(tmp_path, interval=0.01).addresses()) as source:
            async for addresses in source:
                seen.append(addresses)
                if len(seen) == 2:
                    break
                (tmp_path / "b.addr").write_text("127.0.0.1:2")
    assert seen == [frozenset({"127.0.0.1:1"}), frozenset({"127.0.0.1:1", "127.0.0.1:2"})]


async def test_a_name_that_resolves_gives_addresses() -> None:
    async with aclosing(am_node.DnsName("localhost", 7000).addresses()) as source:
        assert all(addr.endswith(":7000") for addr in await anext(source))


async def test_a_client_learns_of_peers_and_uses_them(
    pooled: Callable[..., Any], clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Echo, 1, 1) as second,
        pooled(Echo, 1, 1, peers=[second.addr]) as first,
        am_node.Client("c", Echo, supers=[first.addr]) as client,
    ):
        assert await client.work(x=1) == 1
        assert client.supervisor == first.addr
        await trio.sleep(3)
        first.mach.add("Draining")
        await trio.sleep(2)
        with trio.fail_after(20):
            assert await client.work(x=2, timeout=20) == 2
        assert client.supervisor == second.addr


async def test_a_client_without_a_free_worker_rotates_to_who_has_one(
    pooled: Callable[..., Any], clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Echo, 1, 1) as full,
        pooled(Echo, 1, 1) as free,
        am_node.Client("holder", Echo, supers=[full.addr], keep=True) as holder,
    ):
        await holder.request_worker()
        for _ in range(3):
            async with am_node.Client("c", Echo, supers=[full.addr, free.addr]) as client:
                assert await client.work(x=1, timeout=30) == 1
                assert client.supervisor == free.addr


async def test_many_clients_spread_over_equal_supervisors(
    pooled: Callable[..., Any], clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 5, 6) as one, pooled(Echo, 5, 6) as two:
        # Else whoever waits would be lent what another holds and does not use.
        supers = [one.addr, two.addr]
        clients = [am_node.Client(f"c{n}", Echo, supers=supers, keep=True) for n in range(10)]
        async with trio.open_nursery() as nursery:
            ready = trio.Event()
            leave = trio.Event()
            count = 0

            async def hold(client: am_node.Client) -> None:
                nonlocal count
                async with client:
                    await client.request_worker()
                    count += 1
                    if count == 10:
                        ready.set()
                    await leave.wait()

            for client in clients:
                nursery.start_soon(hold, client)
            with trio.fail_after(120):
                await ready.wait()
            at_one = sum(client.supervisor == one.addr for client in clients)
            assert 4 <= at_one <= 6
            leave.set()


async def test_an_unused_client_rotates_at_times(
    pooled: Callable[..., Any], clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Echo, 1, 1) as one,
        pooled(Echo, 1, 1) as two,
        am_node.Client("c", Echo, supers=[one.addr, two.addr], rotate=10) as client,
    ):
        used = set()
        for _ in range(4):
            await client.mach.when("SuperReady")
            used.add(client.supervisor)
            await trio.sleep(10)
        assert len(used) == 2


BAD = ["host:99999", "host", "unix:", "", "host:0", "ftp://host", "a\nb:1", "x" * 300 + ":1"]


@pytest.mark.parametrize("bad", BAD)
async def test_what_is_no_address_is_refused_where_it_is_given(bad: str) -> None:
    with pytest.raises(ValueError, match=r"address|port|host"):
        am_node.Client("c", Echo, supers=["127.0.0.1:7000", bad])


async def test_what_is_no_address_does_not_end_a_discovery(
    pooled: Any, clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    class Junk:
        async def addresses(self) -> Any:
            yield frozenset({*BAD, 7, None})
            yield frozenset(BAD)
            await trio.sleep(1)
            yield frozenset({*BAD, sup.addr})

    async with pooled(Echo) as sup, am_node.Client("c", Echo, supers=Junk()) as client:
        assert await client.work(x=1) == 1
    told = [record.getMessage() for record in caplog.records if "left out" in record.msg]
    assert len(told) == len(set(told)) == len(BAD) + 2


async def test_a_discovery_that_raises_is_asked_again(pooled: Any, clock: trio.abc.Clock) -> None:
    class Fragile:
        tries = 0

        async def addresses(self) -> Any:
            Fragile.tries += 1
            if Fragile.tries < 4:
                raise OSError("the directory is not mounted yet")
            yield frozenset({sup.addr})

    async with pooled(Echo) as sup, am_node.Client("c", Echo, supers=Fragile()) as client:
        with trio.fail_after(10):
            assert await client.work(x=1) == 1


async def test_a_directory_of_addresses_reads_regular_files_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.addr")
    (tmp_path / "folder.addr").mkdir()
    (tmp_path / "endless.addr").symlink_to("/dev/zero")
    (tmp_path / "good.addr").write_text("127.0.0.1:1")
    with trio.fail_after(5):
        async with aclosing(am_node.FileDir(tmp_path).addresses()) as found:
            assert await anext(found) == {"127.0.0.1:1"}


async def test_a_lost_supervisor_is_named_with_the_reason() -> None:
    async with am_node.Client("c", Echo, supers=["127.0.0.1:1", "unix:/no/such"]) as client:
        with pytest.raises(am_node.SupervisorLost) as caught:
            await client.work(x=1, timeout=3)
    assert "127.0.0.1:1: " in str(caught.value)
    assert "refused" in str(caught.value)


@pytest.mark.parametrize("addr", ["unix:/run/docker.sock", "host:99999", 7, None])
async def test_an_address_in_a_contract_is_checked_like_any_other(addr: Any) -> None:
    client = am_node.Client("c", Echo, supers=["127.0.0.1:7000"])
    with pytest.raises(ValueError, match=r"address|port|socket"):
        client._supervisor.way_to({"addr": addr})
