"""What a failure in a transition makes untrue, repaired; and how an error is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._text import repr_of
from .._watch.listening import Observed
from .._watch.log import LogLevel, emit, log_error
from .mutation import Mutation
from .transition import Panic

if TYPE_CHECKING:
    from .._schema.plans import Plan
    from .base import BaseMachine
    from .machine import Machine

LOG = Observed.LOG


def agree(machine: BaseMachine) -> None:
    """See that activity and ticks agree: what ran ahead of the configuration goes back."""
    ticks, mask = machine._ticks, machine._conf.mask
    for i, tick in enumerate(ticks):
        if tick & 1 != mask >> i & 1:
            ticks[i] = tick - 1 if tick else 1
    machine._time_offset = sum(ticks) - machine._queue_tick


def report(machine: Machine, exc: Exception, name: str, plan: Plan) -> None:
    """Make an exception of a handler the state `Exception`, or at least tell it."""
    transition = machine.transition
    assert transition is not None
    if plan.is_check or machine._life or is_error_running(machine):
        # A check changes nothing; an error of an error handler does not nest; and no state of a
        # machine at its end can tell it.
        if not (plan.is_check or is_error_running(machine)):
            machine.err = exc
        told = f"[error] {repr_of(exc)} in {name}"
        log_error(machine, told, exc if machine.log_traceback else None)
        return
    panic = Panic(name, transition.called, transition.before, transition.id)
    queue_error(machine, exc, None, panic=panic)


def queue_error(
    machine: Machine, exc: Exception, state: str | None, *, panic: Panic | None = None
) -> None:
    """An error of the running transition comes next."""
    machine.err = exc
    index = machine._schema.index
    states = (state, "Exception") if state and state in index else ("Exception",)
    args: dict[str, object] = {"err": exc}
    if panic is not None:
        args["panic"] = panic
    error = Mutation(
        machine._schema,
        "add",
        machine._schema.indexes(states),
        args,
        machine._cell.source(),
        states=states,
    )
    error.is_last_word = machine._plan is not None and machine._plan.is_auto
    machine._prepend(error)


def is_error_running(machine: Machine) -> bool:
    """Whether the running mutation calls `Exception`: errors do not nest."""
    plan, mutation = machine._plan, machine._mutation
    called = mutation.indexes if mutation is not None else plan.called if plan is not None else ()
    return machine._schema.index["Exception"] in called


def drop_partial_finals(machine: Machine, plan: Plan, failed: int) -> None:
    """The failing state and those entered after it become inactive again, one more tick each; but
    `Exception` stays, since an error never erases an error."""
    schema = machine._schema
    first = plan.enters.index(failed)
    kept, lost = plan.enters[:first], plan.enters[first:]
    exception = schema.index["Exception"]
    if failed == exception:
        kept, lost = (*kept, exception), lost[1:]
    mask = 0
    for i in lost:
        machine._ticks[i] += 1
        mask |= schema.bits[i]
    machine._conf = machine._book.configuration(machine._conf.mask & ~mask)
    machine._time_offset += len(lost)
    if machine._transition is not None:
        machine._transition.drop(lost)
    if machine._observed >= LOG:
        names = schema.names
        told = " ".join([names[i] for i in kept])
        emit(machine, LogLevel.OPS, f"[recover] partial final states as ({told})")
        told = " ".join(["-" + names[i] for i in lost])
        emit(machine, LogLevel.CHANGES, f"[state] {told}")
    if machine._dependents is not None:
        machine._dependents.expire(machine, lost)
