"""Workers that fail are found, counted, and replaced."""

from typing import Any

import pytest
import trio

import am_machine as am
import am_node
import am_rpc

pytestmark = pytest.mark.trio


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        return x


class Deaf(Echo):
    deaf = False

    def HealthcheckEnter(self, e: am.Event) -> bool:
        return not self.deaf


async def test_healthy_workers_pass_every_round(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 2, 2) as sup:
        await trio.sleep(130)
        assert sup.restarts == 0
        assert sup.mach.tick("Heartbeat") >= 6
        for host in sup.launcher.hosts.values():
            assert host.mach.tick("Healthcheck") >= 4


async def test_a_worker_that_does_not_answer_gets_errors_and_then_is_replaced(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Deaf, 1, 2) as sup:
        (sick,) = sup.launcher.hosts
        sup.launcher.hosts[sick]._worker.deaf = True
        sup.mach.add("Heartbeat")
        await sup.mach.when_ticks("ErrWorker", 1)
        await trio.sleep(1)
        infos = {w.id: w for w in await sup.workers()}
        assert infos[sick].errors >= 1
        assert "ErrRecent" in infos[sick].states
        with trio.fail_after(400):
            while sick in sup.launcher.hosts:
                await sup.mach.when_ticks("WorkerKilled", 1)
        await sup.mach.when("PoolReady")
        assert sick not in {w.id for w in await sup.workers()}


async def _complain(client: am_node.Client, worker: str, reason: str) -> None:
    supervisor = client._supervisor.net
    assert supervisor is not None
    await supervisor.add("WorkerIssues", worker_id=worker, reason=reason)


async def test_a_worker_with_a_recent_error_gets_no_client_for_a_minute(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 0, 1, 1) as sup:
        await sup.mach.when("WorkersAvailable")
        async with am_node.Client("c", Echo, supers=[sup.addr]) as client:
            worker = await client.request_worker()
            await _complain(client, worker, "it is slow")
        await trio.sleep(20)
        (info,) = await sup.workers()
        assert not info.client
        assert not sup.mach.is_("WorkersAvailable")
        with trio.fail_after(45):
            await sup.mach.when("WorkersAvailable")
        assert (await sup.workers())[0].id == worker


async def test_complaints_beyond_the_limit_kill_a_worker(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 2) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        worker = await client.request_worker()
        killed = sup.mach.when_ticks("WorkerKilled", 1)
        for _ in range(4):
            await _complain(client, worker, "broken")
        with trio.fail_after(10):
            await killed
        assert worker not in {w.id for w in await sup.workers()}


@pytest.mark.parametrize("args", [{}, {"worker_id": "nobody"}, {"worker_id": 7, "reason": 8}])
async def test_complaints_of_nobody_change_nothing(
    pooled: Any, clock: trio.abc.Clock, args: dict[str, Any]
) -> None:
    async with pooled(Echo, 1, 1) as sup, am_rpc.connect(sup.addr, id="c") as net:
        await net.add("WorkerIssues", **args)
        assert sup.mach.is_("PoolReady", "WorkersAvailable")
        assert (await sup.workers())[0].errors == 0


async def test_an_error_inside_a_worker_reaches_its_supervisor_with_its_text(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 2) as sup:
        (host,) = sup.launcher.hosts.values()
        seen = sup.mach.when_ticks("ErrWorker", 1)
        host.mach.add_err(RuntimeError("disk full"))
        assert await seen
        assert "RuntimeError: disk full" in str(sup.mach.err)
        assert isinstance(sup.mach.err, am_node.WorkerError)


async def test_a_worker_that_ends_by_itself_is_replaced(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 1, 1) as sup:
        (host,) = sup.launcher.hosts.values()
        host.mach.remove("Start")
        await sup.mach.when_not("PoolReady")
        with trio.fail_after(5):
            await sup.mach.when("PoolReady")
        assert host.mach.id not in {w.id for w in await sup.workers()}
