"""The calling half of a client: the outbox, repeats, and calls that are no mutations."""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import trio

import am_machine as am

from .._errors import (
    EncodeError,
    LimitExceeded,
    NetworkTimeout,
    NotConnected,
    OutcomeUnknown,
    RpcError,
)
from .._results import NetResult
from .._transport.signal import Signal
from .._wire.fitting import ArgsFitting, blame
from .._wire.mutation_messages import Mutate
from .._wire.protocol import Protocol
from .outbox import Entry, Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._options import Limits, Retry
    from .._stats import Stats
    from .._wire.args_chunks import LargeArgs
    from .._wire.messages import Message
    from .._wire.mutation_messages import AddErr, Origin
    from .._wire.protocol import Response
    from .link import Link

logger: Final = logging.getLogger("am_rpc")
# Silent timeouts in a row after which the connection is given up.
_SILENT: Final = 2


class Calls:
    """What a `Client` needs to send mutations and calls, with or without a connection."""

    mach: am.Machine

    def __init__(self, limits: Limits, retry: Retry, stats: Stats) -> None:
        self.limits = limits
        self.retry = retry
        self.stats = stats
        self.outbox = Outbox(limits)
        self.agree(limits)
        self.link: Link | None = None
        self._call_total = retry.call_total
        self.last_id = 0
        # In order of the mutations that they wait for.
        self._barriers: deque[tuple[int, Callable[[], None]]] = deque()
        # Wakes who repeats calls; `_looks_at` is when that looks by itself.
        self._look = Signal()
        self._looks_at = math.inf
        # Why there is no connection, and will be none until `Start` comes again.
        self.end_reason: RpcError | None = None
        self._silent = 0

    def agree(self, limits: Limits) -> None:
        """Judge calls by these limits from now on, which are those of the server."""
        self.agreed = limits
        self._fitting = ArgsFitting(limits)
        self.outbox.window = limits.outcomes

    def next_id(self) -> int:
        """Return an id that was never used in this session."""
        self.last_id += 1
        return self.last_id

    def restart_ids(self) -> None:
        """Begin a new session's ids."""
        self.last_id = 0

    # Mutations.

    def submit(
        self,
        method: str,
        states: tuple[int, ...],
        args: Mapping[str, Any],
        result: NetResult,
        source: Origin | None,
    ) -> bool:
        """Put a mutation into the outbox; False if it has no room. Raises `EncodeError`."""
        seq = self.last_id + 1
        try:
            data = Protocol.encode_mutation(seq, method, states, args, source)
        except EncodeError as error:
            raise blame(args, error) from error
        if len(data) > self._fitting.least:
            large = self._fitting.cut(args, states, len(data))
            if large is not None:
                data = Protocol.encode_mutation(seq, method, states, large.count, source)
                return self._push(seq, method, states, args, data, result, large)
        return self._push(seq, method, states, args, data, result)

    def submit_error(self, message: AddErr, result: NetResult) -> bool:
        """The same with an error to report."""
        seq = self.last_id + 1
        try:
            data = Protocol.encode_request(seq, message)
        except EncodeError as error:
            raise blame(message.args, error) from error
        args, states = message.args, message.states
        large = None
        if len(data) > self._fitting.least:
            large = self._fitting.cut(args, states, len(data))
            if large is not None:
                data = Protocol.encode_request(seq, message.with_args(large.count))
        return self._push(seq, message.method, states, args, data, result, large)

    def submit_one_way(self, method: str, states: tuple[int, ...], args: Mapping[str, Any]) -> bool:
        """Put a mutation without response into the outbox; False if it has no room."""
        seq = self.last_id + 1
        try:
            data = Protocol.send_notification(Mutate(method, states, args, seq=seq))
        except EncodeError as error:
            raise blame(args, error) from error
        if len(data) > self._fitting.least:
            large = self._fitting.cut(args, states, len(data))
            if large is not None:
                # Somebody has to say whether there is room for it, though nobody here asks.
                data = Protocol.encode_mutation(seq, method, states, large.count, None)
                return self._push(seq, method, states, args, data, NetResult(), large)
        self.stats.notifications += 1
        return self._push(seq, method, states, args, data, None)

    def _push(
        self,
        seq: int,
        method: str,
        states: tuple[int, ...],
        args: Mapping[str, Any],
        data: bytes,
        result: NetResult | None,
        large: LargeArgs | None = None,
    ) -> bool:
        outbox, link = self.outbox, self.link
        has_room = outbox.has_room(len(data), 0 if large is None else large.size)
        if not has_room or (link is None and not self._may_wait()):
            self.stats.canceled += 1
            return False
        self.last_id = seq
        now = trio.current_time()
        is_first = not outbox
        due = now + self._call_total
        outbox.push(Entry(seq, method, states, args, data, result, now, due, large))
        self.stats.calls += 1
        if self._looks_at == math.inf:
            self._look.set()
        if link is None:
            self._note_buffering()
        elif is_first:
            # The first of a burst leaves at once, the others together at the next turn.
            link.connection.write_now(now)
        else:
            link.connection.wake()
        return True

    def _may_wait(self) -> bool:
        return self.accepts_offline() and self.mach.is_("Start")

    def accepts_offline(self) -> bool:
        """Tell whether mutations may wait for a connection."""
        raise NotImplementedError

    def _note_buffering(self) -> None:
        self.stats.buffered += 1
        self.stats.buffer_peak = max(self.stats.buffer_peak, len(self.outbox))
        if not self.mach.is_("Buffering"):
            self.mach.add("Buffering")

    def settle(self, entry: Entry, outcome: am.Result, error: BaseException | None = None) -> None:
        """Publish the outcome of a mutation that has left the outbox."""
        result = entry.result
        self.stats.mutations += 1
        if outcome is am.CANCELED:
            self.stats.canceled += 1
        if result is not None:
            result.settle(outcome, error)
        if self._barriers:
            self.outbox_shrank()

    def give_up(self, entry: Entry, error: RpcError) -> None:
        """Take a mutation out of the outbox; nobody waits for its answer any more."""
        if self.outbox.pop(entry.seq) is not None:
            self._settle_unanswered(entry, error)
            if self.link is not None:
                # Others may have waited behind it.
                self.link.connection.wake()

    def abandon(self, error: RpcError) -> None:
        """Settle everything that is not settled: there will be no connection for this reason."""
        self.end_reason = error
        for entry in self.outbox.clear():
            self._settle_unanswered(entry, error)
        self.outbox_shrank()

    def _settle_unanswered(self, entry: Entry, error: RpcError) -> None:
        # What was handed to a connection may be executed, by now or later.
        if entry.written:
            unknown = OutcomeUnknown(f"written, but not answered: {error}")
            unknown.__cause__ = error
            error = unknown
        self.settle(entry, am.CANCELED, error)

    def lose_written(self) -> None:
        """The server lost this session: what was written may or may not have been executed."""
        for entry in self.outbox.forget_written():
            error = OutcomeUnknown("the server lost the session of this mutation")
            self.settle(entry, am.CANCELED, error)
        self.outbox_shrank()

    def disown(self, entry: Entry, names: str) -> None:
        """Settle a mutation that ended connections, so that it is not sent again."""
        error = OutcomeUnknown(f"{names}: the server ended two connections when this was sent")
        logger.warning("%s: %s", self.mach.id, error)
        self.settle(entry, am.CANCELED, error)

    # Waiting for the outbox.

    @property
    def is_flushing(self) -> bool:
        """Tell whether somebody waits for what is in the outbox."""
        return bool(self._barriers)

    @property
    def is_cut_off(self) -> bool:
        """Tell whether the client has ended, so that nothing comes until it starts again."""
        return self.end_reason is not None and not self.mach.is_("Start")

    def refusal(self) -> RpcError:
        """Return why a mutation is not even taken into the outbox."""
        if self.end_reason is not None and self.is_cut_off:
            return self.end_reason
        if not self.mach.is_("Start"):
            return NotConnected("the client does not run")
        if self.link is None and not self.accepts_offline():
            return NotConnected("there is no connection")
        limits = self.limits
        told = f"{limits.calls} mutations or {limits.calls_bytes} bytes wait to be settled"
        names = "Limits.calls, Limits.calls_bytes, Limits.large_args of args in chunks"
        return LimitExceeded(f"the outbox is full: {told} ({names})")

    def outbox_shrank(self) -> None:
        """Call back those who waited for what is gone."""
        if not self._barriers:
            return
        oldest = next(iter(self.outbox), None)
        barriers = self._barriers
        ready = []
        while barriers and (oldest is None or oldest.seq > barriers[0][0]):
            ready.append(barriers.popleft()[1])
        for callback in ready:
            callback()

    def when_flushed(self, callback: Callable[[], None]) -> None:
        """Call back once everything that is in the outbox now is gone; at once if it is empty."""
        if not len(self.outbox):
            callback()
            return
        self._barriers.append((self.outbox.last, callback))
        if self.outbox.one_way and self.link is not None and not self.outbox.has_fresh:
            self.link.ping()

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back once the outbox is empty."""

        def check() -> None:
            if len(self.outbox):
                self.when_flushed(check)
            else:
                callback()

        check()

    async def flush(self) -> None:
        """Wait until every mutation made before was settled; always a checkpoint."""
        done = trio.Event()
        self.when_flushed(done.set)
        await done.wait()

    # Calls that are no mutations.

    async def call(self, message: Message) -> Any:
        """Make a call that may be repeated without harm, and return its result.

        Raises:
            NetworkTimeout: no answer within the total time of `Retry`.
            RpcError: the server refused.
        """
        return await self._call(lambda link, done: link.request(message, done))

    async def sync(self) -> None:
        """Fetch full values into the replica, after what was mutated before. Raises as `call`."""
        with trio.move_on_after(self.retry.call_total) as patience:
            await self.flush()
        if patience.cancelled_caught:
            raise NetworkTimeout("mutations made before were not settled in time")
        await self._call(lambda link, done: link.resync(done))

    async def _call(self, send: Callable[[Link, Callable[[Response], None]], None]) -> Any:
        retry = self.retry
        deadline = trio.current_time() + retry.call_total
        repeat = 0
        with trio.move_on_at(deadline):
            while True:
                await self._until_ready()
                answer = await self._attempt(send)
                if answer is not None and not isinstance(answer.error, NotConnected):
                    if answer.error is not None:
                        raise answer.error
                    return answer.result
                repeat += 1
                if repeat > retry.call_tries:
                    break
                await trio.sleep(retry.call_pause(repeat))
        raise NetworkTimeout(f"no answer after {repeat + 1} attempts")

    async def _attempt(
        self, send: Callable[[Link, Callable[[Response], None]], None]
    ) -> Response | None:
        link = self.link
        if link is None:
            return None
        answers: list[Response] = []
        arrived = trio.Event()

        def done(response: Response) -> None:
            answers.append(response)
            arrived.set()

        send(link, done)
        with trio.move_on_after(self.retry.call_timeout):
            await arrived.wait()
        return answers[0] if answers else None

    async def _until_ready(self) -> None:
        if self.link is None:
            if not self.mach.is_("Start"):
                raise NotConnected("the client was stopped")
            if not await self.mach.when_any("Ready", "ConnRetryFailed"):
                raise NotConnected("the client was closed")

    def check_args(self, args: Mapping[str, Any]) -> None:
        """Raise `EncodeError` if a server would not take a call with these args."""
        self._fitting.check_unsent(args)

    def subscribe(self, message: Message) -> None:
        """Send a subscription if there is a connection; a new one sends all again."""
        if self.link is not None:
            self.link.request(message, lambda response: None)

    # Repeats.

    async def watch_calls(self) -> None:
        """Repeat calls that were not answered in time, and give them up in the end."""
        while True:
            if not len(self.outbox):
                self._end_retrying()
                self._looks_at = math.inf
                await self._look.wait()
                continue
            self._looks_at = min(entry.due for entry in self.outbox)
            with trio.CancelScope(deadline=self._looks_at):
                await self._look.wait()
            now = trio.current_time()
            if now >= self._looks_at:
                self._repeat_late(now)

    def look_at(self, due: float) -> None:
        """Have calls looked at that are due then, if nobody looks earlier anyway."""
        if due < self._looks_at:
            self._look.set()

    def _end_retrying(self) -> None:
        if self.mach.is_("RetryingCall"):
            self.mach.remove("RetryingCall")

    def _repeat_late(self, now: float) -> None:
        late = [entry for entry in self.outbox if entry.due <= now]
        retry, link = self.retry, self.link
        if link is not None:
            late = self._ask_for_receipts(link, late, now)
        if not late:
            return
        self._count_silence(late)
        for entry in late:
            over = now - entry.created >= retry.call_total or entry.repeats >= retry.call_tries
            if over:
                self.give_up(entry, NetworkTimeout("no answer to this mutation"))
                self.mach.add("CallRetryFailed", err=NetworkTimeout("a call was given up"))
            elif link is None or not entry.is_out:
                entry.due = entry.created + retry.call_total
            elif (
                entry.is_partial
                or link.connection.is_writing
                or link.answered_at > now - retry.call_timeout
            ):
                # It has not left yet, or its turn has not come: a repeat would only wait behind it.
                entry.due = now + retry.call_timeout
            else:
                entry.repeats += 1
                entry.due = now + retry.call_timeout + retry.call_pause(entry.repeats)
                link.repeat(entry, retry.call_pause(entry.repeats))
                if not self.mach.is_("RetryingCall"):
                    self.mach.add("RetryingCall")

    def _ask_for_receipts(self, link: Link, late: list[Entry], now: float) -> list[Entry]:
        """Ask whether one-way mutations have come, as nothing answers them; return the others."""
        unasked = [e for e in late if e.result is None and e.is_out and not e.is_asked]
        if not unasked:
            return late
        link.ask_for_receipt()
        for entry in unasked:
            entry.is_asked = True
            entry.due = now + self.retry.call_timeout
        return [entry for entry in late if entry.due <= now]

    def _count_silence(self, late: list[Entry]) -> None:
        link = self.link
        if link is None:
            return
        heard = self.stats.bytes_in
        if any(e.written and e.heard == heard and not e.is_partial for e in late):
            self._silent += 1
        else:
            self._silent = 0
        if self._silent >= _SILENT:
            self._silent = 0
            link.connection.close(NetworkTimeout("the server does not answer"))
