"""What a transition tells while it runs: log lines, steps, tracers.

Only a loud machine (one with a log level, tracers or steps) comes here, but for `end`, which also
completes a record that somebody asked for on a quiet one.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from typing import TYPE_CHECKING

from ._handlers import HandlerCall, Role
from ._log import CHANGES, EVERYTHING, OPS, LogLevel, complain, emit
from ._mutation import label
from ._resolve import REMOVE
from ._schema import bits_of
from ._steps import handler_step as step_of_handler
from ._story import story_of
from ._transition import Transition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._base import BaseMachine
    from ._binding import Binding
    from ._drain import Draining
    from ._handlers import HandlerTable
    from ._mutation import Mutation
    from ._plans import Plan
    from ._schema import Schema


def begin(machine: BaseMachine, plan: Plan, mutation: Mutation) -> None:
    """The transition was taken up: its record, how it resolved, tracers' init and start."""
    transition = open_record(machine, plan, mutation)
    level = machine._log_level
    if level >= LogLevel.OPS:
        kind = LogLevel.DECISIONS if plan.is_auto else LogLevel.OPS
        emit(machine, kind, f"[{label(plan.kind, plan.is_auto)}] {told_call(machine, mutation)}")
        source = mutation.source
        if source is not None:
            # What comes from the machine itself is no news beside the lines around it.
            own = source.machine_id == machine.id
            emit(machine, LogLevel.DECISIONS if own else LogLevel.OPS, f"[source] {source}")
        for line_level, text in story_of(machine._schema, plan).lines:
            emit(machine, line_level, text)
    if wants_steps(machine, plan):
        transition.steps += story_of(machine._schema, plan).steps
    if machine._hooks is not None:
        started(machine, transition)


def open_record(machine: BaseMachine, plan: Plan, mutation: Mutation) -> Transition:
    """The record of a transition that somebody listens to."""
    transition = machine._transition = Transition(machine, plan, mutation, tuple(machine._ticks))
    if machine._pre_log:
        transition.pre_log_entries = machine._pre_log
        machine._pre_log = None
    return transition


def wants_steps(machine: BaseMachine, plan: Plan) -> bool:
    """Whether the steps of a transition are recorded."""
    return machine._wants_steps and (not plan.is_check or machine.sem_log.checks)


def started(machine: BaseMachine, transition: Transition) -> None:
    """Tracers' init and start."""
    hooks = machine._hooks
    if hooks is not None:
        if hooks.transition_init:
            hooks.fire("transition_init", transition)
        if hooks.transition_start:
            hooks.fire("transition_start", transition)


# ------------------------------------------------------------------------------ handlers


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
    if machine._log_level >= OPS:
        emit(machine, LogLevel.OPS, f"[handler:{binding.number}] {call.name}")
    hooks = machine._hooks
    if hooks is not None and hooks.handler_start:
        hooks.fire("handler_start", machine.transition, binding, call.name)


def handler_end(machine: BaseMachine, call: HandlerCall, binding: Binding, failed: bool) -> None:
    """A handler returned, or raised."""
    hooks = machine._hooks
    if hooks is not None and hooks.handler_end:
        hooks.fire("handler_end", machine.transition, binding, call.name)
    if not failed and machine._log_level >= EVERYTHING:
        emit(machine, LogLevel.EVERYTHING, f"[handler:end] {call.name} from {binding.name}")


def rejected(machine: BaseMachine, call: HandlerCall) -> None:
    """A handler voted against."""
    transition = machine._transition
    assert transition is not None
    if machine._log_level >= OPS:
        name = "cancel:self" if call.role is Role.SELF else "cancel"
        emit(machine, LogLevel.OPS, f"[{name}] ({' '.join(transition.target)}) by {call.name}")


def wants_all_handlers(machine: BaseMachine) -> bool:
    """Whether handler names are told that nothing is bound to."""
    return machine._log_level >= EVERYTHING and bool(machine._bindings)


def is_planned(machine: BaseMachine, call: HandlerCall) -> bool:
    """Whether the running transition was planned with this handler name."""
    plan = machine._plan
    if machine._log_level < EVERYTHING or plan is None:
        return True
    return any(call.name == c.name for c in (*plan.votes, *plan.finals))


class AllHandlers:
    """As `HandlerTable`, but of every handler name there could be."""

    __slots__ = ("_names",)

    def __init__(self, schema: Schema) -> None:
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
        return [HandlerCall(self._names[i] + role.value, role, i) for i in states]


def table_of(machine: Draining) -> HandlerTable | AllHandlers:
    """The handler names to go through."""
    if wants_all_handlers(machine):
        return AllHandlers(machine._schema)
    return machine._book.handlers


def all_votes(machine: Draining, plan: Plan) -> Sequence[HandlerCall]:
    """Negotiation handlers of a transition to go through."""
    table = table_of(machine)
    if not isinstance(table, AllHandlers):
        return plan.votes
    before, bits = plan.before.mask, machine._schema.bits
    return [
        *table.exits(plan.exits),
        *table.enters(plan.enters),
        *(() if plan.kind == REMOVE else table.selfs(plan.target, before, bits)),
        *table.pairs(before, plan.target),
        *table.any_enter(),
    ]


def all_finals(machine: Draining, plan: Plan) -> Sequence[HandlerCall]:
    """Final handlers of a transition to go through."""
    table = table_of(machine)
    if isinstance(table, AllHandlers):
        return table.finals(plan.exits, plan.enters)
    return plan.finals


def handler_failed(machine: BaseMachine, exc: Exception, name: str) -> None:
    """A handler of a machine that only follows raised."""
    complain(machine, f"[error] {exc!r} in {name}", exc)


# ------------------------------------------------------------------------------ clocks and end


def applied(machine: BaseMachine, plan: Plan) -> None:
    """Clocks have moved."""
    transition = machine._transition
    assert transition is not None
    transition.finish(machine._ticks)
    if machine._log_level < CHANGES:
        return
    story = story_of(machine._schema, plan)
    moved = story.moved if machine._log_level < EVERYTHING else story.moved_all
    if moved:
        name = "auto_" if plan.is_auto else "state"
        mutation = transition.mutation
        args = told_args(machine, mutation) if mutation.args else ""
        emit(machine, LogLevel.CHANGES, f"[{name}] {moved}{args}")
    exception = machine._schema.index["Exception"]
    if exception in plan.enters and not machine._calls.get("ExceptionState"):
        unhandled_error(machine, transition.mutation)


def finals(machine: BaseMachine) -> None:
    """Final handlers are about to run."""
    hooks = machine._hooks
    if hooks is not None and hooks.transition_finals:
        hooks.fire("transition_finals", machine._transition)


def end(machine: BaseMachine) -> None:
    """The transition is over: its record is completed and shown."""
    transition = machine._transition
    assert transition is not None
    if transition._after is None or transition.is_broken:
        transition.finish(machine._ticks)
    transition.queue_len = machine._queue_len()
    hooks = machine._hooks
    if hooks is not None and hooks.transition_end:
        hooks.fire("transition_end", transition)


def blocked_auto(machine: BaseMachine) -> None:
    """Auto states that an active state keeps out."""
    if machine._log_level < EVERYTHING:
        return
    tables, names, active = machine._schema.tables, machine._schema.names, machine._conf.mask
    for i in bits_of(tables.auto & ~active):
        blockers = tables.remover_mask[i] & active
        if blockers:
            by = " ".join(machine._schema.names_of(blockers))
            emit(machine, LogLevel.EVERYTHING, f"[auto:rel:remove] {names[i]} by {by}")


def unhandled_error(machine: BaseMachine, mutation: Mutation) -> None:
    """`Exception` became active and no handler takes it."""
    err, panic = mutation.args.get("err", machine.err), mutation.args.get("panic")
    told = f"[error] {err}"
    if panic is not None:
        told = f"[error:{mutation.kind}] {' '.join(panic.called)} ({err})"
    trace = err if machine.log_traceback and isinstance(err, BaseException) else None
    emit(machine, LogLevel.CHANGES, told, std=logging.ERROR, exc_info=trace)


# ------------------------------------------------------------------------------ words


def told_call(machine: BaseMachine, mutation: Mutation) -> str:
    """Called states and logged args of a mutation."""
    return mutation.told + told_args(machine, mutation) if mutation.args else mutation.told


def told_args(machine: BaseMachine, mutation: Mutation) -> str:
    """Logged args of a mutation, as they follow in a line."""
    if not mutation.args:
        return ""
    schema = machine._schema
    more = [
        field.name
        for i in mutation.indexes
        if i in schema.args_classes
        for field in fields(schema.args_classes[i])
        if field.metadata.get("log")
    ]
    shown = machine.log_args.shown(mutation.args, more)
    return f" ({' '.join([f'{k}={v}' for k, v in shown.items()])})" if shown else ""
