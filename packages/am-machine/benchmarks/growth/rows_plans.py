"""Plans: random walks, the memory that they take, sorting by `after`, autos, sums of ticks."""

# ruff: noqa: RUF001, RUF002 -- the sign for "micro" is meant
from __future__ import annotations

import itertools
import random
import time
import tracemalloc
from statistics import median
from typing import Any

from growth import FLAT, AtMost, Grows, Row, Sample, looped, n_log_n, seconds

import am_machine as am

MIB = 1024 * 1024
# A walk is long enough to fill whatever keeps plans, several times.
WALK = 10_000
STEPS = 15_000


def free_states(size: int) -> dict[str, dict[str, Any]]:
    """States without relations."""
    return {f"State{number}": {} for number in range(size)}


# -- C3: more configurations than plans are kept for ----------------------------------------------


def random_names(names: tuple[str, ...], count: int) -> list[str]:
    return random.Random(3).choices(names[:-1], k=count)  # the last is Exception


def random_toggles(size: int) -> Sample:
    """Toggle states at random."""
    machine = am.Machine(free_states(size))
    endless = itertools.cycle(random_names(machine.schema.names, 8 * WALK))

    def loop(count: int) -> None:
        for name in itertools.islice(endless, count):
            machine.toggle(name)

    # Until what can be known is known.
    loop(4 * WALK)
    return looped(loop, WALK)


def stalls(size: int) -> tuple[float, float]:
    """Seconds of the median and of the longest of many random toggles."""
    machine = am.Machine(free_states(size))
    taken = []
    for name in random_names(machine.schema.names, STEPS):
        start = time.process_time()
        machine.toggle(name)
        taken.append(time.process_time() - start)
    return median(taken), max(taken)


def longest(size: int) -> Sample:
    return lambda: stalls(size)[1]


def longest_of_median(size: int) -> Sample:
    def sample() -> float:
        middle, most = stalls(size)
        return most / middle

    return sample


def toggles_allowed(size: int) -> float:
    """0.9 µs while all plans fit, up to 2 µs at 10 states, 10 µs if each is a miss.

    Half of it, since a shape is kept within a factor of two.
    """
    return {8: 1.0, 9: 1.1, 10: 1.1}.get(size, 5.5)


# -- C4: memory -----------------------------------------------------------------------------------


def walk(machine: am.Machine, count: int = WALK) -> None:
    """Random toggles among configurations in which half of the states are active."""
    names = machine.schema.names
    machine.set(*names[: len(names) // 2])
    for name in random_names(names, count):
        machine.toggle(name)


def book_memory(size: int) -> Sample:
    """The peak of what a long walk takes."""

    def sample() -> float:
        machine = am.Machine(free_states(size))
        walk(machine, 10)
        tracemalloc.start()
        try:
            walk(machine)
            return tracemalloc.get_traced_memory()[1] / MIB
        finally:
            tracemalloc.stop()

    return sample


class Listener(am.Tracer):
    """Hears of each transition."""

    def transition_end(self, transition: am.Transition) -> None: ...


def shared_memory(ways: int) -> Sample:
    """What the same walk takes on machines that are listened to in different ways."""

    def sample() -> float:
        schema = am.Schema(free_states(50))
        machines = [am.Machine(schema) for _ in range(ways)]
        journal = am.Journal()
        for machine, tracer in zip(machines[1:], (journal, Listener()), strict=False):
            machine.bind_tracer(tracer)
        tracemalloc.start()
        try:
            for machine in machines:
                walk(machine, 600)
                journal.read()
            return tracemalloc.get_traced_memory()[0] / MIB
        finally:
            tracemalloc.stop()

    return sample


# -- C5: sorting ----------------------------------------------------------------------------------


def chain_of_after(size: int) -> Sample:
    """Set all states for the first time, in the order opposite to what `after` says."""
    names = [f"State{number}" for number in range(size)]
    states = {name: {"after": [later]} for name, later in itertools.pairwise(names)}
    states[names[-1]] = {}

    def sample() -> float:
        machine = am.Machine(states)
        return seconds(lambda: machine.set(*names))

    return sample


# -- C11, C12: a known plan -----------------------------------------------------------------------


def toggling(machine: am.Machine) -> Sample:
    def loop(count: int) -> None:
        for _ in range(count):
            machine.add("Foo")
            machine.remove("Foo")

    return looped(loop)


def hopeless_autos(size: int) -> Sample:
    """Toggle a state beside auto states whose requirement is never met."""
    autos = {f"State{number}": {"auto": True, "require": ["Never"]} for number in range(size)}
    return toggling(am.Machine({"Foo": {}, "Never": {}, **autos}))


def with_a_tracer(size: int) -> Sample:
    """Toggle a state while a tracer hears of the ends of transitions."""
    machine = am.Machine({"Foo": {}, **free_states(size - 1)})
    machine.bind_tracer(Listener())
    return toggling(machine)


TODAY = {50: 13.0, 200: 35.0, 1_000: 166.0}

ROWS = [
    Row(
        "C3 toggle",
        "random toggle among n free states",
        (8, 9, 10, 20),
        (8, 10),
        random_toggles,
        Grows("2 µs at 10, misses 10 µs, where 8 take 0.9", toggles_allowed),
        seconds=8,
    ),
    Row(
        "C3 stall",
        "longest of 15,000 toggles of n free states, of their median",
        (20,),
        (20,),
        longest_of_median,
        AtMost("≤ 100 (1 ms of 10 µs)", {20: 100.0}),
        unit="x",
        least_laps=3,
        most_laps=7,
    ),
    Row(
        "C3 longest",
        "the same as a time (goal: 1 ms)",
        (10, 20),
        (),
        longest,
        None,
        least_laps=1,
        most_laps=5,
    ),
    Row(
        "C4 full",
        "peak memory of plans on a long walk, n states",
        (50, 200, 1_000),
        (),  # seconds under tracemalloc
        book_memory,
        AtMost("≤ ¼ of 13, 35, 166 MiB", {size: mib / 4 for size, mib in TODAY.items()}),
        unit="MiB",
        most_laps=1,
    ),
    Row(
        "C4 shared",
        "memory of plans on one walk, by 1: nobody, 2: and a journal, 3: and a tracer",
        (1, 2, 3),
        (1, 2),
        shared_memory,
        Grows("flat", FLAT.shape, 1.3),
        unit="MiB",
        most_laps=1,
    ),
    Row(
        "C5",
        "first `set` of n states against a chain of `after`",
        (200, 1_000, 4_000),
        (100, 500),
        chain_of_after,
        Grows("n log n", n_log_n),
        least_laps=5,
    ),
    Row(
        "C11",
        "toggle beside n autos that never come",
        (1, 10, 100, 1_000, 4_000),
        (1, 500),
        hopeless_autos,
    ),
    Row(
        "C12",
        "toggle with a tracer of ends, n states",
        (10, 100, 1_000, 4_000),
        (10, 1_000),
        with_a_tracer,
    ),
]
