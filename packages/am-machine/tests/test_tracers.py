"""Tracers: which hooks are called, in which order, and that they can break nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]

HOOKS = (
    "machine_init",
    "machine_open",
    "machine_dispose",
    "new_submachine",
    "schema_change",
    "mutation_queued",
    "transition_init",
    "transition_start",
    "transition_end",
    "transition_finals",
    "handler_start",
    "handler_end",
    "queue_end",
    "verify_states",
    "log",
)


def fail(event: am.Event) -> None:
    raise ValueError("boom")


def accept(event: am.Event) -> None:
    """A handler of any kind that agrees."""


# -- order of the hooks ---------------------------------------------------------------------------


def test_hooks_of_an_accepted_transition(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder], handlers={"AEnter": accept, "AState": accept, "AnyState": accept})
    recorder.clear()
    m.add("A")
    assert recorder.lines == [
        "mutation_queued add A",
        "transition_init",
        "transition_start",
        "handler_start AEnter",
        "handler_end AEnter",
        "transition_finals",
        "handler_start AState",
        "handler_end AState",
        "handler_start AnyState",
        "handler_end AnyState",
        "transition_end accepted",
        "queue_end",
    ]


def test_hooks_of_a_transition_without_handlers(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder])
    recorder.clear()
    m.add("A")
    assert recorder.lines == [
        "mutation_queued add A",
        "transition_init",
        "transition_start",
        "transition_finals",
        "transition_end accepted",
        "queue_end",
    ]


def test_hooks_of_a_transition_canceled_by_a_handler(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder], handlers={"AEnter": lambda e: False, "AnyEnter": accept})
    recorder.clear()
    m.add("A")
    assert recorder.lines == [
        "mutation_queued add A",
        "transition_init",
        "transition_start",
        "handler_start AEnter",
        "handler_end AEnter",
        "transition_end canceled",
        "queue_end",
    ]


def test_hooks_of_a_transition_canceled_by_relations(recorder: Any) -> None:
    m = am.Machine(
        {"A": {"require": ["B"]}, "B": {}}, tracers=[recorder], handlers={"AEnter": accept}
    )
    recorder.clear()
    m.add("A")
    assert recorder.lines == [
        "mutation_queued add A",
        "transition_init",
        "transition_start",
        "transition_end canceled",
        "queue_end",
    ]


def test_hooks_of_an_auto_transition_follow_inside_the_same_drain(
    flat: Flat, recorder: Any
) -> None:
    m = flat("A B", auto="B", tracers=[recorder], handlers={"BState": accept})
    recorder.clear()
    m.add("A")
    assert recorder.lines == [
        "mutation_queued add A",
        "transition_init",
        "transition_start",
        "transition_finals",
        "mutation_queued add B",
        "transition_end accepted",
        "transition_init",
        "transition_start",
        "transition_finals",
        "handler_start BState",
        "handler_end BState",
        "transition_end accepted",
        "queue_end",
    ]
    assert [tx.auto for tx in recorder.transitions] == [False, True]


def test_hooks_of_a_check_have_no_finals(flat: Flat, recorder: Any) -> None:
    m = flat("A B", auto="B", tracers=[recorder])
    m.bind({"AEnter": accept, "AState": accept, "AnyState": accept})
    recorder.clear()
    m.can_add("A")
    assert recorder.lines == [
        "mutation_queued add A",
        "transition_init",
        "transition_start",
        "handler_start AEnter",
        "handler_end AEnter",
        "transition_end accepted",
        "queue_end",
    ]
    assert recorder.mutations[0].is_check


def test_hooks_of_a_failing_final_handler(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder], handlers={"AState": fail, "BState": accept, "AnyState": accept})
    recorder.clear()
    m.add("A", "B")
    assert recorder.lines == [
        "mutation_queued add A B",
        "transition_init",
        "transition_start",
        "transition_finals",
        "handler_start AState",
        "handler_end AState",
        "mutation_queued add Exception",
        "transition_end canceled",
        "transition_init",
        "transition_start",
        "transition_finals",
        "handler_start AnyState",
        "handler_end AnyState",
        "transition_end accepted",
        "queue_end",
    ]


def test_hooks_of_a_failing_negotiation_handler(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder], handlers={"AEnter": fail, "AnyEnter": accept})
    recorder.clear()
    m.add("A")
    assert recorder.lines == [
        "mutation_queued add A",
        "transition_init",
        "transition_start",
        "handler_start AEnter",
        "handler_end AEnter",
        "mutation_queued add Exception",
        "transition_end canceled",
        "transition_init",
        "transition_start",
        "handler_start AnyEnter",
        "handler_end AnyEnter",
        "transition_finals",
        "transition_end accepted",
        "queue_end",
    ]


def test_the_hooks_of_a_handler_enclose_what_it_queues(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder], handlers={"AState": lambda e: e.machine.add("B")})
    recorder.clear()
    m.add("A")
    hooks = recorder.only("mutation_queued", "handler_start", "handler_end", "queue_end")
    assert hooks == [
        "mutation_queued add A",
        "handler_start AState",
        "mutation_queued add B",
        "handler_end AState",
        "queue_end",
    ]


def test_every_binding_gets_its_own_pair_of_hooks(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder])
    for _ in range(2):
        m.bind({"AState": accept})
    recorder.clear()
    m.add("A")
    hooks = recorder.only("handler_start", "handler_end")
    assert hooks == ["handler_start AState", "handler_end AState"] * 2


def test_handler_hooks_know_transition_binding_and_name(flat: Flat) -> None:
    seen: list[Any] = []

    class Look(am.Tracer):
        def handler_start(self, transition: Any, binding: Any, name: str) -> None:
            seen.append((transition, binding, name))

        def handler_end(self, transition: Any, binding: Any, name: str) -> None:
            seen.append((transition, binding, name))

    m = flat(tracers=[Look()])
    binding = m.bind({"AState": lambda e: seen.append(e.transition)})
    m.add("A")
    before, transition, after = seen
    assert before == after == (transition, binding, "AState")


def test_refused_and_shortcut_mutations_are_not_heard_of(flat: Flat, recorder: Any) -> None:
    def a_state(event: am.Event) -> None:
        m.add("B")
        recorder.clear()
        m.add("B")
        m.add("C")
        assert recorder.lines == []

    m = flat(queue_limit=1, tracers=[recorder])
    m.bind({"AState": a_state})
    m.add("A")
    assert not m.is_err
    assert m.refused >= 1


def test_what_a_transition_says_at_each_hook(flat: Flat) -> None:
    seen: dict[str, Any] = {}

    class Look(am.Tracer):
        def transition_init(self, transition: Any) -> None:
            seen["init"] = (m.transition is transition, m.active, tuple(transition.time_after))

        def transition_finals(self, transition: Any) -> None:
            seen["finals"] = (m.active, tuple(transition.time_after), transition.accepted)

        def transition_end(self, transition: Any) -> None:
            seen["end"] = (
                transition.called,
                transition.before,
                transition.target,
                transition.added,
                transition.removed,
                tuple(transition.time_before),
                tuple(transition.time_after),
            )

    m = flat("A B")
    m.add("A")
    m.bind_tracer(Look())
    m.set("B")
    assert seen["init"] == (True, ("A",), (2, 1, 0))
    assert seen["finals"] == (("B",), (2, 1, 0), True)
    assert seen["end"] == (("B",), ("A",), ("B",), ("B",), ("A",), (1, 0, 0), (2, 1, 0))


def test_time_after_of_a_repaired_transition_is_the_true_one(flat: Flat, recorder: Any) -> None:
    m = flat("A B", tracers=[recorder], handlers={"BState": fail})
    m.add("A", "B")
    assert tuple(recorder.transitions[0].time_after) == (1, 2, 0)
    assert recorder.transitions[0].accepted is False


def test_a_check_predicts_no_change_of_time(flat: Flat, recorder: Any) -> None:
    m = flat("A", tracers=[recorder])
    m.can_add("A")
    transition = recorder.transitions[0]
    assert tuple(transition.time_after) == tuple(transition.time_before) == (0, 0)


# -- life cycle and inheritance -------------------------------------------------------------------


def test_a_new_machine_is_verified_and_announced_once(flat: Flat, recorder: Any) -> None:
    flat(id="m", tracers=[recorder])
    assert sorted(recorder.lines) == ["machine_init m", "verify_states m"]


@pytest.mark.trio
async def test_opening_and_disposing_are_announced(flat: Flat, recorder: Any) -> None:
    m = flat(id="m", tracers=[recorder])
    recorder.clear()
    async with m:
        assert recorder.lines == ["machine_open m"]
    assert recorder.lines == ["machine_open m", "machine_dispose m"]


def test_tracers_of_a_parent_are_inherited_behind_the_own_ones(
    flat: Flat, new_recorder: Any
) -> None:
    order: list[str] = []
    above, own = new_recorder("above"), new_recorder("own")
    above.lines = own.lines = order
    parent = flat(id="parent", tracers=[above])
    order.clear()
    child = flat(id="child", parent=parent, tracers=[own])
    assert [line for line in order if "verify_states" not in line] == [
        "above:new_submachine parent child",
        "own:machine_init child",
        "above:machine_init child",
    ]
    order.clear()
    child.add("A")
    assert order[:2] == ["own:mutation_queued add A", "above:mutation_queued add A"]
    order.clear()
    parent.add("A")
    assert all(line.startswith("above:") for line in order)


def test_tracers_reach_grandchildren(flat: Flat, recorder: Any) -> None:
    top = flat(id="top", tracers=[recorder])
    middle = flat(id="middle", parent=top)
    low = flat(id="low", parent=middle)
    assert recorder.only("new_submachine") == [
        "new_submachine top middle",
        "new_submachine middle low",
    ]
    recorder.clear()
    low.add("A")
    assert recorder.lines[-1] == "queue_end"


def test_a_tracer_bound_later_is_not_told_of_the_start(flat: Flat, recorder: Any) -> None:
    m = flat()
    m.bind_tracer(recorder)
    assert recorder.lines == []
    m.add("A")
    assert recorder.lines[0] == "mutation_queued add A"


def test_a_detached_tracer_hears_nothing_more(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder])
    m.detach_tracer(recorder)
    recorder.clear()
    m.add("A")
    m.dispose()
    assert recorder.lines == []


def test_growth_is_announced_with_the_old_schema(flat: Flat, recorder: Any) -> None:
    m = flat("A", id="m", tracers=[recorder])
    recorder.clear()
    m.set_schema({"A": {}, "Exception": {"multi": True}, "B": {}}, ["A", "Exception", "B"])
    assert sorted(recorder.lines) == ["schema_change 2->3", "verify_states m"]


def test_tracers_may_come_and_go_in_the_middle_of_a_drain(flat: Flat, new_recorder: Any) -> None:
    first, second = new_recorder("first"), new_recorder("second")
    m = flat(tracers=[first])

    def swap(event: am.Event) -> None:
        m.detach_tracer(first)
        m.bind_tracer(second)

    m.bind({"AState": swap})
    m.add("A")
    first.clear()
    second.clear()
    m.add("B")
    assert first.lines == []
    assert second.lines[0] == "second:mutation_queued add B"
    assert second.lines[-1] == "second:queue_end"


# -- tracers that fail ----------------------------------------------------------------------------


def raising(*hooks: str) -> am.Tracer:
    """A tracer whose named hooks raise."""

    def hook(self: am.Tracer, *args: Any) -> None:
        raise RuntimeError("tracer is broken")

    return type("Broken", (am.Tracer,), dict.fromkeys(hooks, hook))()


def scenario(m: am.Machine) -> str:
    """Every kind of transition once; the state it leaves, as text."""
    m.bind({"BState": fail, "CEnter": lambda e: False, "AState": lambda e: e.machine.add("D")})
    results = [m.add("A"), m.add("B"), m.can_add("D"), m.add("C"), m.remove("A")]
    m.log("done")
    m.dispose()
    return f"{' '.join(map(str, results))} {m.string_all()} {m.disposed} {type(m.err).__name__}"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_raises_changes_nothing_but_the_log(flat: Flat, log: Any, hook: str) -> None:
    broken = raising(hook)
    expected = scenario(flat())
    log.clear()
    parent = flat(tracers=[broken], log_level=am.LogLevel.OPS)
    m = flat(parent=parent, log_level=am.LogLevel.OPS)
    assert scenario(m) == expected
    called = hook not in ("machine_open", "schema_change")
    errors = [
        record
        for record in log.records
        if record.levelno == logging.ERROR
        and "tracer" in record.getMessage() + str(record.exc_info)
    ]
    assert bool(errors) == called


def test_a_failing_tracer_does_not_hide_the_others(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[raising(*HOOKS), recorder])
    recorder.clear()
    m.add("A")
    assert recorder.lines[0] == "mutation_queued add A"
    assert recorder.lines[-1] == "queue_end"


@pytest.mark.trio
async def test_a_tracer_that_fails_on_opening_changes_nothing(flat: Flat) -> None:
    m = flat(tracers=[raising("machine_open")])
    async with m:
        assert m.add("A") is am.EXECUTED


def test_a_tracer_may_mutate_and_the_mutation_queues(flat: Flat) -> None:
    results: list[am.Result] = []

    class Mutate(am.Tracer):
        def transition_start(self, transition: Any) -> None:
            if not results:
                results.append(m.add("B"))

    m = flat()
    m.bind_tracer(Mutate())
    m.add("A")
    assert results[0].queued
    assert m.is_("A", "B")


def test_the_base_tracer_has_every_hook_and_does_nothing(flat: Flat) -> None:
    tracer = am.Tracer()
    assert all(callable(getattr(tracer, hook)) for hook in HOOKS)
    m = flat(tracers=[tracer])
    assert m.add("A") is am.EXECUTED
