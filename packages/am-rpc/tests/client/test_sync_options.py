"""Selective distribution, shallow and per-mutation mode, debounce, drift, schema growth."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
from am_rpc._errors import InvalidParams
from am_rpc._server import client_session
from am_rpc._wire.messages import SyncRequest

pytestmark = pytest.mark.trio


def net_bytes(net: Any) -> int:
    return int(net.client.stats.bytes_in)


async def test_only_allowed_states_are_followed_and_requirements_are_inferred(serve: Any) -> None:
    async with serve() as pair, pair.connect(sync=am_rpc.Sync(allowed=("E",))) as net:
        await net.add("D")
        await net.add("D", "E")
        assert net.clock() == {**dict.fromkeys(net.schema, 0), "E": 1, "D": 1}
        assert net.is_("E", "D")
        await net.remove("E")
        assert net.tick("E") == 2
        assert net.tick("D") == 0


async def test_skipped_states_stay_at_zero(serve: Any) -> None:
    async with serve() as pair, pair.connect(sync=am_rpc.Sync(skipped=("B",))) as net:
        await net.add("B", "D")
        assert net.tick("D") == 1
        assert net.is_("A")
        assert net.tick("B") == 1, "A requires B"
        await net.sync()
        assert net.is_("A", "B", "D")


async def test_without_schema_only_tracked_names_are_told(serve: Any) -> None:
    sync = am_rpc.Sync(schema=False, allowed=("D", "B"))
    async with serve() as pair, pair.connect(sync=sync) as net:
        assert net.schema.names == ("B", "D", "Exception") or set(net.schema.names) == {
            "B",
            "D",
            "Exception",
        }
        assert await net.add("B") is am.EXECUTED
        assert net.active == ("B",)
        assert pair.source.is_("A", "B")
        assert net.can_add("D") is am.EXECUTED
        with pytest.raises(am.UnknownStateError):
            net.add("C")
        with pytest.raises(am.UnknownStateError):
            net.add("Exception")


async def test_shallow_mode_sends_flips_and_refuses_waits_on_ticks(serve: Any) -> None:
    async with serve() as pair, pair.connect(sync=am_rpc.Sync(shallow=True)) as net:
        for _ in range(3):
            await net.add("D")
        assert net.tick("D") == 1
        await net.remove("D")
        await net.add("B")
        assert net.active == ("A", "B")
        assert net.tick("D") == 2
        with pytest.raises(ValueError, match="shallow"):
            net.when_ticks("D", 1)
        with pytest.raises(ValueError, match="shallow"):
            net.when_time({"D": 1})
        assert await net.sync()
        assert net.active == ("A", "B")
        assert net.client.stats.checksum_errors == 0
        assert pair.source.tick("D") == 6


async def test_per_mutation_mode_shows_each_mutation(serve: Any) -> None:
    seen: list[tuple[str, tuple[str, ...], bool]] = []
    there: list[tuple[str, tuple[str, ...], bool]] = []

    class Watch(am.Tracer):
        def __init__(self, told: list[Any]) -> None:
            self._told = told

        def transition_end(self, transition: am.Transition) -> None:
            self._told.append((transition.kind, transition.called, transition.auto))

    async with serve() as pair, pair.connect(sync=am_rpc.Sync(mutations=True)) as net:
        net.bind_tracer(Watch(seen))
        pair.source.bind_tracer(Watch(there))
        pair.source.add("B")
        pair.source.add("D")
        await net.when("D")
        assert seen == there
        assert seen == [("add", ("B",), False), ("add", ("A",), True), ("add", ("D",), False)]
        seen.clear()
        await net.set("D")
        assert ("set", ("D",), False) in seen
        assert net.time() == pair.source.time()


async def test_too_many_records_are_merged(serve: Any) -> None:
    limits = am_rpc.Limits(records=10)
    async with (
        serve(limits=limits, push_interval=None) as pair,
        pair.connect(sync=am_rpc.Sync(mutations=True)) as net,
    ):
        for _ in range(50):
            pair.source.add("D")
        await net.add("B")
        assert net.time() == pair.source.time()
        assert net.queue_tick == pair.source.queue_tick


async def test_records_are_pushed_early_when_there_are_many(serve: Any) -> None:
    async with (
        serve(push_interval=1000, push_max_mutations=5) as pair,
        pair.connect(sync=am_rpc.Sync(mutations=True)) as net,
    ):
        await net.add("B")
        for _ in range(5):
            pair.source.add("D")
        with trio.fail_after(10):
            await net.when_time({"D": 9})


async def test_an_untracked_change_sends_nothing_without_queue_ticks(serve: Any) -> None:
    sync = am_rpc.Sync(allowed=("B",), queue=False)
    async with serve() as pair, pair.connect(sync=sync) as net:
        await net.sync()
        before = net_bytes(net)
        pair.source.add("D")
        await trio.testing.wait_all_tasks_blocked()
        assert net_bytes(net) == before
        pair.source.add("B")
        await net.when("B")
        assert net_bytes(net) > before


async def test_changes_within_an_interval_are_pushed_together(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(push_interval=0.25) as pair, pair.connect() as net:
        await trio.sleep(1)
        start = pair.mux.stats.pushes
        for _ in range(1000):
            pair.source.add("D")
            await trio.sleep(0.001)
        await trio.sleep(1)
        assert pair.mux.stats.pushes - start <= 6
        assert net.time() == pair.source.time()


async def test_each_drain_is_pushed_at_interval_zero(serve: Any) -> None:
    async with serve(push_interval=0) as pair, pair.connect():
        start = pair.mux.stats.pushes
        for _ in range(100):
            pair.source.add("D")
        assert pair.mux.stats.pushes - start == 100


async def test_the_interval_can_be_changed_while_running(serve: Any) -> None:
    async with serve(push_interval=None) as pair, pair.connect() as net:
        pair.source.add("D")
        await trio.testing.wait_all_tasks_blocked()
        assert net.tick("D") == 0
        pair.mux.push_interval = 0
        pair.source.add("D")
        with trio.fail_after(10):
            await net.when("D")


async def test_drift_is_noticed_and_repaired_by_one_sync(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        await net.add("B")
        net._sum += 1
        result = net.add("D")
        assert await result is am.EXECUTED
        assert net.tick("D") == 1, "results wait for the full values"
        assert net.client.stats.checksum_errors == 1
        assert net.client.stats.syncs == 1
        assert net.time() == pair.source.time()


async def test_repeated_drift_starts_the_connection_over(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        again = net.client.mach.when_ticks("Ready", 2)
        for _ in range(3):
            net._sum += 1
            await net.add("D")
        with trio.fail_after(5):
            await again
        assert await net.add("D") is am.EXECUTED
        assert net.time() == pair.source.time()


async def test_a_refused_sync_starts_the_connection_over(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise InvalidParams("no")

    async with serve() as pair, pair.connect() as net:
        again = net.client.mach.when_ticks("Ready", 2)
        with monkeypatch.context() as patched:
            patched.setitem(client_session._REQUESTS, SyncRequest, refuse)
            net._sum += 1
            with trio.fail_after(5):
                assert await net.add("D") is am.EXECUTED, "not held back for ever"
                await again
        assert await net.add("D") is am.EXECUTED
        assert net.time() == pair.source.time()


async def test_a_schema_may_grow_under_several_replicas(serve: Any, demo_states: Any) -> None:
    async with serve(push_interval=None) as pair, pair.connect() as one, pair.connect() as two:
        assert await one.add("B") is am.EXECUTED
        assert await two.add("D") is am.EXECUTED
        source = pair.source
        grown = {**source.schema, "New": am.State(multi=True)}
        source.set_schema(grown, (*source.schema.names, "New"))
        for net in (one, two):
            with trio.fail_after(10):
                while "New" not in net.schema:
                    await net.sync()
        for net in (one, two, one, two):
            assert await net.add("New") is am.EXECUTED
        for net in (one, two):
            assert await net.add("D") is am.EXECUTED
            assert net.time() == source.time()
        assert await one.add("C") is am.EXECUTED
        assert await two.remove("C") is am.EXECUTED
        for net in (one, two):
            await net.add("D")
            assert net.time() == source.time()
            assert net.client.stats.checksum_errors == 0


async def test_a_schema_may_grow_under_a_replica(serve: Any, demo_states: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        wait = net.when("B")
        grown = dict(pair.source.schema) | {"Late": am.State(require=["B"])}
        pair.source.set_schema(grown, [*pair.source.schema.names, "Late"])
        with trio.fail_after(10):
            while "Late" not in net.schema:
                await net.sync()
        assert await net.add("B") is am.EXECUTED
        assert wait.done
        assert await net.add("Late") is am.EXECUTED
        assert net.time() == pair.source.time()
        assert net.can_remove("Late") is am.EXECUTED
