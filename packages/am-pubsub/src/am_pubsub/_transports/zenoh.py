"""Topics over zenoh: for many sites, and where its routers are already. Needs the extra `zenoh`.

Each peer has a key of its own, to which others put what is for it, and a liveliness token, by which
they see it come and go. A link is a pair of peers that agreed on it, so that the budgets, digests
and suspicions of a topic are the same as on any transport. zenoh calls back in threads of its own;
all that it says is handed to the loop in the order in which it came.
"""

from __future__ import annotations

import json
import secrets
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]
import trio
import zenoh

from .._errors import ListenError
from .base import Arrived, DialFailed, LinkDown, LinkUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .base import Channel, Inbox

_OPEN, _OPENED, _DATA, _CLOSE = range(4)
_CONNECT_TIMEOUT = 3.0
_ASK_AGAIN = 0.2
_QUEUE = 4096
"""Messages on their way out, of all links; beyond that the link that says more is closed."""
_LAST_WORDS = 1.0
_STRAGGLERS = 0.5
"""Seconds that messages of a peer which is gone get to arrive: zenoh tells its end by another way,
which may be the shorter one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zenoh:
    """A session of zenoh for each topic.

    `connect` and `listen` are its endpoints (`tcp/10.0.0.5:7447`), `mode` is `peer`, `client` or
    `router`. Multicast scouting is off: whom to reach is said. So many peers as `find` says are
    dialled because zenoh sees them: the addresses of all others gossip tells. `options` are more
    settings of zenoh's configuration, by key; TLS and access are its own (`transport/link/tls`).
    """

    connect: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    mode: str = "peer"
    find: int = 3
    options: tuple[tuple[str, Any], ...] = ()

    @asynccontextmanager
    async def join(self, topic: str, inbox: Inbox) -> AsyncIterator[Channel]:
        """Carry a topic.

        :raises ListenError: if the session cannot be opened.
        """
        try:
            session = await trio.to_thread.run_sync(zenoh.open, self._config())
        except zenoh.ZError as error:
            raise ListenError(f"zenoh cannot be opened: {error}") from error
        try:
            async with trio.open_nursery() as nursery:
                channel = _Channel(session, topic, inbox, nursery, self.find)
                nursery.start_soon(channel.carry)
                await trio.to_thread.run_sync(channel.declare)
                try:
                    yield channel
                finally:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + _LAST_WORDS):
                        await channel.last_words()
                    nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(session.close)

    def _config(self) -> zenoh.Config:
        config = zenoh.Config()
        settings = {
            "mode": self.mode,
            "scouting/multicast/enabled": False,
            "connect/endpoints": [*self.connect],
            "listen/endpoints": [*self.listen],
            **dict(self.options),
        }
        for key, value in settings.items():
            config.insert_json5(key, json.dumps(value))
        return config


class _Channel:
    """One peer's links within a topic."""

    is_bus = False

    def __init__(
        self,
        session: zenoh.Session,
        topic: str,
        inbox: Inbox,
        nursery: trio.Nursery,
        find: int,
    ) -> None:
        self._session = session
        self._inbox = inbox
        self._nursery = nursery
        # Any name of a topic, as one part of a key.
        self._prefix = f"am-pubsub/{topic.encode().hex() or 'empty'}"
        self._me = secrets.token_hex(8)
        self._numbers = count(1)
        self._links: dict[int, tuple[str, int]] = {}
        self._by_peer: dict[tuple[str, int], int] = {}
        self._asked: dict[int, tuple[str, trio.Event]] = {}
        self._left_to_find = find
        self._kept: list[object] = []
        self._out, self._going = trio.open_memory_channel[tuple[str, bytes] | None](_QUEUE)
        self._token = trio.lowlevel.current_trio_token()
        self._packer = msgpack.Packer(use_bin_type=True, autoreset=True)
        self._carried = trio.Event()
        self._is_over = False

    # -- what the topic calls

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where other peers can dial this one."""
        return (f"zenoh:{self._me}",)

    def dial(self, address: str) -> None:
        """Ask a peer for a link."""
        self._nursery.start_soon(self._dial, address)

    def send(self, link: int, data: bytes) -> None:
        """Queue one message; where the queue is full the link is closed."""
        there = self._links.get(link)
        if there is not None and not self._put(there[0], _DATA, link, there[1], data):
            self._down(link)

    def close(self, link: int) -> None:
        """Close a link after what was queued for it."""
        there = self._links.pop(link, None)
        if there is not None:
            del self._by_peer[there]
            self._put(there[0], _CLOSE, link, there[1])

    # -- tasks

    async def carry(self) -> None:
        """Hand to zenoh what is queued, in a thread: it may wait for whoever is slow."""
        async for first in self._going:
            batch = [first]
            with suppress(trio.WouldBlock):
                while True:
                    batch.append(self._going.receive_nowait())
            await trio.to_thread.run_sync(self._put_all, batch)
            if batch[-1] is None:
                self._carried.set()
                return

    def _put_all(self, batch: list[tuple[str, bytes] | None]) -> None:
        for one in batch:
            if one is not None:
                key, data = one
                self._session.put(key, data, congestion_control=zenoh.CongestionControl.BLOCK)

    async def last_words(self) -> None:
        """Close all links, and let what was queued leave."""
        for link in [*self._links]:
            self.close(link)
        self._is_over = True
        await self._out.send(None)
        await self._carried.wait()

    async def _dial(self, address: str) -> None:
        peer = address.removeprefix("zenoh:")
        link = next(self._numbers)
        if peer == address or not peer.isalnum():
            self._inbox.send_nowait(DialFailed(address, "no address of zenoh"))
            return
        answered = trio.Event()
        self._asked[link] = (peer, answered)
        with trio.move_on_after(_CONNECT_TIMEOUT):
            while not answered.is_set():
                # What is put before zenoh knows who listens there is lost.
                self._put(peer, _OPEN, link)
                with trio.move_on_after(_ASK_AGAIN):
                    await answered.wait()
        if self._asked.pop(link, None) is not None:
            self._put(peer, _CLOSE, link)
            self._inbox.send_nowait(DialFailed(address, "no answer"))

    # -- what zenoh calls, in its threads

    def declare(self) -> None:
        """Listen, and say that this peer is there."""
        session, prefix = self._session, self._prefix
        alive = f"{prefix}/alive"
        heard, seen = self._in_loop(self._heard), self._in_loop(self._seen)
        self._kept = [
            session.declare_subscriber(
                f"{prefix}/to/{self._me}", lambda s: heard(s.payload.to_bytes())
            ),
            session.liveliness().declare_token(f"{alive}/{self._me}"),
            session.liveliness().declare_subscriber(
                f"{alive}/*",
                lambda s: seen(str(s.key_expr), s.kind == zenoh.SampleKind.PUT),
                history=True,
            ),
        ]

    def _in_loop(self, what: Callable[..., None]) -> Callable[..., None]:
        def call(*args: object) -> None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(what, *args)

        return call

    # -- what was heard, in the loop

    def _heard(self, data: bytes) -> None:
        if self._is_over:
            return
        with suppress(ValueError, TypeError, msgpack.UnpackException):
            kind, peer, number, mine, *rest = msgpack.unpackb(data, max_ext_len=0)
            if not (type(peer) is str and type(number) is int and type(mine) is int):
                return
            self._take(kind, peer, number, mine, rest)

    def _take(self, kind: object, peer: str, number: int, mine: int, rest: list[Any]) -> None:
        if kind == _OPEN and peer.isalnum():
            link = self._by_peer.get((peer, number), 0)
            if not link:
                link = next(self._numbers)
                self._up(link, peer, number, None)
            self._put(peer, _OPENED, link, number)
        elif kind == _OPENED:
            asked = self._asked.pop(mine, None)
            if asked is not None and asked[0] == peer:
                asked[1].set()
                self._up(mine, peer, number, f"zenoh:{peer}")
        elif (link := self._by_peer.get((peer, number), 0)) and kind == _DATA:
            if len(rest) == 1 and type(rest[0]) is bytes:
                self._inbox.send_nowait(Arrived(link, rest[0]))
        elif link and kind == _CLOSE:
            self._down(link)

    def _seen(self, key: str, is_there: bool) -> None:
        peer = key.rpartition("/")[2]
        if peer == self._me or self._is_over:
            return
        if not is_there:
            self._nursery.start_soon(self._gone, peer)
        elif self._left_to_find > 0:
            self._left_to_find -= 1
            self.dial(f"zenoh:{peer}")

    async def _gone(self, peer: str) -> None:
        """End the links of a peer, unless it says so itself meanwhile."""
        await trio.sleep(_STRAGGLERS)
        for link in [link for link, (there, _) in self._links.items() if there == peer]:
            self._down(link)

    # -- links

    def _up(self, link: int, peer: str, number: int, address: str | None) -> None:
        self._links[link] = (peer, number)
        self._by_peer[peer, number] = link
        self._inbox.send_nowait(LinkUp(link, address))

    def _down(self, link: int) -> None:
        there = self._links.pop(link, None)
        if there is not None:
            del self._by_peer[there]
            self._inbox.send_nowait(LinkDown(link))

    def _put(self, peer: str, kind: int, mine: int, theirs: int = 0, *data: bytes) -> bool:
        """Queue a message of a link: its number at this end, and at the other if it is known."""
        packed: bytes = self._packer.pack((kind, self._me, mine, theirs, *data))
        try:
            self._out.send_nowait((f"{self._prefix}/to/{peer}", packed))
        except trio.WouldBlock:
            return False
        return True
