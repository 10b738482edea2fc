"""The part of a machine that needs no queue: clocks, checks, contexts, tasks, tracers, handlers.

`Machine` adds mutations to it; replicas of machines elsewhere add the transport of theirs. Waits are
in `_waiting`, mixed in here.
"""

from __future__ import annotations

import threading
from threading import get_ident
from typing import TYPE_CHECKING, Any, Self
from weakref import ref

import trio

from . import _text
from ._binding import Binding, collect
from ._causality import current_source
from ._context import Fork, StateContext
from ._errors import NotOpenError, SchemaError
from ._following import Following
from ._log import DEFAULT_ARGS, LogArgs, LogLevel, complain, emit
from ._schema import Schema, compile_schema
from ._snapshot import Snapshot
from ._steps import SemLog
from ._time import Time
from ._tracer import Hooks, Tracer
from ._transition import Event, Transition, new_id
from ._waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from ._binding import Handler
    from ._errors import HandlerTimeoutError
    from ._handlers import HandlerCall
    from ._mutation import Mutation
    from ._plans import Configuration, Plan, PlanBook
    from ._state import States

# Stages of a machine's life.
ALIVE, DISPOSING, DISPOSED = 0, 1, 2
# Forks bound to the machine's life are kept under this instead of a state index.
_LIFE = -1


class BaseMachine(Following, Waiting):
    """Clocks of states, and all that follows from their changes.

    Reads are valid at all times, from any thread, also after dispose. Everything else belongs to
    the owner thread: the one that made the machine or, once opened, the one that opened it.
    """

    __slots__ = (
        "__weakref__", "_binding_count", "_bindings", "_book", "_calls", "_children", "_conf",
        "_contexts", "_disposers", "_forks", "_handling", "_hooks", "_id", "_life", "_log_args",
        "_log_level", "_loud", "_machine_tick", "_mutation", "_nursery", "_nursery_manager",
        "_owner", "_owner_name", "_plan", "_pre_log", "_queue_tick", "_schema", "_sem_log", "_slow",
        "_ticks", "_timeout", "_told_cycle", "_transition", "_waits", "_watched", "catch_exceptions", "err",
        "log_traceback", "parent", "tags",
    )  # fmt: skip

    # Whether states live here; False for replicas.
    is_local = True
    # Whether negotiation handlers can be bound.
    _votes = True

    def __init__(
        self,
        schema: Schema | type[States] | Mapping[str, Any],
        *,
        id: str | None = None,
        handlers: object | None = None,
        parent: BaseMachine | None = None,
        tags: Iterable[str] = (),
        handler_timeout: float | None = 1.0,
        catch_exceptions: bool = True,
        log_level: LogLevel = LogLevel.NOTHING,
        tracers: Iterable[Tracer] = (),
    ) -> None:
        self._schema = compile_schema(schema)
        self._id = id
        self.parent = parent
        self.tags = tuple(tags) if tags else ()
        # The last error; it stays when `Exception` is removed.
        self.err: BaseException | None = None
        # Whether an unhandled exception in a handler becomes the `Exception` state.
        self.catch_exceptions = catch_exceptions
        # Whether error lines come with the traceback.
        self.log_traceback = True
        self._owner = get_ident()
        self._owner_name: str | None = None
        self._ticks = [0] * len(self._schema.names)
        self._queue_tick = 1
        self._machine_tick = 0
        self._book: PlanBook = self._schema.plans(frozenset())
        self._conf: Configuration = self._book.configuration(0)
        self._life = ALIVE
        self._log_level = log_level
        self._log_args: LogArgs | None = None
        self._sem_log: SemLog | None = None
        self._pre_log: list[Any] | None = None
        self._loud = False
        self._told_cycle = False
        self._slow = self._timeout = 0.0
        self._bindings: tuple[Binding, ...] = ()
        self._binding_count = 0
        # Handler name -> (function, binding), in order of binding.
        self._calls: dict[str, tuple[tuple[Handler, Binding], ...]] = {}
        self._hooks: Hooks | None = None
        self._children: list[ref[BaseMachine]] | None = None
        self._disposers: list[Callable[[Any], object]] | None = None
        # Union of the states that waits, contexts and tasks look at.
        self._watched = 0
        self._waits = None
        self._contexts: dict[int, ref[StateContext]] | None = None
        self._forks: dict[int, dict[Fork, None]] | None = None
        self._nursery: trio.Nursery | None = None
        self._nursery_manager: Any = None
        # The running transition: its plan, its mutation if it has keywords, its record if somebody
        # looked, the handler being called.
        self._plan: Plan | None = None
        self._mutation: Mutation | None = None
        self._transition: Transition | None = None
        self._handling: HandlerCall | None = None
        if handler_timeout is not None:
            self.handler_timeout = handler_timeout
        if parent is not None or tracers or log_level or handlers is not None:
            self._introduce(parent, tracers, handlers)

    def _introduce(
        self, parent: BaseMachine | None, tracers: Iterable[Tracer], handlers: object | None
    ) -> None:
        own = list(tracers)
        if parent is not None:
            parent._adopt(self)
            if parent._hooks is not None:
                own += parent._hooks.tracers
        if own:
            self._hooks = Hooks(own)
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

    def _retune(self) -> None:
        """Find out whether transitions have to tell anybody."""
        hooks, sem_log = self._hooks, self._sem_log
        self._loud = bool(
            self._log_level > LogLevel.NOTHING
            or (hooks is not None and hooks.is_loud)
            or (sem_log is not None and sem_log.steps)
        )
        if self._log_level >= LogLevel.CHANGES and not self._told_cycle:
            self._told_cycle = True
            if self._schema.tables.has_require_cycle:
                emit(self, LogLevel.CHANGES, "[resolver] require has a cycle, it orders nothing")

    # ---------------------------------------------------------------- identity

    @property
    def id(self) -> str:
        """Name of the machine; 16 random lower-case hex characters if none was given."""
        if self._id is None:
            self._id = new_id()
        return self._id

    @property
    def schema(self) -> Schema:
        """The compiled schema."""
        return self._schema

    @property
    def log_level(self) -> LogLevel:
        """Lines of at most this level are emitted."""
        return self._log_level

    @log_level.setter
    def log_level(self, level: LogLevel) -> None:
        self._log_level = LogLevel(level)
        self._retune()

    @property
    def log_args(self) -> LogArgs:
        """Which keywords are shown in log lines."""
        if self._log_args is None:
            self._log_args = LogArgs(*DEFAULT_ARGS)
        return self._log_args

    @log_args.setter
    def log_args(self, shown: LogArgs) -> None:
        self._log_args = shown

    @property
    def sem_log(self) -> SemLog:
        """Switches of the semantic log, and the pipes of this machine."""
        if self._sem_log is None:
            me = ref(self)

            def tell(text: str) -> None:
                machine = me()
                if machine is not None:
                    emit(machine, LogLevel.OPS, text)

            def switched() -> None:
                machine = me()
                if machine is not None:
                    machine._retune()

            self._sem_log = SemLog(tell, switched)
        return self._sem_log

    @property
    def handler_timeout(self) -> float:
        """Seconds that one handler call may take; 0 means any time."""
        return self._timeout

    @handler_timeout.setter
    def handler_timeout(self, seconds: float | None) -> None:
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"a handler timeout of {seconds} seconds")
        self._timeout = seconds or 0.0
        # A call that takes more than a tenth is logged.
        self._slow = self._timeout / 10

    def log(self, text: str) -> None:
        """Emit a line of level EXTERNAL; in a handler it is prefixed with the handler's name."""
        if self._handling is not None:
            text = f"[{self._handling.name}] {text}"
        emit(self, LogLevel.EXTERNAL, text)

    # ---------------------------------------------------------------- checks

    @property
    def active(self) -> tuple[str, ...]:
        """Active states, in index order."""
        return self._schema.names_of(self._conf.mask)

    def is_(self, *states: str) -> bool:
        """Whether all these states are active; True for none.

        :raises UnknownStateError: if a name is not a state.
        """
        try:
            return self._conf.active.issuperset(states) or self._not_all(states)
        except TypeError:  # a name that cannot be hashed
            raise self._schema.unknown(states, self) from None

    def _not_all(self, states: tuple[str, ...]) -> bool:
        for name in states:
            if name not in self._schema.index:
                raise self._schema.unknown(states, self)
        return False

    def __contains__(self, state: object) -> bool:
        return self.is_(state)  # type: ignore[arg-type]

    def not_(self, *states: str) -> bool:
        """Whether none of these states is active.

        :raises UnknownStateError: if a name is not a state.
        """
        return not self._schema.mask(states, self) & self._conf.mask

    def any_(self, *groups: str | Iterable[str]) -> bool:
        """Whether one of the groups is fully active; a group is a state or several.

        :raises UnknownStateError: if a name is not a state.
        """
        masks = [
            self._schema.mask((group,) if isinstance(group, str) else group, self)
            for group in groups
        ]
        return any(self._conf.mask & mask == mask for mask in masks)

    def switch(self, *states: str) -> str | None:
        """The first of these states that is active, in the order given.

        :raises UnknownStateError: if a name is not a state.
        """
        indexes = self._schema.indexes(states, self)
        for i in indexes:
            if self._conf.mask >> i & 1:
                return self._schema.names[i]
        return None

    @property
    def is_err(self) -> bool:
        """Whether `Exception` is active."""
        return "Exception" in self._conf.active

    # ---------------------------------------------------------------- clocks

    def tick(self, state: str) -> int:
        """The clock of one state; odd means active.

        :raises UnknownStateError: if the name is not a state.
        """
        return self._ticks[self._schema.indexes((state,), self)[0]]

    def time(self, *states: str) -> Time:
        """Ticks of all states in index order, or of these in the order given."""
        if not states:
            return Time(self._ticks)
        ticks, index = self._ticks, self._schema.index
        self._schema.indexes(states, self)
        return Time([ticks[index[name]] for name in states])

    def clock(self, *states: str) -> dict[str, int]:
        """The same as a dict of names to ticks."""
        names = self._schema.names
        indexes = self._schema.indexes(states, self) if states else range(len(names))
        return {names[i]: self._ticks[i] for i in indexes}

    def is_time(self, time: Iterable[int], *states: str) -> bool:
        """Whether every tick equals the given one."""
        return all(a == b for a, b in self._beside(time, states))

    def was_time(self, time: Iterable[int], *states: str) -> bool:
        """Whether every tick has reached the given one."""
        return all(a >= b for a, b in self._beside(time, states))

    def _beside(self, time: Iterable[int], states: tuple[str, ...]) -> list[tuple[int, int]]:
        mine, theirs = list(self.time(*states)), list(time)
        short = len(mine) - len(theirs)
        return list(zip(mine + [0] * -short, theirs + [0] * short, strict=True))

    def is_clock(self, clock: Mapping[str, int]) -> bool:
        """Whether every named tick equals the given one."""
        return all(self.tick(name) == tick for name, tick in clock.items())

    def was_clock(self, clock: Mapping[str, int]) -> bool:
        """Whether every named tick has reached the given one."""
        return all(self.tick(name) >= tick for name, tick in clock.items())

    @property
    def queue_tick(self) -> int:
        """Starts at 1; +1 for each queued mutation that was taken from the queue."""
        return self._queue_tick

    @property
    def machine_tick(self) -> int:
        """How often the machine was brought back from a snapshot."""
        return self._machine_tick

    @property
    def transition(self) -> Transition | None:
        """The running transition."""
        return self._transition

    # ---------------------------------------------------------------- text

    def __str__(self) -> str:
        return _text.short(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self}>"

    def string_all(self) -> str:
        """All states: `(Foo:1) [Bar:0 Exception:0]`."""
        return _text.full(self)

    def inspect(self, *states: str) -> str:
        """States, ticks, properties and relations, one per line."""
        if states:
            self._schema.indexes(states, self)
        return _text.inspection(self, states or self._schema.names)

    # ---------------------------------------------------------------- threads

    def check_thread(self) -> None:
        """What every call does that changes something.

        :raises RuntimeError: in a thread other than the owner's.
        """
        if get_ident() != self._owner:
            raise self._wrong_thread()

    @property
    def queue(self) -> tuple[Mutation, ...]:
        """Pending mutations, the next one first; here there are none."""
        return ()

    def _wrong_thread(self) -> RuntimeError:
        names = {t.ident: t.name for t in threading.enumerate()}
        here = threading.current_thread().name
        return RuntimeError(
            f"machine {self.id} belongs to thread {names.get(self._owner, self._owner)!r}, it was "
            f"used in {here!r}: call trio.from_thread.run_sync(machine.add, …) there"
        )

    # ---------------------------------------------------------------- contexts and tasks

    def state_ctx(self, state: str) -> StateContext:
        """The context of a state's current tick; the same object until that tick changes.

        :raises UnknownStateError: if the name is not a state.
        """
        self.check_thread()
        i = self._schema.indexes((state,), self)[0]
        if self._contexts is None:
            self._contexts = {}
        known = self._contexts.get(i)
        found = known() if known is not None else None
        if found is None:
            found = StateContext(self, self._schema.names[i], self._ticks[i])
            if self._life == DISPOSED:
                found.expire()
                return found
            self._contexts[i] = ref(found)
            self._watched |= self._schema.bits[i]
            emit(self, LogLevel.OPS, f"[ctx:new] {found.state}")
        return found

    def fork(
        self, async_fn: Callable[..., Awaitable[Any]], *args: Any, state: str | None = None
    ) -> Fork:
        """Start a task in the machine's nursery, bound to a state's activity (if it is inactive
        now: its inactivity), or without `state` to the machine's life.

        On a disposed machine nothing is started.

        :raises NotOpenError: if the machine is not open.
        :raises UnknownStateError: if the name is not a state.
        """
        self.check_thread()
        i = None if state is None else self._schema.indexes((state,), self)[0]
        name = getattr(async_fn, "__qualname__", repr(async_fn))
        active = i is None or bool(self._conf.mask >> i & 1)
        return self._start_task(name, i, active, async_fn, args)

    def _start_task(
        self,
        name: str,
        state: int | None,
        while_active: bool,
        fn: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
    ) -> Fork:
        fork = Fork(name, state, while_active, current_source())
        if self._life == DISPOSED:
            fork.cancel()
            fork.done = True
            return fork
        if self._nursery is None:
            raise NotOpenError(f"machine {self.id} is not open: use `async with machine:`")
        if self._forks is None:
            self._forks = {}
        self._forks.setdefault(_LIFE if state is None else state, {})[fork] = None
        if state is not None:
            self._watched |= self._schema.bits[state]
        self._nursery.start_soon(fork.run, self, fn, args, name=f"{self.id}/{name}")
        return fork

    def _start_handler_task(self, call: HandlerCall, fn: Handler, event: Event) -> None:
        state = call.state if call.state >= 0 else None
        self._start_task(call.name, state, call.role.value != "End", fn, (event,))

    def _task_ended(self, fork: Fork) -> None:
        key = _LIFE if fork.state is None else fork.state
        group = self._forks.get(key) if self._forks is not None else None
        if group is not None:
            group.pop(fork, None)
            if not group and self._forks is not None:
                del self._forks[key]

    def _task_failed(self, fork: Fork, exc: Exception) -> None:
        """A task raised; called inside its causality."""
        self.err = exc
        complain(self, f"[error] {exc!r} in task {fork.name}", exc)

    def _expire(self, states: Iterable[int], blips: int = 0) -> None:
        """Contexts and tasks of states whose tick moved come to their end, in this order."""
        contexts, forks = self._contexts, self._forks
        active = self._conf.mask
        for i in states:
            known = contexts.pop(i, None) if contexts else None
            context = known() if known is not None else None
            if context is not None:
                context.expire()
                emit(self, LogLevel.OPS, f"[ctx:match] {context.state}")
            group = forks.get(i) if forks else None
            if group:
                over = bool(blips >> i & 1)
                is_active = bool(active >> i & 1)
                for fork in list(group):
                    if over or fork.while_active is not is_active:
                        fork.cancel()

    def _rewatch(self) -> None:
        """Find out again which states waits, contexts and tasks look at."""
        bits = self._schema.bits
        watched = self._waits.mask | self._waits.args if self._waits is not None else 0
        for i in self._contexts or ():
            watched |= bits[i]
        for i in self._forks or ():
            if i != _LIFE:
                watched |= bits[i]
        self._watched = watched

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
        self._calls = calls
        self._book = self._schema.plans(frozenset(calls))
        self._conf = self._book.configuration(self._conf.mask)
        self._retune()

    def bind_tracer(self, tracer: Tracer) -> None:
        """Add a tracer; it is not sent `machine_init`."""
        self.check_thread()
        known = self._hooks.tracers if self._hooks is not None else ()
        self._hooks = Hooks((*known, tracer))
        self._retune()

    def detach_tracer(self, tracer: Tracer) -> None:
        """Take a tracer off; one that is not there is ignored."""
        self.check_thread()
        if self._hooks is not None:
            rest = [t for t in self._hooks.tracers if t is not tracer]
            self._hooks = Hooks(rest) if rest else None
            self._retune()

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

    @property
    def disposed(self) -> bool:
        """Whether the machine came to its end."""
        return self._life == DISPOSED

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
            self._finish_dispose()

    def _finish_dispose(self) -> None:
        for child in reversed(self._children or []):
            machine = child()
            if machine is not None:
                machine.dispose()
        if self._hooks is not None:
            self._hooks.fire("machine_dispose", self)
        for known in list((self._contexts or {}).values()):
            context = known()
            if context is not None:
                context.expire()
        self._contexts = None
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
        self._rebind(())
        self._hooks = None
        self._retune()
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
        if self._hooks is not None:
            self._hooks.fire("schema_change", self, old)
            self._hooks.fire("verify_states", self)
