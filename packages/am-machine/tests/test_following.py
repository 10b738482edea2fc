"""A machine whose clocks move elsewhere: the part that needs no queue of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

A, B, C, MULTI, EXCEPTION = range(5)


@dataclass
class WorkArgs:
    """Args with one field that must be given."""

    job: int
    name: str = ""


@pytest.fixture
def base(recorder: Any) -> am.BaseMachine:
    """A machine that follows, with a tracer."""
    schema = {"A": {}, "B": {}, "C": {}, "Multi": {"multi": True}}
    m = am.BaseMachine(schema, id="base", tracers=[recorder])
    recorder.clear()
    return m


def blank(base: am.BaseMachine, names: str) -> list[str]:
    """Bind handlers that note their names."""
    calls: list[str] = []
    base.bind({name: lambda e: calls.append(e.name) for name in names.split()})
    return calls


# -- one update, one pseudo-transition ------------------------------------------------------------


def test_an_update_moves_clocks_and_ticks(base: am.BaseMachine) -> None:
    base.advance([(A, 1), (C, 3)], queue_tick=7, machine_tick=2)
    assert str(base) == "(A:1 C:3)"
    assert (base.queue_tick, base.machine_tick) == (7, 2)
    base.advance([(A, 1)])
    assert base.string_all() == "(C:3) [A:2 B:0 Multi:0 Exception:0]"
    assert (base.queue_tick, base.machine_tick) == (7, 2), "kept unless given"


def test_an_update_is_a_transition_to_tracers(base: am.BaseMachine, recorder: Any) -> None:
    blank(base, "AState AnyState")
    transition = base.advance([(A, 1), (B, 2)])
    assert recorder.lines == [
        "transition_init",
        "transition_start",
        "transition_finals",
        "handler_start AState",
        "handler_end AState",
        "handler_start AnyState",
        "handler_end AnyState",
        "transition_end accepted",
    ]
    assert recorder.transitions == [transition]
    assert (transition.mutation.kind, transition.called) == ("set", ("A",))
    assert (transition.before, transition.target) == ((), ("A",))
    assert tuple(transition.time_before) == (0, 0, 0, 0, 0)
    assert tuple(transition.time_after) == (1, 2, 0, 0, 0)
    assert transition.accepted
    assert base.transition is None


def test_an_update_may_carry_the_real_mutation(base: am.BaseMachine) -> None:
    transition = base.advance([(A, 1), (B, 1)], kind="add", called=[B])
    assert (transition.mutation.kind, transition.called) == ("add", ("B",))
    assert base.active == ("A", "B")


def test_finals_run_ends_first_and_multi_states_that_ticked(base: am.BaseMachine) -> None:
    base.advance([(A, 1), (MULTI, 1)])
    calls = blank(base, "AEnd AState BState CState MultiState AnyState")
    base.advance([(B, 1), (MULTI, 2), (A, 1)])
    assert calls == ["AEnd", "BState", "MultiState", "AnyState"]


def test_an_update_without_changes_calls_nothing(base: am.BaseMachine) -> None:
    calls = blank(base, "AState AnyState")
    base.advance([], queue_tick=3)
    assert calls == []
    assert base.queue_tick == 3


def test_handlers_see_the_new_clocks_and_no_args(base: am.BaseMachine) -> None:
    seen: list[Any] = []

    def a_state(event: am.Event) -> None:
        seen.append((event.tick, dict(event.args), str(event.machine), event.machine.transition))

    base.bind({"AState": a_state})
    transition = base.advance([(A, 3)])
    assert seen == [(3, {}, "(A:3)", transition)]


@pytest.mark.parametrize("name", ["AEnter", "AExit", "AA", "AB", "AnyEnter"])
def test_negotiation_handlers_are_refused(base: am.BaseMachine, name: str) -> None:
    with pytest.raises(am.HandlerError):
        base.bind({name: lambda e: True})


# -- waits and contexts ---------------------------------------------------------------------------


def test_contexts_of_moved_states_expire_before_handlers(base: am.BaseMachine) -> None:
    moved, still = (base.state_ctx(s, inactive=True) for s in ("A", "B"))
    seen: list[bool] = []
    base.bind({"AState": lambda e: seen.append(moved.expired)})
    base.advance([(A, 1)])
    assert seen == [True]
    assert (moved.expired, still.expired) == (True, False)


def test_waits_wake_after_an_update(base: am.BaseMachine) -> None:
    waits = [
        base.when("A", "B"),
        base.when_any("C", "B"),
        base.when_time({"A": 3}),
        base.when_ticks("B", 1),
        base.when_next_active("A"),
        base.when_query(lambda clock: clock["A"] > 2),
    ]
    never = [base.when("C"), base.when_time({"A": 4})]
    base.advance([(A, 3), (B, 1)])
    assert all(wait.done for wait in waits)
    assert not any(wait.done for wait in never)


def test_a_state_that_was_active_in_between_is_betrayed_by_its_tick(base: am.BaseMachine) -> None:
    alone, together = base.when("A"), base.when("A", "B")
    base.advance([(A, 2), (B, 1)])
    assert base.active == ("B",)
    assert alone.done
    assert not together.done, "waits on several states look at end values only"


def test_a_state_that_was_inactive_in_between_is_betrayed_too(base: am.BaseMachine) -> None:
    base.advance([(A, 1), (MULTI, 1)])
    alone, multi = base.when_not("A"), base.when_not("Multi")
    base.advance([(A, 2), (MULTI, 2)])
    assert alone.done
    assert not multi.done, "a multi state ticks by two while it stays active"


def test_absolute_clocks_may_go_back(base: am.BaseMachine) -> None:
    base.advance([(A, 5), (B, 4), (C, 1)])
    contexts = {name: base.state_ctx(name) for name in "ABC"}
    calls = blank(base, "AEnd AState BState CState")
    base.reset_clock([2, 1, 1, 0, 0], queue_tick=1, machine_tick=4)
    assert base.string_all() == "(B:1 C:1) [A:2 Multi:0 Exception:0]"
    assert {name: ctx.expired for name, ctx in contexts.items()} == {
        "A": True,
        "B": True,
        "C": False,
    }
    assert calls == ["AEnd", "BState"]
    assert (base.queue_tick, base.machine_tick) == (1, 4)


@pytest.mark.parametrize("ticks", [[], [1, 2], [0] * 6])
def test_a_clock_of_another_size_is_refused(base: am.BaseMachine, ticks: list[int]) -> None:
    with pytest.raises(ValueError, match="ticks"):
        base.reset_clock(ticks)
    assert str(base) == "()"


# -- handlers that fail, tasks, dispose -----------------------------------------------------------


def test_a_failing_handler_repairs_nothing_and_stops_no_other(
    base: am.BaseMachine, log: Any
) -> None:
    error = ValueError("boom")

    def fail(event: am.Event) -> None:
        raise error

    base.bind({"AState": fail})
    calls = blank(base, "BState AnyState")
    wait = base.when("A")
    base.advance([(A, 1), (B, 1)])
    assert calls == ["BState", "AnyState"]
    assert base.active == ("A", "B")
    assert base.err is error
    assert wait.done
    assert [record.levelno for record in log.records] == [logging.ERROR]


@pytest.mark.trio
async def test_async_handlers_end_with_the_state(base: am.BaseMachine) -> None:
    notes: list[str] = []

    async def a_state(event: am.Event) -> None:
        notes.append(f"starts at {event.tick}")
        try:
            await trio.sleep_forever()
        finally:
            notes.append("ends")

    base.bind({"AState": a_state})
    async with base:
        base.advance([(A, 1)])
        await trio.testing.wait_all_tasks_blocked()
        base.advance([(B, 1)])
        await trio.testing.wait_all_tasks_blocked()
        assert notes == ["starts at 1"]
        base.advance([(A, 2)])
        await trio.testing.wait_all_tasks_blocked()
        assert notes[:2] == ["starts at 1", "ends"], "it was left in between"
    assert base.disposed


@pytest.mark.trio
async def test_a_failing_task_is_reported(base: am.BaseMachine, log: Any) -> None:
    error = ValueError("boom")

    async def a_state(event: am.Event) -> None:
        raise error

    base.bind({"AState": a_state})
    async with base:
        base.advance([(A, 1)])
        await trio.testing.wait_all_tasks_blocked()
        assert base.err is error
        assert [record.levelno for record in log.records] == [logging.ERROR]


def test_dispose_in_a_handler_while_following(base: am.BaseMachine) -> None:
    base.bind({"AState": lambda e: e.machine.dispose()})
    calls = blank(base, "BState")
    wait, ctx = base.when("C"), base.state_ctx("C")
    base.advance([(A, 1), (B, 1)])
    assert calls == ["BState"], "the update completes"
    assert base.disposed
    assert wait.done
    assert ctx.expired
    assert base.active == ("A", "B")


def test_an_update_is_a_cause(base: am.BaseMachine, new_recorder: Any) -> None:
    tracer = new_recorder("")
    local = am.Machine({"A": {}}, tracers=[tracer])
    base.bind({"AState": lambda e: local.add("A")})
    transition = base.advance([(A, 1)])
    source = tracer.mutations[-1].source
    assert (source.machine_id, source.transition_id, source.hops) == ("base", transition.id, 1)
    assert am.current_source() is None


# -- what a replica is built of -------------------------------------------------------------------


def test_a_cause_from_elsewhere_can_be_taken_over(recorder: Any) -> None:
    m = am.Machine({"A": {}, "B": {}}, tracers=[recorder])
    m.bind({"AState": lambda e: m.add("B")})
    source = am.Source("far", "0123456789abcdef", 12, 3)
    with am.use_source(source):
        assert am.current_source() == source
        m.add("A")
    assert am.current_source() is None
    assert recorder.mutations[0].source == source
    assert recorder.mutations[1].source.hops == 4
    assert str(source) == "far/0123456789abcdef/12"
    assert len({source, am.Source("far", "0123456789abcdef", 12, 3)}) == 1
    assert source != "far"


@pytest.mark.parametrize("args", [{}, {"name": "x"}, {"job": 1, "other": 2}])
def test_args_can_be_checked_without_a_machine(args: dict[str, Any]) -> None:
    schema = am.Schema({"Work": {"args": WorkArgs}, "Other": {}})
    am.check_args(schema, [0], {"job": 1, "name": "x"})
    am.check_args(schema, [1], args)
    with pytest.raises(am.ArgsError):
        am.check_args(schema, [0], args)


@pytest.mark.trio
async def test_a_result_settles_once(base: am.BaseMachine) -> None:
    result, error = am.Result(queue_tick=5), ValueError("far away")
    assert (result.queued, result.queue_tick, result.outcome) == (True, 5, None)
    assert not result.executed
    assert not result.canceled
    with pytest.raises(ValueError, match="outcome"):
        result.settle(am.Result())
    result.settle(am.CANCELED, error)
    result.settle(am.EXECUTED)
    assert await result is am.CANCELED
    assert (result.error, result.canceled, bool(result)) == (error, True, False)
    assert (str(result), repr(result)) == ("queued", "<Result queued 5 -> canceled>")
    assert result.queued, "it stays queued"


@pytest.mark.trio
async def test_a_result_wakes_all_who_await_it() -> None:
    result = am.Result()
    got: list[am.Result] = []

    async def waiter() -> None:
        got.append(await result)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(waiter)
        await trio.testing.wait_all_tasks_blocked()
        result.settle(am.EXECUTED)
    assert got == [am.EXECUTED] * 3


@pytest.mark.trio
@pytest.mark.parametrize("value", [True, False])
async def test_a_wait_can_be_made_and_resolved_by_hand(value: bool) -> None:
    wait = am.Wait("anything")
    assert not wait.done
    wait.resolve(value)
    wait.resolve(not value)
    assert wait.done
    assert await wait is value


def test_the_base_cannot_be_mutated(base: am.BaseMachine) -> None:
    assert not hasattr(base, "add")


def test_updates_that_come_again_are_the_same_again() -> None:
    states = {"A": {}, "B": {"multi": True}, "C": {}}
    base = am.BaseMachine(states)
    seen: list[str] = []
    for _ in range(3):
        once = am.BaseMachine(states)  # compiled anew, so that it knows no updates
        once.reset_clock(base.time())
        for update in ([(0, 1), (1, 2)], [(0, 1)], [(2, 2), (1, 1)], [(1, 1)], [(0, 5)], [(0, 1)]):
            single = base.when_not("C") if base.is_("C") else base.when("C")
            told = base.advance(update, kind="add", called=[0])
            again = once.advance(update, kind="add", called=[0])
            assert (told.target, told.added, told.removed) == (
                again.target, again.added, again.removed
            )  # fmt: skip
            assert base.time() == once.time()
            seen.append(f"{base} {single.done}")
    assert seen[6:12] != seen[:6]
    assert [line.endswith("True") for line in seen] == [
        False, False, True, False, False, False
    ] * 3  # fmt: skip
