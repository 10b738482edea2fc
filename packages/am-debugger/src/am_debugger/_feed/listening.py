"""Addresses to listen at, and their sockets."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

import trio

from .._errors import CannotListenError

if TYPE_CHECKING:
    import ssl

    from am_telemetry import dbg

_BACKLOG = 512
_LOOPBACK = ("127.", "::1", "localhost")


def is_loopback(address: dbg.Address) -> bool:
    """Whether only this computer reaches an address."""
    return address.path is not None or address.host.startswith(_LOOPBACK)


async def open_listener(
    address: dbg.Address, tls: ssl.SSLContext | None
) -> trio.abc.Listener[trio.abc.Stream]:
    """Listen at an address. A socket file that nobody listens at any more is replaced.

    :raises CannotListenError: if somebody does, or it cannot be made.
    """
    try:
        if address.path is not None:
            listener: trio.abc.Listener[trio.abc.Stream] = await _open_unix(address.path)
        else:
            found = await trio.open_tcp_listeners(address.port, host=address.host, backlog=_BACKLOG)
            listener = found[0]
            for other in found[1:]:
                await other.aclose()
    except OSError as exc:
        is_taken = exc.errno == errno.EADDRINUSE
        raise CannotListenError(str(address), _words(exc), is_taken=is_taken) from exc
    if tls is None or address.path is not None:  # no one listens in on a socket file
        return listener
    return trio.SSLListener(listener, tls)


def _words(exc: OSError) -> str:
    if exc.errno == errno.EADDRINUSE:
        return "somebody listens there already"
    return exc.strerror or str(exc)


async def _open_unix(path: str) -> trio.SocketListener:
    if _is_socket(path):
        if await _is_alive(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        os.unlink(path)
    made = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)  # only its owner may connect
        try:
            await made.bind(path)
        finally:
            os.umask(before)
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return trio.SocketListener(made)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


def inode_of(path: str) -> int:
    """What tells our socket file from another one at its place."""
    return os.lstat(path).st_ino


async def _is_alive(path: str) -> bool:
    try:
        stream = await trio.open_unix_socket(path)
    except OSError:
        return False
    await stream.aclose()
    return True


def remove_socket(path: str, inode: int) -> None:
    """Remove our socket file, unless another one took its place."""
    with contextlib.suppress(OSError):
        if inode_of(path) == inode:
            os.unlink(path)
