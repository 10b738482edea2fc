"""State contexts: one tick of one state, as an object and as a cancel scope."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]


# -- identity and expiry --------------------------------------------------------------------------


def test_a_context_is_one_object_for_one_tick(flat: Flat) -> None:
    m = flat()
    idle = m.state_ctx("A", inactive=True)
    assert m.state_ctx("A", inactive=True) is idle
    assert (idle.machine, idle.state, idle.tick) == (m, "A", 0)
    m.add("A")
    active = m.state_ctx("A")
    assert m.state_ctx("A") is active
    assert active is not idle
    assert active.tick == 1
    assert (idle.expired, active.expired) == (True, False)


def test_a_context_of_an_inactive_state_is_expired_from_the_start(flat: Flat) -> None:
    m = flat()
    ctx = m.state_ctx("A")
    assert ctx.expired
    assert (ctx.machine, ctx.state) == (m, "A")
    m.add("A")
    assert ctx.expired, "it is no context of the activity that came later"
    assert not m.state_ctx("A").expired


def test_a_context_made_by_a_vote_before_the_activation_stays_expired(flat: Flat) -> None:
    m, seen = flat(), list[am.StateContext]()
    m.bind({"AEnter": lambda e: seen.append(m.state_ctx("A"))})
    m.add("A")
    assert seen[0].expired


def test_a_context_of_the_inactivity_expires_on_activation(flat: Flat) -> None:
    m = flat()
    ctx = m.state_ctx("A", inactive=True)
    m.add("B")
    assert not ctx.expired
    m.add("A")
    assert ctx.expired
    m.remove("A")
    assert ctx.expired, "expired is for good"


def test_a_context_of_an_active_state_expires_on_deactivation(flat: Flat) -> None:
    m = flat()
    m.add("A")
    ctx = m.state_ctx("A")
    m.add("A")
    assert not ctx.expired, "A stayed as it was"
    m.remove("A")
    assert ctx.expired


def test_a_context_of_a_multi_state_expires_on_re_entry(flat: Flat) -> None:
    m = flat("A", multi="A")
    m.add("A")
    ctx = m.state_ctx("A")
    m.add("A")
    assert ctx.expired


def test_refused_and_dry_runs_expire_nothing(flat: Flat) -> None:
    m = flat(handlers={"BEnter": lambda e: False})
    contexts = [m.state_ctx(s, inactive=True) for s in ("A", "B")]
    m.can_add("A")
    m.add("B")
    assert [ctx.expired for ctx in contexts] == [False, False]


def test_contexts_of_states_dropped_by_a_repair_expire(flat: Flat) -> None:
    m = flat()
    seen: list[Any] = []

    def b_state(event: am.Event) -> None:
        seen.append(m.state_ctx("B"))
        raise ValueError("boom")

    m.bind({"BState": b_state})
    m.add("B")
    assert seen[0].tick == 1
    assert seen[0].expired


def test_contexts_expire_before_any_final_handler_and_after_negotiation(flat: Flat) -> None:
    m = flat()
    m.add("A")
    ctx = m.state_ctx("A")
    seen: dict[str, bool] = {}
    m.bind(
        {
            "AExit": lambda e: seen.update(AExit=ctx.expired) or True,
            "AnyEnter": lambda e: seen.update(AnyEnter=ctx.expired) or True,
            "AEnd": lambda e: seen.update(AEnd=ctx.expired),
        }
    )
    m.remove("A")
    assert seen == {"AExit": False, "AnyEnter": False, "AEnd": True}


def test_contexts_have_expired_when_tracers_hear_of_the_finals(flat: Flat) -> None:
    seen: list[bool] = []

    class Look(am.Tracer):
        def transition_finals(self, transition: Any) -> None:
            seen.append(ctx.expired)

    m = flat(tracers=[Look()])
    ctx = m.state_ctx("A", inactive=True)
    assert not ctx.expired
    m.add("A")
    assert seen == [True]


def test_dispose_expires_all_contexts(flat: Flat) -> None:
    m = flat()
    m.add("A")
    contexts = [m.state_ctx("A"), m.state_ctx("B", inactive=True)]
    m.dispose()
    assert [ctx.expired for ctx in contexts] == [True, True]


def test_the_context_of_an_unknown_state_is_refused(flat: Flat) -> None:
    with pytest.raises(am.UnknownStateError):
        flat().state_ctx("Nope")


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_context_is_freed_at_once(flat: Flat) -> None:
    m = flat()
    ref = weakref.ref(m.state_ctx("A"))
    assert ref() is None
    m.add("A")
    again = m.state_ctx("A")
    ref = weakref.ref(again)
    m.remove("A")
    del again
    assert ref() is None


def test_contexts_are_logged_enters_first(flat: Flat, log: Any) -> None:
    m = flat(log_level=am.LogLevel.OPS)
    m.add("A")
    log.clear()
    kept = [m.state_ctx("A"), m.state_ctx("B", inactive=True)]
    m.state_ctx("A")
    m.set("B")
    assert log.starting("[ctx") == [
        "[ctx:new] A",
        "[ctx:new] B",
        "[ctx:match] B",
        "[ctx:match] A",
    ]
    assert all(ctx.expired for ctx in kept)


# -- as a cancel scope ----------------------------------------------------------------------------


@pytest.mark.trio
async def test_leaving_the_state_cancels_the_scope_and_the_with_absorbs_it(flat: Flat) -> None:
    m = flat()
    m.add("A")
    steps: list[str] = []

    async def work() -> None:
        with m.state_ctx("A"):
            steps.append("in")
            await trio.sleep_forever()
        steps.append("out")
        await trio.lowlevel.checkpoint()
        steps.append("free")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()
        m.remove("A")
    assert steps == ["in", "out", "free"]


@pytest.mark.trio
async def test_an_expired_context_cancels_at_the_first_checkpoint(flat: Flat) -> None:
    m = flat()
    ctx = m.state_ctx("A")
    m.add("A")
    steps: list[str] = []
    with ctx:
        steps.append("before")
        await trio.lowlevel.checkpoint()
        steps.append("never")
    assert steps == ["before"]


@pytest.mark.trio
async def test_one_context_is_many_scopes_in_many_tasks_and_nested(flat: Flat) -> None:
    m = flat()
    ctx = m.state_ctx("A")
    ended: list[str] = []

    async def work(name: str) -> None:
        with ctx:
            with ctx:
                await trio.sleep_forever()
            ended.append("never: the outermost scope absorbs the cancellation")
        ended.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, "one")
        nursery.start_soon(work, "two")
        await trio.testing.wait_all_tasks_blocked()
        m.add("A")
    assert sorted(ended) == ["one", "two"]


@pytest.mark.trio
async def test_a_scope_left_early_does_not_touch_the_others(flat: Flat) -> None:
    m = flat()
    ctx = m.state_ctx("A")
    with ctx:
        with ctx:
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        with ctx:
            m.add("A")
            await trio.sleep_forever()
        assert ctx.expired
    await trio.lowlevel.checkpoint()


@pytest.mark.trio
async def test_a_with_holds_its_context_alive(flat: Flat) -> None:
    m = flat()
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            with m.state_ctx("A"):
                await trio.sleep_forever()

        nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()
        m.add("A")


@pytest.mark.trio
async def test_errors_pass_through_a_context(flat: Flat) -> None:
    m = flat()
    with pytest.raises(KeyError), m.state_ctx("A"):
        raise KeyError("mine")


@pytest.mark.trio
async def test_a_cancellation_from_outside_is_not_absorbed(flat: Flat) -> None:
    m = flat()
    reached = False
    with trio.CancelScope() as outer:
        with m.state_ctx("A"):
            outer.cancel()
            await trio.lowlevel.checkpoint()
        reached = True
    assert outer.cancelled_caught
    assert not reached


@pytest.mark.trio
async def test_dispose_cancels_open_scopes(flat: Flat) -> None:
    m = flat()
    with m.state_ctx("A"):
        m.dispose()
        await trio.sleep_forever()
    assert m.disposed


# -- opening the machine --------------------------------------------------------------------------


@pytest.mark.trio
async def test_async_with_gives_the_machine_and_disposes_it_at_the_end(flat: Flat) -> None:
    m = flat()
    async with m as opened:
        assert opened is m
        m.add("A")
        assert not m.disposed
    assert m.disposed
    assert m.is_("A"), "reads go on"


@pytest.mark.trio
async def test_a_machine_opens_once(flat: Flat) -> None:
    m = flat()
    async with m:
        with pytest.raises(RuntimeError):
            await m.__aenter__()
        assert not m.disposed
    with pytest.raises(RuntimeError):
        async with m:
            raise AssertionError("opened twice")


@pytest.mark.trio
async def test_a_machine_works_before_it_is_opened(flat: Flat) -> None:
    m = flat()
    wait = m.when("B")
    m.add("A")
    async with m:
        m.add("B")
        assert await wait
        assert m.is_("A", "B")


@pytest.mark.trio
async def test_an_exception_of_the_body_leaves_bare(flat: Flat) -> None:
    m = flat()
    with pytest.raises(KeyError, match="mine"):
        async with m:
            raise KeyError("mine")
    assert m.disposed


@pytest.mark.trio
async def test_an_exception_of_the_body_still_waits_for_the_tasks(flat: Flat) -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
            cleaned.append("work")

    m = flat()

    async def body() -> None:
        async with m:
            m.fork(work)
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError("mine")

    with pytest.raises(KeyError):
        await body()
    assert cleaned == ["work"]


@pytest.mark.trio
async def test_leaving_waits_for_the_tasks_to_clean_up(flat: Flat) -> None:
    cleaned: list[str] = []

    async def a_state(event: am.Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
            cleaned.append(event.name)

    m = flat(handlers={"AState": a_state})
    async with m:
        m.add("A")
        await trio.testing.wait_all_tasks_blocked()
    assert cleaned == ["AState"]


@pytest.mark.trio
async def test_dispose_in_the_body_lets_the_body_go_on(flat: Flat) -> None:
    m = flat()
    cancelled: list[str] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append("work")

    async with m:
        m.fork(work)
        await trio.testing.wait_all_tasks_blocked()
        m.dispose()
        await trio.testing.wait_all_tasks_blocked()
        assert cancelled == ["work"]
        await trio.lowlevel.checkpoint()


@pytest.mark.trio
async def test_a_cancelled_body_disposes_the_machine(flat: Flat) -> None:
    m = flat()
    with trio.CancelScope() as scope:
        async with m:
            scope.cancel()
            await trio.lowlevel.checkpoint()
            raise AssertionError("not cancelled")
    assert scope.cancelled_caught
    assert m.disposed


@pytest.mark.trio
async def test_a_task_that_fails_without_catching_leaves_in_a_group(flat: Flat) -> None:
    async def a_state(event: am.Event) -> None:
        raise LookupError("boom")

    m = flat(catch_exceptions=False, handlers={"AState": a_state})

    async def body() -> None:
        async with m:
            m.add("A")
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await body()
    assert caught.group_contains(LookupError, match="boom")
    assert m.disposed
    assert not m.is_err


@pytest.mark.trio
async def test_a_failing_body_and_a_failing_task_leave_together(flat: Flat) -> None:
    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise LookupError("task")

    m = flat(catch_exceptions=False)

    async def body() -> None:
        async with m:
            m.fork(work)
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError("body")

    with pytest.raises(ExceptionGroup) as caught:
        await body()
    assert caught.group_contains(LookupError, match="task")
    assert caught.group_contains(KeyError, match="body")
