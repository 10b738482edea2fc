"""Each mutation made by a handler, or by a task that it started, knows where it came from."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]


def test_a_mutation_from_outside_has_no_source(flat: Flat, recorder: Any) -> None:
    m = flat(tracers=[recorder])
    m.add("A")
    assert recorder.mutations[-1].source is None
    assert am.current_source() is None


def test_a_mutation_in_a_handler_names_machine_transition_and_time(
    flat: Flat, recorder: Any
) -> None:
    m = flat(id="m", tracers=[recorder], handlers={"BState": lambda e: m.add("C")})
    m.add("A")
    m.add("B")
    transition, mutation = recorder.transitions[1], recorder.mutations[-1]
    assert mutation.called == ("C",)
    source = mutation.source
    assert isinstance(source, am.Source)
    assert (source.machine_id, source.transition_id, source.hops) == ("m", transition.id, 1)
    assert source.time == transition.time_before.sum == 1
    m.add("D")
    assert recorder.mutations[-1].source is None, "the record ends with the handler"


def test_a_handler_reads_its_cause_and_its_own_record(flat: Flat) -> None:
    seen: dict[str, Any] = {}

    def a_state(event: am.Event) -> None:
        seen["A"] = (event.source, am.current_source())
        event.machine.add("B")

    def b_state(event: am.Event) -> None:
        seen["B"] = (event.source, am.current_source())

    m = flat(handlers={"AState": a_state, "BState": b_state})
    m.add("A")
    assert seen["A"][0] is None
    assert seen["B"][0] == seen["A"][1]
    assert seen["B"][1].hops == 2


@pytest.mark.parametrize("role", ["BEnter", "BState"])
@pytest.mark.parametrize("args", [{}, {"x": 1}])
@pytest.mark.parametrize("looks_first", [True, False])
def test_the_record_fits_the_transition_whichever_is_asked_for_first(
    flat: Flat, role: str, args: dict[str, int], looks_first: bool
) -> None:
    seen: list[Any] = []

    def look(e: am.Event) -> None:
        steps = (
            lambda: seen.append((e.transition.id, e.transition.time_before.sum)),
            lambda: seen.append(am.current_source()),
        )
        for step in steps if looks_first else reversed(steps):
            step()

    m = flat(handlers={role: look})
    m.add("A")
    m.add("B", **args)
    told, source = seen if looks_first else reversed(seen)
    assert (source.transition_id, source.time) == told == (told[0], 1)
    assert len(told[0]) == 16
    m.remove("B")
    m.add("B", **args)
    assert seen[-1] not in ((told, source)), "each transition has its own"


def test_ids_do_not_depend_on_the_seed_of_a_program_nor_repeat_in_a_fork() -> None:
    def new_ids() -> set[str]:
        random.seed(0)
        return {am.Machine({"A": {}}).id for _ in range(3)}

    ids = new_ids() | new_ids()
    assert len(ids) == 6
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(write, am.Machine({"A": {}}).id.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = os.read(read, 100).decode()
    for fd in (read, write):
        os.close(fd)
    assert theirs != am.Machine({"A": {}}).id


def test_a_record_from_elsewhere_counts_within_its_with_whatever_ends_that() -> None:
    outer, inner = am.Source("m", "1", 0), am.Source("m", "2", 0)
    with am.use_source(outer):
        with contextlib.suppress(ZeroDivisionError), am.use_source(inner):
            assert am.current_source() is inner
            raise ZeroDivisionError
        assert am.current_source() is outer
        with am.use_source(None):
            assert am.current_source() is None
    assert am.current_source() is None


def test_hops_count_along_a_chain_of_machines(flat: Flat, new_recorder: Any) -> None:
    tracer = new_recorder("")
    machines = [flat(id=f"m{number}", tracers=[tracer]) for number in range(4)]
    for this, following in itertools.pairwise(machines):
        this.bind({"AState": lambda e, target=following: target.add("A")})
    machines[0].add("A")
    sources = [mutation.source for mutation in tracer.mutations]
    assert sources[0] is None
    assert [(s.machine_id, s.hops) for s in sources[1:]] == [("m0", 1), ("m1", 2), ("m2", 3)]


def test_a_drain_of_another_machine_gives_the_record_back(flat: Flat, recorder: Any) -> None:
    inner = flat(id="inner", handlers={"AState": lambda e: None})

    def a_state(event: am.Event) -> None:
        inner.add("A")
        event.machine.add("B")

    outer = flat(id="outer", tracers=[recorder], handlers={"AState": a_state})
    outer.add("A")
    assert recorder.mutations[-1].called == ("B",)
    assert recorder.mutations[-1].source.machine_id == "outer"


def test_the_record_ends_even_if_the_handler_raises(flat: Flat) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    m = flat(handlers={"AState": fail}, catch_exceptions=False)
    with pytest.raises(ValueError, match="boom"):
        m.add("A")
    assert am.current_source() is None


def test_an_auto_mutation_has_no_source_and_its_handlers_start_anew(
    flat: Flat, recorder: Any
) -> None:
    def b_state(event: am.Event) -> None:
        event.machine.add("C")

    m = flat("A B C", auto="B", tracers=[recorder])
    m.bind({"BState": b_state, "AState": lambda e: None})
    m.add("A")
    auto, queued = recorder.mutations[1:]
    assert (auto.is_auto, auto.called, auto.source) == (True, ("B",), None)
    assert queued.source.hops == 1
    assert queued.source.transition_id == recorder.transitions[1].id


def test_the_error_of_a_handler_has_its_event_as_source(flat: Flat, recorder: Any) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError("boom")

    m = flat(id="m", tracers=[recorder], handlers={"AState": fail})
    m.add("A")
    mutation = recorder.mutations[-1]
    assert mutation.called == ("Exception",)
    assert mutation.source.machine_id == "m"
    assert mutation.source.transition_id == recorder.transitions[0].id


@pytest.mark.trio
async def test_a_task_keeps_the_record_over_its_awaits(flat: Flat, recorder: Any) -> None:
    async def a_state(event: am.Event) -> None:
        await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(add_b)

    async def add_b() -> None:
        await trio.lowlevel.checkpoint()
        m.add("B")

    m = flat(id="m", tracers=[recorder], handlers={"AState": a_state})
    async with m:
        m.add("A")
        await m.when("B")
        assert recorder.mutations[-1].source.transition_id == recorder.transitions[0].id
        assert am.current_source() is None


@pytest.mark.trio
async def test_a_fork_made_in_a_handler_knows_its_source(flat: Flat, recorder: Any) -> None:
    async def work() -> None:
        m.add("B")

    m = flat(id="m", tracers=[recorder], handlers={"AState": lambda e: m.fork(work)})
    async with m:
        m.add("A")
        await m.when("B")
        assert recorder.mutations[-1].source.transition_id == recorder.transitions[0].id


@pytest.mark.trio
async def test_a_fork_from_outside_has_no_source(flat: Flat, recorder: Any) -> None:
    async def work() -> None:
        m.add("B")

    m = flat(tracers=[recorder])
    async with m:
        m.fork(work)
        await m.when("B")
        assert recorder.mutations[-1].source is None


@pytest.mark.trio
async def test_the_record_keeps_neither_args_nor_transition_alive(flat: Flat) -> None:
    class Big:
        pass

    async def work() -> None:
        await trio.sleep_forever()

    m = flat()
    m.bind({"AState": lambda e: m.fork(work)})
    async with m:
        big = Big()
        ref = weakref.ref(big)
        m.add("A", big=big)
        await trio.testing.wait_all_tasks_blocked()
        del big
        assert ref() is None
