"""Async final handlers and forks: tasks that live as long as the state that started them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

pytestmark = pytest.mark.trio

Flat = Callable[..., am.Machine]
idle = trio.testing.wait_all_tasks_blocked


class Life:
    """An async handler that notes when it starts and how it ends."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def handler(self, name: str) -> Callable[[am.Event], Any]:
        async def run(event: am.Event) -> None:
            self.notes.append(f"{name} starts")
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                self.notes.append(f"{name} cancelled")
                raise

        return run

    def take(self) -> list[str]:
        notes, self.notes = self.notes, []
        return notes


@pytest.fixture
def life() -> Life:
    return Life()


# -- async final handlers -------------------------------------------------------------------------


async def test_a_state_task_starts_after_the_drain_and_ends_with_the_state(
    flat: Flat, life: Life
) -> None:
    m = flat(handlers={"AState": life.handler("AState")})
    async with m:
        assert m.add("A") is am.EXECUTED
        assert life.notes == [], "the call does not wait for it"
        await idle()
        assert life.take() == ["AState starts"]
        m.remove("A")
        await idle()
        assert life.take() == ["AState cancelled"]
        assert not m.is_err, "cancellation by scope is silent"


async def test_an_end_task_lives_while_the_state_is_inactive(flat: Flat, life: Life) -> None:
    m = flat(handlers={"AEnd": life.handler("AEnd")})
    async with m:
        m.add("A")
        m.remove("A")
        await idle()
        assert life.take() == ["AEnd starts"]
        m.add("B")
        await idle()
        assert life.take() == []
        m.add("A")
        await idle()
        assert life.take() == ["AEnd cancelled"]


async def test_an_any_task_lives_as_long_as_the_machine(flat: Flat, life: Life) -> None:
    m = flat(handlers={"AnyState": life.handler("AnyState")})
    async with m:
        m.add("A")
        await idle()
        m.remove("A")
        await idle()
        assert life.take() == ["AnyState starts", "AnyState starts"]
    assert life.take() == ["AnyState cancelled", "AnyState cancelled"]


async def test_tasks_of_a_multi_state_run_side_by_side_until_it_ends(flat: Flat) -> None:
    running: set[int] = set()

    async def a_state(event: am.Event) -> None:
        running.add(event.tick)
        try:
            await trio.sleep_forever()
        finally:
            running.remove(event.tick)

    m = flat("A", multi="A", handlers={"AState": a_state})
    async with m:
        for _ in range(3):
            m.add("A")
        await idle()
        assert running == {1, 3, 5}, "the tick tells them apart"
        m.remove("A")
        await idle()
        assert running == set()


async def test_a_task_whose_scope_ended_before_it_ran_never_runs(flat: Flat, life: Life) -> None:
    m = flat(handlers={"AState": life.handler("AState"), "AEnd": life.handler("AEnd")})
    async with m:
        m.add("A")
        m.remove("A")
        m.add("A")
        m.remove("A")
        await idle()
        assert life.take() == ["AEnd starts"]


async def test_an_error_in_a_task_becomes_the_exception_state_with_its_source(
    flat: Flat, recorder: Any
) -> None:
    error = LookupError("boom")
    seen: dict[str, Any] = {}

    async def a_state(event: am.Event) -> None:
        seen["id"] = event.transition.id
        await trio.lowlevel.checkpoint()
        raise error

    m = flat(id="mach", tracers=[recorder], handlers={"AState": a_state})
    async with m:
        m.add("A")
        failed = m.when_err()
        with trio.fail_after(1):
            await failed
        mutation = recorder.mutations[-1]
        assert m.err is error
        assert "Exception" in mutation.called
        assert mutation.args["err"] is error
        assert mutation.args["task"] == "AState"
        assert (mutation.source.machine_id, mutation.source.transition_id) == ("mach", seen["id"])
        assert m.is_("A"), "the state stays, only its task failed"
        await trio.lowlevel.checkpoint()


async def test_one_failing_task_leaves_the_others_running(flat: Flat, life: Life) -> None:
    async def fail(event: am.Event) -> None:
        raise LookupError("boom")

    m = flat(handlers={"AState": life.handler("AState"), "BState": fail})
    async with m:
        m.add("A")
        m.add("B")
        await idle()
        assert m.is_err
        assert life.take() == ["AState starts"]


async def test_a_task_that_ends_by_itself_leaves_the_state_alone(flat: Flat) -> None:
    async def a_state(event: am.Event) -> None:
        await trio.lowlevel.checkpoint()
        event.machine.add("B")

    m = flat(handlers={"AState": a_state})
    async with m:
        m.add("A")
        await m.when("B")
        assert m.is_("A", "B")


async def test_a_task_may_leave_its_own_state(flat: Flat) -> None:
    after: list[str] = []

    async def a_state(event: am.Event) -> None:
        event.machine.remove("A")
        after.append("sync code goes on")
        await trio.lowlevel.checkpoint()
        after.append("never")

    m = flat(handlers={"AState": a_state})
    async with m:
        m.add("A")
        await idle()
    assert after == ["sync code goes on"]


async def test_an_async_handler_of_a_closed_machine_fails_like_any_handler(flat: Flat) -> None:
    async def a_state(event: am.Event) -> None:
        raise AssertionError("never started")

    m = flat(handlers={"AState": a_state})
    assert m.add("A") is am.CANCELED
    assert isinstance(m.err, am.NotOpenError)
    assert str(m) == "(Exception:1)"
    assert m.tick("A") == 2


async def test_an_async_method_of_an_object_is_started_too(flat: Flat) -> None:
    class Handlers:
        def __init__(self) -> None:
            self.args: Any = None

        async def AState(self, event: am.Event) -> None:
            self.args = dict(event.args)

    handlers = Handlers()
    m = flat(handlers=handlers)
    async with m:
        m.add("A", x=1)
        await idle()
    assert handlers.args == {"x": 1}


async def test_sync_and_async_bindings_of_one_name_both_run(flat: Flat, life: Life) -> None:
    m = flat(handlers={"AState": life.handler("async")})
    m.bind({"AState": lambda e: life.notes.append("sync")})
    async with m:
        m.add("A")
        assert life.take() == ["sync"]
        await idle()
        assert life.take() == ["async starts"]


async def test_dispose_in_an_async_handler_cancels_it(flat: Flat) -> None:
    seen: list[str] = []

    async def a_state(event: am.Event) -> None:
        event.machine.dispose()
        seen.append("disposed")
        await trio.lowlevel.checkpoint()
        seen.append("never")

    m = flat(handlers={"AState": a_state})
    async with m:
        m.add("A")
        await m.when_disposed()
        await idle()
    assert seen == ["disposed"]


# -- fork -----------------------------------------------------------------------------------------


async def test_a_fork_runs_its_function_with_its_args(flat: Flat) -> None:
    got: list[Any] = []

    async def work(*args: Any) -> None:
        got.extend(args)

    m = flat()
    async with m:
        fork = m.fork(work, 1, "two")
        assert isinstance(fork, am.Fork)
        assert got == []
        await idle()
    assert got == [1, "two"]


async def test_a_fork_of_a_state_ends_with_it(flat: Flat) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("work")

    m = flat()
    async with m:
        m.add("A")
        m.fork(work, state="A")
        await idle()
        m.add("B")
        await idle()
        assert ended == []
        m.remove("A")
        await idle()
        assert ended == ["work"]


async def test_a_fork_can_be_cancelled_alone_and_again(flat: Flat) -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append(name)

    m = flat()
    async with m:
        first = m.fork(work, "first")
        m.fork(work, "second")
        await idle()
        first.cancel()
        first.cancel()
        await idle()
        assert ended == ["first"]
        assert not m.is_err
    assert ended == ["first", "second"]


async def test_a_fork_cancelled_before_it_ran_never_runs(flat: Flat) -> None:
    ran: list[str] = []

    async def work() -> None:
        ran.append("work")

    m = flat()
    async with m:
        m.fork(work).cancel()
        await idle()
    assert ran == []


async def test_a_fork_that_fails_becomes_the_exception_state(flat: Flat) -> None:
    error = LookupError("boom")

    async def work() -> None:
        raise error

    m = flat()
    async with m:
        m.fork(work)
        await m.when_err()
        assert m.err is error


async def test_a_closed_machine_cannot_fork(flat: Flat) -> None:
    async def work() -> None:
        raise AssertionError("never started")

    m = flat()
    with pytest.raises(am.NotOpenError):
        m.fork(work)


async def test_a_disposed_machine_forks_nothing(flat: Flat) -> None:
    async def work() -> None:
        raise AssertionError("never started")

    m = flat()
    async with m:
        m.dispose()
        fork = m.fork(work)
        fork.cancel()
        await idle()
    m.fork(work).cancel()


async def test_a_fork_with_an_unknown_state_is_refused(flat: Flat) -> None:
    async def work() -> None:
        raise AssertionError("never started")

    m = flat()
    async with m:
        with pytest.raises(am.UnknownStateError):
            m.fork(work, state="Nope")


async def test_a_task_whose_state_is_over_is_cancelled_once_and_told_of_until_it_has_ended(
    flat: Flat, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[str] = []
    cancel = am.Fork.cancel

    def noted(fork: am.Fork) -> None:
        cancelled.append(fork.name)
        cancel(fork)

    m = flat(handlers={"AState": life.handler("AState")})
    async with m:
        monkeypatch.setattr(am.Fork, "cancel", noted)
        for _ in range(50):  # before any of them comes to run
            m.add("A")
            m.remove("A")
        assert cancelled == ["AState"] * 50
        assert len(m.pending().tasks) == 50
        m.add("A")
        await idle()
        assert life.take() == ["AState starts"], "those that were over before they began never do"
        assert len(m.pending().tasks) == 1
        m.remove("A")
        await idle()
        assert life.take() == ["AState cancelled"]
    assert len(cancelled) == 51
