"""What a transition tells while it runs: log lines, steps, tracers.

Only a loud machine (one with a log level, tracers or steps) comes here, but for `end`, which also
completes a record that somebody asked for on a quiet one.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING

from ._handlers import HandlerCall, Role
from ._log import LogLevel, complain, emit
from ._mutation import label
from ._resolve import REMOVE, resolve
from ._schema import bits_of
from ._steps import Step, StepKind, StepRecorder
from ._steps import handler_step as step_of_handler
from ._time import Time
from ._transition import Transition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._base import BaseMachine
    from ._binding import Binding
    from ._handlers import HandlerTable
    from ._machine import Machine
    from ._mutation import Mutation
    from ._plans import Plan
    from ._schema import Schema


def begin(machine: BaseMachine, plan: Plan, mutation: Mutation) -> None:
    """The transition was taken up: its record, how it resolved, tracers' init and start."""
    transition = Transition(machine, plan, mutation, Time(machine._ticks))
    machine._transition = transition
    if machine._pre_log:
        transition.pre_log_entries = machine._pre_log
        machine._pre_log = None
    if machine._log_level >= LogLevel.OPS:
        kind = LogLevel.DECISIONS if plan.is_auto else LogLevel.OPS
        emit(machine, kind, f"[{label(plan.kind, plan.is_auto)}] {told_call(machine, mutation)}")
        source = mutation.source
        if source is not None:
            # What comes from the machine itself is no news beside the lines around it.
            own = source.machine_id == machine.id
            emit(machine, LogLevel.DECISIONS if own else LogLevel.OPS, f"[source] {source}")
    resolved(machine, plan, transition)
    started(machine, transition)


def follow(machine: BaseMachine, plan: Plan, mutation: Mutation) -> None:
    """The same for an update from elsewhere, of which nothing is resolved here."""
    transition = Transition(machine, plan, mutation, Time(machine._ticks))
    machine._transition = transition
    if machine._pre_log:
        transition.pre_log_entries = machine._pre_log
        machine._pre_log = None
    started(machine, transition)


def started(machine: BaseMachine, transition: Transition) -> None:
    """Tracers' init and start."""
    hooks = machine._hooks
    if hooks is not None:
        if hooks.transition_init:
            hooks.fire("transition_init", transition)
        if hooks.transition_start:
            hooks.fire("transition_start", transition)


def resolved(machine: BaseMachine, plan: Plan, transition: Transition) -> None:
    """Tell how the mutation was resolved, by resolving it again before witnesses."""
    sem_log = machine._sem_log
    steps = sem_log is not None and sem_log.steps and (sem_log.checks or not plan.is_check)
    ops = machine._log_level >= LogLevel.OPS
    tables = machine._schema.tables
    before = plan.before.mask
    # Without relations there is nothing to tell but the steps.
    if steps or (ops and (tables.adders | tables.requirers | tables.removers)):
        witness = Resolving(
            machine,
            plan,
            StepRecorder(machine._schema.names, transition.steps, plan.called, before)
            if steps
            else None,
        )
        resolve(tables, plan.kind, plan.called, before, bits_of(before), witness)
        witness.finish()
    if plan.accepted:
        return
    names = machine._schema.names
    if ops:
        told = " ".join([names[i] for i in plan.missing])
        emit(machine, LogLevel.OPS, f"[cancel:reject] {told}")
    if steps:
        transition.steps.extend([Step(names, StepKind.CANCEL, to_state=i) for i in plan.missing])


class Resolving:
    """A `Witness` that writes log lines, and steps if there is a recorder."""

    __slots__ = ("_dropped", "_list0", "_machine", "_plan", "_steps")

    def __init__(self, machine: BaseMachine, plan: Plan, steps: StepRecorder | None) -> None:
        self._machine = machine
        self._plan = plan
        self._steps = steps
        self._list0: Sequence[int] = ()
        self._dropped: dict[int, Sequence[int]] = {}

    def listed(self, kind: str, list0: Sequence[int], called: Sequence[int], before: int) -> None:
        """Where resolution starts from."""
        self._list0 = tuple(list0)
        if self._steps is not None:
            self._steps.listed(kind, list0, called, before)

    def implied(self, owner: int, states: Sequence[int]) -> None:
        """Implied states."""
        if self._steps is not None:
            self._steps.implied(owner, states)

    def required(self, state: int, needed: int, missing: bool) -> None:
        """A requirement."""
        if self._steps is not None:
            self._steps.required(state, needed, missing)

    def dropped(self, state: int, missing: Sequence[int]) -> None:
        """A state without what it requires."""
        self._dropped.setdefault(state, missing)

    def blocked(self, state: int, removers: Sequence[int], blockers: Sequence[int]) -> None:
        """A state that others remove."""
        machine = self._machine
        active = self._plan.before.mask >> state & 1
        level = LogLevel.OPS if active else LogLevel.DECISIONS
        if machine._log_level >= level:
            names = machine._schema.names
            by = " ".join([names[b] for b in blockers])
            emit(machine, level, f"[rel:remove] {names[state]} by {by}")
        if self._steps is not None:
            self._steps.blocked(state, removers, blockers)

    def ordered(self, first: int, later: int) -> None:
        """An `after` that decided."""
        if self._steps is not None:
            self._steps.ordered(first, later)

    def finish(self) -> None:
        """The lines that sum the resolution up."""
        machine, plan = self._machine, self._plan
        names = machine._schema.names
        if self._dropped:
            told = [
                f"{names[i]}({' '.join(['-' + names[m] for m in missing])})"
                for i, missing in self._dropped.items()
            ]
            level = LogLevel.DECISIONS if plan.is_auto else LogLevel.OPS
            name = "reject:auto" if plan.is_auto else "reject"
            emit(machine, level, f"[{name}] {' '.join(told)}")
        implied = [names[i] for i in plan.target if i not in self._list0]
        if implied:
            emit(machine, LogLevel.OPS, f"[implied] {' '.join(implied)}")


# ------------------------------------------------------------------------------ handlers


def handler_step(machine: BaseMachine, call: HandlerCall) -> None:
    """The step of a handler name that something is bound to."""
    transition = machine._transition
    sem_log = machine._sem_log
    if transition is None or sem_log is None or not sem_log.steps:
        return
    if sem_log.checks or not transition.is_check:
        transition.steps.append(step_of_handler(machine._schema.names, call))


@contextmanager
def handler(machine: BaseMachine, call: HandlerCall, binding: Binding) -> Iterator[None]:
    """Around each call of a handler."""
    transition = machine.transition
    hooks = machine._hooks
    if machine._log_level >= LogLevel.OPS:
        emit(machine, LogLevel.OPS, f"[handler:{binding.number}] {call.name}")
    if hooks is not None and hooks.handler_start:
        hooks.fire("handler_start", transition, binding, call.name)
    try:
        yield
    finally:
        if hooks is not None and hooks.handler_end:
            hooks.fire("handler_end", transition, binding, call.name)
    if machine._log_level >= LogLevel.EVERYTHING:
        emit(machine, LogLevel.EVERYTHING, f"[handler:end] {call.name} from {binding.name}")


def rejected(machine: BaseMachine, call: HandlerCall) -> None:
    """A handler voted against."""
    transition = machine._transition
    assert transition is not None
    if machine._log_level >= LogLevel.OPS:
        name = "cancel:self" if call.role is Role.SELF else "cancel"
        emit(machine, LogLevel.OPS, f"[{name}] ({' '.join(transition.target)}) by {call.name}")


def wants_all_handlers(machine: BaseMachine) -> bool:
    """Whether handler names are told that nothing is bound to."""
    return machine._log_level >= LogLevel.EVERYTHING and bool(machine._bindings)


def is_planned(machine: BaseMachine, call: HandlerCall) -> bool:
    """Whether the running transition was planned with this handler name."""
    plan = machine._plan
    if machine._log_level < LogLevel.EVERYTHING or plan is None:
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


def table_of(machine: Machine) -> HandlerTable | AllHandlers:
    """The handler names to go through."""
    if wants_all_handlers(machine):
        return AllHandlers(machine._schema)
    return machine._book.handlers


def all_votes(machine: Machine, plan: Plan) -> Sequence[HandlerCall]:
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


def all_finals(machine: Machine, plan: Plan) -> Sequence[HandlerCall]:
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
    if machine._log_level < LogLevel.CHANGES:
        return
    names, bits = machine._schema.names, machine._schema.bits
    before = plan.before.mask
    parts = ["+" + names[i] for i in plan.enters if not before & bits[i]]
    parts += ["+" + names[i] for i in plan.enters if before & bits[i]]
    parts += ["-" + names[i] for i in sorted(plan.exits)]
    if parts and machine._log_level >= LogLevel.EVERYTHING:
        parts += [names[i] for i in plan.target if i not in plan.enters]
    if parts:
        name = "auto_" if plan.is_auto else "state"
        args = told_args(machine, transition.mutation)
        emit(machine, LogLevel.CHANGES, f"[{name}] {' '.join(parts)}{args}")
    exception = machine._schema.index["Exception"]
    if exception in plan.enters and "ExceptionState" not in machine._calls:
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
    transition.finish(machine._ticks)
    transition.queue_len = len(machine.queue)
    hooks = machine._hooks
    if hooks is not None and hooks.transition_end:
        hooks.fire("transition_end", transition)


def blocked_auto(machine: BaseMachine) -> None:
    """Auto states that an active state keeps out."""
    if machine._log_level < LogLevel.EVERYTHING:
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
    return " ".join(mutation.called) + told_args(machine, mutation)


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
