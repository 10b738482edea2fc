"""Every await point, cancelled while it waits: who is told, and what is left as it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

pytestmark = pytest.mark.trio

Flat = Callable[..., am.Machine]
idle = trio.testing.wait_all_tasks_blocked


async def cancelled_while(wait: Callable[[], Awaitable[Any]]) -> None:
    """Await what `wait` makes, cancel it once it blocks, and see that it was cancelled."""
    scope = trio.CancelScope()
    got: list[Any] = []

    async def run() -> None:
        with scope:
            got.append(await wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await idle()
        scope.cancel()
    assert scope.cancelled_caught
    assert got == []


@pytest.mark.parametrize("times", [1, 3])
async def test_cancelling_an_await_of_a_wait_leaves_the_wait_pending(
    flat: Flat, times: int
) -> None:
    m = flat()
    wait = m.when("A")
    for _ in range(times):
        await cancelled_while(lambda: wait)
    assert not wait.done
    m.add("A")
    assert await wait is True


async def test_cancelling_an_await_of_a_queued_result_leaves_the_mutation(flat: Flat) -> None:
    result = am.Result(queue_tick=2)
    await cancelled_while(lambda: result)
    assert result.outcome is None
    result.settle(am.EXECUTED)
    assert await result is am.EXECUTED


async def test_a_settled_result_is_a_checkpoint_that_can_be_cancelled(flat: Flat) -> None:
    m = flat()
    result = m.add("A")
    with trio.testing.assert_checkpoints():
        assert await result is am.EXECUTED
    with trio.CancelScope() as scope:
        scope.cancel()
        await m.add("B")
    assert scope.cancelled_caught
    assert m.is_("B"), "the mutation itself was done before the await"


async def test_a_check_is_a_checkpoint_that_can_be_cancelled(flat: Flat) -> None:
    m = flat()
    with trio.testing.assert_checkpoints():
        assert await m.check_add("A") is am.EXECUTED
    with trio.testing.assert_checkpoints():
        assert await m.check_remove("A") is am.EXECUTED
    with trio.CancelScope() as scope:
        scope.cancel()
        await m.check_add("A")
    assert scope.cancelled_caught
    assert m.transition is None
    assert m.add("A") is am.EXECUTED


async def test_a_mutation_is_done_even_in_a_cancelled_scope(flat: Flat) -> None:
    calls: list[str] = []
    m = flat(handlers={"AState": lambda e: calls.append(e.name)})
    with trio.CancelScope() as scope:
        scope.cancel()
        result = m.add("A")
        await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert result is am.EXECUTED
    assert calls == ["AState"]


async def test_opening_in_a_cancelled_scope_still_disposes(flat: Flat) -> None:
    m = flat()
    body: list[str] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        async with m:
            body.append("in")
            await trio.lowlevel.checkpoint()
            body.append("never")
    assert scope.cancelled_caught
    assert "never" not in body
    assert m.disposed or body == []


async def test_cancelling_the_close_still_ends_every_task(flat: Flat) -> None:
    ended: list[str] = []
    reached = trio.Event()

    async def stubborn() -> None:
        try:
            await trio.sleep_forever()
        finally:
            reached.set()
            with trio.CancelScope(shield=True):
                await idle()
            ended.append("stubborn")

    async def run(scope: trio.CancelScope) -> None:
        with scope:
            async with m:
                m.fork(stubborn)
                await idle()

    m = flat()
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, scope)
        await reached.wait()
        scope.cancel()
    assert ended == ["stubborn"]
    assert m.disposed


async def test_cancelling_the_scope_around_a_machine_cancels_its_tasks(flat: Flat) -> None:
    ended: list[str] = []

    async def a_state(event: am.Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("task")

    m = flat(handlers={"AState": a_state})
    with trio.CancelScope() as scope:
        async with m:
            m.add("A")
            await idle()
            scope.cancel()
            await trio.sleep_forever()
    assert ended == ["task"]
    assert not m.is_err
    assert m.disposed


async def test_a_deadline_inside_a_task_is_its_own_affair(flat: Flat, autojump_clock: Any) -> None:
    late: list[str] = []

    async def a_state(event: am.Event) -> None:
        with trio.move_on_after(5):
            await trio.sleep_forever()
        late.append("timed out")
        await trio.sleep_forever()

    m = flat(handlers={"AState": a_state})
    async with m:
        m.add("A")
        await trio.sleep(10)
        assert late == ["timed out"]
        assert m.is_("A")
        assert not m.is_err


async def test_a_state_left_while_its_task_holds_a_lock_frees_the_lock(flat: Flat) -> None:
    lock = trio.Lock()

    async def a_state(event: am.Event) -> None:
        async with lock:
            await trio.sleep_forever()

    m = flat(handlers={"AState": a_state})
    async with m:
        m.add("A")
        await idle()
        assert lock.locked()
        m.remove("A")
        with trio.fail_after(1):
            async with lock:
                assert not m.is_("A")


async def test_cancelling_inside_a_context_scope_runs_its_cleanup(flat: Flat) -> None:
    m = flat()
    cleaned: list[str] = []

    async def work() -> None:
        with m.state_ctx("A"):
            try:
                await trio.sleep_forever()
            finally:
                cleaned.append("work")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await idle()
        nursery.cancel_scope.cancel()
    assert cleaned == ["work"]
    m.add("A")
    assert m.is_("A"), "the left scope is forgotten"


async def test_a_cancelled_error_is_no_error_of_the_machine(flat: Flat) -> None:
    m = flat()
    results: list[am.Result] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            results += [m.add_err(error), m.add_err(BaseExceptionGroup("", [error]))]
            raise
    assert results == [am.CANCELED, am.CANCELED]
    assert m.err is None
    assert not m.is_err
