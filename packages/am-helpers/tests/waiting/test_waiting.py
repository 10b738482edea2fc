"""Acceptance 5: waiting for several things at once; the clock is virtual, so times are exact."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio
import trio.testing

import am_helpers as amh
import am_machine as am
from am_helpers._env import debug_mode

pytestmark = pytest.mark.trio

SCHEMA = {"Foo": {}, "Bar": {}, "Baz": {}}


async def later(seconds: float, fn: Any, *args: Any) -> None:
    await trio.sleep(seconds)
    fn(*args)


class TestAcceptance05Waiting:
    async def test_all_waits_for_the_last(self, machine: Any, autojump_clock: Any) -> None:
        mach = machine(SCHEMA)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(later, 1, mach.add, "Foo")
            nursery.start_soon(later, 2, mach.add, "Bar")
            start = trio.current_time()
            await amh.wait_for_all(mach.when("Foo"), mach.when("Bar"), timeout=5)
            assert trio.current_time() - start == pytest.approx(2, abs=1e-6)

    async def test_a_time_out_is_exact_and_names_what_is_open(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        mach = machine(SCHEMA)
        mach.add("Foo")
        start = trio.current_time()
        with pytest.raises(amh.WaitTimeoutError) as caught:
            await amh.wait_for_all(mach.when("Foo"), mach.when("Bar"), timeout=0.5)
        assert trio.current_time() - start == pytest.approx(0.5, abs=1e-6)
        assert len(caught.value.open) == 1
        assert "Bar" in caught.value.open[0]
        assert isinstance(caught.value, TimeoutError)

    async def test_none_given_is_nothing_to_wait_for(self) -> None:
        await amh.wait_for_all(timeout=1)
        with pytest.raises(ValueError, match="at least one"):
            await amh.wait_for_any(timeout=1)

    async def test_any_returns_the_lowest_index_done(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        mach = machine(SCHEMA)
        waits = [mach.when("Foo"), mach.when("Bar"), mach.when("Baz")]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(later, 1, mach.add, "Baz", "Bar")
            assert await amh.wait_for_any(*waits, timeout=5) == 1
        assert await amh.wait_for_any(*waits, timeout=5) == 1
        assert not waits[0].done
        mach.add("Foo")
        assert await waits[0]

    async def test_plain_awaitables_are_waits_too(self, machine: Any, autojump_clock: Any) -> None:
        mach = machine(SCHEMA)
        assert await amh.wait_for_any(mach.when("Foo"), later(1, int), timeout=5) == 1

        async def broken() -> None:
            raise OSError("lost")

        with pytest.raises(OSError, match="lost"):
            await amh.wait_for_all(mach.when("Foo"), broken(), timeout=5)

    async def test_an_error_of_the_machine_ends_the_wait(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        mach = machine(SCHEMA)
        cause = OSError("lost")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(later, 1, mach.add_err, cause)
            with pytest.raises(amh.MachineError) as caught:
                await amh.wait_for_all(mach.when("Foo"), timeout=5, err=mach)
        assert caught.value.__cause__ is cause
        mach.add("Foo")
        with pytest.raises(amh.MachineError):
            await amh.wait_for_any(mach.when("Foo"), timeout=5, err=mach)

    async def test_dispose_ends_the_wait(self, machine: Any, autojump_clock: Any) -> None:
        mach = machine(SCHEMA)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(later, 1, mach.dispose)
            with pytest.raises(amh.DisposedError):
                await amh.wait_for_all(mach.when("Foo"), timeout=5)

    async def test_dispose_of_the_error_machine_ends_the_wait(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        mach, other = machine(SCHEMA), machine(SCHEMA)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(later, 1, other.dispose)
            with pytest.raises(amh.DisposedError):
                await amh.wait_for_all(mach.when("Foo"), timeout=5, err=other)

    async def test_a_state_context_cancels_and_leaves_nothing(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        mach = machine(SCHEMA)
        mach.add("Foo")
        reached = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(later, 1, mach.remove, "Foo")
            with mach.state_ctx("Foo"):
                await amh.wait_for_all(mach.when("Bar"), timeout=50)
                reached = True
            assert not reached
            assert trio.current_time() < 10
            assert len(nursery.child_tasks) == 0

    async def test_debug_mode_stretches_time_outs_a_hundredfold(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        debug_mode.set_debug_mode(True)
        try:
            start = trio.current_time()
            with pytest.raises(amh.WaitTimeoutError):
                await amh.wait_for_all(machine(SCHEMA).when("Foo"), timeout=0.5)
            assert trio.current_time() - start == pytest.approx(50, abs=1e-6)
        finally:
            debug_mode.set_debug_mode(False)


async def test_group_when_subscribes_all_or_none(machine: Any) -> None:
    machines = [machine(SCHEMA), machine(SCHEMA)]
    waits = amh.group_when(machines, "Foo")
    machines[0].add("Foo")
    assert [w.done for w in waits] == [True, False]
    with pytest.raises(am.UnknownStateError):
        amh.group_when([*machines, machine({"Other": {}})], "Foo")


async def test_interval_calls_until_the_time_is_over(autojump_clock: Any) -> None:
    times: list[float] = []
    start = trio.current_time()
    await amh.interval(lambda: times.append(round(trio.current_time() - start, 6)), 0.25, 1)
    assert times == [0.25, 0.5, 0.75, 1.0]
    assert trio.current_time() - start == pytest.approx(1)


async def test_interval_ends_when_told(autojump_clock: Any) -> None:
    calls: list[int] = []

    def tick() -> bool:
        calls.append(1)
        return len(calls) < 3

    await amh.interval(tick, 0.25, 100)
    assert len(calls) == 3
    with pytest.raises(ValueError, match="above 0"):
        await amh.interval(tick, 0, 1)


@pytest.mark.parametrize(("ticks", "times"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2)])
async def test_activations(ticks: int, times: int) -> None:
    assert amh.activations(ticks) == times


async def test_when_fn_runs_in_a_thread_and_keeps_the_value() -> None:
    async with am.Machine(SCHEMA) as mach:
        wait = amh.when_fn(mach, lambda a, b: a + b, 1, 2)
        await amh.wait_for_all(wait, timeout=10)
        assert wait.value == 3


async def test_when_fn_reports_errors_and_ends_false() -> None:
    def broken() -> None:
        raise OSError("disk")

    async with am.Machine(SCHEMA) as mach:
        mach.log_traceback = False
        assert await amh.when_fn(mach, broken) is False
        await mach.when_err()
        assert isinstance(mach.err, OSError)


async def test_when_fn_ends_on_dispose() -> None:
    release = threading.Event()
    async with am.Machine(SCHEMA) as mach:
        wait = amh.when_fn(mach, release.wait, 10)
        await trio.testing.wait_all_tasks_blocked()
        mach.dispose()
        assert await wait is False
    release.set()


async def test_when_fn_of_a_disposed_machine_is_ended_at_once() -> None:
    async with am.Machine(SCHEMA) as mach:
        mach.dispose()
        wait = amh.when_fn(mach, lambda: 1)
        assert wait.done
        with trio.fail_after(1):
            assert await wait is False


async def test_when_fn_ends_with_a_machine_that_is_disposed_before_its_task_began() -> None:
    async with am.Machine(SCHEMA) as mach:
        wait = amh.when_fn(mach, lambda: 1)
        mach.dispose()
        with trio.fail_after(1):
            assert await wait is False
