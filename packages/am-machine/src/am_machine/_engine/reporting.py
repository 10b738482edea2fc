"""What a transition tells while it runs: log lines, steps, tracers, and journals at its end.

Only an observed machine comes here, but for errors, which are always told, and for the completion
of a record that somebody asked for.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from .._causality import CauseCell
from .._schema.bits import bits_of
from .._schema.handlers import HandlerCall, Role, read_handler_key
from .._schema.resolve import REMOVE
from .._schema.steps import handler_step as step_of_handler
from .._text import text_of
from .._watch.listening import Observed
from .._watch.log import CHANGES, EVERYTHING, OPS, LogLevel, emit, log_error
from .._watch.note import Note, kept_args
from .._watch.resolution_trace import trace_of
from .mutation import label
from .transition import Transition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .._causality import Cause, Source
    from .._schema.handlers import HandlerTable
    from .._schema.plans import Plan
    from .._schema.schema import Schema
    from .base import BaseMachine
    from .binding import Binding, Handler
    from .machine import Machine
    from .mutation import Mutation

LOG = Observed.LOG


def begin(machine: BaseMachine, plan: Plan, mutation: Mutation) -> None:
    """The transition was taken up: its record, how it resolved, tracers' init and start."""
    transition = open_record(machine, plan, mutation)
    level = machine._listening.log_level
    if level >= OPS:
        kind = LogLevel.DECISIONS if plan.is_auto else LogLevel.OPS
        emit(machine, kind, f"[{label(plan.kind, plan.is_auto)}] {format_call(machine, mutation)}")
        source = mutation.source
        if source is not None:
            # What comes from the machine itself is no news beside the lines around it.
            own = source.machine_id == machine.id
            emit(machine, LogLevel.DECISIONS if own else LogLevel.OPS, f"[source] {source}")
        for line_level, text in trace_of(machine._schema, plan).lines:
            emit(machine, line_level, text)
    listening = machine._listening
    if listening.tells_steps and wants_steps(machine, plan):
        transition.steps += trace_of(machine._schema, plan).steps
    hooks = listening.hooks
    if hooks is not None and (hooks.transition_init or hooks.transition_start):
        started(machine, transition)


def open_record(machine: BaseMachine, plan: Plan, mutation: Mutation) -> Transition:
    """The record of a transition that somebody listens to."""
    transition = machine._transition = Transition(machine, plan, mutation)
    listening = machine._listening
    if listening.pre_log:
        transition.pre_log_entries = listening.pre_log
        listening.pre_log = None
    return transition


def wants_steps(machine: BaseMachine, plan: Plan) -> bool:
    """Whether the steps of a transition are recorded."""
    listening = machine._listening
    return listening.wants_steps and (not plan.is_check or machine.sem_log.checks)


def started(machine: BaseMachine, transition: Transition) -> None:
    """Tracers' init and start."""
    hooks = machine._listening.hooks
    if hooks is not None:
        if hooks.transition_init:
            hooks.fire("transition_init", transition)
        if hooks.transition_start:
            hooks.fire("transition_start", transition)


# ------------------------------------------------------------------------------ handlers


def each_binding(machine: BaseMachine, call: HandlerCall) -> Iterator[tuple[Handler, Binding]]:
    """What is bound to a handler name; each binding is told, whether it has the handler or not."""
    bound = {binding: fn for fn, binding in machine._calls.get(call.key, ())}
    for binding in list(machine._bindings):
        emit(machine, LogLevel.EVERYTHING, f"[handle:{binding.name}] {call.name}")
        if binding in bound:
            yield bound[binding], binding


def handler_step(machine: BaseMachine, call: HandlerCall) -> None:
    """The step of a handler name that something is bound to."""
    transition, plan = machine._transition, machine._plan
    if transition is not None and plan is not None and wants_steps(machine, plan):
        step = call.step
        if step is None:
            step = call.step = step_of_handler(machine._schema.names, call)
        transition.steps.append(step)


def handler_start(machine: BaseMachine, call: HandlerCall, binding: Binding) -> None:
    """A handler is about to be called."""
    listening = machine._listening
    if listening.log_level >= OPS:
        emit(machine, LogLevel.OPS, f"[handler:{binding.number}] {call.name}")
    hooks = listening.hooks
    if hooks is not None and hooks.handler_start:
        hooks.fire("handler_start", machine.transition, binding, call.name)


def handler_end(machine: BaseMachine, call: HandlerCall, binding: Binding, failed: bool) -> None:
    """A handler returned, or raised."""
    listening = machine._listening
    hooks = listening.hooks
    if hooks is not None and hooks.handler_end:
        hooks.fire("handler_end", machine.transition, binding, call.name)
    if not failed and listening.log_level >= EVERYTHING:
        emit(machine, LogLevel.EVERYTHING, f"[handler:end] {call.name} from {binding.name}")


def rejected(machine: BaseMachine, call: HandlerCall) -> None:
    """A handler voted against."""
    if machine._listening.log_level >= OPS and machine._transition is not None:
        name = "cancel:self" if call.role is Role.SELF else "cancel"
        target = " ".join(machine._transition.target)
        emit(machine, LogLevel.OPS, f"[{name}] ({target}) by {call.name}")


def tells_all_handlers(machine: BaseMachine) -> bool:
    """Whether handler names are told that nothing is bound to."""
    return machine._listening.log_level >= EVERYTHING and bool(machine._bindings)


class AllHandlers:
    """As `HandlerTable`, but of every handler name there could be."""

    __slots__ = ("_names", "_schema")

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._names = schema.names

    def exits(self, exits: Sequence[int]) -> list[HandlerCall]:
        """`sExit`."""
        return self._all(Role.EXIT, exits)

    def enters(self, enters: Sequence[int]) -> list[HandlerCall]:
        """`sEnter`."""
        return self._all(Role.ENTER, enters)

    def selfs(self, target: Sequence[int], before: int, bits: Sequence[int]) -> list[HandlerCall]:
        """`ss`."""
        names = self._names
        active = [i for i in target if before & bits[i]]
        return [HandlerCall(names[i] * 2, Role.SELF, i, i) for i in active]

    def pairs(self, before: int, target: Sequence[int]) -> list[HandlerCall]:
        """`bt`."""
        names = self._names
        return [
            HandlerCall(names[b] + names[t], Role.PAIR, t, b)
            for b in bits_of(before)
            for t in target
            if b != t
        ]

    def any_enter(self) -> list[HandlerCall]:
        """`AnyEnter`."""
        return [HandlerCall("AnyEnter", Role.ANY_ENTER)]

    def finals(self, exits: Sequence[int], enters: Sequence[int]) -> list[HandlerCall]:
        """`sEnd`, `sState`, `AnyState`."""
        last = HandlerCall("AnyState", Role.ANY_STATE)
        return [*self._all(Role.END, exits), *self._all(Role.STATE, enters), last]

    def _all(self, role: Role, states: Sequence[int]) -> list[HandlerCall]:
        return [read_handler_key(self._schema, self._names[i], role) for i in states]


def table_of(machine: BaseMachine) -> HandlerTable | AllHandlers:
    """The handler names to go through."""
    if tells_all_handlers(machine):
        return AllHandlers(machine._schema)
    return machine._book.handlers


def all_votes(machine: BaseMachine, plan: Plan) -> Sequence[HandlerCall]:
    """Negotiation handlers of a transition to go through."""
    if not tells_all_handlers(machine):
        return plan.votes
    table = AllHandlers(machine._schema)
    before, bits = plan.before.mask, machine._schema.bits
    target = machine._book.target_of(plan)
    return [
        *table.exits(plan.exits),
        *table.enters(plan.enters),
        *(() if plan.kind == REMOVE else table.selfs(target, before, bits)),
        *table.pairs(before, target),
        *table.any_enter(),
    ]


def all_finals(machine: BaseMachine, plan: Plan) -> Sequence[HandlerCall]:
    """Final handlers of a transition to go through."""
    if tells_all_handlers(machine):
        return AllHandlers(machine._schema).finals(plan.exits, plan.enters)
    return plan.finals


# ------------------------------------------------------------------------------ clocks and end


def applied(machine: BaseMachine, plan: Plan) -> None:
    """Clocks have moved."""
    transition = machine._transition
    level = machine._listening.log_level
    if level < CHANGES or transition is None:
        return
    trace = trace_of(machine._schema, plan)
    moved = trace.moved if level < EVERYTHING else trace.moved_all
    if moved:
        name = "auto_" if plan.is_auto else "state"
        mutation = transition.mutation
        args = format_args(machine, mutation) if mutation.args else ""
        emit(machine, LogLevel.CHANGES, f"[{name}] {moved}{args}")


def finals(machine: BaseMachine) -> None:
    """Final handlers are about to run."""
    hooks = machine._listening.hooks
    if hooks is not None and hooks.transition_finals and machine._transition is not None:
        hooks.fire("transition_finals", machine._transition)


def end(machine: BaseMachine, transition: Transition) -> None:
    """The transition is over: its record is completed and shown."""
    transition.queue_len = machine._queue_len()
    hooks = machine._listening.hooks
    if hooks is not None and hooks.transition_end:
        hooks.fire("transition_end", transition)


def note_of(
    machine: BaseMachine, mutation: Mutation | None, cause: Source | None, source: Source | None
) -> Note | None:
    """What journals are told of an accepted transition beside its plan; None if that tells all."""
    noting = machine._listening.noting
    if mutation is None and cause is None and source is None and noting is None:
        return None
    args: Mapping[str, Any] | None = None
    if mutation is not None and mutation.args:
        args = kept_args(_shown_args(machine, mutation, raw=True))
    told = Note(
        cause=cause,
        source=source,
        args=args,
        called=mutation.indexes if mutation is not None else None,
    )
    if noting is not None:
        told.details = noting.end(mutation, machine._queue_len())
    return told


def begin_details(machine: BaseMachine) -> None:
    """A transition begins of which details are wanted."""
    noting = machine._listening.noting
    if noting is not None:
        noting.begin()


def note_failed(machine: BaseMachine, call: HandlerCall, start: float) -> None:
    """A handler that began then raised."""
    noting = machine._listening.noting
    if noting is not None:
        noting.failed(call.name, start)


def queued(machine: Machine, mutation: Mutation, how: str) -> None:
    """Tell those who listen that a mutation was queued."""
    listening = machine._listening
    if listening.log_level >= OPS:
        text = format_call(machine, mutation)
        emit(machine, LogLevel.OPS, f"[{how}:{mutation.kind}] {text}")
    if listening.hooks is not None and listening.hooks.mutation_queued:
        listening.hooks.fire("mutation_queued", machine, mutation)
    if machine._breakpoints and how == "queue":
        machine._hit_breakpoints(mutation)


def note_queued(machine: BaseMachine, mutation: Mutation) -> None:
    """A mutation was queued in a transition: tell the journals that want details."""
    noting = machine._listening.noting
    if noting is None or not noting.began or machine._plan is None:
        return
    if mutation.is_check or mutation.is_auto:
        return
    number = noting.number_of(mutation)
    args = kept_args(_shown_args(machine, mutation, raw=True)) if mutation.args else {}
    for journal in machine._listening.journals:
        if journal.details:
            journal.note_queued(mutation, number, args)


def note_of_cause(cause: Cause) -> Note | None:
    """What journals are told of a mutation from outside, by what the context says of its cause.
    Mostly that is the cell of a machine that is idle now."""
    source = cause.source() if type(cause) is CauseCell else cause
    return None if source is None else Note(source=source)


def whole_note(
    machine: BaseMachine, transition: Transition | None, *, accepted: bool, has_moved: bool
) -> Note | None:
    """What journals are told of any transition that is about to end."""
    cause = machine._cause
    if cause is None and transition is not None and transition._id:
        # Somebody knows it by its id, though it caused nothing.
        cause = machine._cell.named(transition.id)
    source = machine._running_source()
    if (
        source is None
        and accepted
        and has_moved
        and cause is None
        and machine._mutation is None
        and machine._listening.noting is None
    ):
        return None
    told = note_of(machine, machine._mutation, cause, source) or Note()
    if not has_moved:
        told.changes = ()
    elif transition is not None:
        told.changes = transition.changes
    told.is_broken = transition is not None and transition.is_broken
    told.accepted = accepted
    troubles = [t for t in machine._troubles or () if t.call is not None]
    told.vetoed = tuple([t.call.name for t in troubles if t.error is None and t.call])
    told.failed = next((t.call.name for t in troubles if t.error is not None and t.call), None)
    return told


def blocked_auto(machine: BaseMachine) -> None:
    """Auto states that an active state keeps out."""
    if machine._listening.log_level < EVERYTHING:
        return
    tables, names, active = machine._schema.tables, machine._schema.names, machine._conf.mask
    for i in bits_of(tables.auto & ~active):
        blockers = tables.remover_mask[i] & active
        if blockers:
            by = " ".join(machine._schema.names_of(blockers))
            emit(machine, LogLevel.EVERYTHING, f"[auto:rel:remove] {names[i]} by {by}")


def error(machine: BaseMachine, mutation: Mutation | None, *, is_handled: bool) -> None:
    """An error became the state `Exception`, or would have: nothing of it is silent. `is_handled`:
    an `ExceptionState` handler gets it."""
    args = mutation.args if mutation is not None else {}
    err, panic = args.get("err", machine.err), args.get("panic")
    told = f"[error] {text_of(err)}"
    if panic is not None and mutation is not None:
        told = f"[error:{mutation.kind}] {' '.join(panic.called)} ({text_of(err)})"
    trace = err if machine.log_traceback and isinstance(err, BaseException) else None
    log_error(machine, told, trace, std=logging.DEBUG if is_handled else logging.ERROR)


# ------------------------------------------------------------------------------ words


def format_call(machine: BaseMachine, mutation: Mutation) -> str:
    """Called states and logged args of a mutation."""
    return " ".join(mutation.called) + format_args(machine, mutation)


def format_args(machine: BaseMachine, mutation: Mutation) -> str:
    """Logged args of a mutation, as they follow in a line."""
    if not mutation.args:
        return ""
    shown = _shown_args(machine, mutation)
    return f" ({' '.join([f'{k}={v}' for k, v in shown.items()])})" if shown else ""


def _shown_args(
    machine: BaseMachine, mutation: Mutation, *, raw: bool = False
) -> Mapping[str, Any]:
    schema = machine._schema
    more = [
        field.name
        for i in mutation.indexes
        if i in schema.args_classes
        for field in fields(schema.args_classes[i])
        if field.metadata.get("log")
    ]
    if raw:
        return machine.log_args.chosen(mutation.args, more)
    return machine.log_args.shown(mutation.args, more)
