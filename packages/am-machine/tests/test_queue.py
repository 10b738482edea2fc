"""The queue: order, results, limits, duplicates, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]


def inside(machine: am.Machine, body: Callable[[am.Event], Any], state: str = "A") -> am.Result:
    """Run `body` in the final handler of a state that is added, i.e. while a transition runs."""
    binding = machine.bind({f"{state}State": body})
    result = machine.add(state)
    binding.detach()
    return result


# --- results ------------------------------------------------------------------------------------


def test_a_mutation_from_outside_is_settled_when_it_returns(flat: Flat) -> None:
    machine = flat(handlers={"BEnter": lambda e: False})
    assert machine.add("A") is am.EXECUTED
    assert machine.add("B") is am.CANCELED
    assert machine.remove("B") is am.EXECUTED
    assert machine.set("C") is am.EXECUTED


def test_the_settled_singletons() -> None:
    for result, text in ((am.EXECUTED, "executed"), (am.CANCELED, "canceled")):
        assert str(result) == text
        assert (result.queued, result.queue_tick, result.error) == (False, 0, None)
        assert result.outcome is result
    assert (am.EXECUTED.executed, am.EXECUTED.canceled, bool(am.EXECUTED)) == (True, False, True)
    assert (am.CANCELED.executed, am.CANCELED.canceled, bool(am.CANCELED)) == (False, True, False)


def test_a_queued_result_tells_its_outcome_once_it_is_known(flat: Flat) -> None:
    machine, results = flat(handlers={"BEnter": lambda e: False}), list[am.Result]()
    inside(machine, lambda e: results.extend([machine.add("B"), machine.add("C")]))
    refused, done = results
    assert (refused.queued, done.queued) == (True, True)
    assert (refused.queue_tick, done.queue_tick) == (3, 4)
    assert (refused.outcome, done.outcome) == (am.CANCELED, am.EXECUTED)
    assert (refused.canceled, refused.executed, bool(refused)) == (True, False, False)
    assert (done.canceled, done.executed, bool(done)) == (False, True, True)
    assert str(done) == str(refused) == "queued"


def test_a_queued_result_is_true_while_it_is_open(flat: Flat) -> None:
    machine, seen = flat(), list[Any]()

    def body(event: am.Event) -> None:
        result = machine.add("B")
        seen.append((bool(result), result.outcome, result.executed, result.canceled))

    inside(machine, body)
    assert seen == [(True, None, False, False)]


def test_the_outer_call_returns_the_outcome_of_its_own_mutation(flat: Flat) -> None:
    machine = flat(handlers={"BEnter": lambda e: False})
    assert inside(machine, lambda e: machine.add("B")) is am.EXECUTED
    machine = flat(handlers={"AEnter": lambda e: machine.add("B") and False})
    assert machine.add("A") is am.CANCELED
    assert machine.active == ("B",)


@pytest.mark.trio
async def test_awaiting_a_result_gives_its_outcome_as_often_as_wanted(flat: Flat) -> None:
    machine, results = flat(handlers={"BEnter": lambda e: False}), list[am.Result]()
    assert await machine.add("C") is am.EXECUTED
    assert await machine.add("B") is am.CANCELED
    inside(machine, lambda e: results.append(machine.add("B")))
    assert await results[0] is am.CANCELED
    assert await results[0] is am.CANCELED


def test_remove_is_executed_if_nothing_called_is_left_active() -> None:
    machine = am.Machine({"A": {"multi": True, "add": ["B"]}, "B": {}})
    machine.add("A")
    assert machine.remove("B") is am.EXECUTED
    assert machine.remove("B") is am.EXECUTED
    assert machine.remove() is am.EXECUTED


# --- the order of the queue ---------------------------------------------------------------------


def test_mutations_in_a_handler_run_in_the_order_of_their_calls(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])
    inside(machine, lambda e: (machine.add("B"), machine.remove("A"), machine.set("C", "D")))
    assert [str(tx.mutation) for tx in recorder.transitions] == [
        "[add] A", "[add] B", "[remove] A", "[set] C D",
    ]  # fmt: skip


def test_nested_mutations_wait_until_the_transition_ended(flat: Flat) -> None:
    machine, order = flat(), list[str]()
    machine.bind({
        "AState": lambda e: order.extend(["A", str(machine.add("B"))]),
        "AnyState": lambda e: order.append("any"),
        "BState": lambda e: order.append("B"),
    })  # fmt: skip
    machine.add("A")
    assert order == ["A", "queued", "any", "B", "any"]


def test_auto_comes_before_exceptions_and_they_before_the_queued(flat: Flat, recorder: Any) -> None:
    machine = flat("A B X", auto="X", tracers=[recorder])

    def fail_once(event: am.Event) -> None:
        if not machine.is_err:
            raise ValueError("boom")

    machine.bind({"XEnter": fail_once})
    inside(machine, lambda e: machine.add("B"))
    assert [(tx.auto, tx.called) for tx in recorder.transitions] == [
        (False, ("A",)), (True, ("X",)), (False, ("Exception",)), (False, ("B",)), (True, ("X",)),
    ]  # fmt: skip
    assert machine.is_("A", "B", "X", "Exception")


def test_two_prepends_run_last_in_first_out(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])
    inside(machine, lambda e: (machine.add("D"), machine.can_add("B"), machine.can_remove("C")))
    assert [(tx.mutation.is_check, tx.called) for tx in recorder.transitions] == [
        (False, ("A",)), (True, ("C",)), (True, ("B",)), (False, ("D",)),
    ]  # fmt: skip


def test_a_machine_mutated_by_the_handler_of_another_drains_at_once(flat: Flat) -> None:
    outer, inner = flat(id="outer"), flat(id="inner")
    seen = list[Any]()
    inside(outer, lambda e: seen.append((inner.add("B"), inner.active)))
    assert seen == [(am.EXECUTED, ("B",))]


def test_a_mutation_that_comes_back_through_another_machine_is_queued(flat: Flat) -> None:
    outer, inner = flat(id="outer"), flat(id="inner")
    results = list[am.Result]()
    inner.bind({"BState": lambda e: results.append(outer.add("C"))})
    inside(outer, lambda e: inner.add("B"))
    assert results[0].queued
    assert outer.active == ("A", "C")


# --- the limit ----------------------------------------------------------------------------------


def test_the_1001st_pending_add_in_one_handler_is_canceled(flat: Flat) -> None:
    machine, results = flat(), list[am.Result]()
    inside(machine, lambda e: results.extend(machine.add("B", n=n) for n in range(1002)))
    assert [r.queued for r in results] == [True] * 1000 + [False] * 2
    assert results[1000] is am.CANCELED
    assert machine.refused == 2
    assert machine.queue_tick == 1002


def test_with_a_full_queue_exception_passes_while_it_is_inactive(flat: Flat) -> None:
    machine, results = flat(queue_limit=1), list[Any]()

    def body(event: am.Event) -> None:
        results.extend([machine.add("B"), machine.add("C"), machine.set("Exception")])
        results.extend([machine.remove("Exception"), machine.add("C", "Exception", x=1)])
        results.append(machine.add_err(RuntimeError("late")))

    inside(machine, body)
    assert [str(r) for r in results] == [
        "queued", "canceled", "canceled", "canceled", "queued", "queued",
    ]  # fmt: skip
    assert machine.refused == 3
    assert machine.is_("A", "B", "C", "Exception")


def test_with_a_full_queue_exception_can_be_removed_while_it_is_active(flat: Flat) -> None:
    machine, results = flat(queue_limit=1), list[Any]()
    machine.add_err(RuntimeError("early"))

    def body(event: am.Event) -> None:
        results.extend([machine.add("B"), machine.add_err(RuntimeError("late"))])
        results.append(machine.remove("Exception"))

    inside(machine, body)
    assert [str(r) for r in results] == ["queued", "canceled", "queued"]
    assert not machine.is_err
    assert str(machine.err) == "late", "the error is kept though its mutation was refused"


def test_prepends_know_no_limit(flat: Flat) -> None:
    machine, results = flat("A B X", auto="X", queue_limit=1), list[Any]()
    inside(machine, lambda e: results.extend([machine.add("B"), machine.can_add("B")]))
    assert [r.queued for r in results] == [True, True]
    assert machine.active == ("A", "B", "X")


def test_a_mutation_from_outside_needs_one_place(flat: Flat) -> None:
    machine = flat(queue_limit=0)
    assert machine.add("A") is am.CANCELED
    assert machine.remove("A") is am.CANCELED
    assert machine.add("Exception") is am.EXECUTED
    assert machine.refused == 2


# --- nothing is answered ahead of its turn --------------------------------------------------------


def test_removing_what_is_inactive_in_a_handler_waits_for_its_turn(flat: Flat) -> None:
    machine, results = flat(), list[am.Result]()

    def body(event: am.Event) -> None:
        results.append(machine.remove("B", "C"))
        results.append(machine.remove())
        results.append(machine.remove("B", "A"))
        results.append(machine.remove("B"))

    inside(machine, body)
    assert [r.queued for r in results] == [True] * 4
    assert [r.outcome for r in results] == [am.EXECUTED] * 4
    assert machine.active == ()


def test_a_remove_asked_by_a_vote_undoes_the_activation_under_way(flat: Flat) -> None:
    machine, results = flat(), list[am.Result]()
    machine.bind({"AEnter": lambda e: results.append(machine.remove("A"))})
    assert machine.add("A") is am.EXECUTED
    assert results[0].outcome is am.EXECUTED
    assert machine.clock("A") == {"A": 2}


def test_a_remove_of_what_an_auto_mutation_adds_comes_after_it(flat: Flat) -> None:
    machine, results = flat("A X", auto="X"), list[am.Result]()
    machine.bind({"AState": lambda e: results.append(machine.remove("X"))})
    machine.add("A")
    assert results[0].outcome is am.EXECUTED
    # It left, and being an auto state it followed the removal.
    assert machine.clock("X") == {"X": 3}


def test_removing_outside_of_a_drain_is_a_transition_even_if_nothing_is_active(
    flat: Flat, recorder: Any
) -> None:
    machine = flat(tracers=[recorder])
    assert machine.remove("A") is am.EXECUTED
    assert len(recorder.transitions) == 1
    assert machine.queue_tick == 2


DUPLICATES = {
    "same set in another order": ("add", "C B", {}, "add", "B C", {}, True),
    "remove as well": ("remove", "A", {}, "remove", "A", {}, True),
    "nothing called": ("remove", "", {}, "remove", "", {}, True),
    "no set is a duplicate": ("set", "B", {}, "set", "B", {}, False),
    "nor one that calls nothing": ("set", "", {}, "set", "", {}, False),
    "a subset is another mutation": ("add", "B C", {}, "add", "B", {}, False),
    "a superset is another mutation": ("add", "B", {}, "add", "B C", {}, False),
    "another kind": ("add", "B", {}, "set", "B", {}, False),
    "a multi state is never a duplicate": ("add", "M", {}, "add", "M", {}, False),
    "nor with others": ("add", "B M", {}, "add", "B M", {}, False),
    "args make a difference in the new": ("add", "B", {}, "add", "B", {"x": 1}, False),
    "args make a difference in the queued": ("add", "B", {"x": 1}, "add", "B", {}, False),
    "equal args too": ("add", "B", {"x": 1}, "add", "B", {"x": 1}, False),
    "a check is no match": ("can_add", "B", {}, "add", "B", {}, False),
    "checks are never duplicates": ("can_add", "B", {}, "can_add", "B", {}, False),
}


@pytest.mark.parametrize("case", DUPLICATES.values(), ids=DUPLICATES.keys())
def test_duplicates(flat: Flat, case: tuple[str, str, Any, str, str, Any, bool]) -> None:
    kind1, states1, args1, kind2, states2, args2, duplicate = case
    machine, seen = flat("A B C M", multi="M"), list[Any]()

    def body(event: am.Event) -> None:
        assert getattr(machine, kind1)(*states1.split(), **args1).queued
        size = len(machine.queue)
        seen.append((getattr(machine, kind2)(*states2.split(), **args2), len(machine.queue) - size))

    inside(machine, body)
    result, growth = seen[0]
    assert (result is am.EXECUTED, growth) == ((True, 0) if duplicate else (False, 1))


def test_no_update_is_lost_to_an_equal_one_before_its_opposite(flat: Flat) -> None:
    machine, results = flat(), list[am.Result]()
    inside(machine, lambda e: results.extend(
        [machine.add("B"), machine.remove("B"), machine.add("B")]))  # fmt: skip
    assert [str(r) for r in results] == ["queued", "queued", "queued"]
    assert machine.active == ("A", "B")


@pytest.mark.parametrize("between", ["add C", "remove B", "set B", "add"])
def test_a_duplicate_is_looked_for_at_the_end_of_the_queue_only(flat: Flat, between: str) -> None:
    machine, results = flat(), list[am.Result]()
    kind, *states = between.split()
    inside(machine, lambda e: results.extend(
        [machine.add("B"), getattr(machine, kind)(*states), machine.add("B")]))  # fmt: skip
    assert [r.queued for r in results] == [True, True, True]


def test_checks_in_between_do_not_hide_a_duplicate(flat: Flat) -> None:
    machine, results = flat(), list[am.Result]()
    inside(machine, lambda e: results.extend(
        [machine.add("B"), machine.can_add("C"), machine.add("B")]))  # fmt: skip
    assert [r.queued for r in results] == [True, True, False]
    assert results[2] is am.EXECUTED


def test_a_duplicate_is_logged_as_skipped(flat: Flat, log: Any) -> None:
    machine = flat(log_level=am.LogLevel.OPS)
    inside(machine, lambda e: [machine.add("B", "C"), machine.add("C", "B")])
    assert log.starting("[queue:skipped]") == ["[queue:skipped] Duplicate detected for [add] C B"]


def test_the_running_mutation_is_no_duplicate(flat: Flat) -> None:
    machine, results = flat(), list[am.Result]()

    def refuse_once(event: am.Event) -> bool:
        results.append(event.add("A"))
        return len(results) > 1

    machine.bind({"AEnter": refuse_once})
    assert machine.add("A") is am.CANCELED
    assert results[0].queued
    assert machine.active == ("A",)


def test_a_queued_auto_mutation_counts_as_a_match(flat: Flat) -> None:
    machine, results = flat("A B X", auto="X"), list[am.Result]()

    class Sneak(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            if transition.called == ("A",):
                results.extend([machine.add("X"), machine.add("X", "B")])

    machine.bind_tracer(Sneak())
    machine.add("A")
    assert results[0] is am.EXECUTED
    assert results[1].queued


# --- toggle -------------------------------------------------------------------------------------


def test_toggle_removes_if_all_are_active_and_adds_otherwise(flat: Flat) -> None:
    machine = flat()
    steps = []
    for states in (("A", "B"), ("B", "C"), ("A", "C")):
        assert machine.toggle(*states) is am.EXECUTED
        steps.append(machine.active)
    assert steps == [("A", "B"), ("A", "B", "C"), ("B",)]


def test_toggle_passes_args_on(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])
    machine.toggle("A", x=1)
    assert dict(recorder.mutations[-1].args) == {"x": 1}


def test_toggle_of_nothing_is_a_remove(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])
    machine.toggle()
    assert recorder.mutations[-1].kind == "remove"


def test_toggle_is_decided_at_the_call(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])
    inside(machine, lambda e: (machine.add("B"), machine.toggle("B"), machine.toggle("A")))
    # The toggle of B was an add, hence a duplicate.
    assert [str(m) for m in recorder.mutations[1:]] == ["[add] B", "[remove] A"]
    assert machine.active == ("B",)


# --- queries ------------------------------------------------------------------------------------


def queries(machine: am.Machine) -> None:
    is_queued = machine.is_queued
    assert is_queued("add", "B")
    assert is_queued("add", "C", "B")
    assert not is_queued("add", "D")
    assert not is_queued("set", "B")
    assert is_queued("add")
    assert not is_queued("add", "B", exact=True)
    assert is_queued("add", "C", "B", exact=True)
    assert is_queued("remove", "A", without_args=False)
    assert not is_queued("remove", "A", without_args=True)
    assert is_queued("remove", "A", min_tick=4)
    assert not is_queued("remove", "A", min_tick=5)
    assert is_queued("add", "D", check=True)
    assert not is_queued("remove", "D", check=True)
    assert is_queued("add", "D", check=True, position="first")
    assert not is_queued("add", "B", position="first")
    assert is_queued("remove", "A", position="last")
    assert not is_queued("add", "B", position="last")
    assert machine.will_be("B")
    assert not machine.will_be("A")
    assert not machine.will_be("Imp"), "implied states are not seen"
    assert machine.will_be_removed("A")
    assert not machine.will_be_removed("B")
    assert [str(m) for m in machine.queue] == ["[add] D", "[add] B C", "[remove] A"]
    assert [m.queue_tick for m in machine.queue] == [0, 3, 4]


def test_what_is_queued_can_be_asked() -> None:
    schema: dict[str, Any] = {"A": {}, "B": {"add": ["Imp"]}, "C": {}, "D": {}, "Imp": {}}
    machine, ran = am.Machine(schema), list[bool]()

    def body(event: am.Event) -> None:
        machine.add("B", "C")
        machine.remove("A", why="test")
        machine.can_add("D")
        queries(machine)
        ran.append(True)

    inside(machine, body)
    assert ran, machine.err
    assert machine.err is None
    assert machine.queue == ()
    assert not machine.is_queued("add")
    assert not machine.will_be("B")


def test_args_of_a_mutation_are_a_read_only_copy(flat: Flat, recorder: Any) -> None:
    machine, given = flat(tracers=[recorder]), {"x": [1]}
    machine.add("A", **given)
    args = recorder.mutations[-1].args
    assert dict(args) == given
    assert args["x"] is given["x"]
    with pytest.raises(TypeError):
        args["x"] = 2


def test_called_states_keep_their_order_and_drop_duplicates(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])
    machine.add("C", "A", "C", "B", "A")
    assert recorder.mutations[-1].called == ("C", "A", "B")


def test_a_tracer_sees_the_queue_end_once_per_drain(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder])
    inside(machine, lambda e: machine.add("B"))
    assert recorder.only("queue_end") == ["queue_end"]


# --- tracers that mutate ------------------------------------------------------------------------


class Meddler(am.Tracer):
    """Adds a state, once, in one hook."""

    def __init__(self, hook: str) -> None:
        self.results: list[am.Result] = []
        setattr(self, hook, self.meddle)
        super().__init__()

    def meddle(self, subject: Any, *_: Any) -> None:
        if not self.results:
            machine = subject if isinstance(subject, am.Machine) else subject.machine
            self.results.append(am.CANCELED)
            self.results[0] = machine.add("D")


HOOKS = ["mutation_queued", "transition_init", "transition_start", "transition_finals",
         "transition_end", "queue_end"]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "hook"),
    [("add", hook) for hook in HOOKS]
    + [("can_add", hook) for hook in HOOKS if hook != "transition_finals"],
)
def test_a_tracer_may_mutate(flat: Flat, hook: str, kind: str) -> None:
    meddler = Meddler(hook)
    machine = flat(tracers=[meddler])
    assert getattr(machine, kind)("A") is am.EXECUTED
    assert machine.is_("D")
    assert machine.is_("A") is (kind == "add")
    assert meddler.results[0].outcome is am.EXECUTED
    assert (machine.queue, machine.transition) == ((), None)
    assert machine.add("B") is am.EXECUTED


def test_a_check_made_when_told_of_a_mutation_goes_first(flat: Flat, recorder: Any) -> None:
    class Asker(am.Tracer):
        def mutation_queued(self, machine: Any, mutation: am.Mutation) -> None:
            if not mutation.is_check:
                answers.append(machine.can_add("B"))

    answers: list[am.Result] = []
    machine = flat(tracers=[Asker(), recorder])
    assert machine.add("A") is am.EXECUTED
    assert answers[0].outcome is am.EXECUTED
    assert [tx.mutation.is_check for tx in recorder.transitions] == [True, False]


def test_a_breakpoint_may_mutate(flat: Flat) -> None:
    machine, hits = flat(), list[str]()

    def on_breakpoint(hit: am.Machine) -> None:
        hits.append(str(hit.add("D")))

    machine.on_breakpoint = on_breakpoint
    machine.add_breakpoint(added=["A"])
    assert machine.add("A") is am.EXECUTED
    assert machine.is_("A", "D")
    assert len(hits) == 1


def test_a_query_may_mutate(flat: Flat) -> None:
    machine, results = flat(), list[am.Result]()

    def query(clock: Any) -> bool:
        if clock["A"] and not results:
            results.append(machine.add("B"))
        return bool(clock["B"])

    wait = machine.when_query(query)
    assert machine.add("A") is am.EXECUTED
    assert results[0].queued
    assert machine.is_("A", "B")
    assert wait.done
