"""What a collector has kept, then what comes to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from am_telemetry import dbg

from .._core.debugger import TAG
from .._errors import BadMessageError
from .._store.link import Link
from .calling import Handshake, call
from .incoming import SLICE, TELLING, pieces
from .wishes import ViewerWishes

if TYPE_CHECKING:
    import ssl

    from .._store.store import Store
    from .server import Listener

_ACK_EVERY = 256
_MARGIN = 1_000_000  # microseconds asked for twice, since clocks of hosts differ


async def view(
    store: Store,
    listener: Listener,
    address: dbg.Address,
    process: dbg.Process,
    *,
    secret: bytes | None = None,
    tls: ssl.SSLContext | None = None,
    wishes: ViewerWishes | None = None,
) -> None:
    """Take in what a collector tells, until cancelled, or until it refuses us. After a break it is
    asked for what came since. It is told what is wished of machines."""
    told = ViewerWishes() if wishes is None else wishes

    async def talk(stream: trio.abc.Stream, handshake: Handshake) -> None:
        await stream.send_all(dbg.encode(dbg.View(_since(store), None)))
        link = Link(store, process, exact=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_tell, link, stream, told)
            try:
                await _take(listener, handshake, link, told)
            finally:
                told.disconnected()

    refused = await call(address, process, talk, caps=("viewer",), secret=secret, tls=tls)
    listener.note(f"not viewed at {address}: {refused}")


async def _take(
    listener: Listener,
    handshake: Handshake,
    link: Link,
    wishes: ViewerWishes,
) -> None:
    decoder = handshake.decoder
    listener.connected()
    acked, is_debugger, has_machines = 0, False, False
    told = until = 0.0

    def tell(size: int) -> None:
        nonlocal has_machines
        if has_machines:
            has_machines = False
            listener.machine_came()
        listener.took(size, is_debugger=is_debugger)

    try:
        while True:
            size = 0
            for message in decoder.steps():
                for piece, nbytes in pieces(message, decoder.frame):
                    if isinstance(piece, dbg.Mach):
                        has_machines, is_debugger = True, is_debugger or TAG in piece.tags
                    if piece is not None:
                        _take_one(link, listener, piece)
                    size += nbytes
                    now = time.monotonic()
                    if now < until:
                        continue
                    if size and now >= told + TELLING:
                        tell(size)
                        size, told = 0, now
                    await listener.turn()
                    until = time.monotonic() + SLICE
            if size:
                tell(size)
                told = time.monotonic()
            if link.taken - acked >= _ACK_EVERY:
                acked = link.taken
                wishes.tell(dbg.Ack(acked))
            await listener.turn()
            await handshake.more()
    finally:
        link.close()
        listener.disconnected()


async def _tell(link: Link, stream: trio.abc.Stream, wishes: ViewerWishes) -> None:
    """Pass on what is wished, and what was taken, until cancelled."""
    wishes.connected(link)
    while True:
        messages = await wishes.next()
        await stream.send_all(b"".join(map(dbg.encode, messages)))


def _take_one(link: Link, listener: Listener, message: dbg.Message) -> None:
    """Take a message in."""
    try:
        link.take(message, time.time_ns() // 1000)
    except BadMessageError as exc:
        listener.note(f"left out: {exc}")


def _since(store: Store) -> int | None:
    """The time from which on something may be missing; None if there is nothing yet."""
    filled = [client.columns for client in store if len(client.columns)]
    times = [columns.times.searched(len(columns) - 1) for columns in filled]
    return max(min(times) - _MARGIN, 0) if times else None
