"""Who may come in: how many clients there are, and what the others are told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from .._errors import ErrorCode
from .._transport.address import start_tls
from .._transport.driver import Connection
from .._wire.protocol import Protocol
from .handshake import turn_away

if TYPE_CHECKING:
    import am_machine as am

    from .handshake import Serving

logger: Final = logging.getLogger("am_rpc")
_MAX_TURNED_AWAY: Final = 64
_POLITE_TIME: Final = 1.0
"""Seconds in which a peer takes the news that there is no room, or does not."""


class Admission:
    """Counts connections and clients, and turns away whoever is one too many.

    A connection counts from its first byte, a client once it was welcomed: strangers take no
    place of a client. The machine is `Full` while there is no place, and `HasClients` ends with
    the last connection.

    Args:
        serving: bounds, TLS and figures of all connections.
        mach: the machine of the mux.
        most: how many clients there may be at once.
    """

    def __init__(self, serving: Serving, mach: am.Machine, most: int) -> None:
        self._serving = serving
        self._mach = mach
        self._most = most
        # How many are served, strangers among them, and the numbers of those that were let in.
        self.connections = 0
        self._clients: set[int] = set()
        self._turning_away = 0

    @property
    def is_full(self) -> bool:
        """Whether there is no place for one more client."""
        return len(self._clients) >= self._most

    def admit(self, number: int) -> bool:
        """Give a connection the place of a client; False if there is none."""
        if self.is_full:
            self._mach.add("Full")
            return False
        self._clients.add(number)
        return True

    def leave(self, number: int) -> None:
        """A connection ended, that of a client or of a stranger."""
        self._clients.discard(number)
        self.connections -= 1
        if self._mach.disposed:
            return
        if not self.is_full and self._mach.is_("Full"):
            self._mach.remove("Full")
        if not self.connections:
            self._mach.remove("HasClients")

    async def turn_away(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> None:
        """There is no place: say so and close, in the background; in a rush, close at once."""
        self._mach.add("Full")
        if self._turning_away >= _MAX_TURNED_AWAY:
            await trio.aclose_forcefully(stream)
            return
        self._turning_away += 1
        nursery.start_soon(self._be_polite, stream)

    async def refuse(self, stream: trio.abc.Stream) -> None:
        """Say to a peer that it is not served, and close."""
        self._turning_away += 1
        await self._be_polite(stream)

    async def _be_polite(self, stream: trio.abc.Stream) -> None:
        limits = self._serving.limits
        try:
            with trio.move_on_after(_POLITE_TIME):
                if self._serving.ssl_context is not None:
                    stream = await start_tls(stream, self._serving.ssl_context, server_side=True)
                protocol = Protocol(client=False, limits=limits)
                connection = Connection(stream, protocol, limits, self._serving.stats)
                await turn_away(connection, ErrorCode.BUSY, "too many clients")
        except Exception:
            logger.debug("a client that was one too many broke off", exc_info=True)
        finally:
            self._turning_away -= 1
            await trio.aclose_forcefully(stream)
