"""What others say of machines: taken into the table, told on, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .messages import Kind
from .output import Event, EventKind
from .table import ACCEPTED, REFUSED, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from .closing import Closer
    from .entries import Entry, Info, Key, Record
    from .link import Link
    from .membership import Membership
    from .messages import Delta
    from .neighbours import Neighbours
    from .output import Output
    from .ownership import Ownership
    from .schemas import Schemas
    from .sending import Sender
    from .table import Table
    from .wanting import Wants

# Looked at for each entry: a name of a module costs less than one of an enumeration.
_SAME, _CHANGED = Verdict.SAME, Verdict.CHANGED
_LOST, _FOUND = (Verdict.GONE, Verdict.REPLACED), (Verdict.ADDED, Verdict.REPLACED)


class Learner:
    """Reads the entries of other peers, passes news on, and asks for what it cannot read yet."""

    def __init__(
        self,
        table: Table,
        schemas: Schemas,
        members: Membership,
        neighbours: Neighbours,
        sender: Sender,
        wants: Wants,
        closer: Closer,
        output: Output,
        owner: Ownership | None,
        accepts: Callable[[bytes], bool] | None,
    ) -> None:
        self._table = table
        self._schemas = schemas
        self._members = members
        self._suspicions = members.suspicions
        self._neighbours = neighbours
        self._sender = sender
        self._wants = wants
        self._closer = closer
        self._output = output
        self._owner = owner
        self._accepts = accepts

    def delta(self, link: Link, message: Delta, now: float) -> None:
        """Take what a neighbour tells.

        :raises Malformed: if a schema in it is none.
        """
        for digest, wire in message.schemas:
            self._schemas.learn(digest, wire)
        wanted: list[Key] = []
        news: dict[Key, bool] = {}
        get, pending, mine = self._table.get, link.pending, self._members.peer
        owner, accepts = self._owner, self._accepts
        for entry in message.entries:
            key = entry.key
            held = get(key)
            if held is not None and held.entry is entry:
                # They know, so they need not be told.
                pending.pop(key, None)
                continue
            if owner is not None and not self._is_owned(link, held, entry, wanted, now):
                continue
            peer = key[0]
            if peer == mine:
                self._members.contested(entry, now)
            elif accepts is not None and not accepts(peer):
                self._output.counts["dropped.not allowed"] += 1
            else:
                self._entry(link, held, entry, wanted, news, now)
        if news:
            self._sender.tell_on(news, link, now)
        self._wants.ask(link, wanted, now)

    def _is_owned(
        self, link: Link, held: Record | None, entry: Entry, wanted: list[Key], now: float
    ) -> bool:
        """Tell whether an entry is to be looked at; what is no news needs no look at all."""
        assert self._owner is not None
        if held is not None and entry.rank <= held.rank:
            if entry.vector and self._table.is_own_view(held.entry):
                self._sender.send(link, now, Kind.SUSPECT, entry.key[0], entry.epoch)
            return entry.rank == held.rank and entry.key[0] != self._members.peer
        if not entry.vector and not entry.signature:
            # A peer of theirs that did not answer: whether it lives it can show itself.
            if entry.key[1] == 0:
                self._members.suspect(entry.key[0], entry.epoch, link, now)
            return False
        if entry.key[0] != self._members.peer and not self._owner.key_known(entry):
            wanted.append((entry.key[0], 0))
            wanted.append(entry.key)
            return False
        if not self._owner.owns(entry):
            self._closer.reject(link, "forged entry", now)
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
            verdict = self._table.first(entry, now)
            whole, info = True, entry.info if entry.vector else None
        else:
            epoch, before = held.entry.epoch, held.info
            verdict = self._table.renew(held, entry, now)
            info = held.info
            whole = epoch != entry.epoch or before is not info
        if verdict is _SAME:
            link.pending.pop(key, None)
        elif verdict in ACCEPTED:
            link.pending.pop(key, None)
            news[key] = whole or news.get(key, False)
            if verdict is _CHANGED:
                self._output.events.append(Event(EventKind.CHANGED, *key))
            else:
                self._tell_user(key, verdict, info)
            if whole and self._suspicions.held:
                self._suspicions.seen(entry)
        elif verdict is Verdict.UNKNOWN:
            wanted.append(key)
        elif verdict in REFUSED:
            self._closer.reject(link, verdict.value, now)
        else:
            self._output.counts[f"dropped.{verdict.value}"] += 1

    def _tell_user(self, key: Key, verdict: Verdict, info: Info | None) -> None:
        peer, index = key
        if index == 0 and info is not None:
            self._neighbours.learned(peer, info.addrs)
        if verdict in _LOST:
            self._members.tell_gone(peer, index)
        if verdict in _FOUND:
            kind = EventKind.ADDED if index else EventKind.PEER_JOINED
            self._output.events.append(Event(kind, peer, index))
