"""The machine, as its users see it: mutations, life, snapshots.

Mutations are plain calls; what happens to them is in `_drain`. The hot path is `add` (and its
sisters) → `perform` in `_hot`. A quiet machine (no log level, no tracer, no steps, no breakpoints)
that is idle keeps its configuration in `_hot`; there the plan of a call without keywords is one
look-up away, and a plan that concerns clocks only is done on the spot.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

import trio

from ._causality import Running
from ._core import ALIVE, DISPOSING
from ._drain import Draining
from ._errors import SchemaError
from ._hot import perform
from ._log import LogLevel, emit
from ._mutation import Kind, check_args
from ._result import CANCELED, EXECUTED, Result
from ._schema import Schema, compile_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._api import MachineApi
    from ._context import Fork
    from ._errors import HandlerTimeoutError
    from ._snapshot import Snapshot
    from ._state import States
    from ._tracer import Tracer

ADD, REMOVE, SET = Kind.ADD, Kind.REMOVE, Kind.SET


class Machine(Draining):
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

    __slots__ = ()

    _votes = True

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
        log_level: LogLevel = LogLevel.NOTHING,
        tracers: Iterable[Tracer] = (),
    ) -> None:
        self._queue_limit = queue_limit
        self.refused = 0
        self.on_breakpoint = None
        self._breakpoints = None
        self._queue = None
        self._draining = self._is_rebound = False
        self._running = Running()
        self._token = None
        self._escaped = None
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

    @property
    def queue_limit(self) -> int:
        """Most mutations that may wait at once."""
        return self._queue_limit

    @queue_limit.setter
    def queue_limit(self, limit: int) -> None:
        self._queue_limit = limit
        self._retune()

    # ---------------------------------------------------------------- mutations

    def add(self, /, *states: str, **args: Any) -> Result:
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
                # Clocks only, and nobody looks. (`_take_up` in place: most mutations end here.)
                self._queue_tick += 1
                if (one := plan.one) is not None:
                    self._ticks[one] += 1
                else:
                    plan.move(self._ticks)
                self._conf = self._hot = plan.after
                return EXECUTED
            return perform(self, plan) if plan.direct else self._run(plan)
        return self._mutate(ADD, states, args)

    def remove(self, /, *states: str, **args: Any) -> Result:
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
                if (one := plan.one) is not None:
                    self._ticks[one] += 1
                else:
                    plan.move(self._ticks)
                self._conf = self._hot = plan.after
                return EXECUTED
            return perform(self, plan) if plan.direct else self._run(plan)
        return self._mutate(REMOVE, states, args)

    def set(self, /, *states: str, **args: Any) -> Result:
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
            return self._take_up(plan)
        return self._mutate(SET, states, args)

    def toggle(self, /, *states: str, **args: Any) -> Result:
        """Remove the states if all are active at this moment, else add them. Raises as `add`."""
        hot = self._hot
        if hot is None or args or get_ident() != self._owner:
            return (self.remove if self.is_(*states) else self.add)(*states, **args)
        removes = self.is_(*states)
        try:
            plan = (hot.removes if removes else hot.adds)[states]
        except KeyError:
            plan = self._plan_call(REMOVE if removes else ADD, states)
        return self._take_up(plan)

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

    def can_add(self, /, *states: str, **args: Any) -> Result:
        """Whether `add` would be accepted: negotiation only, nothing changes. In a handler the
        check is queued before everything else. Raises as `add`."""
        return self._check(ADD, states, args)

    def can_remove(self, /, *states: str, **args: Any) -> Result:
        """Whether `remove` would be accepted, in the same way."""
        return self._check(REMOVE, states, args)

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
        if self._life != ALIVE:
            return
        if self._is_draining:
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
        for journal in machine._journals:
            journal._rebase()
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
        if self._is_draining:
            raise SchemaError("a schema cannot grow while a transition runs")
        super().set_schema(schema, names)

    # ---------------------------------------------------------------- errors

    def _report_overrun(self, error: HandlerTimeoutError) -> None:
        self._queue_error(error, "ErrHandlerTimeout")

    def _report_again(self) -> None:
        assert self.err is not None
        self.add_err(self.err)

    def _task_failed(self, fork: Fork, exc: Exception) -> None:
        if self._life:
            # No state can tell it any more; it must not get lost.
            super()._task_failed(fork, exc)
        else:
            self.add_err(exc, task=fork.name)

    def _query_failed(self, exc: Exception) -> None:
        self.add_err(exc)


def _is_cancellation(exc: BaseException) -> bool:
    """Whether an exception is nothing but cancellation."""
    if isinstance(exc, BaseExceptionGroup):
        return all(_is_cancellation(inner) for inner in exc.exceptions)
    return isinstance(exc, trio.Cancelled)
