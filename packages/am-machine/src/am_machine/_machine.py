"""The machine: a queue of mutations, and the drain that turns them into transitions.

Mutations are plain calls. One made from outside is taken up at once and the queue is drained before
the call returns; one made while a drain runs waits for its turn. A drain never yields to the event
loop and never nests on one machine.

The hot path is `add` (and its sisters) → `_run` → `transit`. A quiet machine (no log level, no
tracer, no steps, no breakpoints) that is idle keeps its configuration in `_hot`; there the plan of
a call without keywords is one look-up away, and a plan that concerns clocks only is done on the
spot.
"""

from __future__ import annotations

from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any

import trio

from . import _voices as voices
from ._causality import Cause, Running, current_source
from ._core import ALIVE, DISPOSING
from ._engine import transit
from ._errors import SchemaError
from ._hot import perform
from ._log import OPS, LogLevel, emit, is_muted
from ._mutation import NO_ARGS, Kind, Mutation, check_args
from ._queueing import Queueing
from ._result import CANCELED, EXECUTED, Result
from ._transition import Transition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextvars import Token

    from ._api import MachineApi
    from ._context import Fork
    from ._errors import HandlerTimeoutError
    from ._log import LogLevel as Level
    from ._plans import Configuration, Plan
    from ._schema import Schema
    from ._snapshot import Snapshot
    from ._state import States
    from ._tracer import Tracer
    from ._transition import Panic

ADD, REMOVE, SET = Kind.ADD, Kind.REMOVE, Kind.SET


class Machine(Queueing):
    """A state machine: nondeterministic, multi-state, clock-based, relational, non-blocking.

    `schema` is a `States` class, a `Schema`, or a dict of state names to properties. `handlers` is
    bound as by `bind`; with a `parent` the machine shares the parent's tracers and end. One handler
    call may take `handler_timeout` seconds (0: any time); at most `queue_limit` mutations wait.
    With `catch_exceptions` an exception in a handler becomes the `Exception` state.

    `async with machine:` opens the nursery that async handlers and forks need; leaving it disposes
    the machine. Without it a machine works where nothing is awaited or forked.

    :raises SchemaError: if the schema is faulty.
    :raises HandlerError: if handlers do not fit it.
    """

    __slots__ = (
        "_escaped", "_hot", "_is_calm", "_is_quiet", "_only_logs", "_pending",
        "_queue_limit",
        "_running", "_token", "refused",
    )  # fmt: skip

    def __init__(
        self,
        schema: Schema | type[States] | Mapping[str, Any],
        *,
        id: str | None = None,
        handlers: object | None = None,
        parent: MachineApi | None = None,
        tags: Iterable[str] = (),
        handler_timeout: float | None = 1.0,
        queue_limit: int = 1000,
        catch_exceptions: bool = True,
        log_level: Level = LogLevel.NOTHING,
        tracers: Iterable[Tracer] = (),
    ) -> None:
        self._queue_limit = queue_limit
        # Mutations refused because the queue was full.
        self.refused = 0
        self.on_breakpoint = None
        self._queue = None
        self._pending: dict[tuple[str, frozenset[int]], int]
        self._draining = False
        self._is_quiet = self._is_calm = self._only_logs = True
        # The configuration, while the machine is idle and quiet; else None.
        self._hot: Configuration | None = None
        self._running = Running()
        self._token: Token[Cause] | None = None
        # An exception on its way out of the outermost mutation call.
        self._escaped: BaseException | None = None
        self._breakpoints = None
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
        self._retune()

    def _retune(self) -> None:
        super()._retune()
        # Calm: nobody listens to transitions. Quiet: nor to the end of the drain.
        self._is_calm = (
            not self._loud
            and not self._breakpoints
            and self._life == ALIVE
            and self._queue_limit > 0
        )
        hooks = self._hooks
        self._is_quiet = self._is_calm and not (hooks is not None and hooks.queue_end)
        sem_log = self._sem_log
        self._only_logs = not (
            self._breakpoints
            or (hooks is not None and hooks.is_loud)
            or (sem_log is not None and sem_log.steps)
        )
        self._hot = self._conf if self._is_quiet and not self._draining else None

    @property
    def queue_limit(self) -> int:
        """Most mutations that may wait at once."""
        return self._queue_limit

    @queue_limit.setter
    def queue_limit(self, limit: int) -> None:
        self._queue_limit = limit
        self._retune()

    _votes = True

    # ---------------------------------------------------------------- mutations

    def add(self, *states: str, **args: Any) -> Result:
        """Activate states, and what they imply.

        :raises UnknownStateError: if a name is not a state; nothing is queued.
        :raises ArgsError: if keywords do not fit the args classes of the states.
        :raises RuntimeError: in a thread other than the machine's own.
        """
        if get_ident() != self._owner:
            raise self._wrong_thread()
        hot = self._hot
        if hot is not None and not args:
            try:
                plan = hot.adds[states]
            except (KeyError, TypeError):
                plan = self._plan_call(ADD, states)
            if plan.simple and not plan.changed & self._watched:
                # Clocks only, and nobody looks.
                self._queue_tick += 1
                ticks = self._ticks
                for i, gained in plan.increments:
                    ticks[i] += gained
                self._conf = self._hot = plan.after
                return EXECUTED
            return perform(self, plan) if plan.direct else self._run(plan)
        return self._mutate(ADD, states, args)

    def remove(self, *states: str, **args: Any) -> Result:
        """Deactivate states, and what requires them. Raises as `add`."""
        if get_ident() != self._owner:
            raise self._wrong_thread()
        hot = self._hot
        if hot is not None and not args:
            try:
                plan = hot.removes[states]
            except (KeyError, TypeError):
                plan = self._plan_call(REMOVE, states)
            if plan.simple and not plan.changed & self._watched:
                self._queue_tick += 1
                ticks = self._ticks
                for i, gained in plan.increments:
                    ticks[i] += gained
                self._conf = self._hot = plan.after
                return EXECUTED
            return perform(self, plan) if plan.direct else self._run(plan)
        return self._mutate(REMOVE, states, args)

    def set(self, *states: str, **args: Any) -> Result:
        """Make these the active states, with what they imply; none deactivates all. Raises as
        `add`."""
        if get_ident() != self._owner:
            raise self._wrong_thread()
        hot = self._hot
        if hot is not None and not args:
            try:
                plan = hot.sets[states]
            except (KeyError, TypeError):
                plan = self._plan_call(SET, states)
            return perform(self, plan) if plan.direct else self._run(plan)
        return self._mutate(SET, states, args)

    def toggle(self, *states: str, **args: Any) -> Result:
        """Remove the states if all are active at this moment, else add them. Raises as `add`."""
        if self.is_(*states):
            return self.remove(*states, **args)
        return self.add(*states, **args)

    def add_err(
        self, error: BaseException | str | None, exc: BaseException | None = None, /, **args: Any
    ) -> Result:
        """Record an error and add `Exception`, or with a state name first that state and
        `Exception`. `err` holds it even if the mutation is canceled; `err=` joins the args.

        None and cancellations are no errors: `CANCELED`.

        :raises UnknownStateError: if the name is not a state.
        """
        self.check_thread()
        names: tuple[str, ...] = ("Exception",)
        if isinstance(error, str):
            names = tuple(dict.fromkeys((error, "Exception")))
            indexes = self._schema.indexes(names, self)
            error = exc
        else:
            indexes = self._schema.indexes(names)
        if error is None or _is_cancellation(error) or self._life:
            return CANCELED
        if self._schema.args_classes:
            check_args(self._schema, indexes, {**args, "err": error})
        self.err = error
        return self._put(Kind.ADD, indexes, {**args, "err": error})

    def can_add(self, *states: str, **args: Any) -> Result:
        """Whether `add` would be accepted: negotiation only, nothing changes. In a handler the
        check is queued before everything else. Raises as `add`."""
        return self._check(ADD, states, args)

    def can_remove(self, *states: str, **args: Any) -> Result:
        """Whether `remove` would be accepted, in the same way."""
        return self._check(REMOVE, states, args)

    async def check_add(self, *states: str, **args: Any) -> Result:
        """The outcome of `can_add`, wherever the machine lives. A checkpoint."""
        return await self.can_add(*states, **args)

    async def check_remove(self, *states: str, **args: Any) -> Result:
        """The outcome of `can_remove`, wherever the machine lives. A checkpoint."""
        return await self.can_remove(*states, **args)

    # ---------------------------------------------------------------- into the queue

    def _plan_call(self, kind: Kind, states: tuple[str, ...]) -> Plan:
        """The plan of a call without keywords from here, found or made."""
        conf = self._conf
        by_call = conf.adds if kind is ADD else conf.removes if kind is REMOVE else conf.sets
        try:
            return by_call[states]
        except (KeyError, TypeError):
            schema = self._schema
            indexes = schema.indexes(states, self)
            if schema.args_classes and kind is not REMOVE:
                check_args(schema, indexes, NO_ARGS)
            return self._book.plan_of_call(conf.mask, kind, states)

    def _mutate(self, kind: Kind, states: tuple[str, ...], args: dict[str, Any]) -> Result:
        if not args and not self._draining and self._life == ALIVE and self._queue_limit > 0:
            plan = self._plan_call(kind, states)
            if self._is_calm or (self._only_logs and is_muted(self._log_level)):
                if plan.direct:
                    return perform(self, plan)
                if plan.simple and not plan.changed & self._watched:
                    return self._move_clocks(plan)
            if self._loud or self._breakpoints:
                return self._run_loud(kind, plan)
            return self._run(plan)
        indexes = self._schema.indexes(states, self)
        if self._schema.args_classes and kind is not REMOVE:
            check_args(self._schema, indexes, args)
        if self._life:
            return CANCELED
        return self._put(kind, indexes, args)

    def _put(self, kind: Kind, indexes: tuple[int, ...], args: dict[str, Any]) -> Result:
        """Append a mutation, unless it is refused or needless, and drain."""
        queue = self._queue
        if queue is None:
            queue = self._make_queue()
        if len(queue) >= self._queue_limit and not self._may_pass(kind, indexes):
            self.refused += 1
            return CANCELED
        if (
            kind is REMOVE
            and not queue
            and self._plan is not None
            and not any(self._conf.mask >> i & 1 for i in indexes)
        ):
            return EXECUTED
        if not args and queue and self._is_duplicate(kind, indexes):
            names = " ".join([self._schema.names[i] for i in indexes])
            emit(self, LogLevel.OPS, f"[queue:skipped] Duplicate detected for [{kind}] {names}")
            return EXECUTED
        mutation = Mutation(self._schema, kind, indexes, args, current_source())
        # Those with a tick were appended, so the last one tells how far ticks are given away.
        mutation.queue_tick = 1 + ((queue[-1].queue_tick if queue else 0) or self._queue_tick)
        if self._draining:
            mutation.result = Result(mutation.queue_tick)
        queue.append(mutation)
        if self._draining:
            self._count_pending(mutation, 1)
        return self._queued(mutation, "queue")

    def _count_pending(self, mutation: Mutation, more: int) -> None:
        """Keep count of the pending mutations that make an equal one a duplicate.

        One that is queued while nothing runs is taken at once, and is not counted.
        """
        if mutation.args or mutation.is_check:
            return
        key = (mutation.kind, frozenset(mutation.indexes))
        left = self._pending.get(key, 0) + more
        if left:
            self._pending[key] = left
        else:
            del self._pending[key]

    def _make_queue(self) -> deque[Mutation]:
        """Most machines that wait for something to happen have no queue yet."""
        queue: deque[Mutation] = deque()
        self._queue = queue
        self._pending = {}
        return queue

    def _may_pass(self, kind: Kind, indexes: tuple[int, ...]) -> bool:
        """Errors, and the end of errors, may pass a full queue."""
        exception = self._schema.index["Exception"]
        if exception not in indexes:
            return False
        return kind is (REMOVE if self._conf.mask >> exception & 1 else ADD)

    def _is_duplicate(self, kind: Kind, indexes: tuple[int, ...]) -> bool:
        tables = self._schema.tables
        if any(tables.multi & tables.bits[i] for i in indexes):
            return False
        return (kind, frozenset(indexes)) in self._pending

    def _prepend(self, mutation: Mutation) -> Result:
        """Put a mutation before all others: auto mutations, errors of handlers, checks."""
        if self._queue is None:
            self._make_queue()
        assert self._queue is not None
        if self._draining:
            mutation.result = Result()
        self._queue.appendleft(mutation)
        if self._draining:
            self._count_pending(mutation, 1)
        return self._queued(mutation, "prepend")

    def _tell_queued(self, mutation: Mutation, how: str) -> None:
        if self._loud:
            if self._log_level >= OPS:
                told = voices.told_call(self, mutation)
                emit(self, LogLevel.OPS, f"[{how}:{mutation.kind}] {told}")
            if self._hooks is not None and self._hooks.mutation_queued:
                self._hooks.fire("mutation_queued", self, mutation)
        if self._breakpoints and how == "queue":
            self._hit_breakpoints(mutation)

    def _queued(self, mutation: Mutation, how: str) -> Result:
        self._tell_queued(mutation, how)
        if self._draining:
            if self._log_level >= OPS:
                count = len(self._queue or ())
                items = "1 item" if count == 1 else f"{count} items"
                emit(self, LogLevel.OPS, f"[postpone] queue running ({items})")
            assert mutation.result is not None
            return mutation.result
        return self._drain()

    def _check(self, kind: Kind, states: tuple[str, ...], args: dict[str, Any]) -> Result:
        self.check_thread()
        indexes = self._schema.indexes(states, self)
        if self._schema.args_classes and kind is not REMOVE:
            check_args(self._schema, indexes, args)
        if self._life:
            return CANCELED
        return self._prepend(
            Mutation(self._schema, kind, indexes, args, current_source(), is_check=True)
        )

    def _queue_auto(self) -> None:
        """Auto states may follow the transition that is about to end."""
        plan = self._book.auto_after(self._conf)
        if plan is None:
            return
        if self._loud:
            names = self._schema.names
            voices.blocked_auto(self)
            told = " ".join([names[i] for i in plan.called])
            emit(self, LogLevel.OPS, f"[auto] {told}")
        mutation = Mutation(self._schema, Kind.ADD, plan.called, NO_ARGS, is_auto=True)
        self._prepend(mutation)

    def _queue_error(
        self, exc: Exception, state: str | None = None, *, panic: Panic | None = None
    ) -> None:
        """A handler failed: its error comes next. An error of an error handler is not queued."""
        if self._is_error_running():
            return
        self.err = exc
        index = self._schema.index
        exception = index["Exception"]
        indexes = (index[state], exception) if state and state in index else (exception,)
        args: dict[str, Any] = {"err": exc}
        if panic is not None:
            args["panic"] = panic
        error = Mutation(self._schema, Kind.ADD, indexes, args, current_source())
        error.is_last_word = self._plan is not None and self._plan.is_auto
        self._prepend(error)

    def _is_error_running(self) -> bool:
        """Whether the running mutation calls `Exception`: errors do not nest."""
        plan, mutation = self._plan, self._mutation
        assert plan is not None
        called = mutation.indexes if mutation is not None else plan.called
        return self._schema.index["Exception"] in called

    # ---------------------------------------------------------------- out of the queue

    def _run(self, plan: Plan) -> Result:
        """Drain, beginning with a plan that never had to queue."""
        self._hot = None
        self._draining = True
        self._queue_tick += 1
        try:
            result = transit(self, plan, None)
        except BaseException:
            self._abort()
            raise
        if self._queue or self._escaped is not None:
            self._drain_on()
        self._draining = False
        self._drained()
        return result

    def _move_clocks(self, plan: Plan) -> Result:
        """A transition that nobody but the end of the queue is concerned with."""
        self._queue_tick += 1
        ticks = self._ticks
        for i, gained in plan.increments:
            ticks[i] += gained
        self._conf = plan.after
        self._drained()
        return EXECUTED

    def _run_loud(self, kind: Kind, plan: Plan) -> Result:
        """The same where somebody listens: the mutation is queued for all to see, then taken."""
        mutation = Mutation(self._schema, kind, plan.called, NO_ARGS, current_source())
        mutation.queue_tick = self._queue_tick + 1
        queue = self._queue if self._queue is not None else self._make_queue()
        queue.append(mutation)
        self._tell_queued(mutation, "queue")
        queue.popleft()
        self._draining = True
        self._queue_tick += 1
        try:
            result = transit(self, plan, mutation)
        except BaseException:
            self._abort()
            raise
        if queue or self._escaped is not None:
            self._drain_on()
        self._draining = False
        self._drained()
        return result

    def _drain_on(self) -> None:
        """Go on with what the first mutation left in the queue."""
        try:
            self._drain_rest()
        except BaseException:
            self._abort()
            raise

    def _drain(self) -> Result:
        """Take mutations until the queue is empty; the result of the first one."""
        self._hot = None
        self._draining = True
        result = None
        try:
            queue = self._queue
            assert queue is not None
            result = self._take(queue.popleft())
            self._drain_rest()
        except BaseException:
            self._abort()
            raise
        self._draining = False
        self._drained()
        return result

    def _drain_rest(self) -> None:
        queue = self._queue
        while True:
            if self._escaped is not None:
                escaped, self._escaped = self._escaped, None
                raise escaped
            if not queue or self._life == DISPOSING:
                return
            self._take(queue.popleft())

    def _take(self, mutation: Mutation) -> Result:
        if self._pending:
            self._count_pending(mutation, -1)
        if mutation.queue_tick:
            self._queue_tick += 1
        plan = self._book.plan(
            self._conf.mask, mutation.kind, mutation.indexes, mutation.is_auto, mutation.is_check
        )
        return transit(self, plan, mutation)

    def _abort(self) -> None:
        """An exception leaves through the outermost call: the drain ends cleanly."""
        self._plan = self._mutation = self._transition = self._handling = None
        self._escaped = None
        self._drop_queue()
        self._draining = False
        self._drained()

    def _drop_queue(self) -> None:
        queue = self._queue
        if queue:
            self._pending.clear()
        while queue:
            mutation = queue.popleft()
            if mutation.result is not None:
                mutation.result.settle(CANCELED)
        if self._waits is not None:
            self._wake_queue(self._waits)

    def _drained(self) -> None:
        """The queue is empty: tell, wake, and be idle again."""
        if self._hooks is not None and self._hooks.queue_end:
            self._hooks.fire("queue_end", self)
        self._end_queue_waits()
        if self._life == DISPOSING:
            self._finish_dispose()
        elif self._is_quiet and not self._draining:
            self._hot = self._conf

    # ---------------------------------------------------------------- the running transition

    @property
    def transition(self) -> Transition | None:
        """The running transition, None outside of a drain."""
        if self._transition is None and self._plan is not None:
            self._transition = self._record()
        return self._transition

    def _record(self) -> Transition:
        """The record of the running transition, made on first sight."""
        plan = self._plan
        assert plan is not None
        ticks = list(self._ticks)
        if self._handling is not None and self._handling.is_final:
            # Clocks have moved already.
            for i, gained in plan.increments:
                ticks[i] -= gained
        if self._mutation is None:
            source = self._running.outer(self._token) if self._token is not None else None
            self._mutation = Mutation(self._schema, plan.kind, plan.called, NO_ARGS, source)
        return Transition(self, plan, self._mutation, tuple(ticks))

    def _forget_cause(self, token: Token[Cause] | None) -> None:
        """Handlers have run; whoever asked for their record has it."""
        self._running.leave(token)
        self._token = None

    # ---------------------------------------------------------------- life

    def dispose(self) -> None:
        """End the machine: see `BaseMachine.dispose`. An active `Start` is removed first.

        In a drain the running transition completes, the rest of the queue is dropped, then it ends.
        """
        self.check_thread()
        if self._life != ALIVE:
            return
        if self._draining:
            self._life = DISPOSING
            self._retune()
            return
        if "Start" in self._schema.index and self.is_("Start"):
            self.remove("Start")
        if self._life == ALIVE:
            self._life = DISPOSING
            self._finish_dispose()

    def _finish_dispose(self) -> None:
        self._retune()
        self._drop_queue()
        super()._finish_dispose()

    @classmethod
    def restore(
        cls,
        snapshot: Snapshot,
        schema: Schema | type[States] | Mapping[str, Any],
        *,
        id: str | None = None,
        **options: Any,
    ) -> Machine:
        """A machine with the clocks of a snapshot, in the snapshot's order of states.

        Its machine tick is one higher; no handler, auto mutation or wait runs for what is active
        again. If the schema has `MachineRestored`, that is added. `options` are the constructor's.

        :raises SchemaError: if snapshot and schema name different states.
        """
        from ._schema import Schema, compile_schema

        compiled = compile_schema(schema)
        if set(compiled.names) != set(snapshot.state_names):
            raise SchemaError("the snapshot has other states than the schema")
        if compiled.names != snapshot.state_names:
            ordered = {name: compiled[name] for name in snapshot.state_names}
            compiled = Schema(ordered, groups=compiled.groups)
        machine = cls(compiled, id=id or snapshot.id, **options)
        machine._ticks = list(snapshot.time)
        active = sum([1 << i for i, tick in enumerate(snapshot.time) if tick & 1])
        machine._conf = machine._book.configuration(active)
        machine._machine_tick = snapshot.machine_tick + 1
        machine._retune()
        told = f"imported {machine._machine_tick} times, now at {sum(machine._ticks)} ticks"
        emit(machine, LogLevel.CHANGES, f"[import] {told}")
        if "MachineRestored" in compiled.index:
            machine.add("MachineRestored")
        return machine

    def set_schema(
        self, schema: Schema | type[States] | Mapping[str, Any], names: Iterable[str]
    ) -> None:
        """Grow the schema: see `BaseMachine.set_schema`; not while a drain runs (`SchemaError`)."""
        if self._draining:
            raise SchemaError("a schema cannot grow while a transition runs")
        super().set_schema(schema, names)

    # ---------------------------------------------------------------- errors

    def _report_overrun(self, error: HandlerTimeoutError) -> None:
        self._queue_error(error, "ErrHandlerTimeout")

    def _report_again(self) -> None:
        assert self.err is not None
        self.add_err(self.err)

    def _task_failed(self, fork: Fork, exc: Exception) -> None:
        self.add_err(exc, task=fork.name)

    def _query_failed(self, exc: Exception) -> None:
        self.add_err(exc)


def _is_cancellation(exc: BaseException) -> bool:
    """Whether an exception is nothing but cancellation."""
    if isinstance(exc, BaseExceptionGroup):
        return all(_is_cancellation(inner) for inner in exc.exceptions)
    return isinstance(exc, trio.Cancelled)
