"""What is asked of a neighbour because a message alone could not be read, and by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .entries import PEER_BYTES
from .messages import Kind

if TYPE_CHECKING:
    from am_pubsub._config import TopicConfig

    from .entries import Key
    from .link import Link
    from .messages import Want
    from .sending import Links, Sender
    from .table import Table

_ASK_AGAIN = 1.0
"""Seconds until a machine that was asked for is asked for again."""


class Wants:
    """Asks for machines whose schema or key is lacking, and gives those that others ask for."""

    def __init__(self, table: Table, links: Links, sender: Sender, config: TopicConfig) -> None:
        self._table = table
        self._links = links
        self._sender = sender
        self._config = config
        # When, and on which link: one that has ended answers no more.
        self._asked: dict[Key, tuple[float, int]] = {}

    def ask(self, link: Link, keys: list[Key], now: float) -> None:
        """Want machines from a neighbour, each from one of them at a time."""
        ask = [key for key in keys if not self._is_asked(key, now)]
        if not ask:
            return
        self._asked.update(dict.fromkeys(ask, (now, link.id)))
        most = max(1, self._config.batch_bytes // (PEER_BYTES + 8))
        for at in range(0, len(ask), most):
            self._sender.send(link, now, Kind.WANT, ask[at : at + most])
        if len(self._asked) > self._config.records:
            self._asked.clear()

    def _is_asked(self, key: Key, now: float) -> bool:
        when, link = self._asked.get(key, (-_ASK_AGAIN, 0))
        return when > now - _ASK_AGAIN and link in self._links

    def give(self, link: Link, message: Want) -> None:
        """Tell a neighbour the machines that it wants, whole, at the next flush."""
        for key in message.keys:
            held = self._table.get(key)
            if held is not None:
                if held.info is not None:
                    # The message with the schema may be the one that was lost.
                    link.schemas.discard(held.info.schema)
                link.want(key, whole=True)
