"""Mutations that cause each other without end are cut, and told as an error."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]
pytestmark = pytest.mark.usefixtures("log")


def ping_pong(m: am.Machine) -> am.Machine:
    m.bind({"AState": lambda e: e.set("B"), "BState": lambda e: e.set("A")})
    return m


LISTEN: dict[str, Callable[[], dict[str, Any]]] = {
    "nobody": dict,
    "a journal": lambda: {"tracers": [am.Journal()]},
    "the log": lambda: {"log_level": am.LogLevel.OPS},
    "a tracer": lambda: {"tracers": [Listener()]},
}


class Listener(am.Tracer):
    def transition_end(self, transition: am.Transition) -> None:
        """Listens to each transition."""


@pytest.mark.parametrize("who", LISTEN)
def test_a_ping_pong_of_two_states_is_cut_and_becomes_an_error(flat: Flat, who: str) -> None:
    m = ping_pong(flat(queue_rounds=50, **LISTEN[who]()))
    m.add("A")
    assert m.is_err
    assert isinstance(m.err, am.QueueLoopError)
    assert (m.queue, m.transition) == ((), None)
    assert m.remove("Exception") is am.EXECUTED


def test_the_error_names_the_bound_and_the_last_ten_states(flat: Flat) -> None:
    m = ping_pong(flat(queue_rounds=51))
    m.add("A")
    error = m.err
    assert isinstance(error, am.QueueLoopError)
    assert error.rounds == 51
    assert error.states in (("A", "B") * 5, ("B", "A") * 5)
    assert "51" in str(error)
    assert ", ".join(error.states) in str(error)


def test_the_error_pickles() -> None:
    error = am.QueueLoopError(5, ("A B", "C"))
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.rounds, copy.states, str(copy)) == (5, ("A B", "C"), str(error))


def test_as_many_mutations_as_allowed_are_not_cut(flat: Flat) -> None:
    m, left = flat("M", multi="M", queue_rounds=50), [49]

    def again(event: am.Event) -> None:
        if left[0]:
            left[0] -= 1
            event.add("M")

    m.bind({"MState": again})
    m.add("M")
    assert not m.is_err
    assert m.tick("M") == 99


def test_each_outer_call_has_all_rounds(flat: Flat) -> None:
    m, left = flat("M", multi="M", queue_rounds=50), [0]

    def again(event: am.Event) -> None:
        if left[0]:
            left[0] -= 1
            event.add("M")

    m.bind({"MState": again})
    for _ in range(3):
        left[0] = 40
        m.add("M")
    assert not m.is_err


def test_many_mutations_queued_at_once_are_not_a_loop_below_the_default_bound(flat: Flat) -> None:
    m = flat("A M", multi="M", queue_limit=10_000)
    m.bind({"AState": lambda e: [e.add("M") for _ in range(5_000)]})
    m.add("A")
    assert not m.is_err
    assert m.tick("M") == 9_999


def test_without_a_bound_nothing_is_cut(flat: Flat) -> None:
    m, left = flat("M", multi="M", queue_rounds=None), [500]

    def again(event: am.Event) -> None:
        if left[0]:
            left[0] -= 1
            event.add("M")

    m.bind({"MState": again})
    m.add("M")
    assert (m.is_err, left) == (False, [0])


def test_results_and_waits_of_what_is_dropped_are_canceled(flat: Flat) -> None:
    m, results = flat(queue_rounds=20), list[am.Result]()

    def ping(event: am.Event) -> None:
        results.append(event.set("B"))
        results.append(event.add("C", n=1))

    m.bind({"AState": ping, "BState": lambda e: results.append(e.set("A"))})
    m.add("A")
    assert all(r.outcome is not None for r in results)
    assert results[-1].outcome is am.CANCELED


def test_an_error_handler_that_adds_errors_is_cut(flat: Flat) -> None:
    m = flat(queue_rounds=50)
    m.bind({"ExceptionState": lambda e: e.add_err(ValueError("again"))})
    m.add_err(ValueError("first"))
    assert isinstance(m.err, (am.QueueLoopError, ValueError))
    assert (m.is_err, m.queue, m.transition) == (True, (), None)
    assert m.add("A") is am.EXECUTED


def test_an_auto_state_that_fails_while_the_error_is_removed_is_cut(flat: Flat) -> None:
    m, calls = flat("A X", auto="X", queue_rounds=50), [0]

    def fail(event: am.Event) -> None:
        calls[0] += 1
        raise ValueError("always")

    m.bind({"XState": fail, "ExceptionState": lambda e: e.remove("Exception")})
    m.add("A")
    assert calls[0] <= 50
    assert (m.queue, m.transition) == ((), None)
    assert m.remove("A")


def test_where_errors_go_through_the_call_raises_it(flat: Flat) -> None:
    m = ping_pong(flat(queue_rounds=50, catch_exceptions=False))
    with pytest.raises(am.QueueLoopError):
        m.add("A")
    assert (m.queue, m.transition, m.is_err) == ((), None, False)
    assert m.add("C") is am.EXECUTED


def test_the_default_bound_ends_a_ping_pong(flat: Flat) -> None:
    m = ping_pong(flat(handler_timeout=None))
    m.add("A")
    assert isinstance(m.err, am.QueueLoopError)
    assert m.err.rounds == 100_000
