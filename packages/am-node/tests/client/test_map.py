"""Many requests over several workers."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

import am_node

pytestmark = pytest.mark.trio


class Echo(am_node.Worker):
    async def work(self, x: int, pause: float = 0.0) -> int:
        await trio.sleep(pause)
        if x < 0:
            raise ValueError(f"{x} is negative")
        return x


class Queued(Echo):
    queue = 3


def counting() -> tuple[list[int], type[Queued]]:
    """A class whose workers note what they run."""
    ran: list[int] = []

    class Counting(Queued):
        async def work(self, x: int, pause: float = 0.0) -> int:
            ran.append(x)
            return await super().work(x, pause)

    return ran, Counting


def _inputs(count: int) -> list[dict[str, int]]:
    return [{"x": n} for n in range(count)]


@pytest.mark.parametrize("worker", [Echo, Queued])
async def test_every_input_has_its_result(
    pooled: Any, clock: trio.abc.Clock, worker: type[am_node.Worker]
) -> None:
    async with (
        pooled(worker, 3, 3) as sup,
        am_node.Client("c", worker, supers=[sup.addr]) as client,
    ):
        pairs = [(a["x"], r) async for a, r in client.map(_inputs(100), workers=3)]
        assert sorted(pairs) == [(n, n) for n in range(100)]


@pytest.mark.parametrize("worker", [Echo, Queued])
async def test_results_come_in_order_if_wanted(
    pooled: Any, clock: trio.abc.Clock, worker: type[am_node.Worker]
) -> None:
    inputs = [{"x": n, "pause": 0.3 if n % 7 == 0 else 0.0} for n in range(40)]
    async with (
        pooled(worker, 3, 3) as sup,
        am_node.Client("c", worker, supers=[sup.addr]) as client,
    ):
        results = [r async for _, r in client.map(inputs, workers=3, ordered=True)]
        assert results == list(range(40))


async def test_no_input_is_no_result(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 1, 1) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        assert [pair async for pair in client.map([], workers=1)] == []


async def test_inputs_may_come_later(pooled: Any, clock: trio.abc.Clock) -> None:
    async def slowly() -> AsyncIterator[dict[str, int]]:
        for n in range(5):
            await trio.sleep(1)
            yield {"x": n}

    async with pooled(Echo, 1, 1) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        assert [r async for _, r in client.map(slowly(), workers=1)] == [0, 1, 2, 3, 4]


async def test_no_more_inputs_are_taken_than_are_needed(pooled: Any, clock: trio.abc.Clock) -> None:
    taken = 0

    def counted() -> Any:
        nonlocal taken
        for taken in range(1, 1000):
            yield {"x": taken}

    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        async with client.map(counted(), workers=2) as results:
            seen = 0
            async for _ in results:
                seen += 1
                await trio.sleep(1)
                assert taken - seen <= 8
                if seen == 10:
                    break
        assert taken < 20


async def test_the_first_error_cancels_the_rest(pooled: Any, clock: trio.abc.Clock) -> None:
    inputs = [{"x": 1}, {"x": -1}, *({"x": n, "pause": 100} for n in range(50))]
    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        started = trio.current_time()
        with pytest.raises(am_node.WorkError, match="-1 is negative"):
            async for _ in client.map(inputs, workers=2):
                pass
        assert trio.current_time() - started < 50
        assert await client.work(x=7) == 7


async def test_errors_can_be_results(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        inputs = [{"x": n} for n in (1, -1, 2, -2)]
        pairs = {a["x"]: r async for a, r in client.map(inputs, workers=2, return_errors=True)}
        assert pairs[1] == 1
        assert isinstance(pairs[-2], am_node.WorkError)
        assert len(pairs) == 4


async def test_leaving_the_iteration_stops_the_work(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        async with client.map([{"x": 1, "pause": 1}] * 100, workers=2) as results:
            async for _ in results:
                break
        await trio.sleep(3)
        tasks = sum(w.tasks for w in await sup.workers())
        await trio.sleep(30)
        assert sum(w.tasks for w in await sup.workers()) == tasks < 8


async def test_a_map_survives_the_loss_of_workers(pooled: Any, clock: trio.abc.Clock) -> None:
    async with (
        pooled(Echo, 3, 4) as sup,
        am_node.Client("c", Echo, supers=[sup.addr]) as client,
    ):
        inputs = [{"x": n, "pause": 0.3} for n in range(40)]
        results = []
        async for _, result in client.map(inputs, workers=3):
            results.append(result)
            if len(results) in {10, 20}:
                victim = next(w for w in await sup.workers() if w.client)
                sup.mach.add("KillWorker", id=victim.id, reason="test")
        assert sorted(results) == list(range(40))


async def test_queued_requests_wait_inside_the_worker_and_move_with_it(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Queued, 2, 3) as sup,
        am_node.Client("c", Queued, supers=[sup.addr]) as client,
    ):
        results = []
        most = 0
        async for _, result in client.map([{"x": n, "pause": 0.5} for n in range(16)], workers=1):
            results.append(result)
            hosts = list(sup.launcher.hosts.values())
            most = max(most, *(host.flow.waiting for host in hosts))
            if len(results) == 3:
                victim = next(w for w in await sup.workers() if w.client)
                sup.mach.add("KillWorker", id=victim.id, reason="test")
        assert sorted(results) == list(range(16))
        assert 1 <= most <= 3


async def test_a_map_needs_a_worker() -> None:
    client = am_node.Client("c", Echo, supers=["127.0.0.1:1"])
    with pytest.raises(ValueError, match="at least one"):
        client.map([], workers=0)


@pytest.mark.parametrize("worker", [Echo, Queued])
@pytest.mark.parametrize("no_args", [3, "x", None, ("x", 1)])
async def test_an_input_that_is_no_mapping_is_told_as_its_user_gave_it(
    pooled: Any, clock: trio.abc.Clock, worker: type[am_node.Worker], no_args: Any
) -> None:
    inputs: list[Any] = [{"x": 1}, no_args, {"x": 2}]
    told = f"an input is a mapping .*{re.escape(repr(no_args))} is of type {type(no_args).__name__}"
    async with (
        pooled(worker, 1, 1) as sup,
        am_node.Client("c", worker, supers=[sup.addr]) as client,
    ):
        with pytest.raises(TypeError, match=told):
            await client.work_with(no_args)
        with pytest.raises(TypeError, match=told):
            assert [pair async for pair in client.map(inputs)]
        results = [r async for _, r in client.map(inputs, ordered=True, return_errors=True)]
    assert isinstance(results[1], TypeError)
    assert results[::2] == [1, 2]


async def test_one_mapping_is_not_many_inputs() -> None:
    client = am_node.Client("c", Echo, supers=["127.0.0.1:1"])
    one: Any = {"x": 1}
    with pytest.raises(TypeError, match="a list of mappings, not one mapping"):
        client.map(one)


async def test_a_worker_lost_with_half_a_batch_done_costs_no_result(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    ran: list[int] = []

    class Counting(Queued):
        queue = 8

        async def work(self, x: int, pause: float = 0.0) -> int:
            ran.append(x)
            return await super().work(x, pause)

    async with (
        pooled(Counting, 2, 3) as sup,
        am_node.Client("c", Counting, supers=[sup.addr]) as client,
    ):
        results: list[int] = []
        inputs = [{"x": n, "pause": 0.0 if n % 8 < 4 else 0.5} for n in range(32)]
        async for _, result in client.map(inputs, workers=1):
            results.append(result)
            if len(results) == 4:
                victim = next(w for w in await sup.workers() if w.client)
                sup.mach.add("KillWorker", id=victim.id, reason="test")
        assert sorted(results) == list(range(32))
        # What had been answered did not run again.
        assert [ran.count(x) for x in results[:4]] == [1, 1, 1, 1]
        assert max(ran.count(x) for x in range(32)) <= 2


async def test_work_that_must_not_run_twice_does_not_even_in_a_batch(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    ran: list[int] = []

    class Once(Queued):
        async def work(self, x: int, pause: float = 0.0) -> int:
            ran.append(x)
            return await super().work(x, pause)

    async with pooled(Once, 2, 3) as sup, am_node.Client("c", Once, supers=[sup.addr]) as client:
        inputs = [{"x": n, "pause": 0.5} for n in range(12)]
        outcomes = []
        async for _, outcome in client.map(inputs, attempts=1, return_errors=True):
            outcomes.append(outcome)
            if len(outcomes) == 3:
                victim = next(w for w in await sup.workers() if w.client)
                sup.mach.add("KillWorker", id=victim.id, reason="test")
        assert len(outcomes) == 12
        lost = [o for o in outcomes if isinstance(o, am_node.WorkerLost)]
        assert 1 <= len(lost) <= 4
        assert len(ran) == len(set(ran))


async def test_a_client_may_think_the_queue_is_longer_than_it_is(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Queued, 1, 1) as sup,
        am_node.Client("c", supers=[sup.addr], queue=30) as client,
    ):
        inputs = [{"x": n, "pause": 0.1} for n in range(40)]
        results = [r async for _, r in client.map(inputs)]
        assert sorted(results) == list(range(40))


async def test_a_drained_worker_finishes_its_queue_and_the_rest_goes_elsewhere(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    ran, Counting = counting()
    async with (
        pooled(Counting, 2, 3) as sup,
        am_node.Client("c", Counting, supers=[sup.addr]) as client,
    ):
        results = []
        async for _, result in client.map([{"x": n, "pause": 0.5} for n in range(20)]):
            results.append(result)
            if len(results) == 3:
                (first,) = client.workers
                sup.launcher.hosts[first].drain()
        assert sorted(results) == list(range(20))
        assert client.workers != (first,)
        assert sorted(ran) == list(range(20))


async def test_leaving_the_iteration_empties_the_queues_of_workers(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    ran, Counting = counting()
    async with (
        pooled(Counting, 1, 1) as sup,
        am_node.Client("c", Counting, supers=[sup.addr]) as client,
    ):
        async with client.map([{"x": n, "pause": 1} for n in range(50)]) as results:
            async for _ in results:
                break
        await trio.sleep(10)
        assert ran in ([0, 1], [0, 1, 2])
        (host,) = sup.launcher.hosts.values()
        assert host.mach.is_("Idle")
        assert host.flow.waiting == 0
        assert await client.work(x=7) == 7


async def test_a_few_inputs_are_spread_over_all_workers(pooled: Any, clock: trio.abc.Clock) -> None:
    async with (
        pooled(Queued, 3, 3) as sup,
        am_node.Client("c", Queued, supers=[sup.addr], workers=3) as client,
    ):
        while len(client.workers) < 3:
            async for _ in client.map([{"x": n, "pause": 1} for n in range(3)], workers=3):
                pass
        await trio.sleep(1)
        before = {w.id: w.tasks for w in await sup.workers()}
        async for _ in client.map([{"x": n, "pause": 1} for n in range(6)], workers=3):
            pass
        await trio.sleep(1)
        assert [w.tasks - before[w.id] for w in await sup.workers()] == [2, 2, 2]


async def test_two_maps_share_the_workers(pooled: Any, clock: trio.abc.Clock) -> None:
    async with (
        pooled(Queued, 2, 2) as sup,
        am_node.Client("c", Queued, supers=[sup.addr]) as client,
    ):
        found: dict[int, list[int]] = {0: [], 1: []}

        async def collect(which: int) -> None:
            inputs = [{"x": n, "pause": 0.1} for n in range(which, 30, 2)]
            async for _, result in client.map(inputs, workers=2, ordered=True):
                found[which].append(result)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect, 0)
            nursery.start_soon(collect, 1)
            assert await client.work(x=99) == 99
        assert found == {0: list(range(0, 30, 2)), 1: list(range(1, 30, 2))}


async def test_each_request_of_a_map_has_its_time(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        inputs = [{"x": n, "pause": 50 if n == 1 else 1} for n in range(8)]
        outcomes = {}
        async for args, outcome in client.map(inputs, workers=2, timeout=5, return_errors=True):
            outcomes[args["x"]] = outcome
        assert isinstance(outcomes.pop(1), am_node.WorkTimeout)
        assert outcomes == {n: n for n in range(8) if n != 1}


async def test_an_error_of_the_inputs_is_raised_where_the_results_are(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    def inputs() -> Any:
        yield {"x": 1}
        raise LookupError("no more")

    async with pooled(Echo, 1, 1) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        with pytest.raises(LookupError, match="no more"):
            async for _ in client.map(inputs()):
                pass
        assert await client.work(x=7) == 7


@pytest.mark.parametrize("worker", [Echo, Queued])
async def test_results_that_are_there_can_be_taken_together(
    pooled: Any, clock: trio.abc.Clock, worker: type[am_node.Worker]
) -> None:
    async with (
        pooled(worker, 3, 3) as sup,
        am_node.Client("c", worker, supers=[sup.addr]) as client,
    ):
        results = client.map(_inputs(9), workers=3, ordered=True)
        with pytest.raises(trio.WouldBlock):
            results.take_nowait(5)
        await trio.sleep(1)
        assert [result for _, result in results.take_nowait(2)] == [0, 1]
        rest: list[Any] = []
        while pairs := await results.take(100):
            rest += pairs
        assert [result for _, result in rest] == list(range(2, 9))
        assert await results.take(1) == results.take_nowait(1) == []


async def test_whoever_takes_results_is_told_of_the_error_that_ended_them_once(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 1) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        for wait in (True, False):
            results = client.map([{"x": 1}, {"x": -1}, {"x": 2}])
            assert await results.take(9) == [({"x": 1}, 1)]
            await trio.sleep(1)
            with pytest.raises(am_node.WorkError, match="-1 is negative"):
                await results.take(9) if wait else results.take_nowait(9)
            assert await results.take(9) == []


async def test_a_closed_client_does_not_pretend_that_a_map_is_complete(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 1) as sup:
        async with am_node.Client("c", Echo, supers=[sup.addr]) as client:
            results = client.map([{"x": n, "pause": 1} for n in range(5)])
            assert await anext(results) == ({"x": 0, "pause": 1}, 0)
        with pytest.raises(am_node.WorkerLost, match="closed"):
            async for _ in results:
                pass


async def test_requests_and_answers_of_a_busy_lane_share_messages(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    class Short(am_node.Worker):
        async def work(self, x: int) -> int:
            return x

    class Long(Short):
        queue = 16

    messages = {}
    for worker in (Short, Long):
        async with (
            pooled(worker, 1, 1) as sup,
            am_node.Client("c", worker, supers=[sup.addr]) as client,
        ):
            async for _ in client.map(_inputs(200)):
                pass
            stats = client.stats
            # Each call has its outcome, each payload its receipt.
            messages[worker] = 2 * (stats["calls"] + stats["payloads"]) / 200
        # A closed lane counts, too.
        assert client.stats["payloads"] == stats["payloads"]
    assert 4 <= messages[Short] < 4.2
    assert messages[Long] < 1


@pytest.mark.parametrize("return_errors", [False, True])
async def test_a_map_without_workers_fails_at_its_time(
    pooled: Any, clock: trio.abc.Clock, return_errors: bool
) -> None:
    async with (
        pooled(Echo, 1, 1) as sup,
        am_node.Client("first", Echo, supers=[sup.addr]) as first,
        am_node.Client("second", Echo, supers=[sup.addr]) as second,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(lambda: first.work(x=1, pause=1000.0, timeout=None))
        await first.mach.when("Ready")
        began = trio.current_time()
        pairs = second.map(_inputs(5), timeout=3, return_errors=return_errors)
        if return_errors:
            args, result = await anext(pairs)
            assert args == {"x": 0}
            assert isinstance(result, am_node.NoWorkers)
        else:
            with pytest.raises(am_node.NoWorkers, match="within 3 s"):
                await anext(pairs)
        assert 3 <= trio.current_time() - began < 3.5
        await pairs.aclose()
        nursery.cancel_scope.cancel()


async def test_what_may_run_once_is_alone_at_its_worker(pooled: Any, clock: trio.abc.Clock) -> None:
    load: list[int] = []

    class Counting(Queued):
        async def work(self, x: int, pause: float = 0.0) -> int:
            load.append(self._flow.waiting)
            return await super().work(x, pause)

    inputs = [{"x": n, "pause": 0.1} for n in range(12)]
    async with (
        pooled(Counting, 2, 2) as sup,
        am_node.Client("c", Counting, supers=[sup.addr]) as client,
    ):
        pairs = client.map(inputs, workers=2, attempts=1)
        assert sorted([result async for _, result in pairs]) == list(range(12))
        assert set(load) == {0}


async def _stop_by_break(client: am_node.Client, inputs: Any) -> None:
    async for _ in client.map(inputs, workers=3):
        break


async def _stop_by_return(client: am_node.Client, inputs: Any) -> Any:
    async for args, _ in client.map(inputs, workers=3):
        return args


async def _stop_by_error(client: am_node.Client, inputs: Any) -> None:
    try:
        async for _ in client.map(inputs, workers=3):
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass


async def _stop_by_cancel(client: am_node.Client, inputs: Any) -> None:
    with trio.move_on_after(1):
        async for _ in client.map(inputs, workers=3):
            await trio.sleep_forever()


async def _stop_by_hand(client: am_node.Client, inputs: Any) -> None:
    results = client.map(inputs, workers=3)
    await anext(results)
    await results.aclose()


async def _stop_in_the_middle_of_a_wait(client: am_node.Client, inputs: Any) -> None:
    with trio.move_on_after(0.5):
        async for _ in client.map([{"x": n, "pause": 100} for n in range(9)], workers=3):
            pass


async def _stop_by_inputs_that_fail(client: am_node.Client, inputs: Any) -> None:
    def failing() -> Any:
        yield from _inputs(5)
        raise LookupError("no more")

    with pytest.raises(LookupError):
        async for _ in client.map(failing(), workers=3):
            pass


STOPS = [
    _stop_by_break, _stop_by_return, _stop_by_error, _stop_by_cancel, _stop_by_hand,
    _stop_in_the_middle_of_a_wait, _stop_by_inputs_that_fail,
]  # fmt: skip


@pytest.mark.parametrize("worker", [Echo, Queued])
@pytest.mark.parametrize("stop", STOPS)
async def test_a_map_gives_back_what_it_holds_however_it_is_left(
    pooled: Any, clock: trio.abc.Clock, worker: type[am_node.Worker], stop: Any
) -> None:
    inputs = [{"x": n, "pause": 0.1} for n in range(200)]
    async with (
        pooled(worker, 3, 3) as sup,
        am_node.Client("c", worker, supers=[sup.addr]) as client,
    ):
        await stop(client, inputs)
        with trio.fail_after(3):
            await client.mach.when_not("WorkPending")
            while len(await sup.workers(lambda w: bool(w.client))) > 1:  # noqa: ASYNC110
                await trio.sleep(0.1)
        with trio.fail_after(3):
            assert await client.work(x=7) == 7
