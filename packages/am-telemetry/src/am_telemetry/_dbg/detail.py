"""Level 2: what only a tracer in the middle of transitions can tell of a machine."""

from __future__ import annotations

import dataclasses
import sys
from collections import deque
from itertools import count
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

import am_machine as am

from . import messages as m
from .feed import lines, shown_args, source_list

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 16
"""Of the stack of a queued mutation."""
_MOST = 1000  # handlers of one transition
KEPT = 20_000
"""Extras that wait for their journal entry; the oldest are forgotten."""

_numbers = count(1)


class Extras(NamedTuple):
    """What a tracer adds to an entry of the journal. Times in microseconds."""

    duration: int
    queue_len: int
    number: int | None
    log: tuple[tuple[int, str], ...]
    stack: tuple[str, ...] | None
    handlers: dict[str, int]


class Beside(NamedTuple):
    """What no journal has, as an entry of its own: a mutation that was queued while a transition
    ran, a check, an auto mutation that came to nothing. It belongs after the transition `after`."""

    at: int
    fields: list[Any]
    after: str


class _Running:
    """A transition that runs: a handler may drain other machines, so these are on a stack."""

    __slots__ = ("began", "handler_began", "handlers", "transition")

    def __init__(self, transition: am.Transition) -> None:
        self.transition = transition
        self.began = perf_counter_ns()
        self.handler_began = 0
        self.handlers: dict[str, int] = {}


class DetailTracer(am.Tracer):
    """Collects the extras of one machine. Hooks come on the machine's stack, reading from the
    hub's thread: what lies between is a dict and a deque, used by single calls."""

    inheritable = False

    def __init__(
        self, *, with_stacks: bool, told: Callable[[Beside], None], logged: Callable[..., None]
    ) -> None:
        self._with_stacks = with_stacks
        self._told = told
        self._logged = logged
        self._running: list[_Running] = []
        # The latest that the journal has, too.
        self._last = ""
        self._extras: dict[str, Extras] = {}
        self._order: deque[str] = deque()
        # Mutations that were told as queued: their number and stack.
        self._queued: dict[int, tuple[am.Mutation, int]] = {}

    def take(self, transition_id: str) -> Extras | None:
        """What is known of a transition, once."""
        return self._extras.pop(transition_id, None)

    # ------------------------------------------------------------------ hooks

    def mutation_queued(self, machine: am.BaseMachine, mutation: am.Mutation) -> None:
        """Told on its own if a transition was running, joined to its execution by a number."""
        if mutation.is_check or mutation.is_auto or not self._running:
            return
        number = next(_numbers)
        self._queued[id(mutation)] = (mutation, number)
        while len(self._queued) > KEPT:
            self._queued.pop(next(iter(self._queued)))
        at = time_ns() // 1000
        fields = _fields(machine, mutation, m.QUEUED, at, number)
        fields += [None, None, number]
        if self._with_stacks:
            fields += [None, None, stack()]
        self._told(Beside(at, fields, self._last))

    def transition_start(self, transition: am.Transition) -> None:
        """Its time begins."""
        self._running.append(_Running(transition))

    def handler_start(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """The handler's time begins."""
        running = self._of(transition)
        if running is not None:
            running.handler_began = perf_counter_ns()

    def handler_end(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """It ends."""
        running = self._of(transition)
        if running is not None:
            took = (perf_counter_ns() - running.handler_began) // 1000
            running.handlers[name] = running.handlers.get(name, 0) + took

    def transition_end(self, transition: am.Transition) -> None:
        """All is known. A transition that was running already when this was bound has no start."""
        running = self._of(transition)
        if running is None:
            return
        while self._running.pop() is not running:
            pass
        _, number = self._queued.pop(id(transition.mutation), (None, None))
        extras = Extras(
            duration=(perf_counter_ns() - running.began) // 1000,
            queue_len=transition.queue_len,
            number=number,
            log=tuple([(int(level), text) for level, text in transition.log_entries]),
            stack=None,
            handlers=dict(list(running.handlers.items())[:_MOST]),
        )
        if transition.is_check:
            self._tell(transition, extras, m.CHECK)
            return
        if transition.auto and not transition.accepted and not running.handlers:
            # Relations let nothing of it through.
            self._tell(transition, extras, m.AUTO)
            return
        key = self._last = transition.id
        self._extras[key] = extras
        self._order.append(key)
        while len(self._order) > KEPT:
            self._extras.pop(self._order.popleft(), None)

    def _tell(self, transition: am.Transition, extras: Extras, flags: int) -> None:
        at = time_ns() // 1000
        flags |= m.ACCEPTED if transition.accepted else 0
        fields = _fields(transition.machine, transition.mutation, flags, at, None)
        fields[0] = bytes.fromhex(transition.id)
        # A check ends with the first vote against it.
        ran = list(extras.handlers)
        vetoed = None if transition.accepted or not ran else ran[-1:]
        fields += [
            extras.duration, extras.queue_len, None, lines(extras.log), vetoed, None,
            list(extras.handlers.items()),
        ]  # fmt: skip
        self._told(Beside(at, fields, self._last))

    def log(self, machine: am.BaseMachine, level: am.LogLevel, text: str) -> None:
        """Lines between transitions are told at once; the others come with theirs."""
        if not self._running:
            self._logged(time_ns() // 1000, int(level), text)

    def _of(self, transition: am.Transition) -> _Running | None:
        for running in reversed(self._running):
            if running.transition is transition:
                return running
        return None


def _fields(
    machine: am.BaseMachine, mutation: am.Mutation, flags: int, at: int, number: int | None
) -> list[Any]:
    """The first nine fields of something that moves no clock."""
    source = mutation.source
    args = kept_args(machine, mutation) if mutation.args else None
    return [
        (number or 0).to_bytes(8, "big"),
        at,
        m.KINDS.index(str(mutation.kind)),
        flags,
        mutation.indexes,
        None,
        max(mutation.queue_tick, 0),
        None if source is None else source_list(source),
        shown_args(args) if args else None,
    ]


def kept_args(machine: am.BaseMachine, mutation: am.Mutation) -> dict[str, Any]:
    """The logged arguments of a mutation, as values that keep nothing of the caller's alive."""
    schema = machine.schema
    more = [
        field.name
        for i in mutation.indexes
        if i in schema.args_classes
        for field in dataclasses.fields(schema.args_classes[i])
        if field.metadata.get("log")
    ]
    chosen = machine.log_args.chosen(mutation.args, more)
    return {key: _kept(value) for key, value in chosen.items()}


def _kept(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float):
        return value
    try:
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"[: m.MAX_ARG]
        return value[: m.MAX_ARG] if type(value) is str else f"…{value}"[: m.MAX_ARG]
    except Exception as exc:  # of the caller's own `__str__`
        return f"…{type(value).__name__} ({type(exc).__name__})"[: m.MAX_ARG]


def stack() -> list[str]:
    """Where a mutation was made, innermost frame first, without those of the engine and of this."""
    found: list[str] = []
    walked: Any = sys._getframe(1)
    while walked is not None and len(found) < FRAMES:
        code = walked.f_code
        module = walked.f_globals.get("__name__", "")
        if not str(module).startswith(("am_machine.", "am_telemetry.")):
            found.append(f"{code.co_filename}:{walked.f_lineno} {code.co_qualname}")
        walked = walked.f_back
    return found
