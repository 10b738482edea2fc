"""Auto states: when they are tried, what drops one of them, and what refuses all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]


def no(event: am.Event) -> bool:
    return False


def called(recorder: Any) -> list[tuple[str, ...]]:
    """What each auto transition called."""
    return [tx.called for tx in recorder.transitions if tx.auto]


# --- candidates ---------------------------------------------------------------------------------


def test_auto_states_follow_any_mutation_that_changed_a_clock(flat: Flat) -> None:
    for kind in ("add", "set"):
        machine = flat("A X", auto="X")
        assert getattr(machine, kind)("A") is am.EXECUTED
        assert machine.active == ("A", "X")
    machine.remove("X")
    assert machine.clock("X") == {"X": 3}, "a removed auto state comes back"


def test_candidates_are_the_inactive_auto_states_in_index_order(flat: Flat, recorder: Any) -> None:
    machine = flat("Z A Y B X", auto="X Y Z", tracers=[recorder])
    machine.add("A", "Y")
    assert called(recorder) == [("Z", "X")]
    machine.add("B")
    assert called(recorder) == [("Z", "X")], "nothing is left to be tried"


def test_what_an_active_state_removes_is_no_candidate(recorder: Any) -> None:
    schema = {"A": {"remove": ["X"]}, "X": {"auto": True}, "Y": {"auto": True}}
    machine = am.Machine(schema, tracers=[recorder])
    machine.add("A")
    assert called(recorder) == [("Y",)]
    assert machine.active == ("A", "Y")
    machine.remove("A")
    assert called(recorder) == [("Y",), ("X",)]


def test_an_inactive_state_blocks_no_candidate(recorder: Any) -> None:
    schema = {"A": {}, "B": {"remove": ["X"]}, "X": {"auto": True}}
    am.Machine(schema, tracers=[recorder]).add("A")
    assert called(recorder) == [("X",)]


def test_requirements_are_not_looked_at_for_candidates(log: Any, recorder: Any) -> None:
    schema = {"A": {}, "B": {}, "X": {"auto": True, "require": ["B"]}}
    machine = am.Machine(schema, tracers=[recorder], log_level=am.LogLevel.OPS)
    assert machine.add("A") is am.EXECUTED
    assert called(recorder) == [("X",)]
    assert not recorder.transitions[-1].accepted
    assert log.starting("[cancel:reject]") == ["[cancel:reject] X"]
    machine.add("B")
    assert machine.is_("X")


def test_auto_states_that_remove_each_other_end_with_the_first(recorder: Any) -> None:
    rivals = ["X", "Y", "Z"]
    schema: dict[str, Any] = {s: {"auto": True, "remove": rivals} for s in rivals} | {"A": {}}
    machine = am.Machine(schema, tracers=[recorder])
    machine.add("A")
    assert called(recorder) == [("X", "Y", "Z")]
    assert machine.active == ("X", "A")
    machine.remove("X")
    assert machine.active == ("X", "A")


def test_auto_states_follow_an_error_too(flat: Flat) -> None:
    machine = flat("A X", auto="X")
    machine.add_err(RuntimeError("e"))
    assert machine.is_("X", "Exception")


def test_an_auto_mutation_has_no_args_no_source_and_no_queue_tick(
    flat: Flat, recorder: Any
) -> None:
    machine = flat("A X", auto="X", tracers=[recorder])
    machine.add("A", x=1)
    mutation = recorder.mutations[-1]
    assert (mutation.kind, mutation.is_auto, mutation.is_check) == ("add", True, False)
    assert (dict(mutation.args), mutation.source, mutation.queue_tick) == ({}, None, 0)


# --- what is not followed by auto states --------------------------------------------------------


def test_an_auto_mutation_is_followed_by_no_other(recorder: Any) -> None:
    schema = {
        "A": {},
        "X": {"auto": True, "remove": ["B"]},
        "B": {},
        "Y": {"auto": True, "require": ["X"], "remove": ["A"]},
    }
    machine = am.Machine(schema, tracers=[recorder])
    machine.add("A", "B")
    assert called(recorder) == [("X", "Y")]
    chain = {"A": {}, "X": {"auto": True, "remove": ["A"]}, "Y": {"auto": True}}
    chain["A"] = {"remove": ["Y"]}
    machine = am.Machine(chain, tracers=[recorder])
    recorder.clear()
    machine.add("A")
    assert called(recorder) == [("X",)], "Y is free only after the auto transition"
    assert machine.active == ("X",)
    machine.add("Exception")
    assert called(recorder) == [("X",), ("Y",)]


def test_no_auto_after_a_check_or_unchanged_clocks(flat: Flat, recorder: Any) -> None:
    machine = flat("A M X", multi="M", auto="X", tracers=[recorder], handlers={"XEnter": no})
    machine.add("A", "M")
    machine.can_add("M")
    machine.can_remove("A")
    machine.add("A")
    machine.remove("Exception")
    assert len(called(recorder)) == 1
    machine.add("M")
    assert len(called(recorder)) == 2, "a multi state that is entered again changes its clock"


def test_no_auto_after_a_canceled_mutation(flat: Flat, recorder: Any) -> None:
    flat("A X", auto="X", tracers=[recorder], handlers={"AEnter": no}).add("A")
    assert called(recorder) == []


@pytest.mark.parametrize("ping", ["Healthcheck", "Heartbeat"])
def test_no_auto_after_a_health_ping(flat: Flat, recorder: Any, ping: str) -> None:
    machine = flat(f"A {ping} X", auto="X", multi=ping, tracers=[recorder])
    machine.add(ping)
    assert called(recorder) == []
    machine.remove(ping)
    assert called(recorder) == [("X",)]
    recorder.clear()
    machine = flat(f"A {ping} X", auto="X", multi=ping, tracers=[recorder])
    machine.add(ping, "A")
    assert called(recorder) == [("X",)], "a ping is the only called state"


def test_a_health_ping_that_sets_is_an_ordinary_mutation(flat: Flat, recorder: Any) -> None:
    flat("Healthcheck X", auto="X", tracers=[recorder]).set("Healthcheck")
    assert called(recorder) == [("X",)]


def test_no_auto_after_a_failed_final(flat: Flat, recorder: Any) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    machine = flat("A X", auto="X", tracers=[recorder], handlers={"AState": fail})
    machine.add("A")
    assert [(tx.auto, tx.called) for tx in recorder.transitions] == [
        (False, ("A",)), (False, ("Exception",)), (True, ("X",)),
    ]  # fmt: skip


# --- partial acceptance -------------------------------------------------------------------------


def test_partial_by_relation(recorder: Any) -> None:
    schema = {"A": {}, "X": {"auto": True, "require": ["Y"]}, "Y": {}, "Z": {"auto": True}}
    machine = am.Machine(schema, tracers=[recorder])
    assert machine.add("A") is am.EXECUTED
    assert machine.active == ("A", "Z")
    assert recorder.transitions[-1].called == ("X", "Z")
    assert recorder.transitions[-1].target == ("Z", "A")


@pytest.mark.parametrize("handler", ["XEnter", "AX", "BX"])
def test_a_rejection_drops_one_auto_state_only(flat: Flat, recorder: Any, handler: str) -> None:
    machine = flat("A B X Y", auto="X Y", tracers=[recorder])
    machine.bind({handler: no})
    machine.add("A", "B")
    assert machine.active == ("A", "B", "Y")
    tx = recorder.transitions[-1]
    assert (tx.called, tx.accepted) == (("X", "Y"), True)
    assert set(tx.target) == {"A", "B", "Y"}
    assert machine.clock("X", "Y") == {"X": 0, "Y": 1}


def test_an_auto_state_that_is_active_may_refuse_by_its_self_handler_and_stays(flat: Flat) -> None:
    machine = flat("A X Y", auto="X Y", handlers={"YEnter": lambda e: e.machine.is_("A")})
    machine.add("X")
    assert not machine.is_("Y")
    machine.bind({"XX": lambda e: not e.transition.auto})
    machine.add("A")
    assert machine.active == ("A", "X", "Y")
    assert machine.tick("X") == 1


def test_a_pair_that_drops_an_active_auto_state_leaves_it_active(flat: Flat) -> None:
    machine = flat("A X Y", auto="X Y", handlers={"YEnter": lambda e: e.machine.is_("A")})
    machine.add("X")
    machine.bind({"AX": lambda e: not e.transition.auto})
    machine.add("A")
    assert machine.active == ("A", "X", "Y")
    assert machine.tick("X") == 1


def test_states_implied_by_a_dropped_one_are_dropped_as_well(flat: Flat, recorder: Any) -> None:
    schema = {
        "A": {},
        "X": {"auto": True, "add": ["Imp"]},
        "Imp": {},
        "Y": {"auto": True, "require": ["X"]},
        "Z": {"auto": True},
    }
    machine, calls = am.Machine(schema, tracers=[recorder]), list[str]()
    names = ("ImpEnter", "YEnter", "ZEnter", "ImpState", "YState", "ZState", "AnyState")
    machine.bind({"XEnter": no} | {n: lambda e: calls.append(e.name) for n in names})
    machine.add("A")
    assert machine.active == ("A", "Z")
    assert calls == ["AnyState", "ZEnter", "ImpEnter", "YEnter", "ZState", "AnyState"]


def test_what_a_dropped_state_removed_stays(recorder: Any) -> None:
    schema = {"A": {}, "B": {}, "X": {"auto": True, "remove": ["B"]}, "Y": {"auto": True}}
    machine = am.Machine(schema, tracers=[recorder], handlers={"XEnter": no})
    machine.add("A", "B")
    assert machine.active == ("A", "B", "Y")
    assert machine.tick("B") == 1


def test_no_enter_is_called_again_after_a_drop() -> None:
    schema = {"A": {}, "X": {"auto": True, "remove": ["Y"]}, "Y": {"auto": True}}
    machine, calls = am.Machine(schema), list[str]()
    machine.bind({"XEnter": no, "YEnter": lambda e: calls.append(e.name),
                  "YState": lambda e: calls.append(e.name)})  # fmt: skip
    machine.add("A")
    assert machine.active == ("A",), "Y was never in the target, so it is not called afterwards"
    assert calls == []


def test_dropping_every_called_state_leaves_the_rest_as_it_was(flat: Flat, recorder: Any) -> None:
    machine, calls = flat("A X Y", auto="X Y", tracers=[recorder]), list[str]()
    machine.bind({"XEnter": no, "YEnter": no, "AnyEnter": lambda e: calls.append(e.name)})
    assert machine.add("A") is am.EXECUTED
    assert machine.active == ("A",)
    assert machine.time() == (1, 0, 0, 0)
    assert calls == ["AnyEnter", "AnyEnter"]


def test_an_empty_target_cancels_an_auto_transition(flat: Flat, recorder: Any) -> None:
    machine, calls = flat("A X", auto="X", tracers=[recorder]), list[str]()
    machine.add("A")
    machine.remove("X")
    machine.bind({"XEnter": no, "AnyEnter": lambda e: calls.append(e.name)})
    machine.set()
    assert machine.active == ()
    assert not recorder.transitions[-1].accepted
    assert calls == ["AnyEnter"], "of the set only; nothing was left to negotiate for"


def test_later_stages_iterate_what_was_left_when_they_began(flat: Flat) -> None:
    machine, calls = flat("A B X Y", auto="X Y"), list[str]()

    def note(event: am.Event) -> bool | None:
        calls.append(event.name)
        return False if event.name in ("XEnter", "AY") else None

    names = ["XEnter", "YEnter", "AX", "BX", "AY", "BY", "AnyEnter", "XState", "YState"]
    machine.bind(dict.fromkeys(names, note))
    machine.add("A", "B")
    assert calls[1:] == ["XEnter", "YEnter", "AY", "BY", "AnyEnter"], (
        "X left before the pairs, Y during them"
    )
    assert machine.active == ("A", "B")


def test_an_exit_rejection_cancels_the_whole_auto_transition(recorder: Any) -> None:
    schema = {"A": {}, "B": {}, "X": {"auto": True, "remove": ["B"]}, "Y": {"auto": True}}
    machine = am.Machine(schema, tracers=[recorder], handlers={"BExit": no})
    assert machine.add("A", "B") is am.EXECUTED
    assert machine.active == ("A", "B")
    assert not recorder.transitions[-1].accepted


@pytest.mark.parametrize("handler", ["ImpEnter", "AImp", "AB", "BB", "AnyEnter"])
def test_a_rejection_that_is_not_of_an_auto_state_cancels_the_whole(handler: str) -> None:
    schema = {"A": {}, "B": {}, "X": {"auto": True, "add": ["Imp"]}, "Imp": {}}
    machine = am.Machine(schema)
    machine.bind({handler: lambda e: not e.transition.auto})
    assert machine.add("A", "B") is am.EXECUTED
    assert machine.active == ("A", "B")


def test_an_auto_state_refused_by_a_handler_is_tried_again_next_time(flat: Flat) -> None:
    machine, votes = flat("A B X", auto="X"), [True, False]
    machine.bind({"XEnter": lambda e: votes.pop()})
    machine.add("A")
    assert not machine.is_("X")
    machine.add("B")
    assert machine.is_("X")


def test_an_auto_rejection_outside_of_an_auto_transition_is_an_ordinary_one(flat: Flat) -> None:
    machine = flat("A X", auto="X", handlers={"XEnter": no})
    assert machine.add("A", "X") is am.CANCELED
    assert machine.active == ()


def test_auto_states_tried_in_a_drain_come_before_queued_mutations(
    flat: Flat, recorder: Any
) -> None:
    machine = flat("A B X", auto="X", tracers=[recorder])
    machine.bind({"AState": lambda e: machine.add("B")})
    machine.add("A")
    assert [str(tx.mutation) for tx in recorder.transitions] == [
        "[add] A",
        "[add:auto] X",
        "[add] B",
    ]


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["XEnter", "AX", "AnyEnter", "XState", "AnyState"])
@pytest.mark.parametrize("traced", [False, True])
def test_an_auto_state_that_always_fails_is_not_tried_for_ever(
    flat: Flat, recorder: Any, name: str, traced: bool
) -> None:
    machine, tries = flat("A B X", auto="X", tracers=[recorder] * traced), list[str]()

    def fail(event: am.Event) -> None:
        if event.transition.auto:
            tries.append(event.name)
            raise ValueError("boom")

    machine.bind({name: fail})
    assert machine.add("A") is am.EXECUTED
    assert tries == [name], "the error that follows from it looks for no auto states"
    assert machine.is_("A", "Exception")
    machine.add("B")
    # Later changes do, unless the failure left the state active.
    assert len(tries) == (1 if name == "AnyState" else 2)


def test_an_auto_state_that_always_refuses_slowly_is_not_tried_for_ever(
    flat: Flat, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, tries = [0.0], list[str]()
    for part in ("_engine.calling", "_engine.fast_path"):
        monkeypatch.setattr(f"am_machine.{part}.perf_counter", lambda: now[0])
    machine = flat("A X", auto="X")

    def refuse(event: am.Event) -> bool:
        tries.append(event.name)
        now[0] += 5
        return False

    machine.bind({"XEnter": refuse})
    machine.add("A")
    assert tries == ["XEnter"]
    assert isinstance(machine.err, am.HandlerTimeoutError)


# --- logs ---------------------------------------------------------------------------------------


def test_log_lines_of_auto_states(log: Any) -> None:
    schema = {
        "A": {"remove": ["W"]}, "W": {"auto": True}, "X": {"auto": True}, "Y": {"auto": True},
    }  # fmt: skip
    machine = am.Machine(schema, log_level=am.LogLevel.EVERYTHING)
    machine.add("A")
    for line in (
        "[auto:rel:remove] W by A", "[auto] X Y", "[add:auto] X Y", "[prepend:add] X Y",
        "[auto_] +X +Y A",
    ):  # fmt: skip
        assert line in log.lines
