"""How a machine follows clocks that move elsewhere: updates become pseudo-transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _voices as voices
from ._causality import Running
from ._core import DISPOSING
from ._engine import invoke, invoke_loud
from ._mutation import NO_ARGS, Mutation
from ._plans import Plan
from ._result import EXECUTED
from ._schema import bits_of
from ._transition import Transition

if TYPE_CHECKING:
    from ._base import BaseMachine


# Updates whose states move by more ticks than this at once seldom come again.
MAX_KEPT_GAIN = 2


def advance(
    machine: BaseMachine,
    increments: tuple[tuple[int, int], ...],
    kind: str,
    called: tuple[int, ...] | None,
    queue_tick: int | None,
    machine_tick: int | None,
) -> Transition:
    """Add to the clocks as one pseudo-transition."""
    key = (kind, called, increments)
    ticks = list(machine._ticks)
    for i, gained in increments:
        ticks[i] += gained
    found = machine._conf.followed.get(key)
    if found is None:
        found = plan, blips = _plan(machine, ticks, kind, called, comparable=True)
        if all(0 < gained <= MAX_KEPT_GAIN for _, gained in increments):
            machine._book.keep_followed(key, plan, blips)
    return _follow_plan(machine, found[0], ticks, queue_tick, machine_tick, found[1])


def reset(
    machine: BaseMachine,
    ticks: list[int],
    queue_tick: int | None,
    machine_tick: int | None,
    *,
    comparable: bool,
) -> Transition:
    """Set the clocks as one pseudo-transition.

    `comparable`: they go on from those held now, so that differences betray blips.
    """
    plan, blips = _plan(machine, ticks, "set", None, comparable=comparable)
    return _follow_plan(machine, plan, ticks, queue_tick, machine_tick, blips)


def _plan(
    machine: BaseMachine,
    ticks: list[int],
    kind: str,
    called: tuple[int, ...] | None,
    *,
    comparable: bool,
) -> tuple[Plan, int]:
    """What moving the clocks to `ticks` comes to, and the mask of states that blipped."""
    bits, multi = machine._schema.bits, machine._schema.tables.multi
    old, before = machine._ticks, machine._conf
    changed = active = blips = 0
    for i, tick in enumerate(ticks):
        if tick & 1:
            active |= bits[i]
        if tick != old[i]:
            changed |= bits[i]
            same = comparable and abs(tick - old[i]) > 1 and not (tick ^ old[i]) & 1
            if same and not (tick & 1 and multi & bits[i]):
                blips |= bits[i]
    flipped = before.mask ^ active
    plan = Plan()
    plan.kind = kind
    plan.called = tuple(bits_of(flipped)) if called is None else called
    plan.called_mask = sum([bits[i] for i in set(plan.called)])
    plan.is_auto = plan.is_check = False
    plan.accepted = True
    plan.missing = ()
    plan.before = before
    plan.target = tuple(bits_of(active))
    plan.enters = tuple(bits_of(changed & active & (flipped | multi)))
    plan.exits = tuple(bits_of(flipped & ~active))
    plan.increments = tuple([(i, ticks[i] - old[i]) for i in bits_of(changed)])
    plan.one = None
    plan.changed = changed
    plan.after = machine._book.configuration(active)
    plan.votes = ()
    plan.finals = machine._book.handlers.finals(plan.exits, plan.enters) if changed else ()
    plan.result = EXECUTED
    plan.continues = plan.looks_for_auto = False
    plan.simple = plan.noted = plan.direct = False
    return plan, blips


def _follow_plan(
    machine: BaseMachine,
    plan: Plan,
    ticks: list[int],
    queue_tick: int | None,
    machine_tick: int | None,
    blips: int,
) -> Transition:
    mutation = Mutation(machine._schema, plan.kind, plan.called, NO_ARGS)
    machine._plan, machine._mutation = plan, mutation
    if machine._loud:
        voices.started(machine, voices.open_record(machine, plan, mutation))
    else:
        machine._transition = Transition(machine, plan, mutation, tuple(machine._ticks))
    transition = machine._transition
    assert transition is not None
    machine._ticks = ticks
    machine._conf = plan.after
    if queue_tick is not None:
        machine._queue_tick = queue_tick
    if machine_tick is not None:
        machine._machine_tick = machine_tick
    if machine._loud:
        voices.applied(machine, plan)
    else:
        transition.finish(ticks)
    if plan.changed & machine._watched:
        machine._expire([i for i, _ in plan.increments], blips)
    if machine._loud:
        voices.finals(machine)
    if plan.finals:
        _follow_handlers(machine, plan)
    if machine._loud:
        voices.end(machine)
    for journal in machine._journals:
        journal._followed(plan, transition.time_before)
    machine._plan = machine._mutation = machine._transition = machine._handling = None
    if plan.changed & machine._watched:
        machine._wake(plan.changed, blips)
    if machine._life == DISPOSING:
        machine._finish_dispose()
    return transition


def _follow_handlers(machine: BaseMachine, plan: Plan) -> None:
    running = Running()
    token = running.enter(machine)
    call = invoke_loud if machine._loud else invoke
    try:
        for final in plan.finals:
            try:
                call(machine, final)
            except Exception as exc:
                # Clocks are the source's: nothing is repaired, the other handlers still run.
                machine.handler_failed(exc, final.name)
    finally:
        running.leave(token)
