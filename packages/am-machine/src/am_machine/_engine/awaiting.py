"""The waits that every machine offers. They subscribe when they are made; `_waits` has the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._waits import waiting
from .._waits.waits import Kind as WaitKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._schema.schema import Schema
    from .._waits.waits import Wait


class Awaiting:
    """The waits of a machine; the fields that it reads are those of `BaseMachine`, which alone is
    made of it. (Told to the type checker by comments, for `cast` is a call.)"""

    __slots__ = ()

    _schema: Schema
    _ticks: list[int]

    def check_thread(self) -> None:
        """See that the thread is the machine's."""
        raise NotImplementedError

    def when(self, *states: str) -> Wait:
        """All these states are active at the end of one transition, or now.

        :raises UnknownStateError: if a name is not a state (so do all the others).
        :raises RuntimeError: in a thread other than the machine's own (so do all the others).
        """
        return waiting.wait_for_states(self, WaitKind.ALL, states)  # type: ignore[arg-type]

    def when_not(self, *states: str) -> Wait:
        """None of these states is active at the end of one transition, or now."""
        return waiting.wait_for_states(self, WaitKind.NONE, states)  # type: ignore[arg-type]

    def when_any(self, *states: str) -> Wait:
        """At least one of these states is active at the end of one transition, or now."""
        return waiting.wait_for_states(self, WaitKind.ANY, states)  # type: ignore[arg-type]

    def when_err(self) -> Wait:
        """`Exception` is active."""
        return waiting.wait_for_states(self, WaitKind.ALL, ("Exception",))  # type: ignore[arg-type]

    def when_time(self, ticks: Mapping[str, int]) -> Wait:
        """Each of these ticks was reached.

        :raises ValueError: if no state is given, or a tick is negative.
        """
        if not ticks or any(tick < 0 for tick in ticks.values()):
            raise ValueError("when_time needs states, and ticks that are not negative")
        self.check_thread()
        indexes = self._schema.indexes(ticks, self)
        wanted = dict(zip(indexes, ticks.values(), strict=True))
        return waiting.wait_for_ticks(self, wanted)  # type: ignore[arg-type]

    def when_ticks(self, state: str, ticks: int) -> Wait:
        """The state's clock has moved on by so many ticks."""
        self.check_thread()
        i = self._schema.indexes((state,), self)[0]
        wanted = {i: self._ticks[i] + max(ticks, 0)}
        return waiting.wait_for_ticks(self, wanted)  # type: ignore[arg-type]

    def when_next_active(self, state: str) -> Wait:
        """The state becomes active, or is left and becomes active again, or, if multi, is entered
        again."""
        self.check_thread()
        i = self._schema.indexes((state,), self)[0]
        tick = self._ticks[i]
        return waiting.wait_for_ticks(self, {i: tick + 1 + (tick & 1)})  # type: ignore[arg-type]

    def when_query(self, fn: Callable[[dict[str, int]], object]) -> Wait:
        """`fn(clock)` is true now, or after a transition that changed a tick. If it raises, that
        becomes an error of the machine and the wait ends with False."""
        return waiting.wait_for_query(self, fn)  # type: ignore[arg-type]

    def when_args(self, state: str, /, **args: Any) -> Wait:
        """The state is entered by a mutation whose keywords contain all these, compared by `==`."""
        return waiting.wait_for_args(self, state, args)  # type: ignore[arg-type]

    def when_disposed(self) -> Wait:
        """The machine came to its end."""
        return waiting.wait_for_disposal(self)  # type: ignore[arg-type]
