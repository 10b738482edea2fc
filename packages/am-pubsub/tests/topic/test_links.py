"""Topics over real connections on this host."""

from __future__ import annotations

import os
import ssl
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme

import am_machine as am
from am_pubsub import Filters, Links, ListenError, Topic
from am_pubsub._transports import local_host

from .polling import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.trio
SECRET = b"sixteen bytes ok"


def machine(id: str) -> am.Machine:
    return am.Machine({"Start": {}, "Ready": {}}, id=id, tags=("worker",))


def tls() -> dict[str, Any]:
    ca = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return {"ssl_context": server, "peer_context": client, "listen": "localhost:0"}


@asynccontextmanager
async def two(first: Links, second: Links) -> AsyncIterator[tuple[Topic, Topic, am.Machine]]:
    """Open two peers; the second knows the first one's address."""
    source = machine("source")
    async with Topic("jobs", transport=first, machines=[source]) as a:
        b = Topic("jobs", transport=second, machines=[machine("other")], connect=a.addresses)
        async with b:
            with trio.fail_after(20):
                await b.mach.when("Ready")
                await until(lambda: a.machines() and b.machines())
            yield a, b, source


@pytest.mark.parametrize("kind", ["tcp", "secret", "unix", "tls"])
async def test_peers_follow_each_other_over_every_kind_of_connection(
    kind: str, tmp_path: Path
) -> None:
    options: dict[str, dict[str, Any]] = {
        "tcp": {},
        "secret": {"secret": SECRET},
        "unix": {},
        "tls": tls(),
    }
    ways = [options[kind], options[kind]]
    if kind == "unix":
        ways = [{"listen": f"unix:{tmp_path / name}"} for name in ("a", "b")]
    async with two(Links(**ways[0]), Links(**ways[1])) as (_, b, source):
        (replica,) = b.machines(Filters(tag="worker"))
        source.add("Ready")
        with trio.fail_after(10):
            await replica.when("Ready")


async def test_a_peer_that_only_dials_takes_full_part() -> None:
    async with two(Links(), Links(listen=None)) as (a, b, _):
        assert b.addresses == ()
        (replica,) = a.machines()
        await b.send(b"from one without an address")
        with trio.fail_after(10):
            await a.mach.when_time({"MsgReceived": 1})
        assert replica.remote_id == "other"


async def test_who_has_another_secret_stores_nothing_and_is_told_why() -> None:
    async with Topic("jobs", transport=Links(secret=SECRET), machines=[machine("m")]) as a:
        stranger = Topic("jobs", transport=Links(secret=SECRET[::-1]), connect=a.addresses)
        async with stranger:
            with trio.fail_after(20):
                await stranger.mach.when("ErrJoining")
            assert "refuses this secret" in str(stranger.mach.err)
            assert stranger.machines() == []
            assert a.peers == ()


async def test_who_has_another_topic_is_told_why() -> None:
    async with Topic("jobs", transport=Links()) as a:
        other = Topic("other", transport=Links(), connect=a.addresses)
        async with other:
            with trio.fail_after(20):
                await other.mach.when("ErrJoining")
            assert "another name" in str(other.mach.err)


async def test_who_listens_on_all_addresses_tells_one_that_others_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here the way out is another address of this host, which only they have been told of."""

    async def outward() -> str:
        return "127.0.0.2"

    monkeypatch.setattr(local_host, "outward", outward)
    async with Topic("jobs", listen="0.0.0.0:0", secret=SECRET) as a:
        (address,) = a.addresses
        assert address.startswith("127.0.0.2:")
        near = address.replace("127.0.0.2", "127.0.0.1")
        options = {"secret": SECRET, "machines": [machine("m")]}
        async with Topic("jobs", connect=[near], listen="127.0.0.1:0", **options) as b:
            await until(lambda: a.peers and b.peers, 20)
            third = Topic("jobs", connect=b.addresses, listen=None, **options)  # type: ignore[arg-type]
            async with third as c:
                await until(lambda: c.stats["links"] == 2 and a.stats["links"] == 2, 20)
                assert address in c._open.core._book._known
                assert not [one for one in c._open.core._book._known if one.startswith("0.0.0.0")]


@pytest.mark.parametrize(
    ("address", "host", "told"),
    [
        ("0.0.0.0:7700", "10.0.0.5", "10.0.0.5:7700"),
        ("[::]:7700", "10.0.0.5", "10.0.0.5:7700"),
        ("[::]:7700", "2001:db8::7", "[2001:db8::7]:7700"),
        ("wss://0.0.0.0:443/ps", "10.0.0.5", "wss://10.0.0.5:443/ps"),
    ],
)
async def test_only_the_wildcard_of_an_address_is_replaced(
    address: str, host: str, told: str
) -> None:
    there = local_host.split(address)
    assert there is not None
    assert local_host.is_wildcard(there[0])
    assert local_host.with_host(address, there[0], host) == told


async def test_this_hosts_address_is_that_of_the_way_to_another() -> None:
    async with Topic("jobs", transport=Links()) as a:
        assert await local_host.towards(a.addresses[0]) == "127.0.0.1"
        host, _, port = a.addresses[0].rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            assert local_host.of_stream(stream) == "127.0.0.1"
    assert await local_host.towards("unix:/run/x") is None
    assert local_host.plain("::ffff:10.0.0.5") == "10.0.0.5"
    assert local_host.plain("fe80::1%eth0") == "fe80::1"
    assert not local_host.is_wildcard(await local_host.outward())


async def test_a_goodbye_over_a_connection_arrives() -> None:
    async with Topic("jobs", transport=Links()) as a:
        async with Topic("jobs", transport=Links(), connect=a.addresses) as b:
            with trio.fail_after(20):
                await a.mach.when("PeerJoined")
            assert b.peer_id in a.peers
        with trio.fail_after(5):
            await a.mach.when("PeerLost")
        assert a.peers == ()


async def test_an_address_that_is_taken_is_an_error_on_entering() -> None:
    async with Topic("jobs", transport=Links()) as a:
        taken = Topic("jobs", transport=Links(listen=a.addresses[0]))
        with pytest.raises(ListenError, match="cannot be listened on"):
            async with taken:
                pass


async def test_what_is_no_address_is_told() -> None:
    async with Topic("jobs", connect=["nowhere"], transport=Links()) as a:
        with trio.fail_after(10):
            await a.mach.when("ErrJoining")
        assert "nowhere: not an address: 'nowhere'" in str(a.mach.err)


async def test_a_peer_whose_certificate_is_not_trusted_is_told() -> None:
    good, other = trustme.CA(), trustme.CA()
    server, client = (
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        ssl.create_default_context(),
    )
    good.issue_cert("127.0.0.1").configure_cert(server)
    other.configure_trust(client)
    here = Links(ssl_context=server)
    there = Links(listen=None, peer_context=client)
    async with (
        Topic("jobs", transport=here) as a,
        Topic("jobs", connect=a.addresses, transport=there) as b,
    ):
        with trio.fail_after(10):
            await b.mach.when("ErrJoining")
        assert "its certificate is refused" in str(b.mach.err)


async def test_an_address_that_others_reach_needs_protection() -> None:
    open_to_all = Topic("jobs", transport=Links(listen="0.0.0.0:0"))
    with pytest.raises(ValueError, match="secret"):
        async with open_to_all:
            pass


async def test_a_thousand_connections_of_garbage_break_nothing() -> None:
    """As many as AM_PUBSUB_GARBAGE says; a change arrives meanwhile."""
    random = Random(3)
    async with two(Links(), Links()) as (a, b, source):
        host, _, port = a.addresses[0].rpartition(":")
        for _ in range(int(os.environ.get("AM_PUBSUB_GARBAGE", "100"))):
            stream = await trio.open_tcp_stream(host, int(port))
            async with stream:
                with suppress(trio.BrokenResourceError):
                    await stream.send_all(random.randbytes(random.randint(1, 200)))
        (replica,) = b.machines()
        source.add("Ready")
        with trio.fail_after(5):
            await replica.when("Ready")
        assert not a.mach.is_("Exception")
        assert a.peers == (b.peer_id,)
