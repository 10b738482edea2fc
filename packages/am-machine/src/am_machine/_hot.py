"""The hot path: one quiet transition whose plan is known, with its handlers.

The same steps as in `_engine`, unrolled: nobody listens, nothing is queued, the mutation has no
keywords, nothing is called `auto` or checked. What is not asked for is not made: no mutation, no
record of the transition, no copy of the clocks, no id. Only what a handler must get is made: its
event. Where the tenths of a microsecond go is told in `docs/hot-path.md`.

An event may outlive its handler; its reference count tells whether somebody kept it, and only then
it is filled in.
"""

from __future__ import annotations

from sys import getrefcount
from time import perf_counter
from typing import TYPE_CHECKING

from . import _engine as engine
from . import _voices as voices
from ._causality import CAUSE
from ._engine import UNSHARED
from ._result import CANCELED, EXECUTED, Result
from ._transition import Event

if TYPE_CHECKING:
    from ._drain import Draining
    from ._plans import Plan


def perform(machine: Draining, plan: Plan, noted: bool = False) -> Result:
    """Run a `direct` plan on an idle, quiet machine, and then whatever its handlers queued.

    `noted`: the machine keeps a journal.
    """
    machine._hot = None
    machine._queue_tick += 1
    machine._plan = plan
    running = machine._running
    if CAUSE.get() is running:
        # Nobody else's cause is to be given back afterwards.
        running.machine = machine
        token = None
    else:
        machine._token = token = running.enter(machine)
    changed = plan.changed
    result = EXECUTED
    try:
        if plan.votes and not _negotiate(machine, plan):
            result = CANCELED
            changed = 0
        else:
            if (one := plan.one) is not None:
                machine._ticks[one] += 1
            else:
                plan.move(machine._ticks)
            machine._conf = plan.after
            if changed & machine._watched:
                machine._expire((*plan.enters, *plan.exits))
            for call in plan.finals:
                machine._handling = call
                for fn, binding in machine._calls[call.name]:
                    event = Event()
                    event.machine = machine  # type: ignore[assignment]  # it is a Machine
                    event._call = call
                    event._kept = None
                    try:
                        start = perf_counter()
                        fn(event)
                        elapsed = perf_counter() - start
                        if elapsed > machine._slow:
                            engine.overrun(machine, call, binding.name, elapsed)
                    finally:
                        if getrefcount(event) > UNSHARED:
                            event.keep()
            if plan.continues and not machine._life:
                machine._queue_auto()
    except BaseException as exc:
        result = CANCELED
        if engine.recover(machine, plan, exc) is None:
            changed = 0
    running.machine = None
    if token is not None:
        machine._forget_cause(token)
    if noted or machine._mutation is not None:
        _record(machine, plan, result)
    machine._plan = machine._handling = None
    if changed & machine._watched or machine._queue or result is CANCELED:
        # More follows, so the drain goes on without a running plan.
        machine._draining = True
        if changed & machine._watched:
            machine._wake(changed)
        machine._drain_on()
        machine._draining = False
    # Waits for the end of the queue, or somebody who listens for it, need more.
    if machine._is_quiet and machine._waits is None:
        machine._hot = machine._conf
    else:
        machine._drained()
    return result


def _record(machine: Draining, plan: Plan, result: Result) -> None:
    """Somebody looked at the transition or at its mutation, or reads of it later."""
    if machine._transition is not None:
        if result is CANCELED:
            machine._transition.accepted = False
        voices.end(machine)
    for journal in machine._journals:
        journal._note(plan, None, result is EXECUTED)
    machine._mutation = machine._transition = None


def _negotiate(machine: Draining, plan: Plan) -> bool:
    """Ask the negotiation handlers; the first refusal decides."""
    return all(engine.invoke(machine, call) for call in plan.votes)
