"""The fast path: one transition whose plan is known, where hardly anybody listens.

It is a refinement of `procedure.transit`. It is entered only if nothing that it leaves out can
matter: the plan is neither refused, auto, a check nor about errors; nobody looks at the states that
it moves; nobody listens but journals and those who hear of the end of the queue. As soon as a
handler changes that (a wait is made, a tracer bound, the record of the transition asked for),
`_attention` is set, and the stages of the procedure take over. What is not asked for is not made:
no mutation, no record, no copy of the clocks, no id. Only what a handler must get is made: its
event.
Where the tenths of a microsecond go is told in `docs/hot-path.md`.

An event may outlive its handler; its reference count tells whether somebody kept it, and only then
it is filled in.
"""

from __future__ import annotations

from sys import getrefcount
from time import perf_counter, time_ns
from typing import TYPE_CHECKING

from .._causality import current_cause
from .._result import CANCELED, EXECUTED, Result
from .._waits import waiting
from .._watch.tracer import hook_failed
from . import calling, procedure, reporting
from .calling import UNSHARED
from .introspection import Trouble
from .transition import Event

if TYPE_CHECKING:
    from .._causality import Source
    from .._schema.plans import Plan
    from .machine import Machine
    from .mutation import Mutation


def perform(machine: Machine, plan: Plan, mutation: Mutation | None, is_alone: bool) -> Result:
    """Run a plan that is `fast`, with its mutation if it has one.

    `is_alone`: it was called from outside, on an idle machine, and so goes on with whatever its
    handlers queued. The caller sees to what is raised (`mending.interrupted`): if this could be
    called, so can that. Python 3.13 counts no frame for a call that leaves out arguments, so this
    has none that may be left out.

    :raises BaseException: as `procedure.transit`.
    """
    machine._fast = None
    machine._queue_tick += 1
    machine._plan = plan
    machine._mutation = mutation
    cell = machine._cell
    call = binding = token = None
    start = 0.0
    is_whole = has_moved = False
    result = EXECUTED
    try:
        if current_cause() is cell:
            # Nobody else's cause is to be given back afterwards.
            cell._running = machine
        else:
            machine._token = token = cell.enter(machine)
        if plan.votes and not _negotiate(machine, plan):
            result = procedure.finish(machine, plan, CANCELED, accepted=False)
        elif machine._attention:
            result = procedure.settle(machine, plan)
        else:
            # Machine time is an offset to the queue tick, so one tick for one mutation is no change
            # of it; but those who voted were told that no clock had moved yet.
            if (one := plan.one) is not None:
                machine._ticks[one] += 1
                if plan.votes:
                    machine._time_offset += 1
            else:
                plan.move(machine._ticks)
                machine._time_offset += plan.gained - (not plan.votes)
            machine._conf = plan.after
            has_moved = True
            for call in plan.finals:
                machine._handling = call
                for fn, binding in machine._calls[call.key]:
                    event = Event()
                    event.machine = machine
                    event._call = call
                    event._kept = None
                    try:
                        start = perf_counter()
                        verdict = fn(event)
                        elapsed = perf_counter() - start
                        if elapsed > machine._slow:
                            calling.overrun(machine, call, binding.name, start, elapsed)
                        if verdict is not None:
                            calling.judge(machine, call, binding, verdict)
                    finally:
                        if getrefcount(event) > UNSHARED:
                            event.keep()
                if machine._attention:
                    result = procedure.resume(machine, plan, call)
                    break
            else:
                if plan.continues and not machine._life:
                    procedure.queue_auto(machine, plan)
                is_whole = True
    except BaseException as exc:
        if machine._plan is None:
            # A stage of the procedure has ended it, and raised what is not to become a state.
            raise
        if not (has_moved or plan.votes):
            machine._time_offset -= 1
        if machine._slow < 0 and call is not None:
            reporting.note_failed(machine, call, start)
        machine._note_trouble(Trouble(call, binding, exc))
        result = procedure.recover(machine, plan, exc, has_moved)
    if is_whole:
        if machine._queue:
            # Readers of journals may be told now; what they mutate waits for its turn.
            machine._draining = True
        cause = machine._cause
        cell._running = None
        machine._plan = machine._mutation = machine._handling = machine._cause = None
        if token is not None:
            cell.leave(token)
            machine._token = None
        if mutation is not None and (pending := mutation.result) is not None:
            # As `settle` does.
            if pending.outcome is None:
                pending.outcome = EXECUTED
                if pending._bell is not None:
                    pending._bell.ring()
            if machine._waits is not None:
                waiting.wake_result(machine, machine._waits, pending)
        if machine._listening.journals:
            source = None
            if mutation is not None:
                source = mutation.source
            elif token is not None:
                source = cell.outer(token)
            _note(machine, plan, mutation, cause, source)
    if is_alone:
        if machine._queue:
            machine._drain()
        machine._draining = False
        if machine._waits is not None:
            machine._drained()
        elif machine._is_quick:
            machine._fast = machine._conf
        elif machine._is_noting:
            for hook in machine._listening.queue_end:
                try:
                    hook(machine)
                except Exception as exc:
                    hook_failed(machine, "queue_end", hook, exc)
        else:
            machine._drained()
    return result


def _negotiate(machine: Machine, plan: Plan) -> bool:
    """Ask the negotiation handlers; the first refusal decides. (`all` takes longer.)"""
    machine._time_offset -= 1
    for call in plan.votes:
        if calling.invoke(machine, call):
            continue
        return False
    return True


def _note(
    machine: Machine,
    plan: Plan,
    mutation: Mutation | None,
    cause: Source | None,
    source: Source | None,
) -> None:
    """Leave it to the journals, who work out the rest when they are read."""
    told = None
    if not (mutation is None and cause is None and source is None) or machine._slow < 0:
        told = reporting.note_of(machine, mutation, cause, source)
    entry = (plan, time_ns(), machine._queue_tick, told)
    for journal in machine._listening.journals:
        items = journal._items
        items += entry
        if len(items) >= journal._mark:
            journal.filled()
