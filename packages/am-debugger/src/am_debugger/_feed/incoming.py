"""One connection of an exporter, from its hello to its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from am_telemetry import dbg

from .._core.debugger import TAG
from .._errors import BadMessageError, NoRoomError
from .._store.link import Link
from .losses import LOOPED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._store.client import Client
    from .server import Server

HELLO_TIMEOUT = 10.0
"""Seconds that a stranger has to say who it is."""
SILENCE = 35.0
"""Seconds after which a connection without any message is taken for dead; pings come each 10."""
ACK_INTERVAL = 0.25
ACK_EVERY = 256
_PIECE = 1 << 16
SLICE = 0.001
"""Seconds of work between two turns of others. From a key to the screen it takes about ten turns of
the loop, and each may wait for one of these."""
TELLING = 0.01
"""Seconds from one time that the screen is told that more came to the next, while it comes."""
_MOST_FAULTS = 1000
# Levels of detail remembered of machines that are gone.
_MOST_DETAILS = 1000
_MOST_AT_ONCE = 32
CAPS = ("detail", "stack", "viewer")


def pieces(message: dbg.Message | None, frame: bytes) -> Iterator[tuple[dbg.Message | None, int]]:
    """A message with the size of its bytes, those of many entries in parts that take less than a
    slice, each with its share: memory is looked at by what was taken in. None is one that is not
    decoded yet."""
    nbytes = 0 if message is None else len(frame)
    if not isinstance(message, dbg.Txs) or len(message.entries) <= _MOST_AT_ONCE:
        yield message, nbytes
        return
    entries, told = message.entries, 0
    for k in range(0, len(entries), _MOST_AT_ONCE):
        part = entries[k : k + _MOST_AT_ONCE]
        upto = nbytes * (k + len(part)) // len(entries)
        yield dbg.Txs(part), upto - told
        told = upto


class Refused(Exception):
    """The other side is told this text, and the connection ends."""


class Incoming:
    """An exporter's connection. What is to be sent is a few numbers, never a queue: a peer that
    does not read cannot make anything grow."""

    def __init__(self, server: Server, stream: trio.abc.Stream) -> None:
        self._server = server
        self._stream = stream
        self._decoder = dbg.Decoder()
        self.link: Link | None = None
        self.faults = 0
        """Messages that did not fit."""
        self._wakes = trio.Event()
        self._details: dict[int, int] = {}
        self._asks: set[int] = set()
        self._acked = 0
        self._is_debugger = False
        # Machines came since that was told.
        self._has_machines = False
        self._sent_details: dict[int, int] = {}

    # ------------------------------------------------------------------ who is there

    async def hello(self) -> dbg.Hello:
        """Read the hello, demand a proof if there is a secret, and answer.

        :raises Refused: if it may not come in.
        :raises dbg.DecodeError: if it speaks another language.
        :raises trio.TooSlowError: if it takes too long.
        """
        with trio.fail_after(HELLO_TIMEOUT):
            message = await self.next()
            hello_bytes = self._decoder.frame
            if not isinstance(message, dbg.Hello):
                raise Refused("a hello was expected")
            if message.version != 1:
                await self._send(dbg.Refusal(1, f"version {message.version} is not spoken here"))
                raise Refused("another version")
            if self._server.process.id in message.process.via:
                await self._send(dbg.Refusal(1, "this stream went through here already"))
                raise Refused("a loop")
            if self._server.secret is None:
                await self._send(dbg.Welcome(CAPS))
            else:
                await self._challenge(self._server.secret, hello_bytes)
        self._decoder.trust()
        return message

    async def _challenge(self, secret: bytes, hello_bytes: bytes) -> None:
        nonce = dbg.new_nonce()
        await self._send(dbg.Challenge(nonce))
        message = await self.next()
        if not isinstance(message, dbg.Auth):
            raise Refused("a proof was expected")
        expected = dbg.client_mac(secret, nonce, message.nonce, hello_bytes)
        if not dbg.is_same_mac(message.mac, expected):
            self._server.losses.add("connections did not know the secret")
            await self._send(dbg.Refusal(2, "wrong secret"))
            raise Refused("wrong secret")
        mac = dbg.server_mac(secret, nonce, message.nonce, hello_bytes)
        await self._send(dbg.Proof(mac, CAPS))

    async def next(self) -> dbg.Message:
        """The next message.

        :raises Refused: if the other side left.
        """
        while True:
            for message in self._decoder:
                return message
            data = await self._stream.receive_some(_PIECE)
            if not data:
                raise Refused("it left")
            self._decoder.feed(data)

    async def _send(self, message: dbg.Message) -> None:
        await self._stream.send_all(dbg.encode(message))

    # ------------------------------------------------------------------ what it tells

    async def run(self, hello: dbg.Hello) -> None:
        """Take in what it tells, until it leaves.

        :raises dbg.DecodeError: if it does not speak the language any more.
        :raises Refused: if too much of what it says does not fit.
        """
        process = self._server.store.processes.get(hello.process.id, hello.process)
        self.link = Link(self._server.store, process)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read()
                nursery.cancel_scope.cancel()
        finally:
            self.link.close()

    async def _read(self) -> None:
        """Take in what comes, a little at a time."""
        take, decoder, server = self._take, self._decoder, self._server
        told = until = 0.0
        while True:
            size = 0
            for message in decoder.steps():
                for piece, nbytes in pieces(message, decoder.frame):
                    if piece is not None:
                        take(piece)
                    size += nbytes
                    now = time.monotonic()
                    if now < until:
                        continue
                    if size and now >= told + TELLING:
                        self._tell(size)
                        size, told = 0, now
                    await server.turn()
                    until = time.monotonic() + SLICE
            if size:
                self._tell(size)
                told = time.monotonic()
            if self.link is not None and self.link.taken > self._acked:
                self._wakes.set()
            data = None
            with trio.move_on_after(SILENCE):
                data = await self._stream.receive_some(_PIECE)
            if data is None:
                raise Refused("nothing came for too long")
            if not data:
                return
            decoder.feed(data)

    def _tell(self, size: int) -> None:
        """Tell that so many bytes were taken in, and whether machines came: not for each of them,
        for there may be thousands a second."""
        has_machines, self._has_machines = self._has_machines, False
        self._server.took(size, has_machines=has_machines, is_debugger=self._is_debugger)

    def _take(self, message: dbg.Message) -> None:
        link, server = self.link, self._server
        assert link is not None
        try:
            if isinstance(message, dbg.Mach):
                self._take_machine(link, message)
                return
            faults = link.take(message, time.time_ns() // 1000)
        except BadMessageError as exc:
            faults = [exc]
        if faults:
            self.faults += len(faults)
            server.fault(link.process, faults[0], len(faults))
            if self.faults > _MOST_FAULTS:
                raise Refused("too much of this does not fit")

    def _take_machine(self, link: Link, message: dbg.Mach) -> None:
        server = self._server
        if message.process is not None and server.process.id in message.process.via:
            server.losses.add(LOOPED)
            link.ignore(message.h)
            return
        try:
            client = link.machine(message)
        except NoRoomError as exc:
            # No fault of the other side: its other machines go on.
            server.losses.add("machines were left out", why=str(exc))
            link.ignore_unknown()
            return
        self._is_debugger = self._is_debugger or TAG in message.tags
        self._has_machines = True
        wanted = server.detail_of(client)
        if self._sent_details.get(message.h, 1) != wanted:
            self.detail(message.h, wanted)

    # ------------------------------------------------------------------ what it is told

    def detail(self, handle: int, level: int) -> None:
        """Ask for a level of detail: 0 mute, 1 journal, 2 everything."""
        known = {} if self.link is None else self.link.clients
        if len(self._sent_details) > 2 * len(known) + _MOST_DETAILS:
            # Of the others nothing comes any more.
            self._sent_details = {h: at for h, at in self._sent_details.items() if h in known}
        self._details[handle] = self._sent_details[handle] = level
        self._wakes.set()

    def ask_pending(self, handle: int) -> None:
        """Ask what a machine waits for."""
        self._asks.add(handle)
        self._wakes.set()

    def handle_of(self, client: Client) -> int | None:
        """The handle by which this connection knows a machine."""
        return None if self.link is None else self.link.handle_of(client)

    async def _write(self) -> None:
        """Send acknowledgements and wishes. Reading goes on whether the peer takes them or not."""
        link = self.link
        assert link is not None
        while True:
            await self._woken()
            with trio.move_on_after(ACK_INTERVAL):
                while link.taken - self._acked < ACK_EVERY and not (self._details or self._asks):
                    await self._woken()
            messages: list[dbg.Message] = []
            if link.taken > self._acked:
                self._acked = link.taken
                messages.append(dbg.Ack(self._acked))
            messages += [dbg.Detail(h, level) for h, level in self._details.items()]
            messages += [dbg.Ask(h, "pending") for h in self._asks]
            self._details.clear()
            self._asks.clear()
            if messages:
                await self._stream.send_all(b"".join(map(dbg.encode, messages)))

    async def _woken(self) -> None:
        await self._wakes.wait()
        self._wakes = trio.Event()


BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)
LEAVES = (*BROKEN, Refused, dbg.DecodeError)
"""How a connection may end, all of it quietly."""
