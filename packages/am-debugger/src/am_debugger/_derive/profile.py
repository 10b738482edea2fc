"""Where time and transitions go: busiest states, longest handlers, time active, of all machines.

What is called and changed is counted by the shapes that chunks keep, and time active by a walk over
changes. Only how long handlers took has to be unpacked: it is read of the latest transitions alone.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from typing import TYPE_CHECKING, NamedTuple

from .._store.layout import Kept
from .._store.packing import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._store.chunk import Chunk
    from .._store.client import Client
    from .._store.store import Store

MOST_LISTED = 20
"""Lines of each list."""
MOST_READ = 200_000
"""Transitions of all machines of which it is read how long they took."""
_LEAST_READ = 100
# Transitions of one step of reading.
_STEP = 512
_GAP = int(Kept.GAP)
# Their places in what is packed of a transition.
_DURATION, _RUNS = 2, 8


class StateUse(NamedTuple):
    """A state: in how many transitions it was called, and changed; microseconds active."""

    client: Client
    state: str
    called: int
    changed: int
    active: int
    known: int
    """Microseconds that are known of the machine."""


class HandlerUse(NamedTuple):
    """A handler: its longest run in microseconds, in which transition, and all of its runs."""

    client: Client
    handler: str
    longest: int
    number: int
    runs: int
    total: int


class LongTransition(NamedTuple):
    """A transition that took so many microseconds."""

    client: Client
    number: int
    duration: int


class Profile:
    """The lists, longest first, each of bounded length; whole when `look` has come to its end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.busiest: list[StateUse] = []
        self.active: list[StateUse] = []
        self.handlers: list[HandlerUse] = []
        self.transitions: list[LongTransition] = []
        self.count = 0
        """Transitions looked at."""
        self.read = 0
        """Those of which it was read how long they took."""

    def look(self) -> Iterator[None]:
        """Look at all machines in small steps, of a chunk each at most."""
        clients = [client for client in self._store if len(client.columns)]
        # Of a machine that is not gone it is known as long as anything was heard of its process.
        until: dict[str, int] = {}
        for client in clients:
            process = client.process.id
            until[process] = max(until.get(process, 0), _end(client))
        each = max(_LEAST_READ, MOST_READ // max(len(clients), 1))
        for client in clients:
            uses = _Uses(client)
            for chunk in list(client.columns.chunks):
                uses.take(chunk)
                yield
            self.count += uses.count
            self._keep_states(uses.lines(until[client.process.id]))
            yield from self._durations(client, each)

    def _keep_states(self, lines: list[StateUse]) -> None:
        used = [line for line in lines if line.changed or line.called]
        self.busiest = nlargest(
            MOST_LISTED, [*self.busiest, *used], key=lambda one: (one.changed, one.called)
        )
        self.active = nlargest(MOST_LISTED, [*self.active, *lines], key=lambda one: one.active)
        self.active = [line for line in self.active if line.active]

    # ------------------------------------------------------------------ durations

    def _durations(self, client: Client, limit: int) -> Iterator[None]:
        """Of the latest transitions: how long they and their handlers took."""
        first = max(client.first, client.last - limit + 1)
        longest: dict[str, HandlerUse] = {}
        took: list[LongTransition] = []
        for chunk in list(client.columns.chunks):
            for number in range(max(chunk.first, first), chunk.last + 1):
                packed = chunk.rest(number)
                rest = unpack(packed) if packed else []
                if len(rest) > _DURATION and rest[_DURATION] is not None:
                    took.append(LongTransition(client, number, rest[_DURATION]))
                if len(rest) > _RUNS and rest[_RUNS]:
                    _add_runs(longest, client, number, rest[_RUNS])
                self.read += 1
                if not self.read % _STEP:
                    yield
            took = nlargest(MOST_LISTED, took, key=lambda one: one.duration)
            yield
        self.handlers = nlargest(
            MOST_LISTED, [*self.handlers, *longest.values()], key=lambda one: one.longest
        )
        self.transitions = nlargest(
            MOST_LISTED, [*self.transitions, *took], key=lambda one: one.duration
        )


def _add_runs(
    longest: dict[str, HandlerUse], client: Client, number: int, runs: list[tuple[str, int]]
) -> None:
    for handler, duration in runs:
        known = longest.get(handler) or HandlerUse(client, handler, -1, number, 0, 0)
        if duration > known.longest:
            known = known._replace(longest=duration, number=number)
        longest[handler] = known._replace(runs=known.runs + 1, total=known.total + duration)


def _end(client: Client) -> int:
    """When a machine was heard of last, or went."""
    times = client.columns.times
    last: int = times.searched(len(times) - 1)
    return last if client.gone_at is None else max(client.gone_at, last)


class _Uses:
    """Counts of one machine, chunk by chunk."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.count = 0
        self._called: Counter[int] = Counter()
        self._changed: Counter[int] = Counter()
        self._active: Counter[int] = Counter()
        # States that are active, and since when.
        self._since: dict[int, int] = {}
        self._begun = client.columns.times.searched(0)
        self._resume(client.first)

    def _resume(self, number: int) -> None:
        """The clock before a transition is known from elsewhere: others may have been lost."""
        time = self._time(number)
        clock = self._client.clock_before(number)
        active = {i for i, tick in enumerate(clock) if tick % 2}
        for i in self._since.keys() - active:
            self._active[i] += time - self._since.pop(i)
        for i in active - self._since.keys():
            self._since[i] = time

    def _time(self, number: int) -> int:
        return self._client.columns.times.searched(number - self._client.first)

    def take(self, chunk: Chunk) -> None:
        """Count a chunk."""
        client = self._client
        if not len(chunk) or chunk.first < client.first:
            return  # dropped in the meantime
        for shape, times in Counter(chunk.called).items():
            for i in set(chunk.calls[shape].states):
                self._called[i] += times
        for shape, times in Counter(chunk.diff).items():
            for i, _ in chunk.diffs[shape].pairs:
                self._changed[i] += times
        toggles = [[i for i, gained in diff.pairs if gained % 2] for diff in chunk.diffs]
        kept, first = client.columns.kept, client.first
        since, active = self._since, self._active
        for number, shape in enumerate(chunk.diff, chunk.first):
            if kept[number - first] & _GAP:
                self._resume(number)
            if toggles[shape]:
                time = self._time(number)
                for i in toggles[shape]:
                    if i in since:
                        active[i] += time - since.pop(i)
                    else:
                        since[i] = time
        self.count += len(chunk)

    def lines(self, until: int) -> list[StateUse]:
        """All states; what is active stays so until the machine went, or else until then."""
        client = self._client
        end = until if client.gone_at is None else _end(client)
        known = max(end - self._begun, 0)
        active = self._active.copy()
        for i, begun in self._since.items():
            active[i] += max(end - begun, 0)
        return [
            StateUse(client, name, self._called[i], self._changed[i], active[i], known)
            for i, name in enumerate(client.version.names)
        ]
