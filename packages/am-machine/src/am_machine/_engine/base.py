"""The part of a machine that needs no queue, put together: what it is made of, waits for, ends by.

`Machine` adds mutations to it; replicas of machines elsewhere add their transport. `fields` has
what all parts work on, `reading` checks and text, `telling` what listens, `handling` the handlers,
`awaiting` the waits, `following` the updates of replicas. What is long stands in rooms of its own
and is handed the machine: `_waits` for waits, contexts and tasks, `_watch` for logs and tracers.
"""

from __future__ import annotations

import math
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn, Self

from .._causality import CauseCell, current_source, new_number
from .._errors import SchemaError
from .._schema.handlers import read_handler_name
from .._schema.plan_book import plans_of
from .._schema.schema import Schema
from .._schema.states import compile_schema
from .._text import repr_of
from .._waits import dependents as living
from .._watch.listening import NOBODY, Observed
from .._watch.log import LogLevel, emit, log_error
from . import introspection, life
from .awaiting import Awaiting
from .following import Followed
from .handling import NO_BINDINGS, NO_CALLS, Handling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from .._causality import Source
    from .._schema.explanation import Explanation
    from .._schema.handlers import HandlerCall
    from .._schema.states import States
    from .._snapshot import Snapshot
    from .._waits.context import Fork, StateContext
    from .._watch.tracer import Tracer
    from .api import MachineApi
    from .binding import Handler, Handlers
    from .introspection import Trouble
    from .mutation import Mutation
    from .pending import Pending
    from .transition import Event, Transition

# Lists that every new machine is put into; see `testing.created`.
COLLECTORS: list[list[Any]] = []


class BaseMachine(Handling, Followed, Awaiting):
    """Clocks of states, and all that follows from their changes.

    Reads are valid at all times, from any thread, also after dispose. Everything else belongs to
    the owner thread: the one that made the machine or, once opened, the one that opened it.
    """

    __slots__ = ()

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
        self._bindings = NO_BINDINGS
        self._binding_count = 0
        self._calls = NO_CALLS
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
    def children(self) -> tuple[BaseMachine, ...]:
        """Machines made with this one as `parent` that are still alive, oldest first."""
        return self._dependents.children if self._dependents is not None else ()

    # ---------------------------------------------------------------- the running transition

    @property
    def transition(self) -> Transition | None:
        """The running transition, None outside of a drain. In any thread; other threads than the
        owner's get a record of their own."""
        found = self._transition
        if found is not None or self._plan is None:
            return found
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
        from .pending import pending  # asked for by people, not by programs

        return pending(self)

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
        from .._snapshot import Snapshot  # few machines are ever kept

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
