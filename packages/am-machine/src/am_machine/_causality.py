"""Causality: which transition a mutation came from.

A context variable leads from a mutation to the transition that caused it. Setting and resetting
it costs as much as a whole small transition, so it is not done for each: the variable holds a
`Running` cell per machine, which stays there between transitions and counts only while its
machine runs handlers. The record itself, a `Source`, is made when a mutation asks for it. Tasks
started from a handler would inherit just the cell, so an instrument of trio gives each the record
instead.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Final, final

import trio

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from ._base import BaseMachine


# Its own, so that programs which seed theirs do not name two transitions alike; nor do forks.
_random: Final = Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def new_id() -> str:
    """16 random lower-case hex characters."""
    return f"{_random.getrandbits(64):016x}"


class Source:
    """A small record of the transition that caused a mutation.

    `machine_id` and `transition_id` name it; `time` is the machine time (sum of ticks) before it;
    `hops` counts the transitions, over all machines, that led here (1 for a first cause). It keeps
    neither the transition nor its args alive.
    """

    __slots__ = ("hops", "machine_id", "time", "transition_id")

    def __init__(self, machine_id: str, transition_id: str, time: int, hops: int = 1) -> None:
        self.machine_id = machine_id
        self.transition_id = transition_id
        self.time = time
        self.hops = hops

    def _key(self) -> tuple[str, str, int, int]:
        return (self.machine_id, self.transition_id, self.time, self.hops)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Source) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return f"{self.machine_id}/{self.transition_id}/{self.time}"

    def __repr__(self) -> str:
        return f"<Source {self} hops={self.hops}>"


@final
class Running:
    """The cell of one machine: `machine` is set while its handlers run."""

    __slots__ = ("is_known", "machine")

    def __init__(self) -> None:
        self.machine: BaseMachine | None = None
        # Whether it was looked whether tasks have to be watched.
        self.is_known = False

    def source(self) -> Source | None:
        """The record of the running transition, None between transitions."""
        machine = self.machine
        if machine is None:
            return None
        mutation = machine._running_mutation()
        if mutation.as_source is None:
            # There need be no whole record of the transition to know this much.
            transition = machine._transition
            cause = mutation.source
            mutation.as_source = Source(
                machine.id,
                new_id() if transition is None else transition.id,
                machine._time_before(),
                1 if cause is None else cause.hops + 1,
            )
        return mutation.as_source

    def enter(self, machine: BaseMachine) -> Token[Cause] | None:
        """Handlers of `machine` begin to run; `leave` with what this returned."""
        if CAUSE.get() is self:
            # Nobody else's cause is to be given back afterwards.
            self.machine = machine
            return None
        if not self.is_known:
            self.is_known = True
            if trio.lowlevel.in_trio_run():
                watch_tasks()
        self.machine = machine
        return CAUSE.set(self)

    def leave(self, token: Token[Cause] | None) -> None:
        """They have run; whoever asked for the record has it."""
        self.machine = None
        if token is None:
            return
        outer = token.old_value
        if type(outer) is Source or (type(outer) is Running and outer.machine is not None):
            # A task has a cause, or another machine's handler goes on.
            CAUSE.reset(token)

    def outer(self, token: Token[Cause]) -> Source | None:
        """What caused the running transition, if it was made by a plain call."""
        return _source_of(None if token.old_value is token.MISSING else token.old_value)


Cause = Source | Running | None
CAUSE: ContextVar[Cause] = ContextVar("am_machine_cause", default=None)


def _source_of(cause: object) -> Source | None:
    if isinstance(cause, Running):
        return cause.source()
    return cause if isinstance(cause, Source) else None


def current_source() -> Source | None:
    """The causality record of the running handler or task; None outside of them."""
    cause = CAUSE.get()
    return cause.source() if type(cause) is Running else cause


class use_source:
    """Within it, mutations are caused by a record from elsewhere, such as another process.

    To be entered once. A class, for it costs half as much as a generator.
    """

    __slots__ = ("_source", "_token")

    def __init__(self, source: Source | None) -> None:
        self._source = source

    def __enter__(self) -> None:
        self._token = CAUSE.set(self._source)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        CAUSE.reset(self._token)


class _TaskWatcher(trio.abc.Instrument):
    """Gives a task started from a handler the record of the transition."""

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        cause = task.context.get(CAUSE)
        if isinstance(cause, Running):
            task.context.run(CAUSE.set, cause.source())


_watched: trio.lowlevel.RunVar[bool] = trio.lowlevel.RunVar("am_machine_watched", False)


def watch_tasks() -> None:
    """Have tasks of this trio run inherit their cause; once per run."""
    if not _watched.get():
        _watched.set(True)
        trio.lowlevel.add_instrument(_TaskWatcher())
