"""Who listens, and all connections."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import trio

from am_telemetry import dbg

from .incoming import BROKEN, LEAVES, Incoming
from .listening import inode_of, open_listener, remove_socket
from .losses import LOOPED, Losses
from .outgoing import Outgoing

if TYPE_CHECKING:
    import ssl

    from .._errors import BadMessageError
    from .._store.client import Client
    from .._store.store import Store

LOGGER = logging.getLogger("am_debugger")
MOST_CONNECTIONS = 1000
USUAL_DETAIL = 1


class Listener(Protocol):
    """Who is told of what the server takes in; the debugger's machine, by way of states."""

    def connected(self) -> None:
        """An exporter came."""

    def disconnected(self) -> None:
        """A connection ended."""

    def machine_came(self) -> None:
        """Machines came, or changed."""

    def took(self, nbytes: int, *, is_debugger: bool = False) -> None:
        """Messages of so many bytes were taken in; do they tell of a debugger's machine?"""

    async def turn(self) -> None:
        """Others have their turn, between two slices of work."""

    def note(self, text: str) -> None:
        """Something happened to the debugger itself."""


@dataclass(slots=True)
class _Wish:
    """Who wants a machine at another level of detail than the usual one."""

    levels: dict[object, int]


class Server:
    """Takes in what exporters tell, and tells viewers. `process` is this debugger's own."""

    def __init__(
        self,
        store: Store,
        listener: Listener,
        process: dbg.Process,
        *,
        secret: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        detail: int = USUAL_DETAIL,
    ) -> None:
        self.store = store
        self.process = process
        self.secret = secret
        self.detail = detail
        self.losses = Losses(listener.note)
        """What was left out of what came in."""
        self.outgoing: set[Outgoing] = set()
        self.addresses: list[dbg.Address] = []
        """Where it listens."""
        self._listener = listener
        self._tls = tls
        self._incoming: set[Incoming] = set()
        self._wishes: dict[int, _Wish] = {}

    @property
    def looped(self) -> int:
        """Machines that were left out, since their stream went through here already."""
        return self.losses.counts[LOOPED]

    # ------------------------------------------------------------------ listening

    async def serve(
        self,
        addresses: list[dbg.Address],
        *,
        task_status: trio.TaskStatus[list[dbg.Address]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen at all addresses, until cancelled.

        :raises CannotListenError: if one of them cannot be listened at.
        """
        listeners: list[trio.abc.Listener[trio.abc.Stream]] = []
        sockets: list[tuple[str, int]] = []
        try:
            for address in addresses:
                listeners.append(await open_listener(address, self._tls))
                self.addresses.append(_bound(address, listeners[-1]))
                if address.path is not None:
                    sockets.append((address.path, inode_of(address.path)))
            task_status.started(self.addresses)
            async with trio.open_nursery() as nursery:
                await trio.serve_listeners(self._serve_one, listeners, handler_nursery=nursery)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                for listener in listeners:
                    await listener.aclose()
            for path, inode in sockets:
                remove_socket(path, inode)

    async def _serve_one(self, stream: trio.abc.Stream) -> None:
        """One connection, whatever comes of it."""
        incoming = Incoming(self, stream)
        if len(self._incoming) >= MOST_CONNECTIONS:
            self.losses.add("connections were refused", why=f"{MOST_CONNECTIONS} are open")
            with suppress(*BROKEN):
                await stream.aclose()
            return
        self._incoming.add(incoming)
        try:
            async with stream:
                await self._talk(incoming, stream)
        except* LEAVES as group:
            self._told_end(group)
        except* OSError as group:
            self._told_end(group)
        finally:
            self._incoming.discard(incoming)
            self.losses.rest()
            self._listener.disconnected()
            self._wake()

    def _told_end(self, group: BaseExceptionGroup[BaseException]) -> None:
        for exc in group.exceptions:
            LOGGER.debug("a connection ended: %r", exc)

    async def _talk(self, incoming: Incoming, stream: trio.abc.Stream) -> None:
        hello = await incoming.hello()
        if "viewer" in hello.caps:
            await self._view(incoming, stream)
        else:
            self._listener.connected()
            await incoming.run(hello)

    async def _view(self, incoming: Incoming, stream: trio.abc.Stream) -> None:
        """Tell a viewer, and take its wishes."""
        first = await incoming.next()
        if not isinstance(first, dbg.View):
            return
        ids = None if first.ids is None else frozenset(first.ids)
        outgoing = Outgoing(
            self.store,
            stream.send_all,
            via=(self.process.id,),
            since=first.since,
            wanted=lambda client: ids is None or client.id in ids or client.machine_id in ids,
            detail_of=self.detail_of,
        )
        self.outgoing.add(outgoing)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(outgoing.run)
                while True:
                    self.wish(outgoing, await incoming.next())
        finally:
            self.outgoing.discard(outgoing)
            self.forget_wishes(outgoing)

    # ------------------------------------------------------------------ what comes in

    def took(self, nbytes: int, *, has_machines: bool = False, is_debugger: bool = False) -> None:
        """Messages were taken in; did machines come, or change?"""
        if has_machines:
            self._listener.machine_came()
        self._listener.took(nbytes, is_debugger=is_debugger)
        self._wake()

    def _wake(self) -> None:
        """There is something to tell receivers."""
        for outgoing in self.outgoing:
            outgoing.wake()

    async def turn(self) -> None:
        """Others have their turn, between two slices of work."""
        await self._listener.turn()

    def fault(self, process: dbg.Process, error: BadMessageError, count: int) -> None:
        """Messages did not fit."""
        why = f"the last one, of {process.argv0} {process.pid}, since {error}"
        self.losses.add("messages did not fit", count, why)

    def note(self, text: str) -> None:
        """Something happened to the debugger itself."""
        self._listener.note(text)

    # ------------------------------------------------------------------ wishes

    def detail_of(self, client: Client) -> int:
        """The level of detail that a machine is wanted at: the highest that anybody asked for."""
        wish = self._wishes.get(client.serial)
        return max(wish.levels.values()) if wish is not None and wish.levels else self.detail

    def want_detail(self, client: Client, who: object, level: int) -> None:
        """Somebody wants a machine at a level of detail: 0 mute, 1 journal, 2 everything."""
        self._wishes.setdefault(client.serial, _Wish({})).levels[who] = level
        self._tell_detail(client)

    def forget_wishes(self, who: object) -> None:
        """Somebody left."""
        for serial, wish in list(self._wishes.items()):
            if wish.levels.pop(who, None) is not None:
                client = self.store.by_serial(serial)
                if client is not None:
                    self._tell_detail(client)

    def _tell_detail(self, client: Client) -> None:
        wanted = self.detail_of(client)
        for incoming in self._incoming:
            handle = incoming.handle_of(client)
            if handle is not None:
                incoming.detail(handle, wanted)
        self._wake()

    def tells_of(self, client: Client) -> bool:
        """Whether a machine is connected here."""
        return any([one.handle_of(client) is not None for one in self._incoming])

    def ask_pending(self, client: Client) -> bool:
        """Ask what a machine waits for; False if it is not connected."""
        found = False
        for incoming in self._incoming:
            handle = incoming.handle_of(client)
            if handle is not None:
                incoming.ask_pending(handle)
                found = True
        return found

    def wish(self, outgoing: Outgoing, message: dbg.Message) -> None:
        """What a receiver of ours wants, or acknowledges."""
        if isinstance(message, dbg.Ack):
            outgoing.acknowledge(message.count)
        elif isinstance(message, dbg.Detail | dbg.Ask):
            client = outgoing.client_of(message.h)
            if client is None:
                return
            if isinstance(message, dbg.Detail):
                self.want_detail(client, outgoing, message.level)
            else:
                self.ask_pending(client)


def _bound(address: dbg.Address, listener: trio.abc.Listener[trio.abc.Stream]) -> dbg.Address:
    """The address with the port that was given to it."""
    inner = getattr(listener, "transport_listener", listener)
    if address.path is None and isinstance(inner, trio.SocketListener):
        return address._replace(port=inner.socket.getsockname()[1])
    return address
