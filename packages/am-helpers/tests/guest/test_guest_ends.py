"""Machines in an asyncio program: how cancellation and errors cross between the loops."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = {"Start": {}, "Ready": {"require": ["Start"]}, "Busy": {"multi": True}}


class GetsReady:
    async def StartState(self, event: am.Event) -> None:
        await trio.lowlevel.checkpoint()
        event.machine.add("Ready")


# --------------------------------------------------------------------------- cancellation


def test_cancelling_here_cancels_there_and_waits_for_its_clean_up(
    run_asyncio: Any, blocked: Any
) -> None:
    async def main() -> None:
        async with amh.guest.open_host() as host:
            task = asyncio.create_task(host.run(blocked))
            await blocked.began.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert blocked.told == ["cleaned up"]

    run_asyncio(main)


def test_a_second_cancellation_does_not_skip_the_clean_up(run_asyncio: Any, blocked: Any) -> None:
    async def main() -> None:
        async with amh.guest.open_host() as host:
            task = asyncio.create_task(host.run(blocked))
            await blocked.began.wait()
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([task])
            assert task.cancelled()
            assert blocked.told == ["cleaned up"]

    run_asyncio(main)


def test_an_error_of_the_clean_up_is_not_hidden_by_the_cancellation(run_asyncio: Any) -> None:
    async def main() -> None:
        began = asyncio.Event()

        async def fails_late() -> None:
            began.set()
            try:
                await trio.sleep_forever()
            finally:
                raise LookupError("while cleaning up")

        async with amh.guest.open_host() as host:
            task = asyncio.create_task(host.run(fails_late))
            await began.wait()
            task.cancel()
            with pytest.raises(LookupError, match="cleaning up"):
                await task

    run_asyncio(main)


def test_a_timeout_of_asyncio_ends_what_trio_does(run_asyncio: Any, blocked: Any) -> None:
    async def main() -> None:
        async with amh.guest.open_host() as host:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await host.run(blocked)
        assert blocked.told == ["cleaned up"]

    run_asyncio(main)


def test_a_failing_task_of_a_group_cancels_calls_of_its_sisters(
    run_asyncio: Any, blocked: Any
) -> None:
    async def main() -> None:

        async def fail() -> None:
            await blocked.began.wait()
            raise LookupError("a sister")

        async with amh.guest.open_host() as host:

            async def both() -> None:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(host.run(blocked))
                    tasks.create_task(fail())

            with pytest.RaisesGroup(LookupError):
                await both()
            assert blocked.told == ["cleaned up"]

    run_asyncio(main)


def test_a_cancelled_block_disposes_its_machine_and_leaves_its_tasks_cleaned_up(
    run_asyncio: Any, blocked: Any
) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA)
        async with amh.guest.open_host() as host:

            async def use() -> None:
                async with host.open(machine):
                    machine.fork(blocked)
                    await asyncio.sleep(3600)

            task = asyncio.create_task(use())
            await blocked.began.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert machine.disposed
            assert blocked.told == ["cleaned up"]

    run_asyncio(main)


def test_a_cancellation_that_comes_while_leaving_is_raised_when_trio_has_ended(
    run_asyncio: Any,
) -> None:
    async def main() -> None:
        machine, leaving, told = am.Machine(SCHEMA), asyncio.Event(), []

        async def slow_end() -> None:
            try:
                await trio.sleep_forever()
            finally:
                leaving.set()
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.02)
                told.append("ended")

        async with amh.guest.open_host() as host:

            async def use() -> None:
                async with host.open(machine):
                    machine.fork(slow_end)
                    await host.run(trio.lowlevel.checkpoint)

            task = asyncio.create_task(use())
            await leaving.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert told == ["ended"]

    run_asyncio(main)


# --------------------------------------------------------------------------- errors


async def raise_lookup_error() -> None:
    raise LookupError("a task")


def test_a_machine_whose_nursery_fails_ends_its_own_block_alone(run_asyncio: Any) -> None:
    async def main() -> None:
        broken = am.Machine(SCHEMA, catch_exceptions=False, id="broken")
        healthy = am.Machine(SCHEMA, id="healthy", handlers=GetsReady())
        async with amh.guest.open_host() as host, host.open(healthy):

            async def use() -> None:
                async with host.open(broken):
                    broken.fork(raise_lookup_error)
                    await asyncio.sleep(3600)

            with pytest.raises(LookupError, match="a task"):
                await use()
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            assert broken.disposed
            healthy.add("Start")
            assert await host.wait(healthy.when("Ready"), timeout=5)

    run_asyncio(main)


def test_errors_of_the_block_and_of_its_machine_are_raised_together(run_asyncio: Any) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA, catch_exceptions=False)
        async with amh.guest.open_host() as host:

            async def use() -> None:
                async with host.open(machine):
                    machine.fork(raise_lookup_error)
                    try:
                        await asyncio.sleep(3600)
                    finally:
                        raise OSError("the block's own")

            with pytest.RaisesGroup(LookupError, OSError):
                await use()

    run_asyncio(main)


def test_a_block_that_raises_ends_trio_and_its_own_error_goes_on_bare(
    run_asyncio: Any, blocked: Any
) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA)

        async def use() -> None:
            async with amh.guest.open_host() as host, host.open(machine):
                machine.fork(blocked)
                await blocked.began.wait()
                raise OSError("the block's own")

        with pytest.raises(OSError, match="the block's own"):
            await use()
        assert blocked.told == ["cleaned up"]
        assert machine.disposed

    run_asyncio(main)


@pytest.mark.parametrize("kind", [trio.TrioInternalError, KeyboardInterrupt, LookupError])
def test_what_ends_trio_itself_cancels_the_block_and_is_raised_bare(
    kind: type[BaseException], run_asyncio: Any
) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA)

        async def end() -> None:
            raise kind("trio itself")

        async def use() -> None:
            async with amh.guest.open_host() as host, host.open(machine):
                assert host._run.nursery is not None
                host._run.nursery.start_soon(end)
                await asyncio.sleep(3600)

        with pytest.raises(kind, match="trio itself"):
            await use()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run_asyncio(main)


def test_what_ended_trio_is_raised_by_closing_a_host_without_a_block(run_asyncio: Any) -> None:
    async def main() -> None:
        host = amh.guest.load_host()
        await host.run(trio.lowlevel.checkpoint)
        assert host._run.nursery is not None
        host._run.nursery.start_soon(raise_lookup_error)
        with pytest.raises(amh.guest.HostClosedError):
            await host.run(trio.sleep_forever)
        with pytest.raises(LookupError):
            await host.aclose()
        await host.aclose()

    run_asyncio(main)


def test_calls_in_flight_learn_that_the_host_was_closed(run_asyncio: Any, blocked: Any) -> None:
    async def main() -> None:
        async with amh.guest.open_host() as host:
            task = asyncio.create_task(host.run(blocked))
            await blocked.began.wait()
        with pytest.raises(amh.guest.HostClosedError):
            await task
        assert blocked.told == ["cleaned up"]
        with pytest.raises(amh.guest.HostClosedError):
            await host.run(trio.lowlevel.checkpoint)
        with pytest.raises(amh.guest.HostClosedError):
            async with host.open(am.Machine(SCHEMA)):
                pass

    run_asyncio(main)


def test_a_machine_of_another_task_is_disposed_with_the_host_and_its_block_told(
    run_asyncio: Any,
) -> None:
    async def main() -> None:
        machine, opened = am.Machine(SCHEMA), asyncio.Event()

        async def use(host: amh.guest.Host) -> None:
            async with host.open(machine):
                opened.set()
                await asyncio.sleep(3600)

        async with amh.guest.open_host() as host:
            task = asyncio.create_task(use(host))
            await opened.wait()
        with pytest.raises(amh.guest.HostClosedError):
            await task
        assert machine.disposed

    run_asyncio(main)


def test_a_machine_that_cannot_be_opened_says_why_and_costs_nothing(run_asyncio: Any) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA)
        async with amh.guest.open_host() as host, host.open(machine):
            with pytest.raises(RuntimeError, match="opened before"):
                async with host.open(machine):
                    pass
            assert await host.run(trio.lowlevel.checkpoint) is None

    run_asyncio(main)


@pytest.fixture
def interrupting() -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_cleans_up_in_trio_and_ends_the_program(
    interrupting: Callable[[], None], blocked: Any
) -> None:
    machine = am.Machine(SCHEMA)

    async def main() -> None:
        async with amh.guest.open_host() as host, host.open(machine):
            asyncio.get_running_loop().call_later(0.02, interrupting)
            await host.run(blocked)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert blocked.told == ["cleaned up"]
    assert machine.disposed
