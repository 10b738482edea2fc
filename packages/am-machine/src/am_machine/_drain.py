"""The drain: how mutations get into the queue, and how they leave it as transitions.

A mutation made from outside is taken up at once, and the queue is drained before the call returns;
one made while a drain runs waits for its turn. A drain never yields to the event loop and never
nests on one machine.

Whether anybody listens decides the way: on a *calm* machine (no log level, tracer, steps or
breakpoints) a call without keywords makes no `Mutation`, and never sees the queue.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from . import _voices as voices
from ._causality import Cause, Running, current_source
from ._core import ALIVE, DISPOSING
from ._engine import transit
from ._hot import perform
from ._log import OPS, LogLevel, emit, is_muted
from ._mutation import NO_ARGS, Kind, Mutation, check_args
from ._queueing import Queueing
from ._result import CANCELED, EXECUTED, Result
from ._transition import Transition

if TYPE_CHECKING:
    from contextvars import Token

    from ._binding import Binding
    from ._plans import Configuration, Plan
    from ._transition import Panic

ADD, REMOVE = Kind.ADD, Kind.REMOVE


class Draining(Queueing):
    """The machine below its mutation methods."""

    __slots__ = (
        "_escaped", "_hot", "_is_calm", "_is_quiet", "_is_rebound", "_only_logs", "_running",
        "_token",
    )  # fmt: skip

    # The configuration, while the machine is idle and quiet; else None.
    _hot: Configuration | None
    # Nobody listens to transitions; nor to the end of the drain; nobody but the log.
    _is_calm: bool
    _is_quiet: bool
    _only_logs: bool
    # Handlers were bound or detached in the running transition, which goes on by its plan.
    _is_rebound: bool
    # The cell of causality, and the token to give back another cause afterwards.
    _running: Running
    _token: Token[Cause] | None
    # An exception on its way out of the outermost mutation call.
    _escaped: BaseException | None

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
        self._is_quiet = self._is_calm and not (
            self._is_rebound
            or (hooks is not None and hooks.queue_end)
            or (self._journals and self._notes is None)
        )
        sem_log = self._sem_log
        self._only_logs = not (
            self._breakpoints
            or (hooks is not None and hooks.is_loud)
            or (sem_log is not None and sem_log.steps)
        )
        self._hot = self._conf if self._is_quiet and not self._is_draining else None

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
        if not args and not self._is_draining and self._life == ALIVE and self._queue_limit > 0:
            plan = self._plan_call(kind, states)
            unheard = self._is_calm or (self._only_logs and is_muted(self._log_level))
            if unheard and (plan.direct or (plan.simple and not plan.changed & self._watched)):
                return self._take_up(plan)
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
        if (
            not queue
            and not self._is_draining
            and not (self._loud or self._breakpoints)
            and self._queue_limit > 0
        ):
            mutation = Mutation(self._schema, kind, indexes, args, current_source())
            mutation.queue_tick = self._queue_tick + 1
            plan = self._book.plan(self._conf.mask, kind, indexes)
            return self._run_alone(plan, mutation)
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
        queue.append(mutation)
        return self._enqueued(mutation, "queue")

    def _prepend(self, mutation: Mutation) -> Result:
        """Put a mutation before all others: auto mutations, errors of handlers, checks."""
        queue = self._queue if self._queue is not None else self._make_queue()
        queue.appendleft(mutation)
        return self._enqueued(mutation, "prepend")

    def _enqueued(self, mutation: Mutation, how: str, plan: Plan | None = None) -> Result:
        """A mutation was put into the queue: tell it, and drain unless that is going on."""
        if not self._is_draining:
            return self._drain(mutation, how, plan)
        mutation.result = Result(mutation.queue_tick)
        self._count(mutation)
        if self._loud or self._breakpoints:
            self._tell_queued(mutation, how)
        if self._log_level >= OPS:
            count = len(self._queue or ())
            items = "1 item" if count == 1 else f"{count} items"
            emit(self, LogLevel.OPS, f"[postpone] queue running ({items})")
        return mutation.result

    def _tell_queued(self, mutation: Mutation, how: str) -> None:
        if self._loud:
            if self._log_level >= OPS:
                told = voices.told_call(self, mutation)
                emit(self, LogLevel.OPS, f"[{how}:{mutation.kind}] {told}")
            if self._hooks is not None and self._hooks.mutation_queued:
                self._hooks.fire("mutation_queued", self, mutation)
        if self._breakpoints and how == "queue":
            self._hit_breakpoints(mutation)

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
        if plan.noted and self._hot is not None:
            if plan.finals or plan.votes:
                return perform(self, plan, noted=True)
            if not plan.changed & self._watched:
                # Clocks only, and nobody looks now; somebody reads of it later.
                self._queue_tick += 1
                if (one := plan.one) is not None:
                    self._ticks[one] += 1
                else:
                    plan.move(self._ticks)
                self._conf = self._hot = plan.after
                notes = self._notes
                notes.append(plan)
                notes.append(time_ns())
                if len(notes) >= self._notes_mark:
                    self._journals[0]._filled()
                return EXECUTED
        return self._run_alone(plan, None)

    def _run_alone(self, plan: Plan, mutation: Mutation | None) -> Result:
        """Drain, beginning with a plan; its mutation, if there is one, is seen by nobody."""
        self._hot = None
        self._draining = True
        self._queue_tick += 1
        try:
            result = transit(self, plan, mutation)
        except BaseException:
            self._abort()
            raise
        if self._queue or self._escaped is not None:
            self._drain_on()
        self._draining = False
        self._drained()
        return result

    def _take_up(self, plan: Plan) -> Result:
        """Run a plan on an idle machine to which nobody listens."""
        if plan.direct:
            return perform(self, plan)
        if not plan.simple or plan.changed & self._watched:
            return self._run(plan)
        # Clocks only, and nobody looks.
        self._queue_tick += 1
        plan.move(self._ticks)
        self._conf = plan.after
        self._drained()
        return EXECUTED

    def _run_loud(self, kind: Kind, plan: Plan) -> Result:
        """The same where somebody listens: the mutation is queued for all to see."""
        mutation = Mutation(self._schema, kind, plan.called, NO_ARGS, current_source())
        mutation.queue_tick = self._queue_tick + 1
        queue = self._queue if self._queue is not None else self._make_queue()
        queue.append(mutation)
        return self._enqueued(mutation, "queue", plan)

    def _drain(self, mutation: Mutation, how: str, plan: Plan | None) -> Result:
        """Take mutations until the queue is empty, beginning with the one just put into it; returns
        its result. `plan`, if known, is what it comes to from here."""
        self._hot = None
        self._draining = True
        try:
            # Whoever is told may mutate too; that waits, but a check goes first.
            if self._log_level or self._hooks is not None or self._breakpoints:
                self._tell_queued(mutation, how)
            queue = self._queue
            assert queue is not None
            result = None
            while result is None:
                first = queue.popleft()
                if first is not mutation:
                    self._take(first)
                elif plan is None or plan.before is not self._conf:
                    result = self._take(mutation)
                else:
                    self._queue_tick += 1
                    result = transit(self, plan, mutation)
            if queue or self._escaped is not None:
                self._drain_rest()
        except BaseException:
            self._abort()
            raise
        self._draining = False
        self._drained()
        return result

    def _drain_on(self) -> None:
        """Go on with what a mutation that never had to queue left in the queue."""
        try:
            self._drain_rest()
        except BaseException:
            self._abort()
            raise

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
        if mutation.key is not None:
            self._uncount(mutation.key)
        if mutation.queue_tick:
            self._queue_tick += 1
        plan = self._book.plan(
            self._conf.mask, mutation.kind, mutation.indexes, mutation.is_auto, mutation.is_check
        )
        return transit(self, plan, mutation)

    def _abort(self) -> None:
        """An exception leaves through the outermost call: the drain ends cleanly."""
        if not self._is_draining:
            return
        self._plan = self._mutation = self._transition = self._handling = None
        self._escaped = None
        self._drop_queue()
        self._draining = False
        self._drained()

    def _rebind(self, bindings: tuple[Binding, ...]) -> None:
        self._is_rebound = self._plan is not None
        super()._rebind(bindings)

    def _drained(self) -> None:
        """The queue is empty: tell, wake, and be idle again."""
        if self._is_rebound:
            # Its plan led to a configuration that knows nothing of the handlers bound now.
            self._is_rebound = False
            self._conf = self._book.configuration(self._conf.mask)
            self._retune()
        if self._hooks is not None and self._hooks.queue_end:
            self._hooks.fire("queue_end", self)
        self._end_queue_waits()
        if self._life == DISPOSING:
            self._finish_dispose()
        elif self._is_quiet and not self._is_draining:
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
        return Transition(self, plan, self._running_mutation(), tuple(ticks))

    def _running_mutation(self) -> Mutation:
        """The mutation behind the running transition, made on first sight if it never queued."""
        if self._mutation is None:
            plan = self._plan
            assert plan is not None
            source = self._running.outer(self._token) if self._token is not None else None
            self._mutation = Mutation(self._schema, plan.kind, plan.called, NO_ARGS, source)
        return self._mutation

    def _forget_cause(self, token: Token[Cause] | None) -> None:
        """Handlers have run; whoever asked for their record has it."""
        self._running.leave(token)
        self._token = None
