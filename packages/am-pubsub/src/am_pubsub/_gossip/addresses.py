"""Which addresses there are to dial, and when the next one's turn is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from random import Random

    from am_pubsub._config import TopicConfig


class _Known:
    __slots__ = ("doubted_after", "failures", "peer", "retry")

    def __init__(self, peer: bytes | None) -> None:
        self.peer = peer
        self.retry = 0.0
        self.failures = 0
        self.doubted_after = -1
        """How many links had broken when this address was doubted last."""


class AddressBook:
    """Addresses from the user, which stay, and from other peers, which go with their peer."""

    def __init__(self, first: Iterable[str], config: TopicConfig, random: Random) -> None:
        self._config = config
        self._random = random
        self._first = frozenset(first)
        self._known = {address: _Known(None) for address in sorted(self._first)}
        self._ignored: dict[bytes, float] = {}
        self._broken = 0

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, peer: bytes | None, addresses: Iterable[str]) -> None:
        """Note the addresses at which a peer says it can be reached."""
        for address in addresses:
            known = self._known.get(address)
            if known is None:
                if len(self._known) < 2 * self._config.peers:
                    self._known[address] = _Known(peer)
            elif peer is not None:
                known.peer = peer

    def forget(self, peer: bytes) -> None:
        """Drop the addresses of a peer that has been gone for long."""
        for address in [a for a, known in self._known.items() if known.peer == peer]:
            if address in self._first:
                self._known[address].peer = None
            else:
                del self._known[address]

    def failed(self, address: str, now: float) -> None:
        """Note that nobody answered: it is tried again later, and later each time."""
        known = self._known.get(address)
        if known is None:
            return
        wait = self._config.redial_first * 2.0 ** min(known.failures, 16)
        known.failures += 1
        known.retry = now + min(wait, self._config.redial_most) * self._random.uniform(0.7, 1.3)

    def broken(self) -> None:
        """Note that a link broke: whoever failed to answer before may be doubted anew."""
        self._broken += 1

    def is_doubtful(self, address: str, trials: int) -> bool:
        """Tell whether an address failed so often on end; once, until another link breaks."""
        known = self._known.get(address)
        if known is None or known.failures < trials or known.doubted_after == self._broken:
            return False
        known.doubted_after = self._broken
        return True

    def reached(self, address: str, peer: bytes) -> None:
        """Note who answers at an address."""
        known = self._known.setdefault(address, _Known(peer))
        known.peer = peer
        known.failures = 0
        known.retry = 0.0

    def ignore(self, peer: bytes, now: float) -> None:
        """Let a peer that misbehaves be neither dialled nor accepted for a while."""
        self._ignored[peer] = now + self._config.ignore_for

    def is_ignored(self, peer: bytes, now: float) -> bool:
        """Tell whether a peer misbehaved of late."""
        until = self._ignored.get(peer)
        if until is not None and until <= now:
            del self._ignored[peer]
            return False
        return until is not None

    def candidates(self, now: float, busy: Collection[str], linked: Collection[bytes]) -> list[str]:
        """Return the addresses that may be dialled now: of nobody who is linked already."""
        return [
            address
            for address, known in self._known.items()
            if known.retry <= now
            and address not in busy
            and (known.peer is None or known.peer not in linked)
            and not (known.peer is not None and self.is_ignored(known.peer, now))
        ]

    def peer_of(self, address: str) -> bytes | None:
        """Return who was last known at an address."""
        known = self._known.get(address)
        return known.peer if known is not None else None

    def of_peer(self, peer: bytes) -> list[str]:
        """Return the addresses of a peer."""
        return [address for address, known in self._known.items() if known.peer == peer]

    def peers(self) -> list[bytes]:
        """Return the peers whose addresses are known."""
        return [known.peer for known in self._known.values() if known.peer is not None]

    def sample(self, count: int, without: bytes | None) -> list[str]:
        """Return some addresses for a newcomer to try."""
        known = [address for address, one in self._known.items() if one.peer != without]
        return self._random.sample(known, min(count, len(known)))
