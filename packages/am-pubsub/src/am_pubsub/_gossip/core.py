"""The gossip core: values in, values out. It holds no socket, task or clock.

Who drives it calls one of its methods for whatever happened, with the time; then carries out what
`output` holds, and calls `advance` at `next_due()`. All randomness comes from the `Random` that it
was given, and nothing is iterated in an order that differs between runs: the same calls give the
same output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from .addresses import AddressBook
from .closing import Closer
from .entries import PEER_BYTES, Info
from .learning import Learner
from .link import Link
from .membership import Membership
from .messages import (
    Buckets,
    Bye,
    Delta,
    Drop,
    Hello,
    Kind,
    Message,
    Root,
    Rows,
    Suspect,
    User,
    Want,
)
from .neighbours import Neighbours
from .offering import check_info
from .output import EventKind, Output
from .ownership import Ownership
from .parse import Malformed, Parser, Unknown
from .payloads import Payloads
from .schemas import Schemas
from .sending import Links, Sender
from .syncing import Syncer
from .table import Table
from .wanting import Wants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from random import Random

    from am_pubsub._config import TopicConfig

    from .entries import Vector
    from .ownership import Keys

_TRIALS = 2
"""Dials that nobody answers until somebody who is not linked to a peer suspects it."""
_RECEIVED: Final = {kind: f"received.{kind.__name__.lower()}" for kind in get_args(Message)}
"""What counts the messages of each kind."""


class Core:
    """One peer of a topic.

    `schema_hash` returns the hash of a schema as it travels, and raises `ValueError` if that is
    none. `accepts` says whether a peer may take part, None that all may. With `keys` this peer
    signs what it says of itself, and believes others what they signed.
    """

    def __init__(
        self,
        topic: str,
        peer: bytes,
        epoch: int,
        config: TopicConfig,
        random: Random,
        now: float,
        *,
        schema_hash: Callable[[Mapping[str, Mapping[str, object]]], bytes],
        connect: Iterable[str] = (),
        accepts: Callable[[bytes], bool] | None = None,
        keys: Keys | None = None,
    ) -> None:
        if len(peer) != PEER_BYTES:
            raise ValueError(f"a peer id is {PEER_BYTES} bytes long, not {len(peer)}")
        self._topic = topic
        self._config = config
        self._parser = Parser.of(config)
        self._accepts = accepts
        self.output = Output()
        self.table = Table(config, is_signed=keys is not None)
        self._owner = Ownership(topic, peer, keys, self.table) if keys is not None else None
        self._links = Links()
        self._book = AddressBook(connect, config, random)
        self._sender = Sender(self.table, self._links, self.output, config, random)
        self._members = Membership(
            peer,
            epoch,
            self.table,
            self._links,
            self._sender,
            self._book,
            self.output,
            config,
            self._owner,
        )
        self._syncer = Syncer(
            self.table, self._links, self._sender, self.output, config, random, now
        )
        self._neighbours = Neighbours(
            self._links, self._book, self._sender, self.output, config, random, now
        )
        self._closer = Closer(
            self._links, self._book, self._neighbours, self._syncer, self.output, config
        )
        self._payloads = Payloads(
            self._members, self.table, self._sender, self._closer, self.output, self._owner
        )
        self._wants = Wants(self.table, self._links, self._sender, config)
        self._schemas = Schemas(self.table, config, schema_hash)
        self._learner = Learner(
            self.table,
            self._schemas,
            self._members,
            self._neighbours,
            self._sender,
            self._wants,
            self._closer,
            self.output,
            self._owner,
            accepts,
        )
        self._began = now
        self._next_purge = now + config.tombstone_for / 10
        self._alone_told = False

    # -- what is asked of it

    @property
    def peer(self) -> bytes:
        """The id of this peer."""
        return self._members.peer

    @property
    def epoch(self) -> int:
        """The epoch of this peer, above all that others have heard."""
        return self._members.epoch

    @property
    def joined(self) -> bool:
        """Whether an exchange of digests is done, or nobody was reached for a while."""
        return self._syncer.exchanged or self._alone_told

    def neighbours(self) -> list[bytes]:
        """Return the peers that are linked."""
        return [link.peer for link in self._links.neighbours() if link.peer is not None]

    def sizes(self, now: float) -> dict[str, int]:
        """Return how much is held, and for how many milliseconds a neighbour has disagreed."""
        return {
            "records": len(self.table),
            "links": len(self.neighbours()),
            "known": len(self._book),
            "lag": round(1000 * self._syncer.lag(now)),
        }

    def next_due(self) -> float:
        """Return when `advance` is to be called, if nothing happens before."""
        times = [self._syncer.due(), self._neighbours.due(), self._next_purge]
        for due in (self._sender.due(), self._members.due()):
            if due is not None:
                times.append(due)
        if not self.joined:
            times.append(self._began + self._config.join_alone_after)
        return min(times)

    # -- this peer's machines

    def add_schema(self, wire: Mapping[str, Mapping[str, object]]) -> bytes:
        """Make a schema known and return its hash.

        :raises ValueError: if it does not fit into one message.
        """
        return self._schemas.add(wire)

    def expose(self, index: int, info: Info, vector: Vector, now: float) -> None:
        """Tell of a machine, or that it is another one now; its schema was added before.

        :raises ValueError: if others would not take it.
        """
        check_info(info, self._config)
        self._members.put(index, info, vector, now)
        self._sender.flush_due(now)

    def changed(self, index: int, vector: Vector, now: float) -> None:
        """Tell the ticks of a machine that was exposed."""
        held = self.table.get((self.peer, index))
        if held is not None and held.entry.vector != vector:
            self._members.put(index, held.info, vector, now)
            self._sender.flush_due(now)

    def unexpose(self, index: int, now: float) -> None:
        """Tell that a machine is gone; its index is not used again."""
        self._members.put(index, None, (), now)
        self._sender.flush_due(now)

    def publish(self, data: bytes, now: float) -> None:
        """Send a payload to all peers that are there now; those who come later never see it."""
        self._payloads.publish(data, now)

    def leave(self, now: float) -> None:
        """Say goodbye."""
        self._members.leave(now)

    # -- what happens

    def advance(self, now: float) -> None:
        """Do what is due."""
        self._members.advance(now)
        self._syncer.advance(now)
        if self._neighbours.due() <= now:
            for address in self._closer.close_silent(now):
                self._nobody_answered(address, now)
            self._neighbours.advance(now)
        if not self.joined and now >= self._began + self._config.join_alone_after:
            self._alone_told = not self.neighbours()
            if self._alone_told:
                self.output.event(EventKind.JOINED, b"")
            else:
                self._began = now  # a neighbour is there: its digest is waited for
        if now >= self._next_purge:
            self._next_purge = now + self._config.tombstone_for / 10
            self._purge(now)
        self._sender.flush_due(now)

    def dial_failed(self, address: str, now: float) -> None:
        """Take note that nobody answered at an address."""
        self._neighbours.dialled(address)
        self._book.failed(address, now)
        self._nobody_answered(address, now)
        self.output.counts["dials failed"] += 1

    def _nobody_answered(self, address: str, now: float) -> None:
        peer = self._book.peer_of(address)
        if peer == self.peer:
            return  # others tell their newcomers of this address, and it comes back
        self._members.unreachable(peer, now)
        few = len(self.neighbours()) < self._config.dial
        if few and self._book.is_doubtful(address, _TRIALS):
            # Who has few links may be the only one to notice: nobody else lost a link to it.
            self._members.unanswered(peer, now)

    def link_up(self, id: int, address: str | None, now: float) -> None:
        """Take a new connection; `address`: the one that was dialled, None if the other end did."""
        link = self._links[id] = Link(id, self._config, now, address=address)
        if address is not None:
            self._neighbours.dialled(address)
            self._greet(link, now)

    def link_down(self, id: int, now: float) -> None:
        """Take the end of a connection that this peer did not close."""
        link = self._links.pop(id, None)
        if link is None:
            return
        self._syncer.remove(link, now)
        self._neighbours.hurry(now)
        if link.peer is None:
            if link.address is not None:
                self._book.failed(link.address, now)
                self._nobody_answered(link.address, now)
        else:
            self._book.broken()
            if self._members.lost(link.peer, now):
                self._neighbours.dial_again(link.peer)
        self._sender.flush_due(now)

    def received(self, id: int, data: bytes, now: float) -> None:
        """Take a message, whatever is in it."""
        link = self._links.get(id)
        if link is None:
            return
        counts = self.output.counts
        counts["received"] += 1
        counts["received.bytes"] += len(data)
        if not link.within_budget(now):
            counts["dropped.flood"] += 1
            if link.floods(now):
                self._closer.reject(link, "flood", now)
            return
        try:
            self._take(link, self._parser.parse(data), now)
        except Malformed as error:
            self._closer.reject(link, str(error), now)
        except Unknown:
            counts["dropped.unknown"] += 1
            if link.peer is None:
                self._closer.close(link, "another version", now)
        self._sender.flush_due(now)

    # -- messages

    def _take(self, link: Link, message: Message, now: float) -> None:
        self.output.counts[_RECEIVED[type(message)]] += 1
        if link.peer is None:
            if isinstance(message, Drop):
                self._closer.dropped(link, message, now)
            elif isinstance(message, Hello):
                self._hello(link, message, now)
            else:
                raise Malformed("no hello")
            return
        match message:
            case Delta():
                self._learner.delta(link, message, now)
                if message.last:
                    self._syncer.synced(link, now)
            case Root():
                self._syncer.root(link, message, now)
            case Buckets():
                self._syncer.buckets(link, message, now)
            case Rows():
                self._wants.ask(link, self._syncer.rows(link, message, now), now)
                if message.last:
                    self._syncer.rows_over(link, now)
            case Want():
                self._wants.give(link, message)
            case Suspect():
                self._members.suspect(message.peer, message.epoch, link, now)
            case Bye():
                if self._owner is None or self._owner.says_goodbye(message):
                    self._members.bye(message, link, now)
                elif self.table.is_live(message.peer):
                    self._closer.reject(link, "forged goodbye", now)
            case Drop():
                self._closer.dropped(link, message, now)
            case User():
                self._payloads.take(link, message, now)
            case Hello():
                raise Malformed("second hello")

    def _hello(self, link: Link, message: Hello, now: float) -> None:
        peer = message.peer
        if message.topic != self._topic:
            self._closer.close(link, "another topic", now)
            return
        if peer == self.peer:
            # Dialled again by and by: a name may lead to somebody else another time.
            self._closer.close(link, "myself", now)
            return
        denied = self._accepts is not None and not self._accepts(peer)
        if denied or self._book.is_ignored(peer, now):
            self.output.counts["dropped.not allowed"] += 1
            self._closer.close(link, "not allowed", now)
            return
        other = self._links.of_peer(peer)
        if other is not None and not self._is_better(link, other, peer):
            self._closer.close(link, "linked already", now)
            return
        if other is None and not link.dialled and self._neighbours.is_full(link):
            self._closer.close(link, "full", now)
            return
        link.peer = peer
        link.their_links = message.links
        if other is not None:
            self._closer.close(other, "linked already", now)
        if link.address is not None:
            self._book.reached(link.address, peer)
        else:
            self._greet(link, now)
        self._syncer.greeted(link, message.root, now)
        self._members.greeted(link, now)
        if spare := self._neighbours.spare(link):
            self._closer.close(spare, "enough links", now)

    def _greet(self, link: Link, now: float) -> None:
        count = sum(1 for _ in self._links.neighbours())
        root = self.table.digest.root_bytes()
        self._sender.send(link, now, Kind.HELLO, self._topic, self.peer, count, root)

    def _is_better(self, link: Link, other: Link, peer: bytes) -> bool:
        """Of two links to one peer both ends keep that which the smaller id dialled."""
        if link.dialled == other.dialled:
            return False
        return link.dialled == (self.peer < peer)

    def _purge(self, now: float) -> None:
        self.table.purge(now)
        self._members.forget_addresses()
        self._payloads.forget()
