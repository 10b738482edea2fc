"""Tasks of a machine that something depends on, told of also if they never run.

A fork that its machine's end cancels before the first step runs nothing at all, not even a
``finally``; whoever waits for what it would have done has to learn of that in another way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import am_machine as am


class _Unbegun:
    """The forks of one machine that have not made their first step, with what to do then."""

    def __init__(self) -> None:
        self.given_up: dict[object, Callable[[], object]] = {}

    def disposed(self, mach: object) -> None:
        while self.given_up:
            _, give_up = self.given_up.popitem()
            give_up()


_unbegun: WeakKeyDictionary[am.MachineApi, _Unbegun] = WeakKeyDictionary()


def fork_or(
    mach: am.MachineApi,
    give_up: Callable[[], object],
    async_fn: Callable[..., Awaitable[Any]],
    *args: Any,
) -> None:
    """Fork ``async_fn(*args)`` for the machine's life; call ``give_up()`` if it never begins.

    :raises am.NotOpenError: if the machine is not open; then neither is called.
    """
    known = _unbegun.get(mach)
    if known is None:
        known = _unbegun[mach] = _Unbegun()
        mach.on_dispose(known.disposed)  # once per machine, however many tasks it has
    pending = known.given_up
    token = object()

    async def begin() -> None:
        pending.pop(token, None)
        await async_fn(*args)

    begin.__qualname__ = getattr(async_fn, "__qualname__", repr(async_fn))  # as the log names it
    if mach.fork(begin).done:
        give_up()
    else:
        pending[token] = give_up
