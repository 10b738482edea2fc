"""What each wait waits for, when it is done at once, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]


# -- when, when_not, when_any ---------------------------------------------------------------------


def test_when_is_done_at_once_if_all_states_are_active(flat: Flat) -> None:
    m = flat()
    m.add("A", "B")
    assert m.when("A", "B").done
    assert not m.when("A", "C").done


def test_when_needs_all_states_at_the_end_of_one_transition(flat: Flat) -> None:
    m = flat()
    wait = m.when("A", "B")
    m.add("A")
    m.set("B")
    assert not wait.done, "A and B were never active together"
    m.add("A")
    assert wait.done


def test_when_not_is_done_at_once_if_none_is_active(flat: Flat) -> None:
    m = flat()
    m.add("A")
    assert m.when_not("B", "C").done
    assert not m.when_not("A", "B").done


def test_when_not_needs_all_states_inactive_together(flat: Flat) -> None:
    m = flat()
    m.add("A", "B")
    wait = m.when_not("A", "B")
    m.remove("A")
    m.set("A")
    assert not wait.done
    m.remove("A")
    assert wait.done


def test_when_any_is_done_by_the_first_of_its_states(flat: Flat) -> None:
    m = flat()
    wait = m.when_any("A", "B")
    m.add("C")
    assert not wait.done
    m.add("B")
    assert wait.done
    assert m.when_any("A", "B").done, "done at creation when one is active"


def test_a_canceled_mutation_fires_nothing(flat: Flat) -> None:
    m = flat(handlers={"AEnter": lambda e: False})
    wait = m.when("A")
    assert m.add("A") is am.CANCELED
    assert not wait.done


def test_a_check_fires_nothing(flat: Flat) -> None:
    m = flat()
    waits = [m.when("A"), m.when_ticks("A", 1), m.when_next_active("A"), m.when_args("A", x=1)]
    assert m.can_add("A", x=1) is am.EXECUTED
    assert not any(wait.done for wait in waits)


# -- clocks ---------------------------------------------------------------------------------------


def test_when_time_waits_until_each_tick_is_reached(flat: Flat) -> None:
    m = flat()
    wait = m.when_time({"A": 3, "B": 1})
    m.add("A", "B")
    m.remove("A")
    assert not wait.done
    m.add("A")
    assert wait.done
    assert m.when_time({"A": 2}).done, "a tick that has passed counts"


def test_when_time_takes_a_tick_that_was_jumped_over(flat: Flat) -> None:
    m = flat("A", multi="A")
    wait = m.when_time({"A": 2})
    m.add("A")
    m.add("A")
    assert m.tick("A") == 3
    assert wait.done


@pytest.mark.parametrize("ticks", [{}, {"A": -1}, {"A": 1, "B": -1}])
def test_when_time_refuses_no_states_and_negative_ticks(flat: Flat, ticks: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        flat().when_time(ticks)


@pytest.mark.parametrize("count", [0, -1])
def test_when_ticks_of_nothing_is_done_at_once(flat: Flat, count: int) -> None:
    assert flat().when_ticks("A", count).done


def test_when_ticks_counts_from_the_tick_of_now(flat: Flat) -> None:
    m = flat()
    m.add("A")
    wait = m.when_ticks("A", 2)
    m.remove("A")
    assert not wait.done
    m.add("A")
    assert wait.done


def test_when_next_active_of_an_inactive_state_is_its_activation(flat: Flat) -> None:
    m = flat()
    wait = m.when_next_active("A")
    assert not wait.done
    m.add("A")
    assert wait.done


def test_when_next_active_of_an_active_state_is_the_activation_after_this_one(flat: Flat) -> None:
    m = flat()
    m.add("A")
    wait = m.when_next_active("A")
    m.remove("A")
    assert not wait.done
    m.add("A")
    assert wait.done


def test_when_next_active_of_an_active_multi_state_is_its_re_entry(flat: Flat) -> None:
    m = flat("A", multi="A")
    m.add("A")
    wait = m.when_next_active("A")
    assert not wait.done
    m.add("A")
    assert wait.done


# -- args -----------------------------------------------------------------------------------------


def test_when_args_needs_all_its_values_and_looks_at_nothing_else(flat: Flat) -> None:
    m = flat("A", multi="A")
    wait = m.when_args("A", id=1, kind="x")
    m.add("A", id=1)
    m.add("A", id=2, kind="x")
    assert not wait.done
    m.add("A", id=1, kind="x", more=True)
    assert wait.done


def test_when_args_is_never_done_at_creation(flat: Flat) -> None:
    m = flat()
    m.add("A", id=1)
    assert not m.when_args("A", id=1).done


def test_when_args_without_values_takes_any_entry(flat: Flat) -> None:
    m = flat()
    wait = m.when_args("A")
    m.add("B")
    assert not wait.done
    m.add("A")
    assert wait.done


def test_when_args_needs_the_state_to_be_entered(flat: Flat) -> None:
    m = flat()
    m.add("A")
    wait = m.when_args("A", id=1)
    m.add("A", id=1)
    assert not wait.done, "A stayed active, it was not entered"


def test_when_args_sees_an_implied_entry() -> None:
    m = am.Machine({"A": {"add": ["B"]}, "B": {}})
    wait = m.when_args("B", id=1)
    m.add("A", id=1)
    assert wait.done


def test_when_args_is_not_matched_by_a_refused_mutation(flat: Flat) -> None:
    m = flat(handlers={"AEnter": lambda e: False})
    wait = m.when_args("A", id=1)
    m.add("A", id=1)
    assert not wait.done


def test_when_args_is_matched_right_after_the_handlers_of_its_state(flat: Flat) -> None:
    seen: dict[str, bool] = {}
    m = flat()
    m.bind(
        {"AState": lambda e: seen.update(A=wait.done), "BState": lambda e: seen.update(B=wait.done)}
    )
    wait = m.when_args("A", id=1)
    m.add("A", "B", id=1)
    assert seen == {"A": False, "B": True}


def test_when_args_is_matched_for_the_states_that_were_entered_before_a_failure(flat: Flat) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    m = flat(handlers={"BState": fail})
    waits = [m.when_args(name, id=1) for name in "ABC"]
    assert m.add("A", "B", "C", id=1) is am.CANCELED
    assert [wait.done for wait in waits] == [True, False, False]


# -- queries --------------------------------------------------------------------------------------


def test_when_query_is_tested_at_creation_and_after_changes_only(flat: Flat) -> None:
    calls: list[dict[str, int]] = []

    def query(clock: Any) -> bool:
        calls.append(dict(clock))
        return clock["A"] >= 3

    m = flat("A B", handlers={"BEnter": lambda e: False})
    wait = m.when_query(query)
    assert len(calls) == 1
    m.add("B")
    m.can_add("A")
    m.remove("A")
    assert len(calls) == 1, "nothing ticked"
    m.add("A")
    m.remove("A")
    assert not wait.done
    m.add("A")
    assert wait.done
    assert calls[-1] == {"A": 3, "B": 0, "Exception": 0}
    m.remove("A")
    assert len(calls) == 4, "a query that is done is not asked again"


def test_when_query_true_at_creation_is_done(flat: Flat) -> None:
    assert flat().when_query(lambda clock: clock["A"] == 0).done


@pytest.mark.trio
async def test_when_query_that_raises_becomes_an_error_and_ends_false(flat: Flat) -> None:
    m = flat()
    error = LookupError("no such thing")

    def query(clock: Any) -> bool:
        if clock["A"]:
            raise error
        return False

    wait = m.when_query(query)
    assert m.add("A") is am.EXECUTED
    assert m.err is error
    assert m.is_("A", "Exception")
    assert await wait is False


# -- queue ----------------------------------------------------------------------------------------


def test_when_queue_of_a_settled_result_is_done(flat: Flat) -> None:
    m = flat()
    assert m.when_queue(m.add("A")).done
    assert m.when_queue(am.CANCELED).done


@pytest.mark.trio
async def test_when_queue_ends_with_the_transition_of_its_result(flat: Flat) -> None:
    m = flat()
    seen: dict[str, Any] = {}

    def a_state(event: am.Event) -> None:
        seen["b"], seen["c"] = m.add("B"), m.add("C")
        seen["waits"] = [m.when_queue(seen["b"]), m.when_queue(seen["c"])]
        seen["at A"] = [wait.done for wait in seen["waits"]]

    def c_enter(event: am.Event) -> bool:
        seen["at C"] = [wait.done for wait in seen["waits"]]
        return False

    m.bind({"AState": a_state, "CEnter": c_enter})
    m.add("A")
    assert seen["at A"] == [False, False]
    assert seen["at C"] == [True, False]
    assert seen["b"].outcome is am.EXECUTED
    assert seen["c"].outcome is am.CANCELED
    assert [await wait for wait in seen["waits"]] == [True, True], "either way counts"


def test_when_queue_of_a_dropped_mutation_is_done(flat: Flat) -> None:
    seen: dict[str, Any] = {}
    m = flat(catch_exceptions=False)

    def a_state(event: am.Event) -> None:
        seen["res"] = m.add("B")
        seen["wait"] = m.when_queue(seen["res"])
        raise ValueError("boom")

    m.bind({"AState": a_state})
    with pytest.raises(ValueError, match="boom"):
        m.add("A")
    assert seen["wait"].done
    assert seen["res"].outcome is am.CANCELED


def test_when_queue_waits_for_a_check_made_in_a_handler(flat: Flat) -> None:
    seen: dict[str, Any] = {}
    m = flat()

    def a_state(event: am.Event) -> None:
        seen["res"] = m.can_add("B")
        seen["wait"] = m.when_queue(seen["res"])
        seen["before"] = seen["wait"].done

    m.bind({"AState": a_state, "BEnter": lambda e: False})
    m.add("A")
    assert seen["before"] is False
    assert seen["wait"].done
    assert seen["res"].outcome is am.CANCELED


def test_when_queue_ends_is_done_while_no_drain_runs(flat: Flat) -> None:
    seen: dict[str, Any] = {}
    m = flat()
    assert m.when_queue_ends().done

    def a_state(event: am.Event) -> None:
        seen["wait"] = m.when_queue_ends()
        m.add("B")

    m.bind({"AState": a_state, "BState": lambda e: seen.update(at_b=seen["wait"].done)})
    m.add("A")
    assert seen["at_b"] is False
    assert seen["wait"].done


# -- errors and disposal --------------------------------------------------------------------------


def test_when_err_waits_for_the_exception_state(flat: Flat) -> None:
    m = flat()
    wait = m.when_err()
    assert not wait.done
    m.add_err(ValueError("boom"))
    assert wait.done
    assert m.when_err().done


@pytest.mark.trio
async def test_when_disposed_is_the_only_wait_that_dispose_fulfils(flat: Flat) -> None:
    m = flat()
    waits = [
        m.when("A"),
        m.when_any("A", "B"),
        m.when_time({"A": 1}),
        m.when_ticks("A", 1),
        m.when_next_active("A"),
        m.when_args("A", id=1),
        m.when_query(lambda clock: False),
        m.when_err(),
    ]
    m.add("C")
    waits.append(m.when_not("C"))
    disposed = m.when_disposed()
    assert not disposed.done
    m.dispose()
    assert await disposed is True
    assert [await wait for wait in waits] == [False] * len(waits)
    assert m.when_disposed().done
    assert await m.when_disposed() is True


# -- wake-up --------------------------------------------------------------------------------------


def test_a_condition_met_in_the_middle_of_a_drain_counts(flat: Flat) -> None:
    m = flat()
    m.bind({"AState": lambda e: m.remove("A")})
    wait = m.when("A")
    m.add("A")
    assert not m.is_("A")
    assert wait.done


def test_a_transition_repaired_after_a_failure_wakes_like_an_accepted_one(flat: Flat) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    m = flat(handlers={"BState": fail})
    waits = {
        "A kept": m.when("A"),
        "B ticked twice": m.when_time({"B": 2}),
        "query": m.when_query(lambda clock: clock["B"] == 2),
    }
    never = m.when("B")
    m.add("A", "B")
    assert {name: wait.done for name, wait in waits.items()} == dict.fromkeys(waits, True)
    assert not never.done, "B was not active at the end of the transition"


def test_waits_fire_in_order_of_kind_then_creation(flat: Flat, log: Any) -> None:
    order: list[str] = []
    m = flat(log_level=am.LogLevel.OPS)
    keep: list[Any] = []

    def b_state(event: am.Event) -> None:
        keep.append(m.when_queue(m.add("A")))

    m.bind({"BState": b_state})
    keep += [
        m.when_query(lambda clock: bool(clock["A"]) and not order.append("query 1")),
        m.when_time({"A": 1}),
        m.when("A"),
        m.when_query(lambda clock: bool(clock["A"]) and not order.append("query 2")),
        m.when("A", "B"),
    ]
    log.clear()
    m.add("B")
    assert log.starting("[when") == [
        "[whenQueue:new] 3",
        "[when:match] A",
        "[when:match] A B",
        "[whenTime:match] A [1]",
        "[whenQueue:match] 3",
        "[whenQuery:match] 0",
        "[whenQuery:match] 1",
    ]
    assert order == ["query 1", "query 2"]


@pytest.mark.parametrize("kind", ["when", "when_not", "when_any", "when_next_active", "when_args"])
def test_an_unknown_state_is_refused_at_once(flat: Flat, kind: str) -> None:
    with pytest.raises(am.UnknownStateError):
        getattr(flat(), kind)("Nope")


def test_an_unknown_state_in_a_clock_wait_is_refused_at_once(flat: Flat) -> None:
    with pytest.raises(am.UnknownStateError):
        flat().when_time({"Nope": 1})
    with pytest.raises(am.UnknownStateError):
        flat().when_ticks("Nope", 1)


# -- outcome --------------------------------------------------------------------------------------


def test_the_outcome_is_known_once_the_wait_is_done_with_or_without_a_loop(flat: Flat) -> None:
    m = flat()
    met, ended, left = m.when("A"), m.when("B"), m.when("C")
    assert (met.outcome, ended.outcome) == (None, None)
    m.add("A")
    ended.cancel()
    assert (met.outcome, ended.outcome, left.outcome) == (True, False, None)
    m.dispose()
    assert (met.outcome, left.outcome) == (True, False)
