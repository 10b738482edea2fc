"""One transition, step by step: negotiate, move the clocks, run the final handlers, recover, end.

This is the whole procedure, for every machine and every mutation. `fast_path` is a refinement of
it for the usual case: what that leaves out is what cannot matter there, and as soon as it may, it
hands over to the stages here. The caller has taken a mutation from the queue and looked up its
plan. `reporting` holds what is told; it is asked only where somebody listens.
"""

from __future__ import annotations

from sys import getrefcount
from typing import TYPE_CHECKING

from .._result import CANCELED, Result
from .._schema.bits import bits_of
from .._schema.handlers import HandlerCall, Role
from .._schema.resolve import REMOVE
from .._waits import waiting
from .._watch.listening import Observed
from .._watch.log import CHANGES, EVERYTHING, OPS, LogLevel, emit
from . import recovery, reporting
from .calling import UNSHARED, invoke
from .introspection import Refusal, Trouble
from .mutation import NO_ARGS, Mutation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._schema.plans import Plan
    from .base import BaseMachine
    from .machine import Machine

DETAILS, LOG = Observed.DETAILS, Observed.LOG


def transit(machine: Machine, plan: Plan, mutation: Mutation | None) -> Result:
    """Run one transition to its end and wake the waits it met; returns its outcome.

    :raises BaseException: what a handler raised, if it is not to become the state `Exception`; the
        transition has ended all the same.
    """
    machine._plan = plan
    machine._mutation = mutation
    try:
        if machine._slow < 0:
            reporting.begin_details(machine)
        if machine._observed >= LOG:
            reporting.begin(machine, plan, mutation or machine._running_mutation())
        negotiated = plan if plan.accepted else None
        if negotiated is not None:
            if plan.votes or plan.finals or machine._observed >= LOG:
                machine._token = machine._cell.enter(machine)
            if plan.votes or plan.call.is_auto or machine._listening.log_level >= EVERYTHING:
                negotiated = _negotiate(machine, plan)
    except BaseException as exc:
        return recover(machine, plan, exc, has_moved=False)
    if negotiated is None:
        return finish(machine, machine._plan or plan, CANCELED, accepted=False)
    if negotiated.call.is_check:
        return finish(machine, negotiated, negotiated.result, accepted=True)
    return settle(machine, negotiated)


def settle(machine: Machine, plan: Plan) -> Result:
    """From the end of the negotiation on: clocks, final handlers, what follows."""
    has_moved = False
    try:
        commit(machine, plan)
        has_moved = True
        waits = machine._waits
        if machine._listening.log_level >= EVERYTHING:
            run_finals(machine, plan, reporting.all_finals(machine, plan))
        elif plan.finals or (waits is not None and waits.args):
            run_finals(machine, plan, plan.finals)
        if plan.continues or (machine._observed >= DETAILS and machine._schema.tables.auto):
            follow_up(machine, plan)
    except BaseException as exc:
        return recover(machine, plan, exc, has_moved)
    return finish(machine, plan, plan.result, accepted=True, has_moved=True)


def resume(machine: Machine, plan: Plan, last: HandlerCall) -> Result:
    """From the final handler on that comes after `last`; the fast path was left there."""
    try:
        finals = plan.finals
        states_done = 0
        if last.role is Role.STATE:
            states_done = plan.enters.index(last.state)
        elif last.role is Role.ANY_STATE:
            # It comes after the waits of all of them; one that it made has to wait for the next.
            states_done = len(plan.enters)
        run_finals(machine, plan, finals[finals.index(last) + 1 :], states_done)
        follow_up(machine, plan)
    except BaseException as exc:
        return recover(machine, plan, exc, has_moved=True)
    return finish(machine, plan, plan.result, accepted=True, has_moved=True)


# ------------------------------------------------------------------------------ negotiation


def _negotiate(machine: Machine, plan: Plan) -> Plan | None:
    """Ask the negotiation handlers; the plan that is left, None if the mutation is canceled."""
    if plan.is_auto:
        return _negotiate_auto(machine, plan)
    for vote in reporting.all_votes(machine, plan):
        if not invoke(machine, vote):
            return None
    return plan


def _negotiate_auto(machine: Machine, plan: Plan) -> Plan | None:
    """The same for an auto mutation, which may come through in part.

    A refusal by a handler of an auto state only drops that state; others cancel the whole. Each
    stage goes over the lists as they were when it began.
    """
    schema = machine._schema
    bits = schema.bits
    auto = schema.tables.auto
    table = reporting.table_of(machine)
    goal = machine._book.target_of(plan)
    before = plan.before.mask
    dropped = 0
    for vote in table.exits(plan.exits):
        if not invoke(machine, vote):
            return None
    for stage in ("enters", "selfs", "pairs"):
        target = [i for i in goal if not dropped & bits[i]]
        if stage == "enters":
            votes = table.enters([i for i in plan.enters if not dropped & bits[i]])
        elif stage == "selfs":
            votes = table.selfs(target, before, bits)
        else:
            votes = table.pairs(before, target)
        for vote in votes:
            if invoke(machine, vote):
                continue
            if not auto & bits[vote.state]:
                return None
            dropped |= bits[vote.state]
    if all(dropped & bits[i] for i in goal):
        return None
    for vote in table.any_enter():
        if not invoke(machine, vote):
            return None
    if not (dropped or plan.missing):
        return plan
    # What is left is resolved anew, without the states that relations or handlers refused.
    left = [i for i in plan.called if i in goal and not dropped & bits[i]]
    partial = machine._book.auto_part(before, tuple(left))
    machine._plan = partial
    if machine._transition is not None:
        machine._transition.replan(partial)
    return partial


# ------------------------------------------------------------------------------ clocks, finals


def commit(machine: Machine, plan: Plan) -> None:
    """Move clocks and active states, then end the contexts and tasks whose tick is over."""
    if (one := plan.one) is not None:
        machine._ticks[one] += 1
    else:
        plan.move(machine._ticks)
    # From here on it has happened: ticks that are ahead of this were interrupted.
    machine._conf = plan.after
    machine._time_offset += plan.gained
    if machine._transition is not None:
        machine._transition._has_moved = True
    listening = machine._listening
    if listening.log_level >= CHANGES:
        reporting.applied(machine, plan)
    if plan.call.mask & machine._schema.exception and plan.kind != REMOVE:
        _tell_entered_error(machine, plan)
    if plan.changed & machine._watched and machine._dependents is not None:
        machine._dependents.expire(machine, (*plan.enters, *plan.exits))
    if listening.hooks is not None and listening.hooks.transition_finals:
        reporting.finals(machine)


def _tell_entered_error(machine: Machine, plan: Plan) -> None:
    """`Exception` was called: if it was entered, its handlers get the error, else nobody does."""
    is_entered = machine._schema.index["Exception"] in plan.enters
    mutation = machine._mutation
    if is_entered or (mutation is not None and "err" in mutation.args):
        is_handled = is_entered and bool(machine._calls.get("ExceptionState"))
        reporting.error(machine, mutation, is_handled=is_handled)


def run_finals(
    machine: Machine, plan: Plan, finals: Sequence[HandlerCall], states_done: int = 0
) -> None:
    """Final handlers, and after those of each entered state the waits on its args. `states_done`
    entered states have had their turn."""
    for final in finals:
        if final.role is Role.STATE:
            # Entered states before it that no handler is called for.
            while plan.enters[states_done] != final.state:
                _match_args(machine, plan.enters[states_done])
                states_done += 1
        elif final.role is Role.ANY_STATE:
            for i in plan.enters[states_done:]:
                _match_args(machine, i)
            states_done = len(plan.enters)
        invoke(machine, final)
        if final.role is Role.STATE:
            if machine._waits is not None:
                _match_args(machine, final.state)
            states_done += 1
    if machine._waits is not None:
        for i in plan.enters[states_done:]:
            _match_args(machine, i)


def _match_args(machine: Machine, state: int) -> None:
    waits = machine._waits
    if waits is not None and state in waits.args:
        mutation = machine._mutation
        waiting.wake_args(machine, state, mutation.args if mutation is not None else NO_ARGS)


def follow_up(machine: Machine, plan: Plan) -> None:
    """Auto states may follow the transition that is about to end."""
    mutation = machine._mutation
    if machine._life or (mutation is not None and mutation.is_last_word):
        return
    if machine._observed >= DETAILS:
        if machine._book.looks_for_auto(plan):
            reporting.blocked_auto(machine)
            queue_auto(machine, plan)
    elif plan.continues:
        queue_auto(machine, plan)


def queue_auto(machine: Machine, plan: Plan) -> None:
    """Put the auto mutation that follows a plan in front of the queue, if there is one."""
    auto = machine._book.auto_after(plan.after)
    if auto is None:
        return
    if machine._listening.log_level >= OPS:
        told = " ".join([machine._schema.names[i] for i in auto.called])
        emit(machine, LogLevel.OPS, f"[auto] {told}")
    machine._prepend(Mutation(machine._schema, auto.kind, auto.called, NO_ARGS, is_auto=True))


# ------------------------------------------------------------------------------ errors


def recover(machine: Machine, plan: Plan, exc: BaseException, has_moved: bool) -> Result:
    """Something was raised: cancel, repair what the failure makes untrue, report it, and end.

    :raises BaseException: `exc`, if it is not to become the state `Exception`.
    """
    call = machine._handling
    if not has_moved:
        # It may have been raised between two lines that move the clocks.
        has_moved = machine._conf.mask != plan.before.mask
        recovery.agree(machine)
    transition = machine.transition
    assert transition is not None
    if machine._observed >= LOG:
        emit(machine, LogLevel.OPS, "[recover] handling panic...")
        told = " ".join(transition.target)
        emit(machine, LogLevel.OPS, f"[cancel] ({told}) by recover")
    transition.accepted = False
    if not machine._troubles or machine._troubles[-1].error is not exc:
        machine._note_trouble(Trouble(call, None, exc))
    if has_moved:
        if not transition.changes:
            transition.move()
        if call is not None and call.role is Role.STATE:
            recovery.drop_partial_finals(machine, plan, call.state)
        transition.is_broken = bool(transition.changes)
    is_caught = isinstance(exc, Exception) and machine.catch_exceptions
    if is_caught:
        assert isinstance(exc, Exception)
        name = call.name if call is not None else ""
        recovery.report(machine, exc, name, plan)
    result = finish(machine, plan, CANCELED, accepted=False, has_moved=has_moved)
    if not is_caught:
        raise exc
    return result


# ------------------------------------------------------------------------------ the end


def finish(
    machine: Machine,
    plan: Plan,
    result: Result,
    *,
    accepted: bool,
    has_moved: bool = False,
) -> Result:
    """The transition is over: publish its outcome, tell it, be between two transitions again, and
    wake the waits it met. Returns the outcome."""
    changed = plan.changed if has_moved else 0
    mutation = machine._mutation
    pending = mutation.result if mutation is not None else None
    if not accepted and not plan.call.is_auto:
        machine._refusal = Refusal(plan, tuple(machine._troubles or ()))
    if plan.call.mask & machine._schema.exception and not has_moved:
        _tell_lost_error(machine, plan, mutation)
    if pending is not None:
        pending.settle(result)
    journals, transition, told = machine._listening.journals, machine._transition, None
    if transition is not None:
        transition.accepted = accepted and transition.accepted
        reporting.end(machine, transition)
    if journals:
        told = reporting.whole_note(machine, transition, accepted=accepted, has_moved=has_moved)
    machine._cell.leave(machine._token)
    # Whatever is called from here on finds the machine busy until the queue is empty.
    machine._draining = True
    machine._plan = machine._mutation = machine._transition = machine._handling = None
    machine._cause = machine._token = machine._troubles = None
    machine._attention = False
    if transition is not None and getrefcount(transition) > UNSHARED:
        # Somebody keeps it, and the machine goes on.
        transition.freeze()
    if machine._is_stale:
        machine._renew_plans()
    for journal in journals:
        journal.note(plan, machine._queue_tick, told)
    waits = machine._waits
    if changed & machine._watched:
        # Predicates of queries run here: what they mutate waits for its turn.
        waiting.wake(machine, changed, pending)
        settle_watch(machine, changed)
    elif pending is not None and waits is not None and waits.results:
        waiting.wake_result(machine, waits, pending)
    return result


def _tell_lost_error(machine: Machine, plan: Plan, mutation: Mutation | None) -> None:
    """An error whose mutation was canceled is told all the same."""
    if mutation is not None and "err" in mutation.args and not plan.is_check:
        reporting.error(machine, mutation, is_handled=False)


def settle_watch(machine: BaseMachine, changed: int) -> None:
    """Forget that somebody looked at states that nobody looks at any more."""
    waits, dependents = machine._waits, machine._dependents
    mask = waits.mask if waits is not None else 0
    if machine._watched < 0:
        if waits is not None and waits.queries:
            return
        looked_at = dependents.looked_at() if dependents is not None else ()
        machine._watched = mask | sum([1 << i for i in looked_at])
        return
    for i in bits_of(changed & machine._watched & ~mask):
        if dependents is None or not dependents.looks_at(i):
            machine._watched &= ~(1 << i)
