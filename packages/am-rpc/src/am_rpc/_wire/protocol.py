"""The sans-IO core: bytes in, events out; messages in, bytes out.

It knows no clock, socket or machine. One `Protocol` serves one connection and one side of it. The
driver feeds what it read and takes events until there is none:

    protocol.receive_data(data)
    while (event := protocol.next_event()) is not None:
        ...

A message that is well framed but wrong inside becomes a `Refusal`, which a driver answers by
`send_refusal`; the connection goes on. Anything that breaks the framing raises `ProtocolError` or
`LimitExceeded`, after which the protocol is closed for good.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from .._errors import (
    ErrorCode,
    InvalidParams,
    InvalidResponse,
    LimitExceeded,
    ProtocolError,
    RpcError,
    error_from_wire,
)
from .._escape import escape
from .._options import Limits
from .._value import Value
from . import catalog_messages as catalog
from . import handshake_messages as w
from . import messages as m
from . import mutation_messages as mutating
from . import server_messages as news
from .args_chunks import ArgsChunk
from .codec import Decoder, check_value, pack
from .mutation_messages import MUTATIONS, Mutate, MutationResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .mutation_messages import Failure, Origin
    from .payload_chunks import Parcel
    from .server_messages import Record, Update

REQUEST, RESPONSE, NOTIFICATION = 0, 1, 2
_WITH_ARGS: Final = MUTATIONS | {"e", "c", "wa"}

_CLIENT_REQUESTS: Final[dict[str, Any]] = {
    kind.method: kind.parse
    for kind in (
        m.Hello, m.Auth, m.Ready, mutating.AddErr, m.Check, m.SyncRequest,
        m.ArgsRequest, m.WhenArgs, m.DropWhenArgs, m.Ping, catalog.ListRequest, m.Explain,
    )
}  # fmt: skip
_SERVER_REQUESTS: Final[dict[str, Any]] = {
    kind.method: kind.parse for kind in (news.Payload, m.Ping)
}
_CLIENT_NOTIFICATIONS: Final[dict[str, Any]] = {
    kind.method: kind.parse for kind in (m.Bye, m.Behind, ArgsChunk)
}
_SERVER_NOTIFICATIONS: Final[dict[str, Any]] = {
    "u": news.Update.parse,
    **{
        kind.method: kind.parse
        for kind in (
            news.Records, w.SchemaGrown, news.PayloadAnnounced, news.PayloadChunk,
            m.WhenArgs, news.SourceTouch, m.Bye,
        )
    },
}  # fmt: skip
_RESULTS: Final[dict[str, Callable[[Any], Any]]] = {
    "hello": w.parse_greeting,
    "auth": w.parse_greeting,
    **dict.fromkeys((*MUTATIONS, "e"), MutationResult.parse),
    "c": w.parse_check,
    "sync": w.Vector.parse,
    "args": w.parse_args_result,
    "ls": catalog.parse_page,
    "x": w.parse_lines,
}


class Request(Value):
    """The peer asks; answer with `send_result` or `send_refusal` under the same id."""

    __slots__ = ("id", "message", "size")

    def __init__(self, id: int, message: Any, size: int) -> None:
        self.id = id
        self.message = message
        self.size = size


class Notification(Value):
    """The peer says something that needs no answer."""

    __slots__ = ("message", "size")

    def __init__(self, message: Any, size: int) -> None:
        self.message = message
        self.size = size


class Response(Value):
    """The answer to a request of ours: `error` is None, or why it was refused."""

    __slots__ = ("error", "id", "method", "result")

    def __init__(self, id: int, method: str, error: RpcError | None, result: Any) -> None:
        self.id = id
        self.method = method
        self.error = error
        self.result = result


class Refusal(Value):
    """The peer sent a message that cannot be used. `id` is None if it wants no answer."""

    __slots__ = ("code", "id", "text")

    def __init__(self, id: int | None, code: ErrorCode, text: str) -> None:
        self.id = id
        self.code = code
        self.text = text


class Unasked(Value):
    """The peer answered what nobody asked, or asked twice. Nothing was kept of it."""

    __slots__ = ()


Event = Request | Notification | Response | Refusal | Unasked


class Protocol:
    """One side of one connection.

    Args:
        client: True on the side that sends `hello`.
        limits: bounds in bytes and counts.
        states: number of states, which raises the array limit of a server to twice as much.
        stranger: whether the peer has to introduce itself first, and may say little before that;
            see `admit`.
    """

    __slots__ = (
        "_decoder", "_failed", "_limits", "_notifications", "_raw", "_requests", "_states",
        "expected", "hello_digest", "is_client", "unasked",
    )  # fmt: skip

    def __init__(
        self,
        *,
        client: bool,
        limits: Limits | None = None,
        states: int = 0,
        stranger: bool = False,
    ) -> None:
        self.is_client = client
        self._limits = limits or Limits()
        self._states = states
        self._decoder = Decoder(self._limits, client=client, states=states, stranger=stranger)
        self._requests = _SERVER_REQUESTS if client else _CLIENT_REQUESTS
        self._notifications = _SERVER_NOTIFICATIONS if client else _CLIENT_NOTIFICATIONS
        # Requests of ours without a response yet: id -> method.
        self.expected: dict[int, str] = {}
        self._failed = False
        # Kept only until the hello was seen: its exact bytes are part of the authentication.
        self._raw: bytearray | None = None if client else bytearray()
        self.hello_digest = b""
        self.unasked = 0

    @property
    def awaited(self) -> int:
        """Return how many of our requests have no response yet."""
        return len(self.expected)

    def admit(self, states: int | None = None) -> None:
        """The peer was welcomed: from now on it may say what the limits allow a known one.

        `states` is how many the source has, if that was not known before.
        """
        if states is not None:
            self._states = states
        self._decoder.admit(self._limits, self._states)

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the peer.

        Raises:
            LimitExceeded: a message is too large.
            ProtocolError: the connection failed before.
        """
        if self._failed:
            raise ProtocolError("the connection has failed")
        try:
            self._decoder.feed(data)
        except RpcError:
            self._failed = True
            raise
        if self._raw is not None:
            self._raw += data

    def next_event(self) -> Event | None:
        """Return the next event, or None when more bytes are needed.

        Raises:
            ProtocolError: the bytes are no messages of this protocol.
            LimitExceeded: a message is too large or too deep.
        """
        if self._failed:
            raise ProtocolError("the connection has failed")
        try:
            if (value := self._decoder.next_value()) is not Decoder.MORE:
                event = self._parse_fast(value) if self._raw is None else None
                return self._event(value) if event is None else event
            return None
        except (ProtocolError, LimitExceeded):
            self._failed = True
            raise

    def _event(self, value: Any) -> Event:
        size = self._decoder.size
        if self._raw is not None:
            self._remember_hello(size, value)
        if type(value) is not list or not value or type(value[0]) is not int:
            raise ProtocolError("not a message")
        match value[0], len(value):
            case 0, 4:
                check_value(value, self._limits.depth, self._decoder.containers)
                return self._request(value[1], value[2], value[3], size)
            case 1, 4:
                return self._response(value)
            case 2, 3:
                check_value(value, self._limits.depth, self._decoder.containers)
                return self._parsed(None, value[1], value[2], size)
        raise ProtocolError("not a message")

    def _remember_hello(self, size: int, value: Any) -> None:
        assert self._raw is not None
        if type(value) is list and len(value) == 4 and value[2] == m.Hello.method:
            self.hello_digest = hashlib.sha256(self._raw[:size]).digest()
            self._raw = None
        else:
            del self._raw[:size]

    def _parse_fast(self, value: Any) -> Event | None:
        """Return the event of a mutation, of a payload, or of an answer to one of them, if it has
        the usual shape, else None.

        Nothing is kept of what is not usual; it is judged, and refused, on the long way.
        """
        if type(value) is not list or len(value) != 4:
            return None
        kind, call_id, method, params = value
        if type(kind) is not int or type(call_id) is not int:
            return None
        if kind == RESPONSE:
            return self._parse_response_fast(call_id, params) if method is None else None
        if (
            kind != REQUEST
            or type(method) is not str
            or type(params) is not list
            or not 0 <= call_id < 2**32
        ):
            return None
        size = self._decoder.size
        message: Any = None
        if self.is_client:
            if method == news.Payload.method:
                message = news.Payload.parse_fast(params)
        elif method in MUTATIONS and size <= self._limits.args:
            message = Mutate.parse_fast(method, params, self._limits)
        return None if message is None else Request(call_id, message, size)

    def _parse_response_fast(self, call_id: int, body: Any) -> Event | None:
        method = self.expected.get(call_id)
        if method is None:
            return None
        result = None
        if body is not None or method in _RESULTS:
            result = MutationResult.parse_fast(body) if method in MUTATIONS else None
            if result is None:
                return None
        del self.expected[call_id]
        return Response(call_id, method, None, result)

    def _request(self, call_id: Any, method: Any, params: Any, size: int) -> Event:
        if type(call_id) is not int or not 0 <= call_id < 2**32:
            raise ProtocolError("bad message id")
        return self._parsed(call_id, method, params, size)

    def _parsed(self, call_id: int | None, method: Any, params: Any, size: int) -> Event:
        if type(method) is not str or type(params) is not list:
            raise ProtocolError("not a message")
        if method in _WITH_ARGS and not self.is_client and size > self._limits.args:
            return Refusal(call_id, ErrorCode.TOO_LARGE, f"more than {self._limits.args} bytes")
        try:
            message = self._parse(call_id is None, method, params)
        except InvalidParams as error:
            return Refusal(call_id, error.code, str(error))
        if message is None:
            return Refusal(call_id, ErrorCode.UNKNOWN_METHOD, f"method {escape(method[:32])}")
        if call_id is None:
            return Notification(message, size)
        return Request(call_id, message, size)

    def _parse(self, one_way: bool, method: str, params: list[Any]) -> Any:
        if not self.is_client and method in MUTATIONS:
            return Mutate.parse_as(method, params, self._limits, one_way=one_way)
        parse = (self._notifications if one_way else self._requests).get(method)
        return None if parse is None else parse(params, self._limits)

    def _response(self, value: list[Any]) -> Event:
        _, call_id, error, result = value
        if type(call_id) is not int:
            raise ProtocolError("bad message id")
        method = self.expected.pop(call_id, None)
        check_value(value, self._limits.depth, self._decoder.containers)
        if method is None:
            self.unasked += 1
            return Unasked()
        if error is not None:
            return Response(call_id, method, _parse_error(error), None)
        try:
            parse: Callable[[Any], Any] = _RESULTS.get(method, w.parse_nil)
            parsed = parse(result)
        except InvalidParams as fault:
            raise InvalidResponse(f"{method}: {fault}") from fault
        return Response(call_id, method, None, parsed)

    def send_request(self, call_id: int, message: m.Message) -> bytes:
        """Return the bytes of a request, whose response will be looked for under `call_id`.

        Raises:
            EncodeError: a value in the message has no wire form.
        """
        data = pack((REQUEST, call_id, message.method, message.params()))
        self.expect(call_id, message.method)
        if message.method == m.Hello.method:
            self.hello_digest = hashlib.sha256(data).digest()
        return data

    @staticmethod
    def encode_mutation(
        seq: int,
        method: str,
        states: tuple[int, ...],
        args: Mapping[str, Any] | int,
        source: Origin | None,
    ) -> bytes:
        """Return the bytes of a request to mutate, as `encode_request` of a `Mutate` would be.

        Args that travel ahead are the number of their chunks here.
        """
        if source is not None:
            return pack((REQUEST, seq, method, (states, args, source.wire())))
        return pack((REQUEST, seq, method, (states, args) if args else (states,)))

    @staticmethod
    def encode_request(call_id: int, message: m.Message) -> bytes:
        """Return the bytes of a request that is sent later, maybe more than once; see `expect`.

        Raises:
            EncodeError: a value in the message has no wire form.
        """
        return pack((REQUEST, call_id, message.method, message.params()))

    def send_payload(self, call_id: int, parcel: Parcel) -> bytes:
        """Return the bytes of a call that delivers a payload; the response is looked for."""
        self.expect(call_id, news.Payload.method)
        return b"".join([b"\x94\x00", pack(call_id), pack(news.Payload.method), parcel.message()])

    def expect(self, call_id: int, method: str) -> None:
        """Look for the response to a request whose bytes were made before."""
        self.expected[call_id] = method

    @staticmethod
    def send_result(call_id: int, result: Any = None) -> bytes:
        """Return the bytes of a response; `result` is plain data or offers `wire()`."""
        wire = getattr(result, "wire", None)
        return pack((RESPONSE, call_id, None, result if wire is None else wire()))

    @staticmethod
    def send_outcome(
        call_id: int,
        executed: bool,
        update: Update | tuple[Record, ...] | None,
        failure: Failure | None = None,
    ) -> bytes:
        """Return the bytes of a response to a mutation, as of a `MutationResult`."""
        if failure is not None:
            return pack((RESPONSE, call_id, None, (int(executed), update, failure)))
        return pack((RESPONSE, call_id, None, (int(executed), update)))

    @staticmethod
    def send_refusal(call_id: int, code: int, text: str) -> bytes:
        """Return the bytes of an error response."""
        return pack((RESPONSE, call_id, (int(code), text[:1024]), None))

    @staticmethod
    def send_notification(message: m.Message) -> bytes:
        """Return the bytes of a notification.

        Raises:
            EncodeError: a value in the message has no wire form.
        """
        return pack((NOTIFICATION, message.method, message.params()))


def _parse_error(error: Any) -> RpcError:
    if type(error) is not list or len(error) < 2 or type(error[0]) is not int:
        raise InvalidResponse("error")
    if type(error[1]) is not str:
        raise InvalidResponse("error")
    return error_from_wire(error[0], escape(error[1][:1024]))
