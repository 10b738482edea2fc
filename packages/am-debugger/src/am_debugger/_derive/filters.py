"""Which transitions of a machine are shown: filters by marks, at the speed of bytes."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

from .._store.layout import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._store.client import Client
    from .query import Query

SLICE = 65_536
QUERY_SLICE = 1024
"""The same where a query is asked about each, in a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What is hidden: each True hides transitions of its kind.

    `auto` hides those that auto states made, `auto_canceled` of these only the canceled ones.
    `out_group` hides those that call no state of the chosen group. `query` hides all that it does
    not mean.
    """

    canceled: bool = False
    queued: bool = False
    auto: bool = False
    auto_canceled: bool = True
    empty: bool = False
    health: bool = True
    checks: bool = False
    out_group: bool = True
    query: Query | None = None

    def table(self) -> bytes:
        """For each combination of marks, 1 if it is shown."""
        hidden = 0
        for is_on, marks in (
            (self.canceled, Mark.CANCELED),
            (self.queued, Mark.QUEUED),
            (self.auto, Mark.AUTO | Mark.AUTO_CANCELED),
            (self.auto_canceled, Mark.AUTO_CANCELED),
            (self.empty, Mark.EMPTY),
            (self.health, Mark.HEALTH),
            (self.checks, Mark.CHECK),
        ):
            hidden |= int(marks) if is_on else 0
        return bytes([not marks & hidden for marks in range(256)])


class Visible:
    """The numbers of the transitions of one machine that pass the filters, in order.

    Made piece by piece: `extend` looks at more until it returns False. It starts over by itself
    where marks changed or older transitions were dropped.
    """

    def __init__(self, client: Client, filters: Filters, group: frozenset[str] | None) -> None:
        self.client = client
        self.filters = filters
        self.group = group if filters.out_group else None
        self._table = filters.table()
        self._start()

    def _start(self) -> None:
        self.numbers = array("I")
        self._until = self.client.first - 1
        self._revision = self.client.columns.revision

    @property
    def is_complete(self) -> bool:
        """Whether all transitions were looked at."""
        return not self.left

    def extend(self, limit: int | None = None) -> bool:
        """Look at up to `limit` more transitions, usually as many as take a few milliseconds; False
        if none is left."""
        query = self.filters.query
        if limit is None:
            limit = SLICE if query is None else QUERY_SLICE
        client, columns = self.client, self.client.columns
        if self._is_stale:
            self._start()
        if client.first > self._until + 1 or (self.numbers and self.numbers[0] < client.first):
            del self.numbers[: bisect_left(self.numbers, client.first)]
            self._until = max(self._until, client.first - 1)
        first, last = self._until + 1, min(client.last, self._until + limit)
        k = first - client.first
        shown = columns.marks[k : k + last - first + 1].translate(self._table)
        if self.group is not None:
            self._hide_out_of_group(first, last, shown, self.group)
        numbers: Iterable[int] = compress(range(first, last + 1), shown)
        if query is not None and last >= first:
            meant = {*query.within(client, first, last)}
            numbers = filter(meant.__contains__, numbers)
        self.numbers.extend(numbers)
        self._until = last
        return last < client.last

    @property
    def left(self) -> int:
        """How many transitions were not looked at yet."""
        return len(self.client.columns) if self._is_stale else self.client.last - self._until

    @property
    def _is_stale(self) -> bool:
        return self._revision != self.client.columns.revision

    def complete(self) -> None:
        """Look at all of them."""
        while self.extend(1 << 16):
            pass

    def _hide_out_of_group(
        self, first: int, last: int, shown: bytearray, group: frozenset[str]
    ) -> None:
        columns = self.client.columns
        number = first
        while number <= last:
            chunk = columns.chunk_of(number)
            names = self.client.version_at(chunk.last).names
            wanted = [any([names[i] in group for i in call.states]) for call in chunk.calls]
            end = min(chunk.last, last)
            for k, call in enumerate(chunk.called[number - chunk.first : end - chunk.first + 1]):
                if not wanted[call]:
                    shown[number - first + k] = 0
            number = end + 1

    # ------------------------------------------------------------------ finding

    def __len__(self) -> int:
        return len(self.numbers)

    def __contains__(self, number: int) -> bool:
        k = bisect_left(self.numbers, number)
        return k < len(self.numbers) and self.numbers[k] == number

    def position(self, number: int) -> int:
        """How many visible ones there are up to a transition."""
        return bisect_right(self.numbers, number)

    def after(self, number: int, count: int = 1) -> int | None:
        """The visible transition `count` further on, or the last one; None if there is none."""
        k = bisect_right(self.numbers, number)
        if k == len(self.numbers):
            return None
        return self.numbers[min(k + count - 1, len(self.numbers) - 1)]

    def before(self, number: int, count: int = 1) -> int | None:
        """The visible transition `count` further back, or the first one; None if there is none."""
        k = bisect_left(self.numbers, number)
        return self.numbers[max(k - count, 0)] if k else None

    def nearest(self, number: int) -> int | None:
        """The transition itself if it is visible, else the next one backwards, else forwards."""
        k = bisect_right(self.numbers, number)
        if k:
            return self.numbers[k - 1]
        return self.numbers[0] if self.numbers else None

    @property
    def last(self) -> int | None:
        """The latest visible transition."""
        return self.numbers[-1] if self.numbers else None

    def changing(self, state: int, number: int, *, forward: bool) -> int | None:
        """The nearest visible transition in a direction that changed a state's clock."""
        changes = self.client.changes_of(state)
        if forward:
            candidates = range(bisect_right(changes, number), len(changes))
        else:
            candidates = range(bisect_left(changes, number) - 1, -1, -1)
        for k in candidates:
            if changes[k] in self:
                return changes[k]
        return None
