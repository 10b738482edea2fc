"""Who is suspected to have died, and until when they may refute it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from am_pubsub._config import TopicConfig

    from .entries import Entry


class Suspicions:
    """Peers that somebody lost the last link to, each with an epoch and a time to refute."""

    def __init__(self, config: TopicConfig) -> None:
        self._config = config
        self.held: dict[bytes, tuple[int, float]] = {}
        """Epoch and time to refute of each."""

    def raise_(self, peer: bytes, epoch: int, now: float) -> bool:
        """Suspect a peer of this epoch; False if that is no news."""
        held = self.held.get(peer)
        if held is not None and held[0] >= epoch:
            return False
        self.held[peer] = (epoch, now + self._config.refute_within)
        return True

    def seen(self, entry: Entry) -> None:
        """Take note of an accepted entry: a higher epoch says that its peer lives."""
        peer = entry.key[0]
        held = self.held.get(peer)
        if held is not None and entry.vector and held[0] < entry.epoch:
            del self.held[peer]

    def end(self, peer: bytes) -> None:
        """Forget a peer that is gone for certain."""
        self.held.pop(peer, None)

    def of(self, peer: bytes) -> int | None:
        """Return the epoch in which a peer is suspected."""
        held = self.held.get(peer)
        return held[0] if held is not None else None

    def due(self) -> float | None:
        """Return when the first of them has had its time."""
        return min((until for _, until in self.held.values()), default=None)

    def take_unrefuted(self, now: float) -> list[tuple[bytes, int]]:
        """Return the peers that had their time and did not refute, with their epochs."""
        over = [(peer, epoch) for peer, (epoch, until) in self.held.items() if until <= now]
        for peer, _ in over:
            del self.held[peer]
        return over
