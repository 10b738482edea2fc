"""One connection to a debugger after another: connect, say hello, send what the outbox has, read.

Driven by the hub's thread: `tick` for what is due by time, `ready` for what the socket has.
"""

from __future__ import annotations

import selectors
import socket
from enum import Enum
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from .._errors import DecodeError
from . import encode
from . import messages as m
from .codec import Decoder
from .connecting import Dialer
from .greeting import Greeting, Refused
from .stream import Stream
from .telling import Teller

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from .addresses import Address
    from .connecting import Opened
    from .items import Track
    from .outbox import Outbox

    Watch = Callable[[Any, int, Callable[[int], object] | None], None]

PATIENCE = 5.0
"""Seconds that connecting and hello may take."""
STALLED = 0.5
"""Seconds without room in the socket after which a debugger counts as stalled."""
PING = 10.0
"""Seconds without anything to say after which a ping is sent."""
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE


class Phase(Enum):
    """How far a connection has come."""

    PAUSED = "waits for the next attempt"
    RESOLVING = "looks up the name of the host"
    CONNECTING = "connects"
    GREETING = "has said hello"
    LIVE = "sends"
    OVER = "does not try again"


class Peer:
    """What a sender is told by the other side; the exporter is one."""

    def hello(self) -> m.Hello:
        """What to introduce oneself with."""
        raise NotImplementedError

    def mach(self, track: Track) -> tuple[m.SchemaDef, m.Mach]:
        """A machine as it is before the next entry."""
        raise NotImplementedError

    def connected(self) -> None:
        """A connection lives."""

    def disconnected(self) -> None:
        """It is over."""

    def told(self, message: m.Message) -> None:
        """The debugger wants something."""

    def warn(self, text: str) -> None:
        """Something is wrong that only people can mend."""


class Sender:
    """See the module. In the hub's thread."""

    def __init__(
        self,
        outbox: Outbox,
        peer: Peer,
        addresses: Callable[[], Sequence[Address]],
        *,
        watch: Watch,
        secret: bytes | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.phase = Phase.PAUSED
        # Since when the socket takes no more, or nothing is acknowledged; None: it does.
        self._full_since: float | None = None
        self._outbox = outbox
        self._peer = peer
        self._dialer = Dialer(addresses)
        self._watch = watch
        self._secret = secret
        self._tls = tls
        self._stream: Stream | None = None
        self._decoder = Decoder()
        self._has_failed = False
        self._deadline = monotonic() + PATIENCE
        self._last_sent = 0.0
        self._sent_before = 0
        self._greeting: Greeting | None = None
        self._teller = Teller(outbox, peer.mach)
        self.is_awaited = False
        """Whether somebody waits for acknowledgements."""
        # Whether the socket is read at the next tick: while entries are sent in each, nobody needs
        # to be woken for the acknowledgements of those before, which costs a change of threads.
        self._reads_at_tick = False
        self._sent_at_tick = 0
        self._watched = 0

    @property
    def bytes_sent(self) -> int:
        """Bytes that went out, over all connections."""
        stream = self._stream
        return self._sent_before + (stream.sent if stream is not None else 0)

    @property
    def is_live(self) -> bool:
        """Whether a debugger takes what is sent."""
        return self.phase is Phase.LIVE

    @property
    def is_idle(self) -> bool:
        """Whether there is nobody, or somebody who has read nothing for a while."""
        if self.phase is Phase.LIVE:
            since = self._full_since
            return since is not None and monotonic() - since > STALLED
        # Of an attempt that takes longer nothing may come.
        return self._has_failed or self._deadline - monotonic() < PATIENCE - STALLED

    @property
    def is_reached(self) -> bool:
        """Whether there is a connection, be it in the middle of hello."""
        return self.phase in (Phase.GREETING, Phase.LIVE)

    @property
    def pending(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._stream.pending if self._stream is not None else 0

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        """Do what is due."""
        phase = self.phase
        if phase is Phase.LIVE:
            if self._reads_at_tick and not self._move(selectors.EVENT_READ):
                return
            self.fill()
            self._look_forward()
            if now - self._last_sent >= PING and not self.pending:
                self._send(m.Ping())
                self._move(0)
        elif phase is Phase.PAUSED:
            if now >= self._dialer.next_try:
                self._begin(now)
        elif phase is Phase.RESOLVING and (opened := self._dialer.poll()):
            self._connect(opened)
        elif phase is Phase.RESOLVING and not self._dialer.is_looking_up:
            self._rest()
        elif phase is not Phase.OVER and now >= self._deadline:
            self._fail()

    def _look_forward(self) -> None:
        """Decide when to read next; what is in the way of entries is read as soon as it comes."""
        stream, sent = self._stream, self.bytes_sent
        outbox = self._outbox
        # Not while acknowledgements make room for what comes.
        has_room = not outbox.unsent and outbox.buffered < outbox.in_flight // 2
        is_calm = has_room and not (self.is_awaited or self._teller.has_machines)
        self._reads_at_tick = is_calm and sent != self._sent_at_tick and self.is_live
        self._sent_at_tick = sent
        if stream is not None:
            self._attend(stream)

    def _attend(self, stream: Stream) -> None:
        """Have the socket watched for what matters now."""
        wants = _BOTH if self.phase is Phase.CONNECTING else stream.wants
        if self._reads_at_tick:
            wants &= ~selectors.EVENT_READ
        if wants != self._watched:
            self._watched = wants
            self._watch(stream.sock, wants, self.ready)

    def try_now(self) -> None:
        """Do not wait for the next attempt."""
        if self.phase is Phase.PAUSED:
            self._begin(monotonic())

    # ------------------------------------------------------------------ connecting

    def _begin(self, now: float) -> None:
        self._deadline = now + PATIENCE
        self._go_on(self._dialer.begin())

    def _go_on(self, opened: Opened | None) -> None:
        if opened is not None:
            self._connect(opened)
        elif self._dialer.is_looking_up:
            self.phase = Phase.RESOLVING
        else:
            self._rest()

    def _connect(self, opened: Opened) -> None:
        tls = self._tls if opened.hostname is not None else None
        self._stream = Stream(opened.sock, tls, opened.hostname)
        self.phase = Phase.CONNECTING
        self._attend(self._stream)

    def _rest(self) -> None:
        self._has_failed = True
        self.phase = Phase.PAUSED
        self._dialer.rest()

    def _fail(self) -> None:
        """This connection came to nothing, or is over; there are others."""
        was_reached = self.is_reached
        self._drop()
        if was_reached:
            self._rest()
        else:
            self._go_on(self._dialer.next())

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._watch(stream.sock, 0, None)
            self._watched = 0
            self._sent_before += stream.sent
            stream.close()
        self._reads_at_tick = False
        if self.phase is Phase.LIVE:
            self._outbox.restart()
            self._peer.disconnected()
        self._greeting = None
        self._decoder = Decoder()

    def _give_up(self, why: str) -> None:
        """No further attempt would do better."""
        self._peer.warn(why)
        self._drop()
        self.phase = Phase.OVER
        self._has_failed = True

    def close(self) -> None:
        """Let go of the connection; `tick` begins another one."""
        self._drop()
        if self.phase is not Phase.OVER:
            self.phase = Phase.PAUSED
            self._dialer.reset()

    def abandon(self) -> None:
        """Let go of the connection without a word: it is another process's."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def wait(self, seconds: float) -> None:
        """Wait until the socket has something to do, and do it; for threads without a selector."""
        stream = self._stream
        if stream is None:
            # A look-up goes on in a thread of its own.
            sleep(min(seconds, 0.005))
            return
        wants = _BOTH if self.phase is Phase.CONNECTING else stream.wants
        with _Selector() as selector:
            selector.register(stream.sock, wants)
            for _, events in selector.select(seconds):
                self.ready(events)

    # ------------------------------------------------------------------ the socket

    def ready(self, events: int) -> None:
        """The socket can be written or read."""
        stream = self._stream
        if stream is None:
            return
        if self.phase is Phase.CONNECTING:
            if stream.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._fail()
                return
            self._say_hello(stream)
        if self._move(events) and self.phase is Phase.LIVE:
            self.fill()

    def _move(self, events: int) -> bool:
        """Write and read what goes; False if that was the end of it."""
        stream = self._stream
        if stream is None:
            return False
        before = stream.sent
        try:
            received = stream.handle(events)
            if received:
                self._decoder.feed(received)
                for message in self._decoder:
                    self._take(message)
                    if self._stream is not stream:
                        return False
        except DecodeError as exc:
            self._last_words(str(exc))
            self._fail()
            return False
        except OSError:
            self._fail()
            return False
        if stream.sent != before:
            self._last_sent = monotonic()
        if not stream.pending:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = monotonic()
        self._attend(stream)
        return True

    def _last_words(self, text: str) -> None:
        stream = self._stream
        if stream is not None:
            stream.send(encode.encode(m.Fault(text[:200])))
            try:
                stream.handle(0)
            except OSError:
                return

    def _send(self, message: m.Message) -> None:
        if self._stream is not None:
            self._stream.send(encode.encode(message))

    # ------------------------------------------------------------------ the exchange

    def _say_hello(self, stream: Stream) -> None:
        self.phase = Phase.GREETING
        self._greeting = Greeting(self._peer.hello(), self._secret)
        stream.send(self._greeting.hello)

    def _take(self, message: m.Message) -> None:
        if self._greeting is not None:
            self._greet(self._greeting, message)
        elif isinstance(message, m.Refusal):
            self._give_up(f"the debugger refuses: {message.error[:200]}")
        elif isinstance(message, m.Ack):
            if not self._outbox.ack(message.count):
                raise DecodeError("more entries acknowledged than sent")
        else:
            self._peer.told(message)

    def _greet(self, greeting: Greeting, message: m.Message) -> None:
        try:
            answer = greeting.take(message)
        except Refused as exc:
            self._give_up(str(exc))
            return
        if answer is not None:
            self._send(answer)
        if greeting.is_over:
            self._live()

    def _live(self) -> None:
        self.phase = Phase.LIVE
        self._greeting = None
        self._has_failed = False
        self._full_since = None
        self._dialer.succeeded()
        self._decoder.trust()
        self._peer.connected()
        self._teller.begin()

    # ------------------------------------------------------------------ sending

    def fill(self) -> None:
        """Send what the outbox has, as much as the socket takes."""
        stream = self._stream
        if self.phase is not Phase.LIVE or stream is None:
            return
        self._teller.tell_first(stream)
        while stream is self._stream:
            self._teller.tell_entries(stream)
            # Messages about machines may be queued already.
            if not stream.pending or not self._move(0) or stream.pending:
                break
            if not self._outbox.has_news:
                break

    def answer(self, message: m.Message) -> None:
        """Send something that is no entry, if there is a connection."""
        if self.phase is Phase.LIVE:
            self._send(message)

    def later(self, message: m.Message) -> None:
        """The same in any thread; the latest are kept while there is no connection."""
        self._teller.later(message)

    def introduce(self, track: Track) -> None:
        """Tell a machine as soon as there is room, or again since something of it changed."""
        if self.phase is Phase.LIVE:
            self._teller.introduce(track)
