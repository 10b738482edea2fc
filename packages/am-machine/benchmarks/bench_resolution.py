"""What relations cost: with a plan, without one, and while the schema is compiled."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from peers import toggling
from random_schema import random_mutations, random_schema, reachable

import am_machine as am

COLD = 400
# More than the plans that are kept, so that every further mutation pushes one out.
FILL = 5_000


@pytest.mark.parametrize("size", [50, 100])
def test_resolution_without_a_plan(measure: Any, size: int) -> None:
    schema = am.Schema(random_schema(size))
    chance = random.Random(4)
    cases = [((chance.choice(schema.names),), active) for active in reachable(schema, 200)]
    endless = itertools.cycle(cases)

    def loop(count: int) -> None:
        for called, active in itertools.islice(endless, count):
            schema.resolve("add", called, active)

    measure(loop, "resolve", f"{size} states")


def test_cycling_adds_with_warm_plans(measure: Any) -> None:
    machine = am.Machine(random_schema(50))
    names = machine.schema.names
    for name in names * 4:
        machine.add(name)

    endless = itertools.cycle(names)

    def loop(count: int) -> None:
        for name in itertools.islice(endless, count):
            machine.add(name)

    measure(loop, "cycling adds", "warm")


def test_cycling_adds_with_no_plans(measure_fresh: Any) -> None:
    """One turn through the states of a machine whose schema is new."""
    definition = random_schema(50)

    def turn(machine: am.Machine) -> None:
        for name in machine.schema.names:
            machine.add(name)

    measure_fresh(lambda: am.Machine(definition), turn, "cycling adds", "cold", operations=51)


def test_mutations_without_a_plan(measure_fresh: Any) -> None:
    definition = random_schema(50)
    calls = random_mutations(am.Schema(definition), COLD)

    def run(machine: am.Machine) -> None:
        for called in calls:
            machine.set(*called)

    measure_fresh(lambda: am.Machine(definition), run, "misses", "first", operations=COLD)


def test_a_walk_that_always_misses(measure: Any) -> None:
    machine = am.Machine(random_schema(50))
    calls = itertools.cycle(random_mutations(machine.schema, 4 * FILL, seed=5))
    for called in itertools.islice(calls, FILL):
        machine.set(*called)

    def loop(count: int) -> None:
        for called in itertools.islice(calls, count):
            machine.set(*called)

    measure(loop, "misses", "walk")


def test_compiling(measure_fresh: Any) -> None:
    measure_fresh(
        lambda: random_schema(50), am.Schema, "compiling", "50 states", operations=1, rounds=50
    )


@pytest.mark.parametrize("size", [10, 30, 100, 300, 1000])
def test_growth_with_the_number_of_states(measure: Any, size: int) -> None:
    """A cached pair; a tenth of the states is active, as in a machine that works."""
    schema = {"Foo": {}, **random_schema(size - 1)}
    machine = am.Machine(schema)
    machine.add(*machine.schema.names[1 : 1 + size // 10])
    measure(toggling(machine), "states", str(size))
