"""What every transport owes a topic, as checks that run on any of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import trio

import am_machine as am

from .._topic.topic import Topic
from .._transports.base import Arrived, DialFailed, LinkDown, LinkUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from .._transports.base import Channel, Transport

Carrier: TypeAlias = "Callable[[str], Transport]"
"""Returns the transport of a peer of this name; all of them reach each other."""

_T = TypeVar("_T")
_MESSAGES = 256
"""What a link may say at once, by default."""
_LARGE = 60 * 1024
_PATIENCE = 15.0


class End:
    """One peer's end: its channel, and what it was told, in order."""

    def __init__(self, channel: Channel, inbox: trio.MemoryReceiveChannel[Any]) -> None:
        self.channel = channel
        self._inbox = inbox

    async def next(self, kind: type[_T]) -> _T:
        """Return the next that is told, which has to be of this kind."""
        with trio.fail_after(_PATIENCE):
            found = await self._inbox.receive()
        assert isinstance(found, kind), f"{found} instead of {kind.__name__}"
        return found

    def nothing(self) -> bool:
        """Tell whether nothing was told that was not taken."""
        return not self._inbox.statistics().current_buffer_used


@asynccontextmanager
async def end(carrier: Carrier, name: str, topic: str = "conformance") -> AsyncIterator[End]:
    """Join as a peer."""
    send, receive = trio.open_memory_channel[Any](10_000)
    async with carrier(name).join(topic, send) as channel:
        yield End(channel, receive)


@asynccontextmanager
async def linked(carrier: Carrier) -> AsyncIterator[tuple[End, int, End, int]]:
    """Join as two peers with a link, and yield both ends with their numbers of it."""
    async with end(carrier, "a") as a, end(carrier, "b") as b:
        up, other = await _link(a, b)
        yield a, up, b, other


async def _link(a: End, b: End) -> tuple[int, int]:
    (address, *_) = b.channel.addresses
    a.channel.dial(address)
    up, other = await a.next(LinkUp), await b.next(LinkUp)
    assert up.address == address, "who dialled is told what was dialled"
    assert other.address is None, "who was dialled is not"
    return up.link, other.link


async def messages_arrive_in_order_in_both_directions(carrier: Carrier) -> None:
    """Bytes arrive as they were sent, each once, in order."""
    async with linked(carrier) as (a, up, b, other):
        sent = [b"%d" % number * 7 for number in range(_MESSAGES)]
        for data in sent:
            a.channel.send(up, data)
            b.channel.send(other, data[::-1])
        there = [(await b.next(Arrived)).data for _ in sent]
        back = [(await a.next(Arrived)).data for _ in sent]
        assert there == sent
        assert back == [data[::-1] for data in sent]


async def a_large_message_arrives_whole(carrier: Carrier) -> None:
    """A batch may have sixty KiB."""
    async with linked(carrier) as (a, up, b, other):
        data = bytes(range(256)) * (_LARGE // 256)
        a.channel.send(up, data)
        assert await b.next(Arrived) == Arrived(other, data)


async def what_was_sent_before_a_link_was_closed_arrives(carrier: Carrier) -> None:
    """The end that closes is told nothing, the other one that it is down, after the last word."""
    async with linked(carrier) as (a, up, b, other):
        a.channel.send(up, b"goodbye")
        a.channel.close(up)
        assert await b.next(Arrived) == Arrived(other, b"goodbye")
        assert await b.next(LinkDown) == LinkDown(other)
        assert a.nothing()


async def the_end_that_was_dialled_may_close_too(carrier: Carrier) -> None:
    """A link has two equal ends."""
    async with linked(carrier) as (a, up, b, other):
        b.channel.send(other, b"goodbye")
        b.channel.close(other)
        assert await a.next(Arrived) == Arrived(up, b"goodbye")
        assert await a.next(LinkDown) == LinkDown(up)
        assert b.nothing()


async def who_leaves_takes_its_links_down(carrier: Carrier) -> None:
    """Leaving sends what is queued, then ends all links."""
    async with end(carrier, "a") as a:
        async with end(carrier, "b") as b:
            up, other = await _link(a, b)
            b.channel.send(other, b"last words")
        assert await a.next(Arrived) == Arrived(up, b"last words")
        assert await a.next(LinkDown) == LinkDown(up)


async def where_nobody_is_dialling_fails(carrier: Carrier) -> None:
    """An address that was good once is told as failed, with a reason."""
    async with end(carrier, "a") as a:
        async with end(carrier, "b") as b:
            (address, *_) = b.channel.addresses
        a.channel.dial(address)
        failed = await a.next(DialFailed)
        assert failed.address == address
        assert failed.reason


async def links_that_are_not_there_are_ignored(carrier: Carrier) -> None:
    """The core may still speak of a link that has just gone."""
    async with linked(carrier) as (a, up, b, other):
        a.channel.send(987_654, b"x")
        a.channel.close(987_654)
        a.channel.close(up)
        a.channel.close(up)
        a.channel.send(up, b"x")
        assert await b.next(LinkDown) == LinkDown(other)


async def a_topic_follows_machines_and_payloads(carrier: Carrier) -> None:
    """All of it together: replicas, payloads, goodbye."""
    source = am.Machine({"Start": {}, "Ready": {}}, id="source")
    async with Topic("conformance", transport=carrier("a"), machines=[source]) as a:
        there = Topic("conformance", transport=carrier("b"), connect=a.addresses)
        async with there as b:
            with trio.fail_after(_PATIENCE):
                with b.watch() as news:
                    await anext(news)
                (replica,) = b.machines()
                source.add("Ready")
                await replica.when("Ready")
                received = a.mach.when("MsgReceived")
                await b.send(b"hello")
                await received
            lost = a.mach.when("PeerLost")
        with trio.fail_after(_PATIENCE):
            await lost


CONFORMANCE: Mapping[str, Callable[[Carrier], Awaitable[None]]] = {
    check.__name__: check
    for check in (
        messages_arrive_in_order_in_both_directions,
        a_large_message_arrives_whole,
        what_was_sent_before_a_link_was_closed_arrives,
        the_end_that_was_dialled_may_close_too,
        who_leaves_takes_its_links_down,
        where_nobody_is_dialling_fails,
        links_that_are_not_there_are_ignored,
        a_topic_follows_machines_and_payloads,
    )
}
"""What every transport owes a topic: each check takes a `Carrier`, and fails by an assertion."""
