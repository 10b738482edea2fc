"""Errors: added by hand, raised in handlers of each kind, half-done finals, and going through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]
NEGOTIATION = ["AExit", "BEnter", "CC", "AB", "AC", "CB", "AnyEnter"]


class Boom(Exception):
    """What failing handlers raise here."""


def raising(error: BaseException) -> Callable[[am.Event], None]:
    def handle(event: am.Event) -> None:
        raise error

    return handle


def self_limited(error: BaseException) -> Callable[[am.Event], None]:
    """Raises unless Exception is called, as that transition calls some handlers as well."""

    def handle(event: am.Event) -> None:
        if "Exception" not in event.transition.called:
            raise error

    return handle


# --- add_err ------------------------------------------------------------------------------------


def test_add_err_activates_exception_and_keeps_the_error(flat: Flat, recorder: Any) -> None:
    machine, error = flat(tracers=[recorder]), Boom("one")
    assert (machine.is_err, machine.err) == (False, None)
    assert machine.add_err(error, where="here") is am.EXECUTED
    assert (machine.is_err, machine.err) == (True, error)
    mutation = recorder.mutations[0]
    assert (mutation.kind, mutation.called) == ("add", ("Exception",))
    assert dict(mutation.args) == {"where": "here", "err": error}


def test_an_error_outlives_the_exception_state(flat: Flat) -> None:
    machine, error = flat(), Boom("one")
    machine.add_err(error)
    machine.remove("Exception")
    assert (machine.is_err, machine.err) == (False, error)
    machine.add_err(Boom("two"))
    assert str(machine.err) == "two"


def test_add_err_with_a_state_calls_it_before_exception(recorder: Any) -> None:
    schema = {"Exception": {"multi": True}, "ErrNet": {"require": ["Exception"]}}
    machine = am.Machine(schema, tracers=[recorder])
    assert machine.add_err("ErrNet", Boom("net")) is am.EXECUTED
    assert recorder.mutations[0].called == ("ErrNet", "Exception")
    assert machine.is_("ErrNet", "Exception")


def test_the_error_wins_over_a_user_arg_of_its_name(flat: Flat, recorder: Any) -> None:
    error = Boom("one")
    flat(tracers=[recorder]).add_err(error, err="mine")
    assert recorder.mutations[0].args["err"] is error


def test_an_error_is_kept_even_if_its_mutation_is_canceled(flat: Flat) -> None:
    machine, error = flat(handlers={"ExceptionEnter": lambda e: False}), Boom("one")
    assert machine.add_err(error) is am.CANCELED
    assert (machine.is_err, machine.err) == (False, error)


def test_an_error_is_kept_at_once_and_its_mutation_queued(flat: Flat) -> None:
    machine, seen = flat(), list[Any]()
    error = Boom("one")

    def handle(event: am.Event) -> None:
        result = machine.add_err(error)
        seen.append((result.queued, result.queue_tick, machine.err, machine.is_err))

    machine.bind({"AState": handle})
    assert machine.add("A") is am.EXECUTED
    assert seen == [(True, 3, error, False)], "add_err is appended, not prepended"
    assert machine.is_("A", "Exception")


@pytest.mark.trio
async def test_an_error_of_a_task_that_is_being_cancelled_is_kept_and_reported(
    flat: Flat, log: Any
) -> None:
    error = Boom("cleaning up")

    async def work(event: am.Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise error

    async with flat(handlers={"AState": work}) as machine:
        machine.add("A")
        await trio.testing.wait_all_tasks_blocked()
    assert machine.err is error
    assert [line for line in log.lines if "cleaning up" in line]


@pytest.fixture
def cancelled() -> BaseException:
    """A `trio.Cancelled` as trio itself makes it."""
    caught: list[BaseException] = []

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as exc:
                caught.append(exc)
                raise

    trio.run(main)
    return caught[0]


def test_cancellation_is_no_error(flat: Flat, cancelled: BaseException) -> None:
    machine = flat()
    group = BaseExceptionGroup("g", [cancelled, BaseExceptionGroup("inner", [cancelled])])
    for nothing in (None, cancelled, group):
        assert machine.add_err(nothing) is am.CANCELED
        assert machine.add_err("A", nothing) is am.CANCELED
    assert (machine.err, machine.queue_tick) == (None, 1)


def test_a_group_that_holds_a_real_error_is_one(flat: Flat, cancelled: BaseException) -> None:
    machine = flat()
    group = BaseExceptionGroup("g", [cancelled, Boom("real")])
    assert machine.add_err(group) is am.EXECUTED
    assert machine.err is group


def test_plain_groups_are_errors(flat: Flat) -> None:
    group = ExceptionGroup("g", [Boom("a"), Boom("b")])
    machine = flat(handlers={"AState": raising(group)})
    assert machine.add("A") is am.CANCELED
    assert machine.err is group


def test_exception_is_multi_so_that_each_error_is_entered(flat: Flat) -> None:
    machine, seen = flat(), list[str]()
    machine.bind({"ExceptionState": lambda e: seen.append(str(e.args["err"]))})
    machine.add_err(Boom("one"))
    machine.add_err(Boom("two"))
    assert seen == ["one", "two"]
    assert machine.tick("Exception") == 3


# --- a handler raises ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NEGOTIATION)
def test_an_error_in_a_negotiation_handler_cancels_and_becomes_exception(
    flat: Flat, recorder: Any, name: str
) -> None:
    machine, error, calls = flat("A B C", tracers=[recorder]), Boom(name), list[str]()
    machine.add("A", "C")
    others = [*NEGOTIATION[NEGOTIATION.index(name) + 1 :], "AEnd", "BState"]
    machine.bind({n: lambda e: calls.append(e.name) for n in others if n != "AnyEnter"})
    machine.bind({name: self_limited(error)})
    recorder.clear()
    assert machine.set("B", "C") is am.CANCELED
    assert machine.clock() == {"A": 1, "B": 0, "C": 1, "Exception": 1}
    assert machine.err is error
    assert calls == [n for n in ("CC", "AC") if n in others]
    failed, recovery = recorder.transitions
    assert not failed.accepted
    assert (recovery.called, recovery.accepted) == (("Exception",), True)


def test_the_exception_mutation_tells_where_it_came_from(flat: Flat, recorder: Any) -> None:
    machine, error = flat(tracers=[recorder]), Boom("one")
    machine.add("B")
    machine.bind({"AState": raising(error)})
    recorder.clear()
    machine.add("A", "C", x=1)
    failed, recovery = recorder.transitions
    panic = recovery.mutation.args["panic"]
    assert isinstance(panic, am.Panic)
    assert (panic.handler, panic.called, panic.before) == ("AState", ("A", "C"), ("B",))
    assert panic.transition_id == failed.id
    assert recovery.mutation.args["err"] is error
    assert recovery.mutation.queue_tick == 0
    source = recovery.mutation.source
    assert (source.machine_id, source.transition_id) == (machine.id, failed.id)


def test_the_exception_mutation_is_taken_before_queued_ones(flat: Flat, recorder: Any) -> None:
    def handle(event: am.Event) -> None:
        event.add("B")
        raise Boom("after")

    machine = flat(tracers=[recorder], handlers={"AState": handle})
    machine.add("A")
    assert [tx.called for tx in recorder.transitions] == [("A",), ("Exception",), ("B",)]


PARTIAL = {
    # handler -> active and clocks of `A B C` after `add A B C` from `D`, with D removed by A
    "AEnter": ("D Exception", [0, 0, 0, 1, 1]),
    "DEnd": ("A B C Exception", [1, 1, 1, 2, 1]),
    "AState": ("Exception", [2, 2, 2, 2, 1]),
    "BState": ("A Exception", [1, 2, 2, 2, 1]),
    "CState": ("A B Exception", [1, 1, 2, 2, 1]),
    "AnyState": ("A B C Exception", [1, 1, 1, 2, 1]),
}


@pytest.mark.parametrize("name", PARTIAL)
def test_what_a_failed_final_leaves(flat: Flat, recorder: Any, name: str) -> None:
    schema: dict[str, Any] = {"A": {"remove": ["D"]}, "B": {}, "C": {}, "D": {}}
    machine, calls = am.Machine(schema, tracers=[recorder]), list[str]()
    machine.add("D")
    finals = ["DEnd", "AState", "BState", "CState", "AnyState"]
    machine.bind({n: lambda e: calls.append(e.name) for n in finals})
    machine.bind({name: self_limited(Boom(name))})
    recorder.clear()
    assert machine.add("A", "B", "C") is am.CANCELED
    active, ticks = PARTIAL[name]
    assert machine.active == tuple(active.split())
    assert list(machine.time()) == ticks
    failed = recorder.transitions[0]
    assert not failed.accepted
    assert list(failed.time_after) == [*ticks[:4], 0]
    done = finals[: finals.index(name) + 1] if name in finals else []
    assert calls == [*done, "AnyState"], "what follows is of the transition to Exception"


def test_relations_are_not_resolved_again_for_what_stays(recorder: Any) -> None:
    schema: dict[str, Any] = {"A": {"require": ["B"]}, "B": {"after": ["A"]}}
    machine = am.Machine(schema, tracers=[recorder], handlers={"BState": raising(Boom("b"))})
    machine.add("A", "B")
    assert recorder.transitions[0].time_after == (1, 2, 0), "A stays, though it requires B"
    assert machine.time() == (2, 2, 1), "the next transition resolves anew"


def test_a_failed_reentry_drops_the_multi_state(flat: Flat) -> None:
    machine = flat("M N", multi="M N")
    machine.add("M", "N")
    machine.bind({"NState": raising(Boom("n"))})
    assert machine.add("M", "N") is am.CANCELED
    assert machine.clock() == {"M": 3, "N": 4, "Exception": 1}


def test_log_lines_of_a_recovery(flat: Flat, log: Any) -> None:
    machine = flat(log_level=am.LogLevel.OPS, handlers={"BState": raising(Boom("b"))})
    machine.add("A", "B", "C")
    lines = log.lines
    at = lines.index("[recover] handling panic...")
    assert "[cancel] (A B C) by recover" in lines[at:]
    assert "[recover] partial final states as (A)" in lines[at:]
    assert "[state] -B -C" in lines[at:]


def test_no_partial_states_are_logged_for_a_failed_end(flat: Flat, log: Any) -> None:
    machine = flat(log_level=am.LogLevel.OPS)
    machine.add("A")
    machine.bind({"AEnd": raising(Boom("a"))})
    machine.remove("A")
    assert log.starting("[recover] partial") == []
    assert machine.active == ("Exception",)


@pytest.mark.parametrize("name", ["ExceptionEnter", "AnyEnter", "ExceptionState", "AnyState"])
def test_an_error_while_exception_is_called_does_not_nest(
    flat: Flat, recorder: Any, name: str
) -> None:
    machine, first = flat(tracers=[recorder]), Boom("first")
    machine.bind({name: raising(Boom("second"))})
    assert machine.add_err(first) is am.CANCELED
    assert machine.err is first
    assert [tx.called for tx in recorder.transitions] == [("Exception",)]
    # An error never erases an error: what failed after the activation leaves it active.
    ticks = {"ExceptionState": 1, "AnyState": 1}
    assert machine.tick("Exception") == ticks.get(name, 0)


def test_a_failing_exception_state_is_logged_with_its_traceback(flat: Flat, log: Any) -> None:
    machine, first = flat(handlers={"ExceptionState": raising(Boom("second"))}), Boom("first")
    assert machine.add_err(first) is am.CANCELED
    assert (machine.is_err, machine.err) == (True, first)
    (record,) = [r for r in log.records if r.levelname == "ERROR" and "second" in r.getMessage()]
    assert record.exc_info


def test_a_failing_exception_state_drops_the_states_entered_after_it(flat: Flat, log: Any) -> None:
    machine = am.Machine(
        {"Exception": {"multi": True}, "ErrX": {"require": ["Exception"]}},
        handlers={"ExceptionState": raising(Boom("second"))},
    )
    assert machine.add_err("ErrX", Boom("first")) is am.CANCELED
    assert machine.clock() == {"Exception": 1, "ErrX": 2}


def test_an_error_while_exception_is_removed_does_not_nest_either(flat: Flat) -> None:
    machine, first = flat(), Boom("first")
    machine.add_err(first)
    binding = machine.bind({"ExceptionExit": raising(Boom("second"))})
    assert machine.remove("Exception") is am.CANCELED
    assert (machine.is_err, machine.err) == (True, first)
    binding.detach()
    machine.bind({"ExceptionEnd": raising(Boom("third"))})
    assert machine.remove("Exception") is am.CANCELED
    assert (machine.is_err, machine.err) == (False, first)


@pytest.mark.parametrize("name", ["BExit", "XEnter", "AX", "AnyEnter"])
def test_an_error_in_an_auto_transition_cancels_all_of_it(recorder: Any, name: str) -> None:
    schema: dict[str, Any] = {
        "A": {}, "B": {}, "X": {"auto": True, "remove": ["B"]}, "Y": {"auto": True},
        "Exception": {"multi": True, "remove": ["X", "Y"]},
    }  # fmt: skip
    machine, error = am.Machine(schema, tracers=[recorder]), Boom(name)

    def handle(event: am.Event) -> None:
        if event.transition.auto:
            raise error

    machine.bind({name: handle})
    assert machine.add("A", "B") is am.EXECUTED
    assert machine.active == ("A", "B", "Exception")
    assert [(tx.auto, tx.accepted) for tx in recorder.transitions] == [
        (False, True), (True, False), (False, True),
    ]  # fmt: skip
    assert machine.err is error


@pytest.mark.parametrize(
    "name", ["AExit", "BEnter", "CC", "AB", "AnyEnter", "AEnd", "BState", "AnyState"]
)
def test_a_machine_works_on_after_any_failure(flat: Flat, name: str) -> None:
    machine = flat("A B C")
    machine.add("A", "C")
    binding = machine.bind({name: raising(Boom(name))})
    machine.set("B", "C")
    binding.detach()
    assert (machine.transition, machine.queue) == (None, ())
    assert machine.set("A", "B", "C") is am.EXECUTED
    assert machine.active == ("A", "B", "C")
    assert all(t % 2 for t in machine.time("A", "B", "C"))


def test_the_other_handlers_of_the_failed_name_are_skipped(flat: Flat) -> None:
    machine, calls = flat(), list[str]()
    machine.bind({"AState": raising(Boom("a"))})
    machine.bind({"AState": lambda e: calls.append("second binding")})
    machine.add("A")
    assert calls == []


# --- the built-in report ------------------------------------------------------------------------


def test_an_error_that_nobody_handles_is_reported(flat: Flat, log: Any) -> None:
    machine = flat(log_level=am.LogLevel.CHANGES, handlers={"AState": raising(Boom("deep"))})
    machine.add_err(Boom("plain"))
    machine.add("A", "B")
    errors = [r for r in log.records if r.levelname == "ERROR"]
    assert [r.getMessage().splitlines()[0] for r in errors] == [
        "[error] plain", "[error:add] A B (deep)",
    ]  # fmt: skip
    texts = [r.getMessage() + (r.exc_text or "") + str(r.exc_info or "") for r in errors]
    assert "Boom" in texts[1]


def test_the_report_is_only_for_debugging_where_a_handler_takes_the_error(
    flat: Flat, log: Any
) -> None:
    machine = flat(handlers={"ExceptionState": lambda e: None}, log_level=am.LogLevel.CHANGES)
    machine.add_err(Boom("plain"))
    (record,) = [r for r in log.records if r.getMessage().startswith("[error")]
    assert record.levelname == "DEBUG"


def test_the_traceback_can_be_left_out(flat: Flat, log: Any) -> None:
    machine = flat(handlers={"AState": raising(Boom("deep"))}, log_level=am.LogLevel.CHANGES)
    machine.log_traceback = False
    machine.add("A")
    (record,) = [r for r in log.records if r.levelname == "ERROR"]
    assert record.getMessage() == "[error:add] A (deep)"
    assert not record.exc_info


# --- errors that go through ---------------------------------------------------------------------

THROUGH = {
    "not caught by choice": ({"catch_exceptions": False}, Boom("through")),
    "a group, not caught": ({"catch_exceptions": False}, ExceptionGroup("g", [Boom("through")])),
    "keyboard interrupt": ({}, KeyboardInterrupt()),
    "system exit": ({}, SystemExit(3)),
    "a base exception group": ({}, BaseExceptionGroup("g", [KeyboardInterrupt()])),
}


@pytest.mark.parametrize("how", THROUGH)
@pytest.mark.parametrize("name", ["AEnter", "AnyEnter", "BState", "AnyState"])
@pytest.mark.parametrize("traced", [False, True])
def test_an_error_that_goes_through_leaves_a_repaired_machine(
    flat: Flat, recorder: Any, how: str, name: str, traced: bool
) -> None:
    options, error = THROUGH[how]
    machine, results = flat(tracers=[recorder] * traced, **options), list[am.Result]()

    def handle(event: am.Event) -> None:
        results.extend([event.add("C"), event.machine.can_add("D"), event.add("D")])
        raise error

    binding = machine.bind({name: handle})
    with pytest.raises(type(error)) as caught:
        machine.add("A", "B")
    assert caught.value is error
    binding.detach()
    expected = {"AEnter": "", "AnyEnter": "", "BState": "A", "AnyState": "A B"}[name]
    assert machine.active == tuple(expected.split())
    assert [r.outcome for r in results] == [am.CANCELED] * 3, "the queue was dropped"
    assert (machine.transition, machine.queue, machine.is_err) == (None, (), False)
    assert not traced or recorder.lines[-1] == "queue_end"
    assert machine.when_queue_ends().done
    assert machine.add("C") is am.EXECUTED


def test_an_error_from_a_nested_machine_goes_through_both(flat: Flat) -> None:
    inner = flat(catch_exceptions=False, handlers={"AState": raising(Boom("inner"))})
    outer = flat(handlers={"AState": lambda e: inner.add("A")})
    assert outer.add("A") is am.CANCELED
    assert str(outer.err) == "inner"
    assert not inner.is_err
    assert inner.clock("A") == {"A": 2}


def test_an_error_that_goes_through_settles_waits_for_the_queue(flat: Flat) -> None:
    machine, waits = flat(catch_exceptions=False), list[am.Wait]()

    def handle(event: am.Event) -> None:
        waits.extend([machine.when_queue(event.add("C")), machine.when_queue_ends()])
        raise Boom("through")

    machine.bind({"AState": handle})
    with pytest.raises(Boom):
        machine.add("A")
    assert [w.done for w in waits] == [True, True]


@pytest.mark.trio
async def test_a_task_error_leaves_through_the_nursery_in_a_group(flat: Flat) -> None:
    machine = flat(catch_exceptions=False)

    async def work(event: am.Event) -> None:
        raise Boom("task")

    machine.bind({"AState": work})

    async def live() -> None:
        async with machine:
            machine.add("A")
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await live()
    assert caught.group_contains(Boom, match="task")


# --- waits and contexts -------------------------------------------------------------------------


def test_contexts_of_dropped_states_expire(flat: Flat) -> None:
    machine, contexts = flat(), list[am.StateContext]()
    machine.bind({"AState": lambda e: contexts.extend(machine.state_ctx(s) for s in "ABC"),
                  "BState": raising(Boom("b"))})  # fmt: skip
    machine.add("A", "B", "C")
    assert [ctx.expired for ctx in contexts] == [False, True, True]


def test_waits_see_a_repaired_transition(flat: Flat) -> None:
    machine = flat(handlers={"BState": raising(Boom("b"))})
    waits = [machine.when("A"), machine.when_err(), machine.when_time({"B": 2})]
    missed = machine.when("A", "B")
    machine.add("A", "B")
    assert [w.done for w in waits] == [True] * 3
    assert not missed.done
