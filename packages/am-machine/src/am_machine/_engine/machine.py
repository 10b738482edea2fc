"""The machine, as its users see it: mutations, queue, life, snapshots.

Mutations are plain calls; what happens to them is in `queueing`, `draining` and `procedure`. The
way of most is short: `add` (and its sisters) → `perform` in `fast_path`. A machine that is idle and
that nobody listens to keeps its configuration in `_fast`; there the plan of a call is one look-up
away, and a plan that concerns clocks only is done on the spot.
"""

from __future__ import annotations

from threading import get_ident
from time import time_ns
from typing import TYPE_CHECKING, Any, Unpack

import trio

from .._causality import current_cause, current_source
from .._errors import SchemaError
from .._result import CANCELED, EXECUTED, Result
from .._schema.plans import CLOCKS, HANDLERS, Plan
from .._waits import waiting
from .._watch.listening import Observed
from .._watch.log import LogLevel
from . import draining, introspection, life, mending, queueing, recovery
from .base import BaseMachine
from .binding import check_subclass
from .draining import run_whole
from .fast_path import perform
from .mutation import Kind, Mutation, check_args, check_known_args, check_required_args
from .queueing import mutate_noted, mutate_with_args, put
from .reporting import note_of_cause

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable, Mapping

    from .._errors import HandlerTimeoutError
    from .._schema.explanation import Explanation
    from .._schema.schema import Schema
    from .._schema.states import States
    from .._snapshot import Snapshot
    from .._waits.context import Fork
    from .._waits.waits import Wait
    from .._watch.journal import Journal
    from .._watch.tracer import Tracer
    from .api import MachineApi
    from .binding import Handlers
    from .introspection import Refusal
    from .options import MachineOptions

ADD, REMOVE, SET = Kind.ADD, Kind.REMOVE, Kind.SET


class Machine(BaseMachine):
    """A state machine: nondeterministic, multi-state, clock-based, relational, non-blocking.

    `schema` is a `States` class, a `Schema`, or a dict of state names to properties. `handlers` is
    bound as by `bind`; with a `parent` the machine shares the parent's tracers and end. One handler
    call may take `handler_timeout` seconds (0: any time); at most `queue_limit` mutations wait, and
    one call from outside is cut after `queue_rounds` that cause each other (None: never). With
    `catch_exceptions` an exception in a handler becomes the `Exception` state.

    `async with machine:` opens the nursery that async handlers and forks need; leaving it disposes
    the machine. Without it a machine works where nothing is awaited or forked.

    :raises SchemaError: if the schema is faulty.
    :raises HandlerError: if handlers do not fit it, or a subclass has methods named like handlers.
    :raises RuntimeError: if `parent` is disposed.
    """

    __slots__ = (
        "_breakpoints", "_counts", "_draining", "_is_dirty", "_is_noting", "_is_quick",
        "_queue", "_queue_limit", "_queue_rounds", "_refusal", "_sole_journal", "on_breakpoint",
        "refused",
    )  # fmt: skip

    _votes = True

    refused: int
    """Mutations refused because the queue was full."""
    on_breakpoint: Callable[[Any], object] | None
    """Called with the machine when a breakpoint is hit; what it raises is logged."""

    # Nobody listens, or one journal, and nothing else stands in the way of the fast path.
    _is_quick: bool
    # The same, where several journals listen, or those who hear of the end of the queue.
    _is_noting: bool
    # The journal, if it is all that listens.
    _sole_journal: Journal | None
    _queue: deque[Mutation] | None
    # How many pending mutations (checks aside) of a kind call a state; made when it is first asked.
    _counts: dict[tuple[str, int], int] | None
    _queue_limit: int
    _queue_rounds: int | None
    # Set while the queue is drained; in a transition `_plan` tells.
    _draining: bool
    # Something was interrupted, and could not be mended at once.
    _is_dirty: bool
    # What the last canceled call came to.
    _refusal: Refusal | None
    # (added, removed, strict), by state index.
    _breakpoints: list[tuple[tuple[int, ...], tuple[int, ...], bool]] | None

    def __init__(
        self,
        schema: Schema | type[States] | Mapping[str, Any],
        *,
        id: str | None = None,
        handlers: Handlers | None = None,
        parent: MachineApi | None = None,
        tags: Iterable[str] = (),
        handler_timeout: float | None = 1.0,
        queue_limit: int = 1000,
        queue_rounds: int | None = 100_000,
        catch_exceptions: bool = True,
        log_level: LogLevel = LogLevel.NOTHING,
        tracers: Iterable[Tracer] = (),
    ) -> None:
        self._queue_limit = queue_limit
        self._queue_rounds = queue_rounds
        self.refused = 0
        self.on_breakpoint = None
        self._breakpoints = None
        self._queue = None
        self._draining = self._is_dirty = self._is_noting = False
        self._refusal = self._sole_journal = None
        self._counts = None
        super().__init__(
            schema,
            id=id,
            handlers=handlers,
            parent=parent,
            tags=tags,
            handler_timeout=handler_timeout,
            catch_exceptions=catch_exceptions,
            log_level=log_level,
            tracers=tracers,
        )
        if type(self) is not Machine:
            check_subclass(type(self), Machine, self._schema)
        self._retune()

    @property
    def queue_limit(self) -> int:
        """Most mutations that may wait at once."""
        return self._queue_limit

    @queue_limit.setter
    def queue_limit(self, limit: int) -> None:
        self._queue_limit = limit
        self._retune()

    def _retune(self) -> None:
        super()._retune()
        if self._breakpoints:
            self._observed = Observed.FULL
        self._find_short_ways()

    def _find_short_ways(self) -> None:
        """Find out which ways past the queue are open, by who listens and what goes on."""
        listening, is_noted = self._listening, self._observed is Observed.JOURNAL
        is_sole = is_noted and len(listening.journals) == 1 and not listening.queue_end
        self._sole_journal = listening.journals[0] if is_sole else None
        takes = self._life == life.ALIVE and self._queue_limit > 0
        self._is_quick = takes and (is_sole or self._observed is Observed.NONE)
        self._is_noting = takes and is_noted and not (is_sole or self._is_stale or self._is_dirty)
        is_ready = self._is_quick and not (self._is_busy or self._is_stale or self._is_dirty)
        self._fast = self._conf if is_ready else None

    def _handlers_changed(self) -> None:
        self._fast = None
        self._is_noting = False
        super()._handlers_changed()

    def _renew_plans(self) -> None:
        super()._renew_plans()
        self._find_short_ways()

    @property
    def _is_busy(self) -> bool:
        """Whether a mutation made now has to wait for its turn."""
        return self._draining or self._plan is not None

    def _plan_of(self, kind: str, states: tuple[str, ...]) -> Plan:
        """The plan of a call from here.

        :raises UnknownStateError: if a name is not a state.
        """
        try:
            return self._book.plan_of_call(self._conf.mask, kind, states)
        except Exception:
            # Tell it of this machine, or find what can be hashed.
            indexes = self._schema.indexes(states, self)
            names = tuple([self._schema.names[i] for i in indexes])
            return self._book.plan_of_call(self._conf.mask, kind, names)

    def _prepend(self, mutation: Mutation) -> Result:
        return queueing.prepend(self, mutation)

    # As methods without a frame of their own: they are called in most transitions.
    _drain = draining.drain
    _drained = draining.drained

    # ---------------------------------------------------------------- mutations

    def add(self, /, *states: str, **args: Any) -> Result:
        """Activate states, and what they imply.

        :raises UnknownStateError: if a name is not a state; nothing is queued.
        :raises ArgsError: if keywords do not fit the args classes of the states.
        :raises RuntimeError: in a thread other than the machine's own.
        """
        if get_ident() != self._owner:
            raise self._wrong_thread()
        fast = self._fast
        if fast is None or args:
            if self._plan is not None:
                return put(self, ADD, states, args)
            if fast is not None:
                return mutate_with_args(self, ADD, fast.adds, states, args)
            if self._is_noting and not args:
                return mutate_noted(self, ADD, self._conf.adds, states)
            return queueing.mutate(self, ADD, states, args)
        try:
            plan = fast.adds[states]
        except (KeyError, TypeError):
            plan = self._plan_of(ADD, states)
        try:
            if plan.changed & self._watched:
                return run_whole(self, plan)
            if (one := plan.quick) is not None:  # as most mutations: one clock, and nobody looks
                self._queue_tick += 1
                self._ticks[one] += 1
                self._conf = self._fast = plan.after
                if (journal := self._sole_journal) is not None:
                    told, cause = None, current_cause()
                    if not (cause is None or cause._running is None):
                        told = note_of_cause(cause)
                    items = journal._items
                    items += (plan, time_ns(), self._queue_tick, told)
                    if len(items) >= journal._mark:
                        journal.filled()
                return EXECUTED
            if plan.fast is CLOCKS and self._sole_journal is None:
                self._queue_tick += 1
                for i, gained in plan.increments:
                    self._ticks[i] += gained
                self._time_offset += plan.gained - 1
                self._conf = self._fast = plan.after
                return EXECUTED
            if plan.fast is not None:
                return perform(self, plan, None, True)
            return run_whole(self, plan)
        except BaseException:
            mending.interrupted(self)
            raise

    def remove(self, /, *states: str, **args: Any) -> Result:
        """Deactivate states, and what requires them. Raises as `add`."""
        if get_ident() != self._owner:
            raise self._wrong_thread()
        fast = self._fast
        if fast is None or args:
            if self._plan is not None:
                return put(self, REMOVE, states, args)
            if fast is not None:
                return mutate_with_args(self, REMOVE, fast.removes, states, args)
            if self._is_noting and not args:
                return mutate_noted(self, REMOVE, self._conf.removes, states)
            return queueing.mutate(self, REMOVE, states, args)
        try:
            plan = fast.removes[states]
        except (KeyError, TypeError):
            plan = self._plan_of(REMOVE, states)
        try:
            if plan.changed & self._watched:
                return run_whole(self, plan)
            if (one := plan.quick) is not None:  # as most mutations: one clock, and nobody looks
                self._queue_tick += 1
                self._ticks[one] += 1
                self._conf = self._fast = plan.after
                if (journal := self._sole_journal) is not None:
                    told, cause = None, current_cause()
                    if not (cause is None or cause._running is None):
                        told = note_of_cause(cause)
                    items = journal._items
                    items += (plan, time_ns(), self._queue_tick, told)
                    if len(items) >= journal._mark:
                        journal.filled()
                return EXECUTED
            if plan.fast is CLOCKS and self._sole_journal is None:
                self._queue_tick += 1
                for i, gained in plan.increments:
                    self._ticks[i] += gained
                self._time_offset += plan.gained - 1
                self._conf = self._fast = plan.after
                return EXECUTED
            if plan.fast is not None:
                return perform(self, plan, None, True)
            return run_whole(self, plan)
        except BaseException:
            mending.interrupted(self)
            raise

    def set(self, /, *states: str, **args: Any) -> Result:
        """Make these the active states, with what they imply; none deactivates all. Raises as
        `add`."""
        if get_ident() != self._owner:
            raise self._wrong_thread()
        fast = self._fast
        if fast is None or args:
            if self._is_noting and not args:
                return mutate_noted(self, SET, self._conf.sets, states)
            return queueing.mutate(self, SET, states, args)
        plan = fast.sets.get(states) or self._plan_of(SET, states)
        return self._run(plan)

    def toggle(self, /, *states: str, **args: Any) -> Result:
        """Remove the states if all are active at this moment, else add them. Raises as `add`."""
        if get_ident() != self._owner:
            raise self._wrong_thread()
        active = self._conf.mask
        # (Not by `is_`, which keeps the answer.)
        single = len(states) == 1 and isinstance(states[0], str)
        i = self._schema.index.get(states[0]) if single else None
        if i is not None:
            removes = bool(active >> i & 1)
        else:
            mask = self._schema.mask(states, self)
            removes = active & mask == mask
        fast = self._fast
        if fast is None or args:
            return (self.remove if removes else self.add)(*states, **args)
        try:
            plan = (fast.removes if removes else fast.adds)[states]
        except KeyError:
            plan = self._plan_of(REMOVE if removes else ADD, states)
        return self._run(plan)

    def _run(self, plan: Plan) -> Result:
        """Run the plan of a call without keywords on an idle machine to which nobody listens, or
        one journal."""
        try:
            if plan.changed & self._watched or plan.fast is None:
                return draining.run_whole(self, plan)
            if plan.fast is HANDLERS or self._sole_journal is not None:
                return perform(self, plan, None, True)
            self._queue_tick += 1
            plan.move(self._ticks)
            self._time_offset += plan.gained - 1
            self._conf = self._fast = plan.after
            return EXECUTED
        except BaseException:
            mending.interrupted(self)
            raise

    def _first_plan(self, kind: Kind, states: tuple[str, ...]) -> Plan:
        """The plan of a call that was not made from here before, without keywords.

        :raises UnknownStateError: if a name is not a state.
        """
        return self._plan_of(kind, states)

    def add_err(
        self, error: BaseException | str | None, exc: BaseException | None = None, /, **args: Any
    ) -> Result:
        """Record an error and add `Exception`, or with a state name first that state and
        `Exception`. `err` holds it even if the mutation is canceled; `err=` joins the args.

        None and cancellations are no errors: `CANCELED`.

        :raises UnknownStateError: if the name is not a state.
        :raises TypeError: if it is no exception, such as the class of one.
        :raises ArgsError: if keywords do not fit the args classes of the states.
        """
        self.check_thread()
        names: tuple[str, ...] = ("Exception",)
        if isinstance(error, str):
            names = tuple(dict.fromkeys((error, "Exception")))
            error = exc
        indexes = self._schema.indexes(names, self)
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"add_err takes an exception, not {error!r:.100}")
        if error is None or _is_cancellation(error) or self._life:
            if self._life:
                self._refusal = queueing.DISPOSED
            return CANCELED
        if self._schema.args_classes:
            # `err` is the machine's own: a class may want it, and need not know it.
            mine = {key: value for key, value in args.items() if key != "err"}
            check_known_args(self._schema, indexes, mine)
            check_required_args(self._schema, indexes, {*mine, "err"})
        return self._add_own_error(names, error, args)

    def _add_own_error(
        self, names: tuple[str, ...], error: BaseException, args: Mapping[str, Any]
    ) -> Result:
        """Add error states with what the machine itself knows of them: no args class is asked."""
        self.err = error
        return queueing.add_own(self, names, {**args, "err": error})

    def can_add(self, /, *states: str, **args: Any) -> Result:
        """Whether `add` would be accepted: negotiation only, nothing changes. In a handler the
        check is queued before everything else. Raises as `add`."""
        return self._check(ADD, states, args)

    def can_remove(self, /, *states: str, **args: Any) -> Result:
        """Whether `remove` would be accepted, in the same way."""
        return self._check(REMOVE, states, args)

    def _check(self, kind: Kind, states: tuple[str, ...], args: dict[str, Any]) -> Result:
        self.check_thread()
        indexes = self._schema.indexes(states, self)
        if self._schema.args_classes and kind is not REMOVE:
            check_args(self._schema, indexes, args)
        if self._life:
            return queueing.refuse(self, args)
        return queueing.prepend(
            self,
            Mutation(self._schema, kind, indexes, args, current_source(), is_check=True),
        )

    async def check_add(self, /, *states: str, **args: Any) -> Result:
        """The outcome of `can_add`, wherever the machine lives. A checkpoint."""
        return await self.can_add(*states, **args)

    async def check_remove(self, /, *states: str, **args: Any) -> Result:
        """The outcome of `can_remove`, wherever the machine lives. A checkpoint."""
        return await self.can_remove(*states, **args)

    # ---------------------------------------------------------------- life

    def dispose(self) -> None:
        """End the machine: see `BaseMachine.dispose`. An active `Start` is removed first.

        In a drain the running transition completes, the rest of the queue is dropped, then it ends.
        """
        self.check_thread()
        if self._is_busy:
            if self._life == life.ALIVE:
                self._life = life.DISPOSING
                self._retune()
            return
        if self._is_dirty:
            mending.mend(self)
        errors: list[BaseException] = []
        if self._life == life.ALIVE and "Start" in self._schema.index and self.is_("Start"):
            try:
                self.remove("Start")
            except BaseException as exc:
                errors.append(exc)
        try:
            life.end(self)
        except BaseException as exc:
            errors.append(exc)
        life.raise_all(f"the end of machine {self.id} raised", errors)

    def _release_queue(self) -> None:
        draining.drop_queue(self)

    @classmethod
    def restore(
        cls,
        snapshot: Snapshot,
        schema: Schema | type[States] | Mapping[str, Any],
        *,
        id: str | None = None,
        handlers: Handlers | None = None,
        parent: MachineApi | None = None,
        **options: Unpack[MachineOptions],
    ) -> Machine:
        """A machine with the clocks of a snapshot, in the snapshot's order of states.

        Its machine tick is one higher; no handler, auto mutation or wait runs for what is active
        again. If the schema has `MachineRestored`, that is added. `options` are the constructor's.

        :raises SchemaError: if snapshot and schema name different states.
        """
        from . import restoring  # here, as few machines go on from a snapshot

        compiled = restoring.schema_for(snapshot, schema)
        machine = cls(compiled, id=id or snapshot.id, handlers=handlers, parent=parent, **options)
        restoring.wind(machine, snapshot)
        return machine

    def set_schema(
        self, schema: Schema | type[States] | Mapping[str, Any], names: Iterable[str]
    ) -> None:
        """Grow the schema: see `BaseMachine.set_schema`; not while a drain runs (`SchemaError`)."""
        if self._is_busy:
            raise SchemaError("a schema cannot grow while a transition runs")
        super().set_schema(schema, names)

    # ---------------------------------------------------------------- queue

    @property
    def queue(self) -> tuple[Mutation, ...]:
        """Pending mutations, the next one first; the running one is not among them. A copy."""
        # After an interruption that is not mended yet, what is left there will never run.
        return introspection.queue_of(self) if not self._is_dirty else ()

    def _queue_len(self) -> int:
        return len(self._queue) if self._queue else 0

    def is_queued(
        self,
        kind: str,
        *states: str,
        without_args: bool = False,
        exact: bool = False,
        min_tick: int = 0,
        check: bool = False,
        position: str = "any",
    ) -> bool:
        """Whether a mutation of this kind that calls all these states is pending.

        `exact`: it calls no others. `without_args`: it has none. `min_tick`: its queue tick is at
        least that. `check`: a check is meant. `position`: any, first or last of the queue.

        :raises UnknownStateError: if a name is not a state.
        :raises ValueError: if `kind` or `position` is none of those.
        """
        return introspection.is_queued(
            self, kind, states, without_args, exact, min_tick, check, position
        )

    def will_be(self, *states: str) -> bool:
        """Whether adding these states is pending; implied states are not seen."""
        return self.is_queued("add", *states)

    def will_be_removed(self, *states: str) -> bool:
        """Whether removing these states is pending."""
        return self.is_queued("remove", *states)

    def when_queue(self, result: Result) -> Wait:
        """The mutation behind a queued result was processed, or dropped from the queue."""
        return waiting.wait_for_result(self, result)

    def when_queue_ends(self) -> Wait:
        """No drain is running, now or once the running one has ended."""
        return waiting.wait_for_queue_end(self, not self._is_busy)

    # ---------------------------------------------------------------- why

    @property
    def why(self) -> str | None:
        """Why the last canceled call was canceled, in a line; None if none was."""
        return introspection.format_refusal(self, self._refusal) if self._refusal else None

    def explain(self, *states: str, kind: str = "add") -> Explanation:
        """What a mutation of these states would come to now, with the reasons: relations, the
        queue, and handlers that were against it when it was tried last from here.

        No handler is called. In any thread.

        :raises UnknownStateError: if a name is not a state.
        :raises ValueError: if `kind` is none of add, remove, set.
        """
        return introspection.explain(self, states, kind)

    # ---------------------------------------------------------------- breakpoints

    def add_breakpoint(
        self,
        added: Iterable[str] = (),
        removed: Iterable[str] = (),
        strict: bool = False,
    ) -> None:
        """Stop by when an `add` of exactly `added` (in this order), or a `remove` of exactly
        `removed`, is queued: one log line with the stack, and `on_breakpoint(machine)` if set.

        `strict` ignores mutations to how the states are already.

        :raises UnknownStateError: if a name is not a state.
        """
        self.check_thread()
        schema = self._schema
        point = (schema.indexes(added, self), schema.indexes(removed, self), strict)
        self._breakpoints = [*(self._breakpoints or ()), point]
        self._retune()

    def _hit_breakpoints(self, mutation: Mutation) -> None:
        from . import breakpoints  # here, as few machines have any

        breakpoints.hit(self, mutation)

    # ---------------------------------------------------------------- errors

    def _report_overrun(self, error: HandlerTimeoutError) -> None:
        if self._life:
            super()._report_overrun(error)
        elif not recovery.is_error_running(self):
            recovery.queue_error(self, error, "ErrHandlerTimeout")

    def _report_again(self) -> None:
        assert self.err is not None
        self.add_err(self.err)

    def _task_failed(self, fork: Fork, exc: Exception) -> None:
        if self._life:
            # No state can tell it any more; it must not get lost.
            super()._task_failed(fork, exc)
        else:
            self._add_own_error(("Exception",), exc, {"task": fork.name})

    def _query_failed(self, exc: Exception) -> None:
        if self._life:
            super()._query_failed(exc)
        else:
            self._add_own_error(("Exception",), exc, {})


def _is_cancellation(exc: BaseException) -> bool:
    """Whether an exception is nothing but cancellation."""
    if isinstance(exc, BaseExceptionGroup):
        return all(_is_cancellation(inner) for inner in exc.exceptions)
    return isinstance(exc, trio.Cancelled)
