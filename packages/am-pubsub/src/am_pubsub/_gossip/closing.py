"""How links end: closed by this peer or by the other one, on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import EventKind

if TYPE_CHECKING:
    from am_pubsub._config import TopicConfig

    from .addresses import AddressBook
    from .link import Link
    from .messages import Drop
    from .neighbours import Neighbours
    from .output import Output
    from .sending import Links
    from .syncing import Syncer

_REFUSALS = {
    "another topic": "its topic has another name",
    "another version": "it speaks another version of the protocol",
    "not allowed": "one of both does not allow the other to take part",
}
"""Why a link is closed -> what that means for who dialled it."""


class Closer:
    """Closes links, and tells why; whoever sends too much that is refused loses its own."""

    def __init__(
        self,
        links: Links,
        book: AddressBook,
        neighbours: Neighbours,
        syncer: Syncer,
        output: Output,
        config: TopicConfig,
    ) -> None:
        self._config = config
        self._links = links
        self._book = book
        self._neighbours = neighbours
        self._syncer = syncer
        self._output = output

    def dropped(self, link: Link, message: Drop, now: float) -> None:
        """The other end closed on purpose: nobody has died."""
        self._output.counts[f"closed by them.{message.reason[:32]}"] += 1
        self._book.learn(None, message.addrs)
        if link.peer is None:
            self._refused(link, message.reason)
        if link.peer is None and link.address is not None:
            self._book.failed(link.address, now)
        self._forget(link, "closed by them", now)

    def reject(self, link: Link, reason: str, now: float) -> None:
        """Count and tell what is refused; with too many of them the link closes."""
        self._output.counts[f"dropped.{reason}"] += 1
        self._output.event(EventKind.REJECTED, link.peer or b"", reason=reason)
        if link.reject(now) and link.id in self._links:
            if link.peer is not None:
                self._book.ignore(link.peer, now)
            self.close(link, "too many rejects", now)

    def close_silent(self, now: float) -> list[str]:
        """Close links whose other ends did not say who they are: they keep others out.

        Returns the addresses of those that were dialled.
        """
        since = now - self._config.redial_most
        links = [link for link in self._links.values() if link.peer is None and link.since <= since]
        for link in links:
            self.close(link, "silent", now)
        return [link.address for link in links if link.address is not None]

    def close(self, link: Link, reason: str, now: float) -> None:
        """Close a link on purpose."""
        self._refused(link, reason)
        self._neighbours.turn_away(link, now, reason)
        if link.peer is None and link.address is not None:
            self._book.failed(link.address, now)
        self._forget(link, reason, now)

    def _refused(self, link: Link, reason: str) -> None:
        if link.address is not None and reason in _REFUSALS:
            text = f"{link.address}: {_REFUSALS[reason]}"
            self._output.event(EventKind.REFUSED, b"", reason=text)

    def _forget(self, link: Link, reason: str, now: float) -> None:
        if self._links.pop(link.id, None) is not None:
            self._output.closes.append((link.id, reason))
            self._syncer.remove(link, now)
            self._neighbours.hurry(now)
