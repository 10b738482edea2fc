"""Replicas without a connection: fed by hand, read like any other, never mutated."""

from __future__ import annotations

import time
from typing import Any

import pytest
import trio

import am_machine as am
import am_rpc

SCHEMA = am.Schema({"A": {}, "B": {"require": ["A"]}})


def _replica(**options: Any) -> am_rpc.NetworkMachine:
    return am_rpc.NetworkMachine(None, SCHEMA, remote_id="far", **{"id": "near", **options})


@pytest.mark.trio
async def test_reads_waits_and_contexts_follow_what_it_is_fed() -> None:
    replica = _replica()
    waits = [replica.when("A"), replica.when_time({"A": 3}), replica.when_query(lambda c: c["B"])]
    context = replica.state_ctx("A")
    assert context.expired
    replica.advance([(0, 1), (1, 1)])
    inside = replica.state_ctx("A")
    assert replica.is_("A", "B")
    assert waits[0].done
    assert waits[2].done
    assert not waits[1].done
    replica.advance([(0, 2)])
    assert await waits[1]
    assert inside.expired
    replica.reset_clock([4, 1, 0])
    assert replica.active == ("B",)
    assert replica.tick("A") == 4


@pytest.mark.trio
async def test_final_handlers_run_in_the_order_of_the_states() -> None:
    seen: list[str] = []

    class Handlers:
        def AState(self, event: am.Event) -> None:
            seen.append("A")

        def BState(self, event: am.Event) -> None:
            seen.append("B")

    replica = _replica(handlers=Handlers())
    replica.advance([(0, 1), (1, 1)])
    assert seen == ["A", "B"]


@pytest.mark.parametrize("call", ["add", "remove", "set", "toggle", "add_ns", "remove_ns"])
@pytest.mark.trio
async def test_each_mutation_is_canceled_and_says_why(call: str) -> None:
    replica = _replica()
    result = getattr(replica, call)("A")
    assert isinstance(result.error, am_rpc.ReadOnlyMachine)
    assert await result is am.CANCELED
    assert not replica.is_("A")


@pytest.mark.trio
async def test_errors_cannot_be_reported() -> None:
    result = _replica().add_err(ValueError("no"))
    assert isinstance(result.error, am_rpc.ReadOnlyMachine)
    assert await result is am.CANCELED


@pytest.mark.trio
async def test_what_only_the_source_knows_cannot_be_asked() -> None:
    replica = _replica()
    for ask in (replica.sync, lambda: replica.check_add("A"), lambda: replica.check_remove("A")):
        with pytest.raises(am_rpc.ReadOnlyMachine):
            await ask()
    with pytest.raises(am_rpc.ReadOnlyMachine):
        replica.when_args("A", x=1)
    with pytest.raises(am_rpc.ReadOnlyMachine):
        _ = replica.client
    await replica.flush()
    assert replica.queue == ()
    assert await replica.when_queue_ends()
    assert not replica.can_add("B")


@pytest.mark.trio
async def test_its_schema_only_grows() -> None:
    replica = _replica()
    replica.advance([(0, 1)])
    replica.grow(am.Schema({**SCHEMA, "C": {}}))
    replica.advance([(3, 1)])
    assert replica.is_("A", "C")
    with pytest.raises(am_rpc.RpcError):
        replica.grow(am.Schema({"B": {}, "A": {}}))


@pytest.mark.trio
async def test_it_can_be_served_again() -> None:
    replica = _replica()
    replica.advance([(0, 1)])
    with trio.fail_after(5):
        async with (
            replica,
            am_rpc.Mux(replica, "127.0.0.1:0", push_interval=0) as mux,
            am_rpc.connect(mux.addr) as net,
        ):
            assert net.is_("A")
            assert net.remote_id == "far"  # a relay keeps the name
            replica.advance([(1, 1)])
            await net.when("B")
            result = net.add("A")
            assert await result is am.CANCELED
            assert isinstance(result.error, am_rpc.NoAccess)
            with pytest.raises(am_rpc.NoAccess):
                await net.check_add("A")


def test_twenty_thousand_under_one_parent_cost_each_the_same() -> None:
    def cost(count: int) -> float:
        parent = am.Machine({"Start": {}})
        began = time.process_time()
        for number in range(count):
            _replica(id=f"r{number}", parent=parent)
        taken = time.process_time() - began
        parent.dispose()
        return taken / count

    cost(100)
    few = min(cost(1000) for _ in range(3))
    many = cost(20_000)
    assert many < 4 * few
    # Of one core, however busy the machine is.
    assert 20_000 * many <= 1.5
