"""Machines in an asyncio program: what goes to and fro, and how each side's end is the other's."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SCHEMA = {"Start": {}, "Ready": {"require": ["Start"]}, "Busy": {"multi": True}}


class GetsReady:
    async def StartState(self, event: am.Event) -> None:
        await trio.lowlevel.checkpoint()
        event.machine.add("Ready")


def test_a_machine_runs_its_tasks_in_trio_while_asyncio_mutates_it(run_asyncio: Any) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA, handlers=GetsReady())
        async with amh.guest.open_host() as host:
            async with host.open(machine) as opened:
                assert opened is machine
                assert machine.add("Start") is am.EXECUTED
                assert await host.wait(machine.when("Ready"), timeout=5) is True
            assert machine.disposed

    run_asyncio(main)


def test_a_function_returns_and_raises_through_the_host(run_asyncio: Any) -> None:
    async def double(number: int) -> int:
        await trio.lowlevel.checkpoint()
        return 2 * number

    async def fail() -> None:
        raise LookupError("in trio")

    async def stop() -> None:
        raise StopAsyncIteration("kept")

    async def main() -> None:
        async with amh.guest.open_host() as host:
            assert await host.run(double, 21) == 42
            with pytest.raises(LookupError, match="in trio"):
                await host.run(fail)
            with pytest.raises(StopAsyncIteration, match="kept"):
                await host.run(stop)

    run_asyncio(main)


def test_tasks_of_both_loops_share_one_thread(run_asyncio: Any) -> None:
    async def main() -> None:
        async def ident() -> int:
            return threading.get_ident()

        async with amh.guest.open_host() as host:
            assert await host.run(ident) == threading.get_ident()

    run_asyncio(main)


def test_a_result_that_is_queued_is_waited_for(run_asyncio: Any) -> None:
    results = []

    class Nested:
        def StartState(self, event: am.Event) -> None:
            results.append(event.machine.add("Ready"))

    async def main() -> None:
        machine = am.Machine(SCHEMA, handlers=Nested())
        async with amh.guest.open_host() as host, host.open(machine):
            machine.add("Start")
            assert await host.wait(results[0]) is am.EXECUTED
            assert await host.wait(machine.add("Ready")) is am.EXECUTED

    run_asyncio(main)


def test_what_is_settled_is_returned_without_a_turn_of_any_loop(run_asyncio: Any) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA)
        machine.add("Start")
        ended = machine.when("Ready")
        ended.cancel()
        async with amh.guest.open_host() as host:
            for what, value in (
                (machine.when("Start"), True),
                (ended, False),
                (am.EXECUTED, am.EXECUTED),
                (am.CANCELED, am.CANCELED),
            ):
                waiting = host.wait(what, timeout=1)
                with pytest.raises(StopIteration) as stop:
                    waiting.send(None)
                assert stop.value.value is value

    run_asyncio(main)


def test_a_wait_that_times_out_is_named_and_stays_as_it_was(run_asyncio: Any) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA)
        async with amh.guest.open_host() as host, host.open(machine):
            ready = machine.when("Ready")
            with pytest.raises(amh.WaitTimeoutError) as late:
                await host.wait(ready, timeout=0.01)
            assert late.value.open == (ready.label,)
            assert not ready.done
            machine.add("Start")
            machine.add("Ready")
            assert await host.wait(ready)

    run_asyncio(main)


def test_a_wait_on_a_machine_that_is_disposed_is_false(run_asyncio: Any) -> None:
    async def main() -> None:
        machine = am.Machine(SCHEMA)
        async with amh.guest.open_host() as host, host.open(machine):
            waiting = asyncio.create_task(host.wait(machine.when("Ready")))
            await asyncio.sleep(0)
            machine.dispose()
            assert await waiting is False

    run_asyncio(main)


def test_forks_and_handlers_of_several_machines_run_beside_each_other(run_asyncio: Any) -> None:
    async def main() -> None:
        done = []

        async def work(number: int) -> None:
            await trio.sleep(0.01)
            done.append(number)
            machines[number].add("Start", "Ready")

        machines = [am.Machine(SCHEMA) for _ in range(5)]
        async with amh.guest.open_host() as host:

            async def use(number: int) -> None:
                async with host.open(machines[number]) as machine:
                    machine.fork(work, number)
                    await host.wait(machine.when("Ready"))

            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(use(number))
        assert sorted(done) == list(range(5))

    run_asyncio(main)


def test_a_mutation_in_asyncio_knows_no_cause_and_a_handler_s_task_knows_its_own(
    run_asyncio: Any,
) -> None:
    sources = []

    class Handlers:
        async def StartState(self, event: am.Event) -> None:
            event.machine.add("Ready")

        def ReadyState(self, event: am.Event) -> None:
            sources.append(event.mutation.source)

    async def main() -> None:
        machine = am.Machine(SCHEMA, handlers=Handlers())
        async with amh.guest.open_host() as host, host.open(machine):
            machine.add("Start")
            await host.wait(machine.when("Ready"), timeout=5)
            assert am.current_source() is None
        assert sources[0] is not None

    run_asyncio(main)


# --------------------------------------------------------------------------- hosts


def test_a_second_host_joins_the_first_and_the_last_one_out_ends_trio(run_asyncio: Any) -> None:
    async def main() -> None:
        async def token() -> object:
            return trio.lowlevel.current_trio_token()

        first = amh.guest.open_host()
        host = await first.__aenter__()
        async with amh.guest.open_host() as second:
            assert await host.run(token) is await second.run(token)
            await first.__aexit__(None, None, None)
            with pytest.raises(amh.guest.HostClosedError):
                await host.run(token)
            assert await second.run(token)
        assert second.closed

    run_asyncio(main)


def test_leaving_a_host_cancels_its_own_calls_only(
    run_asyncio: Any, blocked: Any, other: Any
) -> None:
    async def main() -> None:
        async with amh.guest.open_host() as outer:
            async with amh.guest.open_host() as inner:
                kept = asyncio.create_task(outer.run(blocked))
                ended = asyncio.create_task(inner.run(other))
                await blocked.began.wait()
                await other.began.wait()
            with pytest.raises(amh.guest.HostClosedError):
                await ended
            assert not kept.done()

    run_asyncio(main)


def test_hosts_come_one_after_another_also_from_tasks_that_meet_an_ending_one(
    run_asyncio: Any,
) -> None:
    async def main() -> None:
        async def use() -> None:
            for _ in range(5):
                async with amh.guest.open_host() as host:
                    await host.run(trio.lowlevel.checkpoint)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(use())

    run_asyncio(main)


def test_a_host_without_a_block_is_there_at_once_and_calls_wait_for_trio(run_asyncio: Any) -> None:
    async def main() -> None:
        host = amh.guest.load_host()
        machine = am.Machine(SCHEMA, handlers=GetsReady())
        async with host.open(machine):
            machine.add("Start")
            await host.wait(machine.when("Ready"), timeout=5)
        await host.aclose()
        await host.aclose()
        assert host.closed

    run_asyncio(main)


def test_a_host_that_comes_while_the_last_one_is_being_closed_keeps_trio_alive(
    run_asyncio: Any,
) -> None:
    async def main() -> None:
        first = amh.guest.load_host()
        closing = asyncio.create_task(first.aclose())  # as `%reload_ext` does
        second = amh.guest.load_host()
        await closing
        await second.run(trio.lowlevel.checkpoint)
        await second.aclose()

    run_asyncio(main)


@pytest.mark.parametrize("turns", range(12))
def test_a_host_that_comes_at_any_turn_of_another_s_end_is_there(
    run_asyncio: Any, turns: int
) -> None:
    async def main() -> None:
        first = amh.guest.load_host()
        await first.run(trio.lowlevel.checkpoint)
        closing = asyncio.create_task(first.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        second, third = amh.guest.load_host(), amh.guest.load_host()
        async with amh.guest.open_host() as fourth:
            for host in (second, third, fourth):
                await host.run(trio.lowlevel.checkpoint)
        await closing
        await second.aclose()
        await third.aclose()

    run_asyncio(main)


def test_a_host_never_used_is_closed_before_trio_s_first_turn(run_asyncio: Any) -> None:
    async def main() -> None:
        await amh.guest.load_host().aclose()
        async with amh.guest.open_host():
            pass

    run_asyncio(main)


def test_under_trio_it_says_so() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="this is trio code"):
            async with amh.guest.open_host():
                pass

    trio.run(main)


def test_trio_code_of_a_guest_is_told_that_it_awaits_directly(run_asyncio: Any) -> None:
    async def main() -> None:
        async with amh.guest.open_host() as host:

            async def inside() -> None:
                await host.run(trio.lowlevel.checkpoint)

            with pytest.raises(RuntimeError, match="this is trio code"):
                await host.run(inside)

    run_asyncio(main)


def test_where_no_loop_runs_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="running asyncio loop"):
        amh.guest.load_host()


def test_another_loop_s_host_is_refused(run_asyncio: Any) -> None:
    async def main() -> None:
        async with amh.guest.open_host() as host:

            def other() -> None:
                with pytest.raises(RuntimeError, match="another asyncio loop"):
                    asyncio.run(host.run(trio.lowlevel.checkpoint))

            await asyncio.to_thread(other)

    run_asyncio(main)


def test_each_thread_has_a_guest_of_its_own(run_asyncio: Any) -> None:
    async def main() -> None:
        async with amh.guest.open_host() as host:

            async def inner() -> int:
                async with amh.guest.open_host() as own:
                    await own.run(trio.lowlevel.checkpoint)
                return threading.get_ident()

            assert await asyncio.to_thread(asyncio.run, inner()) != threading.get_ident()
            await host.run(trio.lowlevel.checkpoint)

    run_asyncio(main)


def test_an_async_generator_may_hold_a_host_for_others(run_asyncio: Any) -> None:
    async def lifespan() -> AsyncIterator[amh.guest.Host]:
        async with amh.guest.open_host() as host:
            yield host

    async def main() -> None:
        spanning = lifespan()
        host = await anext(spanning)
        assert await asyncio.create_task(host.run(trio.lowlevel.checkpoint)) is None
        await spanning.aclose()

    run_asyncio(main)
