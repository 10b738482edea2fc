"""Tracers: observers of machines. They watch and never decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .log import LogLevel, log_listener_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._engine.base import BaseMachine
    from .._engine.binding import Binding
    from .._engine.mutation import Mutation
    from .._engine.transition import Transition
    from .._schema.schema import Schema


class Tracer:
    """Base of tracers: no-op hooks, to be overridden where something is to be seen.

    Hooks run on the machine's own stack, so they must be quick and must not mutate the machine. One
    that raises is logged and otherwise ignored. Hooks that are not overridden cost nothing.
    """

    inheritable = True
    """Whether submachines (`parent=`) get this tracer too."""
    # Journals alone are written to as well; most processes have none, and do not load theirs.
    _is_journal = False

    def machine_init(self, machine: BaseMachine) -> None:
        """A machine was made with this tracer; not sent to tracers bound later."""

    def machine_open(self, machine: BaseMachine) -> None:
        """`async with machine` has opened its nursery."""

    def machine_dispose(self, machine: BaseMachine) -> None:
        """A machine is being disposed; its states can still be read."""

    def new_submachine(self, parent: BaseMachine, machine: BaseMachine) -> None:
        """A machine was made with `parent=`."""

    def schema_change(self, machine: BaseMachine, old: Schema) -> None:
        """The schema grew from `old`."""

    def handlers_change(self, machine: BaseMachine) -> None:
        """Handlers were bound or detached; `machine.handler_names` has those bound now."""

    def pipes_change(self, machine: BaseMachine) -> None:
        """Pipes of the machine came or went; `machine.sem_log.pipes` has those there are now."""

    def verify_states(self, machine: BaseMachine) -> None:
        """The order of states is fixed, at the start and after each growth."""

    def mutation_queued(self, machine: BaseMachine, mutation: Mutation) -> None:
        """A mutation was put into the queue."""

    def transition_init(self, transition: Transition) -> None:
        """A transition was resolved."""

    def transition_start(self, transition: Transition) -> None:
        """Negotiation is about to begin."""

    def transition_finals(self, transition: Transition) -> None:
        """Clocks have moved, final handlers are about to run."""

    def transition_end(self, transition: Transition) -> None:
        """A transition ended, one way or the other; sent for each."""

    def handler_start(self, transition: Transition, binding: Binding, name: str) -> None:
        """A handler is about to be called."""

    def handler_end(self, transition: Transition, binding: Binding, name: str) -> None:
        """A handler returned or raised."""

    def queue_end(self, machine: BaseMachine) -> None:
        """The queue is empty, no transition runs."""

    def log(self, machine: BaseMachine, level: LogLevel, text: str) -> None:
        """A log line was emitted."""


# Hooks inside of transitions, which make a machine tell of each; the others cost nothing there.
_LOUD = (
    "mutation_queued", "transition_init", "transition_start", "transition_finals",
    "transition_end", "handler_start", "handler_end",
)  # fmt: skip
HOOKS = (
    "machine_init", "machine_open", "machine_dispose", "new_submachine", "schema_change",
    "handlers_change", "pipes_change", "verify_states", "queue_end", "log", *_LOUD,
)  # fmt: skip


class Hooks:
    """The overridden hooks of a machine's tracers, so that the others are never called."""

    __slots__ = (*HOOKS, "is_loud", "tracers")

    machine_init: tuple[Any, ...]
    machine_open: tuple[Any, ...]
    machine_dispose: tuple[Any, ...]
    new_submachine: tuple[Any, ...]
    schema_change: tuple[Any, ...]
    handlers_change: tuple[Any, ...]
    pipes_change: tuple[Any, ...]
    verify_states: tuple[Any, ...]
    mutation_queued: tuple[Any, ...]
    transition_init: tuple[Any, ...]
    transition_start: tuple[Any, ...]
    transition_finals: tuple[Any, ...]
    transition_end: tuple[Any, ...]
    handler_start: tuple[Any, ...]
    handler_end: tuple[Any, ...]
    queue_end: tuple[Any, ...]
    log: tuple[Any, ...]

    def __init__(self, tracers: Sequence[Tracer]) -> None:
        self.tracers = tuple(tracers)
        defaults = vars(Tracer)
        for name in HOOKS:
            default, found = defaults[name], []
            for tracer in tracers:
                fn = getattr(tracer, name, None)
                if fn is not None and getattr(fn, "__func__", fn) is not default:
                    found.append(fn)
            setattr(self, name, tuple(found))
        # Whether mutations have to be told about.
        self.is_loud = any(getattr(self, name) for name in _LOUD)

    def fire(self, name: str, *args: Any) -> None:
        """Call a hook of all tracers; what one raises is logged."""
        for fn in getattr(self, name):
            try:
                fn(*args)
            except Exception as exc:
                first = args[0]
                machine = first if hasattr(first, "tick") else first.machine
                hook_failed(machine, name, fn, exc)


def hook_failed(machine: BaseMachine, name: str, fn: object, exc: Exception) -> None:
    """A hook of a tracer raised: it is only logged."""
    log_listener_error(machine, f"[tracer] {name} of {fn!r} raised {exc!r}", exc)
