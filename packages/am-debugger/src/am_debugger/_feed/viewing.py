"""What a collector has kept, then what comes to it."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import trio

from am_telemetry import dbg

from .._errors import BadMessageError
from .._store.link import Link
from .forward import FIRST_PAUSE, LONGEST_PAUSE, Handshake, NoRetry, connect, first_leaf

if TYPE_CHECKING:
    import ssl

    from .._store.store import Store
    from .server import Listener

_JITTER = 0.2
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
) -> None:
    """Take in what a collector tells, until cancelled, or until it refuses us. After a break it is
    asked for what came since."""
    pause = FIRST_PAUSE
    refused: BaseException | None = None
    while refused is None:
        try:
            async with await connect(address, tls) as stream:
                handshake = Handshake(stream, process, secret)
                await handshake.run(("viewer",))
                pause = FIRST_PAUSE
                await _take(store, listener, stream, handshake, process)
        except* NoRetry as group:
            refused = first_leaf(group)
        except* (OSError, trio.BrokenResourceError, trio.TooSlowError, dbg.DecodeError):
            pass
        if refused is None:
            await trio.sleep(pause * (1 + _JITTER * (2 * random.random() - 1)))
            pause = min(2 * pause, LONGEST_PAUSE)
    listener.note(f"not viewed at {address}: {refused}")


async def _take(
    store: Store,
    listener: Listener,
    stream: trio.abc.Stream,
    handshake: Handshake,
    process: dbg.Process,
) -> None:
    await stream.send_all(dbg.encode(dbg.View(_since(store), None)))
    link = Link(store, process, exact=True)
    listener.connected()
    acked = 0
    try:
        while True:
            message = await handshake.next()
            try:
                link.take(message, time.time_ns() // 1000)
            except BadMessageError as exc:
                listener.note(f"left out: {exc}")
            if isinstance(message, dbg.Mach):
                listener.machine_came()
            listener.took(len(handshake.decoder.frame))
            if link.taken - acked >= _ACK_EVERY:
                acked = link.taken
                await stream.send_all(dbg.encode(dbg.Ack(acked)))
    finally:
        link.close()
        listener.disconnected()


def _since(store: Store) -> int | None:
    """The time from which on something may be missing; None if there is nothing yet."""
    filled = [client.columns for client in store if len(client.columns)]
    times = [columns.times.searched(len(columns) - 1) for columns in filled]
    return max(min(times) - _MARGIN, 0) if times else None
