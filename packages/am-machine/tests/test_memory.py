"""What machines cost, and that what is dropped is freed without the cyclic collector."""

from __future__ import annotations

import gc
import itertools
import random
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trio

import am_machine as am
from am_machine._schema.plan_book import GENERATION_BYTES

Flat = Callable[..., am.Machine]

STATES = {f"State{number}": {} for number in range(9)}
KIB = 1024


def grown(work: Callable[[], Any]) -> int:
    """Bytes that Python allocated during `work` and that are still there after it."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = work()
        after = tracemalloc.get_traced_memory()[0]
        del kept
    finally:
        tracemalloc.stop()
    return after - before


def weak(machine: am.Machine) -> Callable[[], Any]:
    return weakref.ref(machine)


@pytest.fixture
def ten_states() -> am.Schema:
    """A compiled schema of ten states, Exception included."""
    return am.Machine(STATES).schema


def test_an_idle_machine_takes_less_than_one_kibibyte(ten_states: am.Schema) -> None:
    am.Machine(ten_states, id="warm").add("State0")
    ids = [f"machine-{number}" for number in range(1_000)]
    each = grown(lambda: [am.Machine(ten_states, id=one) for one in ids]) / len(ids)
    assert each <= KIB, f"{each:.0f} bytes for an idle machine of ten states"


def test_a_used_machine_goes_back_to_its_idle_size(ten_states: am.Schema) -> None:
    def use() -> list[am.Machine]:
        machines = [am.Machine(ten_states, id="m") for _ in range(300)]
        for m in machines:
            m.add("State0", "State1")
            m.remove("State0")
        return machines

    use()
    each = grown(use) / 300
    assert each <= 1.5 * KIB, f"{each:.0f} bytes for a machine that was used"


def test_a_machine_of_twenty_states_takes_less_than_three_kibibytes() -> None:
    schema = am.Machine({f"State{number}": {} for number in range(20)}).schema
    each = grown(lambda: [am.Machine(schema, id="m") for _ in range(500)]) / 500
    assert each <= 3 * KIB, f"{each:.0f} bytes for an idle machine of twenty states"


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_machine_is_freed_at_once(ten_states: am.Schema) -> None:
    m = am.Machine(ten_states)
    m.add("State0")
    ref = weak(m)
    del m
    assert ref() is None


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_machine_with_waits_and_contexts_is_freed(ten_states: am.Schema) -> None:
    m = am.Machine(ten_states)
    m.add("State0")
    wait, ctx = m.when("State1"), m.state_ctx("State0")
    m.when_query(lambda clock: False)
    ref = weak(m)
    del ctx
    del m
    assert ref() is None, "a wait holds nothing of its machine"
    # Nothing can fulfil it any more, so it has ended.
    assert wait.done

    async def outcome() -> bool:
        return await wait

    assert trio.run(outcome) is False


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_machine_with_handlers_is_freed_with_them(ten_states: am.Schema) -> None:
    class Handlers:
        def State0State(self, event: am.Event) -> None:
            """Bound, so that the machine holds the object."""

    handlers = Handlers()
    m = am.Machine(ten_states, handlers=handlers)
    m.add("State0")
    refs = [weak(m), weakref.ref(handlers)]
    del m, handlers
    assert [ref() for ref in refs] == [None, None]


@pytest.mark.usefixtures("no_collector")
def test_a_disposed_machine_is_freed_when_dropped(ten_states: am.Schema) -> None:
    m = am.Machine(ten_states)
    m.on_dispose(lambda machine: None)
    m.add("State0")
    m.dispose()
    ref = weak(m)
    del m
    assert ref() is None


@pytest.mark.usefixtures("no_collector")
def test_children_hold_their_parent_only_as_long_as_they_live(ten_states: am.Schema) -> None:
    parent = am.Machine(ten_states)
    child = am.Machine(ten_states, parent=parent)
    assert child.parent is parent
    child.dispose()
    ref = weak(child)
    del child
    assert ref() is None, "a parent forgets a disposed child"


@pytest.mark.usefixtures("no_collector")
def test_a_mutation_leaves_no_garbage_for_the_collector(ten_states: am.Schema) -> None:
    class Arg:
        pass

    seen: list[Any] = []

    def state0(event: am.Event) -> None:
        seen.append(weakref.ref(event.args["arg"]))
        event.machine.add("State1", arg=event.args["arg"])

    m = am.Machine(ten_states, handlers={"State0State": state0})
    m.add("State0", arg=Arg())
    assert seen[0]() is None


@pytest.mark.usefixtures("no_collector")
def test_an_error_is_kept_with_the_machine_alone(ten_states: am.Schema) -> None:
    class Arg:
        pass

    refs: list[Any] = []

    def state0(event: am.Event) -> None:
        refs.append(weakref.ref(event.args["arg"]))
        raise ValueError("boom")

    # A handler for the error, since records of the log would keep its traceback.
    handlers = {"State0State": state0, "ExceptionState": lambda e: None}
    m = am.Machine(ten_states, handlers=handlers)
    m.add("State0", arg=Arg())
    ref = weak(m)
    del m
    gc.collect()
    assert ref() is None
    assert refs[0]() is None


def test_plans_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # A quarter of the bound is reached with a quarter of the plans.
    monkeypatch.setattr("am_machine._schema.plan_book.GENERATION_BYTES", GENERATION_BYTES // 4)
    names = [f"State{number}" for number in range(12)]
    m = am.Machine({name: {} for name in names})
    chance = random.Random(1)

    def peak_over(mutations: int) -> int:
        tracemalloc.reset_peak()
        for _ in range(mutations):
            m.set(*chance.sample(names, 6))
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        filled, after = peak_over(3_000), peak_over(3_000)
    finally:
        tracemalloc.stop()
    assert after < 1.3 * filled, f"{filled} bytes with 3,000 plans made, {after} with 6,000"


def test_repeated_mutations_do_not_grow() -> None:
    names = [f"State{number}" for number in range(10)]
    m = am.Machine({name: {} for name in names})
    pairs = list(itertools.permutations(names, 3))[:500]

    def run() -> None:
        for called in pairs:
            m.set(*called)

    run()
    run()
    more = grown(lambda: [run() for _ in range(10)])
    assert more < 50 * KIB, f"{more} bytes stayed after 5,000 mutations over the same plans"


def test_machines_share_one_compiled_schema() -> None:
    class Shared(am.States):
        One = am.State()
        Two = am.State()

    assert am.Machine(Shared).schema is am.Machine(Shared).schema
    schema = Shared.schema()
    assert am.Machine(schema).schema is am.Machine(schema).schema


def test_many_sets_of_handlers_on_one_schema_work_side_by_side(ten_states: am.Schema) -> None:
    calls: list[str] = []
    names = list(STATES)
    machines = []
    for size in range(1, len(names) + 1):
        for name in names:
            chosen = [f"{one}State" for one in names[:size]] + [f"{name}End"]
            machines.append(am.Machine(ten_states))
            machines[-1].bind({one: lambda e: calls.append(e.name) for one in chosen})
    for m in machines:
        calls.clear()
        m.add("State0")
        assert calls == ["State0State"]


def test_the_objects_of_the_hot_path_have_no_dict(flat: Flat) -> None:
    m = flat()
    seen: list[Any] = []
    m.bind({"AState": lambda e: seen.extend([e, e.transition, e.mutation, m.add("B")])})
    m.add("A")
    seen += [m, m.when("C"), m.state_ctx("A"), am.EXECUTED]
    assert [type(one).__name__ for one in seen if hasattr(one, "__dict__")] == []
