"""Causality: which transition a mutation came from.

While a handler runs, and in the tasks started from it, a context variable holds the `Source` of its
transition. It is filled in only when somebody asks, or when it outlives its transition because a
task inherited it: most mutations in handlers are never asked where they came from.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._base import BaseMachine


class Source:
    """A small record of the transition that caused a mutation.

    `machine_id` and `transition_id` name it; `time` is the machine time (sum of ticks) before it;
    `hops` counts the transitions, over all machines, that led here (1 for a first cause). It keeps
    neither the transition nor its args alive.
    """

    __slots__ = ("_hops", "_machine", "_machine_id", "_time", "_transition_id")

    def __init__(self, machine_id: str, transition_id: str, time: int, hops: int = 1) -> None:
        self._machine: BaseMachine | None = None
        self._machine_id = machine_id
        self._transition_id = transition_id
        self._time = time
        self._hops = hops

    def settle(self) -> Source:
        """Fill the record in, while its transition still runs."""
        machine = self._machine
        if machine is not None:
            self._machine = None
            transition = machine.transition
            assert transition is not None
            self._machine_id = machine.id
            self._transition_id = transition.id
            self._time = transition.time_before.sum
            cause = transition.source
            self._hops = 1 + cause.hops if cause is not None else 1
        return self

    @property
    def machine_id(self) -> str:
        """Id of the machine."""
        return self.settle()._machine_id

    @property
    def transition_id(self) -> str:
        """Id of the transition."""
        return self.settle()._transition_id

    @property
    def time(self) -> int:
        """Machine time before the transition."""
        return self.settle()._time

    @property
    def hops(self) -> int:
        """Length of the chain of causes."""
        return self.settle()._hops

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Source):
            return NotImplemented
        return (self.machine_id, self.transition_id, self.time, self.hops) == (
            other.machine_id, other.transition_id, other.time, other.hops,
        )  # fmt: skip

    def __hash__(self) -> int:
        return hash((self.machine_id, self.transition_id))

    def __str__(self) -> str:
        return f"{self.machine_id}/{self.transition_id}/{self.time}"

    def __repr__(self) -> str:
        return f"<Source {self} hops={self.hops}>"


def running_source(machine: BaseMachine) -> Source:
    """A record of the machine's running transition, to be filled in later."""
    source = Source.__new__(Source)
    source._machine = machine
    return source


CAUSE: ContextVar[Source | None] = ContextVar("am_machine_cause", default=None)


@contextmanager
def use_source(source: Source | None) -> Iterator[None]:
    """Within it, mutations are caused by a record from elsewhere, such as another process."""
    token = CAUSE.set(source)
    try:
        yield
    finally:
        CAUSE.reset(token)


def current_source() -> Source | None:
    """The causality record of the running handler or task; None outside of them."""
    source = CAUSE.get()
    return source.settle() if source is not None else None
