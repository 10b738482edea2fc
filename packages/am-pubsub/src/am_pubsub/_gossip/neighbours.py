"""Who is linked to whom: a few links at once, more with time, never too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .messages import Kind

if TYPE_CHECKING:
    from random import Random

    from am_pubsub._config import TopicConfig

    from .addresses import AddressBook
    from .link import Link
    from .output import Output
    from .sending import Links, Sender


class Neighbours:
    """Dials, and closes on purpose."""

    def __init__(
        self,
        links: Links,
        book: AddressBook,
        sender: Sender,
        output: Output,
        config: TopicConfig,
        random: Random,
        now: float,
    ) -> None:
        self._links = links
        self._book = book
        self._sender = sender
        self._output = output
        self._config = config
        self._random = random
        self._dialling: dict[str, None] = {}
        self._due = now
        self._next_extra = now + self._pause()

    def due(self) -> float:
        """Return when `advance` has something to do."""
        return self._due

    def advance(self, now: float) -> None:
        """Dial as many addresses as are lacking, or one more if it is time for it."""
        if now < self._due:
            return
        have = sum(1 for _ in self._links.neighbours())
        coming = len(self._dialling) + len(self._links) - have
        lacking = max(0, self._config.dial - have - coming)
        if now >= self._next_extra:
            self._next_extra = now + self._pause()
            if not lacking and have + coming < self._config.links:
                lacking = 1
        if lacking:
            linked = {link.peer for link in self._links.neighbours() if link.peer is not None}
            found = self._book.candidates(now, self._dialling, linked)
            for address in self._random.sample(found, min(lacking, len(found))):
                self._dialling[address] = None
                self._output.dials.append(address)
        few = have < self._config.dial
        self._due = now + self._config.redial_first if few else self._next_extra

    def hurry(self, now: float) -> None:
        """Look at once: a link went, or an address came."""
        self._due = min(self._due, now)

    def learned(self, peer: bytes, addresses: tuple[str, ...]) -> None:
        """Where a peer is to be found was told; with few links it may be dialled at once."""
        self._book.learn(peer, addresses)
        if len(self._links) < self._config.dial:
            self.hurry(0.0)

    def dial_again(self, peer: bytes) -> None:
        """Dial a peer whose link broke, without regard to how many links there are."""
        address = next(iter(self._book.of_peer(peer)), None)
        if address is not None and address not in self._dialling:
            self._dialling[address] = None
            self._output.dials.append(address)

    def dialled(self, address: str) -> None:
        """Take note that dialling came to its end."""
        self._dialling.pop(address, None)

    def is_full(self, link: Link) -> bool:
        """Tell whether a newcomer has to look elsewhere."""
        others = sum(1 for other in self._links.neighbours() if other is not link)
        return others >= self._config.links_most

    def turn_away(self, link: Link, now: float, reason: str) -> None:
        """Tell the other end of a link why it is closed, and where else to try."""
        addresses = self._book.sample(self._config.referrals, link.peer)
        self._sender.send(link, now, Kind.DROP, reason, addresses)

    def spare(self, newest: Link) -> Link | None:
        """Return the oldest link whose other end has enough without, if there are too many."""
        neighbours = [*self._links.neighbours()]
        if len(neighbours) <= self._config.links:
            return None
        spare = [
            link
            for link in neighbours
            if link is not newest and link.their_links > self._config.dial
        ]
        return min(spare, key=lambda link: (link.since, link.id), default=None)

    def _pause(self) -> float:
        # Peers that began together do not dial together for ever.
        return self._config.dial_every * self._random.uniform(0.5, 1.5)
