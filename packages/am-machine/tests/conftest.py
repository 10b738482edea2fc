"""Fixtures shared by the tests of am-machine.

Test modules never import each other, so what several of them need is handed out by fixtures:
factories for schemas, a tracer that writes down every hook, and a capture of the log lines.
"""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Machines differ in speed, so no example has a deadline.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


class Recorder(am.Tracer):
    """Writes down every hook as a short line, in order of happening.

    `lines` holds all of them; `only(...)` picks the hooks whose name is given. `transitions` and
    `mutations` keep the objects themselves.
    """

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.prefix = f"{name}:" if name else ""
        self.lines: list[str] = []
        self.transitions: list[Any] = []
        self.mutations: list[Any] = []
        self.logged: list[tuple[int, str]] = []

    def note(self, line: str) -> None:
        self.lines.append(self.prefix + line)

    def only(self, *hooks: str) -> list[str]:
        return [
            line for line in self.lines if line.split(" ")[0].removeprefix(self.prefix) in hooks
        ]

    def clear(self) -> None:
        self.lines.clear()
        self.transitions.clear()
        self.mutations.clear()
        self.logged.clear()

    def machine_init(self, machine: Any) -> None:
        self.note(f"machine_init {machine.id}")

    def machine_open(self, machine: Any) -> None:
        self.note(f"machine_open {machine.id}")

    def machine_dispose(self, machine: Any) -> None:
        self.note(f"machine_dispose {machine.id}")

    def new_submachine(self, parent: Any, machine: Any) -> None:
        self.note(f"new_submachine {parent.id} {machine.id}")

    def schema_change(self, machine: Any, old: Any) -> None:
        self.note(f"schema_change {len(old)}->{len(machine.schema)}")

    def mutation_queued(self, machine: Any, mutation: Any) -> None:
        self.mutations.append(mutation)
        self.note(f"mutation_queued {mutation.kind} {' '.join(mutation.called)}")

    def transition_init(self, transition: Any) -> None:
        self.transitions.append(transition)
        self.note("transition_init")

    def transition_start(self, transition: Any) -> None:
        self.note("transition_start")

    def transition_finals(self, transition: Any) -> None:
        self.note("transition_finals")

    def transition_end(self, transition: Any) -> None:
        self.note(f"transition_end {'accepted' if transition.accepted else 'canceled'}")

    def handler_start(self, transition: Any, binding: Any, name: str) -> None:
        self.note(f"handler_start {name}")

    def handler_end(self, transition: Any, binding: Any, name: str) -> None:
        self.note(f"handler_end {name}")

    def queue_end(self, machine: Any) -> None:
        self.note("queue_end")

    def verify_states(self, machine: Any) -> None:
        self.note(f"verify_states {machine.id}")

    def log(self, machine: Any, level: am.LogLevel, text: str) -> None:
        self.logged.append((int(level), text))


@dataclass
class LogCapture(logging.Handler):
    """The records of the one logger that every machine writes to."""

    records: list[logging.LogRecord] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(level=1)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    def starting(self, *prefixes: str) -> list[str]:
        return [line for line in self.lines if line.startswith(prefixes)]

    def clear(self) -> None:
        self.records.clear()


@pytest.fixture
def log() -> Iterator[LogCapture]:
    """Catches every record of the `am_machine` logger and keeps it from the terminal."""
    logger = logging.getLogger("am_machine")
    level, propagate = logger.level, logger.propagate
    capture = LogCapture()
    logger.addHandler(capture)
    logger.setLevel(1)
    logger.propagate = False
    yield capture
    logger.removeHandler(capture)
    logger.setLevel(level)
    logger.propagate = propagate


@pytest.fixture
def recorder() -> Recorder:
    """A tracer that records every hook."""
    return Recorder()


@pytest.fixture
def new_recorder() -> Callable[[str], Recorder]:
    """Makes tracers that record every hook, each line after a name."""
    return Recorder


@pytest.fixture
def flat() -> Callable[..., am.Machine]:
    """Makes a machine of plain, unrelated states: `flat("A B C", multi="C", id="m")`."""

    def make(
        names: str = "A B C D", *, multi: str = "", auto: str = "", **options: Any
    ) -> am.Machine:
        many, automatic = multi.split(), auto.split()
        schema = {
            name: {"multi": name in many, "auto": name in automatic} for name in names.split()
        }
        return am.Machine(schema, **options)

    return make


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Switches the cyclic collector off: what is freed now is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
