"""Why a connection was not made or did not last: one line in the user's words, and what to do."""

from __future__ import annotations

import errno
import logging
import os
import socket
import ssl
import stat
import sys
from typing import Final

import trio

from ._errors import NetworkError, RpcError

logger: Final = logging.getLogger("am_rpc")
# What streams and listeners raise.
FOREIGN: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError)
HINT: Final = "is it an aRPC server, with TLS and websockets on both sides or on neither?"
# OpenSSL's names for what a peer says that speaks no TLS, or another protocol in its place.
_NO_TLS: Final = frozenset(
    ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING", "HTTP_REQUEST")
)
_ERRNO: Final = {
    errno.ECONNREFUSED: "connection refused, nobody listens there",
    errno.ENOTSOCK: "the file there is no socket",
    errno.EADDRINUSE: "the address is in use",
    errno.EADDRNOTAVAIL: "the address is none of this host",
    errno.EACCES: "permission denied",
    errno.ECONNRESET: "the peer reset the connection",
}
# The smallest bounds of the systems that have unix sockets, without the final zero byte.
_LONGEST_PATH: Final = 107 if sys.platform == "linux" else 103


def reason(error: BaseException) -> str:
    """Return why an operation on a stream, a listener or TLS failed."""
    error = _root(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is refused: {error.verify_message.rstrip('.')}; trust who signed it"
        )
    if isinstance(error, ssl.SSLError):
        return _tls_reason(error)
    if isinstance(error, socket.gaierror):
        return f"unknown host: {error.strerror}"
    if isinstance(error, trio.BrokenResourceError):
        return str(error) or "the connection broke"
    if isinstance(error, OSError):
        known = _ERRNO.get(error.errno or 0)
        if known is not None:
            return known
        if error.strerror:
            return error.strerror[:1].lower() + error.strerror[1:]
    return str(error) or type(error).__name__


def translate(error: Exception) -> RpcError:
    """Return an error of this package for one of the operating system, or for a fault of ours."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, FOREIGN):
        told: RpcError = NetworkError(reason(error))
    else:
        logger.error("internal error", exc_info=error)
        told = RpcError(f"internal: {type(error).__name__}")
    told.__cause__ = error
    return told


def check_unix_path(path: str) -> None:
    """Raise `OSError` if the path is longer than a unix socket's may be."""
    size = len(os.fsencode(path))
    if size > _LONGEST_PATH:
        raise OSError(f"a unix socket's path may have {_LONGEST_PATH} bytes, this one has {size}")


def check_is_socket(path: str) -> None:
    """Raise `OSError` if the file is there and of another kind, or cannot be looked at."""
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        raise OSError(errno.ENOTSOCK, os.strerror(errno.ENOTSOCK), path)


def _tls_reason(error: ssl.SSLError) -> str:
    name = error.reason or ""
    # An end amid the handshake is of either kind, by the release of Python (3.11.2: the second).
    if name in _NO_TLS or isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "no TLS handshake; does it speak TLS there?"
    if "CERTIFICATE_REQUIRED" in name or "HANDSHAKE_FAILURE" in name:
        return "it refused TLS; does it want a client certificate?"
    if "ALERT" in name:
        return f"it refused TLS: {name.lower().replace('_', ' ')}"
    return f"TLS: {name.lower().replace('_', ' ') or error}"


def _root(error: BaseException) -> BaseException:
    """The innermost error that says something: trio wraps those of sockets and of TLS."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
            continue
        cause = error.__cause__
        says_enough = isinstance(error, OSError) and error.errno is not None
        if says_enough or not isinstance(cause, (OSError, BaseExceptionGroup)):
            return error
        error = cause
