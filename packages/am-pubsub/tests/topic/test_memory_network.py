"""What a network inside the process does to peers, and what becomes of them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trio

from am_pubsub import Topic
from am_pubsub.testing import MemoryNetwork

from .polling import until
from .test_topic import machine, peers

if TYPE_CHECKING:
    import am_machine as am

pytestmark = pytest.mark.trio


def everywhere(topics: list[Topic], name: str, tick: int) -> bool:
    """Tell whether all others hold this tick of a machine's `Working`."""
    replicas = [one for topic in topics for one in topic.machines() if one.remote_id == name]
    return all(one.tick("Working") == tick for one in replicas)


async def test_messages_that_get_lost_come_twice_or_late_change_nothing_in_the_end(
    autojump_clock: Any,
) -> None:
    net = MemoryNetwork(3, latency=(0.005, 0.05))
    async with peers("a", "b", "c", "d", network=net) as topics:
        net.loss, net.dup, net.reorder = 0.1, 0.3, 0.3
        for _ in range(20):
            for topic in topics:
                topic._first[0].toggle("Working")
            await trio.sleep(0.3)
        for topic in topics:
            name, tick = topic._first[0].id, topic._first[0].tick("Working")
            await until(lambda name=name, tick=tick: everywhere(topics, name, tick), 12)
        rejected = [key for one in topics for key in one.stats if key == "dropped.regressed"]
        assert not rejected


async def test_a_killed_peer_is_gone_within_ten_seconds_without_a_goodbye(
    autojump_clock: Any,
) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with peers("a", "b", "c", network=net) as (a, b, c):
        net.kill("c")
        began = trio.current_time()
        await until(lambda: c.peer_id not in a.peers and c.peer_id not in b.peers, 10)
        assert trio.current_time() - began > 5
        assert len(a.machines()) == len(b.machines()) == 1


async def test_a_frozen_peer_is_gone_and_comes_back_when_it_goes_on(autojump_clock: Any) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    async with peers("a", "b", "c", network=net) as topics:
        a, b, c = topics
        net.freeze("c")
        await until(lambda: c.peer_id not in a.peers and c.peer_id not in b.peers, 16)
        net.thaw("c")
        await until(lambda: all(len(topic.machines()) == 2 for topic in topics), 10)


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_restart_keeps_a_replica_if_its_clock_goes_on_and_replaces_it_otherwise(
    goes_on: bool, autojump_clock: Any
) -> None:
    net = MemoryNetwork(1, latency=(0.005, 0.05))
    id = b"the same"
    old, new = machine("m"), machine("m")
    old.add("Start")
    new.add("Start")
    new.set("Start", "Working") if goes_on else new.remove("Start")
    if not goes_on:
        old.toggle("Working")
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(Topic("jobs", transport=net.transport("a")))
        first = Topic("jobs", transport=net.transport("b"), peer_id=id, machines=[old])
        first._connect = ("a",)
        await stack.enter_async_context(first)
        await until(lambda: a.machines(), 5)
        (replica,) = a.machines()
        told: list[str] = []
        a.mach.bind(
            {
                "MachAddedState": lambda event: told.append("added"),
                "MachRemovedState": lambda event: told.append("removed"),
            }
        )
        net.kill("b")
        again = Topic("jobs", transport=net.transport("b2"), peer_id=id, machines=[new])
        again._connect = ("a",)
        await stack.enter_async_context(again)
        await until(lambda: _is(a, new), 5)
        assert a.machines() == [replica] if goes_on else replica.disposed
        assert told == ([] if goes_on else ["removed", "added"])


def _is(topic: Topic, source: am.Machine) -> bool:
    return [one.time() for one in topic.machines()] == [source.time()]
