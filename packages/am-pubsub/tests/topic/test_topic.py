"""Topics on a network inside the process, on a clock that jumps."""

from __future__ import annotations

import gc
import os
import resource
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_machine as am
import am_rpc
from am_pubsub import Added, Changed, Filters, Removed, TagAddresses, Topic, TopicConfig
from am_pubsub._gossip.messages import Kind, pack
from am_pubsub.testing import MemoryNetwork

from .polling import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.trio
S = {"Start": {}, "Ready": {"require": ["Start"]}, "Working": {}}


def machine(id: str, *tags: str) -> am.Machine:
    return am.Machine(S, id=id, tags=tags)


@asynccontextmanager
async def peers(
    *names: str, network: MemoryNetwork | None = None, **options: Any
) -> AsyncIterator[list[Topic]]:
    """Open topics, each with one machine that is called as it is; all know the first."""
    net = network or MemoryNetwork(1, latency=(0.005, 0.05))
    async with trio.open_nursery():
        topics = [
            Topic(
                "jobs",
                transport=net.transport(name),
                machines=[machine(f"m-{name}", f"name:{name}")],
                connect=names[:1] if name != names[0] else (),
                **options,
            )
            for name in names
        ]
        async with AsyncExitStack() as stack:
            for topic in topics:
                await stack.enter_async_context(topic)
            for topic in topics:
                await topic.mach.when("Ready")
            await until(lambda: all(len(one.machines()) == len(names) - 1 for one in topics))
            yield topics


async def test_each_peer_has_a_replica_of_every_machine_of_the_others(autojump_clock: Any) -> None:
    async with peers("a", "b", "c") as topics:
        for topic in topics:
            assert len(topic.peers) == 2
            assert len(topic.machines()) == 2


async def test_relations_of_machines_travel(autojump_clock: Any) -> None:
    net = MemoryNetwork()
    related = am.Machine(
        {"A": {"auto": True, "require": ["B"]}, "B": {"remove": ["C"]}, "C": {"multi": True}},
        id="m",
    )
    async with (
        Topic("jobs", transport=net.transport("a"), machines=[related]),
        Topic("jobs", transport=net.transport("b"), connect=["a"]) as b,
    ):
        await until(lambda: b.machines(), 5)
        (replica,) = b.machines()
        assert replica.schema == related.schema


async def test_waits_on_a_replica_end_when_its_source_moves(autojump_clock: Any) -> None:
    async with peers("a", "b") as (a, b):
        (source,) = a._first
        (replica,) = b.machines(Filters(tag="name:a"))
        waiting = replica.when("Ready")
        source.add("Start", "Ready")
        with trio.fail_after(0.5):
            await waiting
        assert replica.time() == source.time()


async def test_reads_waits_and_contexts_on_a_replica_are_those_of_any_machine(
    autojump_clock: Any,
) -> None:
    async with peers("a", "b") as (a, b):
        (source,) = a._first
        (replica,) = b.machines(Filters(tag="name:a"))
        waits = {
            "any": replica.when_any("Ready", "Working"),
            "ticks": replica.when_ticks("Start", 2),
            "time": replica.when_time({"Start": 3}),
            "query": replica.when_query(lambda clock: clock["Working"] > 0),
            "next": replica.when_next_active("Start"),
        }
        source.add("Start")
        await replica.when("Start")
        inside = replica.state_ctx("Start")
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_ends_with, inside)
                await trio.sleep(1)
                assert not inside.expired
                source.remove("Start")
                await replica.when_not("Start")
        assert inside.expired
        source.add("Start", "Working")
        with trio.fail_after(5):
            for wait in waits.values():
                assert await wait
        assert replica.is_("Start", "Working")
        assert replica.not_("Ready")
        assert replica.any_("Ready", "Start")
        assert replica.switch("Ready", "Working") == "Working"
        assert replica.clock() == source.clock()
        assert replica.was_clock({"Start": 3})
        gone = replica.when("Ready")
        a.unexpose(source)
        with trio.fail_after(5):
            assert not await gone


async def _ends_with(context: am.StateContext) -> None:
    with context:
        await trio.sleep_forever()


@pytest.mark.parametrize("call", ["add", "remove", "set", "toggle"])
async def test_a_replica_is_read_only(call: str, autojump_clock: Any) -> None:
    async with peers("a", "b") as (_, b):
        (replica,) = b.machines()
        result = getattr(replica, call)("Start")
        assert await result is am.CANCELED
        assert isinstance(result.error, am_rpc.ReadOnlyMachine)
        with pytest.raises(am_rpc.ReadOnlyMachine):
            await replica.check_add("Start")
        with pytest.raises(am_rpc.ReadOnlyMachine):
            replica.when_args("Start", x=1)


async def test_filters_choose_by_id_tag_peer_and_states(autojump_clock: Any) -> None:
    async with peers("a", "b", "c") as (a, b, c):
        (source,) = b._first
        source.add("Start")
        (replica,) = a.machines(Filters(id="m-b"))
        await replica.when("Start")

        def ids(**wanted: Any) -> list[str]:
            return sorted(one.remote_id for one in a.machines(Filters(**wanted)))

        assert ids(tag="name") == ["m-b", "m-c"]
        assert ids(tag="name:c") == ["m-c"]
        assert ids(tag="nam") == []
        assert ids(id_part="-b") == ["m-b"]
        assert ids(id_re="^m-[cd]$") == ["m-c"]
        assert ids(peer_id=c.peer_id) == ["m-c"]
        assert ids(states="Start") == ["m-b"]
        assert ids(without=("Start",)) == ["m-c"]
        assert ids(parent="nobody") == []


async def test_who_watches_hears_of_machines_that_come_move_and_go(autojump_clock: Any) -> None:
    async with peers("a", "b") as (a, b):
        (source,) = b._first
        with a.watch(Filters(states="Start")) as events:
            source.add("Start")
            added = await anext(events)
            assert isinstance(added, Added)
            source.add("Ready")
            changed = await anext(events)
            assert isinstance(changed, Changed)
            assert changed.machine is added.machine
            source.remove("Start")
            removed = await anext(events)
            assert isinstance(removed, Removed)
            assert removed.peer_id == b.peer_id


async def test_a_machine_that_is_taken_back_ends_its_replicas(autojump_clock: Any) -> None:
    async with peers("a", "b") as (a, b):
        more = machine("more")
        b.expose(more, tags=("addr:10.0.0.7:7000",))
        await until(lambda: a.machines(Filters(id="more")))
        async with aclosing(TagAddresses(a, Filters(id="more")).addresses()) as sets:
            assert await anext(sets) == {"10.0.0.7:7000"}
        (replica,) = a.machines(Filters(id="more"))
        waiting = replica.when("Working")
        b.unexpose(more)
        with trio.fail_after(1):
            await replica.when_disposed()
        assert not await waiting
        assert a.machines(Filters(id="more")) == []
        with pytest.raises(ValueError, match="is not offered"):
            b.unexpose(more)


async def test_a_disposed_machine_is_gone_for_all(autojump_clock: Any) -> None:
    async with peers("a", "b") as (a, b):
        (source,) = b._first
        source.dispose()
        await until(lambda: not (a.machines()), 1)


async def test_a_schema_that_grows_keeps_the_replica_and_its_waits(autojump_clock: Any) -> None:
    async with peers("a", "b") as (a, b):
        (source,) = b._first
        (replica,) = a.machines()
        waiting = replica.when("Working")
        grown = am.Schema({**S, "Exception": {"multi": True}, "More": {}})
        source.set_schema(grown, grown.names)
        source.add("More", "Working")
        with trio.fail_after(1):
            await waiting
        assert replica.is_("More")
        assert a.machines() == [replica]


async def test_a_peer_that_leaves_is_gone_at_once(autojump_clock: Any) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with peers("a", "b", network=net) as (a, _):
        guest = Topic("jobs", transport=net.transport("c"), connect=["a"])
        async with guest:
            await guest.mach.when("Ready")
            await a.mach.when_time({"PeerJoined": 3})
            assert guest.peer_id in a.peers
            left = trio.current_time()
        await until(lambda: guest.peer_id not in a.peers, 0.5)
        assert trio.current_time() - left < 2.5


async def test_two_halves_that_did_not_hear_each_other_are_one_again(autojump_clock: Any) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with peers("a", "b", "c", "d", network=net) as topics:
        net.partition((("a", "b"), ("c", "d")))
        await trio.sleep(30)
        assert [len(topic.peers) for topic in topics] == [1, 1, 1, 1]
        net.heal()
        await until(lambda: not (any(len(topic.machines()) < 3 for topic in topics)), 10)


async def test_payloads_reach_all_peers_once(autojump_clock: Any) -> None:
    async with peers("a", "b", "c") as (a, b, c):
        got: list[tuple[str, str, bytes]] = []
        for name, topic in (("b", b), ("c", c)):
            topic.mach.bind(
                {
                    "MsgReceivedState": lambda event, name=name: got.append(
                        (name, event.args.from_id, event.args.data)
                    )
                }
            )
        await a.send(b"hello")
        await trio.sleep(1)
        assert sorted(got) == [("b", a.peer_id, b"hello"), ("c", a.peer_id, b"hello")]
        with pytest.raises(ValueError, match="at most"):
            await a.send(b"x" * 64 * 1024)


@pytest.mark.filterwarnings("default")
async def test_why_nobody_is_seen_stands_in_err_joining(autojump_clock: Any, caplog: Any) -> None:
    net = MemoryNetwork(1)
    async with peers("a", network=net):
        for name, options in (
            ("x", {"name": "jobs", "allow": ()}),
            ("y", {"name": "jobs", "config": TopicConfig()}),
        ):
            topic = Topic(transport=net.transport(name), connect=["a"], **options)  # type: ignore[arg-type]
            async with topic:
                await topic.mach.when("Ready")
                refused = topic.mach.is_("ErrJoining")
                assert refused == (name == "x")
                if refused:
                    assert "does not allow" in str(topic.mach.err)


async def test_a_topic_alone_is_ready_after_two_seconds(autojump_clock: Any) -> None:
    async with Topic("alone", transport=MemoryNetwork().transport("a"), connect=["b"]) as topic:
        began = trio.current_time()
        await topic.mach.when("Ready")
        assert trio.current_time() - began == pytest.approx(2.0, abs=0.1)
        assert topic.machines() == []


async def test_starting_and_stopping_leaves_no_task_or_descriptor_behind(
    autojump_clock: Any,
) -> None:
    """As often as AM_PUBSUB_CYCLES says; memory is compared once all that is made once is there."""
    net = MemoryNetwork()
    cycles = int(os.environ.get("AM_PUBSUB_CYCLES", "40"))
    tasks = trio.lowlevel.current_statistics().tasks_living
    before = (0, 0)
    for number in range(cycles):
        async with peers("a", "b", network=net):
            pass
        if number == cycles // 4:
            gc.collect()
            before = (len(os.listdir("/proc/self/fd")), _resident())
    gc.collect()
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert len(os.listdir("/proc/self/fd")) <= before[0]
    assert _resident() - before[1] <= 5_000_000


def _resident() -> int:
    """Return the bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def test_leaving_takes_no_longer_than_a_goodbye_though_peers_are_missing(
    autojump_clock: Any,
) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with Topic("jobs", transport=net.transport("a"), connect=["nobody", "b"]) as topic:
        await topic.mach.when("Ready")
        began = trio.current_time()
        assert topic.mach.remove("Start")
        await topic.mach.when_not("Start")
    assert trio.current_time() - began <= 2.5


async def test_a_peer_that_floods_is_cut_and_others_are_heard_as_before(
    autojump_clock: Any,
) -> None:
    """A thousand messages a second for half a minute."""
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with peers("a", "b", "liar", network=net) as (a, b, liar):
        (source,) = b._first
        (replica,) = a.machines(Filters(id="m-b"))

        async def delays(count: int) -> list[float]:
            taken = []
            for _ in range(count):
                began = trio.current_time()
                wait = replica.when_ticks("Working", 1)
                source.toggle("Working")
                await wait
                taken.append(trio.current_time() - began)
                await trio.sleep(1)
            return sorted(taken)

        async def flood() -> None:
            root = pack(Kind.ROOT, bytes(8), False, 1)
            core = liar._open.core
            for _ in range(300):
                core.output.sends += [(link, root) for link in [*core._links][:1]] * 100
                liar._open.wake()
                await trio.sleep(0.1)

        def is_cut() -> bool:
            return all(liar._peer not in one._open.core.neighbours() for one in flooded)

        quiet = await delays(20)
        (victim,) = [link.peer for link in liar._open.core._links.values()][:1]
        flooded = [one for one in (a, b) if one._peer == victim]
        assert not is_cut()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            nursery.start_soon(until, is_cut, 10)
            loud = await delays(20)
        assert loud[18] <= 2 * quiet[18]
        assert flooded[0].stats["dropped.flood"]


async def test_leaving_is_a_state_from_the_goodbye_to_the_end(autojump_clock: Any) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with peers("a", network=net) as (a,):
        guest = Topic("jobs", transport=net.transport("b"), connect=["a"])
        async with guest:
            await guest.mach.when("Ready")
            await until(lambda: a.peers, 5)
            left = guest.mach.when("Leaving")
            guest.mach.add("Leaving")
            assert await left
            with trio.fail_after(2.5):
                await guest.mach.when_not("Start", "Joined", "Leaving")
            with trio.fail_after(1):
                await until(lambda: not a.peers)
            assert not guest.mach.is_("Exception")


async def test_a_machine_is_offered_once(autojump_clock: Any) -> None:
    async with peers("a") as (a,):
        with pytest.raises(ValueError, match="is offered in jobs already"):
            a.expose(a._first[0])


async def test_a_topic_that_is_not_open_says_so() -> None:
    topic = Topic("jobs", transport=MemoryNetwork().transport("a"))
    with pytest.raises(am.NotOpenError, match="async with"):
        topic.machines()


async def test_filters_choose_by_depth_and_children(autojump_clock: Any) -> None:
    async with peers("a", "b") as (a, b):
        (root,) = b._first
        below = [am.Machine(S, id=f"below-{number}", parent=root) for number in range(2)]
        leaf = am.Machine(S, id="leaf", parent=below[0])
        for one in (*below, leaf):
            b.expose(one)
        await until(lambda: len(a.machines()) == 4)

        def ids(**wanted: Any) -> list[str]:
            return sorted(one.remote_id for one in a.machines(Filters(**wanted)))

        assert ids(depth=0) == ["m-b"]
        assert ids(depth=1) == ["below-0", "below-1"]
        assert ids(depth=2) == ["leaf"]
        assert ids(children_min=2) == ["m-b"]
        assert ids(children_min=1, children_max=1) == ["below-0"]
        assert ids(children_max=0) == ["below-1", "leaf"]
        assert ids(parent="m-b", children_max=0) == ["below-1"]


async def test_stats_tell_what_is_held_and_for_how_long_a_neighbour_has_disagreed(
    autojump_clock: Any,
) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with peers("a", "b", network=net) as (a, b):
        await trio.sleep(15)
        stats = a.stats
        assert (stats["records"], stats["links"], stats["lag"]) == (4, 1, 0)
        assert stats["known"] >= 1
        (source,) = b._first
        net.loss = 1.0
        source.add("Start")
        await trio.sleep(1)
        net.loss = 0.0
        await until(lambda: a.stats["lag"] or b.stats["lag"], 15)
        await until(lambda: not a.stats["lag"] and not b.stats["lag"], 15)
        # Who was ahead may know of the agreement one message before the other has the change.
        await until(lambda: a.machines()[0].is_("Start"), 1)


@pytest.mark.filterwarnings("default")
async def test_a_peer_of_another_version_is_told_in_err_joining(autojump_clock: Any) -> None:
    net = MemoryNetwork(1)
    send, receive = trio.open_memory_channel[Any](100)
    async with (
        net.transport("next").join("jobs", send) as channel,
        Topic("jobs", transport=net.transport("a"), connect=["next"]) as topic,
    ):
        up = await receive.receive()
        channel.send(up.link, b"\x93\x02\x00\xa4jobs")  # version 2 says hello
        with trio.fail_after(5):
            await topic.mach.when("ErrJoining")
        assert "another version" in str(topic.mach.err)
        assert topic.stats["dropped.unknown"] == 1


async def test_the_environment_sets_the_log_level_and_lets_replicas_be_debugged(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("AM_PUBSUB_LOG", "2")
    async with peers("a", "b") as (a, _):
        assert a.mach.log_level == am.LogLevel.CHANGES
        (replica,) = a.machines()
        assert "am:inner" in replica.tags
    monkeypatch.setenv("AM_PUBSUB_DBG", "1")
    monkeypatch.setenv("AM_PUBSUB_LOG", "much")
    async with peers("a", "b") as (a, _):
        (replica,) = a.machines()
        assert "am:inner" not in replica.tags
    assert "AM_PUBSUB_LOG='much' is not a level" in caplog.text
