"""`am-dbg wait`: for scripts and CI, until a transition that a query means is there."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import trio

from .._derive.query import parse_query
from .._derive.steps import Parser
from .._errors import QueryError
from .._feed.viewing import view
from .._files.inspect import inert, transition_line
from .._store.store import Store
from .peers import add_peer_options, client_tls, own_process, secret_of
from .values import UsageError, address, seconds

if TYPE_CHECKING:
    from .._derive.query import Query
    from .._store.client import Client

_FOUND, _TIMED_OUT, _USAGE, _REFUSED = range(4)
_INTERRUPTED = 130
_KEPT_CHUNKS = 2
_EXAMPLES = """\
what is waited for:
  am-dbg wait "+Ready id:worker-*" --from 127.0.0.1:6831 --timeout 90s
  am-dbg wait "error !id:test-*" --from unix:/run/dbg.sock && notify-send failed
  am-dbg wait "+Done arg.id=7" --from collector:6831 --peer-secret-env DBG_SECRET --tls-ca ca.pem

A term may be +State, -State, State (called), @State (active), canceled, error, id:, src:, tag:,
arg.name=value, dur>10ms, "a text in the log"; all must hold, ! turns one round. Kept transitions
count: to wait for news only, add t>N or n>N.

exit codes: 0 found (the transition is printed), 1 not in time, 2 usage, 3 refused, 130 interrupted
"""


class Watcher:
    """Takes part as a listener of what a collector tells; knows the first transition that is
    meant, once there is one."""

    def __init__(self, store: Store, query: Query) -> None:
        self._store = store
        self._query = query
        # Serial numbers of machines -> the last transition that was looked at.
        self._seen: dict[int, int] = {}
        self.found: tuple[Client, int] | None = None
        self.refusal: str | None = None
        self.done = trio.Event()

    def connected(self) -> None:
        """The collector is there."""

    def disconnected(self) -> None:
        """It is not, and will be tried again."""

    def machine_came(self) -> None:
        """A machine came, or changed."""

    def took(self, nbytes: int, *, is_debugger: bool = False) -> None:
        """Messages were taken in: look at what is new."""
        if self.found is not None:
            return
        for client in self._store:
            first = max(self._seen.get(client.serial, 0) + 1, client.first)
            self._seen[client.serial] = client.last
            if first > client.last:
                continue
            numbers = self._query.within(client, first, client.last)
            if numbers:
                self.found = client, numbers[0]
                self.done.set()
                return
            # What was seen is not needed again: one may wait for days.
            client.drop_chunks(max(len(client.columns.chunks) - _KEPT_CHUNKS, 0))

    async def turn(self) -> None:
        """Signals have their turn."""
        await trio.lowlevel.checkpoint()

    def note(self, text: str) -> None:
        """The collector refuses us for good, or sends what does not fit."""
        if text.startswith("not viewed"):
            self.refusal = text
            self.done.set()


def wait(argv: list[str]) -> int:
    """`am-dbg wait QUERY --from ADDR --timeout S`.

    Prints the transition and returns 0; 1 if there was none in time, 2 for wrong usage, 3 if the
    collector refuses us, 130 after Ctrl+C.
    """
    parser = argparse.ArgumentParser(
        prog="am-dbg wait",
        description="Wait until a collector has a transition that the query means, and print it. "
        "A collector that is not there yet is waited for, too.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("query", metavar="QUERY", help="what is waited for, as for --where")
    add = parser.add_argument
    add("--from", dest="view_from", type=address, required=True, metavar="ADDR", help="a collector")
    add("--timeout", type=seconds, metavar="TIME", help="such as 90s, 15m; usual: for ever")
    add_peer_options(parser)
    options = parser.parse_args(argv)
    try:
        query = parse_query(options.query)
        secret, tls = secret_of(options.peer_secret_env), client_tls(options.tls_ca)
    except QueryError as exc:
        print(f"am-dbg: in the query, {inert(str(exc))}\n{exc.underlined}", file=sys.stderr)
        return _USAGE
    except UsageError as exc:
        print(f"am-dbg: {exc}", file=sys.stderr)
        return _USAGE
    store = Store(max_clients=sys.maxsize)
    watcher = Watcher(store, query)

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def viewing() -> None:
                where = options.view_from
                await view(store, watcher, where, own_process(), secret=secret, tls=tls)

            nursery.start_soon(viewing)
            with trio.move_on_after(float("inf") if options.timeout is None else options.timeout):
                await watcher.done.wait()
            nursery.cancel_scope.cancel()

    is_interrupted = False
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        is_interrupted = True
    return _INTERRUPTED if is_interrupted else _tell(store, watcher, options.query)


def _tell(store: Store, watcher: Watcher, query: str) -> int:
    if watcher.found is not None:
        print(transition_line(Parser(store), *watcher.found))
        return _FOUND
    if watcher.refusal is not None:
        print(f"am-dbg: {inert(watcher.refusal)}", file=sys.stderr)
        return _REFUSED
    print(f"am-dbg: nothing like {inert(query.strip())} came in time", file=sys.stderr)
    return _TIMED_OUT
