"""How a benchmark is measured.

The whole suite runs in laps, one after another, so that what is compared was measured close
together and a slow minute of the machine touches one lap only. Every benchmark is a loop that
does an operation as often as it is told; the number is chosen once so that a round is long enough
for the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest

LAPS = 5
ROUNDS = 15
ROUND_SECONDS = 0.004

Loop = Callable[[int], None]


class Measure(Protocol):
    """Measures a loop and files it under a scenario and a variant of it."""

    def __call__(self, loop: Loop, scenario: str, variant: str = "", **facts: Any) -> None: ...


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "lap" in metafunc.fixturenames:
        # A figure such as bytes does not depend on how busy the machine is: one lap will do.
        metafunc.parametrize("lap", range(1 if "file_figure" in metafunc.fixturenames else LAPS))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.callspec.params.get("lap", 0))  # type: ignore[attr-defined]
    for item in items:
        item.add_marker(pytest.mark.bench)


def operations_in(loop: Loop, seconds: float) -> int:
    """How many operations the loop does in about that time; it warms the loop up, too."""
    count = 1
    while True:
        start = time.process_time()
        loop(count)
        taken = time.process_time() - start
        if taken >= seconds / 4:
            return max(1, round(count * seconds / taken))
        count *= 4


@pytest.fixture
def measure(benchmark: Any, lap: int) -> Measure:
    """Runs many short rounds of a loop; the report takes their median per operation."""

    def run(loop: Loop, scenario: str, variant: str = "", **facts: Any) -> None:
        count = operations_in(loop, ROUND_SECONDS)
        benchmark.extra_info.update(
            scenario=scenario, variant=variant, lap=lap, operations=count, **facts
        )
        benchmark.pedantic(loop, args=(count,), rounds=ROUNDS, warmup_rounds=2)

    return run


@pytest.fixture
def measure_fresh(benchmark: Any, lap: int) -> Callable[..., None]:
    """Measures work that only happens once for what it is done on, made anew for each round."""

    def run(
        make: Callable[[], Any],
        work: Callable[[Any], object],
        scenario: str,
        variant: str = "",
        *,
        operations: int,
        rounds: int = ROUNDS,
        **facts: Any,
    ) -> None:
        benchmark.extra_info.update(
            scenario=scenario, variant=variant, lap=lap, operations=operations, **facts
        )
        benchmark.pedantic(
            work, setup=lambda: ((make(),), {}), rounds=rounds, iterations=1, warmup_rounds=1
        )

    return run


@pytest.fixture
def file_figure(benchmark: Any, lap: int) -> Callable[..., None]:
    """Files a figure that is no time, such as bytes; what produced it is run once."""

    def run(produce: Callable[[], float], scenario: str, variant: str = "") -> None:
        benchmark.extra_info.update(scenario=scenario, variant=variant, lap=lap, operations=1)
        benchmark.extra_info["figure"] = benchmark.pedantic(produce, rounds=1, iterations=1)

    return run
