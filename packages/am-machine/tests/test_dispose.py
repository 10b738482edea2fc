"""The end of a machine: what happens in which order, from wherever it is asked for."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]


def test_after_dispose_mutations_are_canceled_and_reads_go_on(flat: Flat) -> None:
    m = flat()
    m.add("A")
    m.dispose()
    assert m.disposed
    results = [m.add("B"), m.remove("A"), m.set("B"), m.toggle("A"), m.add_err(ValueError("x"))]
    results += [m.can_add("B"), m.can_remove("A")]
    assert all(result is am.CANCELED for result in results)
    assert str(m) == "(A:1)"
    assert m.err is None


def test_a_context_of_a_disposed_machine_has_expired(flat: Flat) -> None:
    m = flat()
    m.dispose()
    assert m.state_ctx("A").expired


def test_dispose_twice_is_dispose_once(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder])
    calls: list[am.Machine] = []
    m.on_dispose(calls.append)
    m.dispose()
    m.dispose()
    assert calls == [m]
    assert len(recorder.only("machine_dispose")) == 1


def test_callbacks_run_in_order_and_late_ones_at_once(flat: Flat) -> None:
    m = flat()
    calls: list[str] = []
    m.on_dispose(lambda machine: calls.append("first"))
    m.on_dispose(lambda machine: calls.append("second"))
    m.dispose()
    assert calls == ["first", "second"]
    m.on_dispose(lambda machine: calls.append("late"))
    assert calls == ["first", "second", "late"]


def test_a_callback_that_raises_is_logged_and_stops_nothing(flat: Flat, log: Any) -> None:
    def fail(machine: Any) -> None:
        raise ValueError("boom in a callback")

    m = flat()
    calls: list[am.Machine] = []
    m.on_dispose(fail)
    m.on_dispose(calls.append)
    m.dispose()
    assert calls == [m]
    assert m.disposed
    assert any(record.levelname == "ERROR" for record in log.records)


def test_an_active_start_is_removed_with_its_handlers(flat: Flat) -> None:
    calls: list[str] = []
    m = flat("Start A")
    m.bind({"StartExit": lambda e: calls.append("exit"), "StartEnd": lambda e: calls.append("end")})
    m.add("Start", "A")
    m.dispose()
    assert calls == ["exit", "end"]
    assert str(m) == "(A:1)"


def test_a_refusal_to_leave_start_stops_nothing(flat: Flat) -> None:
    m = flat("Start", handlers={"StartExit": lambda e: False})
    m.add("Start")
    m.dispose()
    assert m.disposed
    assert m.is_("Start")


def test_handlers_of_start_may_still_mutate(flat: Flat) -> None:
    m = flat("Start Bye", handlers={"StartEnd": lambda e: e.machine.add("Bye")})
    m.add("Start")
    m.dispose()
    assert m.is_("Bye")


def test_the_steps_happen_in_order(flat: Flat) -> None:
    steps: list[str] = []

    def look(step: str) -> None:
        steps.append(
            f"{step}: ctx {'expired' if ctx.expired else 'open'}, "
            f"wait {'done' if wait.done else 'pending'}, "
            f"{'disposed' if m.disposed else 'not disposed'}"
        )

    class Look(am.Tracer):
        def machine_dispose(self, machine: Any) -> None:
            look(f"tracer of {machine.id}")

    m = flat("Start A", id="parent", tracers=[Look()])
    m.bind({"StartEnd": lambda e: look("StartEnd")})
    children = [flat(id=name, parent=m) for name in ("older", "newer")]
    m.add("Start")
    ctx = m.state_ctx("A", inactive=True)
    wait = m.when("A")
    disposed = m.when_disposed()
    for child in children:
        child.on_dispose(lambda machine: look(f"callback of {machine.id}"))
    m.on_dispose(lambda machine: look("callback of parent"))
    m.on_dispose(lambda machine: steps.append(f"add gives {machine.add('A')}"))
    m.dispose()
    assert steps == [
        "StartEnd: ctx open, wait pending, not disposed",
        "tracer of newer: ctx open, wait pending, not disposed",
        "callback of newer: ctx open, wait pending, not disposed",
        "tracer of older: ctx open, wait pending, not disposed",
        "callback of older: ctx open, wait pending, not disposed",
        "tracer of parent: ctx open, wait pending, not disposed",
        "callback of parent: ctx expired, wait pending, not disposed",
        "add gives canceled",
    ]
    assert ctx.expired
    assert wait.done
    assert disposed.done
    assert [child.disposed for child in children] == [True, True]


def test_a_child_disposed_on_its_own_leaves_the_parent(flat: Flat) -> None:
    parent = flat(id="parent")
    child = flat(id="child", parent=parent)
    calls: list[am.Machine] = []
    child.on_dispose(calls.append)
    child.dispose()
    assert not parent.disposed
    parent.dispose()
    assert calls == [child]


def test_handlers_are_released(flat: Flat) -> None:
    class Handlers:
        def AState(self, event: am.Event) -> None:
            """Bound, so that the machine holds the object."""

    handlers = Handlers()
    m = flat(handlers=handlers)
    m.add("A")
    ref = weakref.ref(handlers)
    m.dispose()
    del handlers
    assert ref() is None


def test_tracers_are_released(flat: Flat) -> None:
    class Idle(am.Tracer):
        """A tracer that can be referred to weakly, whatever the base class does."""

        __slots__ = ("__weakref__",) if not hasattr(am.Tracer, "__weakref__") else ()

    tracer = Idle()
    m = flat(tracers=[tracer])
    ref = weakref.ref(tracer)
    m.dispose()
    del tracer
    assert ref() is None


# -- from within a drain --------------------------------------------------------------------------

FROM = ["AExit", "BEnter", "BB", "AB", "AnyEnter", "AEnd", "BState", "AnyState"]


@pytest.mark.parametrize("name", FROM)
def test_dispose_in_a_handler_lets_the_transition_complete(flat: Flat, name: str) -> None:
    calls: list[str] = []
    dropped: list[am.Result] = []
    m = flat("A B C")
    m.add("A")
    if name == "BB":
        m.add("B")

    def end(event: am.Event) -> None:
        calls.append(event.name)
        m.dispose()
        assert not m.disposed, "the steps run at the end of the drain"

    m.bind({"CState": lambda e: calls.append("never")})
    m.bind({name: end})
    m.bind({"AnyState": lambda e: calls.append("AnyState after")})
    m.on_dispose(lambda machine: calls.append("disposed"))
    m.bind({"AnyEnter": lambda e: dropped.append(m.add("C"))})
    result = m.set("B")
    assert result is am.EXECUTED
    assert calls == [name, "AnyState after", "disposed"]
    assert m.disposed
    assert m.active == ("B",)
    assert dropped[0].canceled


def test_dispose_in_a_drain_drops_the_rest_of_the_queue(flat: Flat) -> None:
    results: list[am.Result] = []
    waits: list[am.Wait] = []

    def a_state(event: am.Event) -> None:
        results.append(m.add("B"))
        waits.append(m.when_queue(results[0]))
        m.dispose()
        results.append(m.add("C"))

    m = flat()
    m.bind({"AState": a_state})
    assert m.add("A") is am.EXECUTED
    assert results[0].outcome is am.CANCELED
    assert results[1].canceled
    assert waits[0].done
    assert m.queue == ()
    assert str(m) == "(A:1)"


def test_dispose_in_a_drain_sends_no_auto_mutation(flat: Flat) -> None:
    m = flat("A B", auto="B", handlers={"AState": lambda e: e.machine.dispose()})
    m.add("A")
    assert str(m) == "(A:1)"


def test_dispose_in_a_drain_leaves_start_alone(flat: Flat) -> None:
    m = flat("Start A", handlers={"AState": lambda e: e.machine.dispose()})
    m.add("Start")
    m.add("A")
    assert m.disposed
    assert m.is_("Start", "A")


def test_dispose_by_a_tracer_waits_for_the_drain(flat: Flat) -> None:
    class End(am.Tracer):
        def transition_start(self, transition: Any) -> None:
            m.dispose()

    m = flat()
    m.bind_tracer(End())
    assert m.add("A") is am.EXECUTED
    assert m.disposed
    assert m.is_("A")


def test_dispose_by_a_when_query_waits_for_the_drain(flat: Flat) -> None:
    def query(clock: Any) -> bool:
        if clock["A"]:
            m.dispose()
        return False

    m = flat()
    wait = m.when_query(query)
    m.add("A")
    assert m.disposed
    assert wait.done


def test_dispose_in_a_callback_of_dispose_is_harmless(flat: Flat) -> None:
    m = flat()
    m.on_dispose(lambda machine: machine.dispose())
    m.dispose()
    assert m.disposed


def test_dispose_after_a_failing_handler_still_completes(flat: Flat) -> None:
    def fail(event: am.Event) -> None:
        m.dispose()
        raise ValueError("boom")

    m = flat()
    m.bind({"AState": fail})
    assert m.add("A") is am.CANCELED
    assert m.disposed
    assert isinstance(m.err, ValueError)


@pytest.mark.trio
async def test_dispose_cancels_tasks_and_resolves_waits_at_once(flat: Flat) -> None:
    ended: list[str] = []

    async def a_state(event: am.Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("task")

    m = flat(handlers={"AState": a_state})
    async with m:
        m.add("A")
        await trio.testing.wait_all_tasks_blocked()
        wait = m.when("B")
        m.dispose()
        assert wait.done
        assert await wait is False
        await m.when_disposed()
        await trio.testing.wait_all_tasks_blocked()
        assert ended == ["task"]
        assert not m.is_err
