"""What an agent may ask and do, as text. Nothing here that a key cannot do."""

from __future__ import annotations

import asyncio
from heapq import nlargest
from typing import TYPE_CHECKING, Any

import am_helpers as amh
import am_machine as am

from .._derive.query import parse_query
from .._derive.reader import facts
from .._derive.url import parse_url
from .._derive.why import why, why_lines
from .._errors import DebuggerError, QueryError, UrlError
from .._files.inspect import inert, summary, transition_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .._core.debugger import Debugger
    from .._derive.reader import Fact
    from .._store.client import Client

MOST_LINES = 1000


class RequestError(DebuggerError):
    """What was asked for cannot be; the text says why."""


class Tools:
    """Answers over one debugger. `screen` gives the text of its screen; `may_write` says whether
    its states may be changed."""

    def __init__(
        self, debugger: Debugger, screen: Callable[[], str], *, may_write: bool = False
    ) -> None:
        self._debugger = debugger
        self._screen = screen
        self._may_write = may_write

    # ------------------------------------------------------------------ looking

    def list_machines(self) -> str:
        """All machines, a line each as a tree: transitions, times, errors, active states."""
        return "\n".join(summary(self._debugger.session.store))

    async def query(self, query: str, machine: str | None, limit: int) -> str:
        """The last transitions that a query means, a line each, with their addresses. Others have
        their turns while it is looked for.

        :raises RequestError: if the query cannot be read, or there is no such machine.
        """
        try:
            parsed = parse_query(query)
        except QueryError as exc:
            raise RequestError(f"in the query, {inert(str(exc))}\n{exc.underlined}") from exc
        store, parser = self._debugger.session.store, self._debugger.session.parser
        clients = list(store) if machine is None else [self._client(machine)]
        limit = max(1, min(limit, MOST_LINES))
        count, latest = 0, list[tuple[int, int, int]]()
        for client in clients:
            for numbers in parsed.find(client):
                count += len(numbers)
                times = client.columns.times
                timed = [(times.shown[n - client.first], client.serial, n) for n in numbers]
                latest = nlargest(limit, [*latest, *timed])
                await asyncio.sleep(0)
        lines = []
        for _, serial, number in reversed(latest):
            one = store.by_serial(serial)
            if one is not None and one.first <= number <= one.last:
                lines.append(transition_line(parser, one, number))
        shown = f", the last {limit} are shown" if count > limit else ""
        return "\n".join([f"{count} found{shown}", *lines])

    def transition(self, url: str) -> str:
        """Facts about the transition at an address: its source, causes, arguments, handlers, queue.

        :raises RequestError: if there is none.
        """
        client, number = self._place(url)
        if number < client.first:
            raise RequestError(f"{inert(client.id)}: that is before its first transition")
        session = self._debugger.session
        parsed = session.parser.parse(client, number)
        head = transition_line(session.parser, client, number)
        return "\n".join([head, *_told(facts(session.store, client, parsed))])

    def why(self, url: str, state: str) -> str:
        """Why a state is active at an address, back to its origin over all machines; or what
        stands in its way there.

        :raises RequestError: if there is no such place or state.
        """
        client, number = self._place(url)
        if state not in client.version.names:
            raise RequestError(f"{inert(client.id)} has no state {inert(state)}")
        facts = why(self._debugger.session.store, client, number, state)
        return "\n".join(map(inert, why_lines(facts)))

    def screen(self) -> str:
        """What the screen shows, as text."""
        return self._screen()

    # ------------------------------------------------------------------ doing

    def states(self) -> str:
        """States of the debugger that may be added, with their arguments; active ones first."""
        machine = self._debugger.machine
        lines = [f"active: {' '.join(machine.active)}"]
        for name, state in machine.schema.items():
            args = getattr(state.args, "__annotations__", {})
            told = ", ".join([f"{arg}: {kind}" for arg, kind in args.items()])
            lines.append(f"{name}({told}) {state.doc}".rstrip())
        return "\n".join(lines)

    def act(self, state: str, args: Mapping[str, Any], *, remove: bool) -> str:
        """Add a state of the debugger, or remove it, and tell what came of it.

        :raises RequestError: if that is not allowed, or the state or its arguments are none.
        """
        if not self._may_write:
            raise RequestError("this server only reads: start it with --write to act")
        machine = self._debugger.machine
        try:
            declared = machine.schema[state].args if state in machine.schema else None
            if declared is not None and not remove:
                amh.args_load(declared, args)  # raises where a value is of another type
            result = machine.remove(state) if remove else machine.add(state, **args)
        except (am.UnknownStateError, am.ArgsError, TypeError) as exc:
            raise RequestError(inert(str(exc))) from exc
        told = "canceled" if result.canceled else "executed"
        reason = f": {inert(machine.why)}" if result.canceled and machine.why else ""
        return f"{told}{reason}; active: {' '.join(machine.active)}"

    # ------------------------------------------------------------------ places

    def _client(self, id: str) -> Client:
        store = self._debugger.session.store
        client = store.get(id) or next(iter(store.named(id)), None)
        if client is None:
            raise RequestError(f"no machine {inert(id)} is known")
        return client

    def _place(self, url: str) -> tuple[Client, int]:
        session = self._debugger.session
        try:
            parsed = parse_url(url)
        except UrlError as exc:
            raise RequestError(inert(str(exc))) from exc
        client = self._client(parsed.machine_id)
        if parsed == type(parsed)(parsed.machine_id):
            return client, client.last  # where it is now
        place = session.find(parsed)
        if place is None:
            raise RequestError(f"{inert(url)} is not known here")
        return client, place.number


def _told(nodes: Sequence[Fact], depth: int = 0) -> Iterator[str]:
    for node in nodes:
        rest = "" if node.full in node.text else f" = {node.full}"
        yield f"{'  ' * depth}{inert(node.text + rest)}"
        yield from _told(node.children, depth + 1)
