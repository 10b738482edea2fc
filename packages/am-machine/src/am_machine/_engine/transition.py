"""The record of one transition, and the event that handlers get.

The engine runs without these objects; they are made when somebody looks at the running transition,
and complete themselves when it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from .._causality import new_id
from .._errors import ArgsError
from .._time import Time
from .mutation import NO_ARGS, Mutation, build_args, label, missing_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._causality import Source
    from .._result import Result
    from .._schema.handlers import HandlerCall
    from .._schema.plans import Plan
    from .._schema.steps import Step
    from .._watch.log import LogEntry
    from .base import BaseMachine
    from .machine import Machine


ArgsT = TypeVar("ArgsT")


class Panic(NamedTuple):
    """Where an exception left a handler: the keyword `panic` of the `Exception` mutation."""

    handler: str
    called: tuple[str, ...]
    before: tuple[str, ...]
    transition_id: str


class Transition:
    """What a mutation does to a machine, from `before` to `target`.

    Complete once it ended; while it runs, `target` and `time_after` are what is predicted.
    """

    __slots__ = (
        "__weakref__", "_after", "_before", "_book", "_cause", "_dropped", "_has_moved", "_id",
        "_plan", "accepted", "is_broken", "log_entries", "machine", "mutation", "pre_log_entries",
        "queue_len", "steps",
    )  # fmt: skip

    def __init__(self, machine: BaseMachine, plan: Plan, mutation: Mutation) -> None:
        self.machine = machine
        self.mutation = mutation
        # False once it is refused, canceled or failed.
        self.accepted = plan.accepted
        # Whether a final handler failed, so that clocks moved though it was canceled.
        self.is_broken = False
        # Filled while steps are wanted (`machine.sem_log.steps`), in order of happening.
        self.steps: list[Step] = []
        # Log lines emitted during it, and those since the transition before it.
        self.log_entries: list[LogEntry] = []
        self.pre_log_entries: list[LogEntry] = []
        # Mutations waiting when it ended.
        self.queue_len = 0
        self._plan = plan
        self._book = machine._book
        self._id = ""
        # The record of it as a cause, which has its id.
        self._cause: Source | None = None
        self._has_moved = False
        # Ticks gained beside those of the plan, by states that a failed handler made inactive.
        self._dropped: tuple[tuple[int, int], ...] = ()
        # The clocks, once they would be forgotten; until then the machine's own tell.
        self._before: tuple[int, ...] | None = None
        self._after: tuple[int, ...] | None = None

    def replan(self, plan: Plan) -> None:
        """An auto mutation came through in part: `called` stays, the rest is the new plan's."""
        self._plan = plan

    def move(self, before: tuple[int, ...] | None = None) -> None:
        """The clocks have moved: from now on `time_after` is the real time. `before` are the clocks
        before it, where they cannot be told from what the plan gained."""
        self._has_moved = True
        self._before = before

    def drop(self, states: Iterable[int]) -> None:
        """These states became inactive again, one more tick each."""
        self._dropped = (*self._dropped, *[(i, 1) for i in states])

    def freeze(self) -> None:
        """It is over, and somebody keeps it: note what the machine will forget."""
        if self._after is None:
            before = self._ticks_before()
            self._after = tuple(self.machine._ticks)
            self._before = before

    @property
    def changes(self) -> tuple[tuple[int, int], ...]:
        """(state index, ticks gained) of the clocks that have moved; none before they did."""
        return (*self._plan.increments, *self._dropped) if self._has_moved else ()

    def _ticks_before(self) -> tuple[int, ...]:
        if self._before is not None:
            return self._before
        ticks = list(self.machine._ticks)
        if self._has_moved:
            for i, gained in self.changes:
                ticks[i] -= gained
        return tuple(ticks)

    @property
    def id(self) -> str:
        """16 random lower-case hex characters."""
        if not self._id:
            self._id = new_id() if self._cause is None else self._cause.transition_id
        return self._id

    @property
    def kind(self) -> str:
        """add, remove or set."""
        return str(self._plan.kind)

    @property
    def called(self) -> tuple[str, ...]:
        """Called states, in the order given; of an auto transition those that were tried."""
        return self.mutation.called

    @property
    def before(self) -> tuple[str, ...]:
        """States active before, in index order."""
        return self.machine.schema.names_of(self._plan.before.mask)

    @property
    def target(self) -> tuple[str, ...]:
        """States to be active after it, in resolved order."""
        names = self.machine.schema.names
        return tuple([names[i] for i in self.target_indexes])

    @property
    def target_indexes(self) -> tuple[int, ...]:
        """`target` by state index."""
        return self._book.target_of(self._plan)

    @property
    def time_before(self) -> Time:
        """Machine time before it."""
        return Time(self._ticks_before())

    @property
    def time_after(self) -> Time:
        """Machine time after it; predicted until the clocks have moved."""
        if self._after is not None:
            return Time(self._after)
        ticks = list(self.machine._ticks)
        if not self._has_moved:
            for i, gained in self._predicted():
                ticks[i] += gained
        return Time(ticks)

    @property
    def added(self) -> tuple[str, ...]:
        """States whose tick grew and that are active after it, re-entered multi states too."""
        return self._moved(1)

    @property
    def removed(self) -> tuple[str, ...]:
        """States whose tick grew and that are inactive after it."""
        return self._moved(0)

    def _moved(self, parity: int) -> tuple[str, ...]:
        names, ticks = self.machine.schema.names, self.machine._ticks
        if self._before is not None:
            after = ticks if self._after is None else self._after
            pairs = enumerate(zip(self._before, after, strict=False))
            return tuple([names[i] for i, (was, t) in pairs if t > was and t & 1 == parity])
        # Few states move, so it is looked at these alone.
        has_moved = self._has_moved
        gains: dict[int, int] = {}
        for i, gained in self.changes if has_moved else self._predicted():
            gains[i] = gains.get(i, 0) + gained
        found = [i for i, gain in gains.items() if gain > 0]
        ends = [(i, ticks[i] if has_moved else ticks[i] + gains[i]) for i in sorted(found)]
        return tuple([names[i] for i, t in ends if t & 1 == parity])

    def _predicted(self) -> tuple[tuple[int, int], ...]:
        """(state index, ticks gained) of the clocks that will move; none if they will not."""
        return self._plan.increments if self.accepted else ()

    @property
    def touched(self) -> tuple[str, ...]:
        """States in any step, in the order first seen; empty if steps were not wanted."""
        names = self.machine.schema.names
        seen: dict[int, None] = {}
        for step in self.steps:
            for state in (step.from_state, step.to_state):
                if state is not None:
                    seen[state] = None
        return tuple([names[i] for i in seen])

    @property
    def source(self) -> Source | None:
        """Which transition caused it."""
        return self.mutation.source

    @property
    def auto(self) -> bool:
        """Whether it was made for auto states."""
        return self._plan.is_auto

    @property
    def is_check(self) -> bool:
        """Whether it is a dry run."""
        return self._plan.is_check

    def __str__(self) -> str:
        lines = [f"tx#{self.id}", f"[{label(self._plan.kind, self.auto)}] {' '.join(self.called)}"]
        source = self.source
        if source is not None:
            short = f"{source.machine_id}/{source.transition_id}/t{source.time}"
            lines.append(f"source: [tx]({short})")
        lines.extend(f"- {step}" for step in self.steps)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Transition {self.id} {self.mutation}>"


class Event:
    """What a handler gets: the running transition, seen from one handler.

    It may be kept; what it tells stays as it was when the handler ran.
    """

    __slots__ = ("_call", "_kept", "machine")

    machine: Machine
    _call: HandlerCall
    # The transition and the tick, once the event was kept.
    _kept: tuple[Transition, int] | None

    @property
    def transition(self) -> Transition:
        """The transition that called the handler."""
        if self._kept is not None:
            return self._kept[0]
        transition = self.machine.transition
        assert transition is not None
        return transition

    def keep(self) -> Event:
        """Note what would be gone with the transition; the engine does it for events that outlive
        their handler."""
        if self._kept is None:
            self._kept = (self.transition, self.tick)
        return self

    @property
    def mutation(self) -> Mutation:
        """The mutation behind the transition."""
        return self.machine._running_mutation() if self._kept is None else self._kept[0].mutation

    @property
    def name(self) -> str:
        """Name of the handler, such as `FooState`."""
        return self._call.name

    @property
    def args(self) -> Any:
        """Keywords of the mutation: a read-only mapping, or in `FooEnter`, `FooFoo` and `FooState`
        of a called `Foo` with an args class an instance of that class."""
        machine = self.machine
        if not machine._schema.args_classes and self._kept is None:
            mutation = machine._mutation
            return NO_ARGS if mutation is None else mutation.args
        call = self._call
        if call.role.value in _TYPED_ROLES:
            return self.mutation.typed_args(call.state)
        return self.mutation.args

    def args_as(self, cls: type[ArgsT]) -> ArgsT:
        """The keywords as an instance of an args class: the one that `args` is already, or one made
        of those keywords that it knows.

        :raises ArgsError: if a required field is missing, or the class refuses a value.
        """
        args = self.args
        if isinstance(args, cls):
            return args
        known = self.mutation.args
        missing = missing_args(cls, known)
        if missing:
            raise ArgsError(f"missing args {', '.join(missing)} of {cls.__name__} in {self.name}")
        try:
            return cast("ArgsT", build_args(cls, known))
        except (TypeError, ValueError) as exc:
            raise ArgsError(f"args of {self.name} do not fit {cls.__name__}: {exc}") from exc

    @property
    def tick(self) -> int:
        """Tick of the handler's state when it was called; of an `Any` handler the machine time."""
        if self._kept is not None:
            return self._kept[1]
        machine = self.machine
        return machine._ticks[self._call.state] if self._call.state >= 0 else machine._time_sum

    @property
    def source(self) -> Source | None:
        """Which transition caused the mutation."""
        return self.mutation.source

    @property
    def is_check(self) -> bool:
        """Whether this is a dry run: the handler votes, but nothing will change."""
        if self._kept is not None:
            return self._kept[0].is_check
        plan = self.machine._plan
        return plan is not None and plan.is_check

    @property
    def add(self) -> Callable[..., Result]:
        """`machine.add`."""
        return self.machine.add

    @property
    def remove(self) -> Callable[..., Result]:
        """`machine.remove`."""
        return self.machine.remove

    @property
    def set(self) -> Callable[..., Result]:
        """`machine.set`."""
        return self.machine.set

    @property
    def toggle(self) -> Callable[..., Result]:
        """`machine.toggle`."""
        return self.machine.toggle

    @property
    def add_err(self) -> Callable[..., Result]:
        """`machine.add_err`."""
        return self.machine.add_err

    def __repr__(self) -> str:
        return f"<Event {self.name} of {self.machine!r}>"


# Roles whose handlers get typed args.
_TYPED_ROLES = frozenset(("Enter", "self", "State"))
