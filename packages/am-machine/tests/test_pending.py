"""Looking into a machine: who waits for what, its children, its handlers, and who hears of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]


# -- pending --------------------------------------------------------------------------------------


def test_an_idle_machine_has_nothing_pending(flat: Flat) -> None:
    found = flat().pending()
    assert (found.waits, found.contexts, found.tasks, found.queue) == ((), (), (), ())
    assert len(found) == 0
    assert str(found) == ""


def test_each_kind_of_wait_is_told_with_label_states_and_age(flat: Flat) -> None:
    m = flat()
    m.add("D")
    waits = [
        m.when("A", "B"), m.when_not("D"), m.when_any("A", "C"), m.when_time({"A": 3}),
        m.when_ticks("B", 2), m.when_args("C", id=1), m.when_query(lambda clock: False),
        m.when_disposed(), m.when_err(),
    ]  # fmt: skip
    found = m.pending().waits
    assert [item.label.split()[0] for item in found] == [
        "when", "when_not", "when_any", "when_time", "when_time", "when_args", "when_query",
        "when_disposed", "when",
    ]  # fmt: skip
    assert [item.states for item in found][:3] == [("A", "B"), ("D",), ("A", "C")]
    assert all(item.kind == "wait" and item.age is not None and item.age >= 0 for item in found)
    assert not any(wait.done for wait in waits)


def test_a_wait_that_is_over_is_not_pending(flat: Flat) -> None:
    m = flat()
    one, other, dropped = m.when("A"), m.when("B"), m.when("C")
    m.add("A")
    other.cancel()
    del dropped
    assert one.done
    assert m.pending().waits == ()


def test_a_context_is_told_by_state_and_tick(flat: Flat) -> None:
    m = flat()
    m.add("A")
    kept = [m.state_ctx("A"), m.state_ctx("B", inactive=True), m.state_ctx("B")]
    assert [(c.label, c.states) for c in m.pending().contexts] == [
        ("A:1", ("A",)), ("B:0", ("B",)),
    ]  # fmt: skip
    m.remove("A")
    assert [c.label for c in m.pending().contexts] == ["B:0"]
    assert len(kept) == 3


@pytest.mark.trio
async def test_tasks_are_told_by_name_and_state(flat: Flat) -> None:
    async def a_state(event: am.Event) -> None:
        await trio.sleep_forever()

    async with flat(handlers={"AState": a_state}) as m:
        m.add("A", "B")
        m.fork(trio.sleep_forever, state="B")
        m.fork(trio.sleep_forever)
        await trio.testing.wait_all_tasks_blocked()
        assert [(t.label, t.states) for t in m.pending().tasks] == [
            ("AState", ("A",)), ("sleep_forever", ("B",)), ("sleep_forever", ()),
        ]  # fmt: skip
        m.remove("A")
        await trio.testing.wait_all_tasks_blocked()
        assert len(m.pending().tasks) == 2
    assert len(m.pending()) == 0


def test_the_queue_is_told_next_one_first(flat: Flat) -> None:
    seen: list[Any] = []

    def look(event: am.Event) -> None:
        event.add("B")
        event.remove("A")
        event.machine.can_add("C")
        seen.extend(event.machine.pending().queue)

    flat(handlers={"AState": look}).add("A")
    assert [item.states for item in seen] == [("C",), ("B",), ("A",)]
    assert [item.kind for item in seen] == ["mutation"] * 3


def test_the_text_has_a_line_for_each(flat: Flat) -> None:
    m = flat()
    kept = [m.when("A"), m.state_ctx("B", inactive=True)]
    lines = str(m.pending()).splitlines()
    assert len(lines) == len(kept)
    assert lines[0].startswith("context B:0")
    assert lines[1].startswith("wait when A")


def test_any_thread_may_look(flat: Flat) -> None:
    m, found = flat(), list[Any]()
    kept = [m.when("A"), m.state_ctx("B", inactive=True)]
    thread = threading.Thread(target=lambda: found.append(m.pending()))
    thread.start()
    thread.join()
    assert len(found[0]) == len(kept)


def test_another_thread_may_look_while_the_owner_works(flat: Flat) -> None:
    m, errors, stop = flat(), list[BaseException](), threading.Event()

    def look() -> None:
        try:
            while not stop.is_set():
                str(m.pending())
                tuple(m.children)
                tuple(m.handler_names)
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=look)
    thread.start()
    children: list[am.Machine] = []
    for number in range(1_500):
        waits = [m.when("A"), m.when_args("B", id=number), m.state_ctx("B", inactive=True)]
        bound = m.bind({"AState": lambda e: e.add("B", id=1)})
        children.append(flat(parent=m))
        m.toggle("A")
        m.set()
        bound.detach()
        del waits, children[:-20]
    stop.set()
    thread.join(20)
    assert errors == []


# -- children, handler_names ----------------------------------------------------------------------


def test_children_are_those_alive_oldest_first(flat: Flat) -> None:
    m = flat()
    assert m.children == ()
    one, two, three = (flat(parent=m) for _ in range(3))
    assert m.children == (one, two, three)
    del two
    assert m.children == (one, three)


def test_a_disposed_child_is_no_child_any_more_once_dropped(flat: Flat) -> None:
    m = flat()
    child = flat(parent=m)
    child.dispose()
    del child
    assert m.children == ()


def test_handler_names_are_each_told_once_in_order_of_binding(flat: Flat) -> None:
    m = flat()
    assert m.handler_names == ()
    one = m.bind({"AState": lambda e: None, "BEnter": lambda e: None})
    m.bind({"AnyEnter": lambda e: None, "AState": lambda e: None})
    assert m.handler_names == ("AState", "BEnter", "AnyEnter")
    one.detach()
    assert m.handler_names == ("AnyEnter", "AState")


# -- hooks ----------------------------------------------------------------------------------------


class Changes(am.Tracer):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def handlers_change(self, machine: am.BaseMachine) -> None:
        self.seen.append(machine.handler_names)

    def pipes_change(self, machine: am.BaseMachine) -> None:
        self.seen.append(len(machine.sem_log.pipes))


def test_a_tracer_hears_when_handlers_are_bound_and_detached(flat: Flat) -> None:
    tracer = Changes()
    m = flat(tracers=[tracer])
    bound = m.bind({"AState": lambda e: None})
    m.add("A")
    bound.detach()
    bound.detach()
    assert tracer.seen == [("AState",), ()]


def test_a_tracer_hears_of_handlers_bound_in_a_handler(flat: Flat) -> None:
    def more(event: am.Event) -> None:
        event.machine.bind({"BState": lambda e: None})

    tracer = Changes()
    m = flat(handlers={"AState": more}, tracers=[tracer])
    tracer.seen.clear()
    m.add("A")
    assert tracer.seen == [("AState", "BState")]


def test_a_tracer_hears_when_pipes_come_and_go(flat: Flat) -> None:
    tracer = Changes()
    m = flat(tracers=[tracer])
    m.sem_log.pipe_out("add", "A", "other")
    m.sem_log.pipe_in("remove", "B", "other")
    m.sem_log.pipe_gc("nobody")
    m.sem_log.pipe_gc("other")
    assert tracer.seen == [1, 2, 0]


def test_a_tracer_of_changes_alone_takes_nobody_off_the_quick_path(flat: Flat) -> None:
    # As seen from outside: it hears of no transition, and nothing is made for it.
    m = flat(tracers=[Changes()], handlers={"AState": lambda e: None})
    assert m.add("A") is am.EXECUTED
    assert m.transition is None


def test_a_tracer_that_is_not_inheritable_stays_with_its_machine(flat: Flat) -> None:
    class Own(am.Tracer):
        inheritable = False

    own, shared = Own(), am.Tracer()
    parent = flat(tracers=[own, shared])
    child = flat(parent=parent)
    assert child.tracers == (shared,)
    assert flat(parent=child).tracers == (shared,)


def test_inheritable_may_be_set_on_one_tracer(flat: Flat) -> None:
    own = am.Tracer()
    own.inheritable = False
    assert flat(parent=flat(tracers=[own])).tracers == ()


def test_the_parent_is_told_of_the_child_by_tracers_that_are_not_inherited(flat: Flat) -> None:
    class Own(am.Tracer):
        inheritable = False
        seen: tuple[Any, ...] = ()

        def new_submachine(self, parent: Any, machine: Any) -> None:
            self.seen = (parent, machine)

    own = Own()
    parent = flat(tracers=[own])
    child = flat(parent=parent)
    assert own.seen == (parent, child)
