"""Every end comes to an end, whatever is raised on the way; then it is raised."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]
pytestmark = pytest.mark.usefixtures("log")


def boom(*args: object) -> Any:
    raise LookupError("boom")


def interrupt(*args: object) -> Any:
    raise KeyboardInterrupt


def started(flat: Flat, end: Callable[..., Any] = boom, **options: Any) -> am.Machine:
    """A machine whose `Start` cannot be left without an exception that goes through."""
    m = flat("Start A", handlers={"StartEnd": end}, catch_exceptions=False, **options)
    m.add("Start")
    return m


def is_over(m: am.Machine) -> bool:
    return m.disposed and m.add("A") is am.CANCELED and not m.handler_names and not m.queue


# -- what raises ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "error"), [(boom, LookupError), (interrupt, KeyboardInterrupt)])
def test_a_start_that_raises_when_left_stops_no_dispose(
    flat: Flat, end: Callable[..., Any], error: type[BaseException]
) -> None:
    m = started(flat, end)
    wait, over, called = m.when("A"), m.when_disposed(), list[am.Machine]()
    m.on_dispose(called.append)
    with pytest.raises(error):
        m.dispose()
    assert is_over(m)
    assert (wait.done, over.done, called) == (True, True, [m])


def test_a_second_dispose_after_one_that_raised_does_nothing(flat: Flat) -> None:
    m = started(flat)
    with pytest.raises(LookupError):
        m.dispose()
    m.dispose()
    assert m.disposed


@pytest.mark.trio
@pytest.mark.parametrize(("end", "error"), [(boom, LookupError), (interrupt, KeyboardInterrupt)])
async def test_leaving_a_machine_whose_end_raises_raises_that_and_ends_the_tasks(
    flat: Flat, end: Callable[..., Any], error: type[BaseException]
) -> None:
    m, forks = started(flat, end), list[am.Fork]()

    async def body() -> None:
        async with m:
            forks.append(m.fork(trio.sleep_forever))
            await trio.testing.wait_all_tasks_blocked()

    with trio.fail_after(5), pytest.raises(error):
        await body()
    assert forks[0].done
    assert is_over(m)


@pytest.mark.parametrize(("end", "error"), [(boom, LookupError), (interrupt, KeyboardInterrupt)])
def test_a_child_that_raises_leaves_no_parent_half_disposed(
    flat: Flat, end: Callable[..., Any], error: type[BaseException]
) -> None:
    parent = flat()
    children = [flat(parent=parent), started(flat, end, parent=parent), flat(parent=parent)]
    with pytest.raises(error):
        parent.dispose()
    assert all(is_over(m) for m in (parent, *children))


def test_two_children_that_raise_are_told_as_a_group(flat: Flat) -> None:
    parent = flat()
    children = [started(flat, parent=parent) for _ in range(2)]
    with pytest.raises(ExceptionGroup) as caught:
        parent.dispose()
    assert [type(exc) for exc in caught.value.exceptions] == [LookupError] * 2
    assert all(is_over(m) for m in (parent, *children))


def test_a_child_of_another_thread_leaves_no_parent_half_disposed(flat: Flat) -> None:
    parent, children = flat(), list[am.Machine]()
    thread = threading.Thread(target=lambda: children.append(flat(parent=parent)))
    thread.start()
    thread.join()
    called: list[Any] = []
    parent.on_dispose(called.append)
    with pytest.raises(RuntimeError, match="thread"):
        parent.dispose()
    assert is_over(parent)
    assert called == [parent]


def test_a_callback_that_is_interrupted_stops_no_dispose(flat: Flat) -> None:
    m, called = flat(), list[Any]()
    m.on_dispose(interrupt)
    m.on_dispose(called.append)
    with pytest.raises(KeyboardInterrupt):
        m.dispose()
    assert is_over(m)
    assert called == [m]


def test_a_tracer_that_is_interrupted_stops_no_dispose(flat: Flat) -> None:
    class Bad(am.Tracer):
        def machine_dispose(self, machine: Any) -> None:
            raise KeyboardInterrupt

    m = flat(tracers=[Bad()])
    wait = m.when("A")
    with pytest.raises(KeyboardInterrupt):
        m.dispose()
    assert is_over(m)
    assert wait.done


# -- what is made at the end ----------------------------------------------------------------------


@pytest.mark.trio
async def test_a_fork_made_by_a_callback_of_dispose_is_dead(flat: Flat) -> None:
    ran, forks = list[str](), list[am.Fork]()

    async def work() -> None:
        ran.append("ran")
        await trio.sleep_forever()

    with trio.fail_after(5):
        async with flat() as m:
            m.on_dispose(lambda m: forks.append(m.fork(work)))
    assert (forks[0].done, ran) == (True, [])


def test_a_context_made_by_a_callback_of_dispose_is_expired(flat: Flat) -> None:
    m, made = flat(), list[am.StateContext]()
    m.add("A")
    m.on_dispose(lambda m: made.append(m.state_ctx("A")))
    m.on_dispose(lambda m: made.append(m.state_ctx("B", inactive=True)))
    m.dispose()
    assert [ctx.expired for ctx in made] == [True, True]


def test_a_wait_made_by_a_callback_of_dispose_ends(flat: Flat) -> None:
    m, made = flat(), list[am.Wait]()
    m.on_dispose(lambda m: made.append(m.when("A")))
    m.dispose()
    assert made[0].done


def test_a_child_on_a_disposed_parent_is_refused(flat: Flat) -> None:
    parent = flat(id="p")
    parent.dispose()
    with pytest.raises(RuntimeError, match="p is disposed"):
        flat(parent=parent)


def test_a_child_made_by_a_callback_of_dispose_is_refused(flat: Flat) -> None:
    parent, raised = flat(), list[BaseException]()

    def make(m: Any) -> None:
        try:
            flat(parent=m)
        except RuntimeError as exc:
            raised.append(exc)

    parent.on_dispose(make)
    parent.dispose()
    assert len(raised) == 1


# -- what the body of `async with` raises ---------------------------------------------------------


@pytest.mark.trio
@pytest.mark.parametrize(
    "error",
    [KeyError("mine"), ExceptionGroup("mine", [ValueError()]), KeyboardInterrupt(), SystemExit(3),
     BaseExceptionGroup("mine", [KeyboardInterrupt()])],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_what_the_body_raises_leaves_as_it_is(flat: Flat, error: BaseException) -> None:
    caught: BaseException | None = None
    try:
        async with flat() as m:
            m.fork(trio.sleep_forever)
            raise error
    except BaseException as exc:
        caught = exc
    assert caught is error
    assert m.disposed


@pytest.mark.trio
async def test_what_the_body_and_a_failing_end_raise_leaves_as_a_group(flat: Flat) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with started(flat):
            raise KeyError("mine")
    assert {type(exc) for exc in caught.value.exceptions} == {KeyError, LookupError}


async def interrupted_at_work() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        interrupt()


async def interrupted_while_ending() -> None:
    try:
        await trio.sleep_forever()
    finally:
        interrupt()


@pytest.mark.trio
@pytest.mark.parametrize("task", [interrupted_at_work, interrupted_while_ending])
async def test_an_interrupt_of_a_task_leaves_as_one_of_the_body_does(
    flat: Flat, task: Callable[[], Awaitable[None]]
) -> None:
    machines = flat(), flat()

    async def body() -> None:
        async with machines[0], machines[1] as m:
            m.fork(task)
            with trio.move_on_after(0.01):
                await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        await body()
    assert all(m.disposed for m in machines)


@pytest.mark.trio
async def test_an_interrupt_beside_another_failure_leaves_in_a_group(flat: Flat) -> None:
    async def body() -> None:
        async with flat() as m:
            m.fork(interrupted_while_ending)
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError("mine")

    with pytest.raises(BaseExceptionGroup) as caught:
        await body()
    assert {type(exc) for exc in caught.value.exceptions} == {KeyError, KeyboardInterrupt}


@pytest.mark.trio
async def test_a_failing_task_of_a_machine_that_catches_nothing_leaves_in_a_group(
    flat: Flat,
) -> None:
    async def work() -> None:
        boom()

    m = flat(catch_exceptions=False)

    async def body() -> None:
        async with m:
            m.fork(work)
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await body()
    assert [type(exc) for exc in caught.value.exceptions] == [LookupError]
    assert m.disposed


@pytest.mark.trio
async def test_what_the_body_and_a_failing_task_raise_leaves_as_a_group(flat: Flat) -> None:
    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            boom()

    async def body() -> None:
        async with flat(catch_exceptions=False) as m:
            m.fork(work)
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError("mine")

    with pytest.raises(BaseExceptionGroup) as caught:
        await body()
    assert caught.value.split(KeyError)[0] is not None
    assert caught.value.split(LookupError)[0] is not None


@pytest.mark.trio
async def test_a_cancellation_from_outside_passes_through_the_machine(flat: Flat) -> None:
    with trio.CancelScope() as scope:
        async with flat() as m:
            m.fork(trio.sleep_forever)
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert m.disposed


@pytest.mark.trio
async def test_an_error_beside_an_outer_cancellation_is_recorded(flat: Flat) -> None:
    async def work() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("both", [cancelled, ValueError("lost?")]) from None

    errors: list[BaseException | None] = []
    with trio.CancelScope() as scope:
        async with flat() as m:
            m.fork(work)
            m.on_dispose(lambda m: errors.append(m.err))
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert m.disposed
    assert m.err is not None
    assert "lost?" in repr(m.err)


@pytest.mark.trio
async def test_an_error_beside_a_cancellation_of_its_state_becomes_exception(flat: Flat) -> None:
    async def work(event: am.Event) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("both", [cancelled, ValueError("lost?")]) from None

    async with flat(handlers={"AState": work}) as m:
        m.add("A")
        await trio.testing.wait_all_tasks_blocked()
        m.remove("A")
        await trio.testing.wait_all_tasks_blocked()
        assert m.is_err
        assert "lost?" in repr(m.err)


# -- waits of a machine that is lost --------------------------------------------------------------


MAKE: dict[str, Callable[[am.Machine], am.Wait]] = {
    "when": lambda m: m.when("A"),
    "when_not": lambda m: m.when_not("B"),
    "when_time": lambda m: m.when_time({"A": 5}),
    "when_args": lambda m: m.when_args("A", id=1),
    "when_query": lambda m: m.when_query(lambda clock: False),
    "when_disposed": lambda m: m.when_disposed(),
}


@pytest.mark.parametrize("kind", MAKE)
def test_a_wait_of_a_machine_that_was_collected_ends_with_false(flat: Flat, kind: str) -> None:
    m = flat()
    m.add("B")
    wait = MAKE[kind](m)
    del m

    async def main() -> bool:
        with trio.fail_after(5):
            return await wait

    assert trio.run(main) is False


@pytest.mark.trio
@pytest.mark.parametrize("kind", MAKE)
async def test_those_who_wait_already_are_woken_when_the_machine_is_lost(
    flat: Flat, kind: str
) -> None:
    machines, got = [flat()], list[bool]()
    machines[0].add("B")
    wait = MAKE[kind](machines[0])

    async def waiter() -> None:
        got.append(await wait)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiter)
            await trio.testing.wait_all_tasks_blocked()
            machines.clear()
    assert got == [False]
