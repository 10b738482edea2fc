"""The growth bench: how the cost of an operation grows with the size of what it is done in.

A `Row` names an operation and the sizes at which it is measured. `prepare(size)` makes what the
operation is done on and returns a `Sample`: each call of it measures the operation once and returns
one figure. All sizes are kept side by side and sampled in turn, lap after lap, with the cyclic
collector off, so that a slow moment of the machine touches all sizes alike. A row bends if it
misses its `Goal`; only ratios of figures of one run, and sizes in bytes, are judged.

A package brings rows in files `benchmarks/growth/rows_*.py`, each with a list `ROWS`. They import
this module as `growth`.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import trio
from ratios import Ratio, ratio_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

Sample = Callable[[], float]
Prepared = Sample | AbstractAsyncContextManager[Sample]

# A repeated operation is repeated for about so long per sample.
SAMPLE_SECONDS = 0.002
# Figures of a size are steady if the middle half of them lies within this share of the median.
STEADY = 0.3


# -- goals ----------------------------------------------------------------------------------------


def constant(size: int) -> float:
    """The shape of what does not grow."""
    return 1.0


def log_n(size: int) -> float:
    """The shape of a search in something ordered."""
    return math.log2(size)


def n_log_n(size: int) -> float:
    """The shape of a sort."""
    return size * math.log2(size)


@dataclass(frozen=True, slots=True)
class Grows:
    """From the smallest steady size on, cost grows as `shape` does, within a factor."""

    text: str
    shape: Callable[[int], float]
    factor: float = 2.0


@dataclass(frozen=True, slots=True)
class AtMost:
    """The figure at each of these sizes, of a kind that does not depend on the machine."""

    text: str
    limits: Mapping[int, float]


FLAT = Grows("flat", constant)
Goal = Grows | AtMost | None


@dataclass(frozen=True, slots=True)
class Row:
    """One operation. `small` are the sizes of a quick run, which leaves out rows without any; a
    goal of None is a mere report."""

    key: str
    title: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    prepare: Callable[[int], Prepared]
    goal: Goal = FLAT
    # "s", "MiB", or "x" for a ratio.
    unit: str = "s"
    # Whether it needs an event loop: then `prepare` returns an async context manager.
    in_trio: bool = False
    # Laps at most and, once `seconds` are used up, at least. A figure without noise needs one.
    most_laps: int = 31
    least_laps: int = 7
    seconds: float = 6.0


# -- samples --------------------------------------------------------------------------------------


def looped(loop: Callable[[int], object], count: int | None = None) -> Sample:
    """Seconds per operation of a loop that does it as often as it is told.

    Without `count` it is chosen such that a sample is long enough for the clock.
    """
    if count is None:
        loop(2)  # what is made or put in its place at first is not what is measured
    number = count or operations_in(loop)
    return lambda: seconds(partial(loop, number)) / number


def operations_in(loop: Callable[[int], object]) -> int:
    """How many operations take as long as a sample should; it warms them up, too."""
    count = 1
    while (taken := seconds(partial(loop, count))) < SAMPLE_SECONDS / 4:
        count *= 4
    return max(1, round(count * SAMPLE_SECONDS / taken))


def batched(
    make: Callable[[int], list[Any]], work: Callable[[Any], object], count: int = 20
) -> Sample:
    """Seconds per item: some are made, then timed while `work` is done with each."""

    def sample() -> float:
        items = make(count)

        def each() -> list[object]:
            # What the work returns is freed after the time was taken.
            return [work(item) for item in items]

        start = time.process_time()
        kept = each()
        taken = time.process_time() - start
        del kept
        return taken / count

    return sample


def seconds(work: Callable[[], object]) -> float:
    """Processor time: what else the machine does is left out."""
    start = time.process_time()
    kept = work()
    taken = time.process_time() - start
    del kept
    return taken


# -- measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured of a row. `ratios` holds figures over what the goal allows, by size."""

    row: Row
    figures: Mapping[int, float]
    steady: int
    exponent: float | None
    ratios: Mapping[int, Ratio] = field(default_factory=dict)
    laps: int = 0

    @property
    def bent(self) -> bool:
        """Whether a goal is missed beyond doubt."""
        factor = self.row.goal.factor if isinstance(self.row.goal, Grows) else 1.0
        return any(ratio.low > factor for ratio in self.ratios.values())

    @property
    def worst(self) -> Ratio | None:
        """The ratio that is nearest to a miss, or furthest beyond it."""
        return max(self.ratios.values(), key=lambda ratio: ratio.low, default=None)


def outcome(row: Row, *, small: bool = False, attempts: int = 1) -> Outcome:
    """Measure a row; one that is bent is measured again, as often as `attempts` allows."""
    for _ in range(attempts):
        found = judged(row, measured(row, small))
        if not found.bent:
            break
    return found


def measured(row: Row, small: bool) -> dict[int, list[float]]:
    """Samples of each size, lap by lap."""
    sizes = row.small if small else row.sizes
    extent = Extent(row.least_laps, row.most_laps, row.seconds)
    if small:
        extent = Extent(min(row.least_laps, 5), min(row.most_laps, 9), row.seconds / 20)
    if row.in_trio:
        return trio.run(_measured, row, sizes, extent)
    return _driven(_measured(row, sizes, extent))


@dataclass(frozen=True, slots=True)
class Extent:
    """How much to measure."""

    least: int
    most: int
    seconds: float


async def _measured(row: Row, sizes: Sequence[int], extent: Extent) -> dict[int, list[float]]:
    async with AsyncExitStack() as stack:
        samples: dict[int, Sample] = {}
        for size in sizes:
            made = row.prepare(size)
            if isinstance(made, AbstractAsyncContextManager):
                made = await stack.enter_async_context(made)
            samples[size] = made
        gc.collect()
        gc.disable()
        try:
            return _laps(samples, extent)
        finally:
            gc.enable()
    raise AssertionError("a context of a row swallowed an error")


def _laps(samples: Mapping[int, Sample], extent: Extent) -> dict[int, list[float]]:
    taken: dict[int, list[float]] = {size: [] for size in samples}
    start = time.monotonic()
    if extent.most > 1:
        for sample in samples.values():
            sample()  # warms up
    for lap in range(extent.most):
        if lap >= extent.least and time.monotonic() - start > extent.seconds:
            break
        for size, sample in samples.items():
            taken[size].append(sample())
    return taken


def _driven(work: Coroutine[Any, Any, dict[int, list[float]]]) -> dict[int, list[float]]:
    """Run what never waits, without an event loop around it."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: dict[int, list[float]] = stop.value
        return result
    raise AssertionError("a row that waits has to say so by `in_trio`")


# -- judging --------------------------------------------------------------------------------------


def judged(row: Row, samples: Mapping[int, Sequence[float]]) -> Outcome:
    """Relate the samples to the goal."""
    figures = {size: median(taken) for size, taken in samples.items()}
    laps = len(next(iter(samples.values())))
    steady = steady_from(samples)
    goal = row.goal
    ratios: dict[int, Ratio] = {}
    if isinstance(goal, Grows):
        first = samples[steady]
        for size in [size for size in samples if size > steady]:
            share = goal.shape(size) / goal.shape(steady)
            pairs = zip(samples[size], first, strict=True)
            ratios[size] = ratio_of([[one / base / share for one, base in pairs]])
    elif isinstance(goal, AtMost):
        for size in samples.keys() & goal.limits.keys():
            ratios[size] = ratio_of([[one / goal.limits[size] for one in samples[size]]])
    return Outcome(row, figures, steady, exponent(figures, steady), ratios, laps)


def steady_from(samples: Mapping[int, Sequence[float]]) -> int:
    """The smallest size whose figures are steady; the larger half of the sizes is compared."""
    sizes = sorted(samples)
    for size in sizes[: len(sizes) // 2]:
        taken = samples[size]
        if len(taken) < 4:
            return size
        lower, middle, upper = quantiles(taken, n=4)
        if upper - lower <= STEADY * middle:
            return size
    return sizes[0]


def exponent(figures: Mapping[int, float], steady: int) -> float | None:
    """The slope of the line through the logarithms of sizes and figures."""
    points = [(math.log(n), math.log(y)) for n, y in figures.items() if n >= steady and y > 0]
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    over = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / over
