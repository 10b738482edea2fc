"""Mutations whose outcome is awaited or asked for first; for local and remote machines alike.

What comes before the states is positional only, since every keyword belongs to the mutation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import am_machine as am

from .._errors import CanceledError

if TYPE_CHECKING:
    from collections.abc import Callable


async def add_sync(mach: am.MachineApi, /, *states: str, **args: Any) -> bool:
    """Add and await the outcome: whether the states were added. Always a checkpoint."""
    return await mach.add(*states, **args) is am.EXECUTED


async def remove_sync(mach: am.MachineApi, /, *states: str, **args: Any) -> bool:
    """Remove and await the outcome: whether the states were removed. Always a checkpoint."""
    return await mach.remove(*states, **args) is am.EXECUTED


async def add_async(mach: am.MachineApi, wait_state: str, /, *states: str, **args: Any) -> bool:
    """Add ``states``, then wait for the next activation of ``wait_state``.

    The wait begins before the mutation, so an activation inside it, one undone in the same drain,
    and a re-entered multi state all count. Returns False if the mutation is canceled or the machine
    disposed. There is no time-out: run it inside a trio cancel scope or ``with ctx:``.
    """
    wait = mach.when_next_active(wait_state)
    try:
        if await mach.add(*states, **args) is am.CANCELED:
            return False
        return await wait
    finally:
        wait.cancel()


def ask_add(mach: am.MachineApi, /, *states: str, **args: Any) -> am.Result:
    """Add the states only if a check says they can be added; else return ``CANCELED``.

    Unlike a refused `add` this leaves no canceled mutation in logs and histories.
    """
    if cant_add(mach, *states, **args):
        return am.CANCELED
    return mach.add(*states, **args)


def ask_remove(mach: am.MachineApi, /, *states: str, **args: Any) -> am.Result:
    """Remove the states only if a check says they can be removed; else return ``CANCELED``."""
    if cant_remove(mach, *states, **args):
        return am.CANCELED
    return mach.remove(*states, **args)


def cant_add(mach: am.MachineApi, /, *states: str, **args: Any) -> bool:
    """Tell whether a check refuses adding the states. False inside a drain, as not known yet."""
    return mach.can_add(*states, **args).canceled


def cant_remove(mach: am.MachineApi, /, *states: str, **args: Any) -> bool:
    """Tell whether a check refuses removing the states. False inside a drain, as not known."""
    return mach.can_remove(*states, **args).canceled


def result_to_err(res: am.Result) -> CanceledError | None:
    """Return an error, caused by ``res.error``, for a canceled result; None for any other."""
    if not res.canceled:
        return None
    error = CanceledError("the mutation was canceled")
    error.__cause__ = res.error
    return error


def remove_multi(mach: am.MachineApi, state: str) -> Callable[[am.Event], None]:
    """Return a ``<state>State`` handler that removes the state again: each activation is one event.

    :raises am.UnknownStateError: if the machine lacks the state.
    """
    mach.tick(state)

    def remove(event: am.Event) -> None:
        mach.remove(state)

    return remove
