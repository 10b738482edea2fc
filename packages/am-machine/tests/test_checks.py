"""Checks: `can_add` and `can_remove` negotiate, tell the outcome and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]


def test_a_check_answers_what_the_mutation_would(flat: Flat) -> None:
    machine = flat(handlers={"BEnter": lambda e: False, "AExit": lambda e: False})
    machine.add("A")
    assert machine.can_add("C") is am.EXECUTED
    assert machine.can_add("B") is am.CANCELED
    assert machine.can_add("B", "C") is am.CANCELED
    assert machine.can_remove("A") is am.CANCELED
    assert machine.can_remove("C") is am.EXECUTED
    assert machine.can_add() is am.EXECUTED
    assert machine.can_remove() is am.EXECUTED


def test_a_check_is_refused_by_relations() -> None:
    machine = am.Machine({"A": {"require": ["B"]}, "B": {}, "C": {"remove": ["B"]}})
    assert machine.can_add("A") is am.CANCELED
    assert machine.can_add("A", "B") is am.EXECUTED
    machine.add("C")
    assert machine.can_add("B") is am.CANCELED


def test_a_check_of_a_multi_state_is_accepted_whatever_is_missing() -> None:
    machine = am.Machine({"M": {"multi": True, "require": ["B"]}, "B": {}, "N": {"require": ["B"]}})
    assert machine.can_add("M") is am.EXECUTED
    assert machine.can_add("N", "M") is am.EXECUTED
    assert machine.add("M") is am.CANCELED


def test_a_check_changes_nothing(flat: Flat, recorder: Any) -> None:
    machine = flat("A B M X", multi="M", auto="X", handlers={"XEnter": lambda e: False})
    machine.add("A", "M")
    waits = [machine.when("B"), machine.when_not("A"), machine.when_ticks("M", 1),
             machine.when_args("M", k=1), machine.when_next_active("B")]  # fmt: skip
    contexts = [machine.state_ctx("A"), machine.state_ctx("B", inactive=True),
                machine.state_ctx("M")]  # fmt: skip
    before = machine.export()
    machine.bind_tracer(recorder)
    machine.can_add("B", "M", k=1)
    machine.can_remove("A")
    assert machine.export() == before
    assert not any(w.done for w in waits)
    assert not any(c.expired for c in contexts)
    assert contexts == [machine.state_ctx("A"), machine.state_ctx("B", inactive=True),
                        machine.state_ctx("M")]  # fmt: skip
    assert [(tx.auto, tx.mutation.is_check) for tx in recorder.transitions] == [(False, True)] * 2


def test_a_check_calls_negotiation_handlers_only(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    machine.add("A", "B")
    names = ["AExit", "AEnd", "BB", "BC", "CEnter", "CState", "AnyEnter", "AnyState"]
    machine.bind({n: lambda e: calls.append(e.name) for n in names})
    machine.can_remove("A")
    assert calls == ["AExit", "AnyEnter"]
    calls.clear()
    machine.can_add("C")
    assert calls == ["CEnter", "BB", "BC", "AnyEnter"]


def test_handlers_see_that_it_is_a_check_and_its_args(flat: Flat) -> None:
    machine, seen = flat(), list[Any]()
    machine.bind({"AEnter": lambda e: seen.append((e.is_check, dict(e.args)))})
    machine.can_add("A", x=1)
    machine.add("A", x=2)
    assert seen == [(True, {"x": 1}), (False, {"x": 2})]


def test_the_transition_of_a_check_predicts_no_time(flat: Flat) -> None:
    machine, seen = flat(), list[Any]()
    machine.bind({
        "AEnter": lambda e: seen.append((e.transition.target, e.transition.time_after)),
    })  # fmt: skip
    machine.can_add("A")
    assert seen == [(("A",), (0, 0, 0, 0, 0))]


def test_hooks_of_a_check(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])
    recorder.clear()
    machine.can_add("A")
    assert recorder.lines == [
        "mutation_queued add A", "transition_init", "transition_start", "transition_end accepted",
        "queue_end",
    ]  # fmt: skip


@pytest.mark.parametrize("level", [am.LogLevel.NOTHING, am.LogLevel.EVERYTHING])
def test_a_failing_handler_of_a_check_is_logged_and_told_but_activates_nothing(
    flat: Flat, log: Any, level: am.LogLevel
) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    machine = flat(handlers={"AEnter": fail}, log_level=level)
    before = machine.export()
    assert machine.can_add("A") is am.CANCELED
    assert machine.export() == before
    assert (machine.err, machine.is_err) == (None, False)
    (record,) = [r for r in log.records if r.levelname == "ERROR"]
    assert "boom" in record.getMessage()
    assert record.exc_info
    assert "boom" in str(machine.why)
    assert "AEnter" in str(machine.why)


def test_a_check_that_fails_while_exception_is_active_keeps_the_error(flat: Flat, log: Any) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    machine, first = flat(handlers={"AEnter": fail}), ValueError("first")
    machine.add_err(first)
    before = machine.export()
    assert machine.can_add("A") is am.CANCELED
    assert machine.err is first
    assert machine.export() == before


def test_a_check_in_a_handler_is_queued_in_front_and_tells_its_outcome(flat: Flat) -> None:
    machine, results, waits = flat(), list[am.Result](), list[am.Wait]()

    def handle(event: am.Event) -> None:
        event.add("B")
        results.extend([machine.can_add("C"), machine.can_remove("A")])
        waits.extend(machine.when_queue(r) for r in results)
        assert not any(w.done for w in waits)

    machine.bind({"AState": handle, "AExit": lambda e: False})
    machine.add("A")
    assert [(r.queued, r.queue_tick) for r in results] == [(True, 0)] * 2
    assert [r.outcome for r in results] == [am.EXECUTED, am.CANCELED]
    assert [w.done for w in waits] == [True, True]


def test_a_check_in_a_handler_sees_the_states_after_the_transition(flat: Flat) -> None:
    machine, results = am.Machine({"A": {}, "B": {"require": ["A"]}}), list[am.Result]()
    machine.bind({"AEnter": lambda e: results.append(machine.can_add("B"))})
    machine.add("A")
    assert results[0].outcome is am.EXECUTED


def test_checks_never_count_as_duplicates(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])

    def handle(event: am.Event) -> None:
        assert all(r.queued for r in (machine.can_add("B"), machine.can_add("B"), event.add("B")))

    machine.bind({"AState": handle})
    machine.add("A")
    assert [tx.mutation.is_check for tx in recorder.transitions] == [False, True, True, False]


@pytest.mark.trio
async def test_the_awaited_forms_give_the_outcome(flat: Flat) -> None:
    machine = flat(handlers={"BEnter": lambda e: False})
    assert await machine.check_add("A", x=1) is am.EXECUTED
    assert await machine.check_add("B") is am.CANCELED
    assert await machine.check_remove("A") is am.EXECUTED
    assert machine.active == ()


@pytest.mark.trio
async def test_the_awaited_forms_can_be_asked_by_a_task(flat: Flat) -> None:
    outcomes: list[am.Result] = []

    async def work(event: am.Event) -> None:
        outcomes.append(await event.machine.check_add("B"))
        event.add("C")

    async with flat(handlers={"AState": work, "BEnter": lambda e: False}) as machine:
        machine.add("A")
        await machine.when("C")
    assert outcomes == [am.CANCELED]


def test_checks_on_a_disposed_machine_are_canceled(flat: Flat) -> None:
    machine = flat()
    machine.dispose()
    assert machine.can_add("A") is am.CANCELED
    assert machine.can_remove("A") is am.CANCELED


def test_an_exit_check_with_a_full_queue_is_still_answered(flat: Flat) -> None:
    machine, results = flat(queue_limit=1), list[am.Result]()
    machine.bind({"AState": lambda e: results.extend([machine.add("B"), machine.can_remove("A")])})
    machine.add("A")
    assert results[1].outcome is am.EXECUTED


def test_a_check_has_no_effect_on_the_auto_states_it_would_bring(flat: Flat) -> None:
    machine, calls = flat("A X", auto="X"), list[str]()
    machine.bind({"XEnter": lambda e: calls.append(e.name)})
    machine.can_add("A")
    assert calls == []
