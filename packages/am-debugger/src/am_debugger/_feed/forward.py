"""All that comes in, repeated to another debugger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .calling import Handshake, call
from .outgoing import Outgoing

if TYPE_CHECKING:
    import ssl

    from am_telemetry import dbg

    from .server import Server


async def forward(
    server: Server, address: dbg.Address, secret: bytes | None, tls: ssl.SSLContext | None
) -> None:
    """Repeat all that comes in to another debugger, until cancelled. It may be away: what waits
    for it is in the store."""
    outgoing = Outgoing(server.store, _nowhere, via=(server.process.id,))

    async def talk(stream: trio.abc.Stream, handshake: Handshake) -> None:
        outgoing.restart(stream.send_all)
        await _exchange(server, handshake, outgoing)

    refused = await call(address, server.process, talk, caps=("detail",), secret=secret, tls=tls)
    server.note(f"not forwarded to {address}: {refused}")


async def _nowhere(data: bytes) -> None:
    """There is no connection yet."""


async def _exchange(server: Server, handshake: Handshake, outgoing: Outgoing) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outgoing.run)
        server.outgoing.add(outgoing)
        try:
            while True:
                server.wish(outgoing, await handshake.next())
        finally:
            server.outgoing.discard(outgoing)
            server.forget_wishes(outgoing)
