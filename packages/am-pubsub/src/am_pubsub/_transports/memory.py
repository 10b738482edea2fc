"""A network inside one process, on trio's clock: for tests, and for topics without any network."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import trio

from .base import Arrived, DialFailed, LinkDown, LinkUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from .base import Channel, Inbox, LinkEvent

_CONNECT_TIMEOUT = 3.0
_QUEUE = 4096
"""Messages on their way in one direction of a link."""


class MemoryNetwork:
    """Addresses, and who listens there.

    `latency` are the bounds of a hop in seconds; of all messages the share `loss` vanishes, `dup`
    arrives twice, and `reorder` takes a hop more than those after it. `dead` are the seconds of
    silence after which a link across a partition, or to a frozen peer, is down.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        latency: tuple[float, float] = (0.0, 0.0),
        loss: float = 0.0,
        dup: float = 0.0,
        reorder: float = 0.0,
        dead: float = 9.0,
    ) -> None:
        self.loss = loss
        self.dup = dup
        self.reorder = reorder
        self.dead = dead
        self._latency = latency
        self._random = Random(seed)
        self._numbers = count(1)
        self._listening: dict[tuple[str, str], _Endpoint] = {}
        self._groups: dict[str, int] = {}
        self._frozen: set[str] = set()

    def transport(self, address: str) -> MemoryTransport:
        """Return the transport of a peer that can be dialled at an address."""
        return MemoryTransport(self, address)

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        """Let the addresses of different groups not hear of each other."""
        self._groups = {address: number for number, group in enumerate(groups) for address in group}
        self._fall_silent()

    def heal(self) -> None:
        """Let all hear of all again."""
        self._groups = {}

    def kill(self, address: str) -> None:
        """End the links of a peer at once, and let it reach nobody any more, as if it had died.

        Its topics go on in this program; leave them when that suits.
        """
        for place, endpoint in [*self._listening.items()]:
            if endpoint.address == address:
                del self._listening[place]
                endpoint.die()

    def freeze(self, address: str) -> None:
        """Let a peer neither hear nor say anything, as one whose process is stopped."""
        self._frozen.add(address)
        self._fall_silent()

    def thaw(self, address: str) -> None:
        """Let a peer go on, with what is left of its links."""
        self._frozen.discard(address)

    def hears(self, one: str, other: str) -> bool:
        """Tell whether two addresses are in the same part of the network, and none is frozen."""
        apart = self._groups.get(one, 0) != self._groups.get(other, 0)
        return not apart and one not in self._frozen and other not in self._frozen

    def _fall_silent(self) -> None:
        for endpoint in [*self._listening.values()]:
            for link, other in [*endpoint.peers.items()]:
                if not self.hears(endpoint.address, other.address):
                    endpoint.nursery.start_soon(self._silence, endpoint, link)

    async def _silence(self, endpoint: _Endpoint, link: int) -> None:
        await trio.sleep(self.dead)
        other = endpoint.peers.get(link)
        if other is not None and not self.hears(endpoint.address, other.address):
            endpoint.down(link)

    # -- what endpoints use

    def hop(self) -> float:
        """Return how long one message takes."""
        return self._random.uniform(*self._latency)

    def loses(self) -> bool:
        """Tell whether the next message vanishes."""
        return bool(self.loss) and self._random.random() < self.loss

    def doubles(self) -> bool:
        """Tell whether the next message arrives twice."""
        return bool(self.dup) and self._random.random() < self.dup

    def overtakes(self) -> bool:
        """Tell whether those after the next message arrive before it."""
        return bool(self.reorder) and self._random.random() < self.reorder

    def number(self) -> int:
        """Return the number of a new link."""
        return next(self._numbers)

    def find(self, topic: str, address: str) -> _Endpoint | None:
        """Return who listens at an address."""
        return self._listening.get((topic, address))

    def enter(self, endpoint: _Endpoint) -> None:
        """Listen.

        :raises ValueError: if somebody does already.
        """
        place = (endpoint.topic, endpoint.address)
        if place in self._listening:
            raise ValueError(f"{endpoint.address} is taken")
        self._listening[place] = endpoint

    def leave(self, endpoint: _Endpoint) -> None:
        """Stop listening."""
        place = (endpoint.topic, endpoint.address)
        if self._listening.get(place) is endpoint:
            del self._listening[place]


class MemoryTransport:
    """One peer's place on a `MemoryNetwork`."""

    def __init__(self, network: MemoryNetwork, address: str) -> None:
        self._network = network
        self._address = address

    @asynccontextmanager
    async def join(self, topic: str, inbox: Inbox) -> AsyncIterator[Channel]:
        """Carry a topic."""
        async with trio.open_nursery() as nursery:
            endpoint = _Endpoint(self._network, topic, self._address, inbox, nursery)
            self._network.enter(endpoint)
            try:
                yield endpoint
            finally:
                self._network.leave(endpoint)
                endpoint.end()
                nursery.cancel_scope.cancel()


class _Endpoint:
    """One peer's links."""

    is_bus = False

    def __init__(
        self,
        network: MemoryNetwork,
        topic: str,
        address: str,
        inbox: Inbox,
        nursery: trio.Nursery,
    ) -> None:
        self.topic = topic
        self.address = address
        self.nursery = nursery
        self.peers: dict[int, _Endpoint] = {}
        self._has_ended = False
        self._network = network
        self._inbox = inbox
        self._last: dict[int, float] = {}
        self._out: dict[int, trio.MemorySendChannel[tuple[float, bytes]]] = {}

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it can be dialled."""
        return (self.address,)

    def dial(self, address: str) -> None:
        """Connect after two hops."""
        self.nursery.start_soon(self._dial, address)

    async def _dial(self, address: str) -> None:
        if not self._network.hears(self.address, address):
            await trio.sleep(_CONNECT_TIMEOUT)
            self.report(DialFailed(address, "no answer"))
            return
        await trio.sleep(2 * self._network.hop())
        other = self._network.find(self.topic, address)
        if other is None:
            self.report(DialFailed(address, "nobody listens"))
            return
        if self._has_ended:
            return
        link = self._network.number()
        other.up(link, self, None)
        self.up(link, other, address)

    def up(self, link: int, other: _Endpoint, address: str | None) -> None:
        """Begin a link."""
        self.peers[link] = other
        send, receive = trio.open_memory_channel[tuple[float, bytes]](_QUEUE)
        self._out[link] = send
        other.start(self._carry, link, other, receive)
        self.report(LinkUp(link, address))

    async def _carry(
        self, link: int, other: _Endpoint, queue: trio.MemoryReceiveChannel[tuple[float, bytes]]
    ) -> None:
        async for arrives, data in queue:
            await trio.sleep_until(arrives)
            if self._network.hears(self.address, other.address) and link in other.peers:
                other.report(Arrived(link, data))
        # Closed: the other end learns of it here, so that nothing that was sent comes later.
        await trio.sleep(self._network.hop())
        other.down(link, told=True)

    def send(self, link: int, data: bytes) -> None:
        """Queue one message."""
        out = self._out.get(link)
        if out is None or self._network.loses():
            return
        if self._network.doubles():
            self._queue(link, out, data)
        if self._network.overtakes():
            self.start(self._straggle, link, data)
        else:
            self._queue(link, out, data)

    async def _straggle(self, link: int, data: bytes) -> None:
        """Bring a message outside of the order of its link."""
        await trio.sleep(self._network.hop() + self._network.hop())
        other = self.peers.get(link)
        if other is not None and self._network.hears(self.address, other.address):
            other.report(Arrived(link, data))

    def _queue(
        self, link: int, out: trio.MemorySendChannel[tuple[float, bytes]], data: bytes
    ) -> None:
        try:
            # In order: what was sent before arrives before.
            arrives = max(self._last.get(link, 0.0), trio.current_time() + self._network.hop())
            out.send_nowait((arrives, data))
            self._last[link] = arrives
        except trio.WouldBlock:
            self.down(link)

    def close(self, link: int) -> None:
        """Close a link; its other end learns of it after all that was sent before."""
        self.peers.pop(link, None)
        self._last.pop(link, None)
        out = self._out.pop(link, None)
        if out is not None:
            out.close()

    def down(self, link: int, *, told: bool = False) -> None:
        """End a link that broke."""
        other = self.peers.pop(link, None)
        out = self._out.pop(link, None)
        if out is not None:
            out.close()
        if other is not None:
            self.report(LinkDown(link))
            if not told:
                other.down(link, told=True)

    def die(self) -> None:
        """End without a word: the other ends see their links break, and nothing is told here."""
        self._has_ended = True
        for link in [*self.peers]:
            self.down(link)

    def end(self) -> None:
        """Close all links; what was sent before arrives."""
        self._has_ended = True
        for link in [*self.peers]:
            self.close(link)

    def start(self, what: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run something for as long as this end is there."""
        if not self._has_ended:
            self.nursery.start_soon(what, *args)

    def report(self, event: LinkEvent) -> None:
        """Put something into the topic's inbox."""
        if not self._has_ended:
            self._inbox.send_nowait(event)
