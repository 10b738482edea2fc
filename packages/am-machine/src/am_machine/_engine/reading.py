"""Reading a machine: checks, clocks and text. Valid at all times, from any thread, also after
dispose: it stores nothing on the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .. import _text
from .._schema.state import plain_name
from .._time import Time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._schema.plans import Configuration
    from .._schema.schema import Schema
    from .base import BaseMachine


class Reading:
    """The readable part of a machine; the fields that it reads are those of `BaseMachine`."""

    __slots__ = ()

    _schema: Schema
    _conf: Configuration
    _ticks: list[int]
    _queue_tick: int
    _machine_tick: int

    @property
    def id(self) -> str:
        """Name of the machine."""
        raise NotImplementedError

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
            return self._conf.answers[states]
        except (KeyError, TypeError):
            return self._ask(states)

    def _ask(self, states: tuple[str, ...]) -> bool:
        """What was not asked before, is no state as it stands, or cannot be hashed."""
        try:
            return self._conf.are_active(states, self._schema.index)
        except (KeyError, TypeError):
            mask = self._schema.mask(tuple([plain_name(name) for name in states]), self)
            return self._conf.mask & mask == mask

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
        met = False
        for group in groups:
            # All are looked at, so that a wrong name is never overlooked.
            met |= self.is_(*((group,) if isinstance(group, str) else group))
        return met

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
        return bool(self._conf.mask & self._schema.exception)

    # ---------------------------------------------------------------- clocks

    def tick(self, state: str) -> int:
        """The clock of one state; odd means active.

        :raises UnknownStateError: if the name is not a state.
        """
        try:
            return self._ticks[self._schema.index[state]]
        except (KeyError, TypeError):
            return self._ticks[self._schema.indexes((state,), self)[0]]

    def time(self, *states: str) -> Time:
        """Ticks of all states in index order, or of these in the order given."""
        if not states:
            return Time(self._ticks)
        ticks = self._ticks
        return Time([ticks[self._schema.indexes((name,), self)[0]] for name in states])

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

    # ---------------------------------------------------------------- text

    def __str__(self) -> str:
        return _text.short(cast("BaseMachine", self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self}>"

    def string_all(self) -> str:
        """All states: `(Foo:1) [Bar:0 Exception:0]`."""
        return _text.full(cast("BaseMachine", self))

    def inspect(self, *states: str) -> str:
        """States, ticks, properties and relations, one per line."""
        if states:
            self._schema.indexes(states, self)
        return _text.inspection(cast("BaseMachine", self), states or self._schema.names)
