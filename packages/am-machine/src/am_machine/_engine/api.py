"""What every machine offers, local or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from .._result import Result
    from .._schema.schema import Schema
    from .._snapshot import Snapshot
    from .._time import Time
    from .._waits.context import Fork, StateContext
    from .._waits.waits import Wait
    from .._watch.log import LogLevel
    from .._watch.sem_log import SemLog
    from .._watch.tracer import Tracer
    from .binding import Binding, Handlers
    from .mutation import Mutation
    from .transition import Transition


@runtime_checkable
class MachineApi(Protocol):
    """The surface shared by `Machine` and by replicas of machines elsewhere.

    Code written against it keeps a mutation's result and awaits it where the outcome matters: on a
    local machine that is settled already. `is_local` tells the two apart. The methods are described
    at `Machine`.
    """

    is_local: bool
    catch_exceptions: bool
    log_traceback: bool
    tags: tuple[str, ...]

    @property
    def id(self) -> str:
        """Name of the machine."""
        ...

    @property
    def parent(self) -> Any:
        """The machine it was made under."""
        ...

    @property
    def log_level(self) -> LogLevel:
        """Lines of at most this level are emitted."""
        ...

    @log_level.setter
    def log_level(self, level: LogLevel) -> None: ...

    @property
    def handler_timeout(self) -> float:
        """Seconds that one handler call may take; 0 means any time."""
        ...

    @handler_timeout.setter
    def handler_timeout(self, seconds: float | None) -> None: ...

    @property
    def schema(self) -> Schema:
        """The compiled schema."""
        ...

    @property
    def err(self) -> BaseException | None:
        """The last error that was reported."""
        ...

    @property
    def active(self) -> tuple[str, ...]:
        """Active states, in index order."""
        ...

    @property
    def is_err(self) -> bool:
        """Whether `Exception` is active."""
        ...

    @property
    def queue_tick(self) -> int:
        """Starts at 1."""
        ...

    @property
    def machine_tick(self) -> int:
        """How often the machine was brought back from a snapshot."""
        ...

    @property
    def queue(self) -> tuple[Mutation, ...]:
        """Pending mutations, the next one first."""
        ...

    @property
    def transition(self) -> Transition | None:
        """The running transition, None outside of a drain."""
        ...

    @property
    def disposed(self) -> bool:
        """Whether the machine came to its end."""
        ...

    @property
    def sem_log(self) -> SemLog:
        """Switches of the semantic log, and the pipes of this machine."""
        ...

    def add(self, /, *states: str, **args: Any) -> Result:
        """Activate states, and what they imply."""
        ...

    def remove(self, /, *states: str, **args: Any) -> Result:
        """Deactivate states, and what requires them."""
        ...

    def set(self, /, *states: str, **args: Any) -> Result:
        """Make these the active states, with what they imply."""
        ...

    def toggle(self, /, *states: str, **args: Any) -> Result:
        """Remove the states if all are active at this moment, else add them."""
        ...

    def add_err(
        self, error: BaseException | str | None, exc: BaseException | None = None, /, **args: Any
    ) -> Result:
        """Record an error and add `Exception`, or with a state name first that state and
        `Exception`."""
        ...

    def can_add(self, /, *states: str, **args: Any) -> Result:
        """Whether `add` would be accepted."""
        ...

    def can_remove(self, /, *states: str, **args: Any) -> Result:
        """Whether `remove` would be accepted, in the same way."""
        ...

    async def check_add(self, /, *states: str, **args: Any) -> Result:
        """The outcome of `can_add`, wherever the machine lives."""
        ...

    async def check_remove(self, /, *states: str, **args: Any) -> Result:
        """The outcome of `can_remove`, wherever the machine lives."""
        ...

    def is_(self, *states: str) -> bool:
        """Whether all these states are active."""
        ...

    def not_(self, *states: str) -> bool:
        """Whether none of these states is active."""
        ...

    def any_(self, *groups: str | Iterable[str]) -> bool:
        """Whether one of the groups is fully active."""
        ...

    def __contains__(self, state: object) -> bool:
        """`is_` of one state."""
        ...

    def switch(self, *states: str) -> str | None:
        """The first of these states that is active, in the order given."""
        ...

    def tick(self, state: str) -> int:
        """The clock of one state."""
        ...

    def time(self, *states: str) -> Time:
        """Ticks of all states in index order, or of these in the order given."""
        ...

    def clock(self, *states: str) -> dict[str, int]:
        """The same as a dict of names to ticks."""
        ...

    def is_time(self, time: Iterable[int], *states: str) -> bool:
        """Whether every tick equals the given one."""
        ...

    def was_time(self, time: Iterable[int], *states: str) -> bool:
        """Whether every tick has reached the given one."""
        ...

    def is_clock(self, clock: Mapping[str, int]) -> bool:
        """Whether every named tick equals the given one."""
        ...

    def was_clock(self, clock: Mapping[str, int]) -> bool:
        """Whether every named tick has reached the given one."""
        ...

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
        """Whether a mutation of this kind that calls all these states is pending."""
        ...

    def will_be(self, *states: str) -> bool:
        """Whether adding these states is pending."""
        ...

    def will_be_removed(self, *states: str) -> bool:
        """Whether removing these states is pending."""
        ...

    def when(self, *states: str) -> Wait:
        """All these states are active at the end of one transition, or now."""
        ...

    def when_not(self, *states: str) -> Wait:
        """None of these states is active at the end of one transition, or now."""
        ...

    def when_any(self, *states: str) -> Wait:
        """At least one of these states is active at the end of one transition, or now."""
        ...

    def when_args(self, state: str, /, **args: Any) -> Wait:
        """The state is entered by a mutation whose keywords contain all these, compared by `==`."""
        ...

    def when_time(self, ticks: Mapping[str, int]) -> Wait:
        """Each of these ticks was reached."""
        ...

    def when_ticks(self, state: str, ticks: int) -> Wait:
        """The state's clock has moved on by so many ticks."""
        ...

    def when_next_active(self, state: str) -> Wait:
        """The state becomes active, or is left and becomes active again, or, if multi, is entered
        again."""
        ...

    def when_query(self, fn: Callable[[dict[str, int]], object]) -> Wait:
        """`fn(clock)` is true now, or after a transition that changed a tick."""
        ...

    def when_queue(self, result: Result) -> Wait:
        """The mutation behind a queued result was processed, or dropped from the queue."""
        ...

    def when_queue_ends(self) -> Wait:
        """No drain is running, now or once the running one has ended."""
        ...

    def when_err(self) -> Wait:
        """`Exception` is active."""
        ...

    def when_disposed(self) -> Wait:
        """The machine came to its end."""
        ...

    def state_ctx(self, state: str) -> StateContext:
        """The context of a state's current tick."""
        ...

    def fork(
        self, async_fn: Callable[..., Awaitable[Any]], *args: Any, state: str | None = None
    ) -> Fork:
        """Start a task in the machine's nursery, bound to a state's activity (if it is inactive
        now."""
        ...

    def bind(self, obj: Handlers, name: str | None = None, *, strict: bool = True) -> Binding:
        """Attach the handlers of an object (its methods named after states) or of a mapping of
        names to callables."""
        ...

    def bind_tracer(self, tracer: Tracer) -> None:
        """Add a tracer."""
        ...

    def detach_tracer(self, tracer: Tracer) -> None:
        """Take a tracer off."""
        ...

    def dispose(self) -> None:
        """End the machine."""
        ...

    def on_dispose(self, fn: Callable[[Any], object]) -> None:
        """Call `fn(machine)` on dispose, in order of registration."""
        ...

    def export(self) -> Snapshot:
        """The clocks as a value that can be kept."""
        ...

    def log(self, text: str) -> None:
        """Emit a line of level EXTERNAL."""
        ...

    def string_all(self) -> str:
        """All states."""
        ...

    def inspect(self, *states: str) -> str:
        """States, ticks, properties and relations, one per line."""
        ...


MachineApi.__module__ = "am_machine"  # as users and pickles know it
