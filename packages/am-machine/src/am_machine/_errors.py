"""One class per situation. A refused mutation is a result, never an exception.

* misuse of the API: `SchemaError`, `UnknownStateError`, `ArgsError`, `HandlerError`, `NotOpenError`
* what handlers did: `HandlerTimeoutError`, `QueueLoopError` (reported through the machine, as
  `machine.err` with the state `Exception`)
"""

from __future__ import annotations

from typing import Any


class Error(Exception):
    """Base of every error that this distribution defines."""


class SchemaError(Error, ValueError):
    """A schema is faulty, or an unbound `State` was used as a name.

    Raised when a schema is compiled or grown, with every fault listed at once in `faults`.
    """

    faults: tuple[str, ...]

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("; ".join(faults))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.faults


class UnknownStateError(Error, ValueError):
    """A name given to a machine is not one of its states; nothing was queued or changed.

    `state` is that name, `nearest` the state that was probably meant, or None. Relations that name
    a missing state are a `SchemaError` instead.
    """

    def __init__(self, state: object, where: object = "", nearest: str | None = None) -> None:
        self.state = state
        self.nearest = nearest
        # As text, so that the error keeps no machine alive and travels between processes.
        self._where = where if isinstance(where, str) else repr(where)
        place = f" in {self._where}" if self._where else ""
        advice = f"; did you mean {nearest}?" if nearest else ""
        super().__init__(f"unknown state {state!r}{place}{advice}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.state, self._where, self.nearest)


class ArgsError(Error, TypeError):
    """Keywords of a mutation do not fit the args classes of called states; nothing was queued."""


class HandlerError(Error, ValueError):
    """A handler cannot be bound: an ambiguous, mistyped, or wrongly async handler name, or an
    object that has no handlers.

    Also what becomes of a vote that is not a bool, and of a handler that hands back a coroutine or
    a generator instead of doing its work: then it is the machine's error, as if the handler had
    raised it.
    """


class HandlerTimeoutError(Error, TimeoutError):
    """A handler ran longer than the machine's `handler_timeout`.

    Sync code cannot be interrupted, so this is reported after the handler returned, as
    `machine.err` with the `Exception` state; its work stands.
    """

    def __init__(self, handler: str, binding: str, elapsed: float) -> None:
        self.handler = handler
        self.binding = binding
        self.elapsed = elapsed
        super().__init__(f"{handler} from {binding} took {elapsed:.3f} s")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.handler, self.binding, self.elapsed)


class NotOpenError(Error, RuntimeError):
    """A task cannot be started, because the machine is not open (`async with machine:`)."""


class QueueLoopError(Error, RuntimeError):
    """Mutations caused each other without end: the queue was dropped.

    `states` are the states called by the last ten of them, each as text. It is cut after
    `Machine(queue_rounds=…)` mutations of one outer call.
    """

    def __init__(self, rounds: int, states: tuple[str, ...]) -> None:
        self.rounds = rounds
        self.states = states
        super().__init__(
            f"cut after {rounds} mutations of one call; the last of them called: "
            + ", ".join(states)
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rounds, self.states)
