"""A debugger's receiving side for tests: accepts, decodes, keeps clocks, rebuilds steps.

Needs the extra `[dbg]`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from ._dbg import auth
from ._dbg import messages as m
from ._dbg.addresses import Address, parse_address
from ._dbg.codec import Decoder
from ._dbg.encode import encode
from ._dbg.stream import Stream
from ._errors import DecodeError
from .dbg import Mirror, ReceivedMachine, ReceivedTx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Mirror", "ReceivedMachine", "ReceivedTx", "Receiver"]

ACK_EACH = 256
"""Entries taken before they are acknowledged …"""
ACK_AFTER = 0.25
"""… or seconds, whichever comes first."""


class Receiver:
    """Accepts any number of exporters, in a thread of its own; used as `with`.

    It listens at `address`, which is a free port of the loopback interface unless told otherwise.
    `secret` is asked for, `tls` is a server's context. Without `acks` nothing is acknowledged.
    `refuse` is an error text to answer every hello with.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:0",
        *,
        secret: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        acks: bool = True,
        refuse: str | None = None,
    ) -> None:
        self._secret, self._tls, self.acks, self.refuse = secret, tls, acks, refuse
        self.machines: dict[tuple[str, str], ReceivedMachine] = {}
        """By the id of their process and their own."""
        self.processes: list[m.Process] = []
        """Those that said hello, in order; again when they reconnect."""
        self.errors: list[str] = []
        """Why connections were ended from here, or what exporters complained of."""
        self.hellos: list[m.Hello] = []
        self._changed = threading.Condition()
        self._is_stalled = self._is_over = False
        self._listener = _listen(address)
        self._path = parse_address(address).path if address.startswith("unix:") else None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._peers: list[_Peer] = []
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)

    @property
    def address(self) -> str:
        """Where it listens, as exporters take it."""
        if self._path is not None:
            return f"unix:{self._path}"
        host, port = self._listener.getsockname()[:2]
        return str(Address(host, port))

    def machine(self, machine_id: str) -> ReceivedMachine:
        """The machine of this id that came last, whatever its process.

        :raises KeyError: if there is none.
        """
        with self._changed:
            found = [one for (_, name), one in self.machines.items() if name == machine_id]
        if not found:
            raise KeyError(machine_id)
        return found[-1]

    def wait(self, is_there: Callable[[Receiver], object], seconds: float = 10.0) -> None:
        """Wait until a look at the receiver is true; KeyError counts as not yet.

        :raises TimeoutError: if it does not become so.
        """
        deadline = monotonic() + seconds
        with self._changed:
            while True:
                with contextlib.suppress(KeyError):
                    if is_there(self):
                        return
                left = deadline - monotonic()
                if left <= 0:
                    raise TimeoutError(f"not within {seconds} s; machines {list(self.machines)}")
                self._changed.wait(min(left, 0.5))

    @property
    def connections(self) -> int:
        """Exporters connected now."""
        return len([peer for peer in self._peers if peer.mirror is not None])

    # ------------------------------------------------------------------ what debuggers do

    def detail(self, machine_id: str, level: int) -> None:
        """Ask for a level of a machine: 0, 1 or 2."""
        self._tell(machine_id, lambda h: m.Detail(h, level))

    def ask(self, machine_id: str) -> None:
        """Ask for what is pending on a machine; the answer is its `pending`."""
        self._tell(machine_id, lambda h: m.Ask(h, "pending"))

    def _tell(self, machine_id: str, make: Callable[[int], m.Message]) -> None:
        with self._changed:
            for peer in self._peers:
                h = peer.mirror.handle_of(machine_id) if peer.mirror is not None else None
                if h is not None:
                    peer.outgoing.append(encode(make(h)))

    def stall(self) -> None:
        """Read and say nothing more, as a debugger that is stopped."""
        self._is_stalled = True

    def resume(self) -> None:
        """Go on."""
        self._is_stalled = False

    def cut(self) -> None:
        """End all connections at once, without a word."""
        with self._changed:
            for peer in list(self._peers):
                self._close(peer)

    # ------------------------------------------------------------------ life

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over = True
        self._thread.join()
        for peer in list(self._peers):
            self._close(peer)
        self._listener.close()
        self._selector.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _run(self) -> None:
        while not self._is_over:
            ready = self._selector.select(0.01)
            if self._is_stalled:
                # Readiness is no news while nobody reads.
                threading.Event().wait(0.01)
                continue
            with self._changed:
                for key, events in ready:
                    if key.data is None:
                        self._accept()
                    else:
                        self._move(key.data, events)
                for peer in list(self._peers):
                    self._say(peer)
                if ready:
                    self._changed.notify_all()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        peer = _Peer(Stream(sock, self._tls, is_server=True), self._secret)
        self._peers.append(peer)
        self._selector.register(sock, peer.stream.wants, peer)

    def _close(self, peer: _Peer) -> None:
        if peer in self._peers:
            self._peers.remove(peer)
            self._selector.unregister(peer.stream.sock)
            peer.stream.close()

    def _move(self, peer: _Peer, events: int) -> None:
        try:
            received = peer.stream.handle(events)
            if received:
                peer.decoder.feed(received)
                for message in peer.decoder:
                    self._take(peer, message)
                peer.stream.handle(0)
            self._selector.modify(peer.stream.sock, peer.stream.wants, peer)
        except DecodeError as exc:
            self.errors.append(str(exc))
            peer.stream.send(encode(m.Fault(str(exc))))
            with contextlib.suppress(OSError):
                peer.stream.handle(0)
            self._close(peer)
        except OSError as exc:
            peer.error = str(exc)
            self._close(peer)

    def _say(self, peer: _Peer) -> None:
        mirror = peer.mirror
        if mirror is not None and self.acks and mirror.taken > peer.acked:
            now = monotonic()
            if mirror.taken - peer.acked >= ACK_EACH or now - peer.acked_at >= ACK_AFTER:
                peer.acked, peer.acked_at = mirror.taken, now
                peer.stream.send(encode(m.Ack(mirror.taken)))
        while peer.outgoing:
            peer.stream.send(peer.outgoing.pop(0))
        if peer.stream.pending:
            self._move(peer, 0)

    def _take(self, peer: _Peer, message: m.Message) -> None:
        if peer.mirror is not None:
            if isinstance(message, m.Fault):
                self.errors.append(message.error)
            peer.mirror.take(message)
            return
        answer = peer.greet(message, self.refuse)
        peer.stream.send(encode(answer))
        if isinstance(answer, m.Refusal):
            peer.stream.handle(0)
            raise StreamRefused(answer.error)
        if isinstance(answer, (m.Welcome, m.Proof)):
            assert peer.hello is not None
            self.hellos.append(peer.hello)
            self.processes.append(peer.hello.process)
            peer.mirror = Mirror(peer.hello.process, self.machines)


class StreamRefused(OSError):
    """The exporter was not let in."""


class _Peer:
    """One connection."""

    def __init__(self, stream: Stream, secret: bytes | None) -> None:
        self.stream = stream
        self.decoder = Decoder()
        self.mirror: Mirror | None = None
        self.hello: m.Hello | None = None
        self.acked, self.acked_at = 0, 0.0
        self.outgoing: list[bytes] = []
        self.error = ""
        self._secret = secret
        self._hello_bytes = b""
        self._nonce = b""

    def greet(self, message: m.Message, refuse: str | None) -> m.Message:
        """The answer to hello, and to the proof of the secret."""
        if isinstance(message, m.Hello) and self.hello is None:
            self.hello, self._hello_bytes = message, self.decoder.frame
            if refuse is not None:
                return m.Refusal(1, refuse)
            if message.version != m.VERSION:
                return m.Refusal(1, f"version {message.version} is not {m.VERSION}")
            if self._secret is None:
                self.decoder.trust()
                return m.Welcome(("detail", "stack"))
            self._nonce = auth.new_nonce()
            return m.Challenge(self._nonce)
        if isinstance(message, m.Auth) and self._nonce and self._secret is not None:
            given = (self._nonce, message.nonce, self._hello_bytes)
            if auth.is_same_mac(auth.client_mac(self._secret, *given), message.mac):
                self.decoder.trust()
                return m.Proof(auth.server_mac(self._secret, *given), ("detail", "stack"))
            return m.Refusal(2, "wrong secret")
        raise DecodeError("the first message is hello")


def _listen(address: str) -> socket.socket:
    family, place = _place(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)
        sock.listen(64)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _place(address: str) -> tuple[socket.AddressFamily, Any]:
    """The family of an address, and what such a socket binds to."""
    if address.startswith("unix:"):
        path = parse_address(address).path
        assert path is not None
        return socket.AF_UNIX, path
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    return found[0], found[4]
