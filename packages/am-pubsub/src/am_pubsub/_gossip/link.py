"""What is known of a connection to one neighbour."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .budget import TokenBucket

if TYPE_CHECKING:
    from am_pubsub._config import TopicConfig

    from .entries import Key


class Link:
    """A connection: who is at its other end, what is to be sent there, what it may say."""

    __slots__ = (
        "_config",
        "_over_since",
        "_receiving",
        "_rejects",
        "address",
        "dialled",
        "due",
        "id",
        "last_batch",
        "peer",
        "pending",
        "schemas",
        "sending",
        "since",
        "their_links",
    )

    def __init__(self, id: int, config: TopicConfig, now: float, *, address: str | None) -> None:
        self._config = config
        self._receiving = TokenBucket(config.receive_rate, config.receive_burst, now)
        self._rejects: deque[float] = deque(maxlen=config.rejects)
        self._over_since: float | None = None
        self.id = id
        self.address = address
        """What was dialled; None if the other end did."""
        self.dialled = address is not None
        self.since = now
        self.peer: bytes | None = None
        """Known from the other end's hello on: only then it is a neighbour."""
        self.their_links = 0
        self.sending = TokenBucket(config.send_rate, config.send_burst, now)
        self.last_batch = -config.batch_every
        self.pending: dict[Key, bool] = {}
        """Machines to tell of; True: with what they are."""
        self.schemas: set[bytes] = set()
        """Hashes of the schemas that were sent here."""
        self.due: float | None = None
        """When what is pending leaves."""

    def want(self, key: Key, *, whole: bool) -> None:
        """Let a machine be told here with the next batch."""
        self.pending[key] = whole or self.pending.get(key, False)
        self.soon()

    def soon(self, earliest: float = 0.0) -> None:
        """Let what is pending leave: at once, or when the last batch is some time ago."""
        due = max(self.last_batch + self._config.batch_every, earliest)
        if self.due is None or due < self.due:
            self.due = due

    def within_budget(self, now: float) -> bool:
        """Count a message that came; False if it is more than this link may say."""
        if self._receiving.take(now):
            if self._receiving.left > self._config.receive_rate:
                # A second's worth is left again: it is no flood, or over.
                self._over_since = None
            return True
        if self._over_since is None:
            self._over_since = now
        return False

    def floods(self, now: float) -> bool:
        """Tell whether it has been over its budget for so long that it counts as a reject."""
        since = self._over_since
        return since is not None and now - since >= self._config.flood_for

    def reject(self, now: float) -> bool:
        """Count something that no honest peer sends; True if it was once too often."""
        self._rejects.append(now)
        full = len(self._rejects) == self._config.rejects
        return full and now - self._rejects[0] <= self._config.rejects_within
