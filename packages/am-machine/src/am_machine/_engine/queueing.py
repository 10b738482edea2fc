"""How mutations get into the queue, or past it where nothing waits.

A mutation made from outside is taken up at once, and the queue is drained before the call returns;
one made while a transition runs waits for its turn.
"""

from __future__ import annotations

from collections import deque
from time import time_ns
from typing import TYPE_CHECKING, Any

from .._causality import current_cause, current_source
from .._result import CANCELED, EXECUTED, Result
from .._schema.plans import HANDLERS
from .._text import text_of
from .._watch.listening import Observed
from .._watch.log import LogLevel, emit, log_error
from .._watch.tracer import hook_failed
from . import reporting
from .draining import begin_details, drain_from, run_alone
from .fast_path import perform
from .introspection import Refusal, count_queued
from .mending import interrupted, mend
from .mutation import Kind, Mutation, check_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._schema.plans import Plan
    from .machine import Machine

JOURNAL, DETAILS = Observed.JOURNAL, Observed.DETAILS
DISPOSED = Refusal(told="the machine is disposed")
FULL = Refusal(told="the queue is full")


def mutate(machine: Machine, kind: Kind, states: tuple[str, ...], args: dict[str, Any]) -> Result:
    """A mutation that does not take the shortest way."""
    if machine._draining or machine._plan is not None:
        return put(machine, kind, states, args)
    if machine._is_dirty:
        mend(machine)
    if machine._is_stale:
        machine._renew_plans()
    plan = find_plan(machine, kind, states)
    schema = machine._schema
    if schema.args_classes and kind is not Kind.REMOVE:
        check_args(schema, plan.call.indexes, args)
    if machine._life or (
        machine._queue_limit <= 0 and not may_pass(machine, kind, plan.call.indexes)
    ):
        return refuse(machine, args)
    try:
        if machine._observed > DETAILS:
            return told(machine, _mutation_of(machine, kind, plan, states, args))
        mutation = None
        if args:
            mutation = _mutation_of(machine, kind, plan, states, args)
        if (
            plan.fast_checked is None
            or plan.changed & machine._watched
            or (machine._observed is DETAILS and not begin_details(machine, plan))
        ):
            return run_alone(machine, plan, mutation)
        return perform(machine, plan, mutation, True)
    except BaseException:
        interrupted(machine)
        raise


def _mutation_of(
    machine: Machine, kind: Kind, plan: Plan, states: tuple[str, ...], args: dict[str, Any]
) -> Mutation:
    """The mutation of a call on an idle machine."""
    cause = current_cause()
    is_caused = not (cause is None or cause._running is None)
    return Mutation._of_call(
        machine._schema,
        kind,
        plan.call.indexes,
        args,
        current_source() if is_caused else None,
        states,
        machine._queue_tick + 1,
    )


def mutate_with_args(
    machine: Machine,
    kind: Kind,
    by_call: dict[tuple[str, ...], Plan],
    states: tuple[str, ...],
    args: dict[str, Any],
) -> Result:
    """A call with keywords on an idle machine to which nobody listens, or one journal; `by_call`
    are the plans of its kind."""
    try:
        plan = by_call[states]
    except (KeyError, TypeError):
        plan = machine._plan_of(kind, states)
    schema = machine._schema
    if schema.args_classes and kind is not Kind.REMOVE:
        check_args(schema, plan.call.indexes, args)
    try:
        mutation = _mutation_of(machine, kind, plan, states, args)
        if plan.fast_checked is None or plan.changed & machine._watched:
            return run_alone(machine, plan, mutation)
        return perform(machine, plan, mutation, True)
    except BaseException:
        interrupted(machine)
        raise


def mutate_noted(
    machine: Machine, kind: Kind, by_call: dict[tuple[str, ...], Plan], states: tuple[str, ...]
) -> Result:
    """A call without keywords on a machine where several journals listen, or those who hear of the
    end of the queue, and nobody else. What concerns clocks only is done here; `by_call` are the
    plans of its kind."""
    if machine._plan is not None or machine._draining:
        return mutate(machine, kind, states, {})
    try:
        plan = by_call[states]
    except (KeyError, TypeError):
        return mutate(machine, kind, states, {})
    if plan.changed & machine._watched or plan.fast is None:
        return mutate(machine, kind, states, {})
    try:
        if plan.fast is HANDLERS:
            return perform(machine, plan, None, True)
        machine._queue_tick = queue_tick = machine._queue_tick + 1
        if (one := plan.one) is not None:
            machine._ticks[one] += 1
        else:
            plan.move(machine._ticks)
            machine._time_offset += plan.gained - 1
        machine._conf = plan.after
        listening = machine._listening
        if listening.journals:
            told, cause = None, current_cause()
            if not (cause is None or cause._running is None):
                told = reporting.note_of_cause(cause)
            entry = (plan, time_ns(), queue_tick, told)
            for journal in listening.journals:
                items = journal._items
                items += entry
                if len(items) >= journal._mark:
                    journal.filled()
        for hook in listening.queue_end:
            try:
                hook(machine)
            except Exception as exc:
                hook_failed(machine, "queue_end", hook, exc)
        return EXECUTED
    except BaseException:
        interrupted(machine)
        raise


def find_plan(machine: Machine, kind: str, states: tuple[str, ...]) -> Plan:
    """The plan of a call from here, found or made.

    :raises UnknownStateError: if a name is not a state.
    """
    conf = machine._conf
    by_call = conf.adds if kind == "add" else conf.removes if kind == "remove" else conf.sets
    try:
        return by_call[states]
    except (KeyError, TypeError):
        return machine._plan_of(kind, states)


def told(machine: Machine, mutation: Mutation) -> Result:
    """Put a mutation into the queue of an idle machine for all to see, and drain."""
    mutation.queue_tick = machine._queue_tick + 1
    queue = machine._queue
    if queue is None:
        queue = machine._queue = deque()
    queue.append(mutation)
    machine._counts = None
    return drain_from(machine, mutation, "queue")


def put(
    machine: Machine,
    kind: Kind,
    states: tuple[str, ...],
    args: dict[str, Any],
    *,
    is_own: bool = False,
) -> Result:
    """Append a mutation to the queue of a busy machine, unless it is refused or needless. `is_own`:
    its args were checked already."""
    schema = machine._schema
    indexes = schema.indexes(states, machine)
    if schema.args_classes and kind is not Kind.REMOVE and not is_own:
        check_args(schema, indexes, args)
    queue = machine._queue
    if queue is None:
        queue = machine._queue = deque()
    if machine._life or (
        len(queue) >= machine._queue_limit and not may_pass(machine, kind, indexes)
    ):
        return refuse(machine, args)
    if not queue:
        queue_tick = machine._queue_tick + 1
    elif not args and is_duplicate(machine, queue, kind, indexes):
        names = " ".join([schema.names[i] for i in indexes])
        emit(machine, LogLevel.OPS, f"[queue:skipped] Duplicate detected for [{kind}] {names}")
        return EXECUTED
    else:
        # Those with a tick were appended, so the last one tells how far ticks are given away.
        queue_tick = 1 + (queue[-1].queue_tick or machine._queue_tick)
    if current_cause() is not machine._cell or (source := machine._cause) is None:
        source = current_source()
    mutation = Mutation._of_call(schema, kind, indexes, args, source, states, queue_tick)
    mutation.result = result = Result(queue_tick)
    queue.append(mutation)
    if machine._counts is not None:
        count_queued(machine._counts, mutation, 1)
    if machine._observed > JOURNAL:
        tell_postponed(machine, mutation, "queue")
    return result


def add_own(machine: Machine, states: tuple[str, ...], args: dict[str, Any]) -> Result:
    """Add states with keywords that no args class is asked about: errors that are reported."""
    if machine._is_busy:
        return put(machine, Kind.ADD, states, args, is_own=True)
    if machine._is_dirty:
        mend(machine)
    indexes = machine._schema.indexes(states, machine)
    if machine._queue_limit <= 0 and not may_pass(machine, Kind.ADD, indexes):
        return refuse(machine, args)
    mutation = Mutation(machine._schema, Kind.ADD, indexes, args, current_source(), states=states)
    try:
        return told(machine, mutation)
    except BaseException:
        interrupted(machine)
        raise


def refuse(machine: Machine, args: Mapping[str, Any]) -> Result:
    """A machine at its end takes no mutations, nor does a full queue. An error is told all the
    same, since no state will."""
    if machine._life:
        machine._refusal = DISPOSED
    else:
        machine.refused += 1
        machine._refusal = FULL
    error = args.get("err")
    if isinstance(error, BaseException):
        log_error(machine, f"[error] {text_of(error)}", error if machine.log_traceback else None)
    return CANCELED


def may_pass(machine: Machine, kind: Kind, indexes: tuple[int, ...]) -> bool:
    """Errors, and the end of errors, may pass a full queue."""
    if machine._schema.index["Exception"] not in indexes:
        return False
    return kind is (Kind.REMOVE if machine.is_err else Kind.ADD)


def is_duplicate(
    machine: Machine, queue: deque[Mutation], kind: Kind, indexes: tuple[int, ...]
) -> bool:
    """Whether the last waiting mutation asks for the same; only then no other comes between."""
    if kind is Kind.SET:
        return False
    last = queue[-1]
    if last.is_check:
        # Checks are in front of all others; this one may be the only kind there is.
        found = next((m for m in reversed(queue) if not m.is_check), None)
        if found is None:
            return False
        last = found
    if last.kind != kind or last.args:
        return False
    if last.indexes != indexes and frozenset(last.indexes) != frozenset(indexes):
        return False
    multi = machine._schema.tables.multi
    return not any([multi >> i & 1 for i in indexes])


def prepend(machine: Machine, mutation: Mutation) -> Result:
    """Put a mutation before all others: auto mutations, errors of handlers, checks."""
    if not machine._is_busy:
        if machine._is_dirty:
            mend(machine)
        try:
            queue_of(machine).appendleft(mutation)
            machine._counts = None
            return drain_from(machine, mutation, "prepend")
        except BaseException:
            interrupted(machine)
            raise
    queue_of(machine).appendleft(mutation)
    if machine._counts is not None:
        count_queued(machine._counts, mutation, 1)
    return postpone(machine, mutation, "prepend")


def postpone(machine: Machine, mutation: Mutation, how: str) -> Result:
    """A mutation was put into the queue of a busy machine: tell it."""
    result = mutation.result = Result(mutation.queue_tick)
    if machine._observed > JOURNAL:
        tell_postponed(machine, mutation, how)
    return result


def tell_postponed(machine: Machine, mutation: Mutation, how: str) -> None:
    """Tell those who listen that a mutation waits for its turn."""
    if machine._slow < 0:
        reporting.note_queued(machine, mutation)
        if machine._observed is DETAILS:
            return
    reporting.queued(machine, mutation, how)
    count = len(machine._queue or ())
    items = "1 item" if count == 1 else f"{count} items"
    emit(machine, LogLevel.OPS, f"[postpone] queue running ({items})")


def queue_of(machine: Machine) -> deque[Mutation]:
    """The queue, made on first use: most machines wait for something to happen without one."""
    queue = machine._queue
    if queue is None:
        queue = machine._queue = deque()
    return queue
