"""What a query has found: transitions by machine, with counts, as far as it was looked for."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from .query import SLICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._store.client import Client
    from .query import Query


class Row(NamedTuple):
    """A row of the list: a machine with how many there are of it, or a transition of it."""

    client: Client
    matches: int
    number: int | None = None


class Found:
    """Results of one query over some machines, in their order."""

    def __init__(self, query: Query | None = None, clients: Sequence[Client] = ()) -> None:
        self.query = query
        self.clients = clients
        self.is_done = not clients
        self.total = 0
        self._by_machine: list[tuple[Client, array[int]]] = []
        # The row after the last one of each machine.
        self._ends: list[int] = []

    def look(self) -> Iterator[int]:
        """Look on, in steps of a millisecond or two, each of which yields how many there are."""
        query = self.query
        for client in self.clients if query is not None else ():
            numbers: array[int] = array("I")
            assert query is not None
            for part in query.find(client, SLICE):
                if part and not numbers:
                    self._by_machine.append((client, numbers))
                numbers.extend(part)
                self.total += len(part)
                yield self.total
        self.is_done = True

    def counts(self) -> list[tuple[Client, int]]:
        """How many there are of each machine that has any."""
        return [(client, len(numbers)) for client, numbers in self._by_machine]

    def __len__(self) -> int:
        """Rows of the list: one for each machine that has any, and its transitions."""
        self._ends = list(accumulate([len(numbers) + 1 for _, numbers in self._by_machine]))
        return self._ends[-1] if self._ends else 0

    def row(self, position: int) -> Row:
        """A row, of those that were counted last.

        :raises IndexError: if there are fewer.
        """
        if position < 0:
            raise IndexError(position)
        k = bisect_right(self._ends, position)
        client, numbers = self._by_machine[k]
        within = position - (self._ends[k - 1] if k else 0)
        return Row(client, len(numbers), numbers[within - 1] if within else None)
