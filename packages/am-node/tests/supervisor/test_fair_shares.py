"""Several clients share a pool: each gets its part in time, and keeps what is its own."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import pytest
import trio

import am_machine as am
import am_node
import am_rpc
from am_node._supervisor.asks import Ask, Asks, fair_share

pytestmark = pytest.mark.trio


class Short(am_node.Worker):
    """Short tasks, counted. (Each moment of the test's clock takes 20 ms.)"""

    begun: ClassVar[Counter[int]] = Counter()

    async def work(self, x: int, pause: float = 0.2) -> int:
        type(self).begun[x] += 1
        await trio.sleep(pause)
        return x


class Queued(Short):
    queue = 16


def _endless(first: int = 0) -> Any:
    number = first
    while True:
        yield {"x": number}
        number += 1


async def _map_for_ever(client: am_node.Client, workers: int = 4) -> None:
    async with client.map(_endless(), workers=workers) as results:
        async for _ in results:
            pass


def _client(sup: am_node.Supervisor, name: str, **options: Any) -> am_node.Client:
    return am_node.Client(name, sup.launcher._worker, supers=[sup.addr], **options)


async def _held(sup: am_node.Supervisor) -> Counter[str]:
    return Counter(info.client.split("-")[3] for info in await sup.workers() if info.client)


@pytest.mark.parametrize("cls", [Short, Queued])
async def test_of_two_maps_each_gets_half_of_the_pool_within_a_second(
    pooled: Any, clock: trio.abc.Clock, cls: type[am_node.Worker]
) -> None:
    async with (
        pooled(cls, 4, 4) as sup,
        _client(sup, "a") as first,
        _client(sup, "b") as second,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_map_for_ever, first)
        await trio.sleep(2)
        assert await _held(sup) == {"a": 4}
        nursery.start_soon(_map_for_ever, second)
        await trio.sleep(1)
        assert await _held(sup) == {"a": 2, "b": 2}
        for _ in range(8):
            await trio.sleep(0.25)
            assert await _held(sup) == {"a": 2, "b": 2}
        assert sup.restarts == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("cls", [Short, Queued])
async def test_what_changes_hands_is_neither_lost_nor_done_twice(
    pooled: Any, clock: trio.abc.Clock, cls: type[Short]
) -> None:
    cls.begun = Counter()
    async with pooled(cls, 3, 3) as sup, trio.open_nursery() as nursery:

        async def use(name: str, first: int) -> None:
            inputs = [{"x": first + n} for n in range(20)]
            async with _client(sup, name) as client:
                results = client.map(inputs, workers=3, ordered=True, attempts=1)
                assert [r async for _, r in results] == [one["x"] for one in inputs]

        for number, name in enumerate("abcde"):
            nursery.start_soon(use, name, 1000 * number)
    assert set(cls.begun.values()) == {1}
    assert len(cls.begun) == 5 * 20


async def test_sixteen_clients_on_four_workers_are_all_served_in_time(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    waits: dict[str, list[float]] = {}
    async with pooled(Short, 4, 4) as sup, trio.open_nursery() as nursery:

        async def use(name: str) -> None:
            async with _client(sup, name) as client:
                for number in range(5):
                    began = trio.current_time()
                    assert await client.work(x=number, pause=0.0) == number
                    waits.setdefault(name, []).append(trio.current_time() - began)
                    await trio.sleep(1)

        for number in range(16):
            nursery.start_soon(use, f"c{number}")
    assert len(waits) == 16
    assert max(map(max, waits.values())) <= 2.0


async def test_more_maps_than_workers_take_turns(pooled: Any, clock: trio.abc.Clock) -> None:
    done: Counter[str] = Counter()
    async with pooled(Short, 2, 2) as sup, trio.open_nursery() as nursery:

        async def use(name: str) -> None:
            async with _client(sup, name) as client, client.map(_endless(), workers=2) as results:
                async for _ in results:
                    done[name] += 1

        for number in range(5):
            nursery.start_soon(use, f"c{number}")
        await trio.sleep(15)
        nursery.cancel_scope.cancel()
    assert len(done) == 5
    assert min(done.values()) > 0.5 * max(done.values())


async def test_a_client_that_keeps_its_worker_has_it_though_others_wait(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Short, 2, 2) as sup,
        _client(sup, "keeper", keep=True, workers=2) as keeper,
        _client(sup, "b") as other,
    ):
        async with keeper.map([{"x": n} for n in range(6)], workers=2) as results:
            async for _ in results:
                pass
        kept = keeper.workers
        assert len(kept) == 2
        # Beyond its share it gives up; its share it keeps, used or not.
        assert await other.work(x=1) == 1
        await trio.sleep(30)
        assert await _held(sup) == {"keeper": 1, "b": 1}
        assert set(keeper.workers) < set(kept)


async def test_nobody_loses_a_worker_that_nobody_waits_for(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Short, 2, 2) as sup, _client(sup, "a") as first, _client(sup, "b") as second:
        assert await first.work(x=1) == 1
        assert await second.work(x=1) == 1
        before = first.workers, second.workers
        await trio.sleep(120)
        assert (first.workers, second.workers) == before


@pytest.mark.parametrize("cls", [Short, Queued])
async def test_a_timeout_fires_in_time_though_no_worker_is_to_be_had(
    pooled: Any, clock: trio.abc.Clock, cls: type[am_node.Worker]
) -> None:
    async with (
        pooled(cls, 1, 1) as sup,
        _client(sup, "keeper", keep=True) as keeper,
        _client(sup, "b") as other,
    ):
        assert await keeper.work(x=0) == 0
        began = trio.current_time()
        with pytest.raises(am_node.NoWorkers):
            async for _ in other.map([{"x": 1}], timeout=3):
                pass
        assert 3 <= trio.current_time() - began <= 3.5
        began = trio.current_time()
        with pytest.raises(am_node.NoWorkers):
            await other.work(x=1, timeout=3)
        assert 3 <= trio.current_time() - began <= 3.5
        assert await keeper.work(x=2) == 2


@pytest.mark.parametrize("cls", [Short, Queued])
async def test_a_timeout_fires_in_time_though_the_work_goes_on(
    pooled: Any, clock: trio.abc.Clock, cls: type[am_node.Worker]
) -> None:
    async with pooled(cls, 2, 2) as sup, _client(sup, "a") as client:
        began = trio.current_time()
        with pytest.raises(am_node.WorkTimeout):
            async for _ in client.map([{"x": n, "pause": 60.0} for n in range(8)], timeout=3):
                pass
        assert 3 <= trio.current_time() - began <= 3.5


async def test_work_that_runs_when_its_lease_is_to_end_is_delivered(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    Short.begun = Counter()
    async with pooled(Short, 1, 1) as sup, _client(sup, "a") as first, _client(sup, "b") as second:
        found: list[int] = []

        async def long() -> None:
            found.append(await first.work(x=1, pause=10.0, attempts=1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(long)
            await trio.sleep(2)
            began = trio.current_time()
            assert await second.work(x=2) == 2
            assert trio.current_time() - began <= 9
        assert found == [1]
        assert Short.begun == {1: 1, 2: 1}


async def test_a_client_that_gave_up_or_left_gets_no_worker_any_more(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Short, 1, 1) as sup, _client(sup, "b") as patient:
        async with _client(sup, "k", keep=True) as keeper:
            assert await keeper.work(x=0) == 0
            with trio.move_on_after(2):
                await patient.work(x=1)
            async with _client(sup, "c") as leaver:
                with trio.move_on_after(2):
                    await leaver.request_worker()
            async with _client(sup, "d") as leaver, trio.open_nursery() as nursery:
                nursery.start_soon(leaver.request_worker)
                await trio.sleep(2)
                nursery.cancel_scope.cancel()
        with trio.fail_after(1):
            await sup.mach.when("WorkersAvailable")
        await trio.sleep(5)
        assert await _held(sup) == {}


async def test_nobody_waits_in_the_name_of_another(pooled: Any, clock: trio.abc.Clock) -> None:
    async with (
        pooled(Short) as sup,
        am_rpc.connect(sup.addr, id="honest") as honest,
        am_rpc.connect(sup.addr, id="other") as other,
    ):
        args = {"worker_rpc_id": "rc-x", "super_rpc_id": honest.client.mach.id}
        assert await other.add("AwaitWorker", **args) is am.CANCELED
        assert await other.add("AwaitWorker", **args, wait=False) is am.CANCELED
        assert await honest.add("AwaitWorker", **args) is am.EXECUTED


async def test_a_client_waits_for_no_more_workers_than_it_may_have(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    pool = am_node.Pool(1, 4, 0, max_client_workers=2)
    async with pooled(Short, pool=pool) as sup, am_rpc.connect(sup.addr, id="greedy") as net:
        me = net.client.mach.id
        outcomes = [
            await net.add("AwaitWorker", worker_rpc_id=f"rc-{n}", super_rpc_id=me) for n in range(4)
        ]
        assert outcomes == [am.EXECUTED, am.EXECUTED, am.CANCELED, am.CANCELED]


# -- decisions


@pytest.mark.parametrize(
    ("ready", "clients", "share"),
    [(4, 1, 4), (4, 2, 2), (4, 3, 1), (4, 16, 1), (0, 3, 1), (5, 0, 5)],
)
async def test_a_share_is_a_part_of_the_ready_workers_and_never_none(
    ready: int, clients: int, share: int
) -> None:
    assert fair_share(ready, clients) == share


async def test_whoever_holds_least_is_next_and_then_whoever_came_first() -> None:
    asks = Asks()
    for number, client in enumerate("aaabc"):
        asks.put(Ask(client, str(number), keep=False, patient=True, until=10 + number))
    turns = []
    held: Counter[str] = Counter()
    while (ask := asks.next(held, 2)) is not None:
        asks.drop(ask)
        held[ask.client] += 1
        turns.append(ask.client)
    assert turns == ["a", "b", "c", "a"]
    assert [ask.client for ask in asks] == ["a"]
    assert asks.entitled({"a": 1}, 3) == 1
    assert asks.entitled({"a": 3}, 3) == 0
    asks.expire(12)
    assert len(asks) == 0
