"""What the core wants done: to be carried out by who owns sockets, tasks and machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum


class EventKind(Enum):
    """What happened to the topic, as a peer sees it."""

    PEER_JOINED = "peer joined"
    PEER_LOST = "peer lost"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    RECEIVED = "received"
    REJECTED = "rejected"
    REFUSED = "refused"
    """Somebody who was dialled does not have this peer, or the reverse; `reason` says where."""
    SYNCING = "syncing"
    SYNCED = "synced"
    JOINED = "joined"


@dataclass(slots=True)
class Event:
    """Something that happened: to which machine, and for payloads and rejects, what."""

    kind: EventKind
    peer: bytes
    index: int = 0
    data: bytes = b""
    reason: str = ""


class Output:
    """Filled by the core; emptied by whoever drives it, in the order of each list."""

    __slots__ = ("closes", "counts", "dials", "events", "sends")

    def __init__(self) -> None:
        self.sends: list[tuple[int, bytes]] = []
        """Link, bytes."""
        self.dials: list[str] = []
        self.closes: list[tuple[int, str]] = []
        """Link, reason: after what was sent there."""
        self.events: list[Event] = []
        self.counts: Counter[str] = Counter()
        """What was sent, received and dropped, by kind and by reason: only grows."""

    def event(
        self,
        kind: EventKind,
        peer: bytes,
        index: int = 0,
        *,
        data: bytes = b"",
        reason: str = "",
    ) -> None:
        """Tell of something."""
        self.events.append(Event(kind, peer, index, data, reason))
