"""Who may await a wait, how often, and how long a wait lives."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]
Make = Callable[[am.Machine], Any]

KINDS: dict[str, Make] = {
    "when": lambda m: m.when("A"),
    "when_not": lambda m: m.when_not("C"),
    "when_any": lambda m: m.when_any("A", "B"),
    "when_time": lambda m: m.when_time({"A": 1}),
    "when_ticks": lambda m: m.when_ticks("A", 1),
    "when_next_active": lambda m: m.when_next_active("A"),
    "when_args": lambda m: m.when_args("A", id=1),
    "when_query": lambda m: m.when_query(lambda clock: bool(clock["A"])),
    "when_err": lambda m: m.when_err(),
    "when_disposed": lambda m: m.when_disposed(),
}


def fulfil(m: am.Machine) -> None:
    """Meet the condition of every kind above but `when_disposed`."""
    m.remove("C")
    m.add("A", id=1)
    m.add_err(ValueError("boom"))


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Make:
    """One way to create a wait that is pending on a machine with C active."""
    return KINDS[request.param]


@pytest.fixture
def machine(flat: Flat) -> am.Machine:
    m = flat()
    m.add("C")
    return m


@pytest.mark.trio
async def test_a_wait_subscribes_when_it_is_created(machine: am.Machine, make: Make) -> None:
    wait = make(machine)
    assert not wait.done
    fulfil(machine)
    machine.set("D")
    machine.dispose()
    assert await wait is True


@pytest.mark.trio
async def test_cancel_ends_a_wait_with_false(machine: am.Machine, make: Make) -> None:
    wait = make(machine)
    wait.cancel()
    assert wait.done
    fulfil(machine)
    machine.dispose()
    assert await wait is False


@pytest.mark.trio
async def test_cancel_after_the_fact_changes_nothing(machine: am.Machine, make: Make) -> None:
    wait = make(machine)
    fulfil(machine)
    machine.dispose()
    wait.cancel()
    assert await wait is True


@pytest.mark.trio
async def test_many_tasks_await_one_wait_before_and_after_it_fires(flat: Flat) -> None:
    m = flat()
    wait = m.when("A")
    got: list[bool] = []

    async def waiter() -> None:
        got.append(await wait)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(waiter)
        await trio.testing.wait_all_tasks_blocked()
        m.add("A")
        assert got == [], "waking runs nobody inside the call that mutates"
    assert got == [True] * 3
    m.remove("A")
    assert await wait is True, "it fired once and stays fired"
    assert await wait is True


@pytest.mark.trio
async def test_cancel_wakes_the_tasks_that_wait(flat: Flat) -> None:
    wait = flat().when("A")
    async with trio.open_nursery() as nursery:

        async def waiter() -> None:
            assert await wait is False

        nursery.start_soon(waiter)
        await trio.testing.wait_all_tasks_blocked()
        wait.cancel()


@pytest.mark.trio
async def test_dispose_wakes_the_tasks_that_wait(flat: Flat) -> None:
    m = flat()
    got: list[bool] = []

    async def waiter(wait: am.Wait) -> None:
        got.append(await wait)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiter, m.when("A"))
        nursery.start_soon(waiter, m.when_disposed())
        await trio.testing.wait_all_tasks_blocked()
        m.dispose()
    assert sorted(got) == [False, True]


@pytest.mark.trio
async def test_a_task_that_waits_keeps_the_wait_alive(flat: Flat) -> None:
    m = flat()

    async def waiter() -> None:
        assert await m.when("A")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiter)
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        m.add("A")


@pytest.mark.trio
async def test_awaiting_is_a_checkpoint_even_if_the_wait_is_done(flat: Flat) -> None:
    wait = flat().when_not("A")
    with trio.testing.assert_checkpoints():
        await wait


def test_a_wait_works_without_an_event_loop(machine: am.Machine, make: Make) -> None:
    wait = make(machine)
    fulfil(machine)
    machine.dispose()
    assert wait.done


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_wait_is_freed_at_once(machine: am.Machine, make: Make) -> None:
    ref = weakref.ref(make(machine))
    assert ref() is None


@pytest.mark.usefixtures("no_collector")
def test_a_wait_that_fired_is_freed_when_dropped(machine: am.Machine, make: Make) -> None:
    wait = make(machine)
    fulfil(machine)
    machine.dispose()
    assert wait.done
    ref = weakref.ref(wait)
    del wait
    assert ref() is None


@pytest.mark.usefixtures("no_collector")
def test_waits_on_the_queue_are_freed_when_dropped(flat: Flat) -> None:
    refs: list[Any] = []

    def a_state(event: am.Event) -> None:
        kept = [event.machine.when_queue(event.machine.add("B")), event.machine.when_queue_ends()]
        refs.extend(weakref.ref(wait) for wait in kept)
        kept.clear()
        refs.append(refs[0]() is None and refs[1]() is None)

    m = flat(handlers={"AState": a_state})
    m.add("A")
    assert refs[2] is True


@pytest.mark.usefixtures("no_collector")
def test_dropped_waits_leave_nothing_behind(machine: am.Machine, make: Make) -> None:
    for _ in range(10):
        make(machine)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2_000):
            make(machine)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000, f"{grown} bytes stayed after 2,000 dropped waits"


@pytest.mark.usefixtures("no_collector")
def test_a_wait_dropped_while_others_pend_takes_only_itself_away(flat: Flat) -> None:
    m = flat()
    waits = [m.when("A") for _ in range(5)]
    del waits[2], waits[0]
    m.add("A")
    assert [wait.done for wait in waits] == [True, True, True]


@pytest.mark.trio
async def test_a_cancelled_task_leaves_the_wait_for_the_others(flat: Flat) -> None:
    m = flat()
    wait = m.when("A")
    got: list[bool] = []

    async def waiter(scope: trio.CancelScope) -> None:
        with scope:
            got.append(await wait)

    gone, stays = trio.CancelScope(), trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiter, gone)
        nursery.start_soon(waiter, stays)
        await trio.testing.wait_all_tasks_blocked()
        gone.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not wait.done
        m.add("A")
    assert got == [True]


@pytest.mark.trio
async def test_a_wait_may_be_awaited_in_a_task_of_another_machine(flat: Flat) -> None:
    source, target = flat(id="source"), flat(id="target")

    async def follow(event: am.Event) -> None:
        await source.when("A")
        event.machine.add("B")

    target.bind({"AState": follow})
    async with source, target:
        target.add("A")
        done = target.when("B")
        await trio.testing.wait_all_tasks_blocked()
        source.add("A")
        assert await done


@pytest.mark.trio
async def test_a_wait_created_after_dispose_ends_false(flat: Flat) -> None:
    m = flat()
    m.dispose()
    with trio.fail_after(1):
        assert await m.when("A") is False
