"""Waits: awaitables that subscribe when they are made, and the index that finds those to wake.

The index holds waits weakly, each under the states that it looks at, so a transition touches only
those whose states it changed, and a dropped wait costs nothing. Waking sets a flag and never runs
user code.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any
from weakref import ref

import trio

from ._schema import bits_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence


class Wait:
    """Becomes done once: `await wait` is True if its condition was met, False if it was ended by
    `cancel()` or by the disposal of its machine.

    Many tasks may await one wait, at any time later and more than once; being cancelled there
    changes nothing. `done` works without an event loop.
    """

    __slots__ = ("__weakref__", "_entry", "_event", "_value", "done", "label")

    done: bool
    # What is waited for, in the notation of the log.
    label: str

    def __init__(self, label: str = "", value: bool | None = None) -> None:
        self.label = label
        self.done = value is not None
        self._value = value
        self._event: trio.Event | None = None
        # Its place in an index of pending waits.
        self._entry: Entry | None = None

    def resolve(self, value: bool) -> None:
        """Become done; only the first call counts."""
        if not self.done:
            self.done = True
            self._value = value
            if self._event is not None:
                self._event.set()

    def cancel(self) -> None:
        """End the wait; those who await it get False."""
        self.resolve(False)
        if self._entry is not None:
            _leave(self._entry)

    def __await__(self) -> Generator[Any, Any, bool]:
        return self._wait().__await__()

    async def _wait(self) -> bool:
        if self.done:
            await trio.lowlevel.checkpoint()
        else:
            if self._event is None:
                self._event = trio.Event()
            await self._event.wait()
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

    __slots__ = ("condition", "home", "kind", "mask", "number")

    kind: Kind
    # Number of creation: the waking order within a kind.
    number: int
    # The states that a wait on clocks looks at.
    mask: int
    # By kind: state index -> tick for TIME, a predicate for QUERY, wanted args for ARGS, a Result
    # for QUEUE.
    condition: Any
    home: ref[WaitIndex]


def _leave(entry: Entry) -> None:
    """Take an entry out of its index: the wait was dropped or cancelled."""
    index = entry.home()
    if index is not None:
        index.drop(entry)


class WaitIndex:
    """All pending waits of one machine."""

    __slots__ = ("__weakref__", "_number", "_others", "_states", "args", "mask")

    def __init__(self) -> None:
        # Union of the states that waits look at; -1 (every state) while a query waits.
        self.mask = 0
        # Union of the states with ARGS waits; they look at entries, not at clocks.
        self.args = 0
        self._number = 0
        self._states: dict[int, dict[Entry, None]] = {}
        self._others: dict[Kind, dict[Entry, None]] = {}

    def add(self, wait: Wait, kind: Kind, mask: int = 0, condition: Any = None) -> None:
        """Subscribe a wait."""
        entry = Entry(wait, _leave)
        self._number += 1
        entry.number = self._number
        entry.kind = kind
        entry.mask = mask
        entry.condition = condition
        entry.home = ref(self)
        wait._entry = entry
        if kind > Kind.TIME:
            self._others.setdefault(kind, {})[entry] = None
            if kind is Kind.QUERY:
                self.mask = -1
            elif kind is Kind.ARGS:
                self.args |= mask
            return
        for i in bits_of(mask):
            bucket = self._states.get(i)
            if bucket is None:
                bucket = self._states[i] = {}
            bucket[entry] = None
        self.mask |= mask

    def drop(self, entry: Entry) -> None:
        """Take an entry out; dropping it again is harmless."""
        if entry.kind > Kind.TIME:
            bucket = self._others.get(entry.kind)
            if bucket is not None:
                bucket.pop(entry, None)
                if not bucket:
                    del self._others[entry.kind]
                if entry.kind is Kind.ARGS:
                    self.args = 0
                    for other in bucket:
                        self.args |= other.mask
        else:
            for i in bits_of(entry.mask):
                bucket = self._states.get(i)
                if bucket is not None:
                    bucket.pop(entry, None)
                    if not bucket:
                        del self._states[i]
        if Kind.QUERY in self._others:
            return
        if self.mask == -1:
            self.mask = sum([1 << i for i in self._states])
        elif entry.kind <= Kind.TIME:
            for i in bits_of(entry.mask):
                if i not in self._states:
                    self.mask &= ~(1 << i)

    def met(
        self, changed: int, active: int, ticks: Sequence[int], blips: int = 0
    ) -> list[tuple[Entry, Wait]]:
        """Waits on clocks whose condition is met now, in waking order.

        `changed` are the states whose tick moved. `blips` are states seen to have been the other
        way in between, by ticks alone; they count for waits on a single state.
        """
        touched = [self._states[i] for i in bits_of(changed & self.mask) if i in self._states]
        if not touched:
            return []
        entries: Iterable[Entry]
        if len(touched) == 1:
            entries = list(touched[0])
        else:
            unique = {entry: None for bucket in touched for entry in bucket}
            entries = sorted(unique, key=lambda entry: entry.number)
        found: list[tuple[Entry, Wait]] = []
        timed: list[tuple[Entry, Wait]] = []
        for entry in entries:
            kind, mask = entry.kind, entry.mask
            if kind is Kind.ALL:
                hit = mask & active == mask or (mask & blips == mask and mask.bit_count() == 1)
            elif kind is Kind.TIME:
                hit = all([ticks[i] >= tick for i, tick in entry.condition.items()])
            elif kind is Kind.NONE:
                hit = not mask & active or (mask & blips == mask and mask.bit_count() == 1)
            else:
                hit = bool(mask & (active | (blips & ~active)))
            wait = entry() if hit else None
            if wait is not None:
                (timed if kind is Kind.TIME else found).append((entry, wait))
        return found + timed

    def of(self, kind: Kind) -> list[tuple[Entry, Wait]]:
        """All pending waits of a kind that is not on clocks, in order of creation."""
        bucket = self._others.get(kind)
        if not bucket:
            return []
        return [(entry, wait) for entry in list(bucket) if (wait := entry()) is not None]

    def has(self, kind: Kind) -> bool:
        """Whether a wait of a kind that is not on clocks is pending."""
        return kind in self._others

    @property
    def others(self) -> bool:
        """Whether waits that are not on clocks are pending."""
        return bool(self._others)

    def rest(self) -> list[tuple[Entry, Wait]]:
        """All pending waits, in order of creation."""
        unique = {entry: None for bucket in self._states.values() for entry in bucket}
        for bucket in self._others.values():
            unique.update(bucket)
        ordered = sorted(unique, key=lambda entry: entry.number)
        return [(entry, wait) for entry in ordered if (wait := entry()) is not None]

    def __len__(self) -> int:
        return len(self.rest())
