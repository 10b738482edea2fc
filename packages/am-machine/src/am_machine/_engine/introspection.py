"""Looking into a machine: what runs, who waits for what, and why something was refused.

Nothing of this is kept for the case that somebody asks: it is worked out from what is there.
"""

from __future__ import annotations

from dataclasses import replace
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

from .._text import text_of
from .mutation import NO_ARGS, Kind, Mutation
from .transition import Transition

if TYPE_CHECKING:
    from .._schema.explanation import Explanation
    from .._schema.handlers import HandlerCall
    from .._schema.plans import Plan
    from .base import BaseMachine
    from .binding import Binding
    from .machine import Machine


# ------------------------------------------------------------------------------ what runs


def running_transition(machine: BaseMachine) -> Transition | None:
    """The record of the running transition; the owner's is kept, others get one of their own."""
    found = machine._transition
    plan = machine._plan
    if found is not None or plan is None:
        return found
    if get_ident() != machine._owner:
        return foreign_record(machine, plan)
    return record(machine, plan)


def record(machine: BaseMachine, plan: Plan) -> Transition:
    """The record of the running transition, made on first sight."""
    transition = Transition(machine, plan, machine._running_mutation())
    transition._cause = machine._cause
    call = machine._handling
    if call is not None and call.is_final:
        transition.move()
    machine._transition = transition
    machine._attention = True
    return transition


def foreign_record(machine: BaseMachine, plan: Plan) -> Transition | None:
    """A record for a reader in another thread: what it sees as the owner goes on, complete in
    itself; nothing is stored on the machine."""
    mutation = machine._mutation or Mutation(machine._schema, plan.kind, plan.called, NO_ARGS)
    transition = Transition(machine, plan, mutation)
    call = machine._handling
    if call is not None and call.is_final:
        transition.move()
    transition.freeze()
    return transition


def running_mutation(machine: BaseMachine, plan: Plan | None) -> Mutation:
    """The mutation behind a running transition that never queued.

    :raises RuntimeError: between two transitions.
    """
    if plan is None:
        raise RuntimeError(f"no transition runs on machine {machine.id}")
    machine._attention = True
    return Mutation(machine._schema, plan.kind, plan.called, NO_ARGS, machine._running_source())


class Trouble(NamedTuple):
    """A vote against the running transition, or a failure in it."""

    call: HandlerCall | None
    binding: Binding | None
    # None: it was a vote.
    error: BaseException | None


# ------------------------------------------------------------------------------ why


class Refusal(NamedTuple):
    """What the last canceled call came to: a plan and its troubles, or a reason in words."""

    plan: Plan | None = None
    troubles: tuple[Trouble, ...] = ()
    told: str = ""


def format_refusal(machine: BaseMachine, refusal: Refusal) -> str:
    """A refusal in one line."""
    if refusal.told:
        return refusal.told
    if refusal.troubles:
        return "; ".join([_format_trouble(trouble) for trouble in refusal.troubles])
    plan = refusal.plan
    assert plan is not None
    schema = machine._schema
    names = schema.names
    explained = schema.explain(
        plan.kind,
        [names[i] for i in plan.called],
        schema.names_of(plan.before.mask),
        is_auto=plan.is_auto,
        is_check=plan.is_check,
    )
    return "; ".join(explained.reasons)


def _format_trouble(trouble: Trouble) -> str:
    call, binding, error = trouble
    name = call.name if call is not None else "the machine itself"
    place = _place(call, binding)
    owner = f" of {binding.name}" if binding is not None else ""
    if error is None:
        return f"{name}{owner} voted against it{place}"
    return f"{name}{owner} raised {type(error).__name__}: {text_of(error)}{place}"


def _place(call: HandlerCall | None, binding: Binding | None) -> str:
    """Where a handler is written."""
    fn: Any = binding.handlers.get(call.key) if call is not None and binding is not None else None
    fn = getattr(fn, "__func__", fn)
    code = getattr(fn, "__code__", None)
    return f" ({code.co_filename}, line {code.co_firstlineno})" if code is not None else ""


def explain(machine: Machine, states: tuple[str, ...], kind: str) -> Explanation:
    """What stands in the way of a mutation now: what the last one of its kind met, queue and life
    included."""
    schema = machine._schema
    vetoed: list[str] = []
    failed: str | None = None
    more: list[str] = []
    if machine._life:
        more.append("the machine is disposed")
    elif machine.is_queued(kind, *states, exact=True, without_args=True):
        more.append(f"{' '.join(states)} is queued already")
    elif len(machine._queue or ()) >= machine._queue_limit:
        more.append("the queue is full")
    refusal = machine._refusal
    plan = refusal.plan if refusal is not None else None
    told = []
    if (
        refusal is not None
        and plan is not None
        and plan.kind == kind
        and plan.called == schema.indexes(states, machine)
        and plan.before.mask == machine._conf.mask
    ):
        # Asked the same before, from here: who was against it may be so still.
        for trouble in refusal.troubles:
            told.append(_format_trouble(trouble))
            if trouble.call is not None and trouble.error is None:
                vetoed.append(trouble.call.name)
            elif trouble.call is not None:
                failed = trouble.call.name
    explained = schema.explain(
        kind,
        states,
        machine.active,
        handlers=tuple(machine._calls),
        vetoed=vetoed,
        failed=failed,
    )
    reasons = explained.reasons
    if told:
        reasons = tuple(told)
    elif not more and explained.is_accepted:
        reasons = (*reasons, *_blocked_autos(machine, states))
    return _replaced(explained, (*more, *reasons), is_refused=bool(more) and machine._life > 0)


def _blocked_autos(machine: Machine, states: tuple[str, ...]) -> list[str]:
    """Why auto states among these did not follow by themselves."""
    found = []
    for i in machine._schema.indexes(states, machine):
        tables, names = machine._schema.tables, machine._schema.names
        active = machine._conf.mask
        blockers = tables.remover_mask[i] & active
        if tables.auto >> i & 1 and not active >> i & 1 and blockers:
            by = " and ".join(machine._schema.names_of(blockers))
            found.append(f"{names[i]} does not follow by itself: {by} removes it")
    return found


def _replaced(explained: Explanation, reasons: tuple[str, ...], *, is_refused: bool) -> Explanation:
    accepted = explained.is_accepted and not is_refused
    return replace(explained, reasons=reasons, is_accepted=accepted)


# ------------------------------------------------------------------------------ the queue


def is_queued(
    machine: Machine,
    kind: str,
    states: tuple[str, ...],
    without_args: bool,
    exact: bool,
    min_tick: int,
    check: bool,
    position: str,
) -> bool:
    """See `Machine.is_queued`."""
    kind = Kind(kind)
    if position not in ("any", "first", "last"):
        raise ValueError(f"position {position!r} is not any, first or last")
    wanted = frozenset(machine._schema.indexes(states, machine))
    queue = machine._queue
    if not queue:
        return False
    if position == "any" and not check:
        counts = queued_counts(machine)
        if not all([counts.get((kind, i)) for i in wanted]):
            return False
        if len(wanted) == 1 and not (exact or without_args or min_tick):
            return True
    found = queue_of(machine)
    if position != "any":
        found = found[:1] if position == "first" else found[-1:]
    return any(
        m.kind == kind
        and m.is_check is check
        and (frozenset(m.indexes) == wanted if exact else wanted.issubset(m.indexes))
        and not (without_args and m.args)
        and m.queue_tick >= min_tick
        for m in found
    )


def queue_of(machine: Machine) -> tuple[Mutation, ...]:
    """A copy of the queue. In any thread."""
    queue = machine._queue
    found: tuple[Mutation, ...] = again(lambda: tuple(queue)) if queue else ()
    return found


def queued_counts(machine: Machine) -> dict[tuple[str, int], int]:
    """How many pending mutations of a kind call a state; kept up to date once it was asked for."""
    counts = machine._counts
    if counts is None:
        counts = {}
        for mutation in queue_of(machine):
            count_queued(counts, mutation, 1)
        machine._counts = counts
    return counts


def count_queued(counts: dict[tuple[str, int], int], mutation: Mutation, change: int) -> None:
    """A mutation came into the queue (1), or was taken from it (-1)."""
    if not mutation.is_check:
        for i in mutation.indexes:
            key = (mutation.kind, i)
            counts[key] = counts.get(key, 0) + change


def again(read: Any) -> Any:
    """Read a list that the owner may change meanwhile, as often as that takes."""
    while True:
        try:
            return read()
        except RuntimeError:
            continue
