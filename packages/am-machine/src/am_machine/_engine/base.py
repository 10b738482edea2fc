"""The part of a machine that needs no queue: clocks, checks, waits, handlers, contexts, life.

`Machine` adds mutations to it; replicas of machines elsewhere add their transport. Checks and text
are in `reading`, waits in `awaiting`; what else is long stands in rooms of its own and is handed
the machine: `_waits` for waits, contexts and tasks, `_watch` for what listens, `following` for
replicas. It is one piece since all of it works on the same fields.
"""

from __future__ import annotations

import math
import threading
from threading import get_ident
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast
from weakref import ref

from .._causality import CauseCell, current_source, id_of, new_number
from .._errors import SchemaError
from .._schema.handlers import read_handler_name
from .._schema.plan_book import PlanBook, plans_of
from .._schema.schema import Schema
from .._schema.states import compile_schema
from .._snapshot import Snapshot
from .._text import repr_of
from .._waits import dependents as living
from .._watch.journal import Journal
from .._watch.listening import NOBODY, Listening, Observed
from .._watch.log import CHANGES, DEFAULT_ARGS, LogArgs, LogLevel, emit, log_error
from .._watch.sem_log import SemLog
from .._watch.tracer import Hooks, Tracer
from . import following, introspection, life
from .awaiting import Awaiting
from .binding import Binding, Handler, collect
from .reading import Reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from contextvars import Token
    from types import TracebackType

    from .._causality import Cause, Source
    from .._errors import HandlerTimeoutError
    from .._schema.explanation import Explanation
    from .._schema.handlers import HandlerCall
    from .._schema.plans import Configuration, Plan
    from .._schema.states import States
    from .._waits.context import Fork, StateContext
    from .._waits.dependents import Dependents
    from .._waits.waits import WaitIndex
    from .api import MachineApi
    from .binding import Handlers
    from .introspection import Pending, Trouble
    from .mutation import Mutation
    from .transition import Event, Transition

# What is bound under a handler name: (function, binding), in order of binding.
Calls = dict[str, list[tuple[Handler, Binding]]]
_NO_CALLS: Calls = cast("Calls", MappingProxyType({}))
_NO_BINDINGS: dict[Binding, None] = cast("dict[Binding, None]", MappingProxyType({}))
# Lists that every new machine is put into; see `testing.created`.
COLLECTORS: list[list[Any]] = []


class BaseMachine(Awaiting, Reading):
    """Clocks of states, and all that follows from their changes.

    Reads are valid at all times, from any thread, also after dispose. Everything else belongs to
    the owner thread: the one that made the machine or, once opened, the one that opened it.
    """

    __slots__ = (
        "__weakref__", "_attention", "_binding_count", "_bindings", "_book", "_calls",
        "_cause", "_cell", "_conf", "_dependents", "_fast", "_handling", "_id",
        "_is_rebound", "_is_stale", "_life", "_listening", "_machine_tick", "_mutation",
        "_observed", "_owner", "_plan", "_queue_tick", "_schema", "_slow", "_ticks",
        "_time_offset", "_timeout", "_token", "_transition", "_troubles", "_waits",
        "_watched", "catch_exceptions", "err", "log_traceback", "parent", "tags",
    )  # fmt: skip

    # Whether states live here; False for replicas.
    is_local = True
    # Whether negotiation handlers can be bound.
    _votes = False

    err: BaseException | None
    """The last error; it stays when `Exception` is removed."""
    catch_exceptions: bool
    """Whether an unhandled exception in a handler becomes the `Exception` state."""
    log_traceback: bool
    """Whether error lines come with the traceback."""
    parent: MachineApi | None
    """The machine it was made under."""
    tags: tuple[str, ...]

    # The configuration, while the machine is idle, takes mutations, and nobody listens; else None.
    _fast: Configuration | None
    _schema: Schema
    _book: PlanBook
    _conf: Configuration
    _ticks: list[int]
    _queue_tick: int
    # Machine time is this and the queue tick: most mutations move both by one.
    _time_offset: int
    # The name, or a number that it is made from when somebody asks.
    _id: str | int
    _owner: int
    _life: int
    _observed: Observed
    _listening: Listening
    _dependents: Dependents | None
    _waits: WaitIndex | None
    # States that waits, contexts and tasks look at; it may hold some too many. -1: all.
    _watched: int
    _bindings: dict[Binding, None]
    # Names with a handler; in the middle of a transition also names without any more.
    _calls: Calls
    # Handlers were bound or detached since the book of plans was looked up.
    _is_stale: bool
    # … in the running transition, which goes on with those that it began with.
    _is_rebound: bool
    # The running transition: its plan, its mutation if it has one, its record if somebody looked,
    # the handler being called, its record as a cause.
    _plan: Plan | None
    _mutation: Mutation | None
    _transition: Transition | None
    _handling: HandlerCall | None
    _cause: Source | None
    # The votes against it, and what failed in it.
    _troubles: list[Trouble] | None
    # Something happened in it that a quick end would miss.
    _attention: bool
    # The cell of causality, and the token to give back another cause afterwards.
    _cell: CauseCell
    _token: Token[Cause] | None

    def __init__(
        self,
        schema: Schema | type[States] | Mapping[str, Any],
        *,
        id: str | None = None,
        handlers: Handlers | None = None,
        parent: MachineApi | None = None,
        tags: Iterable[str] = (),
        handler_timeout: float | None = 1.0,
        catch_exceptions: bool = True,
        log_level: LogLevel = LogLevel.NOTHING,
        tracers: Iterable[Tracer] = (),
    ) -> None:
        self._fast = None
        self._schema = compile_schema(schema)
        self._id = id if id is not None else new_number()
        self.parent = parent
        self.tags = tuple(tags) if tags else ()
        self.err = None
        self.catch_exceptions = catch_exceptions
        self.log_traceback = True
        self._owner = get_ident()
        self._ticks = [0] * len(self._schema.names)
        self._queue_tick = 1
        self._time_offset = -1
        self._machine_tick = 0
        self._book = plans_of(self._schema, frozenset())
        self._conf = self._book.configuration(0)
        self._life = life.ALIVE
        self._observed = Observed.NONE
        self._listening = NOBODY
        self._dependents = None
        self._waits = None
        self._watched = 0
        self._bindings = _NO_BINDINGS
        self._binding_count = 0
        self._calls = _NO_CALLS
        self._is_stale = self._is_rebound = self._attention = False
        self._plan = self._mutation = self._transition = self._handling = self._cause = None
        self._troubles = None
        self._cell = CauseCell()
        self._token = None
        self._slow, self._timeout = math.inf, 0.0
        if handler_timeout is not None:
            self.handler_timeout = handler_timeout
        if parent is not None or tracers or log_level or handlers is not None:
            self._introduce(parent, tracers, log_level, handlers)
        if COLLECTORS:
            for collected in COLLECTORS:
                collected.append(self)

    def _introduce(
        self,
        parent: MachineApi | None,
        tracers: Iterable[Tracer],
        log_level: LogLevel,
        handlers: Handlers | None,
    ) -> None:
        own = list(tracers)
        if log_level:
            self._own_listening().log_level = int(LogLevel(log_level))
        if isinstance(parent, BaseMachine):
            parent._adopt(self)
            own += [tracer for tracer in parent.tracers if tracer.inheritable]
        if own:
            self._open_journals(own)
            self._listen(own)
            self._fire("machine_init", self)
            self._fire("verify_states", self)
        self._retune()
        if handlers is not None:
            self.bind(handlers)

    def _adopt(self, child: BaseMachine) -> None:
        if self._life >= life.ENDING:
            raise RuntimeError(f"machine {self.id} is disposed: none can be made under it")
        living.dependents_of(self).adopt(child)
        self._fire("new_submachine", self, child)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} {self.id} cannot be copied or pickled: its handlers, tasks and "
            "waits belong to it. Keep its clocks by export(), and make another one by "
            "Machine.restore(snapshot, schema)"
        )

    def __copy__(self) -> NoReturn:
        self.__reduce_ex__(4)

    def __deepcopy__(self, memo: Any) -> NoReturn:
        self.__reduce_ex__(4)

    # ---------------------------------------------------------------- identity, thread

    @property
    def id(self) -> str:
        """Name of the machine; 16 random lower-case hex characters if none was given."""
        found = self._id
        if type(found) is int:
            # Any thread may ask first, and all of them get the same.
            found = self._id = id_of(found)
        return cast("str", found)

    @property
    def schema(self) -> Schema:
        """The compiled schema."""
        return self._schema

    @property
    def children(self) -> tuple[BaseMachine, ...]:
        """Machines made with this one as `parent` that are still alive, oldest first."""
        return self._dependents.children if self._dependents is not None else ()

    def check_thread(self) -> None:
        """What every call does that changes something.

        :raises RuntimeError: in a thread other than the owner's.
        """
        if get_ident() != self._owner:
            raise self._wrong_thread()

    def _wrong_thread(self) -> RuntimeError:
        names = {t.ident: t.name for t in threading.enumerate()}
        here = threading.current_thread().name
        return RuntimeError(
            f"machine {self.id} belongs to thread {names.get(self._owner, self._owner)!r}, it was "
            f"used in {here!r}: call trio.from_thread.run_sync(machine.add, …) there"
        )

    # ---------------------------------------------------------------- what listens

    def _own_listening(self) -> Listening:
        if self._listening is NOBODY:
            self._listening = Listening()
        return self._listening

    def _retune(self) -> None:
        """Find out how much transitions have to tell."""
        listening = self._listening
        if listening is not NOBODY:
            listening.settle()
            self._settle_slow()
        self._observed = (
            Observed.NONE
            if listening is NOBODY
            else listening.observed(has_autos=self._schema.tables.auto != 0, has_breakpoints=False)
        )
        if self._plan is not None:
            self._attention = True
        if listening.log_level >= CHANGES and not listening.has_told_cycle:
            listening.has_told_cycle = True
            if self._schema.tables.has_require_cycle:
                emit(self, LogLevel.CHANGES, "[resolver] require has a cycle, it orders nothing")

    def _fire(self, hook: str, *args: Any) -> None:
        hooks = self._listening.hooks
        if hooks is not None:
            hooks.fire(hook, *args)

    @property
    def log_level(self) -> LogLevel:
        """Lines of at most this level are emitted."""
        return LogLevel(self._listening.log_level)

    @log_level.setter
    def log_level(self, level: LogLevel) -> None:
        self._own_listening().log_level = int(LogLevel(level))
        self._retune()

    @property
    def log_args(self) -> LogArgs:
        """Which keywords are shown in log lines."""
        listening = self._own_listening()
        if listening.log_args is None:
            listening.log_args = LogArgs(*DEFAULT_ARGS)
        return listening.log_args

    @log_args.setter
    def log_args(self, shown: LogArgs) -> None:
        self._own_listening().log_args = shown

    @property
    def sem_log(self) -> SemLog:
        """Switches of the semantic log, and the pipes of this machine."""
        listening = self._own_listening()
        if listening.sem_log is None:
            me = ref(self)

            def tell(text: str) -> None:
                machine = me()
                if machine is not None:
                    emit(machine, LogLevel.OPS, text)

            def switched() -> None:
                machine = me()
                if machine is not None:
                    machine._retune()

            def piped() -> None:
                machine = me()
                if machine is not None:
                    machine._fire("pipes_change", machine)

            listening.sem_log = SemLog(tell, switched, piped)
        return listening.sem_log

    def log(self, text: str) -> None:
        """Emit a line of level EXTERNAL; in a handler it is prefixed with the handler's name."""
        if self._handling is not None:
            text = f"[{self._handling.name}] {text}"
        emit(self, LogLevel.EXTERNAL, text)

    def bind_tracer(self, tracer: Tracer) -> None:
        """Add a tracer; it is not sent `machine_init`. In a running transition it hears of what
        is left of it."""
        self.check_thread()
        self._open_journals([tracer])
        self._listen((*self.tracers, tracer))

    def detach_tracer(self, tracer: Tracer) -> None:
        """Take a tracer off; one that is not there is ignored."""
        self.check_thread()
        if tracer in self.tracers:
            self._listen([t for t in self.tracers if t is not tracer])

    @property
    def tracers(self) -> tuple[Tracer, ...]:
        """The tracers bound now."""
        return self._listening.tracers

    def _open_journals(self, tracers: Iterable[Tracer]) -> None:
        for tracer in tracers:
            if isinstance(tracer, Journal):
                tracer.open(self)

    def _listen(self, tracers: Sequence[Tracer]) -> None:
        """These are the tracers from now on."""
        listening = self._own_listening()
        hooks = Hooks(tracers) if tracers else None
        queue_end = hooks.queue_end if hooks is not None else ()
        journals = tuple([t for t in tracers if isinstance(t, Journal)])
        # All or none, if it is interrupted.
        listening.hooks, listening.queue_end, listening.journals = hooks, queue_end, journals
        self._retune()

    # ---------------------------------------------------------------- handlers

    def bind(
        self, obj: Handlers, name: str | None = None, *, strict: bool = True, prefix: str = ""
    ) -> Binding:
        """Attach the handlers of an object (its methods named after states) or of a mapping of
        names, or of keys such as `("Foo", "enter")`, to callables. The binding's name defaults to
        the class name. With a `prefix` the names of states are written without it.

        In a running transition it takes effect after it; detaching, at the next handler name.

        :raises HandlerError: for ambiguous names, async negotiation handlers, generators, a class,
            and, unless `strict` is off, an object without handlers, or methods that look like
            handlers of states which do not exist.
        """
        self.check_thread()
        handlers = collect(self._schema, obj, strict=strict, voting=self._votes, prefix=prefix)
        binding = Binding(self, name or type(obj).__name__, self._binding_count, handlers)
        self._binding_count += 1
        first = not self._bindings
        if self._bindings is _NO_BINDINGS:
            self._bindings, self._calls = {}, {}
        self._bindings[binding] = None
        if self._plan is not None:
            self._is_rebound = self._attention = True
        else:
            for key, fn in handlers.items():
                self._calls.setdefault(key, []).append((fn, binding))
        self._handlers_changed()
        emit(self, LogLevel.OPS, f"[handlers] bind {binding.number}:{binding.name}")
        if first and self.is_err and self.err is not None:
            self._report_again()
        return binding

    def _detach(self, binding: Binding) -> None:
        self.check_thread()
        if binding not in self._bindings:
            return
        del self._bindings[binding]
        binding.is_attached = False
        for key in binding.handlers:
            # Another list: one may be gone through now.
            left = [pair for pair in self._calls.get(key, ()) if pair[1] is not binding]
            if left or self._plan is not None:
                # The running transition may still look for names that are bound no more.
                self._calls[key] = left
            else:
                self._calls.pop(key, None)
        if self._plan is not None:
            self._is_rebound = self._attention = True
        self._handlers_changed()
        emit(self, LogLevel.OPS, f"[handlers] detach {binding.name}")

    def _handlers_changed(self) -> None:
        self._is_stale = True
        self._fire("handlers_change", self)
        for journal in self._listening.journals:
            journal.note_handlers()

    def _renew_plans(self) -> None:
        """Look up the plans for the handlers that are bound now."""
        if self._is_rebound:
            calls: Calls = {}
            for binding in self._bindings:
                for key, fn in binding.handlers.items():
                    calls.setdefault(key, []).append((fn, binding))
            self._calls = calls
            self._is_rebound = False
        self._book = plans_of(self._schema, frozenset(self._calls))
        self._conf = self._book.configuration(self._conf.mask)
        self._is_stale = False

    @property
    def handler_names(self) -> tuple[str, ...]:
        """Names of the handlers bound now, each once, in order of binding."""
        names: dict[str, None] = {}
        for binding in list(self._bindings):
            names.update(dict.fromkeys([key.partition("(")[0] for key in binding.handlers]))
        return tuple(names)

    @property
    def handler_timeout(self) -> float:
        """Seconds that one handler call may take; 0 means any time."""
        return self._timeout

    @handler_timeout.setter
    def handler_timeout(self, seconds: float | None) -> None:
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"a handler timeout of {seconds} seconds")
        self._timeout = seconds or 0.0
        self._settle_slow()

    def _settle_slow(self) -> None:
        """A handler call that takes more than a tenth of the timeout is logged; where a journal
        wants details, each is noted."""
        slow = self._timeout / 10 or math.inf
        self._slow = slow if self._listening.noting is None else -1.0

    def _report_overrun(self, error: HandlerTimeoutError) -> None:
        """A handler took longer than its timeout."""
        self.err = error
        log_error(self, f"[error] {error}", None)

    def _report_again(self) -> None:
        """The first handlers came when the machine was in `Exception` already."""

    def handler_failed(self, exc: Exception, name: str) -> None:
        """A final handler raised while following; replicas may report it to their source."""
        self.err = exc
        log_error(self, f"[error] {repr_of(exc)} in {name}", exc)

    # ---------------------------------------------------------------- the running transition

    @property
    def transition(self) -> Transition | None:
        """The running transition, None outside of a drain. In any thread; other threads than the
        owner's get a record of their own."""
        return introspection.running_transition(self)

    def _running_mutation(self) -> Mutation:
        """The mutation behind the running transition, made on first sight if it never queued."""
        mutation = self._mutation
        if mutation is None:
            mutation = self._mutation = introspection.running_mutation(self, self._plan)
        return mutation

    def _note_trouble(self, trouble: Trouble) -> None:
        """A handler voted against the running transition, or failed in it."""
        self._troubles = [*(self._troubles or ()), trouble]

    def _running_source(self) -> Source | None:
        """What caused the running transition."""
        if self._mutation is not None:
            return self._mutation.source
        if self._token is not None:
            return self._cell.outer(self._token)
        # Without handlers its own cell was not entered: the cause is where it was.
        return current_source() if self._cell._running is None else None

    @property
    def _time_sum(self) -> int:
        """Machine time as one number."""
        return self._time_offset + self._queue_tick

    def _time_before(self) -> int:
        """Machine time before the running transition, as one number."""
        if self._transition is not None:
            # It also knows of states that a failed handler made inactive again.
            return self._time_sum - sum([gained for _, gained in self._transition.changes])
        plan, call = self._plan, self._handling
        if plan is not None and call is not None and call.is_final:
            return self._time_sum - plan.gained
        return self._time_sum

    @property
    def queue(self) -> tuple[Mutation, ...]:
        """Pending mutations, the next one first; here there are none."""
        return ()

    def _queue_len(self) -> int:
        """How many mutations wait on this machine itself."""
        return 0

    @property
    def why(self) -> str | None:
        """Why the last canceled call was canceled, in a line; None if none was. Here it is not
        known: only the source of a replica does."""
        return None

    def explain(self, *states: str, kind: str = "add") -> Explanation:
        """What a mutation of these states would come to now, with the reasons: by relations, and
        where states live, by what is queued.

        :raises UnknownStateError: if a name is not a state.
        :raises ValueError: if `kind` is none of add, remove, set.
        """
        return self._schema.explain(kind, states, self.active, handlers=tuple(self._calls))

    def pending(self) -> Pending:
        """Who waits for what: waits, contexts, tasks and the queue. In any thread."""
        return introspection.pending(self)

    # ---------------------------------------------------------------- what waits and lives

    def _query_failed(self, exc: Exception) -> None:
        """A predicate, or a comparison of args, raised."""
        self.err = exc
        log_error(self, f"[error] {repr_of(exc)} in a predicate", exc)

    def _watch(self, mask: int) -> None:
        """Waits, contexts or tasks look at these states from now on; -1: at all."""
        self._watched = -1 if mask < 0 else self._watched | mask
        if self._plan is not None:
            self._attention = True

    # ---------------------------------------------------------------- contexts and tasks

    def state_ctx(self, state: str, *, inactive: bool = False) -> StateContext:
        """The context of a state's current activity, or inactivity; the same object until its tick
        changes. If the state is not so now, the context is expired from the start.

        :raises UnknownStateError: if the name is not a state.
        """
        return living.context_of(self, state, inactive=inactive)

    def fork(
        self, async_fn: Callable[..., Awaitable[Any]], *args: Any, state: str | None = None
    ) -> Fork:
        """Start a task in the machine's nursery, bound to a state's activity, or without `state` to
        the machine's life.

        On a disposed machine, and if the state is inactive, nothing is started.

        :raises NotOpenError: if the machine is not open.
        :raises UnknownStateError: if the name is not a state.
        """
        self.check_thread()
        i = None if state is None else self._schema.indexes((state,), self)[0]
        name = getattr(async_fn, "__qualname__", None) or repr_of(async_fn)
        is_open = self._dependents is not None and self._dependents.nursery is not None
        if i is not None and is_open and not self._conf.mask >> i & 1:
            return living.dead_task(self, name, i)
        return living.start_task(self, name, i, True, async_fn, args)

    def _start_handler_task(self, call: HandlerCall, fn: Handler, event: Event) -> None:
        state = call.state if call.state >= 0 else None
        living.start_task(self, call.name, state, call.role.value != "End", fn, (event,))

    def _task_ended(self, fork: Fork) -> None:
        if self._dependents is not None:
            self._dependents.forget(fork)

    def _task_failed(self, fork: Fork, exc: Exception) -> None:
        """A task raised; called inside its causality."""
        self.err = exc
        log_error(self, f"[error] {repr_of(exc)} in task {fork.name}", exc)

    # ---------------------------------------------------------------- life

    @property
    def disposed(self) -> bool:
        """Whether the machine came to its end."""
        return self._life == life.DISPOSED

    @property
    def is_ending(self) -> bool:
        """Whether nothing can be started on it any more: its end has begun, or is over."""
        return self._life >= life.ENDING

    async def __aenter__(self) -> Self:
        await life.open_machine(self)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return await life.close_machine(self, exc)

    def on_dispose(self, fn: Callable[[Any], object]) -> None:
        """Call `fn(machine)` on dispose, in order of registration; at once if that was before.

        What it raises is logged.
        """
        self.check_thread()
        if self._life == life.DISPOSED:
            life.run_disposer(self, fn)
        else:
            living.dependents_of(self).disposers.append(fn)

    def dispose(self) -> None:
        """End the machine: contexts expire, tasks are cancelled, waits resolve. Idempotent.

        Children are disposed first, newest first. It always completes; what was raised on the way
        is raised afterwards, several errors as a group.

        :raises RuntimeError: in a thread other than the machine's own.
        """
        self.check_thread()
        if self._life == life.ALIVE:
            self._life = life.DISPOSING
            self._retune()
        # An update that is being followed completes first.
        if self._plan is None:
            life.end(self)

    def _release_queue(self) -> None:
        """The machine ends: what waits in the queue is dropped."""

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
        :raises HandlerError: if a new state makes the name of a bound handler ambiguous. Then, as
            with the other error, nothing has changed.
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
        for key in self._calls:
            read_handler_name(compiled, key)
        book = plans_of(compiled, frozenset(self._calls))
        configuration = book.configuration(self._conf.mask)
        self._ticks.extend([0] * (len(wanted) - len(old.names)))
        self._schema, self._book, self._conf = compiled, book, configuration
        self._is_stale = False
        self._retune()
        for journal in self._listening.journals:
            journal.rebase()
        self._fire("schema_change", self, old)
        self._fire("verify_states", self)

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
        was inactive; waits on such a state alone count that. The kind `auto` is an add that the
        source made by itself.

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
        return following.reset(self, list(ticks), queue_tick, machine_tick, replaced=replaced)

    def let_go(self) -> None:
        """End whatever depends on clocks that will not move any more, and keep their values.

        All waits but those for the disposal end with False, contexts expire, and with them the
        tasks bound to states. New ones may be made.
        """
        following.let_go(self)
