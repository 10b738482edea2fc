"""`am-dbg pending`: what all machines wait for, of a dump or of machines that run."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

import trio

from .._derive.pending import pending_everywhere, pending_page
from .._feed.viewing import view
from .._feed.wishes import ViewerWishes
from .._files.inspect import inert
from .._store.store import Store
from .loading import OK, load
from .loading import answered as with_exit_code
from .peers import add_peer_options, client_tls, own_process, secret_of
from .values import UsageError, address, seconds

if TYPE_CHECKING:
    from .._store.client import Client

_NOT_ALL, _USAGE, _REFUSED = 1, 2, 3
_PATIENCE = 5.0
_QUIET = 0.3
"""Seconds without a new machine after which all are there."""


class Asker:
    """Takes part as a listener of what a collector tells, and asks each machine once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: set[int] = set()
        self.wishes = ViewerWishes()
        self.refusal: str | None = None
        self.refused = trio.Event()
        self._news = trio.Event()

    def connected(self) -> None:
        """The collector is there."""

    def disconnected(self) -> None:
        """It is not, and will be tried again: then all are asked again."""
        self._asked.clear()

    def machine_came(self) -> None:
        """A machine came, or changed."""
        self._news.set()

    def took(self, nbytes: int, *, is_debugger: bool = False) -> None:
        """Messages were taken in: who is new is asked."""
        for client in self._store:
            if self._is_new(client) and self.wishes.ask_pending(client):
                self._asked.add(client.serial)
        self._news.set()

    def _is_new(self, client: Client) -> bool:
        return client.is_connected and client.serial not in self._asked

    async def turn(self) -> None:
        """Signals have their turn."""
        await trio.lowlevel.checkpoint()

    def note(self, text: str) -> None:
        """The collector refuses us for good, or sends what does not fit."""
        if text.startswith("not viewed"):
            self.refusal = text
            self.refused.set()

    async def all_told(self) -> None:
        """Until all machines that are there have answered, and no other comes for a while."""
        while True:
            self._news = trio.Event()
            connected = [client for client in self._store if client.is_connected]
            is_whole = bool(connected) and all([one.pending is not None for one in connected])
            with trio.move_on_after(_QUIET if is_whole else float("inf")) as scope:
                await self._news.wait()
            if scope.cancelled_caught:
                return


def pending(argv: list[str]) -> int:
    """`am-dbg pending [DUMP] [--from ADDR] [--timeout S]`.

    Returns 0; 1 if not all machines have answered in time, 2 for wrong usage, 3 if the collector
    refuses us, 4 for a bad dump.
    """
    parser = argparse.ArgumentParser(
        prog="am-dbg pending",
        description="Tell what all machines wait for, oldest first: waits, contexts, tasks, and "
        "mutations in queues. Dumps know of queues only; --from asks the machines of a collector. "
        "Exit codes: 0, 1 not all have answered in time, 2 usage, 3 refused, 4 bad dump.",
    )
    add = parser.add_argument
    add("dump", metavar="DUMP", nargs="?")
    add("--from", dest="view_from", type=address, metavar="ADDR", help="a collector")
    add("--timeout", type=seconds, default=_PATIENCE, metavar="TIME", help="usual: 5s")
    add_peer_options(parser)
    options = parser.parse_args(argv)
    if (options.dump is None) is (options.view_from is None):
        print("am-dbg: either a dump, or --from a collector", file=sys.stderr)
        return _USAGE
    if options.dump is not None:
        return with_exit_code(lambda: _of_dump(options.dump))
    try:
        return _of_collector(options)
    except UsageError as exc:
        print(f"am-dbg: {exc}", file=sys.stderr)
        return _USAGE


def _of_dump(path: str) -> int:
    store = load(path)
    _tell(store)
    return OK


def _of_collector(options: argparse.Namespace) -> int:
    secret, tls = secret_of(options.peer_secret_env), client_tls(options.tls_ca)
    store = Store(max_clients=sys.maxsize)
    asker = Asker(store)

    async def main() -> bool:
        """Whether all have answered in time."""
        is_whole = False
        async with trio.open_nursery() as nursery:

            async def viewing() -> None:
                where = options.view_from
                await view(
                    store, asker, where, own_process(), secret=secret, tls=tls, wishes=asker.wishes
                )

            async def giving_up() -> None:
                await asker.refused.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(viewing)
            nursery.start_soon(giving_up)
            with trio.move_on_after(options.timeout):
                await asker.all_told()
                is_whole = True
            _tell(store)
            nursery.cancel_scope.cancel()
        return is_whole

    is_whole = trio.run(main)
    if asker.refusal is not None:
        print(f"am-dbg: {inert(asker.refusal)}", file=sys.stderr)
        return _REFUSED
    return OK if is_whole else _NOT_ALL


def _tell(store: Store) -> None:
    for fact in pending_page(pending_everywhere(store, time.time_ns() // 1000)):
        print(inert(fact.text))
