"""Clocks: what each event does to a tick, and the arithmetic of machine time."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]


# --- the table of ticks -------------------------------------------------------------------------


def test_a_new_machine_has_every_tick_at_zero(flat: Flat) -> None:
    machine = flat("A B")
    assert machine.time() == (0, 0, 0)
    assert (machine.queue_tick, machine.machine_tick) == (1, 0)


def test_activation_and_deactivation_add_one_each(flat: Flat) -> None:
    machine = flat()
    ticks = []
    for call in (machine.add, machine.remove, machine.add, machine.remove):
        call("A")
        ticks.append(machine.tick("A"))
    assert ticks == [1, 2, 3, 4]


def test_an_implied_and_an_auto_state_gain_one() -> None:
    machine = am.Machine({"A": {"add": ["B"]}, "B": {}, "C": {"auto": True, "require": ["A"]}})
    machine.add("A")
    assert machine.clock() == {"A": 1, "B": 1, "C": 1, "Exception": 0}


@pytest.mark.parametrize("kind", ["add", "set"])
def test_an_active_multi_state_gains_two_when_called(flat: Flat, kind: str) -> None:
    machine = flat("A M", multi="M")
    machine.add("M")
    getattr(machine, kind)("M")
    assert machine.tick("M") == 3
    getattr(machine, kind)("M", "A")
    assert machine.clock("M", "A") == {"M": 5, "A": 1}


@pytest.mark.parametrize("kind", ["add", "set"])
def test_an_active_plain_state_gains_nothing_when_called(flat: Flat, kind: str) -> None:
    machine = flat()
    machine.add("A")
    assert getattr(machine, kind)("A") is am.EXECUTED
    assert machine.tick("A") == 1


@pytest.mark.parametrize("multi", [True, False])
def test_an_active_state_that_is_only_implied_gains_nothing(multi: bool) -> None:
    machine = am.Machine({"A": {"add": ["B"], "multi": True}, "B": {"multi": multi}})
    machine.add("B")
    machine.add("A")
    machine.add("A")
    assert machine.clock("A", "B") == {"A": 3, "B": 1}


def test_an_active_multi_state_that_merely_stays_gains_nothing(flat: Flat) -> None:
    machine = flat("A M", multi="M")
    machine.add("M")
    machine.add("A")
    machine.remove("A")
    assert machine.tick("M") == 1


def test_a_self_handler_changes_no_tick(flat: Flat) -> None:
    machine = flat(handlers={"AA": lambda e: None})
    machine.add("A")
    machine.add("A")
    machine.set("A", "B")
    assert machine.tick("A") == 1


def test_a_canceled_transition_changes_no_tick(flat: Flat) -> None:
    machine = flat(handlers={"AExit": lambda e: False})
    machine.add("A")
    machine.set("B")
    assert machine.time() == (1, 0, 0, 0, 0)


def test_a_canceled_reentry_changes_no_tick(flat: Flat) -> None:
    machine = flat("A M", multi="M", handlers={"MEnter": lambda e: "no" not in e.args})
    machine.add("M")
    assert machine.add("M", "A", no=1) is am.CANCELED
    assert machine.time() == (0, 1, 0)


def test_a_check_changes_no_tick(flat: Flat) -> None:
    machine = flat("A M", multi="M")
    machine.add("M")
    machine.can_add("A", "M")
    machine.can_remove("M")
    assert machine.time() == (0, 1, 0)


def test_a_state_dropped_after_a_failed_final_gains_one_more(flat: Flat) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    machine = flat("A B M", multi="M")
    machine.add("M")
    machine.bind({"BState": fail})
    machine.add("A", "B", "M")
    assert machine.clock() == {"A": 1, "B": 2, "M": 4, "Exception": 1}, "M gained its two only once"


def test_remove_of_an_active_multi_state_gains_one(flat: Flat) -> None:
    machine = flat("M", multi="M")
    machine.add("M")
    machine.add("M")
    machine.remove("M")
    assert machine.tick("M") == 4


def test_ticks_count_on_without_a_limit(flat: Flat) -> None:
    schema: dict[str, Any] = {"A": {}}
    big = 2**64 - 1
    machine = am.Machine.restore(am.Snapshot("m", ("A", "Exception"), (big, 0), 1, 0), schema)
    assert machine.is_("A")
    machine.remove("A")
    assert machine.tick("A") == 2**64


# --- the queue tick -----------------------------------------------------------------------------


def test_the_queue_tick_counts_mutations_that_are_taken(flat: Flat) -> None:
    machine = flat(auto="B")
    machine.add("A")
    assert machine.queue_tick == 2
    machine.can_add("C")
    assert machine.queue_tick == 2, "neither checks nor auto mutations have a queue tick"
    machine.add("A")
    assert machine.queue_tick == 3


def test_a_third_mutation_queued_inside_a_second_gets_queue_tick_four(flat: Flat) -> None:
    machine, ticks = flat(), list[int]()
    machine.bind({
        "AState": lambda e: ticks.append(machine.add("B").queue_tick),
        "BState": lambda e: ticks.append(machine.add("C").queue_tick),
    })  # fmt: skip
    machine.add("A")
    assert ticks == [3, 4]
    assert machine.queue_tick == 4


def test_a_queued_mutation_is_taken_at_its_queue_tick(flat: Flat) -> None:
    machine, promised, taken = flat(), list[int](), list[int]()

    def start(event: am.Event) -> None:
        promised.append(machine.add("B").queue_tick)
        machine.can_add("D")
        promised.append(machine.add("C").queue_tick)

    def note(event: am.Event) -> None:
        taken.append(machine.queue_tick)

    machine.bind({"AState": start, "BState": note, "CState": note})
    machine.add("A")
    assert promised == taken == [3, 4]


# --- reading time -------------------------------------------------------------------------------


@pytest.fixture
def ticked(flat: Flat) -> am.Machine:
    """A:1 B:2 C:0 M:3 Exception:0."""
    machine = flat("A B C M", multi="M")
    machine.add("A", "B", "M")
    machine.remove("B")
    machine.add("M")
    return machine


def test_time_is_in_index_order_or_in_the_order_asked_for(ticked: am.Machine) -> None:
    assert ticked.time() == (1, 2, 0, 3, 0)
    assert ticked.time("M", "A") == (3, 1)
    assert ticked.time().sum == 6
    assert ticked.tick("M") == 3


def test_clock_names_the_ticks(ticked: am.Machine) -> None:
    assert ticked.clock() == {"A": 1, "B": 2, "C": 0, "M": 3, "Exception": 0}
    assert list(ticked.clock("M", "B").items()) == [("M", 3), ("B", 2)]


def test_a_time_taken_earlier_does_not_move(ticked: am.Machine) -> None:
    time, clock = ticked.time(), ticked.clock()
    ticked.remove("A")
    assert time == (1, 2, 0, 3, 0)
    assert clock["A"] == 1


def test_is_time_wants_every_tick_equal(ticked: am.Machine) -> None:
    assert ticked.is_time(ticked.time())
    assert ticked.is_time([3, 1], "M", "A")
    assert not ticked.is_time([3, 2], "M", "A")
    assert not ticked.is_time([2, 1], "M", "A")
    assert not ticked.is_time([1, 2, 0, 3, 1])


def test_was_time_wants_every_tick_reached(ticked: am.Machine) -> None:
    assert ticked.was_time(ticked.time())
    assert ticked.was_time([2, 0], "M", "A")
    assert ticked.was_time([0, 0, 0, 0, 0])
    assert not ticked.was_time([4, 1], "M", "A")
    assert not ticked.was_time([1, 2, 1, 3, 0])


def test_is_clock_and_was_clock_compare_named_ticks(ticked: am.Machine) -> None:
    assert ticked.is_clock({"B": 2, "A": 1})
    assert not ticked.is_clock({"B": 2, "A": 0})
    assert ticked.was_clock({"B": 1, "M": 3})
    assert not ticked.was_clock({"B": 1, "M": 4})
    assert ticked.is_clock({})
    assert ticked.was_clock({})


def test_a_shorter_time_counts_as_padded_with_zeros(ticked: am.Machine) -> None:
    assert ticked.is_time([1, 2, 0, 3])
    assert not ticked.is_time([1, 2])
    assert ticked.was_time([1])


# --- reading states -----------------------------------------------------------------------------


def test_checks_of_activity(ticked: am.Machine) -> None:
    assert ticked.active == ("A", "M")
    assert ticked.is_("A", "M")
    assert not ticked.is_("A", "B")
    assert ticked.is_()
    assert ticked.not_("B", "C")
    assert not ticked.not_("B", "A")
    assert ticked.not_()
    assert "A" in ticked
    assert "B" not in ticked


def test_any_takes_states_and_groups_that_must_be_whole(ticked: am.Machine) -> None:
    assert ticked.any_("B", "A")
    assert not ticked.any_("B", "C")
    assert ticked.any_("B", ("A", "M"))
    assert not ticked.any_(("A", "B"), "C")
    assert not ticked.any_()


def test_switch_gives_the_first_active_in_argument_order(ticked: am.Machine) -> None:
    assert ticked.switch("B", "M", "A") == "M"
    assert ticked.switch("A", "M") == "A"
    assert ticked.switch("B", "C") is None
    assert ticked.switch() is None


# --- Time as a value ----------------------------------------------------------------------------


def test_time_is_an_immutable_sequence() -> None:
    time = am.Time([1, 2, 0])
    assert (len(time), time[0], time[-1], list(time)) == (3, 1, 0, [1, 2, 0])
    assert time[1:] == (2, 0)
    assert isinstance(time[1:], am.Time)
    assert 2 in time
    with pytest.raises(TypeError):
        time[0] = 5  # type: ignore[index]
    with pytest.raises(IndexError):
        time[3]


def test_times_are_equal_by_value_and_hashable() -> None:
    assert am.Time([1, 2]) == am.Time((1, 2)) == (1, 2) == am.Time([1, 2])
    assert am.Time([1, 2]) != am.Time([1, 2, 0])
    assert am.Time([1]) != "1"
    assert hash(am.Time([1, 2])) == hash(am.Time([1, 2]))
    assert {am.Time([1, 2]): "here"}[am.Time((1, 2))] == "here"
    assert repr(am.Time([1, 2])) == "Time([1, 2])"


def test_activity_in_a_time() -> None:
    time = am.Time([1, 2, 3, 0])
    assert time.active == (0, 2)
    assert [time.is_active(i) for i in range(4)] == [True, False, True, False]
    assert not time.is_active(4)
    assert time.sum == 6
    assert am.Time().sum == 0


def test_arithmetic_goes_by_index_and_pads_the_shorter() -> None:
    time = am.Time([3, 4, 5])
    assert time + am.Time([1, 1]) == (4, 5, 5)
    assert time - [1, 1, 1] == (2, 3, 4)
    assert time.diff_since(am.Time([3])) == (0, 4, 5)
    assert am.Time([1]) + am.Time([0, 2]) == (1, 2)
    assert am.Time([1]).diff_since([0, 0]) == (1, 0)
    assert isinstance(time + am.Time([1]), am.Time)
    assert time == (3, 4, 5)


@pytest.mark.parametrize(
    ("one", "other", "before", "after"),
    [
        ([1, 2], [1, 3], True, False),
        ([1, 3], [1, 2], False, True),
        ([1, 2], [1, 2], False, False),
        ([1], [1, 1], True, False),
        ([1, 1], [1], False, True),
        ([1, 0], [1], False, False),
    ],
)
def test_before_and_after(one: list[int], other: list[int], before: bool, after: bool) -> None:
    assert am.Time(one).before(other) is before
    assert am.Time(one).after(am.Time(other)) is after


def test_a_time_survives_json_as_a_list(ticked: am.Machine) -> None:
    assert am.Time(json.loads(json.dumps(list(ticked.time())))) == ticked.time()


# --- predicted and real times of a transition ---------------------------------------------------


def test_time_after_of_a_transition(flat: Flat, recorder: Any) -> None:
    machine = flat("A M", multi="M", tracers=[recorder])
    machine.add("M", "A")
    machine.set("M")
    tx = recorder.transitions[-1]
    assert (tx.time_before, tx.time_after) == ((1, 1, 0), (2, 3, 0))
    assert (tx.added, tx.removed) == (("M",), ("A",))
    machine.can_add("A")
    check = recorder.transitions[-1]
    assert check.time_before == check.time_after == (2, 3, 0)


def test_time_after_of_a_repaired_transition_is_the_true_one(flat: Flat, recorder: Any) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    machine = flat("A B", tracers=[recorder], handlers={"BState": fail})
    machine.add("A", "B")
    tx = recorder.transitions[0]
    assert (tx.accepted, tx.time_before, tx.time_after) == (False, (0, 0, 0), (1, 2, 0))
