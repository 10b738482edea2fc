"""All numbers of a topic in one place: none is hidden in the code that uses it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicConfig:
    """The numbers of a topic; times in seconds of the loop's clock, sizes in bytes.

    Peers may differ in all of them but `buckets`: peers that divide their digests otherwise
    find every digest unequal, and repair nothing by it.
    """

    # -- neighbours
    dial: int = 3
    """Links a peer wants at once, as long as it knows addresses to dial."""
    links: int = 12
    """Links a peer wants after a while; who has more closes its oldest to a peer with others."""
    links_most: int = 16
    """Links beyond which a newcomer is turned away, with addresses to try instead."""
    dial_every: float = 10.0
    """Time between dials while there are at least `dial` links and fewer than `links`."""
    redial_first: float = 0.5
    """Time before an address that failed is tried again; doubled by each further failure."""
    redial_most: float = 10.0
    """The longest time between two trials of an address that keeps failing; a link whose other end
    does not say who it is lasts no longer."""
    referrals: int = 8
    """Addresses told to a newcomer that is turned away."""

    # -- deltas and digests
    batch_every: float = 0.2
    """The first change leaves at once, later ones together after this time."""
    relay_after: float = 0.01
    """About how long what another peer said waits to be told on: whoever tells it here meanwhile
    knows it, and those who hear it first hand are not kept waiting by copies."""
    batch_bytes: int = 60 * 1024
    """What one message holds at most; more is sent in several."""
    digest_every: float = 5.0
    """Time between digests, each sent to one neighbour chosen at random."""
    digest_patience: float = 2.0
    """How long an exchange of digests with a new neighbour may take until the next one's turn."""
    buckets: int = 64
    """Parts of a digest: the same number for all peers of a topic."""

    # -- liveness
    doubt_for: float = 0.5
    """How long a link that broke may take to come back before its peer is suspected."""
    refute_within: float = 6.0
    """Time that a suspected peer has to show that it lives."""
    tombstone_for: float = 600.0
    """How long it is remembered that a machine is gone."""
    join_alone_after: float = 2.0
    """Time after which a peer that reached nobody counts as joined."""

    # -- budgets of a link, in messages
    send_rate: float = 64.0
    send_burst: float = 256.0
    receive_rate: float = 128.0
    receive_burst: float = 1024.0
    flood_for: float = 5.0
    """Time over the receiving budget on end from which it counts as a reject."""
    rejects: int = 20
    """Rejects of one link within `rejects_within` for which it is closed."""
    rejects_within: float = 60.0
    ignore_for: float = 300.0
    """How long the address of such a link is not dialled, nor its peer accepted."""

    # -- limits of what is taken from others
    message_bytes: int = 64 * 1024
    machines_per_peer: int = 64
    states: int = 4096
    name_length: int = 128
    tags: int = 32
    tag_bytes: int = 255
    peers: int = 2000
    records: int = 20_000

    @property
    def limits(self) -> tuple[int, int, int]:
        """What decides whether the description of a machine is taken."""
        return self.name_length, self.tags, self.tag_bytes

    def __post_init__(self) -> None:
        if not 0 < self.dial <= self.links <= self.links_most:
            raise ValueError("0 < dial <= links <= links_most must hold")
        if not 0 < self.batch_bytes <= self.message_bytes:
            raise ValueError("0 < batch_bytes <= message_bytes must hold")
        if not 0 < self.buckets <= 1024:
            raise ValueError("buckets must be within 1 and 1,024")
        if not self.relay_after >= 0:
            raise ValueError("relay_after must not be below zero")
        for name in ("batch_every", "digest_every", "dial_every", "refute_within", "tombstone_for"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above zero")
