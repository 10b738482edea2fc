"""How a machine follows clocks that move elsewhere: updates become pseudo-transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._causality import CauseCell
from .._result import EXECUTED
from .._schema.bits import bits_of
from .._schema.plans import Call, Plan
from .._waits import waiting
from .._watch.listening import Observed
from .._watch.note import Note
from . import life, reporting
from .calling import invoke
from .mutation import NO_ARGS, Mutation
from .procedure import settle_watch
from .transition import Transition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .base import BaseMachine


class Followed:
    """The updates of a machine; `BaseMachine` alone is made of it, and has the fields. (Told to the
    type checker by comments, for `cast` is a call.)"""

    __slots__ = ()

    _ticks: list[int]

    def advance(
        self,
        increments: Iterable[tuple[int, int]],
        *,
        kind: str = "set",
        called: Iterable[int] | None = None,
        queue_tick: int | None = None,
        machine_tick: int | None = None,
    ) -> Transition:
        """Apply an update of (state index, ticks gained) as one pseudo-transition.

        In this order: clocks, contexts and tasks of moved states end, final handlers (`FooEnd`,
        `FooState`, also of multi states that ticked, `AnyState`), tracers, waits. `called` are
        state indexes, by default those whose activity changed. Ticks betray blips: a state still
        inactive whose tick grew by 2 or more was active in between, one still active and not multi
        was inactive; waits on such a state alone count that. The kind `auto` is an add that the
        source made by itself.

        An exception of a handler goes to `handler_failed`.
        """
        states = None if called is None else tuple(called)
        return advance(self, tuple(increments), kind, states, queue_tick, machine_tick)  # type: ignore[arg-type]

    def reset_clock(
        self,
        ticks: Sequence[int],
        *,
        queue_tick: int | None = None,
        machine_tick: int | None = None,
        replaced: bool = False,
    ) -> Transition:
        """The same with absolute ticks, which may also go back.

        `replaced`: they are those of another machine that took the place of the one followed so
        far. All contexts expire, waits for ticks end with False, the others are judged anew.

        :raises ValueError: if there is not one tick per state.
        """
        if len(ticks) != len(self._ticks):
            raise ValueError(f"{len(ticks)} ticks for {len(self._ticks)} states")
        return reset(self, list(ticks), queue_tick, machine_tick, replaced=replaced)  # type: ignore[arg-type]

    def let_go(self) -> None:
        """End whatever depends on clocks that will not move any more, and keep their values.

        All waits but those for the disposal end with False, contexts expire, and with them the
        tasks bound to states. New ones may be made.
        """
        let_go(self)  # type: ignore[arg-type]


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
    if machine._is_stale:
        machine._renew_plans()
    key = (kind, called, increments)
    ticks = list(machine._ticks)
    for i, gained in increments:
        ticks[i] += gained
    followed = machine._conf.followed
    found = followed.get(key) if followed is not None else None
    if found is None:
        found = plan, blips = _plan(machine, ticks, kind, called, comparable=True)
        if all(0 < gained <= MAX_KEPT_GAIN for _, gained in increments):
            machine._book.keep_followed(key, plan, blips)
    return _follow(machine, found[0], ticks, queue_tick, machine_tick, found[1])


def reset(
    machine: BaseMachine,
    ticks: list[int],
    queue_tick: int | None,
    machine_tick: int | None,
    *,
    replaced: bool,
) -> Transition:
    """Set the clocks as one pseudo-transition.

    `replaced`: by those of another machine, so that differences betray nothing, contexts expire,
    and every wait is judged anew.
    """
    if machine._is_stale:
        machine._renew_plans()
    if replaced:
        if machine._dependents is not None:
            machine._dependents.expire_all()
        waiting.end_tick_waits(machine)
    plan, blips = _plan(machine, ticks, "set", None, comparable=not replaced)
    transition = _follow(machine, plan, ticks, queue_tick, machine_tick, blips)
    if replaced:
        waiting.wake(machine, (1 << len(ticks)) - 1)
    return transition


def let_go(machine: BaseMachine) -> None:
    """The clocks move no more: contexts expire, tasks bound to states and waits end."""
    if machine._dependents is not None:
        machine._dependents.expire_all()
    waiting.end_waits(machine)


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
    states = tuple(bits_of(flipped)) if called is None else called
    plan = Plan()
    # That of a source's auto mutation is an add, as there.
    is_auto = kind == "auto"
    mask = sum([bits[i] for i in set(states)])
    plan.call = Call("add" if is_auto else kind, states, mask, is_auto, False)
    plan.accepted = True
    plan.missing = ()
    plan.before = before
    plan._target = tuple(bits_of(active))
    plan.enters = tuple(bits_of(changed & active & (flipped | multi)))
    plan.exits = tuple(bits_of(flipped & ~active))
    plan.increments = tuple([(i, ticks[i] - old[i]) for i in bits_of(changed)])
    plan.gained = sum([gained for _, gained in plan.increments])
    plan.one = plan.fast = plan.fast_checked = plan.quick = None
    plan.changed = changed
    plan.after = machine._book.configuration(active)
    plan.votes = ()
    plan.finals = machine._book.handlers.finals(plan.exits, plan.enters) if changed else ()
    plan.result = EXECUTED
    plan.continues = False
    plan.trace = None
    return plan, blips


def _follow(
    machine: BaseMachine,
    plan: Plan,
    ticks: list[int],
    queue_tick: int | None,
    machine_tick: int | None,
    blips: int,
) -> Transition:
    try:
        transition = _apply(machine, plan, ticks, queue_tick, machine_tick, blips)
    except BaseException:
        # Clocks are the source's; the machine is idle again, whatever was raised.
        machine._plan = machine._mutation = machine._transition = machine._handling = None
        machine._cause = None
        machine._cell._running = None
        machine._attention = False
        raise
    if machine._life == life.DISPOSING:
        life.end(machine)
    return transition


def _apply(
    machine: BaseMachine,
    plan: Plan,
    ticks: list[int],
    queue_tick: int | None,
    machine_tick: int | None,
    blips: int,
) -> Transition:
    mutation = Mutation(machine._schema, plan.kind, plan.called, NO_ARGS)
    machine._plan, machine._mutation = plan, mutation
    before = tuple(machine._ticks)
    reporting.begin_details(machine)
    if machine._observed >= Observed.LOG:
        reporting.started(machine, reporting.open_record(machine, plan, mutation))
    else:
        machine._transition = Transition(machine, plan, mutation)
    transition = machine._transition
    assert transition is not None
    # At once, so that activity and ticks agree whenever this is interrupted.
    machine._ticks, machine._conf = ticks, plan.after
    transition.move(before)
    if queue_tick is not None:
        machine._queue_tick = queue_tick
    has_restarted = machine_tick is not None and machine_tick != machine._machine_tick
    if machine_tick is not None:
        machine._machine_tick = machine_tick
    machine._time_offset = sum(ticks) - machine._queue_tick
    if machine._observed >= Observed.LOG:
        reporting.applied(machine, plan)
        if plan.changed & machine._schema.exception:
            _tell_error(machine, plan)
    if plan.changed & machine._watched and machine._dependents is not None:
        machine._dependents.expire(machine, [i for i, _ in plan.increments], blips)
    reporting.finals(machine)
    if plan.finals:
        _call_handlers(machine, plan)
    _finish(machine, plan, transition, blips, has_restarted)
    return transition


def _tell_error(machine: BaseMachine, plan: Plan) -> None:
    exception = machine._schema.index["Exception"]
    if exception in plan.enters and not machine._calls.get("ExceptionState"):
        reporting.error(machine, machine._mutation, is_handled=False)


def _finish(
    machine: BaseMachine, plan: Plan, transition: Transition, blips: int, has_restarted: bool
) -> None:
    reporting.end(machine, transition)
    transition.freeze()
    cause = transition._cause
    if cause is None and transition._id:
        # Somebody knows it by its id, though it caused nothing.
        cause = machine._cell.named(transition.id)
    told = Note(cause=cause)
    if machine._listening.noting is not None:
        told.details = machine._listening.noting.end(None, machine._queue_len())
    for journal in machine._listening.journals:
        if has_restarted:
            journal.rebase(transition.time_before)
        journal.note(plan, machine._queue_tick, told)
    machine._plan = machine._mutation = machine._transition = machine._handling = None
    machine._cause = machine._troubles = None
    machine._attention = False
    if machine._is_stale:
        machine._renew_plans()
    if plan.changed & machine._watched:
        waiting.wake(machine, plan.changed, blips=blips)
        settle_watch(machine, plan.changed)


def _call_handlers(machine: BaseMachine, plan: Plan) -> None:
    # A cell of its own: replicas mutate elsewhere, and may follow an answer while a handler runs.
    cell = CauseCell()
    token = cell.enter(machine)
    try:
        for final in plan.finals:
            try:
                invoke(machine, final)
            except Exception as exc:
                # Clocks are the source's: nothing is repaired, the other handlers still run.
                machine.handler_failed(exc, final.name)
    finally:
        cell.leave(token)
