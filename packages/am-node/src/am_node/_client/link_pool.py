"""All links of a client, and which request goes to which of them.

Requests come one by one, from `submit`, and out of feeds, which hold many in stock. Each goes to
the link with the fewest, as soon as one has room; as long as some wait, further links are opened.

When a worker is lost with several requests, nobody knows which of them it died of. None is charged
with an attempt; each comes next, alone on a worker, so that the next death names the one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import trio

import am_helpers as amh

from .._errors import WorkerLost
from .._escape import printable
from .._wire_work import MAX_WORDS
from .contracts import Contracts
from .worker_link import WorkerLink

if TYPE_CHECKING:
    from collections.abc import Mapping

    import am_machine as am

    from .request import Request
    from .supervisor_link import SupervisorLink

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
PIPED = (
    "WorkerConnecting",
    "WorkerConnected",
    "WorkerDisconnecting",
    "WorkerDisconnected",
    "WorkerRequested",
    "WorkerReady",
)


class Feed(Protocol):
    """A source of many requests."""

    def __len__(self) -> int:
        """How many are in stock."""
        ...

    def take(self) -> Request:
        """The next one in stock."""
        ...


class LinkPool:
    """Holds at most `limit` workers: `workers` always, more while a map wants them."""

    def __init__(
        self,
        mach: am.Machine,
        supervisor: SupervisorLink,
        name: str,
        schema: Any,
        *,
        depth: int,
        workers: int,
        keep: bool,
    ) -> None:
        self._mach = mach
        self._supervisor = supervisor
        self._name = name
        self._schema = schema
        self.depth = depth
        self._links: list[WorkerLink] = []
        self._opening = 0
        # Links that are being made.
        self._coming: set[WorkerLink] = set()
        self._seekers = 0
        self._changed = trio.Event()
        self.contracts = Contracts(mach, supervisor, self._is_wanted, keep)
        self._least = workers
        self._wanted = 0
        self._again: dict[Request, None] = {}
        # Those that must be alone on a worker, where workers hold several.
        self._alone: dict[Request, None] = {}
        self._waiting: dict[Request, None] = {}
        self._feeds: list[Feed] = []
        self._closed = False
        self._past: Counter[str] = Counter()

    @property
    def workers(self) -> tuple[str, ...]:
        """The ids of the workers held."""
        return tuple(link.worker_id for link in self._links)

    @property
    def stats(self) -> dict[str, int]:
        """The counters of all links, past and present, added up."""
        total = Counter(self._past)
        for link in self._links:
            total.update(link.stats.as_dict())
        return dict(total)

    # -- requests

    def submit(self, request: Request) -> None:
        """Give a request to a worker as soon as one has room."""
        self._waiting[request] = None
        self.dispatch()

    def withdraw(self, request: Request) -> None:
        """Nobody wants its answer any more: cancel the work, if it has begun."""
        self._again.pop(request, None)
        self._alone.pop(request, None)
        self._waiting.pop(request, None)
        if request.link is not None:
            request.link.cancel(request)
            self.dispatch()
        self._call_off()

    def add_feed(self, feed: Feed) -> None:
        """Take requests out of a feed's stock; call `dispatch` when it was filled up."""
        self._feeds.append(feed)

    def remove_feed(self, feed: Feed) -> None:
        """Leave the rest of its stock alone."""
        self._feeds.remove(feed)
        self._call_off()

    def try_again(self, request: Request) -> None:
        """Those that were tried before come first."""
        request.link = None
        queue = self._alone if request.is_alone and self.depth > 1 else self._again
        queue[request] = None

    def _stock(self) -> int:
        stock = len(self._again) + len(self._alone) + len(self._waiting)
        for feed in self._feeds:
            stock += len(feed)
        return stock

    def _next(self) -> Request:
        for single in (self._again, self._waiting):
            if single:
                request = next(iter(single))
                del single[request]
                return request
        feeds = self._feeds
        if len(feeds) == 1:
            return feeds[0].take()
        feed = next(feed for feed in feeds if len(feed))
        # Each in its turn.
        feeds.remove(feed)
        feeds.append(feed)
        return feed.take()

    def dispatch(self) -> None:
        """Give out what waits, as far as there is room, and open links for the rest."""
        stock = self._stock()
        if not stock:
            return
        links = [link for link in self._links if link.usable]
        most = self._share(links, stock)
        free = [link for link in links if link.load < most and not link.is_reserved]
        given: dict[WorkerLink, None] = {}
        if self._alone:
            stock -= self._isolate(free, given)
        while stock > len(self._alone) and free:
            link = free[0] if len(free) == 1 else min(free, key=_load)
            request = self._next()
            if request.is_alone and self.depth > 1:
                self._alone[request] = None
                stock -= self._isolate(free, given)
                continue
            link.give(request)
            given[link] = None
            stock -= 1
            if link.load >= most:
                free.remove(link)
        for link in given:
            link.flush()
        if stock:
            self._open_more(stock)

    def _isolate(self, free: list[WorkerLink], given: dict[WorkerLink, None]) -> int:
        """Give requests that must be alone to links without any; returns to how many.

        As many links as still lack one are kept free of others, the emptiest first.
        """
        count = 0
        for link in sorted(free, key=_load)[: len(self._alone)]:
            free.remove(link)
            if not link.load:
                request = next(iter(self._alone))
                del self._alone[request]
                link.give(request)
                given[link] = None
                count += 1
        return count

    def _share(self, links: list[WorkerLink], stock: int) -> int:
        """How many requests one link may have: its part, when there is little for all."""
        if self.depth == 1:
            return 1
        expected = min(self.limit, len(links) + self._opening + stock) or 1
        total = stock + sum(link.load for link in links)
        return min(self.depth, -(-total // expected))

    # -- workers

    async def worker(self) -> str:
        """Wait for a worker, asking for one if none is held; returns its id."""
        self._seekers += 1
        try:
            while True:
                for link in self._links:
                    if link.usable:
                        return link.worker_id
                self._open_more(1)
                await self._changed.wait()
        finally:
            self._seekers -= 1
            self._call_off()

    def want(self, workers: int) -> None:
        """Allow so many more workers for a while; a negative number takes that back."""
        self._wanted += workers
        # The youngest go: the first link is the one whose states the client shows.
        surplus = max(0, len(self._links) - self.limit)
        for link in [link for link in reversed(self._links) if not link.load][:surplus]:
            link.close()

    @property
    def limit(self) -> int:
        """How many workers may be held now."""
        return max(self._least, self._wanted)

    def close(self) -> None:
        """Close all links."""
        self._closed = True
        for link in tuple(self._links):
            link.close()
        for request in (*self._again, *self._alone, *self._waiting):
            request.fail(WorkerLost("the client was closed"))

    # -- what links tell

    def link_moved(self, link: WorkerLink) -> None:
        """Answers came, so there is room for more."""
        if self.depth > 1 or link.load or not link.usable:
            self.dispatch()
        elif stock := self._stock():
            # The others had their chance when this came into stock: they are full.
            link.give(self._next())
            link.flush()
            if stock > 1:
                self._open_more(stock - 1)

    def link_lost(self, link: WorkerLink) -> None:
        """Move the requests of a lost worker to others."""
        if link not in self._links:
            return
        self._links.remove(link)
        self._past.update(link.stats.as_dict())
        held = link.empty()
        if link.is_planned:
            for request in held:
                request.unsent()
        begun = [request for request in held if request.is_sent]
        for request in begun:
            request.is_suspect = True
            request.tried -= len(begun) > 1
        for request in held:
            if request.is_sent:
                request.lost(link.worker_id, link.why, charged=len(begun) == 1)
            if request.tried >= request.attempts:
                request.fail_as_lost(link.words)
            else:
                self.try_again(request)
        link.close()
        self._change()
        if not self._closed:
            self.dispatch()

    def forward(self, args: Mapping[str, Any]) -> None:
        """A payload for the handlers of the client's user."""
        self._mach.add("ServerPayload", **args)

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # -- opening

    def _open_more(self, wanted: int) -> None:
        """Open links for `wanted` requests, as far as allowed."""
        room = self.limit - len(self._links) - self._opening
        for _ in range(min(wanted - self._opening, room)):
            self._mach.fork(self._open)
            self._opening += 1

    async def _open(self) -> None:
        """Open one link, as long as somebody wants one."""
        pause = _FIRST_PAUSE
        try:
            while self._is_wanted():
                link = await self._try_open()
                if link is not None:
                    if len(self._links) > self.limit:
                        link.close()
                    break
                with trio.move_on_after(pause):
                    await self.contracts.chance()
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self._opening -= 1
            self._change()
        self.dispatch()

    def _is_wanted(self) -> bool:
        return not self._closed and bool(self._stock() or self._seekers)

    def _call_off(self) -> None:
        """Ask for no worker any more that nobody wants."""
        if not self._is_wanted():
            self.contracts.call_off()

    async def _try_open(self) -> WorkerLink | None:
        name = f"{self._name}-{len(self._links)}"
        link = WorkerLink(name, self._mach, self._schema, self.depth, self)
        if not self._links:
            amh.bind_many(link.mach, self._mach, PIPED)
        opened = False
        self._coming.add(link)
        try:
            link.mach.add("WorkerRequested")
            contract = await self.contracts.request(link.link_id)
            # A contract may come in the very moment in which the client ends.
            if contract is not None and not self._closed:
                opened = await link.connect(contract, self._supervisor.way_to)
            if opened:
                self._links.append(link)
            return link if opened else None
        finally:
            self._coming.discard(link)
            if not opened:
                link.close()

    def lease_ended(self, data: Mapping[str, Any]) -> None:
        """The supervisor says that a lease is over: do not wait for the link to find out."""
        for link in (*self._links, *self._coming):
            if link.lease and link.lease == data.get("lease"):
                words = str(data.get("words", ""))[:MAX_WORDS]
                why = f"the lease ended: {data.get('reason', '')}"
                link.lose(why, printable(words), planned=data.get("planned") is True)


def _load(link: WorkerLink) -> int:
    return link.load
