"""What a collector has kept, and what its machines wait for, taken in once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import trio

from .._feed.viewing import view
from .._feed.wishes import ViewerWishes
from .._files.inspect import inert
from .._store.store import Store
from .peers import client_tls, own_process, secret_of

if TYPE_CHECKING:
    import argparse

QUIET = 0.5
"""Seconds without anything new after which all is there."""


class Refused(Exception):
    """There is no collector in time, or it refuses us; the text says which."""


class _Taker:
    """Notes when something came, and whether the collector refuses us."""

    def __init__(self) -> None:
        self.is_connected = trio.Event()
        self.refusal: str | None = None
        self.resting: trio.CancelScope | None = None

    def connected(self) -> None:
        """The collector is there."""
        self.is_connected.set()

    def disconnected(self) -> None:
        """It is not, and will be tried again."""

    def machine_came(self) -> None:
        """A machine came, or changed."""

    def took(self, nbytes: int, *, is_debugger: bool = False) -> None:
        """Messages were taken in."""
        if self.resting is not None:
            self.resting.deadline = trio.current_time() + QUIET

    async def turn(self) -> None:
        """Others have their turn."""
        await trio.lowlevel.checkpoint()

    def note(self, text: str) -> None:
        """The collector refuses us for good, or sends what does not fit."""
        if text.startswith("not viewed"):
            self.refusal = text
            self.is_connected.set()


def held_by(options: argparse.Namespace) -> Store:
    """The machines of a collector. They are asked what they wait for.

    :raises UsageError: if the secret or the certificate is not there.
    :raises Refused: if there is no collector in time, or it refuses us.
    """
    secret, tls = secret_of(options.peer_secret_env), client_tls(options.tls_ca)
    store, taker, wishes = Store(max_clients=sys.maxsize), _Taker(), ViewerWishes()

    async def viewing() -> None:
        where = options.view_from
        await view(store, taker, where, own_process(), secret=secret, tls=tls, wishes=wishes)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(viewing)
            with trio.move_on_after(options.timeout):
                await taker.is_connected.wait()
                if taker.refusal is None:
                    await _rest(taker)
                    if any([wishes.ask_pending(client) for client in store]):
                        await _rest(taker)
            nursery.cancel_scope.cancel()

    trio.run(main)
    if taker.refusal is not None:
        raise Refused(inert(taker.refusal))
    if not taker.is_connected.is_set():
        raise Refused(f"no collector answered at {options.view_from} in time")
    return store


async def _rest(taker: _Taker) -> None:
    """Until nothing has come for a while: nobody tells that all is there."""
    with trio.CancelScope(deadline=trio.current_time() + QUIET) as taker.resting:
        await trio.sleep_forever()
