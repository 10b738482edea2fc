"""All that comes in, repeated to another debugger."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import trio

from am_telemetry import dbg

from .outgoing import Outgoing

if TYPE_CHECKING:
    import ssl

    from .server import Server

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
_JITTER = 0.2
_TIMEOUT = 10.0
_PIECE = 1 << 16


class NoRetry(Exception):
    """The other side refused us for good; the text says why."""


async def connect(address: dbg.Address, tls: ssl.SSLContext | None) -> trio.abc.Stream:
    """A connection to a debugger.

    :raises OSError: if there is none.
    :raises trio.TooSlowError: after 10 seconds.
    """
    with trio.fail_after(_TIMEOUT):
        if address.path is not None:
            return await trio.open_unix_socket(address.path)
        stream = await trio.open_tcp_stream(address.host, address.port)
        if tls is None:
            return stream
        return trio.SSLStream(stream, tls, server_hostname=address.host)


class Handshake:
    """Our side of a hello: used to forward, and to view."""

    def __init__(self, stream: trio.abc.Stream, process: dbg.Process, secret: bytes | None) -> None:
        self._stream = stream
        self._process = process
        self._secret = secret
        self.decoder = dbg.Decoder()

    async def run(self, caps: tuple[str, ...]) -> None:
        """Say who we are, and prove it if asked.

        :raises NoRetry: if we are refused, or the other side cannot prove itself.
        :raises dbg.DecodeError: if it speaks another language.
        :raises trio.TooSlowError: if it takes too long.
        """
        hello = dbg.encode(dbg.Hello(1, self._process, caps))
        with trio.fail_after(_TIMEOUT):
            await self._stream.send_all(hello)
            answer = await self.next()
            if isinstance(answer, dbg.Refusal):
                raise NoRetry(answer.error)
            if isinstance(answer, dbg.Challenge):
                await self._prove(answer.nonce, hello)
            elif not isinstance(answer, dbg.Welcome):
                raise NoRetry("it gave no answer to a hello")
            elif self._secret is not None:
                raise NoRetry("it asks for no secret, though there is one")
        self.decoder.trust()

    async def _prove(self, server_nonce: bytes, hello: bytes) -> None:
        if self._secret is None:
            raise NoRetry("it asks for a secret, and there is none")
        nonce = dbg.new_nonce()
        mac = dbg.client_mac(self._secret, server_nonce, nonce, hello)
        await self._stream.send_all(dbg.encode(dbg.Auth(nonce, mac)))
        answer = await self.next()
        if isinstance(answer, dbg.Refusal):
            raise NoRetry(answer.error)
        expected = dbg.server_mac(self._secret, server_nonce, nonce, hello)
        if not isinstance(answer, dbg.Proof) or not dbg.is_same_mac(answer.mac, expected):
            raise NoRetry("it does not know the secret")

    async def next(self) -> dbg.Message:
        """The next message.

        :raises trio.BrokenResourceError: if the other side left.
        """
        while True:
            for message in self.decoder:
                return message
            data = await self._stream.receive_some(_PIECE)
            if not data:
                raise trio.BrokenResourceError("the other side left")
            self.decoder.feed(data)


async def forward(
    server: Server, address: dbg.Address, secret: bytes | None, tls: ssl.SSLContext | None
) -> None:
    """Repeat all that comes in to another debugger, until cancelled. It may be away: what waits
    for it is in the store."""
    pause = FIRST_PAUSE
    outgoing = Outgoing(server.store, _nowhere, via=(server.process.id,))
    refused: BaseException | None = None
    while refused is None:
        try:
            async with await connect(address, tls) as stream:
                handshake = Handshake(stream, server.process, secret)
                await handshake.run(("detail",))
                pause = FIRST_PAUSE
                outgoing.restart(stream.send_all)
                await _exchange(server, handshake, outgoing)
        except* NoRetry as group:
            refused = first_leaf(group)
        except* (OSError, trio.BrokenResourceError, trio.TooSlowError, dbg.DecodeError):
            pass
        if refused is None:
            await trio.sleep(pause * (1 + _JITTER * (2 * random.random() - 1)))
            pause = min(2 * pause, LONGEST_PAUSE)
    server.note(f"not forwarded to {address}: {refused}")


def first_leaf(exc: BaseException) -> BaseException:
    """The first exception in a group that is none itself."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


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
