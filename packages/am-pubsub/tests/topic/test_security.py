"""What a stranger, and what a member that lies, can do: each row of the docs' table of threats."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import am_machine as am
from am_pubsub import Links, ListenError, Topic
from am_pubsub._gossip.messages import Kind, pack, pack_delta
from am_pubsub.testing import MemoryNetwork

from .polling import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.trio
PAGE = Path(__file__).parents[2] / "docs" / "security.md"
OLD, NEW = b"an old secret of tests", b"a new secret of tests"


def machine(id: str) -> am.Machine:
    return am.Machine({"Start": {}, "Ready": {}}, id=id)


@asynccontextmanager
async def owners(
    *names: str, network: MemoryNetwork | None = None, **options: Any
) -> AsyncIterator[list[Topic]]:
    """Open topics whose peers believe only what its owner signed; all know the first."""
    net = network or MemoryNetwork(1, latency=(0.005, 0.05))
    topics = [
        Topic(
            "jobs",
            transport=net.transport(name),
            machines=[machine(f"m-{name}")],
            connect=names[:1] if name != names[0] else (),
            trust="owner",
            key=Ed25519PrivateKey.generate(),
            **options,
        )
        for name in names
    ]
    async with AsyncExitStack() as stack:
        for topic in topics:
            await stack.enter_async_context(topic)
        await until(lambda: all(len(one.machines()) == len(names) - 1 for one in topics))
        yield topics


def say(liar: Topic, data: bytes) -> None:
    """Let a member send bytes of its own making to all its neighbours."""
    runner = liar._open
    for link in [*runner.core._links]:
        runner.core.output.sends.append((link, data))
    runner.wake()


def rejected(topic: Topic) -> list[Any]:
    """Return a list that fills with what a topic tells of bad input."""
    told: list[Any] = []
    topic.mach.bind({"MsgRejectedState": lambda event: told.append(event.args)})
    return told


async def test_what_its_owner_signed_is_followed_through_others(autojump_clock: Any) -> None:
    net = MemoryNetwork(3, latency=(0.005, 0.05))
    async with owners("a", "b", "c", network=net) as (_, b, c):
        (source,) = b._first
        source.add("Start")
        replica = next(one for one in c.machines() if one.remote_id == "m-b")
        with trio.fail_after(5):
            await replica.when("Start")
        got = c.mach.when("MsgReceived")
        await b.send(b"hello")
        with trio.fail_after(5):
            await got
        assert not [name for name in c.stats if "forged" in name]


async def test_a_forged_entry_about_another_peer_is_refused_and_named(autojump_clock: Any) -> None:
    async with owners("a", "b", "liar") as (a, b, liar):
        told = rejected(a)
        epoch = b._open.core.epoch
        forged = (b._peer, 1, epoch, (9, 9, 9), None, bytes(64))
        plain = (b._peer, 1, epoch, (9, 9, 9))
        mine = liar._open.core._owner
        assert mine is not None
        signed_by_liar = mine.entry((b._peer, 1), epoch, (9, 9, 9), None)
        for entry in (forged, plain, (*signed_by_liar.key, epoch, (9, 9, 9), None, bytes(64))):
            say(liar, pack(Kind.DELTA, [entry], (), False))
        await trio.sleep(2)
        counts = [args.counts.get("forged entry", 0) for args in told]
        assert sum(counts) == 3
        assert {peer for args in told for peer in args.from_ids} == {liar.peer_id}
        held = a._open.core.table.get((b._peer, 1))
        assert held is not None
        assert 9 not in held.entry.vector


async def test_a_member_with_the_id_of_another_is_not_believed(autojump_clock: Any) -> None:
    async with owners("a", "b", "liar") as (a, b, liar):
        mine = liar._open.core._owner
        held = liar._open.core.table.get((liar._peer, 0))
        assert mine is not None
        assert held is not None
        entry = mine.entry((b._peer, 0), b._open.core.epoch + 5, held.entry.vector, held.info)
        told = rejected(a)
        packed = entry.wire(entry.info)
        say(liar, pack_delta([packed], [], last=False))
        await trio.sleep(2)
        assert sum(args.counts.get("forged entry", 0) for args in told) == 1
        assert a._open.core.table.epoch_of(b._peer) == b._open.core.epoch


async def test_a_forged_goodbye_and_a_forged_payload_are_refused(autojump_clock: Any) -> None:
    async with owners("a", "b", "liar") as (a, b, liar):
        told = rejected(a)
        epoch = b._open.core.epoch
        say(liar, pack(Kind.BYE, b._peer, epoch, bytes(64)))
        say(liar, pack(Kind.USER, b._peer, epoch, 99, b"lies", bytes(64)))
        await trio.sleep(2)
        reasons = {reason for args in told for reason in args.counts}
        assert reasons >= {"forged goodbye", "forged payload"}
        assert b.peer_id in a.peers
        assert not a.mach.tick("MsgReceived")


async def test_who_did_not_answer_is_gone_and_comes_back_where_peers_sign(
    autojump_clock: Any,
) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with owners("a", "b", "c", "d", network=net) as topics:
        net.partition((("a", "b", "c"), ("d",)))
        await trio.sleep(30)
        assert [len(topic.peers) for topic in topics] == [2, 2, 2, 0]
        net.heal()
        await until(lambda: all(len(topic.machines()) == 3 for topic in topics), 10)
        await trio.sleep(30)
        roots = {topic._open.core.table.digest.root for topic in topics}
        assert len(roots) == 1


async def test_who_is_denied_or_not_allowed_is_neither_linked_nor_stored(
    autojump_clock: Any,
) -> None:
    net = MemoryNetwork(1)
    good, bad, other = b"good____", b"bad_____", b"other___"
    options = {"allow": {good.hex(), bad.hex()}, "deny": lambda peer: peer == bad.hex()}
    first = Topic("jobs", transport=net.transport("a"), **options)  # type: ignore[arg-type]
    async with first, AsyncExitStack() as stack:
        for name, peer in (("b", good), ("c", bad), ("d", other)):
            topic = Topic("jobs", transport=net.transport(name), connect=["a", "b"], peer_id=peer)
            await stack.enter_async_context(topic)
        await trio.sleep(15)
        assert first.peers == (good.hex(),)
        assert first.stats["dropped.not allowed"]


async def test_a_secret_is_exchanged_without_a_peer_lost() -> None:
    topics = [Topic("jobs", listen="127.0.0.1:0", secret=OLD)]
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(topics[0])
        for _ in range(2):
            topics.append(Topic("jobs", listen="127.0.0.1:0", secret=OLD, connect=first.addresses))
            await stack.enter_async_context(topics[-1])
        await until(lambda: all(len(topic.peers) == 2 for topic in topics))
        for secret in ([OLD, NEW], [NEW, OLD], NEW):
            for topic in topics:
                await topic.rotate(secret)
            await trio.sleep(0.3)
        fresh = Topic("jobs", listen="127.0.0.1:0", secret=NEW, connect=first.addresses)
        await stack.enter_async_context(fresh)
        await until(lambda: all(len(topic.peers) == 3 for topic in [*topics, fresh]))
        assert [topic.mach.tick("PeerLost") for topic in topics] == [0, 0, 0]


async def test_an_address_that_others_reach_is_not_listened_on_without_protection() -> None:
    with pytest.raises((ListenError, ValueError), match="secret"):
        async with Topic("jobs", listen="0.0.0.0:0"):
            pass


async def test_options_that_do_not_fit_are_refused() -> None:
    key = Ed25519PrivateKey.generate()
    for wrong in (
        {"trust": "owner"},
        {"key": key},
        {"trust": "nobody"},
        {"trust": "owner", "key": key, "peer_id": b"another_"},
        {"transport": Links(), "secret": b"x"},
    ):
        with pytest.raises(ValueError, match=r"trust|peer_id|transport"):
            Topic("jobs", **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not one str"):
        Topic("jobs", allow="abcd")


async def test_each_row_of_the_table_of_threats_names_a_test_that_is_there() -> None:
    tests = Path(__file__).parents[1]
    there = {name for file in tests.rglob("test_*.py") for name in _tests_of(file)}
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")][2:]
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    assert len(rows) >= 10
    assert all(named), [row for row, names in zip(rows, named, strict=True) if not names]
    assert {name for names in named for name in names} <= there


def _tests_of(file: Path) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
