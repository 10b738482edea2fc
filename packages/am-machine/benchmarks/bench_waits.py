"""What waits cost: to create, to fire, and to have around."""

from __future__ import annotations

from typing import Any

import pytest
from peers import toggling

import am_machine as am

WAITS = 1_000
OTHERS = [f"Other{number}" for number in range(100)]


def test_creating(measure_fresh: Any) -> None:
    def create(machine: am.Machine) -> list[am.Wait]:
        return [machine.when("Foo") for _ in range(WAITS)]

    measure_fresh(
        lambda: am.Machine({"Foo": {}}), create, "1,000 waits", "creating", operations=WAITS
    )


def test_firing(measure_fresh: Any) -> None:
    def waiting() -> tuple[am.Machine, list[am.Wait]]:
        machine = am.Machine({"Foo": {}})
        machine.add("Foo")
        machine.remove("Foo")
        return machine, [machine.when("Foo") for _ in range(WAITS)]

    def fire(made: tuple[am.Machine, list[am.Wait]]) -> None:
        made[0].add("Foo")
        assert made[1][-1].done

    measure_fresh(waiting, fire, "1,000 waits", "firing", operations=WAITS)


@pytest.mark.parametrize("count", [1, 10, 100, 1_000, 10_000])
def test_growth_with_pending_waits(measure: Any, count: int) -> None:
    machine = am.Machine({"Foo": {}, **{name: {} for name in OTHERS}})
    kept = [machine.when(OTHERS[number % len(OTHERS)]) for number in range(count)]
    measure(toggling(machine), "pending waits", str(count))
    assert not any(wait.done for wait in kept)
