"""Digests: two peers find out what one of them lacks, in the bytes of what they differ in.

Root, then buckets, then the rows of unequal buckets; then each pushes what it has newer and wants
what the other has newer. With new neighbours one after another, later now and then with one at
random, which repairs what got lost.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .messages import Kind, pack_rows
from .output import EventKind
from .sending import in_parts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from am_pubsub._config import TopicConfig

    from .entries import Key, Record
    from .link import Link
    from .messages import Buckets, Root, Rows
    from .output import Output
    from .sending import Links, Sender
    from .table import Table

_ROW_BYTES = 48
"""A row of a digest in a message, at most: peer, index, epoch, flag, states, sum."""


class Syncer:
    """Exchanges digests with one neighbour after another."""

    def __init__(
        self,
        table: Table,
        links: Links,
        sender: Sender,
        output: Output,
        config: TopicConfig,
        random: Random,
        now: float,
    ) -> None:
        self._table = table
        self._links = links
        self._sender = sender
        self._output = output
        self._config = config
        self._random = random
        self._waiting: deque[int] = deque()
        self._current: int | None = None
        self._patience = 0.0
        self._next = now + config.digest_every * random.random()
        self._unequal: dict[int, float] = {}
        self.exchanged = False
        """Whether an exchange with a new neighbour came to its end."""

    def due(self) -> float:
        """Return when `advance` has something to do."""
        return min(self._next, self._patience) if self._current is not None else self._next

    def lag(self, now: float) -> float:
        """Return for how long a neighbour's digest has been another one, at most."""
        return max((now - since for since in self._unequal.values()), default=0.0)

    def greeted(self, link: Link, root: bytes, now: float) -> None:
        """Compare digests with a new neighbour: the dialler lacks more, as a rule.

        The other end sends its buckets together with its hello; the dialler answers them if it is
        this neighbour's turn, else it asks again when it is.
        """
        if root == self._table.digest.root_bytes():
            self._exchanged(link)
        elif not link.dialled:
            self._differ(link, now)
            self._sender.send(link, now, Kind.BUCKETS, self._table.digest.bucket_bytes())
        elif self._current is None:
            self._current = link.id
            self._patience = now + self._config.digest_patience
        else:
            self._waiting.append(link.id)

    def remove(self, link: Link, now: float) -> None:
        """Forget a link that is closed."""
        self._settled(link)
        if self._current == link.id:
            self._start(now)

    def advance(self, now: float) -> None:
        """Send the digest that is due, give up on a neighbour that does not answer."""
        if self._current is not None and self._patience <= now:
            self._start(now)
        if self._next <= now:
            self._next = now + self._config.digest_every
            neighbours = [*self._links.neighbours()]
            if neighbours:
                self._send_root(self._random.choice(neighbours), now, ask=False)

    def root(self, link: Link, message: Root, now: float) -> None:
        """Compare roots; answer with the buckets if they differ."""
        link.their_links = message.links
        if message.root != self._table.digest.root_bytes():
            self._differ(link, now)
            self._sender.send(link, now, Kind.BUCKETS, self._table.digest.bucket_bytes())
            return
        self._settled(link)
        if message.ask:
            self._send_root(link, now, ask=False)
        self._finish(link, now)

    def buckets(self, link: Link, message: Buckets, now: float) -> None:
        """Tell what is held in the buckets that differ."""
        if link.id in self._waiting:
            return  # another neighbour's turn; this one is asked later, if there is need
        digest = self._table.digest
        unequal = digest.unequal(message.buckets)
        if not unequal:
            self._settled(link)
            self._finish(link, now)
            return
        self._differ(link, now)
        held = self._table.in_buckets(unequal)
        sizes = ((at, 3 + len(held[at]) * _ROW_BYTES) for at in unequal)
        parts = [*in_parts(sizes, self._config.batch_bytes)]
        for number, part in enumerate(parts, 1):
            rows = self._rows(record for at in part for record in held[at])
            data = pack_rows(part, rows, last=number == len(parts))
            self._sender.send_packed(link, now, Kind.ROWS, data)

    def rows(self, link: Link, message: Rows, now: float) -> list[Key]:
        """Push what they lack; return what they have newer."""
        wanted: list[Key] = []
        table = self._table
        get, is_signed = table.get, table.is_signed
        theirs = dict(message.rows)
        doubted: dict[bytes, int] = {}
        for key, rank in message.rows:
            held = get(key)
            if held is None or held.entry.rank < rank:
                wanted.append(key)
            elif is_signed and not rank.gone and table.is_own_view(held.entry):
                doubted[key[0]] = rank.epoch
        for peer, epoch in doubted.items():
            # It did not answer here. Whether it lives is for itself to show.
            self._sender.send(link, now, Kind.SUSPECT, peer, epoch)
        for records in table.in_buckets(message.buckets).values():
            for held in records:
                key, here = held.entry.key, held.entry.rank
                there = theirs.get(key)
                if there is not None and not there < here:
                    continue
                if not (is_signed and table.is_own_view(held.entry)):
                    link.want(key, whole=there is None or there.epoch != here.epoch)
        return wanted

    def rows_over(self, link: Link, now: float) -> None:
        """Say that all that was lacking has been sent."""
        self._sender.flush(link, now, last=True)
        self._settled(link)
        self._exchanged(link)

    def synced(self, link: Link, now: float) -> None:
        """Take the end of an exchange."""
        self._settled(link)
        self._finish(link, now)

    def _rows(self, records: Iterable[Record]) -> list[bytes]:
        table = self._table
        is_signed = table.is_signed
        return [
            held.entry.packed_row
            for held in records
            if not (is_signed and table.is_own_view(held.entry))
        ]

    def _start(self, now: float) -> None:
        self._current = None
        while self._waiting:
            link = self._links.get(self._waiting.popleft())
            if link is not None and link.peer is not None:
                self._current = link.id
                self._patience = now + self._config.digest_patience
                self._send_root(link, now, ask=True)
                return

    def _finish(self, link: Link, now: float) -> None:
        if self._current == link.id:
            self._exchanged(link)
            self._start(now)

    def _exchanged(self, link: Link) -> None:
        if not self.exchanged:
            self.exchanged = True
            self._output.event(EventKind.JOINED, link.peer or b"")

    def _differ(self, link: Link, now: float) -> None:
        self._output.counts["digests unequal"] += 1
        if not self._unequal:
            self._output.event(EventKind.SYNCING, link.peer or b"")
        self._unequal.setdefault(link.id, now)

    def _settled(self, link: Link) -> None:
        if link.id in self._unequal:
            del self._unequal[link.id]
            if not self._unequal:
                self._output.event(EventKind.SYNCED, link.peer or b"")

    def _send_root(self, link: Link, now: float, *, ask: bool) -> None:
        links = sum(1 for _ in self._links.neighbours())
        self._sender.send(link, now, Kind.ROOT, self._table.digest.root_bytes(), ask, links)
