"""Explanations: what a mutation comes to, and why; by a schema alone, or by a machine as it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]

LINK: dict[str, Any] = {
    "Connected": {"remove": ["Idle"]},
    "Ready": {"require": ["Connected"], "add": ["Shown"]},
    "Idle": {"remove": ["Connected"]},
    "Shown": {},
    "Busy": {"require": ["Ready"], "after": ["Shown"]},
}


@pytest.fixture
def link() -> am.Schema:
    return am.compile_schema(LINK)


# -- Schema.explain -------------------------------------------------------------------------------


def test_an_accepted_mutation_is_told_with_target_enters_and_exits(link: am.Schema) -> None:
    told = link.explain("add", ["Connected", "Ready"], ["Idle"])
    assert told.is_accepted
    assert (told.kind, told.called, told.before) == ("add", ("Connected", "Ready"), ("Idle",))
    assert (told.enters, told.exits, told.missing) == (told.target, ("Idle",), ())
    assert set(told.target) == {"Connected", "Ready", "Shown"}
    assert told.added_by == {"Shown": ("Ready",)}
    assert told.removed_by == {"Idle": ("Connected",)}


def test_a_missing_requirement_is_told(link: am.Schema) -> None:
    told = link.explain("add", ["Ready"], [])
    assert (told.is_accepted, told.missing) == (False, ("Ready",))
    assert told.requires["Ready"] == ("Connected",)
    assert told.reasons == ("Ready was dropped: it requires Connected, which is inactive",)


def test_a_chain_of_missing_requirements_is_told_to_its_end(link: am.Schema) -> None:
    told = link.explain("add", ["Busy", "Ready"], ["Idle"])
    assert "Busy was dropped: it requires Ready, which is inactive" in told.reasons
    assert "Ready was dropped: it requires Connected, which is inactive" in told.reasons


def test_a_blocked_state_is_told_with_its_blocker(link: am.Schema) -> None:
    told = link.explain("set", ["Idle", "Connected"], [])
    assert not told.is_accepted
    ((lost, blockers),) = told.removed_by.items()
    assert told.missing == (lost,)
    assert f"{lost} was dropped: it is removed by {blockers[0]}" in told.reasons


def test_handlers_are_told_in_calling_order(link: am.Schema) -> None:
    names = ["AnyState", "ConnectedState", "ConnectedEnter", "IdleEnd", "IdleExit", "AnyEnter",
             "IdleConnected", "ReadyState"]  # fmt: skip
    told = link.explain("add", ["Connected"], ["Idle"], handlers=names)
    assert told.handlers == (
        "IdleExit", "ConnectedEnter", "IdleConnected", "AnyEnter", "IdleEnd", "ConnectedState",
        "AnyState",
    )  # fmt: skip


def test_a_veto_is_told(link: am.Schema) -> None:
    told = link.explain(
        "add", ["Connected"], [], handlers=["ConnectedEnter"], vetoed=["ConnectedEnter"]
    )
    assert (told.is_accepted, told.vetoed) == (False, ("ConnectedEnter",))
    assert told.reasons == ("ConnectedEnter voted against it",)


def test_a_failure_is_told(link: am.Schema) -> None:
    told = link.explain(
        "add", ["Connected"], [], handlers=["ConnectedState"], failed="ConnectedState"
    )
    assert (told.is_accepted, told.failed) == (False, "ConnectedState")
    assert told.reasons == ("ConnectedState raised",)


def test_an_auto_mutation_is_accepted_in_part(link: am.Schema) -> None:
    told = link.explain("add", ["Ready", "Shown"], [], is_auto=True)
    assert (told.is_accepted, told.is_auto, told.missing) == (True, True, ("Ready",))
    assert told.target == ("Shown",)


def test_a_veto_of_an_auto_state_drops_that_state_and_the_rest_goes_on() -> None:
    schema = am.compile_schema(
        {"A": {"auto": True}, "B": {"auto": True, "add": ["C"]}, "C": {}, "D": {"auto": True}}
    )
    handlers = ["AEnter", "BEnter", "CEnter", "AnyEnter", "AState", "BState", "CState"]
    told = schema.explain("add", "ABD", [], handlers=handlers, vetoed=["BEnter"], is_auto=True)
    assert (told.is_accepted, set(told.target), told.missing) == (True, {"A", "D"}, ("B",))
    assert told.handlers == ("AEnter", "BEnter", "CEnter", "AnyEnter", "AState")
    steps = [str(step) for step in told.steps if step.kind is am.StepKind.HANDLER]
    assert [step.replace("*", "").split()[-1] for step in steps] == list(told.handlers)


def test_a_veto_of_another_state_cancels_an_auto_mutation_whole() -> None:
    schema = am.compile_schema({"A": {"auto": True, "add": ["B"]}, "B": {}})
    handlers = ["AEnter", "BEnter", "AState"]
    told = schema.explain("add", "A", [], handlers=handlers, vetoed=["BEnter"], is_auto=True)
    assert (told.is_accepted, told.handlers) == (False, ("AEnter", "BEnter"))
    told = schema.explain("add", "A", [], handlers=handlers, vetoed=["AnyEnter"], is_auto=True)
    assert told.is_accepted
    alone = am.compile_schema({"A": {"auto": True}})
    told = alone.explain("add", "A", [], handlers=["AEnter"], vetoed=["AEnter"], is_auto=True)
    assert not told.is_accepted


def test_a_check_calls_no_final_handler(link: am.Schema) -> None:
    told = link.explain("add", ["Shown"], [], handlers=["ShownEnter", "ShownState"], is_check=True)
    assert (told.is_check, told.handlers) == (True, ("ShownEnter",))


def test_a_mutation_that_changes_nothing_says_so(link: am.Schema) -> None:
    assert str(link.explain("add", ["Shown"], ["Shown"])) == "nothing changes"


def test_explaining_is_pure(link: am.Schema) -> None:
    one = link.explain("add", ["Ready"], ["Idle"], handlers=["ReadyEnter"])
    assert one == link.explain("add", ["Ready"], ["Idle"], handlers=["ReadyEnter"])


def test_unknown_states_and_kinds_are_refused(link: am.Schema) -> None:
    with pytest.raises(am.UnknownStateError):
        link.explain("add", ["Nope"], [])
    with pytest.raises(ValueError, match="toggle"):
        link.explain("toggle", ["Idle"], [])


@pytest.mark.parametrize("seed", range(60))
def test_an_explanation_agrees_with_the_machine_and_its_steps(seed: int) -> None:
    chance = random.Random(seed)
    names = ["A", "B", "C", "D"]

    def some() -> list[str]:
        return chance.sample(names, chance.choice([0, 0, 1, 2]))

    schema = {s: {"add": some(), "remove": some(), "after": some()} for s in names}
    seen: list[am.Transition] = []

    class Ends(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            seen.append(transition)

    # No limit on handlers: a delay of the host would end one of them.
    m = am.Machine(schema, tracers=[Ends()], handler_timeout=None)
    m.sem_log.steps = True
    handlers = [f"{s}{role}" for s in names for role in ("Enter", "Exit", "State", "End")]
    calls: list[str] = []
    m.bind({name: lambda e: calls.append(e.name) for name in handlers})
    for _ in range(6):
        kind, called = chance.choice(["add", "remove", "set"]), chance.sample(names, 2)
        told = m.schema.explain(kind, called, m.active, handlers=handlers)
        calls.clear()
        result = getattr(m, kind)(*called)
        assert told.is_accepted is seen[-1].accepted
        assert told.target == seen[-1].target or not told.is_accepted
        assert list(told.handlers) == calls
        assert list(told.steps) == seen[-1].steps
        assert bool(result.executed) or not told.is_accepted or kind != "remove"


# -- relations for tools --------------------------------------------------------------------------


def test_relations_between_two_states_are_named(link: am.Schema) -> None:
    assert link.relations_between("Ready", "Connected") == ("require",)
    assert link.relations_between("Connected", "Ready") == ()
    assert link.relations_between("Busy", "Shown") == ("after",)
    both = am.compile_schema({"A": {"require": ["B"], "after": ["B"], "add": ["B"]}, "B": {}})
    assert both.relations_between("A", "B") == ("require", "add", "after")


def test_inbound_relations_are_told_by_kind(link: am.Schema) -> None:
    assert link.inbound("Connected") == {
        "require": ("Ready",), "add": (), "remove": ("Idle",), "after": (),
    }  # fmt: skip
    assert link.inbound("Shown") == {
        "require": (), "add": ("Ready",), "remove": (), "after": ("Busy",),
    }  # fmt: skip


def test_relations_of_unknown_states_are_refused(link: am.Schema) -> None:
    with pytest.raises(am.UnknownStateError):
        link.relations_between("Ready", "Nope")
    with pytest.raises(am.UnknownStateError):
        link.inbound("Nope")


# -- machine.why ----------------------------------------------------------------------------------


def test_before_any_refusal_there_is_nothing_to_say(flat: Flat) -> None:
    m = flat()
    m.add("A")
    assert m.why is None


def test_a_refusal_by_a_missing_requirement_is_told(link: am.Schema) -> None:
    m = am.Machine(link)
    assert m.add("Ready") is am.CANCELED
    assert m.why == "Ready was dropped: it requires Connected, which is inactive"


def test_a_refusal_by_a_removing_state_is_told() -> None:
    m = am.Machine({"C": {"remove": ["D"]}, "D": {}})
    m.add("C")
    assert m.add("D") is am.CANCELED
    assert m.why == "D was dropped: it is removed by C"


class Gate:
    def AEnter(self, event: am.Event) -> bool:
        return False

    def BState(self, event: am.Event) -> None:
        raise ValueError("no disk")


@pytest.mark.parametrize("traced", [True, False])
def test_a_refusal_by_a_vote_names_handler_binding_and_line(flat: Flat, traced: bool) -> None:
    m = flat(handlers=Gate(), tracers=[am.Tracer()] if traced else [])
    assert m.add("A") is am.CANCELED
    line = Gate.AEnter.__code__.co_firstlineno
    assert m.why == f"AEnter of Gate voted against it ({__file__}, line {line})"


@pytest.mark.usefixtures("log")
def test_a_failure_names_handler_and_error(flat: Flat) -> None:
    m = flat(handlers=Gate())
    assert m.add("B") is am.CANCELED
    assert "BState of Gate raised ValueError: no disk" in str(m.why)
    assert "test_explaining.py, line" in str(m.why)


def test_a_full_queue_is_told(flat: Flat) -> None:
    told: list[str | None] = []

    def fill(event: am.Event) -> None:
        event.add("B")
        assert event.add("C") is am.CANCELED
        told.append(event.machine.why)

    flat(handlers={"AState": fill}, queue_limit=1).add("A")
    assert told == ["the queue is full"]


def test_a_disposed_machine_is_told(flat: Flat) -> None:
    m = flat()
    m.dispose()
    assert m.add("A") is am.CANCELED
    assert m.why == "the machine is disposed"


@pytest.mark.usefixtures("log")
def test_a_disposed_machine_is_told_of_checks_and_errors_too(flat: Flat) -> None:
    checked, erring = flat(), flat()
    for m in (checked, erring):
        m.dispose()
    assert checked.can_add("A") is am.CANCELED
    assert erring.add_err(ValueError()) is am.CANCELED
    assert checked.why == erring.why == "the machine is disposed"


def test_a_refused_check_is_told(flat: Flat) -> None:
    m = flat(handlers=Gate())
    assert m.can_add("A") is am.CANCELED
    assert "AEnter of Gate voted against it" in str(m.why)


def test_a_refusal_is_told_until_the_next_one(flat: Flat) -> None:
    m = am.Machine({"C": {"remove": ["D"]}, "D": {}, "E": {"require": ["D"]}})
    m.add("E")
    m.add("C")
    assert "E was dropped" in str(m.why)
    m.add("D")
    assert "D was dropped" in str(m.why)


def test_a_refused_auto_mutation_hides_no_refusal(flat: Flat) -> None:
    m = flat("A X", auto="X", handlers={"XEnter": lambda e: False})
    m.add("A")
    assert m.why is None


# -- machine.explain ------------------------------------------------------------------------------


def test_what_stands_in_the_way_is_told_without_trying(link: am.Schema) -> None:
    m, calls = am.Machine(link), list[str]()
    m.bind({"ReadyEnter": lambda e: calls.append(e.name)})
    before = m.export()
    told = m.explain("Ready")
    assert not told.is_accepted
    assert str(told) == "Ready was dropped: it requires Connected, which is inactive"
    assert (calls, m.export(), m.why) == ([], before, None)


def test_a_mutation_that_would_work_is_told_with_what_it_changes(link: am.Schema) -> None:
    m = am.Machine(link)
    m.add("Connected")
    told = m.explain("Ready")
    assert told.is_accepted
    assert told.reasons == ("Ready becomes active", "Shown becomes active")
    assert m.explain("Connected", kind="remove").reasons == ("Connected becomes inactive",)
    assert m.explain(kind="set").exits == ("Connected",)


def test_the_handler_that_was_against_it_last_time_is_told(flat: Flat) -> None:
    m = flat(handlers=Gate())
    m.add("A")
    told = m.explain("A")
    assert (told.is_accepted, told.vetoed) == (False, ("AEnter",))
    assert "AEnter of Gate voted against it" in str(told)
    assert f"{__file__}, line" in str(told)


def test_a_mutation_that_waits_already_is_told(flat: Flat) -> None:
    told: list[str] = []

    def ask(event: am.Event) -> None:
        event.add("B")
        told.append(str(event.machine.explain("B")))

    flat(handlers={"AState": ask}).add("A")
    assert "queued already" in told[0]


def test_the_end_of_the_machine_stands_in_the_way(flat: Flat) -> None:
    m = flat()
    m.dispose()
    told = m.explain("A")
    assert not told.is_accepted
    assert told.reasons[0] == "the machine is disposed"


def test_an_auto_state_that_does_not_follow_is_told() -> None:
    m = am.Machine({"X": {"auto": True}, "Stop": {"remove": ["X"]}})
    m.add("Stop")
    assert "Stop" in str(m.explain("X"))


def test_explaining_an_unknown_state_is_refused(flat: Flat) -> None:
    with pytest.raises(am.UnknownStateError):
        flat().explain("Nope")
    with pytest.raises(ValueError, match="toggle"):
        flat().explain("A", kind="toggle")


def test_a_replica_explains_by_relations() -> None:
    m = am.BaseMachine(LINK)
    assert "requires Connected" in str(m.explain("Ready"))
    assert m.why is None


@pytest.mark.parametrize(
    "name", ["AEnter(", "import os; f()", "AEnter()", "AEnter(Gone)", "Other(A)", ")", "(A)", "AB"]
)
def test_names_that_are_no_handlers_are_left_out(name: str) -> None:
    schema = am.Schema({"A": {}, "B": {}})
    told = schema.explain("add", ["A"], [], handlers=[name, "AState"])
    assert told.handlers == ("AState",)


def test_a_handler_name_with_two_readings_is_left_out() -> None:
    schema = am.Schema({"A": {}, "AState": {}, "AStateEnter": {}, "Enter": {}, "StateEnter": {}})
    told = schema.explain("add", ["AState"], ["A"], handlers=["AStateEnter", "AStateState"])
    assert told.is_accepted
    assert "AStateState" in told.handlers
