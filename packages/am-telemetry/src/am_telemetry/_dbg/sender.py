"""One connection to a debugger after another: connect, say hello, send what the outbox has, read.

Driven by the hub's thread: `tick` for what is due by time, `ready` for what the socket has.
"""

from __future__ import annotations

import os
import random
import selectors
import socket
import threading
from collections import deque
from enum import Enum
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from .._errors import DecodeError
from . import auth, encode
from . import messages as m
from .codec import Decoder
from .outbox import Ended, Gap, Rebound
from .stream import Stream, open_socket

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Sequence

    from .addresses import Address
    from .outbox import Item, Outbox, Track

    Watch = Callable[[Any, int, Callable[[int], object] | None], None]

FIRST_PAUSE, LONGEST_PAUSE, JITTER = 0.1, 10.0, 0.2
"""Seconds between two attempts: doubling, give or take a fifth."""
PATIENCE = 5.0
"""Seconds that connecting and hello may take."""
STALLED = 0.5
"""Seconds without room in the socket after which a debugger counts as stalled."""
PING = 10.0
"""Seconds without anything to say after which a ping is sent."""
QUEUED_BYTES = 256 << 10
"""Bytes that are queued for the socket at once."""
BATCH_BYTES = 128 << 10
"""Bytes of entries in one message: as no list takes less than two, they cannot be too many."""
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
_TXS = b"\x93\x02\xa7dbg.txs\x91\xdd"


class Phase(Enum):
    """How far a connection has come."""

    PAUSED = "waits for the next attempt"
    RESOLVING = "looks up the name of the host"
    CONNECTING = "connects"
    HELLO = "has said hello"
    PROVING = "has proved the secret"
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
        self._addresses = addresses
        self._watch = watch
        self._secret = secret
        self._tls = tls
        self._stream: Stream | None = None
        self._decoder = Decoder()
        self._left: list[Address] = []
        self._has_failed = False
        # What a look-up in a thread of its own has found.
        self._found: list[Any] | None = None
        self._pause = FIRST_PAUSE
        self._next_try = 0.0
        self._deadline = monotonic() + PATIENCE
        self._last_sent = 0.0
        self._sent_before = 0
        self._hello = b""
        self._nonces = (b"", b"")
        self._schemas: set[bytes] = set()
        self._later: deque[m.Message] = deque(maxlen=outbox.limit)
        self._to_introduce: dict[int, Track] = {}

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
        return self.phase in (Phase.HELLO, Phase.PROVING, Phase.LIVE)

    @property
    def pending(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._stream.pending if self._stream is not None else 0

    # ------------------------------------------------------------------ time

    def tick(self, now: float) -> None:
        """Do what is due."""
        phase = self.phase
        if phase is Phase.LIVE:
            self.fill()
            if now - self._last_sent >= PING and not self.pending:
                self._send(m.Ping())
                self._move(0)
        elif phase is Phase.PAUSED:
            if now >= self._next_try:
                self._begin(now)
        elif phase is Phase.RESOLVING and self._found is not None:
            found, self._found = self._found, None
            self._connect(found)
        elif phase is not Phase.OVER and now >= self._deadline:
            self._fail("no answer")

    def try_now(self) -> None:
        """Do not wait for the next attempt."""
        if self.phase is Phase.PAUSED:
            self._begin(monotonic())

    # ------------------------------------------------------------------ connecting

    def _begin(self, now: float) -> None:
        self._deadline = now + PATIENCE
        self._left = list(self._addresses())
        self._next_address()

    def _next_address(self) -> None:
        while self._left:
            address = self._left.pop(0)
            if address.path is not None:
                family = getattr(socket, "AF_UNIX", None)
                if family is not None and self._connect([(family, address.path, None)]):
                    return
            elif is_numeric(address.host):
                family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
                if self._connect([(family, (address.host, address.port), address.host)]):
                    return
            else:
                self.phase = Phase.RESOLVING
                look_up(address, self._looked_up)
                return
        self._rest()

    def _looked_up(self, found: list[Any]) -> None:
        self._found = found

    def _connect(self, places: list[Any]) -> bool:
        """Begin to connect to the first place that lets one."""
        for family, place, hostname in places:
            try:
                sock = open_socket(family, place)
            except OSError:
                continue
            tls = self._tls if hostname is not None else None
            self._stream = Stream(sock, tls, hostname)
            self.phase = Phase.CONNECTING
            self._watch(sock, _BOTH, self.ready)
            return True
        if self.phase is Phase.RESOLVING:
            self._next_address()
        return False

    def _rest(self) -> None:
        self._has_failed = True
        spread = 1 + random.uniform(-JITTER, JITTER)
        self.phase = Phase.PAUSED
        self._next_try = monotonic() + self._pause * spread
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _fail(self, why: str) -> None:
        """This connection came to nothing, or is over; there are others."""
        was_live = self.phase in (Phase.LIVE, Phase.HELLO, Phase.PROVING)
        self._drop()
        if self.phase is Phase.OVER:
            return
        if was_live or not self._left:
            self._rest()
        else:
            self._next_address()

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._watch(stream.sock, 0, None)
            self._sent_before += stream.sent
            stream.close()
        if self.phase is Phase.LIVE:
            self._outbox.restart()
            self._peer.disconnected()
        self._schemas.clear()
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
            self.phase, self._next_try, self._pause = Phase.PAUSED, 0.0, FIRST_PAUSE

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
            error = stream.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self._fail(os.strerror(error))
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
            self._fail(str(exc))
            return False
        except OSError as exc:
            self._fail(str(exc))
            return False
        if stream.sent != before:
            self._last_sent = monotonic()
        if not stream.pending:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = monotonic()
        self._watch(stream.sock, stream.wants, self.ready)
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
        self.phase = Phase.HELLO
        self._hello = encode.encode(self._peer.hello())
        stream.send(self._hello)

    def _take(self, message: m.Message) -> None:
        phase = self.phase
        if isinstance(message, m.Refusal):
            self._give_up(f"the debugger refuses: {message.error[:200]}")
        elif phase is Phase.HELLO and isinstance(message, m.Welcome):
            if self._secret is not None:
                self._give_up("there is a secret, but the debugger does not ask for it")
            else:
                self._live()
        elif phase is Phase.HELLO and isinstance(message, m.Challenge):
            self._prove(message.nonce)
        elif phase is Phase.PROVING and isinstance(message, m.Proof):
            assert self._secret is not None
            mine = auth.server_mac(self._secret, *self._nonces, self._hello)
            if auth.is_same(mine, message.mac):
                self._live()
            else:
                self._give_up("the debugger does not know the secret")
        elif phase is not Phase.LIVE:
            raise DecodeError("an answer that was not asked for")
        elif isinstance(message, m.Ack):
            if not self._outbox.ack(message.count):
                raise DecodeError("more entries acknowledged than sent")
        else:
            self._peer.told(message)

    def _prove(self, nonce: bytes) -> None:
        if self._secret is None:
            self._give_up("the debugger asks for a secret, and there is none")
            return
        self._nonces = (nonce, os.urandom(auth.NONCE))
        mac = auth.client_mac(self._secret, *self._nonces, self._hello)
        self.phase = Phase.PROVING
        self._send(m.Auth(self._nonces[1], mac))

    def _live(self) -> None:
        self.phase = Phase.LIVE
        self._has_failed = False
        self._full_since = None
        self._pause = FIRST_PAUSE
        self._decoder.trust()
        self._peer.connected()
        self._to_introduce = dict(self._outbox.tracks)

    # ------------------------------------------------------------------ sending

    def fill(self) -> None:
        """Send what the outbox has, as much as the socket takes."""
        stream, outbox = self._stream, self._outbox
        if self.phase is not Phase.LIVE:
            return
        if stream is not None:
            self._introduce_some(stream)
        while self._later and stream is not None and stream.pending < QUEUED_BYTES:
            self._tell_later(self._later.popleft())
        while stream is not None and stream is self._stream:
            if stream.pending < QUEUED_BYTES:
                self._put(outbox.take(m.MAX_BATCH, BATCH_BYTES))
            # Messages about machines may be queued already.
            if not stream.pending or not self._move(0) or stream.pending:
                break

    def answer(self, message: m.Message) -> None:
        """Send something that is no entry, if there is a connection."""
        if self.phase is Phase.LIVE:
            self._send(message)

    def later(self, message: m.Message) -> None:
        """The same in any thread; the latest are kept while there is no connection."""
        self._later.append(message)

    def introduce(self, track: Track) -> None:
        """Tell a machine as soon as there is room, or again since something of it changed."""
        if self.phase is Phase.LIVE:
            self._to_introduce[track.h] = track

    def _introduce_some(self, stream: Stream) -> None:
        waiting = self._to_introduce
        while waiting and stream.pending < QUEUED_BYTES:
            h = next(iter(waiting))
            track = waiting.pop(h)
            if h in self._outbox.tracks and not track.is_gone:
                self._introduce(track)

    def _introduce(self, track: Track) -> None:
        schema, mach = self._peer.mach(track)
        if schema.hash not in self._schemas:
            self._schemas.add(schema.hash)
            self._send(schema)
        self._send(mach)
        track.is_known = True

    def _tell_later(self, message: m.Message) -> None:
        h = message.h if isinstance(message, m.Log) else 0
        track = self._outbox.tracks.get(h)
        if track is not None:
            if not track.is_known:
                self._introduce(track)
            self._send(message)

    def _put(self, items: Iterable[Item]) -> None:
        wires: list[bytes] = []
        for item in items:
            if isinstance(item, tuple):
                if not item[0].is_known:
                    self._put_entries(wires)
                    self._introduce(item[0])
                wires.append(item[1])
            else:
                self._put_entries(wires)
                self._put_marker(item)
        self._put_entries(wires)

    def _put_marker(self, item: Gap | Rebound | Ended) -> None:
        track = item.track
        if not isinstance(item, Ended) or not track.is_known:
            # After a gap for its clock: perhaps nothing follows that would tell it.
            self._introduce(track)
        if isinstance(item, Gap) and item.count:
            self._send(m.Drop(track.h, item.count, item.at))
        elif isinstance(item, Ended):
            self._send(m.Gone(track.h, item.at))

    def _put_entries(self, wires: list[bytes]) -> None:
        if wires and self._stream is not None:
            count = len(wires).to_bytes(4, "big")
            self._stream.send(b"".join((_TXS, count, *wires)))
            wires.clear()


def is_numeric(host: str) -> bool:
    """Whether a host is an address already, so that nobody has to be asked."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False


def look_up(address: Address, found: Callable[[list[Any]], object]) -> None:
    """Look up a host in a thread that nobody waits for, since that cannot be hurried; it ends by
    itself. `found` gets places to connect to, none if there is no such host."""

    def run() -> None:
        try:
            infos = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            infos = []
        found([(family, place, address.host) for family, _, _, _, place in infos])

    threading.Thread(target=run, name="am-telemetry look-up", daemon=True).start()
