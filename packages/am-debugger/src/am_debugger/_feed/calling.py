"""Connections that are made to another debugger, again and again: to forward, and to view."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import trio

from am_telemetry import dbg

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
_JITTER = 0.2
_TIMEOUT = 10.0
_PIECE = 1 << 16


class Refused(Exception):
    """The other side refused us for good; the text says why."""


async def _connect(address: dbg.Address, tls: ssl.SSLContext | None) -> trio.abc.Stream:
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
    """Our side of a hello: who it is, proved if asked."""

    def __init__(self, stream: trio.abc.Stream, process: dbg.Process, secret: bytes | None) -> None:
        self._stream = stream
        self._process = process
        self._secret = secret
        self.decoder = dbg.Decoder()

    async def run(self, caps: tuple[str, ...]) -> None:
        """Say who we are, and prove it if asked.

        :raises Refused: if we are refused, or the other side cannot prove itself.
        :raises dbg.DecodeError: if it speaks another language.
        :raises trio.TooSlowError: if it takes too long.
        """
        hello = dbg.encode(dbg.Hello(1, self._process, caps))
        with trio.fail_after(_TIMEOUT):
            await self._stream.send_all(hello)
            answer = await self.next()
            if isinstance(answer, dbg.Refusal):
                raise Refused(answer.error)
            if isinstance(answer, dbg.Challenge):
                await self._prove(answer.nonce, hello)
            elif not isinstance(answer, dbg.Welcome):
                raise Refused("it gave no answer to a hello")
            elif self._secret is not None:
                raise Refused("it asks for no secret, though there is one")
        self.decoder.trust()

    async def _prove(self, server_nonce: bytes, hello: bytes) -> None:
        if self._secret is None:
            raise Refused("it asks for a secret, and there is none")
        nonce = dbg.new_nonce()
        mac = dbg.client_mac(self._secret, server_nonce, nonce, hello)
        await self._stream.send_all(dbg.encode(dbg.Auth(nonce, mac)))
        answer = await self.next()
        if isinstance(answer, dbg.Refusal):
            raise Refused(answer.error)
        expected = dbg.server_mac(self._secret, server_nonce, nonce, hello)
        if not isinstance(answer, dbg.Proof) or not dbg.is_same_mac(answer.mac, expected):
            raise Refused("it does not know the secret")

    async def next(self) -> dbg.Message:
        """The next message.

        :raises trio.BrokenResourceError: if the other side left.
        """
        while True:
            for message in self.decoder:
                return message
            await self.more()

    async def more(self) -> None:
        """Receive more for the decoder.

        :raises trio.BrokenResourceError: if the other side left.
        """
        data = await self._stream.receive_some(_PIECE)
        if not data:
            raise trio.BrokenResourceError("the other side left")
        self.decoder.feed(data)


async def call(
    address: dbg.Address,
    process: dbg.Process,
    talk: Callable[[trio.abc.Stream, Handshake], Awaitable[None]],
    *,
    caps: tuple[str, ...],
    secret: bytes | None,
    tls: ssl.SSLContext | None,
) -> Refused:
    """Connect, shake hands and talk, and after each break again, until the other side refuses us.

    :param process: Who we are.
    :param talk: Given the stream and the handshake, whose `next` reads on.
    :param caps: What we want to be to the other side.
    :returns: Why it refuses us.
    """
    pause = _FIRST_PAUSE
    refused: BaseException | None = None
    while not isinstance(refused, Refused):
        try:
            async with await _connect(address, tls) as stream:
                handshake = Handshake(stream, process, secret)
                await handshake.run(caps)
                pause = _FIRST_PAUSE
                await talk(stream, handshake)
        except* Refused as group:
            refused = _first_leaf(group)
        except* (OSError, trio.BrokenResourceError, trio.TooSlowError, dbg.DecodeError):
            pass
        if refused is None:
            await trio.sleep(pause * (1 + _JITTER * (2 * random.random() - 1)))
            pause = min(2 * pause, _LONGEST_PAUSE)
    return refused


def _first_leaf(exc: BaseException) -> BaseException:
    """The first exception in a group that is none itself."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc
