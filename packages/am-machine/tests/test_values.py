"""What the engine hands out: texts, equality, copies and small corner cases of its values."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]


# --- results ------------------------------------------------------------------------------------


def test_a_result_is_settled_once() -> None:
    result, error = am.Result(queue_tick=5), RuntimeError("why")
    assert repr(result) == "<Result queued 5 -> pending>"
    result.settle(am.CANCELED, error)
    result.settle(am.EXECUTED)
    assert (result.outcome, result.error) == (am.CANCELED, error)
    assert repr(result) == "<Result queued 5 -> canceled>"
    assert repr(am.EXECUTED) == "<Result executed>"


def test_a_result_is_settled_with_an_outcome_only() -> None:
    result = am.Result()
    for wrong in (None, am.Result(), "executed"):
        with pytest.raises(ValueError, match="EXECUTED or CANCELED"):
            result.settle(wrong)  # type: ignore[arg-type]
    assert result.outcome is None


def test_the_singletons_stay_singletons_when_pickled() -> None:
    for result in (am.EXECUTED, am.CANCELED):
        assert pickle.loads(pickle.dumps(result)) is result


@pytest.mark.trio
async def test_many_tasks_may_await_one_open_result() -> None:
    result, outcomes = am.Result(), list[am.Result]()

    async def wait() -> None:
        outcomes.append(await result)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert outcomes == []
        result.settle(am.EXECUTED)
    assert outcomes == [am.EXECUTED] * 3


# --- sources ------------------------------------------------------------------------------------


def test_a_source_is_a_value() -> None:
    source = am.Source("m", "0123", 7, hops=2)
    assert source == am.Source("m", "0123", 7, 2)
    assert hash(source) == hash(am.Source("m", "0123", 7, 2))
    assert source != am.Source("m", "0123", 7, 3)
    assert source != "m/0123/7"
    assert str(source) == "m/0123/7"
    assert repr(source) == "<Source m/0123/7 hops=2>"


def test_mutations_can_be_caused_by_a_record_from_elsewhere(flat: Flat, recorder: Any) -> None:
    machine, source = flat(tracers=[recorder]), am.Source("far", "ab" * 8, 3, hops=4)
    seen: list[am.Source | None] = []
    machine.bind({"AState": lambda e: seen.extend([e.source, am.current_source()])})
    with am.use_source(source):
        assert am.current_source() == source
        machine.add("A")
        with am.use_source(None):
            machine.add("B")
    assert am.current_source() is None
    assert [m.source for m in recorder.mutations] == [source, None]
    inner = seen[1]
    assert seen[0] == source
    assert inner is not None
    assert (inner.machine_id, inner.hops) == (machine.id, 5)


# --- texts --------------------------------------------------------------------------------------


def test_texts_for_people_who_debug(flat: Flat, recorder: Any) -> None:
    machine = flat("A B", id="m", tracers=[recorder])
    events: list[am.Event] = []
    binding = machine.bind({"AState": events.append}, name="work")
    context, wait = machine.state_ctx("B", inactive=True), machine.when("A", "B")
    assert repr(machine) == "<Machine m ()>"
    assert repr(binding) == "<Binding 0:work>"
    assert repr(context) == "<StateContext B:0 current>"
    assert repr(wait) == "<Wait A B pending>"
    machine.add("A", "B")
    assert repr(machine) == "<Machine m (A:1 B:1)>"
    assert repr(context) == "<StateContext B:0 expired>"
    assert repr(wait) == "<Wait A B met>"
    assert repr(events[0]) == "<Event AState of <Machine m (A:1 B:1)>>"
    transition = recorder.transitions[0]
    assert repr(transition) == f"<Transition {transition.id} [add] A B>"
    assert repr(transition.mutation) == "<Mutation [add] A B>"
    assert transition.kind == "add"
    assert repr(machine.schema) == "<Schema of 3 states>"
    never = machine.when("Exception")
    never.cancel()
    assert repr(never) == "<Wait Exception ended>"


def test_a_step_is_a_value(flat: Flat, recorder: Any) -> None:
    machine = flat("A", tracers=[recorder])
    machine.sem_log.steps = True
    machine.add("A")
    machine.remove("A")
    machine.add("A")
    first, _, again = recorder.transitions
    assert first.steps == again.steps
    assert len({*first.steps, *again.steps}) == len(set(first.steps))
    assert first.steps[0] != "called **A**"
    assert repr(first.steps[0]) == "<Step called **A**>"


def test_a_schema_is_hashable_by_identity() -> None:
    one, other = am.compile_schema({"A": {}}), am.compile_schema({"A": {}})
    assert len({one, other, am.compile_schema(one)}) == 2


# --- events -------------------------------------------------------------------------------------


def test_an_event_offers_every_mutation_of_its_machine(flat: Flat) -> None:
    machine, error = flat(), RuntimeError("given")

    def handle(event: am.Event) -> None:
        event.toggle("B")
        event.set("C", "D")
        event.add("A")
        event.remove("D")
        event.add_err(error)

    machine.bind({"AState": handle}).detach()
    binding = machine.bind({"BState": handle})
    machine.add("B")
    binding.detach()
    assert machine.active == ("A", "C", "Exception")
    assert machine.err is error


def test_keeping_an_event_twice_keeps_what_it_told_first(flat: Flat) -> None:
    machine, kept = flat("M", multi="M"), list[am.Event]()
    machine.bind({"MState": lambda e: kept.append(e.keep())})
    machine.add("M")
    machine.add("M")
    assert kept[0].keep() is kept[0]
    assert [e.tick for e in kept] == [1, 3]


# --- misuse -------------------------------------------------------------------------------------


def test_a_handler_of_a_mapping_has_to_be_callable(flat: Flat) -> None:
    with pytest.raises(am.HandlerError, match="AState"):
        flat().bind({"AState": "not callable"})


def test_a_plain_attribute_named_like_a_handler_is_left_alone(flat: Flat) -> None:
    class Work:
        AState = "just a constant"

        def BState(self, event: am.Event) -> None:
            """An object without any handler would be refused."""

    machine = flat(handlers=Work())
    assert machine.handler_names == ("BState",)
    assert machine.add("A") is am.EXECUTED


@pytest.mark.parametrize("wrong", [-1, float("nan")])
def test_a_senseless_timeout_is_refused(flat: Flat, wrong: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        flat(handler_timeout=wrong)
    machine = flat()
    with pytest.raises(ValueError, match="timeout"):
        machine.handler_timeout = wrong
    assert machine.handler_timeout == 1.0


def test_a_senseless_question_about_the_queue_is_refused(flat: Flat) -> None:
    machine = flat()
    with pytest.raises(ValueError, match="middle"):
        machine.is_queued("add", "A", position="middle")
    with pytest.raises(ValueError, match="toggle"):
        machine.is_queued("toggle", "A")


def test_names_that_cannot_be_hashed_are_unknown_states(flat: Flat) -> None:
    machine = flat()
    wrong: Any = {"A"}
    for call in (machine.is_, machine.not_, machine.tick, machine.add, machine.when):
        with pytest.raises(am.UnknownStateError):
            call(wrong)


def test_a_relation_that_is_no_iterable_survives_extend_as_a_fault() -> None:
    class Base(am.States):
        A = am.State(add=5)  # type: ignore[arg-type]
        B = am.State(add=["A"])

    class Child(Base):
        A = Base.A.extend(add=["B"])
        B = Base.B.extend(add=7)  # type: ignore[arg-type]

    with pytest.raises(am.SchemaError) as caught:
        Child.schema()
    assert len(caught.value.faults) == 2


def test_a_group_that_is_no_iterable_of_names_is_a_fault() -> None:
    for wrong in ("A", 5):
        with pytest.raises(am.SchemaError, match="group Some"):
            am.Schema({"A": {}}, groups={"Some": wrong})  # type: ignore[dict-item]


# --- ends ---------------------------------------------------------------------------------------


def test_what_is_asked_of_a_disposed_machine_is_over(flat: Flat) -> None:
    machine = flat()
    open_result = am.Result(queue_tick=2)
    machine.dispose()
    assert machine.state_ctx("A").expired
    waits = [machine.when_args("A", id=1), machine.when_queue(open_result), machine.when("A")]
    assert [w.done for w in waits] == [True] * 3


def test_detaching_a_tracer_that_is_not_there_is_ignored(flat: Flat, recorder: Any) -> None:
    machine = flat()
    machine.detach_tracer(recorder)
    machine.bind_tracer(recorder)
    machine.detach_tracer(am.Tracer())
    machine.add("A")
    machine.detach_tracer(recorder)
    machine.detach_tracer(recorder)
    machine.add("B")
    assert [str(m) for m in recorder.mutations] == ["[add] A"]
    assert len(machine.tracers) == 0


def test_children_that_are_gone_do_not_hinder_dispose(flat: Flat, recorder: Any) -> None:
    parent = flat(id="parent")
    flat(id="gone", parent=parent)
    kept = flat(id="kept", parent=parent, tracers=[recorder])
    parent.dispose()
    assert kept.disposed
    assert recorder.only("machine_dispose") == ["machine_dispose kept"]


def test_arg_waits_do_not_disturb_the_order_of_finals(flat: Flat) -> None:
    machine, calls = flat("A B C"), list[str]()
    machine.add("A")
    wait = machine.when_args("B", id=1)

    def note(event: am.Event) -> None:
        calls.append(f"{event.name} {wait.done}")

    machine.bind(dict.fromkeys(["AEnd", "BState", "CState", "AnyState"], note))
    machine.set("B", "C", id=1)
    assert calls == ["AEnd False", "BState False", "CState True", "AnyState True"]


def test_a_query_of_a_machine_that_only_follows_keeps_its_error() -> None:
    replica, error = am.BaseMachine({"A": {}}), RuntimeError("bad query")

    def fail(clock: Any) -> bool:
        if clock["A"]:
            raise error
        return False

    wait = replica.when_query(fail)
    replica.advance([(0, 1)])
    assert wait.done
    assert replica.err is error
