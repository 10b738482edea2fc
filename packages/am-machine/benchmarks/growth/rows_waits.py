"""Waits: to create, to cancel, to meet, and to have around."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from growth import Row, Sample, batched, looped
from queues import inside

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = (10, 100, 1_000, 10_000)
FEW = (10, 1_000)
# A tick that is never reached.
NEVER = 10**12


def args_waiting(size: int) -> tuple[am.Machine, list[am.Wait]]:
    """A machine with waits for different keywords of one state."""
    machine = am.Machine({"Foo": {"multi": True}})
    return machine, [machine.when_args("Foo", id=number) for number in range(size)]


def cancel_args(size: int) -> Sample:
    """Cancel one more wait."""
    machine, kept = args_waiting(size)

    def make(count: int) -> list[am.Wait]:
        assert not kept[0].done
        return [machine.when_args("Foo", id=-number) for number in range(1, count + 1)]

    return batched(make, lambda wait: wait.cancel())


def fire_args(size: int) -> Sample:
    """Enter the state with the keyword that one more wait wants."""
    machine, kept = args_waiting(size)
    waits: list[am.Wait] = []

    def make(count: int) -> list[int]:
        assert all(wait.done for wait in waits)
        assert not kept[0].done
        numbers = [-number for number in range(1, count + 1)]
        waits[:] = [machine.when_args("Foo", id=number) for number in numbers]
        return numbers

    return batched(make, lambda number: machine.add("Foo", id=number))


def create_query(size: int) -> Sample:
    """Create one more wait for a predicate that is false."""
    machine = am.Machine({"Foo": {}})
    kept = [machine.when_query(lambda clock: False) for _ in range(size)]

    def make(count: int) -> list[Callable[[Any], bool]]:
        assert not kept[0].done
        return [lambda clock: False] * count

    return batched(make, lambda fn: machine.when_query(fn))


def create_queue(size: int) -> Sample:
    """Create one more wait for a queued mutation."""

    def prepare(machine: am.Machine) -> Sample:
        result = machine.add("B", number=0)
        kept = [machine.when_queue(result) for _ in range(size)]

        def make(count: int) -> list[am.Result]:
            assert not kept[0].done
            return [result] * count

        return batched(make, machine.when_queue)

    return inside(prepare)


def work_off(size: int) -> Sample:
    """Work off n mutations, per mutation, each of which is waited for."""
    kept: list[am.Wait] = []
    started = 0.0

    def queue(event: am.Event) -> None:
        nonlocal started
        results = [machine.add("B", number=number) for number in range(size)]
        kept[:] = [machine.when_queue(result) for result in results]
        started = time.process_time()

    states = {"A": {"multi": True}, "B": {"multi": True}}
    machine = am.Machine(
        states, handlers={"AState": queue}, handler_timeout=0, queue_limit=size + 10
    )

    def sample() -> float:
        machine.add("A")
        taken = time.process_time() - started
        assert kept[-1].done
        return taken / size

    return sample


def toggle_beside(
    make: Callable[[am.Machine, int], am.Wait], **args: Any
) -> Callable[[int], Sample]:
    """Toggle a state that waits look at and that does not meet them."""

    def prepare(size: int) -> Sample:
        machine = am.Machine({"Foo": {}, "Bar": {}})
        kept = [make(machine, number) for number in range(size)]

        def loop(count: int) -> None:
            for _ in range(count):
                machine.add("Foo", **args)
                machine.remove("Foo")
            assert not kept[0].done

        return looped(loop)

    return prepare


ROWS = [
    Row("C6 cancel", "cancel a `when_args` beside n", MANY, FEW, cancel_args),
    Row("C6 fire", "meet one `when_args` beside n of the same state", MANY, FEW, fire_args),
    Row("C7 query", "create a `when_query` beside n", (10, 100, 1_000, 5_000), FEW, create_query),
    Row(
        "C7 queue",
        "create a `when_queue` beside n",
        (10, 100, 1_000, 3_000),
        (10, 500),
        create_queue,
        most_laps=7,
        least_laps=3,
    ),
    Row(
        "C7 drain",
        "work off n queued mutations with a `when_queue` each, per mutation",
        (30, 100, 1_000, 3_000),
        (30, 1_000),
        work_off,
        most_laps=15,
        least_laps=5,
    ),
    Row(
        "C8 when",
        "toggle beside n `when` of the same state that lack another",
        MANY,
        FEW,
        toggle_beside(lambda machine, number: machine.when("Foo", "Bar")),
    ),
    Row(
        "C8 time",
        "toggle beside n `when_time` of the same state",
        MANY,
        FEW,
        toggle_beside(lambda machine, number: machine.when_time({"Foo": NEVER + number})),
    ),
    Row(
        "C8 args",
        "toggle with a keyword beside n `when_args` of the same state",
        MANY,
        FEW,
        toggle_beside(lambda machine, number: machine.when_args("Foo", id=number), id=-1),
    ),
]
