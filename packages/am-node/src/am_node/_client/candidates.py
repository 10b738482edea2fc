"""Which supervisor to try next: shuffled, with failing ones avoided for a while. Pure decisions."""

from __future__ import annotations

import random
from dataclasses import dataclass

FIRST_PENALTY = 30.0
LONGEST_PENALTY = 600.0


@dataclass(slots=True)
class _Record:
    failures: int = 0
    avoid_until: float = float("-inf")


class Candidates:
    """The addresses of supervisors. Times are seconds of one clock."""

    def __init__(self, addresses: frozenset[str] = frozenset()) -> None:
        self._records: dict[str, _Record] = {}
        self._order: list[str] = []
        self.update(addresses)

    def __len__(self) -> int:
        return len(self._order)

    def update(self, addresses: frozenset[str]) -> None:
        """Replace the set; what is known of those that stay is kept, new ones come in at random."""
        self._order = [addr for addr in self._order if addr in addresses]
        for addr in sorted(addresses - set(self._order)):
            self._order.insert(random.randint(0, len(self._order)), addr)
            self._records.setdefault(addr, _Record())
        for gone in set(self._records) - addresses:
            del self._records[gone]

    def merge(self, addresses: frozenset[str]) -> None:
        """Add addresses to the set."""
        self.update(frozenset(self._order) | addresses)

    def shuffle(self) -> None:
        """Take a new random order."""
        random.shuffle(self._order)

    def next(self, now: float, other_than: str = "") -> str | None:
        """The first address that is not avoided; if all are, the one avoided for the shortest time.

        `other_than` is taken only if there is nothing else. None if the set is empty.
        """
        others = [addr for addr in self._order if addr != other_than] or self._order
        for addr in others:
            if self._records[addr].avoid_until <= now:
                return addr
        return min(others, key=lambda addr: self._records[addr].avoid_until, default=None)

    def failed(self, addr: str, now: float) -> None:
        """Avoid `addr` for 30 s, twice as long after each further failure, at most 10 min."""
        record = self._records.get(addr)
        if record is not None:
            pause = min(FIRST_PENALTY * 2.0 ** min(record.failures, 10), LONGEST_PENALTY)
            record.failures += 1
            record.avoid_until = now + pause

    def reached(self, addr: str) -> None:
        """`addr` works: forget its failures."""
        if addr in self._records:
            self._records[addr] = _Record()
