"""The semantic log: what a transition did, step by step, as data and as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]
Traced = Callable[..., tuple[am.Machine, Any]]


@pytest.fixture
def traced(recorder: Any) -> Traced:
    """Makes a machine with steps on, some states active, and a tracer that keeps transitions."""

    def make(schema: dict[str, Any], *active: str, **handlers: Any) -> tuple[am.Machine, Any]:
        m = am.Machine(schema)
        if active:
            m.add(*active)
        if handlers:
            m.bind(handlers)
        m.sem_log.steps = True
        m.bind_tracer(recorder)
        return m, recorder

    return make


def texts(transition: Any) -> list[str]:
    return [str(step) for step in transition.steps]


def accept(event: am.Event) -> None:
    """A handler of any kind that agrees."""


# -- resolution -----------------------------------------------------------------------------------


def test_steps_of_an_add(traced: Traced) -> None:
    m, seen = traced(
        {"A": {"add": ["B"], "require": ["C"]}, "B": {"remove": ["D"]}, "C": {}, "D": {}}, "D"
    )
    assert m.add("A", "C") is am.EXECUTED
    assert texts(seen.transitions[0]) == [
        "called **A**",
        "called **C**",
        "activate **A**",
        "activate **C**",
        "**A** add **B**",
        "activate **B**",
        "**A** require **C**",
        "**B** remove **D**",
        "deactivate **D**",
        "**A** require **C**",
    ]


def test_steps_of_a_remove(traced: Traced) -> None:
    m, seen = traced({"P": {}, "Q": {"require": ["P"]}, "R": {"require": ["Q"]}}, "P", "Q", "R")
    m.remove("P")
    assert m.active == ()
    assert texts(seen.transitions[0]) == [
        "called **P**",
        "deactivate **P**",
        "**Q** require **P**",
        "deactivate-passive **Q**",
        "**R** require **Q**",
        "**R** require **Q**",
        "deactivate-passive **R**",
    ]


def test_steps_of_a_set(traced: Traced) -> None:
    m, seen = traced({"A": {}, "B": {}, "C": {}, "D": {}}, "A", "B", "C")
    m.set("D", "B")
    assert texts(seen.transitions[0]) == [
        "called **D**",
        "called **B**",
        "activate **D**",
        "deactivate **A**",
        "deactivate **C**",
    ]


def test_an_active_called_state_is_not_activated(traced: Traced) -> None:
    m, seen = traced({"A": {}, "B": {}}, "A")
    m.add("A", "B")
    assert texts(seen.transitions[0]) == ["called **A**", "called **B**", "activate **B**"]


def test_steps_of_several_implied_states(traced: Traced) -> None:
    m, seen = traced({"A": {"add": ["B", "C"]}, "B": {"add": ["D"]}, "C": {}, "D": {}})
    m.add("A")
    assert texts(seen.transitions[0]) == [
        "called **A**",
        "activate **A**",
        "**A** add **B**",
        "**A** add **C**",
        "activate **B**",
        "activate **C**",
        "**B** add **D**",
        "activate **D**",
    ]


def test_steps_of_a_blocked_inactive_state(traced: Traced) -> None:
    m, seen = traced(
        {"A": {"remove": ["B"]}, "B": {}, "Z": {"add": ["B"]}, "Y": {"remove": ["B"]}}, "A"
    )
    assert m.add("Z", "Y") is am.EXECUTED
    assert texts(seen.transitions[0]) == [
        "called **Z**",
        "called **Y**",
        "activate **Z**",
        "activate **Y**",
        "**Z** add **B**",
        "activate **B**",
        "**Y** remove **B**",
        "**A** remove **B**",
        "deactivate-passive **B**",
        # Pass 2 implies again what pass 1 struck; then the blockers strike it once more.
        "**Z** add **B**",
        "activate **B**",
    ]


def test_steps_of_a_refusal_by_require(traced: Traced) -> None:
    m, seen = traced({"A": {"require": ["C"]}, "C": {}})
    assert m.add("A") is am.CANCELED
    assert texts(seen.transitions[0]) == [
        "called **A**",
        "activate **A**",
        "**A** require **C**",
        "deactivate-passive **A**",
        "cancel **C**",
        "cancel **A**",
    ]


def test_steps_of_a_refusal_by_remove(traced: Traced) -> None:
    m, seen = traced({"C": {"remove": ["D"]}, "D": {}}, "C")
    assert m.add("D") is am.CANCELED
    assert texts(seen.transitions[0]) == [
        "called **D**",
        "activate **D**",
        "**C** remove **D**",
        "deactivate-passive **D**",
        "cancel **D**",
    ]


def test_an_order_decided_by_after_is_a_step(traced: Traced) -> None:
    m, seen = traced({"A": {"after": ["C"]}, "B": {}, "C": {}})
    m.add("A", "B", "C")
    transition = seen.transitions[0]
    assert transition.target == ("B", "C", "A")
    after = [step for step in transition.steps if " after " in str(step)]
    assert after, "the comparison that decided is told"
    assert {(step.from_state, step.to_state) for step in after} == {(2, 0)}
    assert {str(step) for step in after} == {"**C** after **A**"}


# -- handlers -------------------------------------------------------------------------------------


def test_the_text_of_a_transition_before_its_negotiation_ends(traced: Traced) -> None:
    seen: list[str] = []

    def any_enter(event: am.Event) -> None:
        seen.append(str(event.transition))

    m, recorder = traced(
        {"A": {}, "B": {}, "C": {}, "D": {}}, "A", AExit=accept, AnyEnter=any_enter
    )
    m.set("D")
    assert seen == [
        f"tx#{recorder.transitions[0].id}\n"
        "[set] D\n"
        "- called **D**\n"
        "- activate **D**\n"
        "- deactivate **A**\n"
        "- handler **A**Exit"
    ]


def test_the_text_of_a_transition_names_its_source(traced: Traced) -> None:
    m, recorder = traced({"A": {}, "B": {}, "C": {}}, "C", AState=lambda e: e.machine.add("B"))
    m.add("A")
    first, second = recorder.transitions
    assert str(second) == (
        f"tx#{second.id}\n"
        "[add] B\n"
        f"source: [tx]({m.id}/{first.id}/t1)\n"
        "- called **B**\n"
        "- activate **B**"
    )


def test_each_kind_of_handler_is_a_step(traced: Traced) -> None:
    names = ["AExit", "BEnter", "CC", "AB", "AnyEnter", "AEnd", "BState", "AnyState"]
    m, seen = traced({"A": {}, "B": {}, "C": {}}, "A", "C", **dict.fromkeys(names, accept))
    m.set("B", "C")
    steps = [step for step in seen.transitions[0].steps if step.kind is am.StepKind.HANDLER]
    assert [str(step) for step in steps] == [
        "handler **A**Exit",
        "handler **B**Enter",
        "handler **C****C**",
        "handler **A****B**",
        "handler **Any**Enter",
        "handler **A**End",
        "handler **B**State",
        "handler **Any**State",
    ]
    assert [(step.from_state, step.to_state) for step in steps] == [
        (0, None),
        (None, 1),
        (None, 2),
        (0, 1),
        (None, None),
        (None, 0),
        (None, 1),
        (None, None),
    ]
    flags = [(step.is_final, step.is_enter, step.is_self) for step in steps]
    assert flags[:4] == [
        (False, False, False),
        (False, True, False),
        (False, False, True),
        (False, False, False),
    ]
    assert flags[5:7] == [(True, False, False), (True, True, False)]
    assert (flags[4][0], flags[7][0]) == (False, True)


def test_a_name_with_several_bindings_is_one_step(traced: Traced) -> None:
    m, seen = traced({"A": {}}, AState=accept)
    m.bind({"AState": accept})
    m.add("A")
    assert texts(seen.transitions[0]).count("handler **A**State") == 1


def test_a_handler_that_rejects_is_still_a_step(traced: Traced) -> None:
    m, seen = traced({"A": {}}, AEnter=lambda e: False)
    m.add("A")
    assert texts(seen.transitions[0])[-1] == "handler **A**Enter"


# -- data -----------------------------------------------------------------------------------------


def test_steps_are_data_by_index(traced: Traced) -> None:
    m, seen = traced({"A": {"add": ["B"]}, "B": {}, "C": {}}, "C")
    m.set("A")
    steps = seen.transitions[0].steps
    assert all(isinstance(step, am.Step) for step in steps)
    kinds = am.StepKind
    assert [(step.kind, step.from_state, step.to_state) for step in steps] == [
        (kinds.CALLED, None, 0),
        (kinds.ACTIVATE, None, 0),
        (kinds.DEACTIVATE, None, 2),
        (kinds.RELATION, 0, 1),
        (kinds.ACTIVATE, None, 1),
    ]
    assert [step.relation is None for step in steps] == [True, True, True, False, True]


def test_passive_deactivation_has_the_state_as_its_origin_or_aim(traced: Traced) -> None:
    m, seen = traced({"A": {"require": ["B"], "add": ["C"]}, "B": {"remove": ["C"]}, "C": {}}, "B")
    m.add("A")
    blocked = [s for s in seen.transitions[0].steps if s.kind is am.StepKind.DEACTIVATE_PASSIVE]
    assert [(s.from_state, s.to_state) for s in blocked] == [(None, 2)]
    m, seen = traced({"A": {"require": ["B"]}, "B": {}}, "B")
    m.add("A")
    m.remove("B")
    dropped = [s for s in seen.transitions[-1].steps if s.kind is am.StepKind.DEACTIVATE_PASSIVE]
    assert [(s.from_state, s.to_state) for s in dropped] == [(0, None)]


def test_there_is_a_kind_for_each_event() -> None:
    assert {kind.name for kind in am.StepKind} == {
        "CALLED",
        "ACTIVATE",
        "DEACTIVATE",
        "DEACTIVATE_PASSIVE",
        "RELATION",
        "CANCEL",
        "HANDLER",
    }


def test_touched_states_are_those_of_any_step(traced: Traced) -> None:
    m, seen = traced(
        {"A": {"add": ["B"], "require": ["C"]}, "B": {"remove": ["D"]}, "C": {}, "D": {}, "E": {}},
        "D",
    )
    m.add("A", "C")
    assert tuple(seen.transitions[0].touched) == ("A", "C", "B", "D")


def test_added_and_removed_compare_ticks(traced: Traced) -> None:
    m, seen = traced(
        {"A": {"multi": True}, "B": {}, "C": {"remove": ["B"]}, "D": {}}, "A", "B", "D"
    )
    m.add("A", "C")
    transition = seen.transitions[0]
    assert transition.added == ("A", "C"), "a re-entered multi state counts as added"
    assert transition.removed == ("B",)


def test_steps_are_kept_only_while_they_are_on(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder])
    m.add("A")
    m.sem_log.steps = True
    m.add("B")
    m.sem_log.steps = False
    m.add("C")
    assert [bool(tx.steps) for tx in recorder.transitions] == [False, True, False]


def test_steps_are_the_same_with_a_cached_plan(traced: Traced) -> None:
    m, seen = traced({"A": {"add": ["B"], "remove": ["C"]}, "B": {}, "C": {}}, AState=accept)
    for _ in range(3):
        m.add("A")
        m.set("C")
    first, _, second, _, third, _ = map(texts, seen.transitions)
    assert second == third
    assert first == [
        text for text in second if text not in ("**A** remove **C**", "deactivate **C**")
    ]


def test_steps_of_checks_are_kept_if_checks_are_enabled(traced: Traced) -> None:
    m, seen = traced({"A": {}})
    m.can_add("A")
    assert not seen.transitions[0].steps
    m.sem_log.checks = True
    m.can_add("A")
    assert texts(seen.transitions[1]) == ["called **A**", "activate **A**"]


def test_an_auto_transition_has_steps_too(traced: Traced) -> None:
    m, seen = traced({"A": {}, "B": {"auto": True}})
    m.add("A")
    assert texts(seen.transitions[1])[:2] == ["called **B**", "activate **B**"]


def test_the_switches_are_off_at_first(flat: Flat) -> None:
    switches = flat().sem_log
    names = ["steps", "graph", "checks", "queued", "args", "when", "state_ctx"]
    assert [getattr(switches, name) for name in names] == [False] * len(names)


@pytest.mark.parametrize(
    "name", ["steps", "graph", "checks", "queued", "args", "when", "state_ctx"]
)
def test_each_switch_switches_itself_alone(flat: Flat, name: str) -> None:
    switches = flat().sem_log
    setattr(switches, name, True)
    on = [one for one in type(switches).SWITCHES if getattr(switches, one)]
    assert on == [name]
    setattr(switches, name, False)
    assert not getattr(switches, name)


def test_the_semantic_log_lists_pipes_until_they_are_gone(flat: Flat, log: Any) -> None:
    m = flat("Foo", log_level=am.LogLevel.OPS)
    m.sem_log.pipe_out("add", "Foo", "m2")
    m.sem_log.pipe_in("remove", "Foo", "m1")
    assert [tuple(pipe) for pipe in m.sem_log.pipes] == [
        ("out", "add", "Foo", "m2"),
        ("in", "remove", "Foo", "m1"),
    ]
    m.sem_log.pipe_gc("m1")
    m.sem_log.pipe_gc("m1")
    assert [pipe.machine_id for pipe in m.sem_log.pipes] == ["m2"]
    assert log.starting("[pipe") == [
        "[pipe-out:add] Foo to m2",
        "[pipe-in:remove] Foo from m1",
        "[pipe:gc] m1",
    ]
