"""Who waits for a worker, and who is next: pure decisions.

Each wait is for one link of one client. Whoever holds fewer workers comes first; among equals,
whoever came first. Times are seconds of one clock.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A supervisor remembers so many waits; beyond that a client is told to come again.
MOST_ASKS = 10_000

Key = tuple[str, str]


def fair_share(ready: int, clients: int) -> int:
    """How many of the `ready` workers are a client's own while others wait, of `clients` in all."""
    return max(1, ready // clients) if clients else ready


class Ask:
    """A client waits for a worker for its link `link`, until it says so again or `until`.

    One that is not `patient` is not kept: it gets a worker now, or none.
    """

    __slots__ = ("client", "is_withdrawn", "keep", "link", "number", "patient", "until")

    def __init__(self, client: str, link: str, *, keep: bool, patient: bool, until: float) -> None:
        self.client = client
        self.link = link
        self.keep = keep
        self.patient = patient
        self.until = until
        self.number = 0
        self.is_withdrawn = False


class Asks:
    """The waits of all clients, oldest first."""

    def __init__(self) -> None:
        self._asks: dict[Key, Ask] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._asks)

    def __iter__(self) -> Iterator[Ask]:
        return iter(tuple(self._asks.values()))

    def get(self, client: str, link: str) -> Ask | None:
        """The wait of a client for a link."""
        return self._asks.get((client, link))

    def put(self, ask: Ask) -> None:
        """Add a wait, at the end; one that was there before keeps its place."""
        ask.number = ask.number or next(self._numbers)
        self._asks[ask.client, ask.link] = ask

    def drop(self, ask: Ask) -> None:
        """Forget a wait."""
        self._asks.pop((ask.client, ask.link), None)

    def leave(self, client: str) -> None:
        """Forget the waits of a client that is gone."""
        for ask in self:
            if ask.client == client:
                self.drop(ask)

    def expire(self, now: float) -> None:
        """Forget those that nobody renewed."""
        for ask in self:
            if ask.until <= now:
                self.drop(ask)

    def waiting(self) -> Counter[str]:
        """How many workers each client waits for."""
        return Counter(ask.client for ask in self._asks.values())

    def next(self, held: Mapping[str, int], limit: int) -> Ask | None:
        """Whose turn it is, where each client holds so many and may hold `limit`."""
        may = [ask for ask in self._asks.values() if held.get(ask.client, 0) < limit]
        return min(may, key=lambda ask: (held.get(ask.client, 0), ask.number), default=None)

    def entitled(self, held: Mapping[str, int], share: int) -> int:
        """For how many waits others have to give something up."""
        wanted = self.waiting().items()
        return sum(min(count, max(0, share - held.get(who, 0))) for who, count in wanted)
