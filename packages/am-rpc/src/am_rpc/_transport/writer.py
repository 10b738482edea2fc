"""The outgoing half of a connection: what waits to be written, who writes it, and when.

Whoever has something to write hands it to the socket itself, if that is possible without waiting,
and all that belongs together in one write: a batch of answers, or what `produce` adds to them. The
writer task steps in for the rest: streams that are no plain sockets, a peer that is slow, pushes
that are due later, bursts.

What a call does depends on the state of the connection:

| call           | idle           | held           | writing         | closed  |
| -------------- | -------------- | -------------- | --------------- | ------- |
| `send`         | by the writer  | with the batch | after the write | dropped |
| `send_at_once` | at once        | with the batch | after the write | dropped |
| `write_now`    | asks, at once  | with the batch | after the write | nothing |
| `wake`         | asks, by it    | with the batch | after the write | nothing |
| `wake_at`      | asks, when due | with the batch | after the write | nothing |

*Held*: a batch is handled, or `produce` runs; one write follows and takes all along. *Writing*: a
write of the writer is under way. *Idle*: neither. "Asks" means that `produce` is asked first. What
would be written at once is left to the writer if the stream is no plain socket, or if the last such
write was a moment ago (a burst). The tests play each cell.

What `keep` queues causes no write. While there is nothing else the connection is *corked*: it is
asked as ever, and writes once `produce` or somebody else has something to add, or at `uncork`.
"""

from __future__ import annotations

import logging
import math
import os
from typing import TYPE_CHECKING, Final

import trio

from .._errors import NetworkError, RpcError, SlowPeer
from .._reason import FOREIGN, reason
from .signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._options import Limits
    from .._stats import Stats

logger: Final = logging.getLogger("am_rpc")
# A peer with more bytes than this still to come gets pushes merged into one.
_MERGE_ABOVE: Final = 32 * 1024
# What the writer hands over at a time: a stall is told from a write that is merely large.
_SLICE: Final = 64 * 1024
# What is to be written so few seconds after a write belongs to a burst and is collected.
_BURST: Final = 1e-4


def must_wait(is_client: bool, items: int, size: int, limits: Limits) -> bool:
    """Tell whether a reader waits for its writer, which has so many messages and bytes to write.

    Only a server's does, so that who asks much gets no further than its answers. If a client's did
    too, two that wait for each other to read would stand still. What reading makes a client write
    is bounded otherwise: one receipt per payload, of which a server leaves few unanswered.
    """
    return not is_client and (items >= limits.unread_responses or size >= limits.unread_bytes)


class Outgoing:
    """A connection as far as it writes; it can be closed, which `error` explains.

    Args:
        stream: any `trio.abc.Stream`.
        limits: bounds, in bytes, counts and seconds.
        stats: counters to keep.
        is_client: whether this side makes the mutations, which have bounds of their own.
    """

    __slots__ = (
        "_flushed", "_hurried_at", "_is_asked", "_is_client", "_is_corked", "_is_held",
        "_limits", "_most_bytes", "_most_items", "_out", "_out_bytes", "_room", "_scope", "_socket",
        "_stats", "_timer", "_wake", "_writing_since", "closed", "error", "peer_closed", "produce",
        "stream",
    )  # fmt: skip

    def __init__(
        self, stream: trio.abc.Stream, limits: Limits, stats: Stats, *, is_client: bool
    ) -> None:
        self.stream = stream
        self._limits = limits
        self._is_client = is_client
        # All that the outbox holds may be on its way when the first receipt is added.
        self._most_bytes = limits.out_bytes + (limits.calls_bytes if is_client else 0)
        self._most_items = limits.out_items + (limits.calls if is_client else 0)
        self._stats = stats
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._wake = Signal()
        self._room: trio.Event | None = None
        self._flushed: trio.Event | None = None
        self._writing_since: float | None = None
        self._scope = trio.CancelScope()
        # While a batch is handled, or `produce` runs, a write comes soon: nobody wakes the writer.
        self._is_held = False
        # What waits, if anything does, was kept back and causes no write.
        self._is_corked = False
        # Somebody has asked for a write, so that `produce` may have something to add.
        self._is_asked = False
        # When the writer looks again by itself.
        self._timer = math.inf
        self._hurried_at = -math.inf
        plain = os.name == "posix" and type(stream) is trio.SocketStream
        self._socket = stream.socket if plain else None  # type: ignore[attr-defined]
        self.closed = False
        # Whether the other side, or what is between, has ended it.
        self.peer_closed = False
        # Why the connection ended; None after a clean end.
        self.error: RpcError | None = None
        # Called before a write that was asked for, with the time and what is to be written; adds
        # what is due, and tells when to ask again.
        self.produce: Callable[[float, list[bytes]], float | None] | None = None

    @property
    def is_flowing(self) -> bool:
        """Tell whether the peer keeps up, so that news need not be merged."""
        return self._out_bytes < _MERGE_ABOVE and len(self._out) < self._limits.out_items // 2

    @property
    def is_writing(self) -> bool:
        """Tell whether something that was handed over has not wholly left."""
        return self._out_bytes > 0

    @property
    def _is_full(self) -> bool:
        return must_wait(self._is_client, len(self._out), self._out_bytes, self._limits)

    def send(self, data: bytes) -> None:
        """Queue bytes for the next write; never blocks. Too much waiting closes the connection."""
        if self.closed:
            return
        out = self._out
        out.append(data)
        self._is_corked = False
        self._out_bytes += len(data)
        if self._out_bytes > self._most_bytes or len(out) > self._most_items:
            self.close(SlowPeer("too much is waiting to be written"))
        elif not self._is_held:
            self._wake.set()

    def keep(self, data: bytes) -> None:
        """Queue bytes for a write that something else causes; for use while held."""
        is_corked = self._is_corked or not self._out
        self.send(data)
        self._is_corked = is_corked

    def uncork(self) -> None:
        """Write what was kept back, unless it has left meanwhile."""
        if self._is_corked:
            self._is_corked = False
            self.write_now(trio.current_time())

    def wake(self) -> None:
        """Have `produce` asked soon."""
        self._is_asked = True
        if not self._is_held:
            self._wake.set()

    def wake_at(self, due: float) -> None:
        """Have `produce` asked at a time, or earlier; the writer's turn is spared if it can be."""
        self._is_asked = True
        if due < self._timer and not self._is_held:
            self._wake.set()

    def send_at_once(self, data: bytes) -> None:
        """Queue bytes and write them now, unless they are of a burst, which leaves together."""
        if self._is_held:
            self.send(data)
            return
        # The writer is woken only if it has to step in.
        self._is_held = True
        self.send(data)
        self._is_held = False
        now = trio.current_time()
        if now - self._hurried_at < _BURST:
            self.wake()
        else:
            self._hurried_at = now
            self.write_now(now)

    def write_now(self, now: float) -> None:
        """Hand what is queued to the socket without waiting, or else wake the writer.

        It saves a round of the scheduler when the writer is idle and the kernel has room, which is
        nearly always. Only plain sockets can do it.
        """
        self._is_asked = True
        if not self._is_held:
            self._write(now)

    def _write(self, now: float) -> None:
        if self._socket is None or self._writing_since is not None or self.closed:
            self._wake.set()
            return
        if self._is_asked:
            due = self._collect(now)
            if due is not None and due < self._timer:
                # There is more to come, at a time that the writer has to wait for.
                self._wake.set()
        out = self._out
        if not out or self._is_corked:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        self._out_bytes = len(data)
        out.clear()
        try:
            written = os.write(self._socket.fileno(), data)
        except OSError:
            # The writer will meet the same condition and knows what to do about it.
            written = 0
        self._out_bytes -= written
        self._stats.bytes_out += written
        if written < len(data):
            out.append(data[written:])
            self._wake.set()
        if self._room is not None or self._flushed is not None:
            self._tell_written()

    def collect(self) -> None:
        """Queue what `produce` has to say now, ahead of what is queued next."""
        self._collect(trio.current_time())

    def _collect(self, now: float) -> float | None:
        """Have `produce` add what is due; return when to ask again."""
        if self.produce is None:
            return None
        was_held, self._is_held = self._is_held, True
        waiting = len(self._out)
        try:
            due = self.produce(now, self._out)
            self._is_asked = due is not None
            if len(self._out) > waiting:
                self._is_corked = False
            return due
        finally:
            self._is_held = was_held

    async def room(self) -> None:
        """Wait, as a server, until little enough is waiting to be written, or this is closed."""
        while not self.closed and self._is_full:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    async def flushed(self) -> None:
        """Wait until everything queued so far was written, or the connection closed."""
        while self._out_bytes and not self.closed:
            if self._flushed is None:
                self._flushed = trio.Event()
            await self._flushed.wait()

    def close(self, error: RpcError | None = None) -> None:
        """End `run`; the first error counts."""
        if self.closed:
            return
        self.closed = True
        self.error = error
        self._scope.cancel()
        for event in (self._room, self._flushed):
            if event is not None:
                event.set()

    async def _write_rest(self) -> None:
        """Write what is queued in place of the writer, which may have been cancelled already."""
        out = self._out
        if not out or self._writing_since is not None:
            return
        data = b"".join(out)
        out.clear()
        self._writing_since = trio.current_time()
        try:
            await self.stream.send_all(data)
        except FOREIGN:
            return
        self._writing_since = None
        self._out_bytes -= len(data)
        self._stats.bytes_out += len(data)
        self._tell_written()
        if out:
            self._wake.set()

    async def _write_loop(self) -> None:
        stream, stats, wake = self.stream, self._stats, self._wake
        try:
            while True:
                due = self._collect(trio.current_time())
                out = self._out
                # Somebody who says goodbye may be writing in this task's place.
                if not out or self._is_corked or self._writing_since is not None:
                    if due is None:
                        await wake.wait()
                    else:
                        self._timer = due
                        with trio.CancelScope(deadline=due):
                            await wake.wait()
                        self._timer = math.inf
                    continue
                # Once it is taken out, a cancellation would lose it, and the goodbye after it.
                await trio.lowlevel.checkpoint_if_cancelled()
                data = memoryview(out[0] if len(out) == 1 else b"".join(out))
                self._out_bytes = len(data)
                out.clear()
                while len(data):
                    part, data = data[:_SLICE], data[_SLICE:]
                    self._writing_since = trio.current_time()
                    await stream.send_all(part)
                    self._out_bytes -= len(part)
                    stats.bytes_out += len(part)
                self._writing_since = None
                self._tell_written()
        except FOREIGN as error:
            # What the peer said before it closed may not have been read yet, such as its goodbye:
            # whoever reads meets the end as well, after that, and then closes this.
            await trio.sleep(self._limits.grace)
            self._broke(error)
        except Exception as error:
            logger.exception("internal error in the writer")
            self.close(RpcError(f"internal: {type(error).__name__}"))

    def _broke(self, error: Exception) -> None:
        # A stream that this side has closed breaks, too.
        self.peer_closed = not self.closed and not isinstance(error, trio.ClosedResourceError)
        self.close(NetworkError(f"the connection broke: {reason(error)}"))

    def _tell_written(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None
        if self._flushed is not None and not self._out_bytes:
            self._flushed.set()
            self._flushed = None
