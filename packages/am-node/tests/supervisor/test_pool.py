"""The pool has the size it should have, whatever happens to its workers."""

import signal
from functools import partial
from typing import Any

import pytest
import trio

import am_node
from am_node._supervisor.sizing import NOT_COUNTED, Census

pytestmark = pytest.mark.trio


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        await trio.sleep(0.5)
        return x


async def _settled(sup: am_node.Supervisor, count: int) -> None:
    with trio.fail_after(10):
        await sup.mach.when("PoolNormalized")
        while len([w for w in await sup.workers() if "Ready" in w.states]) != count:
            await sup.mach.when_ticks("Heartbeat", 1)


@pytest.mark.parametrize(
    ("pool", "workers"), [((2, 5, 2), 4), ((7, 15, 0), 7), ((1, 1, 0), 1), ((0, 3, 1), 1)]
)
async def test_a_pool_fills_to_its_minimum_and_the_warm_ones(
    pooled: Any, clock: trio.abc.Clock, pool: tuple[int, int, int], workers: int
) -> None:
    async with pooled(Echo, *pool) as sup:
        await _settled(sup, workers)
        await trio.sleep(30)
        assert len(await sup.workers()) == workers
        assert sup.forks == workers
        assert sup.mach.is_("PoolReady", "PoolWarm", "Ready", "WorkersAvailable")


async def test_raising_and_lowering_a_live_pool_converges_within_five_seconds(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 2, 4, 0) as sup:
        for pool, count in (((6, 8, 0), 6), ((1, 3, 0), 1), ((1, 3, 2), 3)):
            sup.set_pool(am_node.Pool(*pool))
            await trio.sleep(5)
            assert len(await sup.workers()) == count, pool


async def test_a_pool_never_has_more_processes_than_allowed(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 3, 3, 5) as sup:
        for _ in range(20):
            assert not sup.mach.add("ForkWorker")
            assert len(await sup.workers()) <= 3
        (first, *_) = await sup.workers()
        sup.mach.add("KillWorker", id=first.id, reason="test")
        for _ in range(50):
            await trio.sleep(0.1)
            assert len(await sup.workers()) <= 3
        assert len(await sup.workers()) == 3


async def test_a_lost_worker_is_replaced_and_the_pool_says_so(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 2, 2) as sup:
        (first, second) = await sup.workers()
        left = sup.mach.when_not("PoolReady")
        sup.mach.add("KillWorker", id=first.id, reason="test")
        assert await left
        await sup.mach.when("PoolReady")
        ids = {w.id for w in await sup.workers()}
        assert second.id in ids
        assert first.id not in ids
        assert sup.restarts == 1


async def test_the_entries_of_workers_can_be_waited_for_until_their_ends(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    assert am_node.Supervisor(Echo, launcher=am_node.MemoryLauncher(Echo)).worker_slots == {}
    async with pooled(Echo, 2, 2) as sup:
        slots = sup.worker_slots
        assert set(slots) == {w.id for w in await sup.workers()}
        leases = [slot.when("Leased", "ClientConnected") for slot in slots.values()]
        async with (
            am_node.Client("c", Echo, supers=[sup.addr]) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(partial(client.work, x=1))
            await trio.sleep(0.2)
            assert [lease.done for lease in leases].count(True) == 1
        (first, second) = slots
        ended = slots[first].when("Gone")
        removed = sup.mach.when_next_active("WorkerKilled")
        sup.mach.add("KillWorker", id=first, reason="test")
        assert await ended
        assert await removed
        await _settled(sup, 2)
        assert first not in sup.worker_slots
        assert second in sup.worker_slots
        assert slots[first].disposed
        assert len(sup.worker_slots) == 2


async def test_the_census_is_at_any_time_what_counting_all_workers_gives(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    seen = set()
    async with (
        pooled(Echo, 2, 6, 2) as sup,
        am_node.Client("c", Echo, supers=[sup.addr]) as client,
    ):
        shared = sup._opened
        for step in range(60):
            if step % 7 == 3:
                (first, *_) = await sup.workers()
                sup.mach.add("KillWorker", id=first.id, reason="test")
            if step % 20 == 10:
                await client.request_worker()
            if step == 30:
                sup.set_pool(am_node.Pool(1, 3, 0))
            await trio.sleep(0.1)
            slots = [slot.counted for slot in shared]
            census = Census(*map(sum, zip(NOT_COUNTED, *slots, strict=True)))
            assert shared.census() == census
            seen.add(census)
    assert len(seen) > 3


async def test_after_each_lease_the_pool_is_topped_up(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 1, 4, 1) as sup:
        await _settled(sup, 2)
        clients = [am_node.Client(f"c{n}", Echo, supers=[sup.addr]) for n in range(3)]
        async with clients[0], clients[1], clients[2]:
            for number, client in enumerate(clients):
                await client.request_worker()
                await trio.sleep(3)
                assert len(await sup.workers()) == max(2, number + 2)


async def test_idle_workers_beyond_need_stop_after_their_time(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 4, 1, timing=am_node.Timing(idle_ttl=50)) as sup:
        async with am_node.Client("c", Echo, supers=[sup.addr]) as client:
            async for _ in client.map([{"x": n} for n in range(20)], workers=3):
                await trio.sleep(0.5)
            grown = len(await sup.workers())
        await trio.sleep(20)
        assert len(await sup.workers()) == grown > 2
        await trio.sleep(100)
        assert len(await sup.workers()) == 2


async def test_the_list_of_workers_can_be_filtered(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 2, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        leased = await client.request_worker()
        (info,) = await sup.workers(lambda info: bool(info.client))
        assert info.id == leased
        assert "Leased" in info.states


async def test_a_list_of_a_supervisor_that_ended_is_an_error(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 1) as sup:
        pass
    with pytest.raises(am_node.PoolError):
        await sup.workers()


async def test_workers_that_cannot_come_up_end_in_err_pool_and_are_tried_again(
    clock: trio.abc.Clock,
) -> None:
    class Broken(am_node.Worker):
        broken = True

        def __init__(self) -> None:
            if self.broken:
                raise RuntimeError("no luck")

        async def work(self) -> int:
            return 1

    timing = am_node.Timing(pool_pause=1, worker_check_timeout=2)
    sup = am_node.Supervisor(
        Broken, pool=am_node.Pool(1, 2, 0), timing=timing, launcher=am_node.MemoryLauncher(Broken)
    )
    async with sup:
        await sup.mach.when("CrashLoop")
        await sup.mach.when("ErrPool")
        forks = sup.forks
        assert forks <= 30
        assert sup.mach.not_("PoolReady")
        Broken.broken = False
        with trio.fail_after(35):
            await sup.mach.when("PoolReady")
            await sup.mach.when_not("CrashLoop")


async def test_a_crash_loop_forks_little(clock: trio.abc.Clock) -> None:
    class Dead(am_node.Worker):
        def __init__(self) -> None:
            raise RuntimeError("no luck")

    pool = am_node.Pool(2, 10, 5)
    launcher = am_node.MemoryLauncher(Dead)
    async with am_node.Supervisor(Dead, pool=pool, launcher=launcher) as sup:
        await trio.sleep(60)
        assert sup.forks <= pool.min + pool.warm + 10
        assert sup.mach.is_("CrashLoop")


async def test_a_supervisor_gives_up_if_told_to(clock: trio.abc.Clock) -> None:
    class Dead(am_node.Worker):
        def __init__(self) -> None:
            raise RuntimeError("no luck")

    policy = am_node.Policy(give_up_after=20)
    launcher = am_node.MemoryLauncher(Dead)
    async with am_node.Supervisor(Dead, policy=policy, launcher=launcher) as sup:
        with trio.fail_after(90):
            await sup.mach.when_not("Start")
        assert sup.exit_code == 70


class _Busy(am_node.MemoryLauncher):
    """Each worker takes eight seconds to come up."""

    async def run(
        self,
        spec: am_node.WorkerSpec,
        task_status: trio.TaskStatus[am_node.WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> am_node.ExitInfo:
        with trio.CancelScope() as scope:
            task_status.started(_Killable(scope))
            await trio.sleep(8)
            return await super().run(spec)
        return am_node.ExitInfo(signal=signal.SIGKILL)


class _Killable:
    pid = None

    def __init__(self, scope: trio.CancelScope) -> None:
        self.kill = self.terminate = scope.cancel


async def test_workers_that_are_ended_for_being_late_come_up_in_the_end(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    with trio.fail_after(20):
        async with pooled(Echo, 2, 2, launcher=_Busy(Echo)) as sup:
            assert (sup.forks, sup.restarts) == (4, 2)
            assert "no report within 5 s" in str(sup.mach.err)


async def test_a_worker_that_never_comes_up_is_a_crash_loop_however_long_it_is_given(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    class Hanging(_Busy):
        async def run(self, spec: am_node.WorkerSpec, task_status: Any = None) -> am_node.ExitInfo:
            with trio.CancelScope() as scope:
                task_status.started(_Killable(scope))
                await trio.sleep_forever()
            return am_node.ExitInfo(signal=signal.SIGKILL)

    launcher, pool = Hanging(Echo), am_node.Pool(1, 1, 0)
    async with am_node.Supervisor(Echo, pool=pool, launcher=launcher) as sup:
        with trio.fail_after(70):
            await sup.mach.when("CrashLoop")
