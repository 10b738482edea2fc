"""Where machines meet the event loop of trio.

A machine is a plain object: it may be mutated in a task of trio, or outside of any - a script, a
test, a callback of another loop that hosts trio in the same thread. What wakes a task of trio must
then also wake trio itself, which may sleep in its selector; `Bell` and `poke` see to that.
"""

from __future__ import annotations

from contextlib import suppress

import trio


def check_trio(what: str, advice: str) -> None:
    """See that the caller runs in a task of trio.

    :raises RuntimeError: if not; it tells what needs trio, and what to do in asyncio programs.
    """
    if not trio.lowlevel.in_trio_task():
        raise RuntimeError(f"{what} needs trio: run the program by trio.run(…); {advice}")


def poke(token: trio.lowlevel.TrioToken | None) -> None:
    """Wake trio up, if the caller is not in one of its tasks."""
    if token is not None and not trio.lowlevel.in_trio_task():
        with suppress(trio.RunFinishedError):  # nobody is left to be woken
            token.run_sync_soon(_nothing, idempotent=True)


def _nothing() -> None:
    """What is run in trio's own stack to have it look round."""


class Bell:
    """An event that tasks of one trio run wait for, and that may be rung from anywhere."""

    __slots__ = ("_event", "_token")

    def __init__(self) -> None:
        self._event = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def ring(self) -> None:
        """Wake those who wait. In any thread, in trio or outside of it."""
        if trio.lowlevel.in_trio_task() and trio.lowlevel.current_trio_token() is self._token:
            self._event.set()
            return
        with suppress(trio.RunFinishedError):  # nobody is left to be woken
            self._token.run_sync_soon(self._event.set, idempotent=True)

    async def wait(self) -> None:
        """Wait until it is rung; being cancelled changes nothing."""
        await self._event.wait()
