"""Topics over libp2p, on the real library: what a topic relies on, and what its hosts survive."""

from __future__ import annotations

import gc
import socket
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from multiaddr import Multiaddr

import am_machine as am
from am_pubsub import Dropped, LinkDown, LinkUp, ListenError, Topic
from am_pubsub._transports import libp2p
from am_pubsub.libp2p import Libp2p
from am_pubsub.testing import CONFORMANCE

from .polling import until
from .test_conformance import ROUNDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = [
    pytest.mark.trio,
    # The socket of a connection that was refused the library leaves to the collector.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    ),
]
SECRET = bytes(range(32))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Find what a test left behind while that test is to blame."""
    yield
    gc.collect()


def machine(id: str) -> am.Machine:
    return am.Machine({"Start": {}, "Ready": {}}, id=id)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Topic, Topic, am.Machine]]:
    """Two peers that know each other; the first one's machine is what is followed."""
    source = machine("source")
    async with Topic("jobs", transport=Libp2p(), machines=[source]) as a:
        other = Topic("jobs", transport=Libp2p(), machines=[machine("b")], connect=a.addresses)
        async with other as b:
            await until(lambda: a.machines() and b.machines(), 20)
            yield a, b, source


async def follows(b: Topic, source: am.Machine) -> None:
    """Let the machine of the first move, and wait until the second has seen it."""
    (replica,) = b.machines()
    wait = replica.when_ticks("Ready", 1)
    source.toggle("Ready")
    with trio.fail_after(10):
        await wait


class Inbox:
    """What a channel tells, in order."""

    def __init__(self) -> None:
        self.send, self._receive = trio.open_memory_channel[Any](1000)

    async def next(self) -> Any:
        with trio.fail_after(15):
            return await self._receive.receive()


# -- what a topic relies on


@pytest.mark.parametrize("turn", ROUNDS)
@pytest.mark.parametrize("check", CONFORMANCE)
async def test_libp2p_keeps_what_a_topic_relies_on(check: str, turn: int) -> None:
    await CONFORMANCE[check](lambda name: Libp2p())


async def test_peers_that_know_one_address_know_all_machines() -> None:
    machines = [machine(f"m{number}") for number in range(3)]
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            Topic("jobs", transport=Libp2p(), machines=machines[:1])
        )
        others = [
            Topic("jobs", transport=Libp2p(), machines=[one], connect=first.addresses)
            for one in machines[1:]
        ]
        topics = [first, *[await stack.enter_async_context(topic) for topic in others]]
        await until(lambda: all(len(topic.machines()) == 2 for topic in topics), 20)


async def test_a_seed_gives_a_host_the_same_id_each_time() -> None:
    ids = set()
    for _ in range(2):
        async with Libp2p(seed=SECRET).join("jobs", Inbox().send) as channel:
            ids.add(channel.addresses[0].rpartition("/")[2])
    assert len(ids) == 1


async def test_others_are_told_the_address_that_is_advertised() -> None:
    options = Libp2p(advertise=("/dns4/pool.example/tcp/4001",))
    async with options.join("jobs", Inbox().send) as channel:
        (address,) = channel.addresses
        assert address.startswith("/dns4/pool.example/tcp/4001/p2p/12D3Koo")


# -- who may take part


@pytest.mark.parametrize("secret", [None, bytes(32)])
async def test_who_has_another_secret_or_none_reaches_nobody(secret: bytes | None) -> None:
    async with Topic("jobs", transport=Libp2p(secret=SECRET)) as a:
        stranger = Topic("jobs", transport=Libp2p(secret=secret), connect=a.addresses)
        async with stranger:
            await until(lambda: stranger.stats.get("dials failed", 0), 20)
            assert not a.peers
            assert not stranger.peers
        friend = Topic("jobs", transport=Libp2p(secret=SECRET), connect=a.addresses)
        async with friend:
            await until(lambda: friend.peers and a.peers, 20)


async def test_a_host_that_is_no_member_is_not_linked_and_counted() -> None:
    members = frozenset({str(info_from_p2p_addr(Multiaddr(await _address(SECRET))).peer_id)})
    async with Topic("jobs", transport=Libp2p(members=members)) as a:
        stranger = Topic("jobs", transport=Libp2p(), connect=a.addresses)
        async with stranger:
            await until(lambda: a.stats.get("dropped.libp2p: no member", 0), 20)
            assert not a.peers
        friend = Topic("jobs", transport=Libp2p(seed=SECRET), connect=a.addresses)
        async with friend:
            await until(lambda: friend.peers and a.peers, 20)


async def _address(seed: bytes) -> str:
    async with Libp2p(seed=seed).join("jobs", Inbox().send) as channel:
        return channel.addresses[0]


async def test_an_address_that_others_reach_needs_protection() -> None:
    with pytest.raises(ValueError, match="set a secret or members"):
        Libp2p(listen=("/ip4/0.0.0.0/tcp/0",))
    Libp2p(listen=("/ip4/0.0.0.0/tcp/0",), secret=SECRET)
    with pytest.raises(ValueError, match="32 bytes"):
        Libp2p(secret=b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        Libp2p(seed=b"short")


async def test_an_address_that_is_taken_or_none_is_an_error_on_entering() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"
        for listen in (place, "nowhere"):
            with pytest.raises(ListenError):
                async with Topic("jobs", transport=Libp2p(listen=(listen,), secret=SECRET)):
                    pass


# -- the guards: what would end a host of the library, ends a link at most


async def test_a_host_speaks_no_plain_text() -> None:
    keys = create_new_key_pair()
    plain = new_host(key_pair=keys, sec_opt={PLAINTEXT_PROTOCOL_ID: InsecureTransport(keys)})
    async with Libp2p().join("jobs", Inbox().send) as channel, plain.run([]):
        with pytest.raises(Exception, match=r".") as refused, trio.fail_after(10):
            await plain.connect(info_from_p2p_addr(Multiaddr(channel.addresses[0])))
        assert "Swarm" in type(refused.value).__name__
        await plain.close()


async def test_garbage_at_the_port_harms_nobody(pair: tuple[Topic, Topic, am.Machine]) -> None:
    a, b, source = pair
    random = Random(5)
    _, _, _, _, port, *_ = a.addresses[0].split("/")
    for turn in range(30):
        stream = await trio.open_tcp_stream("127.0.0.1", int(port))
        async with stream:
            with suppress(trio.BrokenResourceError):
                # Every second one gets past the first greeting of the protocol.
                greeting = b"\x13/multistream/1.0.0\n" if turn % 2 else b""
                await stream.send_all(greeting + random.randbytes(random.randint(1, 300)))
    await follows(b, source)
    assert a.peers == (b.peer_id,)


@pytest.fixture
async def liar(pair: tuple[Topic, Topic, am.Machine]) -> AsyncIterator[Any]:
    """A host of the library, connected to the first peer, that opens streams of its own."""
    a, _, _ = pair
    host = new_host()
    async with host.run([]):
        info = info_from_p2p_addr(Multiaddr(a.addresses[0]))
        await host.connect(info)

        async def open_stream() -> Any:
            return await host.new_stream(info.peer_id, [libp2p.PROTOCOL])

        yield open_stream
        await host.close()


@pytest.mark.parametrize(
    ("data", "counted"),
    [
        (b"\xff\xff\xff\xff", "dropped.libp2p: too large"),
        (b"\0\0\0\5hello", "dropped.undecodable"),
        (b"\0\0\1", None),
    ],
    ids=["too-large", "no-message", "half"],
)
async def test_a_stream_that_harms_ends_alone(
    data: bytes, counted: str | None, pair: tuple[Topic, Topic, am.Machine], liar: Any
) -> None:
    a, b, source = pair
    stream = await liar()
    await stream.write(data)
    if counted is not None:
        await until(lambda: a.stats.get(counted, 0), 10)
    await stream.reset()
    await follows(b, source)
    assert not a.mach.is_("Exception")


class _Broken:
    """A stream of which everything fails, as those of a library that changes do."""

    muxed_conn: Any = None

    def __getattr__(self, name: str) -> Any:
        async def fail(*args: object) -> None:
            raise RuntimeError(name)

        return fail


async def test_whatever_the_library_raises_in_a_handler_is_counted_and_goes_no_further() -> None:
    inbox = Inbox()
    async with Libp2p().join("jobs", inbox.send) as channel:
        assert isinstance(channel, libp2p._Channel)
        await channel.accept(_Broken())
        told = [await inbox.next() for _ in range(3)]
        assert [type(one) for one in told] == [LinkUp, Dropped, LinkDown]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that count as dead after a second of silence."""
    monkeypatch.setattr(libp2p, "_HEARTBEAT", 0.3)
    monkeypatch.setattr(libp2p, "_DEAD", 1.0)


@pytest.mark.usefixtures("hasty")
async def test_who_falls_silent_is_gone_and_who_has_nothing_to_say_is_not() -> None:
    here, there = Inbox(), Inbox()
    async with (
        Libp2p().join("jobs", here.send) as a,
        Libp2p().join("jobs", there.send) as b,
    ):
        b.dial(a.addresses[0])
        kept = (await here.next()).link
        assert isinstance(await there.next(), LinkUp)
        host = new_host()
        async with host.run([]):
            info = info_from_p2p_addr(Multiaddr(a.addresses[0]))
            await host.connect(info)
            await host.new_stream(info.peer_id, [libp2p.PROTOCOL])
            silent = (await here.next()).link
            assert silent != kept
            assert await here.next() == LinkDown(silent)
            await host.close()
        a.send(kept, b"still there")
        assert (await there.next()).data == b"still there"


async def test_a_link_that_says_more_than_leaves_is_closed() -> None:
    here, there = Inbox(), Inbox()
    async with (
        Libp2p().join("jobs", here.send) as a,
        Libp2p().join("jobs", there.send) as b,
    ):
        b.dial(a.addresses[0])
        link = (await here.next()).link
        assert isinstance(await there.next(), LinkUp)
        for _ in range(libp2p._QUEUE + 2):
            a.send(link, b"x")
        assert await here.next() == LinkDown(link)


async def test_leaving_takes_two_seconds_at_most_whatever_waits_in_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(self: object) -> None:
        await trio.sleep_forever()

    here = Inbox()
    async with Libp2p().join("jobs", here.send) as a:
        with monkeypatch.context() as patch:
            async with Libp2p().join("jobs", Inbox().send) as b:
                b.dial(a.addresses[0])
                assert isinstance(await here.next(), LinkUp)
                network = b._host.get_network()  # type: ignore[attr-defined]
                patch.setattr(type(network), "close", never)
                began = trio.current_time()
            took = trio.current_time() - began
        assert isinstance(await here.next(), LinkDown)
        await network.close()
    assert took < 2.5
