"""Samples of the same work with and without listeners, in turn, and what their ratios say."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rows import Row

SAMPLE = 0.2
"""Seconds of one sample: longer than any window of the hub's duty."""
RESAMPLES = 1000
TAIL = 0.025
WORK = {"flat out": 0.0, "real": 100e-6, "slow": 1e-3}
"""Seconds that the handler works."""
STATES = {
    **{f"S{i}": {} for i in range(10)},
    "Start": {},
    "Ready": {"require": ["Start"]},
    "Busy": {"multi": True},
}
"""14 states, Exception among them; each mutation calls a handler."""


class Spread(NamedTuple):
    """The median of ratios, and the lower bound of its 95 % interval."""

    median: float
    low: float


@dataclass(frozen=True, slots=True)
class Figure:
    """Ratios of the machine's own processor time, of time on the wall; the share that was lost."""

    hot: Spread
    whole: Spread
    lost: float


def machine(work: float) -> am.Machine:
    """A machine with one final handler, which works for so many seconds."""
    if not work:
        return am.Machine(STATES, handlers={"BusyState": lambda event: None})

    def busy(event: am.Event) -> None:
        until = time.perf_counter() + work
        while time.perf_counter() < until:
            pass

    return am.Machine(STATES, handlers={"BusyState": busy})


def sample(one: am.Machine, count: int) -> tuple[float, float]:
    """Seconds per mutation, of this thread's processor time and on the wall."""
    add = one.add
    wall, own = time.perf_counter(), time.thread_time()
    for _ in range(count):
        add("Busy")
    own, wall = time.thread_time() - own, time.perf_counter() - wall
    return own / count, wall / count


def measure(row: Row, load: str, pairs: int) -> Figure:
    """The ratios of a row under a load."""
    work = WORK[load]
    bare, listened = machine(work), machine(work)
    count = 1000
    sample(bare, count)
    count = max(20, int(SAMPLE / sample(bare, count)[1]))
    hot, whole = [], []
    with row.listening(listened) as listening:
        sample(listened, count)
        for _ in range(pairs):
            listening.settle()
            a = sample(bare, count)
            b = sample(listened, count)
            hot.append(b[0] / a[0])
            whole.append(b[1] / a[1])
        lost = listening.lost()
    return Figure(spread(hot), spread(whole), lost)


def spread(ratios: Sequence[float]) -> Spread:
    """The median and the lower bound of its bootstrap interval."""
    chance = random.Random(1)
    medians = sorted([median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES)])
    return Spread(median(ratios), medians[round(TAIL * (RESAMPLES - 1))])


def each(fn: Callable[[], object], count: int) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    for _ in range(count):
        fn()
    return (time.perf_counter() - began) / count
