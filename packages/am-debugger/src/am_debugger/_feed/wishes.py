"""What the user wants of machines, told to those who tell of them, or to a collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from am_telemetry import dbg

if TYPE_CHECKING:
    from .._store.client import Client
    from .._store.link import Link
    from .server import Server


class ServerWishes:
    """The wishes of the user of this instance, beside those of its viewers."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def detail_of(self, client: Client) -> int | None:
        """The level of detail a machine is wanted at; None if it is not connected here."""
        return self._server.detail_of(client) if self._server.tells_of(client) else None

    def want_detail(self, client: Client, level: int) -> None:
        """Want a machine at a level of detail from now on."""
        self._server.want_detail(client, self, level)

    def ask_pending(self, client: Client) -> bool:
        """Ask what a machine waits for; False if it is not connected here."""
        return self._server.ask_pending(client)


class ViewerWishes:
    """The wishes of the user of a viewer: the collector is asked, and passes them on."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._messages: list[dbg.Message] = []
        self._wakes = trio.Event()

    def connected(self, link: Link) -> None:
        """There is a collector."""
        self._link = link

    def disconnected(self) -> None:
        """There is none any more, and what was not told is forgotten."""
        self._link = None
        self._messages.clear()

    async def next(self) -> list[dbg.Message]:
        """What to tell the collector next, once there is something. A cancelled call takes nothing
        away."""
        while not self._messages:
            self._wakes = trio.Event()
            await self._wakes.wait()
        messages, self._messages = self._messages, []
        return messages

    def tell(self, message: dbg.Message) -> None:
        """Tell the collector something."""
        self._messages.append(message)
        self._wakes.set()

    def detail_of(self, client: Client) -> int | None:
        """The level of detail at which the collector is told of a machine; None if it is not."""
        handle = self._handle(client)
        return None if handle is None or self._link is None else self._link.details.get(handle)

    def want_detail(self, client: Client, level: int) -> None:
        """Want a machine at a level of detail from now on."""
        handle = self._handle(client)
        if handle is not None:
            self.tell(dbg.Detail(handle, level))

    def ask_pending(self, client: Client) -> bool:
        """Ask what a machine waits for; False if the collector is not told of it."""
        handle = self._handle(client)
        if handle is None:
            return False
        self.tell(dbg.Ask(handle, "pending"))
        return True

    def _handle(self, client: Client) -> int | None:
        return None if self._link is None else self._link.handle_of(client)
