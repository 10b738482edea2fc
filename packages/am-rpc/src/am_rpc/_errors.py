"""Every error of the package, and the codes that stand for them on the wire.

The class says what the caller can do about it: `RpcError` and its direct leaves mean that one of
the two programs is at fault, `NetworkError` that the world is, `DeliveryError` that a payload did
not arrive. A mutation that was refused is a result, never an exception.
"""

from __future__ import annotations

from enum import IntEnum

from ._escape import escape


class ErrorCode(IntEnum):
    """Numbers of the `[code, text]` pair in an error response."""

    MALFORMED = 1
    VERSION = 2
    NO_ACCESS = 3
    UNKNOWN_METHOD = 4
    INVALID_PARAMS = 5
    UNKNOWN_STATE = 6
    TOO_LARGE = 7
    NOT_READY = 8
    BUSY = 9
    DISPOSED = 10
    INTERNAL = 11
    SESSION_LOST = 12
    WRONG_DESTINATION = 13


class RpcError(Exception):
    """Base of everything this package raises; `code` is the wire code that fits it."""

    code: ErrorCode = ErrorCode.INTERNAL


class ProtocolError(RpcError):
    """The peer sent bytes or messages that the protocol does not allow; the connection ends."""

    code = ErrorCode.MALFORMED


class InvalidParams(RpcError):
    """A call had parameters of the wrong shape, type or value; only that call fails."""

    def __init__(self, text: str, code: ErrorCode = ErrorCode.INVALID_PARAMS) -> None:
        super().__init__(text)
        self.code = code


class InvalidResponse(ProtocolError):
    """The peer answered a request with something that is no answer to it."""


class LimitExceeded(RpcError):
    """A size, count or depth passed one of the `Limits`; nothing beyond it was kept."""

    code = ErrorCode.TOO_LARGE


class VersionMismatch(RpcError):
    """The peers have no protocol version in common; retrying cannot help."""

    code = ErrorCode.VERSION


class NoAccess(RpcError):
    """The server knows who asked and says no: wrong secret, id, or a state out of reach."""

    code = ErrorCode.NO_ACCESS


class ReadOnlyMachine(RpcError):
    """A replica without a connection was to be mutated, or its source to be asked."""

    code = ErrorCode.NO_ACCESS


class NetworkError(RpcError):
    """The connection broke or could not be made; a client retries by itself."""

    code = ErrorCode.BUSY


class NotConnected(NetworkError):
    """There is no usable peer at this moment."""

    code = ErrorCode.NOT_READY


class SlowPeer(NetworkError):
    """The peer does not read what is sent to it, so the connection was closed."""


class NoMachine(NetworkError):
    """The address has several machines, and not the one that was named, or none was named.

    A machine that the key does not open looks as if it did not exist.
    """

    code = ErrorCode.BUSY


class NetworkTimeout(NetworkError, TimeoutError):
    """A deadline of seconds passed before the peer answered."""


class DeliveryError(RpcError):
    """A payload was not taken by a consumer within its deadline."""


class WrongDestination(DeliveryError):
    """A payload was addressed to a client id that is not connected here."""

    code = ErrorCode.WRONG_DESTINATION


class OutcomeUnknown(RpcError):
    """A mutation was written, and nobody knows whether it ran: once or not at all.

    Either the server lost its session, or it ended two connections when this was sent.
    """

    code = ErrorCode.SESSION_LOST


class EncodeError(RpcError, TypeError):
    """An argument cannot travel: it has no wire form, or is more than its receiver takes.

    The text names the argument and the limit. Nothing was sent.
    """

    code = ErrorCode.INVALID_PARAMS


class PayloadTooLarge(EncodeError, LimitExceeded):
    """A payload is larger than its receiver, or this side, takes."""

    code = ErrorCode.TOO_LARGE


class RemoteError(RpcError):
    """An error that was reported on a network machine, as the source sees it.

    `type_name` is text and nothing else: no class is looked up by it. The error's own text has
    what cannot be printed as escapes; `message` is as it came.
    """

    def __init__(self, type_name: str, message: str, trace: str | None = None) -> None:
        super().__init__(escape(f"{type_name}: {message}" if message else type_name))
        self.type_name = type_name
        self.message = message
        self.trace = trace


def error_from_wire(code: int, text: str) -> RpcError:
    """Return the exception that an error response stands for."""
    match code:
        case ErrorCode.MALFORMED | ErrorCode.UNKNOWN_METHOD:
            error: RpcError = ProtocolError(text)
        case ErrorCode.VERSION:
            error = VersionMismatch(text)
        case ErrorCode.NO_ACCESS:
            error = NoAccess(text)
        case ErrorCode.INVALID_PARAMS | ErrorCode.UNKNOWN_STATE:
            error = InvalidParams(text)
        case ErrorCode.TOO_LARGE:
            error = LimitExceeded(text)
        case ErrorCode.NOT_READY | ErrorCode.DISPOSED:
            error = NotConnected(text)
        case ErrorCode.BUSY:
            error = NetworkError(text)
        case ErrorCode.SESSION_LOST:
            error = OutcomeUnknown(text)
        case ErrorCode.WRONG_DESTINATION:
            error = WrongDestination(text)
        case _:
            error = RpcError(text)
    if code in ErrorCode._value2member_map_:
        error.code = ErrorCode(code)
    return error
