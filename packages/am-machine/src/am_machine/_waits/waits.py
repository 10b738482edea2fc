"""Waits: awaitables that subscribe when they are made, and the index that finds those to wake.

The index holds waits weakly. Each is found under *one* state that keeps it from being met: one that
has to become active, or inactive, or reach a tick; when that comes, the wait is met or moves on to
another such state. So a transition looks only at waits that it may have met, however many look at
the same states. Waking sets a flag and never runs user code.

A dropped wait is noticed by a weak reference, whose callback runs in whichever thread dropped it,
between any two lines of the owner's: it only notes, and the owner clears away later.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from heapq import heapify, heappop, heappush
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import ref

import trio

from .._schema.bits import bits_of
from .._trio_loop import Bell, check_trio
from .args_waits import ArgsWaits

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from .._engine.base import BaseMachine
    from .._result import Result

_ADVICE = (
    "in an asyncio program await it by `host.wait(…)` of am_helpers.guest, or look at `.outcome`"
)


class Wait:
    """Becomes done once: `await wait` is True if its condition was met, False if it was ended by
    `cancel()`, or by the disposal or the loss of its machine.

    Many tasks may await one wait, at any time later and more than once; being cancelled there
    changes nothing. `done` and `outcome` work without an event loop. `label` tells what is waited
    for, in the notation of the log.

    :raises RuntimeError: at the `await`, if it is pending and the thread is not the machine's, or
        if no trio runs there.
    """

    __slots__ = ("__weakref__", "_bell", "_entry", "_label", "_value", "done")

    done: bool

    def __init__(self, label: str | tuple[str, ...] = "", value: bool | None = None) -> None:
        self._label = label
        self._value = value
        self.done = value is not None
        self._bell: Bell | None = None
        # Its place in an index of pending waits.
        self._entry: Entry | None = None

    @property
    def label(self) -> str:
        """What is waited for, in the notation of the log."""
        label = self._label
        return label if type(label) is str else " ".join(label)

    @label.setter
    def label(self, label: str) -> None:
        self._label = label

    @property
    def outcome(self) -> bool | None:
        """What awaiting returns, once it is done: whether the condition was met; until then None.
        In any thread, with or without an event loop."""
        return self._value if self.done else None

    def resolve(self, value: bool) -> None:
        """Become done; only the first call counts."""
        if not self.done:
            self._value = value
            self.done = True
            if self._bell is not None:
                self._bell.ring()

    def cancel(self) -> None:
        """End the wait; those who await it get False.

        :raises RuntimeError: if it is pending, and the thread is not the machine's.
        """
        entry = self._entry
        index = entry.home() if entry is not None and not self.done else None
        if index is not None:
            index.check_thread()
        self.resolve(False)
        if entry is not None and index is not None:
            index.drop(entry)

    def __await__(self) -> Generator[Any, Any, bool]:
        return self._wait().__await__()

    async def _wait(self) -> bool:
        check_trio("a Wait", _ADVICE)
        if not self.done:
            index = self._entry.home() if self._entry is not None else None
            if self._entry is not None and index is None:
                # Its machine is gone: nobody is left who could meet it.
                self.resolve(False)
            elif index is not None:
                index.check_thread()
            del index
        if self.done:
            await trio.lowlevel.checkpoint()
        else:
            if self._bell is None:
                self._bell = Bell()
            # It may have ended in another thread since it was looked at.
            if not self.done:
                await self._bell.wait()
        return bool(self._value)

    def __repr__(self) -> str:
        state = "pending" if not self.done else "met" if self._value else "ended"
        return f"<Wait {self.label} {state}>"


class Kind(IntEnum):
    """Kinds of waits. Those on clocks come first, in waking order."""

    ALL = 0
    NONE = 1
    ANY = 2
    TIME = 3
    QUEUE = 4
    QUERY = 5
    ARGS = 6
    QUEUE_ENDS = 7
    DISPOSED = 8


LOG_NAMES = {
    Kind.ALL: "when",
    Kind.NONE: "whenNot",
    Kind.ANY: "when",
    Kind.TIME: "whenTime",
    Kind.QUEUE: "whenQueue",
    Kind.QUERY: "whenQuery",
    Kind.ARGS: "whenArgs",
    Kind.QUEUE_ENDS: "whenQueueEnds",
    Kind.DISPOSED: "whenDisposed",
}


class Entry(ref[Wait]):
    """The index's weak reference to a pending wait, with the condition beside it."""

    __slots__ = ("condition", "home", "is_gone", "kind", "mask", "number", "place", "since")

    kind: Kind
    # Number of creation: the waking order within a kind.
    number: int
    # When it was made, by the monotonic clock.
    since: float
    # The states that a wait on clocks or args looks at.
    mask: int
    # By kind: state index -> tick for TIME, a predicate for QUERY, wanted args for ARGS, a Result
    # for QUEUE.
    condition: Any
    # The state under which it is found, of ALL, NONE and TIME; -1: in no heap any more.
    place: int
    # It was dropped or has ended; a heap may still hold it.
    is_gone: bool
    home: ref[WaitIndex]

    # By identity: a reference whose wait is gone could not be hashed any more.
    __hash__ = object.__hash__
    __eq__ = object.__eq__


def _note_dropped(entry: Entry) -> None:
    """The wait is gone. Called in any thread, between any two lines: note it and no more."""
    index = entry.home()
    if index is not None:
        index.dropped.append(entry)


class WaitIndex:
    """All pending waits of one machine."""

    __slots__ = (
        "__weakref__", "_garbage", "_machine", "_me", "_number", "_queries_made", "args",
        "disposals", "dropped", "falls", "mask", "queries", "queue_ends", "results", "rises",
        "timed", "times",
    )  # fmt: skip

    def __init__(self, machine: BaseMachine) -> None:
        self._machine = ref(machine)
        self._me: ref[WaitIndex] = ref(self)
        self._number = 0
        self._queries_made = 0
        # Union of the states that waits on clocks and args look at; it may hold some too many.
        self.mask = 0
        # By state: waits that need it to become active; or inactive; or to reach a tick.
        self.rises: dict[int, dict[Entry, None]] = {}
        self.falls: dict[int, dict[Entry, None]] = {}
        self.times: dict[int, list[tuple[int, int, Entry]]] = {}
        # All of those for ticks; the heaps are made of them.
        self.timed: dict[Entry, None] = {}
        # By state: how many of its heap are gone.
        self._garbage: dict[int, int] = {}
        self.args: dict[int, ArgsWaits] = {}
        self.queries: dict[Entry, None] = {}
        self.results: dict[Result, dict[Entry, None]] = {}
        self.queue_ends: dict[Entry, None] = {}
        self.disposals: dict[Entry, None] = {}
        # Entries whose waits were dropped, in any thread.
        self.dropped: deque[Entry] = deque()

    def check_thread(self) -> None:
        """See that the thread is the machine's.

        :raises RuntimeError: if not.
        """
        machine = self._machine()
        if machine is not None:
            machine.check_thread()

    def __del__(self) -> None:
        # The machine was collected, perhaps in another thread: nobody can meet them any more.
        for entry in self.rest():
            wait = entry()
            if wait is not None:
                wait.resolve(False)

    # ---------------------------------------------------------------- coming and going

    def add(
        self, wait: Wait, kind: Kind, mask: int = 0, condition: Any = None, place: int = -1
    ) -> Entry:
        """Subscribe a wait; `place` is a state that keeps one on clocks from being met."""
        if self.dropped:
            self.sweep()
        entry = Entry(wait, _note_dropped)
        self._number += 1
        entry.number = self._number
        entry.since = monotonic()
        entry.kind = kind
        entry.mask = mask
        entry.condition = condition
        entry.place = place
        entry.is_gone = False
        entry.home = self._me
        wait._entry = entry
        if kind is Kind.ALL or kind is Kind.NONE:
            buckets = self.rises if kind is Kind.ALL else self.falls
            bucket = buckets.get(place)
            if bucket is None:
                bucket = buckets[place] = {}
            bucket[entry] = None
            self.mask |= 1 << place
        elif kind is Kind.ANY:
            for i in bits_of(mask):
                self.rises.setdefault(i, {})[entry] = None
            self.mask |= mask
        elif kind is Kind.TIME:
            self.timed[entry] = None
            heappush(self.times.setdefault(place, []), (condition[place], entry.number, entry))
            self.mask |= 1 << place
        else:
            self._add_other(entry)
        return entry

    def _add_other(self, entry: Entry) -> None:
        kind = entry.kind
        if kind is Kind.ARGS:
            found = self.args.get(entry.place)
            if found is None:
                found = self.args[entry.place] = ArgsWaits()
            found.add(entry)
            self.mask |= entry.mask
        elif kind is Kind.QUEUE:
            self.results.setdefault(entry.condition, {})[entry] = None
        elif kind is Kind.QUERY:
            self._queries_made += 1
            self.queries[entry] = None
        elif kind is Kind.QUEUE_ENDS:
            self.queue_ends[entry] = None
        else:
            self.disposals[entry] = None

    @property
    def queries_made(self) -> int:
        """How many queries were subscribed before."""
        return self._queries_made

    def drop(self, entry: Entry) -> None:
        """Take an entry out; dropping it again is harmless."""
        if entry.is_gone:
            return
        entry.is_gone = True
        kind, place = entry.kind, entry.place
        if kind is Kind.ALL:
            _take(self.rises, place, entry)
        elif kind is Kind.NONE:
            _take(self.falls, place, entry)
        elif kind is Kind.ANY:
            for i in bits_of(entry.mask):
                _take(self.rises, i, entry)
        elif kind is Kind.TIME:
            self.timed.pop(entry, None)
            if place >= 0:
                self._leave_heap(place)
        elif kind is Kind.ARGS:
            found = self.args.get(place)
            if found is not None:
                found.drop(entry)
                if found.is_empty:
                    del self.args[place]
                    if not (place in self.rises or place in self.falls or place in self.times):
                        self.mask &= ~entry.mask
        elif kind is Kind.QUEUE:
            _take(self.results, entry.condition, entry)
        elif kind is Kind.QUERY:
            self.queries.pop(entry, None)
        elif kind is Kind.QUEUE_ENDS:
            self.queue_ends.pop(entry, None)
        else:
            self.disposals.pop(entry, None)

    def _leave_heap(self, state: int) -> None:
        """One of a state's heap is gone: clear it out when most are."""
        heap = self.times.get(state)
        if heap is None:
            return
        gone = self._garbage[state] = self._garbage.get(state, 0) + 1
        if 2 * gone > len(heap):
            heap[:] = [item for item in heap if not item[2].is_gone]
            heapify(heap)
            self._garbage.pop(state, None)
            if not heap:
                del self.times[state]

    def rebuild(self, ticks: Sequence[int]) -> None:
        """Make the heaps anew: something was raised while one was gone through."""
        self.times, self._garbage = {}, {}
        for entry in self.timed:
            wanted = entry.condition
            unmet = [i for i, tick in wanted.items() if ticks[i] < tick]
            place = entry.place = unmet[0] if unmet else next(iter(wanted))
            heappush(self.times.setdefault(place, []), (wanted[place], entry.number, entry))
            self.mask |= 1 << place

    def sweep(self) -> None:
        """Take out what was dropped."""
        dropped = self.dropped
        while dropped:
            self.drop(dropped.popleft())

    # ---------------------------------------------------------------- meeting

    def met(
        self, changed: int, active: int, ticks: Sequence[int], blips: int = 0
    ) -> list[tuple[Entry, Wait]]:
        """Waits on clocks whose condition is met now, in waking order.

        `changed` are the states whose tick moved. `blips` are states seen to have been the other
        way in between, by ticks alone; they count for waits on a single state.
        """
        if self.dropped:
            self.sweep()
        found: list[tuple[int, Entry]] = []
        timed: list[tuple[int, Entry]] = []
        for i in bits_of(changed & self.mask):
            bit = 1 << i
            is_active, is_blip = active & bit, blips & bit
            if (is_active or is_blip) and i in self.rises:
                self._risen(i, active, blips, found)
            if (not is_active or is_blip) and i in self.falls:
                self._fallen(i, active, blips, found)
            if i in self.times:
                self._reached(i, ticks, timed)
            if not (i in self.rises or i in self.falls or i in self.times or i in self.args):
                self.mask &= ~bit
        if len(found) > 1:
            found = sorted(dict.fromkeys(found))
        timed.sort()
        return [(entry, wait) for _, entry in (*found, *timed) if (wait := entry()) is not None]

    def _risen(self, i: int, active: int, blips: int, found: list[tuple[int, Entry]]) -> None:
        """A state became active, or blipped: who needed that, and what else do they need?"""
        bucket = self.rises[i]
        for entry in list(bucket):
            mask = entry.mask
            if entry.kind is Kind.ANY:
                if mask & (active | (blips & ~active)):
                    found.append((entry.number, entry))
                continue
            rest = mask & ~active
            if not rest or mask & blips == mask == mask & -mask:
                found.append((entry.number, entry))
            elif not rest >> i & 1:
                self._move(entry, self.rises, (rest & -rest).bit_length() - 1)
                del bucket[entry]
        if not bucket and self.rises.get(i) is bucket:
            del self.rises[i]

    def _fallen(self, i: int, active: int, blips: int, found: list[tuple[int, Entry]]) -> None:
        """A state became inactive, or blipped."""
        bucket = self.falls[i]
        for entry in list(bucket):
            mask = entry.mask
            rest = mask & active
            if not rest or mask & blips == mask == mask & -mask:
                found.append((entry.number, entry))
            elif not rest >> i & 1:
                self._move(entry, self.falls, (rest & -rest).bit_length() - 1)
                del bucket[entry]
        if not bucket and self.falls.get(i) is bucket:
            del self.falls[i]

    def _move(self, entry: Entry, buckets: dict[int, dict[Entry, None]], place: int) -> None:
        entry.place = place
        buckets.setdefault(place, {})[entry] = None
        self.mask |= 1 << place

    def _reached(self, i: int, ticks: Sequence[int], timed: list[tuple[int, Entry]]) -> None:
        """A tick moved: those waiting for one that it has reached, the nearest first."""
        heap, now = self.times[i], ticks[i]
        while heap and heap[0][0] <= now:
            _, number, entry = heappop(heap)
            if entry.is_gone:
                self._garbage[i] = self._garbage.get(i, 1) - 1
                continue
            wanted = entry.condition
            for other, tick in wanted.items():
                if ticks[other] < tick:
                    entry.place = other
                    heappush(self.times.setdefault(other, []), (tick, number, entry))
                    self.mask |= 1 << other
                    break
            else:
                entry.place = -1
                timed.append((number, entry))
        if not heap:
            del self.times[i]
            self._garbage.pop(i, None)

    # ---------------------------------------------------------------- all of them

    def rest(self) -> list[Entry]:
        """All pending entries, in order of creation. In any thread."""
        unique: dict[Entry, None] = {}
        for buckets in (self.rises, self.falls, self.results):
            for bucket in list(buckets.values()):
                unique.update(dict.fromkeys(list(bucket)))
        for args in list(self.args.values()):
            unique.update(dict.fromkeys(args))
        for others in (self.timed, self.queries, self.queue_ends, self.disposals):
            unique.update(dict.fromkeys(list(others)))
        return sorted(unique, key=lambda entry: entry.number)

    def __iter__(self) -> Iterator[tuple[Entry, Wait]]:
        """All pending waits, in order of creation."""
        return iter([(entry, wait) for entry in self.rest() if (wait := entry()) is not None])


def _take(buckets: dict[Any, dict[Entry, None]], place: Any, entry: Entry) -> None:
    bucket = buckets.get(place)
    if bucket is not None:
        bucket.pop(entry, None)
        if not bucket:
            del buckets[place]
