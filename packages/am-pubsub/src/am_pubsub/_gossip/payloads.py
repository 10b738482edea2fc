"""Payloads: flooded to all peers that are there, each taken once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .messages import Kind
from .output import EventKind

if TYPE_CHECKING:
    from .closing import Closer
    from .link import Link
    from .membership import Membership
    from .messages import User
    from .output import Output
    from .ownership import Ownership
    from .sending import Sender
    from .table import Table

_PAYLOADS = 1024
"""Payloads of a peer whose numbers are remembered, so that each is taken once."""


class Payloads:
    """Sends the payloads of this peer, and hands on those of others."""

    def __init__(
        self,
        members: Membership,
        table: Table,
        sender: Sender,
        closer: Closer,
        output: Output,
        owner: Ownership | None,
    ) -> None:
        self._members = members
        self._table = table
        self._sender = sender
        self._closer = closer
        self._output = output
        self._owner = owner
        self._sent = 0
        # Of each peer the epoch of its payloads, and the numbers of the latest.
        self._seen: dict[bytes, tuple[int, deque[int]]] = {}

    def publish(self, data: bytes, now: float) -> None:
        """Send a payload to all peers that are there now."""
        self._sent += 1
        what = (self._members.peer, self._members.epoch, self._sent, data)
        signed = (self._owner.payload(*what),) if self._owner is not None else ()
        self._sender.flood(now, Kind.USER, *what, *signed)

    def take(self, link: Link, message: User, now: float) -> None:
        """Take the payload of another peer, and hand it on, unless it was seen."""
        peer, epoch, number = message.peer, message.epoch, message.number
        if peer == self._members.peer or not self._table.is_live(peer):
            return
        if self._owner is not None and not self._owner.sends(message):
            self._closer.reject(link, "forged payload", now)
            return
        held = self._seen.get(peer)
        if held is None or held[0] < epoch:
            held = self._seen[peer] = (epoch, deque(maxlen=_PAYLOADS))
        if held[0] > epoch or number in held[1]:
            return
        held[1].append(number)
        signed = (message.signature,) if message.signature else ()
        self._sender.flood(now, Kind.USER, peer, epoch, number, message.data, *signed, but=link)
        self._output.event(EventKind.RECEIVED, peer, data=message.data)

    def forget(self) -> None:
        """Keep nothing of peers that are gone."""
        for peer in [peer for peer in self._seen if not self._table.is_live(peer)]:
            del self._seen[peer]
