"""Who is there: the machines of this peer, and the lives and deaths of all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .entries import Entry
from .messages import Kind
from .output import EventKind
from .suspicion import Suspicions

if TYPE_CHECKING:
    from am_pubsub._config import TopicConfig

    from .addresses import AddressBook
    from .entries import Info, Vector
    from .link import Link
    from .messages import Bye
    from .output import Output
    from .ownership import Ownership
    from .sending import Links, Sender
    from .table import Table


class Membership:
    """Keeps this peer's own machines told, and those of dead peers gone."""

    def __init__(
        self,
        peer: bytes,
        epoch: int,
        table: Table,
        links: Links,
        sender: Sender,
        book: AddressBook,
        output: Output,
        config: TopicConfig,
        ownership: Ownership | None = None,
    ) -> None:
        self._ownership = ownership
        self.peer = peer
        self.epoch = epoch
        self._table = table
        self._links = links
        self._sender = sender
        self._book = book
        self._output = output
        self._config = config
        self.suspicions = Suspicions(config)
        self._doubts: dict[bytes, float] = {}

    def due(self) -> float | None:
        """Return when a peer is to be suspected, or a suspected one has had its time."""
        if not self._doubts and not self.suspicions.held:
            return None
        times = [*self._doubts.values()]
        suspected = self.suspicions.due()
        if suspected is not None:
            times.append(suspected)
        return min(times, default=None)

    # -- this peer

    def put(self, index: int, info: Info | None, vector: Vector, now: float) -> None:
        """Tell what a machine of this peer is and where it stands; no vector: it is gone."""
        key = (self.peer, index)
        held = self._table.get(key)
        known = held.info if held is not None else None
        whole = held is None or info != known or held.entry.epoch != self.epoch
        if self._ownership is not None:
            entry = self._ownership.entry(key, self.epoch, vector, info)
        else:
            entry = Entry.of(key, self.epoch, vector, info)
        self._table.put_own(entry, now)
        self._sender.tell(key, whole=whole)

    def contested(self, entry: Entry, now: float) -> None:
        """Answer what others say of a machine of this peer."""
        held = self._table.get(entry.key)
        if held is None:
            # Left over from an earlier life of this peer.
            self._outlive(entry.epoch, now)
            self.put(entry.key[1], None, (), now)
        elif entry.rank > held.rank:
            self._outlive(entry.epoch, now)

    def _outlive(self, epoch: int, now: float) -> None:
        """Show that this peer lives, by an epoch above all that were heard for it."""
        if epoch < self.epoch:
            return
        self.epoch = epoch + 1
        self._output.counts["refuted"] += 1
        for record in [*self._table.of_peer(self.peer)]:
            _, index = record.entry.key
            self.put(index, record.info, record.entry.vector, now)

    # -- others

    def lost(self, peer: bytes, now: float) -> bool:
        """Doubt a peer whose last link here broke; False if it has others, or is gone anyway."""
        if not self._table.is_live(peer) or self._links.of_peer(peer) is not None:
            return False
        self._doubts[peer] = now + self._config.doubt_for
        return True

    def unreachable(self, peer: bytes | None, now: float) -> None:
        """Suspect a peer that was doubted, since it cannot be dialled either."""
        if peer is not None and self._doubts.pop(peer, None) is not None:
            self._accuse(peer, now)

    def unanswered(self, peer: bytes | None, now: float) -> None:
        """Suspect a peer that does not answer where it says that it is, unless it is linked."""
        if peer is not None and self._links.of_peer(peer) is None:
            self._accuse(peer, now)

    def _accuse(self, peer: bytes, now: float) -> None:
        epoch = self._table.epoch_of(peer)
        if self._table.is_live(peer) and self.suspicions.raise_(peer, epoch, now):
            self._output.counts["suspected"] += 1
            self._sender.flood(now, Kind.SUSPECT, peer, epoch)

    def greeted(self, link: Link, now: float) -> None:
        """Tell a suspected peer that it is suspected: it can refute that at once."""
        if link.peer is not None:
            self._doubts.pop(link.peer, None)
        epoch = self.suspicions.of(link.peer) if link.peer is not None else None
        if epoch is not None:
            self._sender.send(link, now, Kind.SUSPECT, link.peer, epoch)

    def suspect(self, peer: bytes, epoch: int, link: Link, now: float) -> None:
        """Take a suspicion of somebody else and hand it on; refute it if it is about this peer."""
        if self._ownership is not None:
            # Nobody but the peer itself raises its epoch.
            epoch = min(epoch, self.epoch if peer == self.peer else self._table.epoch_of(peer))
        if peer == self.peer:
            self._outlive(epoch, now)
        elif (
            self._table.is_live(peer)
            and self._table.epoch_of(peer) <= epoch
            and self.suspicions.raise_(peer, epoch, now)
        ):
            self._sender.flood(now, Kind.SUSPECT, peer, epoch, but=link)

    def bye(self, message: Bye, link: Link, now: float) -> None:
        """Take the goodbye of a peer and hand it on; refute it if it is about this peer."""
        peer, epoch = message.peer, message.epoch
        if peer == self.peer:
            self._outlive(epoch, now)
        elif self.bury(peer, epoch, now):
            signed = (message.signature,) if message.signature else ()
            self._sender.flood(now, Kind.BYE, peer, epoch, *signed, but=link)

    def leave(self, now: float) -> None:
        """Say goodbye to all neighbours."""
        owner = self._ownership
        signed = (owner.goodbye(self.peer, self.epoch),) if owner is not None else ()
        self._sender.flood(now, Kind.BYE, self.peer, self.epoch, *signed)

    def advance(self, now: float) -> None:
        """Suspect who did not come back; take who did not refute in time for dead."""
        for peer in [peer for peer, until in self._doubts.items() if until <= now]:
            del self._doubts[peer]
            self._accuse(peer, now)
        for peer, epoch in self.suspicions.take_unrefuted(now):
            if self.bury(peer, epoch, now):
                self._output.counts["unrefuted"] += 1

    def bury(self, peer: bytes, epoch: int, now: float) -> bool:
        """Let all machines of a peer's epoch be gone; False if none was there.

        The others come to the same by themselves, so that nothing has to be told.
        """
        self.suspicions.end(peer)
        dead = [
            record
            for record in self._table.of_peer(peer)
            if not record.is_gone and record.entry.epoch <= epoch
        ]
        for record in dead:
            _, index = record.entry.key
            self._table.apply(Entry.of(record.entry.key, epoch, ()), now)
            self.tell_gone(peer, index)
        return bool(dead)

    def tell_gone(self, peer: bytes, index: int) -> None:
        """Tell the user of a machine that is gone: of index 0 as of its peer."""
        kind = EventKind.REMOVED if index else EventKind.PEER_LOST
        self._output.event(kind, peer, index)

    def forget_addresses(self) -> None:
        """Drop the addresses of peers of which not even a tombstone is left."""
        for peer in self._book.peers():
            if not self._table.of_peer(peer):
                self._book.forget(peer)
