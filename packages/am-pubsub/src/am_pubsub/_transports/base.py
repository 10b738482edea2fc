"""What a topic needs of whatever carries its bytes.

A transport reports into one inbox, in the order in which things happened to a link. Its calls do
not wait: bytes are queued, within what a peer may say anyway, and a link that does not take them
is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import trio


@dataclass(frozen=True, slots=True)
class LinkUp:
    """There is a link: `address` is what was dialled, None if the other end did."""

    link: int
    address: str | None


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A link ended that was not closed here."""

    link: int


@dataclass(frozen=True, slots=True)
class DialFailed:
    """Nobody answered at an address, or nobody who could be trusted."""

    address: str
    reason: str
    is_refusal: bool = False
    """Whether somebody is there who does not have this peer: waiting does not help."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message came."""

    link: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something came that was dropped before it was a message: counted by its reason."""

    reason: str


LinkEvent: TypeAlias = LinkUp | LinkDown | DialFailed | Arrived | Dropped
Inbox: TypeAlias = "trio.MemorySendChannel[LinkEvent | None]"
"""Where a transport reports; None is the topic's own, to wake itself."""


class Channel(Protocol):
    """A topic as one transport carries it."""

    @property
    def is_bus(self) -> bool:
        """Whether every peer hears what is sent on any link: then nothing is forwarded."""
        ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where other peers can dial this one."""
        ...

    def dial(self, address: str) -> None:
        """Begin to connect; `LinkUp` or `DialFailed` tells how it ended."""
        ...

    def send(self, link: int, data: bytes) -> None:
        """Queue one message."""
        ...

    def close(self, link: int) -> None:
        """Close a link after what was queued for it; nothing is reported."""
        ...


class Transport(Protocol):
    """A way to carry topics."""

    def join(self, topic: str, inbox: Inbox) -> AbstractAsyncContextManager[Channel]:
        """Carry a topic while the context is open; leaving it sends what is queued, for a moment.

        :raises ListenError: on entering, if an address cannot be listened on.
        """
        ...
