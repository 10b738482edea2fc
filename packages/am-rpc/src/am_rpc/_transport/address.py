"""Addresses: what they look like, how to connect to them and how to listen on them."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import socket
import ssl
from typing import Any, Final, NamedTuple

import trio

from .._reason import check_is_socket, check_unix_path, reason
from .peer_user import is_peer_trusted

logger: Final = logging.getLogger("am_rpc")
_BACKLOG: Final = 1024


class Address(NamedTuple):
    """A parsed address: TCP `host:port`, `unix:PATH`, or a websocket URL."""

    kind: str
    host: str = ""
    port: int = 0
    path: str = ""
    # Device and number of a unix socket's file, once that is made.
    file: tuple[int, int] | None = None

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.kind == "tcp":
            return f"{host}:{self.port}"
        return f"{self.kind}://{host}:{self.port}{self.path}"

    @property
    def is_local(self) -> bool:
        """Tell whether only this host can reach it."""
        if self.kind == "unix" or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Return the parts of an address.

    Raises:
        ValueError: it is none of `host:port`, `unix:PATH`, `ws://…`, `wss://…`.
    """
    if not isinstance(text, str):
        raise ValueError(f"an address is a str, not {type(text).__name__}")
    if text.startswith("unix:"):
        path = text[len("unix:") :]
        if not path or "\0" in path:
            raise ValueError(f"no path in address {text!r}")
        return Address("unix", path=path)
    for kind in ("wss", "ws"):
        if text.startswith(f"{kind}://"):
            rest, slash, path = text[len(kind) + 3 :].partition("/")
            default = 443 if kind == "wss" else 80
            host, port = _host_port(rest, text, default)
            return Address(kind, host, port, slash + path or "/")
    host, port = _host_port(text, text, None)
    return Address("tcp", host, port)


def _host_port(text: str, whole: str, default: int | None) -> tuple[str, int]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        colon, port = rest[:1], rest[1:]
        well_formed = bool(bracket) and colon in ("", ":")
    else:
        host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
        well_formed = ":" not in host
    if not colon and default is not None:
        port = str(default)
    if not well_formed or not host or not port.isascii() or not port.isdigit():
        raise ValueError(f"not an address: {whole!r}; use host:port, unix:PATH, ws:// or wss://")
    if int(port) > 65_535:
        raise ValueError(f"port out of range in {whole!r}")
    try:
        # As looking it up does, which would raise this at each dial.
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"no name of a host in {whole!r}: a part is empty or too long") from None
    return host, int(port)


def is_loopback_host(text: str) -> bool:
    """Tell whether the host of an HTTP request, with or without a port, is this one's loopback."""
    host = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
    return Address("tcp", host).is_local


async def open_stream(
    address: Address, ssl_context: ssl.SSLContext | None, nursery: trio.Nursery
) -> trio.abc.Stream:
    """Connect, with TLS if a context is given. Raises `OSError`; the caller sets the deadline.

    A websocket has a task of its own, which runs in `nursery`.
    """
    stream: trio.abc.Stream
    if address.kind == "unix":
        stream = await _dial_unix(address.path)
    else:
        stream = await trio.open_tcp_stream(address.host, address.port)
    if ssl_context is None and address.kind == "wss":
        ssl_context = ssl.create_default_context()
    if ssl_context is not None:
        stream = await start_tls(stream, ssl_context, server_hostname=address.host or "localhost")
    if address.kind not in ("ws", "wss"):
        return stream
    # Only here, for it needs an extra.
    from .websocket import open_websocket_stream

    return await open_websocket_stream(stream, address, nursery)


async def _dial_unix(path: str) -> trio.SocketStream:
    check_unix_path(path)
    try:
        return await trio.open_unix_socket(path)
    except ConnectionRefusedError:
        # Linux refuses files of other kinds in the same way.
        check_is_socket(path)
        raise


async def start_tls(
    stream: trio.abc.Stream,
    context: ssl.SSLContext,
    *,
    server_hostname: str | None = None,
    server_side: bool = False,
) -> trio.abc.Stream:
    """Return the stream wrapped in TLS, after the TLS handshake.

    A connecting side checks that the peer is `server_hostname`.

    Raises:
        trio.BrokenResourceError: the handshake failed; then, and when cancelled, the stream is
            closed.
    """
    # "https compatible": closing does not wait for the peer's answer, for our own protocol says
    # bye, so an attacker who truncates a stream gains nothing.
    wrapped = trio.SSLStream(
        stream,
        context,
        server_hostname=server_hostname,
        server_side=server_side,
        https_compatible=True,
    )
    try:
        await wrapped.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return wrapped


async def open_listener(address: Address) -> tuple[trio.SocketListener, Address]:
    """Listen on an address; return the listener and the address with its real port.

    A unix socket is made with mode 0600. A left-over file of a dead server is replaced, one that
    somebody listens on is not.

    Raises:
        OSError: the address cannot be listened on.
        ValueError: the address is not of a kind that can be listened on.
    """
    if address.kind == "unix":
        listener = await _listen_unix(address)
        return listener, address._replace(file=_file_of(address.path))
    if address.kind == "wss":
        raise ValueError("listen on ws:// and give ssl_context instead")
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    found = await trio.socket.getaddrinfo(
        address.host, address.port, family=family, type=socket.SOCK_STREAM
    )
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await sock.bind(found[0][4])
        sock.listen(_BACKLOG)
        port = sock.getsockname()[1]
        return trio.SocketListener(sock), Address(address.kind, address.host, port, address.path)
    except BaseException:
        sock.close()
        raise


async def _listen_unix(address: Address) -> trio.SocketListener:
    path = address.path
    check_unix_path(path)
    await _remove_dead_socket(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Bound without trio, which would do it in a thread: the mask belongs to the whole process, and
    # nobody may meet it in between. It is a local call that does not block.
    try:
        mask = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(mask)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


async def _remove_dead_socket(path: str) -> None:
    try:
        check_is_socket(path)
        stream = await trio.open_unix_socket(path)
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        os.unlink(path)
        return
    await stream.aclose()


def _file_of(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


async def accept(listener: trio.abc.Listener[trio.abc.Stream]) -> trio.abc.Stream | None:
    """Return the next incoming stream, or None once the listener is closed.

    Through a unix socket only this user and root come in, whatever became of its file's mode.

    When the process runs out of descriptors it pauses 0.1 s and tries again; the log is told of
    the first failure in a row.
    """
    told = None
    while True:
        try:
            stream = await listener.accept()
            if is_peer_trusted(stream):
                return stream
            logger.warning("another user's process tried to connect")
            await trio.aclose_forcefully(stream)
        except trio.ClosedResourceError:
            return None
        except OSError as error:
            if told != error.errno:
                told = error.errno
                logger.warning("no connection can be accepted: %s; trying again", reason(error))
            await trio.sleep(0.1)


def remove_socket_file(address: Any) -> None:
    """Remove the file of a unix socket that is closed, unless it is another server's by now."""
    if address is not None and address.kind == "unix" and address.file == _file_of(address.path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address.path)
