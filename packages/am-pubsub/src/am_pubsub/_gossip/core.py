"""The gossip core: values in, values out. It holds no socket, task or clock.

Who drives it calls one of its methods for whatever happened, with the time; then carries out what
`output` holds, and calls `advance` at `next_due()`. All randomness comes from the `Random` that it
was given, and nothing is iterated in an order that differs between runs: the same calls give the
same output.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .addresses import AddressBook
from .entries import PEER_BYTES, Info, Schema
from .link import Link
from .membership import Membership
from .messages import (
    Buckets,
    Bye,
    Delta,
    Drop,
    Hello,
    Kind,
    Root,
    Rows,
    Suspect,
    User,
    Want,
)
from .neighbours import Neighbours
from .output import EventKind, Output
from .ownership import Ownership
from .parse import Malformed, Parser, Unknown, check_schema
from .sending import Links, Sender
from .syncing import Syncer
from .table import ACCEPTED, REFUSED, Table, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from random import Random

    from am_pubsub._config import TopicConfig

    from .entries import Entry, Key, Record, Vector
    from .messages import Message
    from .ownership import Keys

_ASK_AGAIN = 1.0
"""Seconds until a machine that was asked for is asked for again."""
_TRIALS = 2
"""Dials that fail until somebody who is not linked to a peer suspects it."""
_REFUSALS = {
    "another topic": "its topic has another name",
    "another version": "it speaks another version of the protocol",
    "not allowed": "one of both does not allow the other to take part",
}
"""Why a link is closed -> what that means for who dialled it."""
_PAYLOADS = 1024
"""Payloads of a peer whose numbers are remembered, so that each is taken once."""


class Core:
    """One peer of a topic.

    `schema_hash` returns the hash of a schema as it travels, and raises `ValueError` if that is
    none. `accepts` says whether a peer may take part. With `keys` this peer signs what it says of
    itself, and believes others what they signed.
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
        accepts: Callable[[bytes], bool] = lambda peer: True,
        keys: Keys | None = None,
    ) -> None:
        if len(peer) != PEER_BYTES:
            raise ValueError(f"a peer id is {PEER_BYTES} bytes long, not {len(peer)}")
        self._topic = topic
        self._config = config
        self._parser = Parser.of(config)
        self._schema_hash = schema_hash
        self._accepts = accepts
        self.output = Output()
        self.table = Table(config, is_signed=keys is not None)
        self._owner = Ownership(topic, peer, keys, self.table) if keys is not None else None
        self._links = Links()
        self._book = AddressBook(connect, config, random)
        self._sender = Sender(self.table, self._links, self.output, config)
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
        self._asked: dict[Key, float] = {}
        self._seen: dict[bytes, tuple[int, deque[int]]] = {}
        self._payloads = 0
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
        schema = Schema.of(self._schema_hash(wire), wire)
        if len(schema.packed) > self._config.batch_bytes // 2:
            raise ValueError(
                f"a schema of {len(schema.packed)} bytes does not fit into a message: "
                f"at most {self._config.batch_bytes // 2}"
            )
        self.table.schemas[schema.hash] = schema
        return schema.hash

    def expose(self, index: int, info: Info, vector: Vector, now: float) -> None:
        """Tell of a machine, or that it is another one now; its schema was added before."""
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
        self._payloads += 1
        what = (self.peer, self.epoch, self._payloads, data)
        signed = (self._owner.payload(*what),) if self._owner is not None else ()
        self._sender.flood(now, Kind.USER, *what, *signed)

    def leave(self, now: float) -> None:
        """Say goodbye."""
        self._members.leave(now)

    # -- what happens

    def advance(self, now: float) -> None:
        """Do what is due."""
        self._members.advance(now)
        self._syncer.advance(now)
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
        failures = self._book.failed(address, now)
        peer = self._book.peer_of(address)
        self._members.unreachable(peer, now)
        if failures == _TRIALS and len(self.neighbours()) < self._config.dial:
            # Who has few links may be the only one to notice: nobody else lost a link to it.
            self._members.unanswered(peer, now)
        self.output.counts["dials failed"] += 1

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
        elif self._members.lost(link.peer, now):
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
                self._reject(link, "flood", now)
            return
        try:
            self._take(link, self._parser.parse(data), now)
        except Malformed as error:
            self._reject(link, str(error), now)
        except Unknown:
            counts["dropped.unknown"] += 1
            if link.peer is None:
                self._close(link, "another version", now)
        self._sender.flush_due(now)

    # -- messages

    def _take(self, link: Link, message: Message, now: float) -> None:
        if link.peer is None:
            if isinstance(message, Drop):
                self._dropped(link, message, now)
            elif isinstance(message, Hello):
                self._hello(link, message, now)
            else:
                raise Malformed("no hello")
            return
        match message:
            case Delta():
                self._delta(link, message, now)
            case Root():
                self._syncer.root(link, message, now)
            case Buckets():
                self._syncer.buckets(link, message, now)
            case Rows():
                self._ask(link, self._syncer.rows(link, message, now), now)
                if message.last:
                    self._syncer.rows_over(link, now)
            case Want():
                self._wanted(link, message)
            case Suspect():
                self._members.suspect(message.peer, message.epoch, link, now)
            case Bye():
                if self._owner is None or self._owner.says_goodbye(message):
                    self._members.bye(message, link, now)
                elif self.table.is_live(message.peer):
                    self._reject(link, "forged goodbye", now)
            case Drop():
                self._dropped(link, message, now)
            case User():
                self._payload(link, message, now)
            case Hello():
                raise Malformed("second hello")

    def _hello(self, link: Link, message: Hello, now: float) -> None:
        peer = message.peer
        if message.topic != self._topic:
            self._close(link, "another topic", now)
            return
        if peer == self.peer:
            if link.address is not None:
                self._book.reached(link.address, peer)
            self._close(link, "myself", now)
            return
        if self._book.is_ignored(peer, now) or not self._accepts(peer):
            self.output.counts["dropped.not allowed"] += 1
            self._close(link, "not allowed", now)
            return
        other = self._links.of_peer(peer)
        if other is not None and not self._is_better(link, other, peer):
            self._close(link, "linked already", now)
            return
        if other is None and not link.dialled and self._neighbours.is_full(link):
            self._close(link, "full", now)
            return
        link.peer = peer
        link.their_links = message.links
        if other is not None:
            self._close(other, "linked already", now)
        if link.address is not None:
            self._book.reached(link.address, peer)
        else:
            self._greet(link, now)
        self._syncer.greeted(link, message.root, now)
        self._members.greeted(link, now)
        if spare := self._neighbours.spare(link):
            self._close(spare, "enough links", now)

    def _greet(self, link: Link, now: float) -> None:
        count = sum(1 for _ in self._links.neighbours())
        root = self.table.digest.root_bytes()
        self._sender.send(link, now, Kind.HELLO, self._topic, self.peer, count, root)

    def _is_better(self, link: Link, other: Link, peer: bytes) -> bool:
        """Of two links to one peer both ends keep that which the smaller id dialled."""
        if link.dialled == other.dialled:
            return False
        return link.dialled == (self.peer < peer)

    def _delta(self, link: Link, message: Delta, now: float) -> None:
        for digest, wire in message.schemas:
            self._learn_schema(digest, wire)
        wanted: list[Key] = []
        news: dict[Key, bool] = {}
        get, pending, mine = self.table.get, link.pending, self.peer
        for entry in message.entries:
            held = get(entry.key)
            if held is not None and held.entry is entry:
                # They know, so they need not be told.
                pending.pop(entry.key, None)
                continue
            peer = entry.key[0]
            if self._owner is not None and not self._is_owned(link, held, entry, wanted, now):
                continue
            if peer == mine:
                self._members.contested(entry, now)
            elif not self._accepts(peer):
                self.output.counts["dropped.not allowed"] += 1
            else:
                self._entry(link, held, entry, wanted, news, now)
        if news:
            self._sender.tell_all(news, link)
        self._ask(link, wanted, now)
        if message.last:
            self._syncer.synced(link, now)

    def _is_owned(
        self, link: Link, held: Record | None, entry: Entry, wanted: list[Key], now: float
    ) -> bool:
        """Tell whether an entry is to be looked at; what is no news needs no look at all."""
        assert self._owner is not None
        if held is not None and entry.rank <= held.rank:
            if entry.vector and self.table.is_own_view(held.entry):
                self._sender.send(link, now, Kind.SUSPECT, entry.key[0], entry.epoch)
            return entry.rank == held.rank and entry.key[0] != self.peer
        if not entry.vector and not entry.signature:
            # A peer of theirs that did not answer: whether it lives it can show itself.
            if entry.key[1] == 0:
                self._members.suspect(entry.key[0], entry.epoch, link, now)
            return False
        if entry.key[0] != self.peer and not self._owner.key_known(entry):
            wanted.append((entry.key[0], 0))
            wanted.append(entry.key)
            return False
        if not self._owner.owns(entry):
            self._reject(link, "forged entry", now)
            return False
        return True

    def _entry(
        self,
        link: Link,
        held: Record | None,
        entry: Entry,
        wanted: list[Key],
        news: dict[Key, bool],
        now: float,
    ) -> None:
        key = entry.key
        if held is None:
            verdict = self.table.apply(entry, now)
            whole = True
            before = None
        else:
            epoch, before = held.entry.epoch, held.info
            verdict = self.table.renew(held, entry, now)
            whole = epoch != entry.epoch or before is not held.info
        if verdict is Verdict.SAME:
            link.pending.pop(key, None)
        elif verdict in ACCEPTED:
            link.pending.pop(key, None)
            news[key] = whole or news.get(key, False)
            if verdict is Verdict.CHANGED:
                self.output.event(EventKind.CHANGED, *key)
            else:
                record = held or self.table.get(key)
                self._tell_user(key, verdict, record.info if record is not None else None)
            if whole:
                self._members.seen(entry)
        elif verdict is Verdict.UNKNOWN:
            wanted.append(key)
        elif verdict in REFUSED:
            self._reject(link, verdict.value, now)
        else:
            self.output.counts[f"dropped.{verdict.value}"] += 1

    def _tell_user(self, key: Key, verdict: Verdict, info: Info | None) -> None:
        peer, index = key
        if index == 0 and info is not None:
            self._book.learn(peer, info.addrs)
            if len(self._links) < self._config.dial:
                self._neighbours.hurry(0.0)
        if verdict in (Verdict.GONE, Verdict.REPLACED):
            self._members.tell_gone(peer, index)
        if verdict in (Verdict.ADDED, Verdict.REPLACED):
            kind = EventKind.ADDED if index else EventKind.PEER_JOINED
            self.output.event(kind, peer, index)

    def _learn_schema(self, digest: bytes, wire: object) -> None:
        if digest in self.table.schemas:
            return
        checked = check_schema(wire, self._config)
        try:
            same = self._schema_hash(checked) == digest
        except ValueError as error:
            raise Malformed("bad schema") from error
        if not same:
            raise Malformed("schema of another hash")
        self.table.schemas[digest] = Schema.of(digest, checked)

    def _ask(self, link: Link, keys: list[Key], now: float) -> None:
        """Want machines from a neighbour, each from one of them at a time."""
        ask = [key for key in keys if self._asked.get(key, -_ASK_AGAIN) <= now - _ASK_AGAIN]
        if not ask:
            return
        self._asked.update(dict.fromkeys(ask, now))
        most = max(1, self._config.batch_bytes // (PEER_BYTES + 8))
        for at in range(0, len(ask), most):
            self._sender.send(link, now, Kind.WANT, ask[at : at + most])
        if len(self._asked) > self._config.records:
            self._asked.clear()

    def _wanted(self, link: Link, message: Want) -> None:
        for key in message.keys:
            held = self.table.get(key)
            if held is not None:
                if held.info is not None:
                    # The message with the schema may be the one that was lost.
                    link.schemas.discard(held.info.schema)
                link.want(key, whole=True)

    def _payload(self, link: Link, message: User, now: float) -> None:
        peer, epoch, number = message.peer, message.epoch, message.number
        if peer == self.peer or not self.table.is_live(peer):
            return
        if self._owner is not None and not self._owner.sends(message):
            self._reject(link, "forged payload", now)
            return
        held = self._seen.get(peer)
        if held is None or held[0] < epoch:
            held = self._seen[peer] = (epoch, deque(maxlen=_PAYLOADS))
        if held[0] > epoch or number in held[1]:
            return
        held[1].append(number)
        signed = (message.signature,) if message.signature else ()
        self._sender.flood(now, Kind.USER, peer, epoch, number, message.data, *signed, but=link)
        self.output.event(EventKind.RECEIVED, peer, data=message.data)

    # -- ends

    def _dropped(self, link: Link, message: Drop, now: float) -> None:
        """The other end closed on purpose: nobody has died."""
        self.output.counts[f"closed by them.{message.reason[:32]}"] += 1
        self._book.learn(None, message.addrs)
        if link.peer is None:
            self._refused(link, message.reason)
        if link.peer is None and link.address is not None:
            self._book.failed(link.address, now)
        self._forget(link, "closed by them", now)

    def _reject(self, link: Link, reason: str, now: float) -> None:
        self.output.counts[f"dropped.{reason}"] += 1
        self.output.event(EventKind.REJECTED, link.peer or b"", reason=reason)
        if link.reject(now) and link.id in self._links:
            if link.peer is not None:
                self._book.ignore(link.peer, now)
            self._close(link, "too many rejects", now)

    def _refused(self, link: Link, reason: str) -> None:
        if link.address is not None and reason in _REFUSALS:
            text = f"{link.address}: {_REFUSALS[reason]}"
            self.output.event(EventKind.REFUSED, b"", reason=text)

    def _close(self, link: Link, reason: str, now: float) -> None:
        """Close a link on purpose."""
        self._refused(link, reason)
        self._neighbours.turn_away(link, now, reason)
        if link.peer is None and link.address is not None and reason != "myself":
            self._book.failed(link.address, now)
        self._forget(link, reason, now)

    def _forget(self, link: Link, reason: str, now: float) -> None:
        if self._links.pop(link.id, None) is not None:
            self.output.closes.append((link.id, reason))
            self._syncer.remove(link, now)
            self._neighbours.hurry(now)

    def _purge(self, now: float) -> None:
        self.table.purge(now)
        self._members.forget_addresses()
        for peer in [peer for peer in self._seen if not self.table.is_live(peer)]:
            del self._seen[peer]
