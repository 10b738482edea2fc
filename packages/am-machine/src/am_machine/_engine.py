"""One transition, step by step: negotiate, move the clocks, run the final handlers, recover.

The caller has taken a mutation from the queue and looked up its plan. Everything here works on the
machine's private parts; it is the inner half of `Machine`, which owns the queue. `voices` holds
what is told to logs, steps and tracers; it is asked only on a loud machine.
"""

from __future__ import annotations

from sys import getrefcount
from time import perf_counter
from typing import TYPE_CHECKING, Any

from . import _voices as voices
from ._errors import HandlerTimeoutError
from ._handlers import HandlerCall, Role
from ._log import EVERYTHING, LogLevel, emit
from ._mutation import NO_ARGS
from ._result import CANCELED, Result
from ._transition import Event, Panic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._base import BaseMachine
    from ._binding import Binding, Handler
    from ._drain import Draining
    from ._mutation import Mutation
    from ._plans import Plan


def transit(machine: Draining, plan: Plan, mutation: Mutation | None) -> Result:
    """Run one transition to its end and wake the waits it met; returns its outcome."""
    machine._plan = plan
    machine._mutation = mutation
    loud = machine._loud
    if loud:
        assert mutation is not None
        voices.begin(machine, plan, mutation)
    changed = plan.changed
    result = plan.result
    accepted = plan.accepted
    if accepted:
        if plan.votes or plan.finals or (loud and voices.wants_all_handlers(machine)):
            done = _with_handlers(machine, plan)
            if done is None:
                result = CANCELED
                accepted = False
                changed = 0
                if machine._transition is not None:
                    machine._transition.accepted = False
            else:
                # An auto mutation may have come through in part, a final handler may have failed.
                plan, result = done
                changed = plan.changed
        elif not plan.is_check:
            if plan.is_auto and plan.missing:
                plan = _partial(machine, plan, 0)
                changed, result = plan.changed, plan.result
            _apply(machine, plan)
            waits = machine._waits
            if waits is not None and waits.args:
                for i in plan.enters:
                    machine._wake_args(i, mutation.args if mutation is not None else NO_ARGS)
        may_go_on = mutation is None or not mutation.is_last_word
        if plan.continues and result is not CANCELED and not machine._life and may_go_on:
            machine._queue_auto()
        elif loud and plan.looks_for_auto and result is not CANCELED:
            voices.blocked_auto(machine)
    if mutation is not None and mutation.result is not None:
        mutation.result.settle(result)
    if machine._transition is not None:
        voices.end(machine)
    for journal in machine._journals:
        journal._note(plan, mutation, accepted)
    machine._plan = machine._mutation = machine._transition = None
    if changed & machine._watched:
        machine._wake(changed)
    elif mutation is not None and mutation.result is not None and machine._waits is not None:
        machine._wake_queue(machine._waits)
    return result


def _apply(machine: Draining, plan: Plan) -> None:
    """Move clocks and active states, then end the contexts and tasks whose tick is over."""
    plan.move(machine._ticks)
    machine._conf = plan.after
    if machine._loud:
        voices.applied(machine, plan)
    if plan.changed & machine._watched:
        machine._expire((*plan.enters, *plan.exits))
    if machine._hooks is not None:
        voices.finals(machine)


def _with_handlers(machine: Draining, plan: Plan) -> tuple[Plan, Result] | None:
    """The transition with its handlers, inside their causality; None if it was canceled before
    clocks moved."""
    machine._token = token = machine._running.enter(machine)
    call = invoke_loud if machine._loud else invoke
    everything = machine._loud and voices.wants_all_handlers(machine)
    try:
        if plan.is_auto:
            negotiated = _negotiate_auto(machine, plan, call)
            if negotiated is None:
                return None
            plan = negotiated
        else:
            for vote in voices.all_votes(machine, plan) if everything else plan.votes:
                if not call(machine, vote):
                    return None
        if not plan.is_check:
            _apply(machine, plan)
            if machine._waits is not None and machine._waits.args:
                _finals_with_args(machine, plan, call)
            else:
                for final in voices.all_finals(machine, plan) if everything else plan.finals:
                    call(machine, final)
        return plan, plan.result
    except BaseException as exc:
        return recover(machine, plan, exc)
    finally:
        machine._forget_cause(token)
        machine._handling = None


def _finals_with_args(machine: Draining, plan: Plan, call: Any) -> None:
    """Final handlers, and after those of each entered state the waits on its args."""
    args = machine._mutation.args if machine._mutation is not None else NO_ARGS
    by_state = {final.state: final for final in plan.finals if final.role is Role.STATE}
    for final in plan.finals:
        if final.role is Role.END:
            call(machine, final)
    for i in plan.enters:
        if i in by_state:
            call(machine, by_state[i])
        machine._wake_args(i, args)
    for final in plan.finals:
        if final.role is Role.ANY_STATE:
            call(machine, final)


# ------------------------------------------------------------------------------ handler calls


def invoke(machine: BaseMachine, call: HandlerCall) -> bool:
    """Call what is bound to a handler name; False as soon as one votes against."""
    machine._handling = call
    slow = machine._slow
    for fn, binding in machine._calls[call.name]:
        event = Event()
        event.machine = machine  # type: ignore[assignment]  # a replica mutates too
        event._call = call
        event._kept = None
        try:
            start = perf_counter()
            verdict = fn(event)
            elapsed = perf_counter() - start
            if elapsed > slow:
                overrun(machine, call, binding.name, elapsed)
        finally:
            # Only an event that somebody kept has to remember what it saw.
            if getrefcount(event) > UNSHARED:
                event.keep()
        if verdict is False and not call.is_final:
            return False
    return True


def invoke_loud(machine: BaseMachine, call: HandlerCall) -> bool:
    """The same, told to logs, steps and tracers."""
    machine._handling = call
    called = False
    # What was bound in the middle of a transition has its turn in the next one.
    is_planned = machine._log_level < EVERYTHING or voices.is_planned(machine, call)
    try:
        for binding in machine._bindings:
            if machine._log_level >= EVERYTHING:
                emit(machine, LogLevel.EVERYTHING, f"[handle:{binding.name}] {call.name}")
            fn = binding.handlers.get(call.name)
            if fn is None or not is_planned:
                continue
            called = True
            if not _call_loud(machine, call, fn, binding):
                voices.rejected(machine, call)
                return False
        return True
    finally:
        if called and machine._wants_steps:
            voices.handler_step(machine, call)


def _call_loud(machine: BaseMachine, call: HandlerCall, fn: Handler, binding: Binding) -> bool:
    voices.handler_start(machine, call, binding)
    event = Event()
    event.machine = machine  # type: ignore[assignment]  # a replica mutates too
    event._call = call
    event._kept = None
    failed = True
    try:
        start = perf_counter()
        verdict = fn(event)
        elapsed = perf_counter() - start
        failed = False
    finally:
        if getrefcount(event) > UNSHARED:
            event.keep()
        voices.handler_end(machine, call, binding, failed)
    if elapsed > machine._slow:
        overrun(machine, call, binding.name, elapsed)
    return verdict is not False or call.is_final


def _references() -> int:
    value = object()
    return getrefcount(value)


# References to an object that only one local variable and the counting itself hold.
UNSHARED = _references()


def overrun(machine: BaseMachine, call: HandlerCall, binding: str, elapsed: float) -> None:
    """A handler took long: a tenth of the timeout is worth a line, all of it is an error.

    It has returned, so its work is done and undoing its state would lie: the transition goes on.
    """
    emit(machine, LogLevel.OPS, f"[handler:slow] {call.name} {elapsed * 1000:.0f}")
    if elapsed <= machine._timeout:
        return
    emit(machine, LogLevel.CHANGES, f"[handler:timeout] {call.name} from {binding}")
    machine._report_overrun(HandlerTimeoutError(call.name, binding, elapsed))


# ------------------------------------------------------------------------------ auto mutations


def _negotiate_auto(machine: Draining, plan: Plan, call: Any) -> Plan | None:
    """Negotiate an auto mutation, which may come through in part.

    A refusal by a handler of an auto state only drops that state; others cancel the whole. Each
    stage goes over the lists as they were when it began. None: canceled.
    """
    schema = machine._schema
    bits = schema.bits
    auto = schema.tables.auto
    table = voices.table_of(machine)
    before = plan.before.mask
    dropped = 0
    for vote in table.exits(plan.exits):
        if not call(machine, vote):
            return None
    for stage in ("enters", "selfs", "pairs"):
        target = [i for i in plan.target if not dropped & bits[i]]
        if stage == "enters":
            votes = table.enters([i for i in plan.enters if not dropped & bits[i]])
        elif stage == "selfs":
            votes = table.selfs(target, before, bits)
        else:
            votes = table.pairs(before, target)
        for vote in votes:
            if call(machine, vote):
                continue
            if not auto & bits[vote.state]:
                return None
            dropped |= bits[vote.state]
    if all(dropped & bits[i] for i in plan.target):
        return None
    for vote in table.any_enter():
        if not call(machine, vote):
            return None
    return _partial(machine, plan, dropped) if dropped or plan.missing else plan


def _partial(machine: Draining, plan: Plan, dropped: int) -> Plan:
    """What an auto mutation comes to without the states that relations or handlers refused:
    resolved anew with the called states that are left."""
    bits = machine._schema.bits
    left = [i for i in plan.called if i in plan.target and not dropped & bits[i]]
    partial = machine._book.auto_part(plan.before.mask, tuple(left))
    machine._plan = partial
    if machine._transition is not None:
        machine._transition.replan(partial)
    return partial


# ------------------------------------------------------------------------------ errors


def recover(machine: Draining, plan: Plan, exc: BaseException) -> tuple[Plan, Result] | None:
    """A handler raised: cancel, repair what its failure makes untrue, and report it."""
    call = machine._handling
    assert call is not None or not isinstance(exc, Exception)
    transition = machine.transition
    assert transition is not None
    emit(machine, LogLevel.OPS, "[recover] handling panic...")
    told = " ".join(transition.target)
    emit(machine, LogLevel.OPS, f"[cancel] ({told}) by recover")
    transition.accepted = False
    moved = (call is not None and call.is_final) or machine._conf is not plan.before
    if moved:
        transition.is_broken = True
        if call is not None and call.role is Role.STATE:
            _drop_partial_finals(machine, plan, call.state)
    if isinstance(exc, Exception) and machine.catch_exceptions:
        name = call.name if call is not None else ""
        panic = Panic(name, transition.called, transition.before, transition.id)
        if machine._is_error_running():
            emit(machine, LogLevel.CHANGES, f"[error] {exc!r} in {name}")
        else:
            machine._queue_error(exc, None, panic=panic)
        return (plan, CANCELED) if moved else None
    machine._escaped = exc
    return (plan, CANCELED) if moved else None


def _drop_partial_finals(machine: Draining, plan: Plan, failed: int) -> None:
    """The failing state and those entered after it become inactive again, one more tick each."""
    bits = machine._schema.bits
    enters: Sequence[int] = plan.enters
    first = enters.index(failed)
    kept, lost = enters[:first], enters[first:]
    mask = 0
    for i in lost:
        machine._ticks[i] += 1
        mask |= bits[i]
    machine._conf = machine._book.configuration(machine._conf.mask & ~mask)
    names = machine._schema.names
    told = " ".join([names[i] for i in kept])
    emit(machine, LogLevel.OPS, f"[recover] partial final states as ({told})")
    told = " ".join(["-" + names[i] for i in lost])
    emit(machine, LogLevel.CHANGES, f"[state] {told}")
    machine._expire(lost)
