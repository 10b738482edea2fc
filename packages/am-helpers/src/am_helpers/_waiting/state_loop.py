"""A guard for loops which run while a state is active."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from .._errors import LoopError
from .._schema_tools import RELATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am


class StateLoop:
    """Guards ``while loop.ok(): …`` against running on without its state, or in a hot circle.

    Circles show in the ticks of the *context states*: the state itself, what it requires, and all
    states with a relation to it. More than ``threshold`` ticks of them within a ``window`` (in
    seconds) end the loop.

    :raises am.UnknownStateError: if the machine lacks the state.
    """

    def __init__(
        self,
        mach: am.MachineApi,
        state: str,
        check: Callable[[], bool] | None = None,
        threshold: int = 500,
        window: float = 1.0,
    ) -> None:
        mach.tick(state)
        self._mach = mach
        self._state = state
        self._check = check
        self._threshold = threshold
        self._window = window
        self._context = _context_states(mach, state)
        self._start_ticks = self._window_ticks = self._sum()
        self._window_start = _now()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether `ok` has become False for good."""
        return self._ended

    @property
    def ticks(self) -> int:
        """How far the context states have ticked since the loop was made."""
        return self._sum() - self._start_ticks

    def ok(self) -> bool:
        """Tell whether to go round once more.

        An inactive state, or ticks beyond the threshold, add an error to the machine; a false
        ``check()`` and `break_` do not.
        """
        if self._ended:
            return False
        if self._mach.not_(self._state):
            return self._end(f"{self._state} is not active")
        if self._check is not None and not self._check():
            return self._end()
        ticks, now = self._sum(), _now()
        if now - self._window_start >= self._window:
            self._window_start, self._window_ticks = now, ticks
        elif ticks - self._window_ticks > self._threshold:
            return self._end(f"over {self._threshold} ticks in {self._window:g} s")
        return True

    def break_(self) -> None:
        """End the loop at its next `ok`, without an error."""
        self._ended = True

    def _end(self, error: str = "") -> bool:
        self._ended = True
        if error:
            self._mach.add_err(LoopError(f"loop of {self._state} ended: {error}"))
        return False

    def _sum(self) -> int:
        return self._mach.time(*self._context).sum


def _context_states(mach: am.MachineApi, state: str) -> tuple[str, ...]:
    schema = mach.schema
    required = schema[state].require
    return tuple(
        name
        for name in schema
        if name == state
        or name in required
        or any(state in getattr(schema[name], kind) for kind in RELATIONS)
    )


def _now() -> float:
    """Seconds on trio's clock, or on the system's in code without an event loop."""
    try:
        return trio.current_time()
    except RuntimeError:
        return time.monotonic()
