"""What it costs to listen, and that it costs nothing once nobody listens any more."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from peers import Counting, FooStates, toggling

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Iterator


class Everything(am.Tracer):
    """Overrides every hook, and does nothing in any of them."""

    def machine_init(self, machine: Any) -> None: ...
    def machine_open(self, machine: Any) -> None: ...
    def machine_dispose(self, machine: Any) -> None: ...
    def new_submachine(self, parent: Any, machine: Any) -> None: ...
    def schema_change(self, machine: Any, old: Any) -> None: ...
    def mutation_queued(self, machine: Any, mutation: Any) -> None: ...
    def transition_init(self, transition: Any) -> None: ...
    def transition_start(self, transition: Any) -> None: ...
    def transition_end(self, transition: Any) -> None: ...
    def transition_finals(self, transition: Any) -> None: ...
    def handler_start(self, transition: Any, binding: Any, name: str) -> None: ...
    def handler_end(self, transition: Any, binding: Any, name: str) -> None: ...
    def queue_end(self, machine: Any) -> None: ...
    def verify_states(self, machine: Any) -> None: ...
    def log(self, machine: Any, level: Any, text: str) -> None: ...


class Dropping(logging.Handler):
    """Gets every record, and drops it: what logging costs apart from writing."""

    def emit(self, record: logging.LogRecord) -> None: ...


@contextmanager
def logging_to(handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger("am_machine")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield
    logger.removeHandler(handler)
    logger.setLevel(level)
    logger.propagate = propagate


def listened() -> am.Machine:
    return am.Machine(FooStates, handlers=Counting())


def test_nobody(measure: Any) -> None:
    measure(toggling(listened()), "listening", "nobody")


@pytest.mark.parametrize("tracer", [am.Tracer, Everything], ids=["base tracer", "every hook"])
def test_a_tracer(measure: Any, tracer: type[am.Tracer]) -> None:
    machine = listened()
    machine.bind_tracer(tracer())
    measure(toggling(machine), "listening", "base" if tracer is am.Tracer else "every hook")


def test_a_journal(measure: Any) -> None:
    machine = listened()
    journal = am.Journal()
    journal.limit = 10**7  # the reader's part is not the machine's: nobody reads
    machine.bind_tracer(journal)
    measure(toggling(machine), "listening", "journal")


def test_a_tracer_taken_off(measure: Any) -> None:
    machine = listened()
    tracer = Everything()
    machine.bind_tracer(tracer)
    toggling(machine)(100)
    machine.detach_tracer(tracer)
    measure(toggling(machine), "listening", "tracer taken off")


@pytest.mark.parametrize("handler", [logging.NullHandler, Dropping], ids=["null", "dropping"])
def test_logging(measure: Any, handler: type[logging.Handler]) -> None:
    machine = listened()
    machine.log_level = am.LogLevel.OPS
    heard = "null" if handler is logging.NullHandler else "dropping"
    with logging_to(handler()):
        measure(toggling(machine), "listening", f"log at OPS, {heard} handler")


def test_logging_turned_off(measure: Any) -> None:
    machine = listened()
    machine.log_level = am.LogLevel.OPS
    with logging_to(Dropping()):
        toggling(machine)(100)
        machine.log_level = am.LogLevel.NOTHING
        measure(toggling(machine), "listening", "log turned off")


def test_steps(measure: Any) -> None:
    machine = listened()
    machine.sem_log.steps = True
    measure(toggling(machine), "listening", "steps")


def test_steps_turned_off(measure: Any) -> None:
    machine = listened()
    machine.sem_log.steps = True
    toggling(machine)(100)
    machine.sem_log.steps = False
    measure(toggling(machine), "listening", "steps turned off")
