"""Handlers: which are called, in which order, what they see, and how they are bound."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]


def every_handler(names: str) -> list[str]:
    """Every handler name that these states can have."""
    states = names.split()
    found = [f"{s}{suffix}" for s in states for suffix in ("Enter", "Exit", "State", "End")]
    return [*found, *(f"{a}{b}" for a in states for b in states), "AnyEnter", "AnyState"]


def spies(
    calls: list[str], names: str, answers: dict[str, Any] | None = None
) -> dict[str, Callable[[am.Event], Any]]:
    """All handlers of these states; each notes its name and gives its answer."""

    def spy(name: str) -> Callable[[am.Event], Any]:
        def handle(event: am.Event) -> Any:
            assert event.name == name
            calls.append(name)
            return (answers or {}).get(name)

        return handle

    return {name: spy(name) for name in every_handler(names)}


ABCD = "A B C D"


# --- order --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("active", "mutation", "expected"),
    [
        ("A B", "set C",
         "AExit BExit CEnter AC BC AnyEnter AEnd BEnd CState AnyState"),
        ("A", "set A B", "BEnter AA AB AnyEnter BState AnyState"),
        ("A B", "set D C",
         "AExit BExit DEnter CEnter AD AC BD BC AnyEnter AEnd BEnd DState CState AnyState"),
        ("", "add A", "AEnter AnyEnter AState AnyState"),
        ("A", "add A", "AA AnyEnter AnyState"),
        ("A B", "add C", "CEnter AA BB AC AB BC BA AnyEnter CState AnyState"),
        ("B A", "add C", "CEnter AA BB AC AB BC BA AnyEnter CState AnyState"),
        ("A B", "add C B", "CEnter BB AA AC AB BC BA AnyEnter CState AnyState"),
        ("A B", "remove A", "AExit AB AnyEnter AEnd AnyState"),
        ("A B", "remove C", "AB BA AnyEnter AnyState"),
        ("A", "remove A", "AExit AnyEnter AEnd AnyState"),
        ("A B", "set", "AExit BExit AnyEnter AEnd BEnd AnyState"),
        ("", "remove", "AnyEnter AnyState"),
        ("", "set", "AnyEnter AnyState"),
    ],
)  # fmt: skip
def test_order_of_handlers(flat: Flat, active: str, mutation: str, expected: str) -> None:
    machine, calls = flat(ABCD), list[str]()
    machine.add(*active.split())
    machine.bind(spies(calls, ABCD))
    kind, *states = mutation.split()
    assert getattr(machine, kind)(*states) is am.EXECUTED
    assert " ".join(calls) == expected


def test_a_multi_state_is_entered_again_without_leaving(flat: Flat) -> None:
    machine, calls = flat("A M", multi="M"), list[str]()
    machine.add("M")
    machine.bind(spies(calls, "A M"))
    machine.add("M")
    assert calls == ["MEnter", "MM", "AnyEnter", "MState", "AnyState"]
    calls.clear()
    machine.add("A")
    assert calls == ["AEnter", "MM", "MA", "AnyEnter", "AState", "AnyState"]


def test_enters_follow_target_order_and_exits_are_ordered_too() -> None:
    schema = {"A": {"after": ["C"]}, "B": {"require": ["D"]}, "C": {}, "D": {}}
    machine, calls = am.Machine(schema), list[str]()
    finals = {n: h for n, h in spies(calls, ABCD).items() if n.endswith(("State", "End"))}
    machine.bind(finals)
    machine.add("B", "A", "D", "C")
    assert calls == ["CState", "AState", "DState", "BState", "AnyState"]
    calls.clear()
    machine.set()
    assert calls == ["CEnd", "AEnd", "DEnd", "BEnd", "AnyState"]


def test_implied_states_are_entered_like_called_ones() -> None:
    machine, calls = am.Machine({"A": {"add": ["B"]}, "B": {}}), list[str]()
    machine.bind(spies(calls, "A B"))
    machine.add("A")
    assert calls == ["AEnter", "BEnter", "AnyEnter", "AState", "BState", "AnyState"]


def test_a_mutation_refused_by_relations_calls_no_handler() -> None:
    machine, calls = am.Machine({"A": {"require": ["B"]}, "B": {}}), list[str]()
    machine.bind(spies(calls, "A B"))
    assert machine.add("A") is am.CANCELED
    assert calls == []


# --- votes --------------------------------------------------------------------------------------

VOTERS = ["AExit", "BEnter", "CC", "AB", "AC", "CB", "AnyEnter"]


@pytest.mark.parametrize("refuser", VOTERS)
def test_the_first_rejection_ends_the_negotiation(flat: Flat, refuser: str) -> None:
    machine, calls = flat("A B C"), list[str]()
    machine.add("A", "C")
    machine.bind(spies(calls, "A B C", {refuser: False}))
    assert machine.set("B", "C") is am.CANCELED
    assert calls == VOTERS[: VOTERS.index(refuser) + 1]
    assert machine.active == ("A", "C")
    assert machine.time() == (1, 0, 1, 0)


@pytest.mark.parametrize("answer", [None, True])
def test_none_and_true_accept(flat: Flat, answer: bool | None) -> None:
    machine = flat()
    machine.bind({"AEnter": lambda e: answer, "AnyEnter": lambda e: answer})
    assert machine.add("A") is am.EXECUTED


@pytest.mark.parametrize("name", ["AEnter", "BExit", "BA", "CC", "AnyEnter"])
@pytest.mark.parametrize("answer", [0, 1, "", [], (), 0.0, "no"])
def test_a_vote_that_is_no_bool_is_an_error_that_names_handler_and_value(
    flat: Flat, log: Any, answer: Any, name: str
) -> None:
    machine = flat()
    machine.add("B", "C")
    machine.bind({name: lambda e: answer if e.transition.called != ("Exception",) else None})
    assert machine.set("A", "C") is am.CANCELED
    assert machine.active == ("B", "C", "Exception")
    assert isinstance(machine.err, am.HandlerError)
    assert name in str(machine.err)
    assert repr(answer) in str(machine.err)


def test_what_final_handlers_return_is_ignored(flat: Flat) -> None:
    machine, calls = flat("A B"), list[str]()
    machine.add("A")
    machine.bind(spies(calls, "A B", dict.fromkeys(["AEnd", "BState", "AnyState"], False)))
    assert machine.set("B") is am.EXECUTED
    assert calls[-3:] == ["AEnd", "BState", "AnyState"]


# --- several bindings ---------------------------------------------------------------------------


def test_each_name_goes_through_all_bindings_before_the_next_name(flat: Flat) -> None:
    calls: list[str] = []

    def named(prefix: str, *names: str) -> dict[str, Callable[[am.Event], None]]:
        return {n: lambda e: calls.append(prefix + e.name) for n in names}

    machine = flat()
    machine.bind(named("1.", "AEnter", "AState"))
    machine.bind(named("2.", "AState", "AnyEnter"))
    machine.bind(named("3.", "AnyEnter", "AEnter", "AState"))
    machine.add("A")
    assert calls == [
        "1.AEnter", "3.AEnter", "2.AnyEnter", "3.AnyEnter", "1.AState", "2.AState", "3.AState",
    ]  # fmt: skip


def test_bindings_after_a_rejection_do_not_see_the_name(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    machine.bind(spies(calls, "A"))
    machine.bind({"AEnter": lambda e: False})
    machine.bind({"AEnter": lambda e: calls.append("too late")})
    assert machine.add("A") is am.CANCELED
    assert calls == ["AEnter"]


def test_a_detached_binding_is_not_called_and_detaching_twice_is_fine(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    binding = machine.bind(spies(calls, "A"))
    binding.detach()
    binding.detach()
    machine.add("A")
    assert calls == []


def test_detaching_takes_effect_at_the_next_handler_name(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    second: am.Binding
    machine.bind({"AEnter": lambda e: second.detach()})
    second = machine.bind(spies(calls, "A"))
    assert machine.add("A") is am.EXECUTED
    assert calls == ["AEnter"], "the name under way is finished, AnyEnter and AState are not begun"


def test_a_handler_may_detach_its_own_binding(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    binding: am.Binding

    def last(event: am.Event) -> None:
        calls.append(event.name)
        binding.detach()

    binding = machine.bind(spies(calls, "A") | {"AState": last})
    machine.add("A")
    machine.remove("A")
    assert calls == ["AEnter", "AnyEnter", "AState"]


def test_what_a_handler_binds_sees_later_mutations(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    machine.bind({"AEnter": lambda e: machine.bind(spies(calls, "B")) and None})
    machine.add("A")
    calls.clear()
    machine.add("B")
    assert calls == ["BEnter", "AnyEnter", "BState", "AnyState"]


def test_bindings_are_numbered_and_numbers_are_never_reused(flat: Flat, log: Any) -> None:
    class Work:
        def AState(self, event: am.Event) -> None: ...

    machine = flat(log_level=am.LogLevel.EVERYTHING)
    first = machine.bind(Work())
    first.detach()
    machine.bind(Work(), name="other")
    machine.bind(Work())
    assert log.starting("[handlers]") == [
        "[handlers] bind 0:Work", "[handlers] detach Work", "[handlers] bind 1:other",
        "[handlers] bind 2:Work",
    ]  # fmt: skip
    log.clear()
    machine.add("A")
    assert log.starting("[handler:1]", "[handler:2]", "[handler:0]") == [
        "[handler:1] AState", "[handler:2] AState",
    ]  # fmt: skip


def test_one_object_may_serve_several_machines(flat: Flat) -> None:
    class Work:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def AState(self, event: am.Event) -> None:
            self.seen.append(event.machine.id)

    work = Work()
    for name in ("m1", "m2"):
        flat(id=name, handlers=work).add("A")
    assert work.seen == ["m1", "m2"]


# --- what a handler sees ------------------------------------------------------------------------


def test_negotiation_sees_the_time_before_and_the_predicted_target(flat: Flat) -> None:
    machine, seen = flat("A B M", multi="M"), list[Any]()

    def note(event: am.Event) -> None:
        tx = event.transition
        seen.append((machine.active, machine.time(), machine.is_("B"), event.tick))
        seen.append((tx.called, tx.before, tx.target, tx.accepted))
        seen.append((tx.time_before, tx.time_after))

    machine.add("A", "M")
    machine.bind(dict.fromkeys(["BEnter"], note))
    machine.set("B", "M")
    assert seen == [
        (("A", "M"), (1, 0, 1, 0), False, 0),
        (("B", "M"), ("A", "M"), ("B", "M"), True),
        ((1, 0, 1, 0), (2, 1, 3, 0)),
    ]


@pytest.mark.parametrize("name", ["AEnd", "BState", "AnyState"])
def test_final_handlers_see_the_target_and_final_clocks(flat: Flat, name: str) -> None:
    machine, seen = flat("A B M", multi="M"), list[Any]()

    def note(event: am.Event) -> None:
        tx = event.transition
        seen.append((machine.active, machine.time(), tx.before, tx.time_before, tx.time_after))

    machine.add("A", "M")
    machine.bind({name: note})
    machine.set("B", "M")
    assert seen == [(("B", "M"), (2, 1, 3, 0), ("A", "M"), (1, 0, 1, 0), (2, 1, 3, 0))]


def test_an_event_tells_machine_mutation_name_args_and_tick(flat: Flat) -> None:
    machine, events = flat("A M", multi="M"), list[am.Event]()
    machine.bind({"MState": events.append})
    machine.add("M", id=1)
    machine.add("M", id=2)
    assert [e.tick for e in events] == [1, 3]
    assert [e.args["id"] for e in events] == [1, 2]
    event = events[0]
    assert (event.machine, event.name, event.is_check) == (machine, "MState", False)
    assert event.mutation is event.transition.mutation
    assert event.source is None
    assert (event.mutation.kind, event.mutation.called) == ("add", ("M",))


def test_an_event_that_is_kept_tells_what_it_told_then(flat: Flat) -> None:
    machine, events = flat("A B M", multi="M"), list[am.Event]()
    machine.bind(dict.fromkeys(["MEnter", "MState", "BEnd", "AnyState"], events.append))
    machine.add("M", "B")
    machine.set("M")
    machine.set()
    assert [(e.name, e.tick, e.transition.before, e.transition.target) for e in events] == [
        ("MEnter", 0, (), ("M", "B")), ("MState", 1, (), ("M", "B")),
        ("AnyState", 2, (), ("M", "B")),
        ("MEnter", 1, ("B", "M"), ("M",)), ("BEnd", 2, ("B", "M"), ("M",)),
        ("MState", 3, ("B", "M"), ("M",)), ("AnyState", 5, ("B", "M"), ("M",)),
        ("AnyState", 6, ("M",), ()),
    ]  # fmt: skip
    assert [e.mutation.kind for e in events][-1] == "set"
    assert all(dict(e.args) == {} and not e.is_check and e.source is None for e in events)
    assert len({e.transition.id for e in events}) == 3


def test_the_transition_of_a_machine_is_the_running_one_and_none_outside(flat: Flat) -> None:
    machine, seen = flat(), list[bool]()
    machine.bind({"AEnter": lambda e: seen.append(machine.transition is e.transition)})
    assert machine.transition is None
    machine.add("A")
    assert machine.transition is None
    assert seen == [True]


def test_an_event_mutates_its_machine(flat: Flat) -> None:
    machine = flat()

    def handle(event: am.Event) -> None:
        assert event.add("B", x=1).queued
        assert event.remove("A").queued

    machine.bind({"AState": handle})
    machine.add("A")
    assert machine.active == ("B",)


def test_a_canceled_transition_is_not_accepted(flat: Flat, recorder: Any) -> None:
    machine = flat(tracers=[recorder], handlers={"AEnter": lambda e: False})
    machine.add("A")
    tx = recorder.transitions[-1]
    assert not tx.accepted
    assert (tx.time_before, tx.time_after) == ((0,) * 5, (0,) * 5)
    assert (tx.added, tx.removed) == ((), ())


# --- binding ------------------------------------------------------------------------------------


class Base:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def AState(self, event: am.Event) -> None:
        self.calls.append("base AState")

    def BState(self, event: am.Event) -> None:
        self.calls.append("base BState")

    def ordinary(self) -> None:
        raise AssertionError("not a handler")

    def lowerEnd(self) -> None:
        raise AssertionError("not a handler")


class Child(Base):
    FrontEnd = "web"

    def AState(self, event: am.Event) -> None:
        super().AState(event)
        self.calls.append("child AState")

    @staticmethod
    def BEnter(event: am.Event) -> bool:
        return "yes" in event.args

    @property
    def touchy(self) -> None:
        raise AssertionError("an attribute that is no handler is not touched")

    def _CEnd(self) -> None:
        raise AssertionError("not a handler")


def test_methods_are_bound_by_name_with_inheritance(flat: Flat) -> None:
    child = Child()
    machine = flat(handlers=child)
    machine.add("A")
    assert machine.add("B") is am.CANCELED
    assert machine.add("B", yes=1) is am.EXECUTED
    assert child.calls == ["base AState", "child AState", "base BState"]


def test_callables_in_the_instance_are_bound_too(flat: Flat) -> None:
    base, calls = Base(), list[str]()
    base.CState = lambda event: calls.append(event.name)  # type: ignore[attr-defined]
    flat(handlers=base).add("C")
    assert calls == ["CState"]


def test_any_callable_of_any_object_serves(flat: Flat) -> None:
    calls: list[Any] = []

    class Callable_:
        def __call__(self, event: am.Event) -> None:
            calls.append(("object", event.name))

    module = types.ModuleType("handlers")
    module.AEnter = lambda event: calls.append(("module", event.name))  # type: ignore[attr-defined]
    machine = flat(handlers=module)
    machine.bind({"AState": Callable_(), "AEnd": functools.partial(calls.append)})
    machine.bind(types.MappingProxyType({"AnyState": calls.append}))
    machine.add("A")
    assert calls[:2] == [("module", "AEnter"), ("object", "AState")]
    assert calls[2].name == "AnyState"


@pytest.mark.parametrize("name", ["FoEnter", "ZState", "AnyExit", "AnyEnd", "ABEnd"])
def test_a_mistyped_handler_name_is_refused(flat: Flat, name: str) -> None:
    machine, typo = flat(), type("Typo", (), {name: lambda self, event: None, "AState": print})
    with pytest.raises(am.HandlerError, match=name):
        machine.bind(typo())
    with pytest.raises(am.HandlerError, match=name):
        machine.bind({name: print})
    machine.bind(typo(), strict=False).detach()
    machine.bind({name: print}, strict=False).detach()
    with pytest.raises(am.HandlerError):
        flat(handlers=typo())


def test_nothing_of_a_refused_binding_is_bound(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    with pytest.raises(am.HandlerError):
        machine.bind(spies(calls, "A") | {"NopeState": lambda e: None})
    machine.add("A")
    assert calls == []


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("states", "name"),
    [("A AA", "AAA"), ("A State", "AState"), ("Work WorkEnd End", "WorkEnd"),
     ("A AB B BB", "ABB"), ("A Exit AExit", "AExitExit")],
)  # fmt: skip
def test_an_ambiguous_name_is_refused(flat: Flat, states: str, name: str, strict: bool) -> None:
    with pytest.raises(am.HandlerError, match=name):
        flat(states).bind({name: print}, strict=strict)


def test_names_that_only_look_ambiguous_are_read_rightly(flat: Flat) -> None:
    machine, calls = flat("Work WorkEnd A AA"), list[str]()
    names = ["WorkEnd", "WorkEndEnd", "WorkEndState", "WorkWorkEnd", "AA", "AAState", "AAEnter"]
    machine.bind({name: lambda e: calls.append(e.name) for name in names})
    machine.set("Work")
    machine.set("WorkEnd")
    machine.set("AA")
    machine.set("A")
    machine.add("A")
    assert calls == [
        "WorkWorkEnd", "WorkEnd", "WorkEndState", "AAEnter", "WorkEndEnd", "AAState", "AA",
    ]  # fmt: skip


async def asynchronous(event: am.Event) -> None:
    raise AssertionError("never started")


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("name", ["AEnter", "AExit", "AA", "AB", "AnyEnter"])
def test_an_async_negotiation_handler_is_refused(flat: Flat, name: str, strict: bool) -> None:
    machine = flat()
    for handler in (asynchronous, functools.partial(asynchronous)):
        with pytest.raises(am.HandlerError, match=name):
            machine.bind({name: handler}, strict=strict)
    assert machine.add("A") is am.EXECUTED


def test_async_final_handlers_may_be_bound(flat: Flat) -> None:
    flat().bind(dict.fromkeys(["AState", "AEnd", "AnyState"], asynchronous))


# --- a machine that erred before its first handlers ---------------------------------------------


def test_the_last_error_is_added_again_for_the_first_handlers(flat: Flat) -> None:
    machine, errors = flat(), list[Any]()
    error = RuntimeError("early")
    machine.add_err(error)
    machine.bind({"ExceptionState": lambda e: errors.append(e.args["err"])})
    assert errors == [error]
    machine.bind({"ExceptionState": lambda e: errors.append("second binding")})
    assert errors == [error]


def test_without_an_active_exception_binding_adds_nothing(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    machine.add_err(RuntimeError("early"))
    machine.remove("Exception")
    machine.bind(spies(calls, "Exception"))
    assert calls == []
    assert machine.queue_tick == 3


@pytest.mark.parametrize("traced", [False, True])
def test_what_a_vote_binds_is_called_from_then_on_even_where_plans_are_known(traced: bool) -> None:
    called: list[str] = []
    late = {"BState": lambda event: called.append("BState")}

    def enter(event: am.Event) -> None:
        if event.tick == 2 and not called:
            called.append("bound")
            event.machine.bind(late)

    machine = am.Machine({"A": {}, "B": {}}, handlers={"AEnter": enter})
    if traced:
        machine.bind_tracer(type("Ends", (am.Tracer,), {"transition_end": lambda *_: None})())
    for _ in range(2):
        machine.add("A")
        machine.add("B")
        machine.remove("B")
        machine.remove("A")
    assert called == ["bound", "BState"]
