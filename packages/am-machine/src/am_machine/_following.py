"""How a machine follows clocks that move elsewhere: updates become pseudo-transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _voices as voices
from ._causality import CAUSE, running_source
from ._engine import invoke, invoke_loud
from ._mutation import NO_ARGS, Mutation
from ._plans import Plan
from ._result import EXECUTED
from ._schema import bits_of
from ._time import Time
from ._transition import Transition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._base import BaseMachine


class Following:
    """The following half of `BaseMachine`, for replicas and players of recorded machines."""

    __slots__ = ()

    def advance(
        self: BaseMachine,
        increments: Iterable[tuple[int, int]],
        *,
        kind: str = "set",
        called: Iterable[int] | None = None,
        queue_tick: int | None = None,
        machine_tick: int | None = None,
    ) -> Transition:
        """Apply an update of (state index, ticks gained) as one pseudo-transition.

        In this order: clocks, contexts and tasks of moved states end, final handlers (`FooEnd`,
        `FooState`, also of multi states that ticked, `AnyState`), tracers, waits. `called` are state
        indexes, by default those whose activity changed. Ticks betray blips: a state still inactive
        whose tick grew by 2 or more was active in between, one still active and not multi was
        inactive; waits on such a state alone count that.

        An exception of a handler goes to `handler_failed`.
        """
        ticks = list(self._ticks)
        for i, gained in increments:
            ticks[i] += gained
        return self._follow(ticks, kind, called, queue_tick, machine_tick)

    def reset_clock(
        self: BaseMachine,
        ticks: Sequence[int],
        *,
        queue_tick: int | None = None,
        machine_tick: int | None = None,
    ) -> Transition:
        """The same with absolute ticks, which may also go back.

        :raises ValueError: if there is not one tick per state.
        """
        if len(ticks) != len(self._ticks):
            raise ValueError(f"{len(ticks)} ticks for {len(self._ticks)} states")
        return self._follow(list(ticks), "set", None, queue_tick, machine_tick)

    def handler_failed(self: BaseMachine, exc: Exception, name: str) -> None:
        """A final handler raised while following; replicas may report it to their source."""
        self.err = exc
        voices.handler_failed(self, exc, name)

    def _follow(
        self: BaseMachine,
        ticks: list[int],
        kind: str,
        called: Iterable[int] | None,
        queue_tick: int | None,
        machine_tick: int | None,
    ) -> Transition:
        bits, multi = self._schema.bits, self._schema.tables.multi
        old, before = self._ticks, self._conf
        changed = active = blips = 0
        for i, tick in enumerate(ticks):
            if tick & 1:
                active |= bits[i]
            if tick != old[i]:
                changed |= bits[i]
                if abs(tick - old[i]) > 1 and not ((tick ^ old[i]) & 1 or multi & tick & bits[i]):
                    blips |= bits[i]
        flipped = before.mask ^ active
        plan = Plan()
        plan.kind = kind
        plan.called = tuple(bits_of(flipped)) if called is None else tuple(called)
        plan.called_mask = sum([bits[i] for i in set(plan.called)])
        plan.is_auto = plan.is_check = False
        plan.accepted = True
        plan.missing = ()
        plan.before = before
        plan.target = tuple(bits_of(active))
        plan.enters = tuple(bits_of(changed & active & (flipped | multi)))
        plan.exits = tuple(bits_of(flipped & ~active))
        plan.increments = tuple([(i, ticks[i] - old[i]) for i in bits_of(changed)])
        plan.changed = changed
        plan.after = self._book.configuration(active)
        plan.votes = ()
        plan.finals = self._book.handlers.finals(plan.exits, plan.enters) if changed else ()
        plan.result = EXECUTED
        plan.continues = plan.looks_for_auto = plan.simple = False
        return self._follow_plan(plan, ticks, queue_tick, machine_tick, blips)

    def _follow_plan(
        self: BaseMachine,
        plan: Plan,
        ticks: list[int],
        queue_tick: int | None,
        machine_tick: int | None,
        blips: int,
    ) -> Transition:
        mutation = Mutation(self._schema, plan.kind, plan.called, NO_ARGS)
        self._plan, self._mutation = plan, mutation
        if self._loud:
            voices.follow(self, plan, mutation)
        else:
            self._transition = Transition(self, plan, mutation, Time(self._ticks))
        transition = self._transition
        assert transition is not None
        self._ticks = ticks
        self._conf = plan.after
        if queue_tick is not None:
            self._queue_tick = queue_tick
        if machine_tick is not None:
            self._machine_tick = machine_tick
        if self._loud:
            voices.applied(self, plan)
        else:
            transition.finish(ticks)
        if plan.changed & self._watched:
            self._expire([i for i, _ in plan.increments], blips)
        if self._loud:
            voices.finals(self)
        if plan.finals:
            self._follow_handlers(plan)
        voices.end(self)
        self._plan = self._mutation = self._transition = self._handling = None
        if plan.changed & self._watched:
            self._wake(plan.changed, blips)
        return transition

    def _follow_handlers(self: BaseMachine, plan: Plan) -> None:
        token = CAUSE.set(running_source(self).settle())
        call = invoke_loud if self._loud else invoke
        try:
            for final in plan.finals:
                try:
                    call(self, final)
                except Exception as exc:
                    # Clocks are the source's: nothing is repaired, the other handlers still run.
                    self.handler_failed(exc, final.name)
        finally:
            CAUSE.reset(token)
