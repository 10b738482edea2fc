"""The part of a machine that needs no queue: handlers, contexts, tasks, tracers, life.

`Machine` adds mutations to it; replicas of machines elsewhere add their transport.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Self
from weakref import ref

import trio

from . import _following as following
from ._binding import Binding, collect
from ._causality import watch_tasks
from ._core import ALIVE, DISPOSED, DISPOSING
from ._errors import SchemaError
from ._journal import Journal
from ._log import LogLevel, complain, emit
from ._schema import Schema, compile_schema
from ._snapshot import Snapshot
from ._tasking import Tasking
from ._tracer import Hooks, Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

    from ._api import MachineApi
    from ._binding import Handler
    from ._errors import HandlerTimeoutError
    from ._state import States
    from ._transition import Transition


class BaseMachine(Tasking):
    """Clocks of states, and all that follows from their changes.

    Reads are valid at all times, from any thread, also after dispose. Everything else belongs to
    the owner thread: the one that made the machine or, once opened, the one that opened it.
    """

    __slots__ = ()

    # Whether states live here; False for replicas.
    is_local = True
    # Whether negotiation handlers can be bound.
    _votes = False

    def __init__(
        self,
        schema: Schema | type[States] | Mapping[str, Any],
        *,
        id: str | None = None,
        handlers: object | None = None,
        parent: MachineApi | None = None,
        tags: Iterable[str] = (),
        handler_timeout: float | None = 1.0,
        catch_exceptions: bool = True,
        log_level: LogLevel = LogLevel.NOTHING,
        tracers: Iterable[Tracer] = (),
    ) -> None:
        super().__init__(
            schema,
            id=id,
            parent=parent,
            tags=tags,
            handler_timeout=handler_timeout,
            catch_exceptions=catch_exceptions,
            log_level=log_level,
        )
        if parent is not None or tracers or log_level or handlers is not None:
            self._introduce(parent, tracers, handlers)

    def _introduce(
        self, parent: MachineApi | None, tracers: Iterable[Tracer], handlers: object | None
    ) -> None:
        own = list(tracers)
        if isinstance(parent, BaseMachine):
            parent._adopt(self)
            own += [tracer for tracer in parent.tracers if not isinstance(tracer, Journal)]
        if own:
            for tracer in own:
                if isinstance(tracer, Journal):
                    tracer._open(self)
            self._listen(own)
            assert self._hooks is not None
            self._hooks.fire("machine_init", self)
            self._hooks.fire("verify_states", self)
        self._retune()
        if handlers is not None:
            self.bind(handlers)

    def _adopt(self, child: BaseMachine) -> None:
        if self._children is None:
            self._children = []
        self._children = [c for c in self._children if c() is not None]
        self._children.append(ref(child))
        if self._hooks is not None:
            self._hooks.fire("new_submachine", self, child)

    # ---------------------------------------------------------------- handlers and tracers

    def bind(self, obj: object, name: str | None = None, *, strict: bool = True) -> Binding:
        """Attach the handlers of an object (its methods named after states) or of a mapping of
        names to callables. The binding's name defaults to the class name.

        :raises HandlerError: for ambiguous names, async negotiation handlers, and, unless `strict`
            is off, methods that look like handlers of states which do not exist.
        """
        self.check_thread()
        handlers = collect(self._schema, obj, strict=strict, voting=self._votes)
        binding = Binding(self, name or type(obj).__name__, self._binding_count, handlers)
        self._binding_count += 1
        first = not self._bindings
        self._rebind((*self._bindings, binding))
        emit(self, LogLevel.OPS, f"[handlers] bind {binding.number}:{binding.name}")
        if first and self.is_err and self.err is not None:
            self._report_again()
        return binding

    def _report_overrun(self, error: HandlerTimeoutError) -> None:
        """A handler took longer than its timeout."""
        self.err = error

    def _report_again(self) -> None:
        """The first handlers came when the machine was in `Exception` already."""

    def _detach(self, binding: Binding) -> None:
        if binding in self._bindings:
            self.check_thread()
            self._rebind(tuple([b for b in self._bindings if b is not binding]))
            emit(self, LogLevel.OPS, f"[handlers] detach {binding.name}")

    def _rebind(self, bindings: tuple[Binding, ...]) -> None:
        self._bindings = bindings
        calls: dict[str, tuple[tuple[Handler, Binding], ...]] = {}
        for binding in bindings:
            for name, fn in binding.handlers.items():
                calls[name] = (*calls.get(name, ()), (fn, binding))
        self._book = self._schema.plans(frozenset(calls), bool(self._journals))
        if self._plan is not None:
            # The running transition may still look for names that are bound no more.
            calls = dict.fromkeys(self._calls, ()) | calls
        self._calls = calls
        self._conf = self._book.configuration(self._conf.mask)
        self._retune()

    def bind_tracer(self, tracer: Tracer) -> None:
        """Add a tracer; it is not sent `machine_init`."""
        self.check_thread()
        if isinstance(tracer, Journal):
            tracer._open(self)
        self._listen((*self.tracers, tracer))

    def detach_tracer(self, tracer: Tracer) -> None:
        """Take a tracer off; one that is not there is ignored."""
        self.check_thread()
        if tracer in self.tracers:
            self._listen([t for t in self.tracers if t is not tracer])

    def _listen(self, tracers: Sequence[Tracer]) -> None:
        """These are the tracers from now on."""
        self._hooks = Hooks(tracers) if tracers else None
        kept = bool(self._journals)
        self._journals = tuple([t for t in tracers if isinstance(t, Journal)])
        self._notes = None
        if len(self._journals) == 1:
            self._notes = self._journals[0]._entries
            self._notes_mark = self._journals[0]._mark
        if kept == bool(self._journals):
            self._retune()
        else:
            # Plans of machines with a journal are others.
            self._rebind(self._bindings)

    @property
    def tracers(self) -> tuple[Tracer, ...]:
        """The tracers bound now."""
        return self._hooks.tracers if self._hooks is not None else ()

    # ---------------------------------------------------------------- life

    async def __aenter__(self) -> Self:
        if self._nursery_manager is not None:
            raise RuntimeError(f"machine {self.id} was opened before")
        self._nursery_manager = trio.open_nursery(strict_exception_groups=True)
        self._nursery = await self._nursery_manager.__aenter__()
        self._owner = get_ident()
        watch_tasks()
        if self._hooks is not None:
            self._hooks.fire("machine_open", self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        try:
            self.dispose()
        finally:
            manager = self._nursery_manager
            try:
                swallowed: bool = await manager.__aexit__(exc_type, exc, traceback)
            except BaseExceptionGroup as group:
                # The body's own exception leaves bare, unless tasks failed too.
                if len(group.exceptions) == 1 and group.exceptions[0] is exc:
                    swallowed = False
                else:
                    raise
            finally:
                self._nursery = None
        return bool(swallowed)

    def on_dispose(self, fn: Callable[[Any], object]) -> None:
        """Call `fn(machine)` on dispose, in order of registration; at once if that was before.

        What it raises is logged.
        """
        self.check_thread()
        if self._life == DISPOSED:
            self._run_disposer(fn)
        else:
            self._disposers = [*(self._disposers or ()), fn]

    def _run_disposer(self, fn: Callable[[Any], object]) -> None:
        try:
            fn(self)
        except Exception as exc:
            complain(self, f"[dispose] {fn!r} raised {exc!r}", exc)

    def dispose(self) -> None:
        """End the machine: contexts expire, tasks are cancelled, waits resolve. Idempotent.

        Children are disposed first, newest first.
        """
        self.check_thread()
        if self._life == ALIVE:
            self._life = DISPOSING
            # An update that is being followed completes first.
            if self._plan is None:
                self._finish_dispose()

    def _finish_dispose(self) -> None:
        for child in reversed(self._children or []):
            machine = child()
            if machine is not None:
                machine.dispose()
        if self._hooks is not None:
            self._hooks.fire("machine_dispose", self)
        self._expire_all()
        for group in list((self._forks or {}).values()):
            for fork in list(group):
                fork.cancel()
        # A callback may register another.
        done = 0
        while self._disposers is not None and done < len(self._disposers):
            fn = self._disposers[done]
            done += 1
            self._run_disposer(fn)
        self._end_waits()
        self._life = DISPOSED
        self._disposers = None
        self._hooks = None
        self._journals = ()
        self._notes = None
        self._rebind(())
        self._end_dispose_waits()

    # ---------------------------------------------------------------- snapshots and growth

    def export(self) -> Snapshot:
        """The clocks as a value that can be kept."""
        emit(self, LogLevel.OPS, f"[import] exported at {sum(self._ticks)} ticks")
        names = self._schema.names
        ticks = tuple(self._ticks)
        return Snapshot(self.id, names, ticks, self._queue_tick, self._machine_tick)

    def set_schema(
        self, schema: Schema | type[States] | Mapping[str, Any], names: Iterable[str]
    ) -> None:
        """Grow the schema; it can only get more states, at the end of the index order.

        New states start at tick 0; waits and contexts live on; relations of old states may change.

        :raises SchemaError: if states would go or move, or `names` does not fit the schema.
        """
        self.check_thread()
        wanted = tuple(names)
        compiled = compile_schema(schema)
        old = self._schema
        if set(wanted) != set(compiled.names) or len(wanted) != len(compiled.names):
            raise SchemaError("the names do not fit the schema")
        if len(wanted) <= len(old.names) or wanted[: len(old.names)] != old.names:
            raise SchemaError("a schema can only grow, keeping the order of its states")
        if compiled.names != wanted:
            compiled = Schema({name: compiled[name] for name in wanted}, groups=compiled.groups)
        self._ticks.extend([0] * (len(wanted) - len(old.names)))
        self._schema = compiled
        self._rebind(self._bindings)
        for journal in self._journals:
            journal._rebase()
        if self._hooks is not None:
            self._hooks.fire("schema_change", self, old)
            self._hooks.fire("verify_states", self)

    # ---------------------------------------------------------------- following

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
        was inactive; waits on such a state alone count that.

        An exception of a handler goes to `handler_failed`.
        """
        states = None if called is None else tuple(called)
        return following.advance(self, tuple(increments), kind, states, queue_tick, machine_tick)

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
        if replaced:
            self._expire_all()
            self._end_tick_waits()
        transition = following.reset(
            self, list(ticks), queue_tick, machine_tick, comparable=not replaced
        )
        if replaced:
            self._wake((1 << len(ticks)) - 1)
        return transition

    def handler_failed(self, exc: Exception, name: str) -> None:
        """A final handler raised while following; replicas may report it to their source."""
        self.err = exc
        complain(self, f"[error] {exc!r} in {name}", exc)
