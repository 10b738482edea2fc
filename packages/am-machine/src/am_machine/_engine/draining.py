"""How mutations leave the queue as transitions, one after the other until it is empty.

A drain never yields to the event loop and never nests on one machine.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .._errors import QueueLoopError
from .._result import CANCELED, EXECUTED
from .._waits import waiting
from .._watch.listening import Observed
from . import life, reporting
from .fast_path import perform
from .introspection import Refusal, count_queued
from .mutation import Kind, Mutation, check_args
from .procedure import settle_watch, transit

if TYPE_CHECKING:
    from .._result import Result
    from .._schema.plans import Plan
    from .machine import Machine

JOURNAL, DETAILS = Observed.JOURNAL, Observed.DETAILS


def begin_details(machine: Machine, plan: Plan) -> bool:
    """Begin to note the details of a plan that is to take the fast path; False if it must not,
    since what does not follow it is told as well."""
    if not plan.continues and machine._book.looks_for_auto(plan):
        return False
    reporting.begin_details(machine)
    return True


def run_whole(machine: Machine, plan: Plan) -> Result:
    """Run the plan of a call without keywords that is not `fast`.

    :raises ArgsError: if keywords are missing.
    """
    schema = machine._schema
    if plan.quick is not None and waiting.only_looked_at_by_waits(machine, plan.quick):
        return run_waking(machine, plan)
    if plan.call.mask & schema.typed and plan.kind != "remove":
        check_args(schema, plan.call.indexes, {})
        if plan.fast_checked is not None and not plan.changed & machine._watched:
            return perform(machine, plan, None, True)
    if (
        not plan.accepted
        and not plan.call.mask & schema.exception
        and not machine._listening.journals
    ):
        # Refused by relations, and nobody listens: nothing happens but that it is taken.
        machine._queue_tick += 1
        machine._time_offset -= 1
        # Not by Refusal(…), which takes twice the time.
        machine._refusal = tuple.__new__(Refusal, (plan, (), ""))
        return CANCELED
    return run_alone(machine, plan, None)


def run_waking(machine: Machine, plan: Plan) -> Result:
    """Run a plan that is `quick`, and wake the waits that it meets. That calls nobody's code, so
    nothing is queued meanwhile."""
    one = plan.changed.bit_length() - 1
    machine._queue_tick += 1
    machine._ticks[one] += 1
    machine._conf = plan.after
    waiting.wake(machine, plan.changed)
    settle_watch(machine, plan.changed)
    machine._fast = plan.after
    return EXECUTED


def run_alone(machine: Machine, plan: Plan, mutation: Mutation | None) -> Result:
    """Run a plan whose mutation nobody has to see queued, and then whatever it queued."""
    machine._fast = None
    machine._draining = True
    machine._queue_tick += 1
    machine._time_offset -= 1
    result = transit(machine, plan, mutation)
    if machine._queue:
        drain(machine)
    machine._draining = False
    drained(machine)
    return result


def drain_from(machine: Machine, mutation: Mutation, how: str) -> Result:
    """Drain, beginning with a mutation that was just put into the queue; returns its result."""
    machine._fast = None
    machine._draining = True
    if machine._listening.tells_queued or machine._breakpoints:
        # Whoever is told may mutate too; that waits, but a check goes first.
        reporting.queued(machine, mutation, how)
    result = drain(machine, mutation)
    machine._draining = False
    drained(machine)
    return result


def drain(machine: Machine, first: Mutation | None = None) -> Result:
    """Take mutations until the queue is empty; returns the result of `first`."""
    queue = machine._queue
    rounds, limit = 0, machine._queue_rounds
    last: list[Mutation] = []
    # The last ten are told.
    told_from = inf if limit is None else limit - 9
    result = CANCELED
    while queue and not machine._life:
        mutation = queue.popleft()
        if machine._counts is not None:
            count_queued(machine._counts, mutation, -1)
        rounds += 1
        if rounds >= told_from:
            last.append(mutation)
            if limit is not None and rounds > limit:
                _cut(machine, limit, last[-10:])
                break
        outcome = take(machine, mutation)
        if mutation is first:
            result = outcome
    machine._counts = None
    return result


def take(machine: Machine, mutation: Mutation) -> Result:
    """Run a mutation that was taken from the queue."""
    if machine._is_stale:
        machine._renew_plans()
    conf = machine._conf
    states = mutation.states
    if states is None:
        book = machine._book
        plan = (
            book.check(conf.mask, mutation.kind, mutation.indexes)
            if mutation.is_check
            else book.auto(conf.mask, mutation.indexes)
        )
    else:
        kind = mutation.kind
        by_call = conf.adds if kind == "add" else conf.removes if kind == "remove" else conf.sets
        try:
            plan = by_call[states]
        except (KeyError, TypeError):
            plan = machine._plan_of(kind, states)
        if (
            plan.fast_checked is not None
            and not plan.changed & machine._watched
            and (
                machine._observed <= JOURNAL
                or (machine._observed is DETAILS and begin_details(machine, plan))
            )
        ):
            return perform(machine, plan, mutation, False)
    if mutation.queue_tick:
        machine._queue_tick += 1
        machine._time_offset -= 1
    return transit(machine, plan, mutation)


def _cut(machine: Machine, limit: int, last: list[Mutation]) -> None:
    """Mutations cause each other without end: drop the queue, and tell it as an error.

    :raises QueueLoopError: if errors are not to become the state `Exception`.
    """
    error = QueueLoopError(limit, tuple([" ".join(mutation.called) for mutation in last]))
    machine.err = error
    if last and last[-1].result is not None:
        last[-1].result.settle(CANCELED)
    drop_queue(machine)
    if not machine.catch_exceptions:
        raise error
    report = Mutation(
        machine._schema,
        Kind.ADD,
        machine._schema.indexes(("Exception",)),
        {"err": error},
        states=("Exception",),
    )
    report.is_last_word = True
    take(machine, report)
    # Handlers of the error may be what goes round.
    drop_queue(machine)


def drop_queue(machine: Machine) -> None:
    """Forget what waits; its results are canceled."""
    queue, waits = machine._queue, machine._waits
    machine._counts = None
    while queue:
        result = queue.popleft().result
        if result is not None:
            result.settle(CANCELED)
            if waits is not None and waits.results:
                waiting.wake_result(machine, waits, result)


def drained(machine: Machine) -> None:
    """The queue is empty: tell, wake, and be idle again."""
    hooks = machine._listening.hooks
    if hooks is not None and hooks.queue_end:
        hooks.fire("queue_end", machine)
    waits = machine._waits
    if waits is not None and waits.queue_ends:
        waiting.wake_queue_end(machine)
    if machine._life == life.DISPOSING:
        life.end(machine)
    elif machine._is_quick and not machine._is_busy:
        if machine._is_stale:
            machine._renew_plans()
        machine._fast = machine._conf
