"""Laws that hold for every schema and every history, tried on random ones."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import am_machine as am

NAMES = [f"S{letter}" for letter in "abcdefghij"]
KINDS = ("add", "remove", "set")
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def schemas(draw: st.DrawFn, most: int = 8) -> dict[str, Any]:
    """Definitions of up to `most` states with any relations that are no fault."""
    names = NAMES[: draw(st.integers(1, most))]
    if draw(st.booleans()):
        names.insert(draw(st.integers(0, len(names))), "Exception")
    some = st.lists(st.sampled_from(names), max_size=3)
    schema: dict[str, Any] = {}
    for name in names:
        require = draw(some)
        schema[name] = {
            "auto": draw(st.sampled_from([False, False, True])),
            "multi": draw(st.sampled_from([False, False, True])),
            "require": require,
            "add": draw(some),
            "remove": [r for r in draw(some) if r not in require],
            "after": draw(some),
        }
    return schema


mutations = st.tuples(st.sampled_from(KINDS), st.lists(st.sampled_from(range(10)), max_size=3))


def named(schema: am.Schema, numbers: list[int]) -> list[str]:
    names = list(schema)
    return [names[number % len(names)] for number in numbers]


@RELAXED
@given(schema=schemas(), mutation=mutations, active=st.sets(st.sampled_from(range(10))))
def test_the_target_satisfies_every_requirement(
    schema: Any, mutation: tuple[str, list[int]], active: set[int]
) -> None:
    compiled = am.compile_schema(schema)
    kind, called = mutation
    found = compiled.resolve(kind, named(compiled, called), named(compiled, list(active)))
    target = set(found.target)
    assert len(target) == len(found.target), "no state is in the target twice"
    for state in target:
        assert target.issuperset(compiled[state].require)


@RELAXED
@given(schema=schemas(), mutation=mutations, active=st.sets(st.sampled_from(range(10))))
def test_a_target_state_is_called_active_or_implied(
    schema: Any, mutation: tuple[str, list[int]], active: set[int]
) -> None:
    compiled = am.compile_schema(schema)
    kind, numbers = mutation
    called, before = set(named(compiled, numbers)), set(named(compiled, list(active)))
    target = set(compiled.resolve(kind, named(compiled, numbers), before).target)
    reached = {"add": called | before, "set": called, "remove": before - called}[kind]
    while True:
        more = reached | {a for s in reached for a in compiled[s].add}
        if more == reached:
            break
        reached = more
    assert target <= reached
    if kind == "remove":
        assert not target & called


@RELAXED
@given(schema=schemas(), mutation=mutations, active=st.sets(st.sampled_from(range(10))))
def test_resolution_depends_on_kind_called_and_before_alone(
    schema: Any, mutation: tuple[str, list[int]], active: set[int]
) -> None:
    compiled = am.compile_schema(schema)
    kind, numbers = mutation
    called, before = named(compiled, numbers), named(compiled, list(active))
    found = compiled.resolve(kind, called, before)
    for other in KINDS:
        compiled.resolve(other, before, called)
    assert compiled.resolve(kind, called * 2, sorted(before, reverse=True)) == found
    assert am.compile_schema(schema).resolve(kind, called, before) == found


@RELAXED
@given(schema=schemas(), history=st.lists(mutations, max_size=12))
def test_plans_used_again_agree_with_fresh_ones(
    schema: Any, history: list[tuple[str, list[int]]]
) -> None:
    shared = am.compile_schema(schema)
    for _ in range(2):
        # The second machine walks over plans that the first one made.
        used, fresh = am.Machine(shared), am.Machine(shared)
        for kind, numbers in history:
            called = named(shared, numbers)
            fresh = am.Machine.restore(fresh.export(), am.compile_schema(schema))
            result = getattr(used, kind)(*called)
            assert str(getattr(fresh, kind)(*called)) == str(result)
            assert fresh.time(*shared) == used.time(*shared)


@RELAXED
@given(schema=schemas(), history=st.lists(mutations, max_size=10))
def test_tracing_logging_and_handlers_that_agree_change_nothing(
    schema: Any, history: list[tuple[str, list[int]]]
) -> None:
    shared = am.compile_schema(schema)
    quiet = am.Machine(shared)
    traced = am.Machine(shared, tracers=[am.Tracer()], log_level=am.LogLevel.NOTHING)
    traced.sem_log.steps = True
    nothing = {"AnyEnter": lambda e: None, "AnyState": lambda e: None}
    # No limit on handlers: a delay of the host would make a difference.
    handled = am.Machine(shared, handlers=nothing, handler_timeout=None)
    for kind, numbers in history:
        called = named(shared, numbers)
        results = {str(getattr(m, kind)(*called)) for m in (quiet, traced, handled)}
        assert len(results) == 1
        assert quiet.time() == traced.time() == handled.time()


@RELAXED
@given(schema=schemas(), mutation=mutations, history=st.lists(mutations, max_size=5))
def test_a_check_foretells_the_mutation_and_changes_nothing(
    schema: Any, mutation: tuple[str, list[int]], history: list[tuple[str, list[int]]]
) -> None:
    machine = am.Machine(schema)
    for kind, numbers in history:
        getattr(machine, kind)(*named(machine.schema, numbers))
    called = named(machine.schema, mutation[1])
    before = machine.export()
    answer = machine.can_add(*called)
    assert machine.export() == before
    multi = any(machine.schema[s].multi for s in called)
    if not multi:
        assert machine.add(*called) is answer


@RELAXED
@given(
    schema=schemas(), kept=st.integers(1, 8), early=st.lists(mutations, max_size=6),
    late=st.lists(mutations, max_size=6), handled=st.booleans(),
)  # fmt: skip
def test_a_grown_machine_goes_on_like_one_restored_with_the_new_schema(
    schema: Any, kept: int, early: list[tuple[str, list[int]]], late: list[tuple[str, list[int]]],
    handled: bool,
) -> None:  # fmt: skip
    old = list(schema)[:kept]
    relations = ("require", "add", "remove", "after")
    small = {
        s: schema[s] | {kind: [o for o in schema[s][kind] if o in old] for kind in relations}
        for s in old
    }
    machine = am.Machine(small)
    for kind, numbers in early:
        getattr(machine, kind)(*named(machine.schema, numbers))
    before = machine.export()
    names = (*before.state_names, *[s for s in schema if s not in before.state_names], "Extra")
    large = {s: schema.get(s, {"multi": True} if s == "Exception" else {}) for s in names}
    if handled:
        machine.bind({"AnyEnter": lambda e: None, "AnyState": lambda e: None})
    wait = machine.when_next_active(names[0])
    context = machine.state_ctx(names[0], inactive=names[0] not in machine)
    machine.set_schema(dict(reversed(large.items())), names)
    ticks = (*before.time, *[0] * (len(names) - len(before.time)))
    assert machine.time() == ticks
    assert tuple(machine.schema) == names
    fresh = am.Machine.restore(am.Snapshot("fresh", names, ticks, 1, 0), large)
    for kind, numbers in late:
        called = named(machine.schema, numbers)
        assert str(getattr(machine, kind)(*called)) == str(getattr(fresh, kind)(*called))
        assert machine.time() == fresh.time()
    assert wait.done is (machine.tick(names[0]) > context.tick + context.tick % 2)
    assert context.expired is (machine.tick(names[0]) != context.tick)


@RELAXED
@given(st.lists(st.integers(0, 2**70)), st.lists(st.integers(0, 2**70)))
def test_time_adds_up(one: list[int], other: list[int]) -> None:
    first, second = am.Time(one), am.Time(other)
    size = max(len(one), len(other))
    assert len(first + second) == len(first - second) == size
    assert (first + second).sum == first.sum + second.sum
    assert (first + second) - second == first + [0] * size
    assert (first + second).diff_since(first).sum == second.sum
    assert first.before(second) == second.after(first)
    assert not (first.before(second) and first.after(second))


class Histories(RuleBasedStateMachine):
    """A machine with unruly handlers: ticks tell activity, and no clock goes back."""

    @initialize(schema=schemas(most=5), seed=st.randoms(use_true_random=False))
    def create(self, schema: Any, seed: Any) -> None:
        self.random = seed
        self.budget = 0
        names = [*schema, *([] if "Exception" in schema else ["Exception"])]
        every = [f"{s}{suffix}" for s in names for suffix in ("Enter", "Exit", "State", "End", s)]
        every += ["AnyEnter", "AnyState", *(f"{a}{b}" for a in names for b in names if a != b)]
        # No limit on handlers: a delay of the host would make a difference.
        self.machine = am.Machine(
            schema, handlers=dict.fromkeys(every, self.act), queue_limit=20, handler_timeout=None
        )
        self.ticks = list(self.machine.time())
        self.queue_tick = 1

    def act(self, event: am.Event) -> bool | None:
        """Mostly agree; now and then refuse, fail or mutate, a few times per operation."""
        if self.budget <= 0:
            return None
        what = self.random.choice(["agree"] * 6 + ["refuse", "fail", "mutate", "mutate"])
        self.budget -= what != "agree"
        if what == "fail":
            raise ValueError("unruly")
        if what == "mutate":
            kind = self.random.choice([*KINDS, "toggle", "can_add", "can_remove"])
            getattr(event.machine, kind)(*self.some())
        return False if what == "refuse" else None

    def some(self) -> list[str]:
        names = list(self.machine.schema)
        picked: list[str] = self.random.sample(names, k=self.random.choice([0, 1, 1, 2]))
        return picked

    @rule(
        kind=st.sampled_from([*KINDS, "toggle", "can_add", "can_remove"]), budget=st.integers(0, 6)
    )
    def mutate(self, kind: str, budget: int) -> None:
        self.budget = budget
        result = getattr(self.machine, kind)(*self.some())
        assert result in (am.EXECUTED, am.CANCELED)

    @rule()
    def err(self) -> None:
        self.budget = 3
        self.machine.add_err(ValueError("given"))

    @invariant()
    def ticks_tell_activity(self) -> None:
        active = tuple(s for s, t in self.machine.clock().items() if t % 2)
        assert self.machine.active == active
        assert all(self.machine.is_(s) for s in active)
        assert self.machine.time().active == tuple(
            i for i, s in enumerate(self.machine.schema) if s in active
        )

    @invariant()
    def clocks_never_go_back(self) -> None:
        now = list(self.machine.time())
        assert all(a <= b for a, b in zip(self.ticks, now, strict=True))
        assert self.machine.queue_tick >= self.queue_tick
        self.ticks, self.queue_tick = now, self.machine.queue_tick

    @invariant()
    def nothing_is_left_running(self) -> None:
        assert (self.machine.transition, self.machine.queue) == (None, ())
        assert self.machine.when_queue_ends().done


TestHistories = Histories.TestCase
TestHistories.settings = settings(RELAXED, max_examples=60, stateful_step_count=20)


@pytest.mark.parametrize("size", [2, 50, 300])
def test_resolution_of_rings_and_long_chains_ends(size: int) -> None:
    names = [f"S{number}" for number in range(size)]
    ring = dict(zip(names, [*names[1:], names[0]], strict=True))
    for relation in ("add", "require", "remove", "after"):
        schema = am.compile_schema({s: {relation: [other]} for s, other in ring.items()})
        for kind in KINDS:
            for active in ([], names, names[::2]):
                assert len(schema.resolve(kind, names[:3], active).target) <= size + 1


def test_a_require_chain_longer_than_the_stack_is_deep_falls_as_a_whole() -> None:
    names = [f"S{number}" for number in range(1500)]
    chain: dict[str, Any] = {names[0]: {}}
    chain.update((s, {"require": [needed]}) for needed, s in pairwise(names))
    schema = am.compile_schema(chain)
    assert schema.resolve("add", names[::-1], []).target == tuple(names)
    assert schema.resolve("remove", names[:1], names).target == ()
