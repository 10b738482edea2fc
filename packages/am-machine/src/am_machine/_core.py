"""What every part of a machine stands on: its fields, identity, log switches and thread.

A machine is built in storeys, each a room of its own that knows the ones below: `Core`, `Reading`,
`Waiting`, `Tasking`, `BaseMachine`, `Queueing`, `Machine`.
"""

from __future__ import annotations

import math
import threading
from threading import get_ident
from typing import TYPE_CHECKING, Any
from weakref import ref

from ._causality import new_id
from ._log import CHANGES, DEFAULT_ARGS, LogArgs, LogLevel, emit
from ._schema import Schema, compile_schema
from ._steps import SemLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import trio

    from ._binding import Binding, Handler
    from ._context import Fork, StateContext
    from ._handlers import HandlerCall
    from ._journal import Journal
    from ._mutation import Mutation
    from ._plans import Configuration, Plan, PlanBook
    from ._state import States
    from ._tracer import Hooks
    from ._transition import Transition
    from ._waits import WaitIndex

# Stages of a machine's life.
ALIVE, DISPOSING, DISPOSED = 0, 1, 2
# Forks bound to the machine's life are kept under this instead of a state index.
LIFE = -1


class Core:
    """The fields of a machine, and who it is."""

    __slots__ = (
        "__weakref__", "_binding_count", "_bindings", "_book", "_calls", "_children", "_conf",
        "_contexts", "_disposers", "_forks", "_handling", "_hooks", "_id", "_journals", "_life",
        "_log_args", "_log_level", "_loud", "_machine_tick", "_mutation", "_notes", "_notes_mark",
        "_nursery", "_nursery_manager", "_owner", "_plan", "_pre_log", "_queue_tick", "_schema",
        "_sem_log", "_slow", "_ticks", "_timeout", "_told_cycle", "_transition", "_waits",
        "_wants_steps", "_watched", "catch_exceptions", "err", "log_traceback", "parent", "tags",
    )  # fmt: skip

    def __init__(
        self,
        schema: Schema | type[States] | Mapping[str, Any],
        *,
        id: str | None,
        parent: Any,
        tags: Iterable[str],
        handler_timeout: float | None,
        catch_exceptions: bool,
        log_level: LogLevel,
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
        self._ticks = [0] * len(self._schema.names)
        self._queue_tick = 1
        self._machine_tick = 0
        self._book: PlanBook = self._schema.plans(frozenset())
        self._conf: Configuration = self._book.configuration(0)
        self._life = ALIVE
        self._log_level = int(log_level)
        self._log_args: LogArgs | None = None
        self._sem_log: SemLog | None = None
        self._pre_log: list[Any] | None = None
        self._loud = self._wants_steps = False
        self._told_cycle = False
        self._slow, self._timeout = math.inf, 0.0
        self._bindings: tuple[Binding, ...] = ()
        self._binding_count = 0
        # Handler name -> (function, binding), in order of binding.
        # Of names with a handler; in the middle of a transition also names without any more.
        self._calls: dict[str, tuple[tuple[Handler, Binding], ...]] = {}
        self._hooks: Hooks | None = None
        # Those of its tracers that are journals.
        self._journals: tuple[Journal, ...] = ()
        # What one has noted, if it is the only one, and how much it may be before that has to know.
        self._notes: Any = None
        self._notes_mark = 0
        self._children: list[ref[Any]] | None = None
        self._disposers: list[Callable[[Any], object]] | None = None
        # Union of the states that waits, contexts and tasks look at.
        self._watched = 0
        self._waits: WaitIndex | None = None
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

    def _retune(self) -> None:
        """Find out whether transitions have to tell anybody."""
        hooks, sem_log = self._hooks, self._sem_log
        self._wants_steps = sem_log is not None and sem_log.steps
        self._loud = bool(
            self._log_level > 0 or (hooks is not None and hooks.is_loud) or self._wants_steps
        )
        if self._log_level >= CHANGES and not self._told_cycle:
            self._told_cycle = True
            if self._schema.tables.has_require_cycle:
                emit(self, LogLevel.CHANGES, "[resolver] require has a cycle, it orders nothing")

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
        return LogLevel(self._log_level)

    @log_level.setter
    def log_level(self, level: LogLevel) -> None:
        self._log_level = int(LogLevel(level))
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
        self._slow = self._timeout / 10 or math.inf

    def log(self, text: str) -> None:
        """Emit a line of level EXTERNAL; in a handler it is prefixed with the handler's name."""
        if self._handling is not None:
            text = f"[{self._handling.name}] {text}"
        emit(self, LogLevel.EXTERNAL, text)

    @property
    def transition(self) -> Transition | None:
        """The running transition."""
        return self._transition

    def _running_mutation(self) -> Mutation:
        """The mutation behind the running transition."""
        assert self._mutation is not None
        return self._mutation

    def _time_before(self) -> int:
        """Machine time before the running transition, as one number."""
        if self._transition is not None:
            return self._transition.time_before.sum
        total = sum(self._ticks)
        if self._plan is not None and self._handling is not None and self._handling.is_final:
            # Clocks have moved already.
            for _, gained in self._plan.increments:
                total -= gained
        return total

    def _queue_len(self) -> int:
        """Mutations waiting."""
        return 0

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

    @property
    def disposed(self) -> bool:
        """Whether the machine came to its end."""
        return self._life == DISPOSED

    def _rewatch(self) -> None:
        """Find out again which states waits, contexts and tasks look at."""
        bits = self._schema.bits
        watched = self._waits.mask | self._waits.args if self._waits is not None else 0
        for i in self._contexts or ():
            watched |= bits[i]
        for i in self._forks or ():
            if i != LIFE:
                watched |= bits[i]
        self._watched = watched
