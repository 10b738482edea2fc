"""Causality: which transition a mutation came from.

A context variable leads from a mutation to the transition that caused it. Setting and resetting
it costs as much as a whole small transition, so it is not done for each: the variable holds a
`CauseCell` per machine, which stays there between transitions and counts only while its
machine runs handlers. The record itself, a `Source`, is made when a mutation asks for it. Tasks
started from a handler would inherit just the cell, so an instrument of trio gives each the record
instead.
"""

from __future__ import annotations

import os
from contextvars import ContextVar
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

import trio

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from ._engine.base import BaseMachine


# Its own, so that programs which seed theirs do not name two transitions alike; nor do forks.
_random: Final = Random()
_MASK: Final = (1 << 64) - 1
_numbers: Final = count()
_seed: list[int] = [_random.getrandbits(64)]


def _reseed() -> None:
    _random.seed()
    _seed[0] = _random.getrandbits(64)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reseed)


def new_id() -> str:
    """16 random lower-case hex characters."""
    return f"{_random.getrandbits(64):016x}"


def new_id_bytes(count: int) -> bytes:
    """So many of them, eight bytes each, at less than the price of each alone."""
    return _random.randbytes(8 * count)


def ids_of(id_bytes: bytes) -> list[str]:
    """Ids that are eight bytes each, as text."""
    digits = id_bytes.hex()
    return [digits[i : i + 16] for i in range(0, len(digits), 16)]


def new_number() -> int:
    """A number that no other caller in this process gets."""
    return next(_numbers)


def id_of(number: int) -> str:
    """The id that belongs to a number: the same in whichever thread it is asked for, so that it
    need not be made before somebody asks. (A step of the generator SplitMix64: different numbers
    have different ids.)"""
    x = (_seed[0] + (number + 1) * 0x9E3779B97F4A7C15) & _MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK
    return f"{x ^ x >> 31:016x}"


class Source:
    """A small record of the transition that caused a mutation.

    `machine_id` and `transition_id` name it; `time` is the machine time (sum of ticks) before it;
    `hops` counts the transitions, over all machines, that led here (1 for a first cause). It keeps
    neither the transition nor its args alive.
    """

    __slots__ = ("_transition_id", "hops", "machine_id", "time")

    # A record counts wherever it is found; of a `CauseCell` this is the machine, while it runs.
    _running: ClassVar[bool] = True

    def __init__(self, machine_id: str, transition_id: str, time: int, hops: int = 1) -> None:
        self.machine_id = machine_id
        self._transition_id = transition_id
        self.time = time
        self.hops = hops

    @property
    def transition_id(self) -> str:
        """Id of the transition, 16 hex characters; made when it is first asked for."""
        if not self._transition_id:
            self._transition_id = new_id()
        return self._transition_id

    def _key(self) -> tuple[str, str, int, int]:
        return (self.machine_id, self.transition_id, self.time, self.hops)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Source) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return Source, self._key()

    def __str__(self) -> str:
        return f"{self.machine_id}/{self.transition_id}/{self.time}"

    def __repr__(self) -> str:
        return f"<Source {self} hops={self.hops}>"


@final
class CauseCell:
    """The cell of one machine: `_running` is set while its handlers run."""

    __slots__ = ("_running", "is_known")

    def __init__(self) -> None:
        self._running: BaseMachine | None = None
        # Whether it was looked whether tasks have to be watched.
        self.is_known = False

    def source(self) -> Source | None:
        """The record of the running transition, None between transitions."""
        machine = self._running
        if machine is None or machine._plan is None:
            return None
        cause = machine._cause
        if cause is None:
            # There need be no whole record of the transition to know this much.
            mutation, transition, token = machine._mutation, machine._transition, machine._token
            outer = None
            if mutation is not None:
                outer = mutation.source
            elif token is not None:
                outer = self.outer(token)
            plan, call = machine._plan, machine._handling
            if transition is not None:
                time = machine._time_before()
            else:
                # As that: the clocks have moved where a final handler runs.
                time = machine._time_offset + machine._queue_tick
                if call is not None and call.is_final:
                    time -= plan.gained
            # In this frame: most mutations made in handlers are the first of theirs.
            cause = Source.__new__(Source)
            cause.machine_id = machine._id if type(machine._id) is str else machine.id
            cause._transition_id = "" if transition is None else transition._id
            cause.time = time
            cause.hops = 1 if outer is None else outer.hops + 1
            machine._cause = cause
            if transition is not None:
                transition._cause = cause
        return cause

    def enter(self, machine: BaseMachine) -> Token[Cause] | None:
        """Handlers of `machine` begin to run; `leave` with what this returned: a token, if
        somebody else's cause is to be given back afterwards."""
        outer = CAUSE.get()
        if outer is self:
            self._running = machine
            return None
        if not self.is_known:
            self.is_known = True
            if trio.lowlevel.in_trio_run():
                watch_tasks()
        self._running = machine
        token = CAUSE.set(self)
        # The idle cell of another machine is no cause; if it runs later, within this, it would
        # seem to be one.
        is_cause = outer is not None and outer._running is not None
        return token if is_cause else None

    def leave(self, token: Token[Cause] | None) -> None:
        """They have run."""
        self._running = None
        if token is not None:
            try:  # noqa: SIM105 - `suppress` takes as long as all of this
                CAUSE.reset(token)
            except (RuntimeError, ValueError):
                pass  # an interruption had it given back already, or it is mended elsewhere

    def named(self, transition_id: str) -> Source | None:
        """A record with the id of a transition that caused nothing."""
        return Source("", transition_id, 0)

    def outer(self, token: Token[Cause]) -> Source | None:
        """What caused the running transition, if it was made by a plain call."""
        return _source_of(None if token.old_value is token.MISSING else token.old_value)


Cause = Source | CauseCell | None
CAUSE: ContextVar[Cause] = ContextVar("am_machine_cause", default=None)
# Bound once: it is asked in every transition.
current_cause = CAUSE.get


def _source_of(cause: object) -> Source | None:
    if isinstance(cause, CauseCell):
        return cause.source()
    return cause if isinstance(cause, Source) else None


def current_source() -> Source | None:
    """The causality record of the running handler or task; None outside of them."""
    cause = CAUSE.get()
    return cause.source() if type(cause) is CauseCell else cause


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
        if isinstance(cause, CauseCell):
            task.context.run(CAUSE.set, cause.source())


_watched: trio.lowlevel.RunVar[bool] = trio.lowlevel.RunVar("am_machine_watched", False)


def watch_tasks() -> None:
    """Have tasks of this trio run inherit their cause; once per run."""
    if not _watched.get():
        _watched.set(True)
        trio.lowlevel.add_instrument(_TaskWatcher())
