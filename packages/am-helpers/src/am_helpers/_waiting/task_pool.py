"""A bound on how many tasks of a machine run at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from .._errors import DisposedError
from .forks import fork_or

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import am_machine as am


class TaskPool:
    """Forks tasks of a machine, at most ``limit`` at once.

    They live in the machine's nursery and end with it; an error becomes the machine's and frees
    the slot.
    """

    def __init__(self, mach: am.MachineApi, limit: int) -> None:
        if limit < 1:
            raise ValueError("a pool needs room for at least one task")
        self._mach = mach
        self._room = trio.CapacityLimiter(limit)

    @property
    def running(self) -> int:
        """How many tasks hold a slot now."""
        return self._room.borrowed_tokens

    def try_fork(
        self, fn: Callable[..., Awaitable[Any]], *args: Any, state: str | None = None
    ) -> bool:
        """Start ``fn(*args)``, bound to a state's context if one is given.

        Returns False, and starts nothing, if ``limit`` tasks run or the machine is disposed.

        :raises am.NotOpenError: if the machine is not open.
        """
        slot = object()
        try:
            self._room.acquire_on_behalf_of_nowait(slot)
        except trio.WouldBlock:
            return False
        return self._start(slot, fn, args, state)

    async def submit(
        self, fn: Callable[..., Awaitable[Any]], *args: Any, state: str | None = None
    ) -> None:
        """Wait for room, then start ``fn(*args)``; returns when it has been started.

        Cancelled while waiting, it has started nothing.

        :raises DisposedError: if the machine is disposed by then.
        """
        slot = object()
        await self._room.acquire_on_behalf_of(slot)
        if not self._start(slot, fn, args, state):
            raise DisposedError(f"{self._mach.id} was disposed")

    def _start(
        self,
        slot: object,
        fn: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        state: str | None,
    ) -> bool:
        started = False
        try:
            if not self._mach.disposed:
                context = None if state is None else self._mach.state_ctx(state)
                # Bound to the machine's life: a fork bound to a state might never run, and keep
                # its slot.
                fork_or(
                    self._mach, partial(self._give_up, slot), self._run, slot, context, fn, args
                )
                started = True
        finally:
            if not started:
                self._give_up(slot)
        return started

    def _give_up(self, slot: object) -> None:
        self._room.release_on_behalf_of(slot)

    async def _run(
        self,
        slot: object,
        context: am.StateContext | None,
        fn: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
    ) -> None:
        try:
            if context is None:
                await fn(*args)
            elif not context.expired:
                with context:
                    await fn(*args)
        finally:
            self._room.release_on_behalf_of(slot)
