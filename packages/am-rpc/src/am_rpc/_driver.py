"""The trio driver: one stream, its reader and its writer.

The reader handles every message of a batch before it reads again; whatever was sent meanwhile
leaves in one write. The handshake uses `receive` and `send_now` in sequence; afterwards `run` takes
over. Errors of the operating system are translated here and nowhere else.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import ssl
from typing import TYPE_CHECKING, Final

import trio

import am_machine as am

from ._errors import (
    ErrorCode,
    LimitExceeded,
    NetworkError,
    NetworkTimeout,
    NotConnected,
    ProtocolError,
    RpcError,
    SlowPeer,
)
from ._messages import Bye
from ._protocol import Event, Protocol, Refusal, Request
from ._reason import reason
from ._signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._options import Limits
    from ._stats import Stats

logger: Final = logging.getLogger("am_rpc")
READ_SIZE: Final = 65_536
_FOREIGN: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError)
MINUTE: Final = 60.0
_EARLY: Final = 1e-6
# A peer with more bytes than this still to come gets pushes merged into one.
_MERGE_ABOVE: Final = 32 * 1024
# What is to be written so few seconds after a write belongs to a burst and is collected.
_BURST: Final = 1e-4


class Connection:
    """One transport connection.

    Args:
        stream: any `trio.abc.Stream`; closed when `run` ends.
        protocol: the sans-IO core of this side.
        limits: bounds, in bytes, counts and seconds.
        stats: counters to keep.
    """

    __slots__ = (
        "_errors", "_errors_since", "_flushed", "_hurried_at", "_is_asked", "_is_held", "_limits",
        "_out", "_out_bytes", "_pinged_since", "_room", "_scope", "_socket", "_stats", "_timer",
        "_wake", "_writing_since", "closed", "error", "last_rx", "ping", "produce", "protocol",
        "stream",
    )  # fmt: skip

    def __init__(
        self, stream: trio.abc.Stream, protocol: Protocol, limits: Limits, stats: Stats
    ) -> None:
        self.stream = stream
        self.protocol = protocol
        self._limits = limits
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
        # Somebody has asked for a write, so that `produce` may have something to add.
        self._is_asked = False
        # When the writer looks again by itself.
        self._timer = math.inf
        self._hurried_at = float("-inf")
        plain = os.name == "posix" and type(stream) is trio.SocketStream
        self._socket = stream.socket if plain else None  # type: ignore[attr-defined]
        self._errors = 0
        self._errors_since = 0.0
        self.closed = False
        # Why the connection ended; None after a clean end.
        self.error: RpcError | None = None
        self.last_rx = trio.current_time()
        # Called after silence; sends a ping.
        self.ping: Callable[[], None] | None = None
        # The `last_rx` for which a ping was sent.
        self._pinged_since: float | None = None
        # Called before a write that was asked for, with the time and what is to be written; adds
        # what is due, and tells when to ask again.
        self.produce: Callable[[float, list[bytes]], float | None] | None = None

    @property
    def is_flowing(self) -> bool:
        """Tell whether the peer keeps up, so that news need not be merged."""
        return self._out_bytes < _MERGE_ABOVE and len(self._out) < self._limits.out_items // 2

    # Handshake: in sequence, before `run`.

    async def receive(self) -> Event:
        """Return the next event, for use before `run`.

        Raises:
            NetworkError: the stream ended or broke.
            ProtocolError, LimitExceeded: the peer sent nonsense.
        """
        while (event := self.protocol.next_event()) is None:
            try:
                data = await self.stream.receive_some(READ_SIZE)
            except _FOREIGN as error:
                raise NetworkError(f"the connection broke: {reason(error)}") from error
            if not data:
                raise NotConnected("the peer closed the connection")
            self.last_rx = trio.current_time()
            self._stats.bytes_in += len(data)
            self.protocol.receive_data(data)
        return event

    async def send_now(self, data: bytes) -> None:
        """Write at once, for use before `run`. Raises `NetworkError`."""
        self._stats.bytes_out += len(data)
        try:
            await self.stream.send_all(data)
        except _FOREIGN as error:
            raise NetworkError(f"the connection broke: {reason(error)}") from error

    # Running.

    def send(self, data: bytes) -> None:
        """Queue bytes for the next write; never blocks. Too much waiting closes the connection."""
        if self.closed:
            return
        out = self._out
        out.append(data)
        self._out_bytes += len(data)
        limits = self._limits
        if self._out_bytes > limits.out_bytes or len(out) > limits.out_items:
            self.close(SlowPeer("too much is waiting to be written"))
        elif not self._is_held:
            self._wake.set()

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

    def hurry(self) -> None:
        """Write what is queued at once, unless it is one of a burst, which leaves together."""
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
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        self._out_bytes = len(data)
        try:
            written = os.write(self._socket.fileno(), data)
        except OSError:
            # The writer will meet the same condition and knows what to do about it.
            self._wake.set()
            return
        out.clear()
        self._out_bytes -= written
        self._stats.bytes_out += written
        if written < len(data):
            out.append(data[written:])
            self._wake.set()
        if self._room is not None or self._flushed is not None:
            self._tell_written()

    def _collect(self, now: float) -> float | None:
        """Have `produce` add what is due; return when to ask again."""
        if self.produce is None:
            return None
        self._is_held = True
        try:
            due = self.produce(now, self._out)
            self._is_asked = due is not None
            return due
        finally:
            self._is_held = False

    async def room(self) -> None:
        """Wait until little enough is waiting to be written. Returns at once when closed."""
        limits = self._limits
        while not self.closed and (
            len(self._out) >= limits.unread_responses or self._out_bytes >= limits.unread_bytes
        ):
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    async def flushed(self) -> None:
        """Wait until everything queued so far was written, or the connection closed."""
        while self._out_bytes and not self.closed:
            if self._flushed is None:
                self._flushed = trio.Event()
            await self._flushed.wait()

    async def say_bye(self, reason: str) -> None:
        """Say goodbye, give the bytes a moment to leave, and close."""
        if not self.closed:
            self.send(self.protocol.send_notification(Bye(reason)))
            with trio.move_on_after(self._limits.grace):
                await self._write_rest()
                await self.flushed()
        self.close()

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
        except _FOREIGN:
            return
        self._writing_since = None
        self._out_bytes -= len(data)
        self._stats.bytes_out += len(data)
        self._tell_written()

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

    async def run(self, handle: Callable[[Event], None]) -> None:
        """Read and write until the connection ends; `error` then says why.

        `handle` gets each event. What it raises is answered as an internal error, never spread.
        """
        try:
            # What a peer causes is not caused by the handler that runs the connection. (It also
            # spares the source to put that cause back after each transition.)
            with self._scope, am.use_source(None):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_loop)
                    await self._read_loop(handle)
                    self.close()
        finally:
            # Cancelled from outside if still open: this side ends, which is no broken link.
            with trio.CancelScope(shield=True):
                await self.say_bye("")
            await self.aclose()

    async def aclose(self) -> None:
        """Close the stream, within a deadline even if the caller is cancelled."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._limits.close):
            try:
                await self.stream.aclose()
            except _FOREIGN:
                logger.debug("the stream broke while it was closed", exc_info=True)

    async def _read_loop(self, handle: Callable[[Event], None]) -> None:
        try:
            while not self.closed:
                # The scope is renewed when it fires, not per read: silence is rare.
                with trio.CancelScope(deadline=self._next_check()) as timer:
                    if await self._read_until_eof(handle):
                        return
                if timer.cancelled_caught:
                    self._check_silence()
        except _FOREIGN as error:
            self.close(NetworkError(f"the connection broke: {reason(error)}"))
        except (ProtocolError, LimitExceeded) as error:
            self.close(error)

    async def _read_until_eof(self, handle: Callable[[Event], None]) -> bool:
        protocol, limits, stats, socket = self.protocol, self._limits, self._stats, self._socket
        wait_readable = trio.lowlevel.wait_readable
        while True:
            more = self._handle_batch(handle)
            if self.closed:
                return True
            if len(self._out) >= limits.unread_responses or self._out_bytes >= limits.unread_bytes:
                await self.room()
            if more:
                await trio.lowlevel.checkpoint()
                continue
            if socket is None:
                data = await self.stream.receive_some(READ_SIZE)
            else:
                # All was read, so the stream's way, to try first and wait then, would cost a
                # system call and an exception per read.
                await wait_readable(socket)
                try:
                    data = os.read(socket.fileno(), READ_SIZE)
                except BlockingIOError:
                    continue
            if not data:
                return True
            self.last_rx = trio.current_time()
            stats.bytes_in += len(data)
            protocol.receive_data(data)

    def _handle_batch(self, handle: Callable[[Event], None]) -> bool:
        """Handle what has come, and write what that led to; tell whether there may be more."""
        next_event = self.protocol.next_event
        self._is_held = True
        try:
            for _ in range(self._limits.batch):
                event = next_event()
                if event is None:
                    return False
                if type(event) is Refusal:
                    self.refuse(event.id, event.code, event.text)
                else:
                    try:
                        handle(event)
                    except Exception:
                        self._report_fault(event)
                if self.closed:
                    return False
            return True
        finally:
            self._is_held = False
            if self._is_asked:
                self._write(trio.current_time())
            elif self._out:
                self._write(self.last_rx)

    def _report_fault(self, event: Event) -> None:
        """A handler of an event failed, which is a fault of ours and no reason to end."""
        reference = secrets.token_hex(4)
        logger.exception("internal error %s", reference)
        call_id = event.id if isinstance(event, Request) else None
        self.refuse(call_id, ErrorCode.INTERNAL, f"internal, see log for {reference}")

    def refuse(self, call_id: int | None, code: int, text: str) -> None:
        """Answer a message with an error, count it, and close if there are too many."""
        if call_id is not None:
            self.send(self.protocol.send_refusal(call_id, code, text))
        self._stats.errors += 1
        now = trio.current_time()
        if now - self._errors_since > MINUTE:
            self._errors, self._errors_since = 0, now
        self._errors += 1
        if self._errors > self._limits.errors_per_minute:
            self.close(ProtocolError("too many refused messages"))

    def _next_check(self) -> float:
        limits = self._limits
        # A byte that came after the ping has answered it.
        pinged = self._pinged_since == self.last_rx
        silent = self.last_rx + (limits.dead if pinged else limits.heartbeat)
        if self._writing_since is not None:
            return min(silent, self._writing_since + limits.write_stall)
        return min(silent, trio.current_time() + limits.write_stall)

    def _check_silence(self) -> None:
        # Deadlines are sums of floats: one that has just fired may look a hair early.
        now, limits = trio.current_time() + _EARLY, self._limits
        if self._writing_since is not None and now >= self._writing_since + limits.write_stall:
            self.close(SlowPeer(f"a write stalled for {limits.write_stall:g} s"))
            return
        silence = now - self.last_rx
        if silence >= limits.dead:
            self.close(NetworkTimeout(f"no byte received for {silence:.0f} s"))
        elif silence >= limits.heartbeat and self._pinged_since != self.last_rx:
            self._pinged_since = self.last_rx
            if self.ping is not None:
                self.ping()

    async def _write_loop(self) -> None:
        stream, stats, wake = self.stream, self._stats, self._wake
        try:
            while True:
                due = self._collect(trio.current_time())
                out = self._out
                if not out:
                    if due is None:
                        await wake.wait()
                    else:
                        self._timer = due
                        with trio.CancelScope(deadline=due):
                            await wake.wait()
                        self._timer = math.inf
                    continue
                data = out[0] if len(out) == 1 else b"".join(out)
                self._out_bytes = len(data)
                out.clear()
                self._writing_since = trio.current_time()
                await stream.send_all(data)
                self._writing_since = None
                self._out_bytes -= len(data)
                stats.bytes_out += len(data)
                self._tell_written()
        except _FOREIGN as error:
            self.close(NetworkError(f"the connection broke: {reason(error)}"))
        except Exception as error:
            logger.exception("internal error in the writer")
            self.close(RpcError(f"internal: {type(error).__name__}"))

    def _tell_written(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None
        if self._flushed is not None and not self._out_bytes:
            self._flushed.set()
            self._flushed = None


def translate(error: Exception) -> RpcError:
    """Return an error of this package for one of the operating system, or for a fault of ours."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, _FOREIGN):
        told: RpcError = NetworkError(reason(error))
    else:
        logger.error("internal error", exc_info=error)
        told = RpcError(f"internal: {type(error).__name__}")
    told.__cause__ = error
    return told
