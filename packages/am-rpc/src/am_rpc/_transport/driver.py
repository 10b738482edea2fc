"""The trio driver: one connection, its reader and its writer.

The reader handles every message of a batch before it reads again; whatever was sent meanwhile
leaves in one write. The handshake uses `receive` and `send_now` in sequence; afterwards `run` takes
over. Errors of the operating system are translated here and nowhere else.
"""

from __future__ import annotations

import logging
import os
import secrets
from typing import TYPE_CHECKING, Final

import trio

import am_machine as am

from .._errors import (
    ErrorCode,
    LimitExceeded,
    NetworkError,
    NetworkTimeout,
    NotConnected,
    ProtocolError,
    RpcError,
    SlowPeer,
)
from .._reason import FOREIGN, reason
from .._wire.messages import REFUSED, Bye
from .._wire.protocol import Event, Protocol, Refusal, Request, Unasked
from .writer import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from .._options import Limits
    from .._stats import Stats

logger: Final = logging.getLogger("am_rpc")
READ_SIZE: Final = 65_536
MINUTE: Final = 60.0
_EARLY: Final = 1e-6
# A timer that fires so many seconds late tells that the loop was away.
_AWAY: Final = 1.0


class Connection(Outgoing):
    """One transport connection.

    Args:
        stream: any `trio.abc.Stream`; closed when `run` ends.
        protocol: the sans-IO core of this side.
        limits: bounds, in bytes, counts and seconds.
        stats: counters to keep.
    """

    __slots__ = (
        "_errors", "_errors_since", "_keeps_answer", "_last_whole", "_pinged_since", "_steps",
        "last_rx", "ping", "protocol",
    )  # fmt: skip

    def __init__(
        self, stream: trio.abc.Stream, protocol: Protocol, limits: Limits, stats: Stats
    ) -> None:
        super().__init__(stream, limits, stats, is_client=protocol.is_client)
        self.protocol = protocol
        self._errors = 0
        self._errors_since = 0.0
        # Whether the answer to the event that is handled waits for something else to be sent.
        self._keeps_answer = False
        # What has to be done before the next message is handled.
        self._steps: Generator[None] | None = None
        self.last_rx = trio.current_time()
        # The `last_rx` of the last whole message.
        self._last_whole = self.last_rx
        # Called after silence; sends a ping.
        self.ping: Callable[[], None] | None = None
        # The `last_rx` for which a ping was sent.
        self._pinged_since: float | None = None

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
            except FOREIGN as error:
                raise NetworkError(f"the connection broke: {reason(error)}") from error
            if not data:
                raise NotConnected("the peer closed the connection")
            self.last_rx = trio.current_time()
            self._stats.bytes_in += len(data)
            self.protocol.receive_data(data)
        return event

    async def send_now(self, data: bytes) -> None:
        """Write at once, for use before `run`. Raises `NetworkError`."""
        if self._writing_since is not None or self.closed:
            raise NotConnected("this side has said goodbye")
        self._stats.bytes_out += len(data)
        # Whoever says goodbye meanwhile waits for the end of these bytes.
        self._writing_since = trio.current_time()
        try:
            await self.stream.send_all(data)
        except FOREIGN as error:
            raise NetworkError(f"the connection broke: {reason(error)}") from error
        self._writing_since = None

    # Running.

    async def say_bye(self, reason: str, error: RpcError | None = None) -> None:
        """Say goodbye, give the bytes a moment to leave, and close; `error` tells why."""
        if not self.closed:
            self.send(self.protocol.send_notification(Bye(reason)))
            with trio.move_on_after(self._limits.grace):
                await self._write_rest()
                await self.flushed()
        self.close(error)

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
            except FOREIGN:
                logger.debug("the stream broke while it was closed", exc_info=True)

    async def _read_loop(self, handle: Callable[[Event], None]) -> None:
        try:
            while not self.closed:
                # The scope is renewed when it fires, not per read: silence is rare.
                with trio.CancelScope(deadline=self._next_check()) as timer:
                    if await self._read_until_eof(handle):
                        return
                if timer.cancelled_caught:
                    self._check_silence(trio.current_time() - timer.deadline)
        except FOREIGN as error:
            self._broke(error)
        except (ProtocolError, LimitExceeded) as error:
            if self._is_client:
                self.close(error)
            else:
                # So that it is not sent again; see `_outbox`.
                await self.say_bye(REFUSED, error)

    async def _read_until_eof(self, handle: Callable[[Event], None]) -> bool:
        protocol, stats, socket = self.protocol, self._stats, self._socket
        wait_readable = trio.lowlevel.wait_readable
        while True:
            if self._steps is not None:
                await self._take_steps(self._steps)
            more = self._handle_batch(handle)
            if self.closed:
                return True
            if self._steps is not None:
                continue
            if self._is_full:
                # Too much to cork.
                self._is_corked = False
                self._wake.set()
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
                self.peer_closed = True
                return True
            self.last_rx = trio.current_time()
            stats.bytes_in += len(data)
            protocol.receive_data(data)

    def do_first(self, steps: Generator[None]) -> None:
        """Take these steps before the next message is handled; others have turns between them."""
        self._steps = steps

    async def _take_steps(self, steps: Generator[None]) -> None:
        # Who is cancelled amid them goes on with the next one.
        while not self.closed:
            await trio.lowlevel.checkpoint()
            try:
                next(steps)
            except StopIteration:
                break
            except Exception:
                self._report_fault(None)
                break
        self._steps = None
        steps.close()

    def _handle_batch(self, handle: Callable[[Event], None]) -> bool:
        """Handle what has come, and write what that led to; tell whether there may be more."""
        next_event = self.protocol.next_event
        self._is_held = True
        try:
            for _ in range(self._limits.batch):
                event = next_event()
                if event is None:
                    return False
                self._last_whole = self.last_rx
                if type(event) is Refusal:
                    self.refuse(event.id, event.code, event.text)
                elif type(event) is Unasked:
                    # A client may have asked twice.
                    if not self._is_client:
                        self.refuse(None, ErrorCode.MALFORMED, "an answer to nothing")
                else:
                    try:
                        handle(event)
                    except Exception:
                        self._report_fault(event)
                    self._keeps_answer = False
                    if self._steps is not None:
                        return True
                if self.closed:
                    return False
            return True
        finally:
            self._is_held = False
            self._write_batch()

    def _write_batch(self) -> None:
        if self._is_asked:
            self._write(trio.current_time())
        elif self._out:
            self._write(self.last_rx)

    def answer(self, data: bytes) -> None:
        """Queue the answer to the event that is handled; see `cork`."""
        if self._keeps_answer:
            self.keep(data)
        else:
            self.send(data)

    def cork(self) -> None:
        """Leave the answer to the event that is handled for the next write, or for `release`."""
        self._keeps_answer = self._is_held

    def release(self) -> None:
        """Write what was kept back, unless it has left meanwhile."""
        self._keeps_answer = False
        self.uncork()

    def _report_fault(self, event: Event | None) -> None:
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

    def _check_silence(self, late: float) -> None:
        # Deadlines are sums of floats: one that has just fired may look a hair early.
        now, limits = trio.current_time() + _EARLY, self._limits
        if late > _AWAY:
            # This very loop stood still, or its host: what the peer sent meanwhile is read first,
            # and it gets the time of a ping to answer.
            self.last_rx = self._last_whole = max(self.last_rx, now - limits.heartbeat)
            if self._writing_since is not None:
                self._writing_since += late
        if self._writing_since is not None and now >= self._writing_since + limits.write_stall:
            told = f"a write stalled for {limits.write_stall:g} s"
            self.close(NetworkTimeout(told) if self._is_client else SlowPeer(told))
            return
        silence = now - self.last_rx
        if self.last_rx > self._last_whole and now - self._last_whole >= limits.dead:
            # What comes is swallowed by a message that announced to be large and never ends.
            self.close(NetworkTimeout(f"no whole message received for {limits.dead:g} s"))
        elif silence >= limits.dead:
            self.close(NetworkTimeout(f"no byte received for {silence:.0f} s"))
        elif silence >= limits.heartbeat and self._pinged_since != self.last_rx:
            self._pinged_since = self.last_rx
            if self.ping is not None:
                self.ping()
