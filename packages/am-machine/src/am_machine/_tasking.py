"""What lasts as long as a state does: contexts, and tasks in the machine's nursery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from ._causality import current_source
from ._context import Fork, StateContext
from ._core import DISPOSED, LIFE
from ._errors import NotOpenError
from ._log import LogLevel, complain, emit
from ._waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from ._binding import Handler
    from ._handlers import HandlerCall
    from ._transition import Event


class Tasking(Waiting):
    """The half of `BaseMachine` that bounds work by the activity of states."""

    __slots__ = ()

    def state_ctx(self, state: str) -> StateContext:
        """The context of a state's current tick; the same object until that tick changes.

        :raises UnknownStateError: if the name is not a state.
        """
        self.check_thread()
        i = self._schema.indexes((state,), self)[0]
        if self._contexts is None:
            self._contexts = {}
        known = self._contexts.get(i)
        found = known() if known is not None else None
        if found is None:
            found = StateContext(self, self._schema.names[i], self._ticks[i])
            if self._life == DISPOSED:
                found.expire()
                return found
            self._contexts[i] = ref(found)
            self._watched |= self._schema.bits[i]
            emit(self, LogLevel.OPS, f"[ctx:new] {found.state}")
        return found

    def fork(
        self, async_fn: Callable[..., Awaitable[Any]], *args: Any, state: str | None = None
    ) -> Fork:
        """Start a task in the machine's nursery, bound to a state's activity (if it is inactive
        now: its inactivity), or without `state` to the machine's life.

        On a disposed machine nothing is started.

        :raises NotOpenError: if the machine is not open.
        :raises UnknownStateError: if the name is not a state.
        """
        self.check_thread()
        i = None if state is None else self._schema.indexes((state,), self)[0]
        name = getattr(async_fn, "__qualname__", repr(async_fn))
        active = i is None or bool(self._conf.mask >> i & 1)
        return self._start_task(name, i, active, async_fn, args)

    def _start_task(
        self,
        name: str,
        state: int | None,
        while_active: bool,
        fn: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
    ) -> Fork:
        fork = Fork(name, state, while_active, current_source())
        if self._life == DISPOSED:
            fork.cancel()
            fork.done = True
            return fork
        if self._nursery is None:
            raise NotOpenError(f"machine {self.id} is not open: use `async with machine:`")
        if self._forks is None:
            self._forks = {}
        self._forks.setdefault(LIFE if state is None else state, {})[fork] = None
        if state is not None:
            self._watched |= self._schema.bits[state]
        self._nursery.start_soon(fork.run, self, fn, args, name=f"{self.id}/{name}")
        return fork

    def _start_handler_task(self, call: HandlerCall, fn: Handler, event: Event) -> None:
        state = call.state if call.state >= 0 else None
        self._start_task(call.name, state, call.role.value != "End", fn, (event,))

    def _task_ended(self, fork: Fork) -> None:
        key = LIFE if fork.state is None else fork.state
        group = self._forks.get(key) if self._forks is not None else None
        if group is not None:
            group.pop(fork, None)
            if not group and self._forks is not None:
                del self._forks[key]

    def _task_failed(self, fork: Fork, exc: Exception) -> None:
        """A task raised; called inside its causality."""
        self.err = exc
        complain(self, f"[error] {exc!r} in task {fork.name}", exc)

    def _expire(self, states: Iterable[int], blips: int = 0) -> None:
        """Contexts and tasks of states whose tick moved come to their end, in this order."""
        contexts, forks = self._contexts, self._forks
        active = self._conf.mask
        for i in states:
            known = contexts.pop(i, None) if contexts else None
            context = known() if known is not None else None
            if context is not None:
                context.expire()
                emit(self, LogLevel.OPS, f"[ctx:match] {context.state}")
            group = forks.get(i) if forks else None
            if group:
                over = bool(blips >> i & 1)
                is_active = bool(active >> i & 1)
                for fork in list(group):
                    if over or fork.while_active is not is_active:
                        fork.cancel()

    def _expire_all(self) -> None:
        """All contexts expire, and the tasks bound to states end with them."""
        for key, group in list((self._forks or {}).items()):
            for fork in list(group) if key != LIFE else ():
                fork.cancel()
        contexts, self._contexts = self._contexts or {}, None
        for known in contexts.values():
            context = known()
            if context is not None:
                context.expire()
