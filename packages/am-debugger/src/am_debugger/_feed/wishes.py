"""What the user wants of machines, told to those who tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._store.client import Client
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
