"""A small HTTP server that answers scrapes: one at a time, each within two seconds.

Written on sockets, since the standard library's server limits each read and not the whole request,
so that a peer which sends a byte a second would hold it for hours.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING

from .._hub.ending import ENDING, LAST

if TYPE_CHECKING:
    from collections.abc import Callable

    # Value of the header Accept -> (body, content type).
    Render = Callable[[str], tuple[bytes, str]]

LOGGER = logging.getLogger("am_telemetry")
LIMIT = 2.0
"""Seconds that a peer may take for one request, from its beginning to the end of the answer."""
MAX_HEAD = 16_384
"""Bytes of a request."""
POLL = 0.05
"""Seconds between two looks whether the program ended, which nothing announces in time."""
LATE = 0.2
"""Seconds that a scrape may come later than expected."""
BACKLOG = 16
PATHS = ("/", "/metrics")


class BadRequestError(Exception):
    """What came is no request that is answered here."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class ScrapeServer:
    """Serves on a socket that listens, in a thread of its own, until `close` or the end of the
    program. That waits, as long as it may be held up, for a scrape that is being answered, and
    for one that is about to come: who scrapes many times a second gets the last totals."""

    def __init__(self, listener: socket.socket, render: Render) -> None:
        self._listener = listener
        self._render = render
        self._waker, self._wake = socket.socketpair()
        self._is_over = False
        # When the latest scrape came, and how long after the one before.
        self._scraped_at = self._distance = 0.0
        listener.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="am-telemetry-scrape", daemon=True)
        self._thread.start()

    def close(self, seconds: float = LIMIT) -> None:
        """Stop serving; waits so many seconds for a scrape that is being answered. Again:
        nothing."""
        if threading.main_thread().is_alive():
            self._is_over = True
            with contextlib.suppress(OSError):
                self._wake.send(b"\0")
        # Else it ends by itself, once it was scraped.
        if self._thread is not threading.current_thread():
            with ENDING.hold(seconds) as most:
                self._thread.join(most)

    def forked(self) -> None:
        """This is a child process: the parent serves."""
        self._is_over = True
        for held in (self._listener, self._waker, self._wake):
            held.close()

    def _run(self) -> None:
        main = threading.main_thread()
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._waker, selectors.EVENT_READ)
            while not self._is_over and main.is_alive():
                if selector.select(POLL) and not self._is_over:
                    self._accept()
            with ENDING.hold(LAST) as seconds:
                before, end = self._scraped_at, min(self._expected(), monotonic() + seconds)
                while not self._is_over and self._scraped_at == before and monotonic() < end:
                    if selector.select(max(0.0, end - monotonic())) and not self._is_over:
                        self._accept()
        for held in (self._listener, self._waker, self._wake):
            held.close()

    def _expected(self) -> float:
        """Until when the next scrape should have come; 0 if that is too late, or nobody scrapes."""
        now = monotonic()
        if not self._distance or now > self._scraped_at + 2 * self._distance + LATE:
            return 0.0
        due = max(self._scraped_at + self._distance, now) + LATE
        return due if due - now <= LAST else 0.0

    def _note_scrape(self) -> None:
        now = monotonic()
        self._distance = now - self._scraped_at if self._scraped_at else 0.0
        self._scraped_at = now

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        deadline = monotonic() + LIMIT
        with peer:
            try:
                self._answer(peer, deadline)
            except OSError:
                pass  # it went, or took too long
            except Exception:
                LOGGER.warning("a scrape failed", exc_info=True)

    def _answer(self, peer: socket.socket, deadline: float) -> None:
        try:
            method, accept = self._read(peer, deadline)
        except BadRequestError as exc:
            send(peer, deadline, exc.status, "text/plain; charset=utf-8", b"", is_head=False)
            return
        began = monotonic()
        try:
            body, kind = self._render(accept)
        except Exception:
            LOGGER.warning("a scrape failed", exc_info=True)
            failed = "500 Internal Server Error"
            send(peer, deadline, failed, "text/plain; charset=utf-8", b"", is_head=False)
            return
        # What it took to collect is not the peer's.
        deadline += monotonic() - began
        send(peer, deadline, "200 OK", kind, body, is_head=method == "HEAD")
        self._note_scrape()

    def _read(self, peer: socket.socket, deadline: float) -> tuple[str, str]:
        """The method of a request, and what it accepts."""
        head = b""
        while b"\r\n\r\n" not in head:
            if len(head) > MAX_HEAD:
                raise BadRequestError("431 Request Header Fields Too Large")
            limit(peer, deadline)
            more = peer.recv(4096)
            if not more:
                raise ConnectionResetError
            head += more
        lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequestError("400 Bad Request")
        if words[0] not in ("GET", "HEAD"):
            raise BadRequestError("405 Method Not Allowed")
        if words[1].partition("?")[0] not in PATHS:
            raise BadRequestError("404 Not Found")
        fields = [line.partition(":") for line in lines[1:]]
        accepted = [value.strip() for name, _, value in fields if name.lower() == "accept"]
        return words[0], ",".join(accepted)


def send(
    peer: socket.socket, deadline: float, status: str, kind: str, body: bytes, *, is_head: bool
) -> None:
    """Send an answer and say that none follows.

    :raises TimeoutError: if it is not through by the deadline.
    """
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    limit(peer, deadline)
    peer.sendall(head.encode("latin-1") + (b"" if is_head else body))
    peer.shutdown(socket.SHUT_WR)


def limit(peer: socket.socket, deadline: float) -> None:
    """Let the next call on a socket take no longer than until a deadline.

    :raises TimeoutError: if that is over.
    """
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    peer.settimeout(left)
