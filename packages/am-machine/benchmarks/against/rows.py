"""What is compared between two versions. Public API only: it has to run on old and new code.

A row is prepared once per process. It returns a function that does the operation as often as it is
told and returns the seconds it took, or another figure that is divided by that number.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from random_schema import random_schema

import am_machine as am

Timed = Callable[[int], float]
clock = time.process_time


class FooStates(am.States):
    """One state to switch on and off."""

    Foo = am.State()


class Counting:
    """One final handler."""

    def __init__(self) -> None:
        self.count = 0

    def FooState(self, event: am.Event) -> None:
        self.count += 1


class Negotiating(Counting):
    """A negotiation handler beside the final one."""

    def FooEnter(self, event: am.Event) -> bool:
        return self.count >= 0


def timed(loop: Callable[[int], object]) -> Timed:
    def run(count: int) -> float:
        start = clock()
        loop(count)
        return clock() - start

    return run


def toggling(machine: am.Machine, state: str = "Foo") -> Timed:
    """Switches a state on and off."""

    def loop(count: int) -> None:
        for _ in range(count):
            machine.add(state)
            machine.remove(state)

    return timed(loop)


# -- nobody listens -------------------------------------------------------------------------------


def bare_toggle() -> Timed:
    return toggling(am.Machine(FooStates))


def one_handler() -> Timed:
    return toggling(am.Machine(FooStates, handlers=Counting()))


def two_handlers() -> Timed:
    return toggling(am.Machine(FooStates, handlers=Negotiating()))


def two_keywords() -> Timed:
    machine = am.Machine(FooStates, handlers=Counting())

    def loop(count: int) -> None:
        for _ in range(count):
            machine.add("Foo", value=1, name="x")
            machine.remove("Foo")

    return timed(loop)


def fifty_states_warm() -> Timed:
    machine = am.Machine(random_schema(50))
    names = machine.schema.names[:-1]  # but Exception, which is told
    for name in names * 4:
        machine.add(name)
    endless = itertools.cycle(names)

    def loop(count: int) -> None:
        for name in itertools.islice(endless, count):
            machine.add(name)

    return timed(loop)


def fifty_states_cold() -> Timed:
    """Turns through all states, each on a machine whose schema is new."""
    definition = random_schema(50)

    def run(count: int) -> float:
        taken = 0.0
        for _ in range(count):
            machine = am.Machine(definition)
            start = clock()
            for name in machine.schema.names[:-1]:
                machine.add(name)
            taken += clock() - start
        return taken

    return run


def is_() -> Timed:
    machine = am.Machine(FooStates)

    def loop(count: int) -> None:
        for _ in range(count):
            machine.is_("Foo")

    return timed(loop)


def creation() -> Timed:
    schema = FooStates.schema()

    def loop(count: int) -> None:
        for _ in range(count):
            am.Machine(schema)

    return timed(loop)


def memory() -> Timed:
    """Bytes of idle machines of ten states."""
    schema = am.Schema({f"State{number}": {} for number in range(9)})
    am.Machine(schema)

    def run(count: int) -> float:
        tracemalloc.start()
        try:
            kept = [am.Machine(schema) for _ in range(count)]
            taken = tracemalloc.get_traced_memory()[0]
            del kept
            return taken
        finally:
            tracemalloc.stop()

    return run


# -- waits ----------------------------------------------------------------------------------------


def beside_a_wait() -> Timed:
    """Toggle beside a pending wait for another state."""
    machine = am.Machine({"Foo": {}, "Bar": {}})
    wait = machine.when("Bar")
    run = toggling(machine)

    def checked(count: int) -> float:
        assert not wait.done
        return run(count)

    return checked


def meeting_a_wait() -> Timed:
    machine = am.Machine({"Foo": {}})

    def loop(count: int) -> None:
        for _ in range(count):
            wait = machine.when("Foo")
            machine.add("Foo")
            machine.remove("Foo")
        assert wait.done

    return timed(loop)


def meeting_args() -> Timed:
    machine = am.Machine({"Foo": {}})

    def loop(count: int) -> None:
        for _ in range(count):
            wait = machine.when_args("Foo", value=1)
            machine.add("Foo", value=1)
            machine.remove("Foo")
        assert wait.done

    return timed(loop)


# -- mutations made in handlers -------------------------------------------------------------------

NESTED = am.Schema({"A": {}, "B": {}})


class Final:
    """One final handler of the inner state."""

    def BState(self, event: am.Event) -> None: ...


class Idle(Final):
    """The outer state's handlers do nothing."""

    def AState(self, event: am.Event) -> None: ...
    def AEnd(self, event: am.Event) -> None: ...


class Nesting(Final):
    """The outer state's handlers switch the inner one on and off."""

    def AState(self, event: am.Event) -> None:
        event.machine.add("B")

    def AEnd(self, event: am.Event) -> None:
        event.machine.remove("B")


def outer_nesting() -> Timed:
    return toggling(am.Machine(NESTED, handlers=Nesting()), "A")


def outer_idle() -> Timed:
    return toggling(am.Machine(NESTED, handlers=Idle()), "A")


def inner_from_outside() -> Timed:
    return toggling(am.Machine(NESTED, handlers=Idle()), "B")


# -- somebody listens -----------------------------------------------------------------------------


def journals(number: int) -> Callable[[], Timed]:
    def prepare() -> Timed:
        machine = am.Machine(FooStates, handlers=Counting())
        bound = [am.Journal() for _ in range(number)]
        for journal in bound:
            journal.limit = 10**7  # nothing is dropped: reading is not the machine's part
            machine.bind_tracer(journal)
        run = toggling(machine)

        def emptied(count: int) -> float:
            taken = run(count)
            for journal in bound:
                journal.read()
            return taken

        return emptied

    return prepare


class Drains(am.Tracer):
    """The hooks that am-rpc binds at a machine that it serves."""

    def __init__(self, machine: am.Machine) -> None:
        self.machine = machine
        self.moved = 0

    def queue_end(self, machine: Any) -> None:
        if machine is self.machine:
            self.moved += 1

    def schema_change(self, machine: Any, old: Any) -> None: ...
    def machine_dispose(self, machine: Any) -> None: ...


class Ends(am.Tracer):
    """Hears of the end of each transition."""

    def transition_end(self, transition: am.Transition) -> None: ...


def queue_end() -> Timed:
    machine = am.Machine(FooStates, handlers=Counting())
    tracer = Drains(machine)
    machine.bind_tracer(tracer)
    run = toggling(machine)

    def checked(count: int) -> float:
        before = tracer.moved
        taken = run(count)
        assert tracer.moved == before + 2 * count
        return taken

    return checked


def transition_end() -> Timed:
    machine = am.Machine(FooStates, handlers=Counting())
    machine.bind_tracer(Ends())
    return toggling(machine)


class Dropping(logging.Handler):
    """Gets every record, and drops it."""

    def emit(self, record: logging.LogRecord) -> None: ...


def log_at_ops() -> Timed:
    """Other rows emit no lines, so that they may share the logger."""
    logger = logging.getLogger("am_machine")
    logger.addHandler(Dropping())
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    machine = am.Machine(FooStates, handlers=Counting())
    machine.log_level = am.LogLevel.OPS
    return toggling(machine)


ROWS: dict[str, Callable[[], Timed]] = {
    "bare toggle": bare_toggle,
    "one handler": one_handler,
    "two handlers": two_handlers,
    "50 states, warm": fifty_states_warm,
    "50 states, cold": fifty_states_cold,
    "toggle beside a wait": beside_a_wait,
    "create and meet a wait": meeting_a_wait,
    "when_args": meeting_args,
    "is_": is_,
    "machine creation": creation,
    "memory per machine": memory,
    "two keywords, one handler": two_keywords,
    "mutation in a handler": outer_nesting,
    "its outer mutation alone": outer_idle,
    "the same from outside": inner_from_outside,
    "one journal": journals(1),
    "two journals": journals(2),
    "tracer: queue_end": queue_end,
    "tracer: transition_end": transition_end,
    "log level OPS": log_at_ops,
}
# Rows whose figure is not seconds, with the number of operations that it takes.
COUNTS = {"memory per machine": 300}
