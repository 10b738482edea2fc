"""A replica as the source of another server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.trio
FAST = am_rpc.Retry(connect_delay=0.01)


@asynccontextmanager
async def relay(network: Any, source: Any, **options: Any) -> AsyncIterator[Any]:
    """A mux on a replica, and its network."""
    async with am_rpc.Mux(source, listener=network.listener(), push_interval=0, **options):
        yield network


async def test_mutations_travel_up_and_changes_down(serve: Any, network: Any) -> None:
    async with (
        serve() as pair,
        pair.connect() as middle,
        relay(network(), middle) as below,
        am_rpc.Client(below.dial, retry=FAST) as client,
    ):
        leaf = await client.ready()
        assert await leaf.add("B", "D") is am.EXECUTED
        assert pair.source.is_("A", "B", "D")
        assert leaf.time() == middle.time() == pair.source.time()
        assert await leaf.add("E", "C") is am.EXECUTED
        assert await leaf.add("A") is am.CANCELED
        assert await leaf.check_add("C") is am.EXECUTED
        wait = leaf.when("B")
        pair.source.remove("C")
        pair.source.add("B")
        with trio.fail_after(10):
            assert await wait
        assert leaf.queue_tick == pair.source.queue_tick
        fired = leaf.when_args("D", id=7)
        await leaf.flush()
        await leaf.sync()
        await middle.sync()
        pair.source.add("D", id=7)
        with trio.fail_after(10):
            assert await fired
        assert (client.hops, middle.client.hops) == (2, 1)
        assert leaf.remote_id == middle.remote_id == "source", "a relay keeps the name"
        assert "src-id:source" in leaf.tags


async def test_a_lost_source_is_announced_and_calls_wait_above(serve: Any, network: Any) -> None:
    async with (
        serve() as pair,
        pair.connect(retry=am_rpc.Retry(connect_delay=0.2)) as middle,
        relay(network(), middle) as below,
        am_rpc.Client(below.dial, retry=FAST) as client,
    ):
        leaf = await client.ready()
        await pair.network.cut()
        with trio.fail_after(10):
            await client.mach.when("SourceStale")
            result = leaf.add("B")
            await client.mach.when_not("SourceStale")
            assert await result is am.EXECUTED


async def test_a_replaced_source_is_passed_on(network: Any, demo_states: Any) -> None:
    top, below = network(), network()
    async with am_rpc.Client(top.dial, retry=FAST) as middle:
        async with (
            am.Machine(demo_states, id="source") as old,
            am_rpc.Mux(old, listener=top.listener()),
        ):
            net = await middle.ready()
            old.add("B")
            old.remove("B")
        async with (
            am_rpc.Mux(net, listener=below.listener(), push_interval=0),
            am_rpc.Client(below.dial, retry=FAST) as client,
        ):
            leaf = await client.ready()
            replaced = client.mach.when_next_active("SourceReplaced")
            async with (
                am.Machine(demo_states, id="source") as new,
                am_rpc.Mux(new, listener=top.listener(), push_interval=0),
            ):
                with trio.fail_after(5):
                    assert await replaced
                    new.add("D")
                    await leaf.when("D")
                assert leaf.tick("B") == 0


async def test_trees_deeper_than_the_limit_are_refused(serve: Any, network: Any) -> None:
    async with (
        serve() as pair,
        pair.connect() as middle,
        relay(network(), middle, limits=am_rpc.Limits(hops=1)) as below,
    ):
        with pytest.raises(am_rpc.NetworkError, match="relays"):
            async with am_rpc.Client(below.dial, retry=FAST) as client:
                await client.ready(0.2)


async def test_a_relay_that_follows_little_offers_little(serve: Any, network: Any) -> None:
    async with (
        serve() as pair,
        pair.connect(sync=am_rpc.Sync(allowed=("B", "E"))) as middle,
        relay(network(), middle) as below,
        am_rpc.Client(below.dial, retry=FAST) as client,
    ):
        leaf = await client.ready()
        await leaf.add("B", "D")
        await leaf.add("E")
        assert pair.source.is_("A", "B", "D", "E")
        assert middle.active == leaf.active
        assert leaf.tick("D") == 1
        await leaf.remove("D")
        assert leaf.not_("D", "E")
