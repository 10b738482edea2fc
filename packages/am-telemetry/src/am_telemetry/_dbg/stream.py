"""A byte stream on a socket that never blocks, in the clear or through TLS."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from typing import Any

_PIECE = 1 << 16


class StreamEnded(OSError):
    """The other side closed the connection."""


class Stream:
    """Bytes are queued by `send`, and go out as the socket takes them; `handle` moves both ways.

    Everything that goes wrong with the connection is an `OSError`.
    """

    def __init__(
        self,
        sock: socket.socket,
        tls: ssl.SSLContext | None = None,
        hostname: str | None = None,
        *,
        is_server: bool = False,
    ) -> None:
        self.sock = sock
        self.sent = 0
        """Bytes that the socket took."""
        self._out = bytearray()
        self._plain = bytearray()
        self._tls: ssl.SSLObject | None = None
        self._is_shaken = True
        if tls is not None:
            self._in_bio, self._out_bio = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = tls.wrap_bio(
                self._in_bio, self._out_bio, server_side=is_server, server_hostname=hostname
            )
            self._is_shaken = False

    @property
    def pending(self) -> int:
        """Bytes that wait to be taken by the socket."""
        return len(self._out) + len(self._plain)

    @property
    def wants(self) -> int:
        """The events to wait for; reading always."""
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)

    def send(self, data: bytes) -> None:
        """Queue bytes."""
        if self._tls is None:
            self._out += data
        else:
            self._plain += data

    def handle(self, events: int) -> bytes:
        """Write what is queued, read what is there.

        :raises OSError: if the connection is over.
        """
        received = self._receive() if events & selectors.EVENT_READ else b""
        self._advance_tls()
        self._write()
        return received

    def _receive(self) -> bytes:
        try:
            data = self.sock.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return b""
        if not data:
            raise StreamEnded("the other side closed the connection")
        if self._tls is None:
            return data
        self._in_bio.write(data)
        return self._decrypted()

    def _decrypted(self) -> bytes:
        assert self._tls is not None
        if not self._shake():
            return b""
        found = bytearray()
        try:
            while piece := self._tls.read(_PIECE):
                found += piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            raise StreamEnded("the other side closed the connection") from None
        return bytes(found)

    def _shake(self) -> bool:
        if not self._is_shaken:
            assert self._tls is not None
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return False
            self._is_shaken = True
        return True

    def _advance_tls(self) -> None:
        tls = self._tls
        if tls is None:
            return
        if self._shake() and self._plain:
            with contextlib.suppress(ssl.SSLWantReadError):
                del self._plain[: tls.write(self._plain)]
        if self._out_bio.pending:
            self._out += self._out_bio.read()

    def _write(self) -> None:
        while self._out:
            try:
                count = self.sock.send(self._out)
            except (BlockingIOError, InterruptedError):
                return
            self.sent += count
            del self._out[:count]

    def close(self) -> None:
        """Let go of the socket."""
        with contextlib.suppress(OSError):
            self.sock.close()


def open_socket(family: int, address: Any) -> socket.socket:
    """A socket that begins to connect; it is writable once that came to something.

    :raises OSError: if it failed at once.
    """
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError, InterruptedError):
            sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
