"""State contexts and tasks: work that ends with the state it belongs to."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import trio

from .._causality import CAUSE
from .._trio_loop import poke

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from .._causality import Source
    from .._engine.base import BaseMachine


class StateContext:
    """The life of a state's current tick: `expired` turns true, for good, when the tick changes.

    `with ctx:` is a trio cancel scope that is cancelled then; the cancellation is absorbed at the
    end of the `with`. Each `with` opens a scope of its own, so many may be open, nested or in
    several tasks. Entering an expired context cancels at the first checkpoint. The machine holds
    contexts weakly; on dispose all expire.
    """

    __slots__ = ("__weakref__", "_scopes", "_token", "expired", "machine", "since", "state", "tick")

    def __init__(self, machine: BaseMachine, state: str, tick: int) -> None:
        self.machine = machine
        self.state = state
        self.tick = tick
        self.expired = False
        # When it was made, by the monotonic clock.
        self.since = monotonic()
        # Open scopes, in order of opening, by the task that opened them.
        self._scopes: dict[trio.lowlevel.Task, list[trio.CancelScope]] = {}
        self._token: trio.lowlevel.TrioToken | None = None

    def expire(self) -> None:
        """Called when the tick changed; expiring again changes nothing."""
        self.expired = True
        if self._scopes:
            for scopes in self._scopes.values():
                for scope in scopes:
                    scope.cancel()
            poke(self._token)

    def __enter__(self) -> Self:
        scope = trio.CancelScope()
        if self.expired:
            scope.cancel()
        scope.__enter__()
        self._scopes.setdefault(trio.lowlevel.current_task(), []).append(scope)
        self._token = trio.lowlevel.current_trio_token()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        task = trio.lowlevel.current_task()
        scopes = self._scopes[task]
        scope = scopes.pop()
        if not scopes:
            del self._scopes[task]
        return scope.__exit__(exc_type, exc, traceback)

    def __repr__(self) -> str:
        told = "expired" if self.expired else "current"
        return f"<StateContext {self.state}:{self.tick} {told}>"


class Fork:
    """A task of a machine, bound to a state's activity (or inactivity) or to the machine's life.

    `done` tells that it ended, `cancel()` ends it. Cancellation is silent; what else the task
    raises becomes the machine's `Exception` state, with `task=name` in its args.
    """

    __slots__ = ("_scope", "_token", "done", "name", "since", "source", "state", "while_active")

    def __init__(
        self, name: str, state: int | None, while_active: bool, source: Source | None
    ) -> None:
        self.name = name
        # Index of the state it is bound to; None: the machine's life.
        self.state = state
        self.while_active = while_active
        self.source = source
        self.done = False
        # When it was made, by the monotonic clock.
        self.since = monotonic()
        self._scope = trio.CancelScope()
        # The trio run it belongs to, once it was handed to one.
        self._token: trio.lowlevel.TrioToken | None = None

    def cancel(self) -> None:
        """Cancel the task; one that has not begun never runs."""
        self._scope.cancel()
        poke(self._token)

    async def run(
        self, machine: BaseMachine, fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> None:
        """The task itself."""
        try:
            with self._scope:
                if self._scope.cancel_called:
                    return
                CAUSE.set(self.source)
                await fn(*args)
        except Exception as exc:
            if not machine.catch_exceptions:
                raise
            machine._task_failed(self, exc)
        except BaseExceptionGroup as group:
            # A cancellation from further out, and an error beside it: each goes where it belongs.
            cancelled, others = group.split(trio.Cancelled)
            if not machine.catch_exceptions or not isinstance(others, ExceptionGroup):
                raise
            machine._task_failed(self, others)
            if cancelled is not None:
                raise cancelled from None
        finally:
            self.done = True
            machine._task_ended(self)

    def __repr__(self) -> str:
        return f"<Fork {self.name} {'done' if self.done else 'running'}>"
