"""A machine belongs to one thread; others read it freely and mutate it through trio."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio

import am_machine as am

Flat = Callable[..., am.Machine]


async def nothing() -> None:
    """A task that ends at once."""


OWNED: dict[str, Callable[[am.Machine], Any]] = {
    "add": lambda m: m.add("A"),
    "remove": lambda m: m.remove("A"),
    "set": lambda m: m.set("A"),
    "toggle": lambda m: m.toggle("A"),
    "add_err": lambda m: m.add_err(ValueError("boom")),
    "can_add": lambda m: m.can_add("A"),
    "can_remove": lambda m: m.can_remove("A"),
    "bind": lambda m: m.bind({"AState": lambda e: None}),
    "when": lambda m: m.when("A"),
    "when_not": lambda m: m.when_not("A"),
    "when_any": lambda m: m.when_any("A"),
    "when_time": lambda m: m.when_time({"A": 1}),
    "when_ticks": lambda m: m.when_ticks("A", 1),
    "when_next_active": lambda m: m.when_next_active("A"),
    "when_args": lambda m: m.when_args("A", id=1),
    "when_query": lambda m: m.when_query(lambda clock: False),
    "when_err": lambda m: m.when_err(),
    "when_queue_ends": lambda m: m.when_queue_ends(),
    "when_disposed": lambda m: m.when_disposed(),
    "state_ctx": lambda m: m.state_ctx("A"),
    "fork": lambda m: m.fork(nothing),
    "dispose": lambda m: m.dispose(),
}


def in_thread(fn: Callable[[], Any], name: str = "stranger") -> Any:
    """Run `fn` in a thread of that name; return what it returned or the exception it raised."""
    got: list[Any] = []

    def run() -> None:
        try:
            got.append(fn())
        except Exception as error:
            got.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    return got[0]


@pytest.mark.parametrize("call", OWNED)
def test_another_thread_may_not_change_the_machine(flat: Flat, call: str) -> None:
    m = flat()
    error = in_thread(lambda: OWNED[call](m))
    assert isinstance(error, RuntimeError)
    assert str(m) == "()"
    assert not m.is_err
    assert not m.disposed
    assert m.queue == ()


def test_the_error_names_the_machine_both_threads_and_the_way_to_do_it(flat: Flat) -> None:
    m = flat(id="mach")
    text = str(in_thread(lambda: m.add("A")))
    assert "mach" in text
    assert "stranger" in text
    assert threading.current_thread().name in text
    assert "trio.from_thread.run_sync(machine.add, " in text


def test_the_thread_is_checked_before_the_states(flat: Flat) -> None:
    m = flat()
    assert isinstance(in_thread(lambda: m.add("Nope")), RuntimeError)


def test_reads_work_from_any_thread(flat: Flat) -> None:
    m = flat(id="mach")
    m.add("A")

    def read() -> tuple[Any, ...]:
        return (
            m.is_("A"),
            m.not_("B"),
            m.any_("A", "B"),
            "A" in m,
            m.active,
            m.switch("B", "A"),
            m.tick("A"),
            m.time().sum,
            m.clock("A"),
            m.err,
            m.is_err,
            m.queue,
            m.queue_tick,
            m.transition,
            str(m),
            m.string_all(),
            len(m.inspect()) > 0,
        )

    assert in_thread(read) == read()
    m.dispose()
    assert in_thread(read) == read()


def test_a_machine_used_in_a_thread_belongs_to_that_thread(flat: Flat) -> None:
    m = in_thread(flat)
    assert isinstance(m, am.Machine)
    with pytest.raises(RuntimeError):
        m.add("A")


@pytest.mark.trio
async def test_opening_moves_the_machine_to_the_thread_of_the_loop(flat: Flat) -> None:
    m = in_thread(flat)
    async with m:
        assert m.add("A") is am.EXECUTED


@pytest.mark.trio
async def test_a_worker_thread_mutates_through_trio(flat: Flat) -> None:
    m = flat()
    async with m:
        wait = m.when("A")

        def work() -> am.Result:
            with pytest.raises(RuntimeError):
                m.add("A")
            return trio.from_thread.run_sync(m.add, "A")

        assert await trio.to_thread.run_sync(work) is am.EXECUTED
        assert await wait is True


@pytest.mark.trio
async def test_a_worker_thread_waits_through_trio(flat: Flat) -> None:
    m = flat()
    async with m:

        async def until_b() -> bool:
            return await m.when("B")

        def work() -> bool:
            trio.from_thread.run_sync(m.add, "A")
            return trio.from_thread.run(until_b)

        m.bind({"AState": lambda e: e.machine.add("B")})
        assert await trio.to_thread.run_sync(work) is True
