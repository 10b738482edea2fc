"""One class per situation. A refused mutation is a result, never an exception.

* misuse of the API: `SchemaError`, `UnknownStateError`, `ArgsError`, `HandlerError`, `NotOpenError`
* a handler that took too long: `HandlerTimeoutError` (reported through the machine, never raised)
"""

from __future__ import annotations


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


class UnknownStateError(Error, ValueError):
    """A name given to a machine is not one of its states; nothing was queued or changed.

    Relations that name a missing state are a `SchemaError` instead.
    """

    def __init__(self, state: object, where: object = "") -> None:
        self.state = state
        super().__init__(f"unknown state {state!r}" + ("" if where == "" else f" in {where!r}"))


class ArgsError(Error, TypeError):
    """Keywords of a mutation do not fit the args classes of called states; nothing was queued."""


class HandlerError(Error, ValueError):
    """A handler cannot be bound: an ambiguous, mistyped, or wrongly async handler name."""


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


class NotOpenError(Error, RuntimeError):
    """A task cannot be started, because the machine is not open (`async with machine:`)."""
