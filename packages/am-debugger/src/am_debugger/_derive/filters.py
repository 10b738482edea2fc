"""Which transitions of a machine are shown: filters by marks, at the speed of bytes."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

from .._store.layout import Mark
from .folds import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._store.client import Client
    from .folds import Fold, Folds
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
    where marks changed or older transitions were dropped. With `folds` only the last one of a run
    of quiet transitions is among them.
    """

    def __init__(
        self,
        client: Client,
        filters: Filters,
        group: frozenset[str] | None,
        folds: Folds | None = None,
    ) -> None:
        self.client = client
        self.folds = folds
        self.filters = filters
        self.group = group if filters.out_group else None
        self._table = filters.table()
        self._start()

    def _start(self) -> None:
        self.numbers = array("I")
        self._first = self.client.first
        self._until = self._first - 1
        self._revision = self.client.columns.revision
        if self.folds is not None:
            self.folds.restart()

    @property
    def is_complete(self) -> bool:
        """Whether all transitions were looked at."""
        return not self.left

    def extend(self, limit: int | None = None) -> bool:
        """Look at up to `limit` more transitions, usually as many as take a few milliseconds; False
        if none is left."""
        if limit is None:
            limit = SLICE if self.filters.query is None else QUERY_SLICE
        client = self.client
        if self._is_stale:
            self._start()
        if client.first != self._first:
            self._first = client.first
            del self.numbers[: bisect_left(self.numbers, client.first)]
            self._until = max(self._until, client.first - 1)
            if self.folds is not None:
                oldest = self.numbers[0] if self.numbers else client.first - 1
                self.folds.dropped(self.numbers, self._shown(client.first, oldest))
        first, last = self._until + 1, min(client.last, self._until + limit)
        shown = self._shown(first, last)
        if self.folds is None:
            self.numbers.extend(compress(range(first, last + 1), shown))
        else:
            self.folds.extend(self.numbers, first, last, shown)
        self._until = last
        return last < client.last

    def _shown(self, first: int, last: int) -> bytearray:
        """A byte for each transition of a range: 1 where it passes the filters."""
        k = first - self.client.first
        shown = self.client.columns.marks[k : k + last - first + 1].translate(self._table)
        if self.group is not None:
            self._hide_out_of_group(first, last, shown, self.group)
        query = self.filters.query
        if query is not None and last >= first:
            held = query.held(self.client, first, last)
            shown = bytearray(map(int.__and__, shown, held))
        return shown

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
            if self.holds(changes[k]):
                return changes[k]
        return None

    # ------------------------------------------------------------------ folds

    def fold(self, number: int) -> Fold | None:
        """What a visible transition stands for; None if only for itself."""
        return None if self.folds is None else self.folds.fold(number)

    def members(self, position: int) -> Sequence[int]:
        """What the visible transition at a position stands for, itself last."""
        number = self.numbers[position]
        if self.folds is None or number not in self.folds.counts:
            return (number,)
        before = self.numbers[position - 1] if position else self.client.first - 1
        return self.folds.members(self.numbers, position, self._shown(before + 1, number))

    def holds(self, number: int) -> bool:
        """Whether a transition is visible, or another one stands for it."""
        k = bisect_left(self.numbers, number)
        if k == len(self.numbers) or number < self.client.first:
            return False
        if self.numbers[k] == number:
            return True
        if self.folds is None or self.numbers[k] not in self.folds.counts:
            return False
        is_shown = self._shown(number, number)[0]
        return bool(is_shown and quiet(self.client, number, number)[0])

    def open(self, number: int) -> bool:
        """Show a transition, and the others of its run, if another one stands for them."""
        k = bisect_left(self.numbers, number)
        if self.folds is None or not self.holds(number):
            return False
        members = self.members(k)
        if len(members) < 2:
            return False
        self.folds.open(members[0], members[-1])
        self.numbers[k : k + 1] = array("I", members)
        return True

    def close(self, number: int) -> bool:
        """Fold again what was opened around a transition; False if nothing was."""
        if self.folds is None or not self.folds.close(number):
            return False
        self._start()
        self.complete()
        return True

    def pin(self, number: int) -> None:
        """A transition stays visible as more come: the one under the cursor."""
        if self.folds is not None:
            self.folds.pinned = number
