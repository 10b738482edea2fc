"""What one input may do to the core without I/O: be understood, or be refused. Nothing else.

An input is one byte that says which side listens and in how large pieces the rest arrives. It is
heard twice, once without the short way that the core has for usual messages: both must hear the
same.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack
from inputs import HELLO

import am_rpc

GREETING: Final = msgpack.packb([0, 1, "hello", [HELLO]])
# Small, so that short inputs reach the bounds as well.
LIMITS: Final = am_rpc.Limits(
    message=4000, client_message=6000, text=500, client_text=600, args=400, payload=5000, chunk=100
)
PIECES: Final = (1 << 20, 1, 7, 64)
# What the first byte of an input can mean: side, pieces, and whether hands are shaken before.
HEADS: Final = 16
# One request of each kind of answer, under the ids of the recorded session.
ASKED: Final = ("hello", "ready", "a", "e", "t", "sync", "args", "c", "auth", "wa", "p")


class Surprise(AssertionError):
    """The core did something that it must not."""


class LongWay(am_rpc.Protocol):
    """The same core without its short way."""

    __slots__ = ()

    def _parse_fast(self, value: Any) -> None:
        return None


assert hasattr(am_rpc.Protocol, "_parse_fast"), "there is no short way to leave out"


def feed(data: bytes) -> tuple[int, bool]:
    """Return how many events an input led to, and whether it was refused in the end.

    Raises:
        Surprise: an event is not what it claims to be, or depends on the way.
        Exception: whatever else the core raises, which is a finding too.
    """
    head, stream = (data[0] if data else 0), data[1:]
    short, long = _hear(am_rpc.Protocol, head, stream), _hear(LongWay, head, stream)
    # Compared as text: not a number is unlike itself.
    if repr(short) != repr(long):
        raise Surprise(f"the short way hears {short}, the long one {long}")
    events, refusal = short
    for event in events:
        check(event, bool(head & 1))
    return len(events), refusal is not None


def _hear(core: type[am_rpc.Protocol], head: int, stream: bytes) -> tuple[list[Any], Any]:
    """Return the events of a stream, and the error that ended it."""
    client = bool(head & 1)
    is_greeted = bool(head & 8)
    stranger = not client and not is_greeted
    protocol = core(client=client, limits=LIMITS, states=3, stranger=stranger)
    if not client and is_greeted:
        protocol.receive_data(GREETING)
        protocol.next_event()
    for call_id, method in enumerate(ASKED, 1):
        protocol.expect(call_id, method)
    piece, events = PIECES[head >> 1 & 3], []
    try:
        for start in range(0, len(stream), piece):
            protocol.receive_data(stream[start : start + piece])
            while (event := protocol.next_event()) is not None:
                events.append(event)
    except am_rpc.RpcError as error:
        _check_closed(protocol)
        return events, (type(error).__name__, str(error))
    return events, None


def _check_closed(protocol: am_rpc.Protocol) -> None:
    for use in (protocol.next_event, lambda: protocol.receive_data(b"\xc0")):
        try:
            use()
        except am_rpc.ProtocolError:
            continue
        raise Surprise("a protocol that failed goes on")


def check(event: Any, client: bool) -> None:
    """Raise `Surprise` unless an event can be answered, or said again to the same effect."""
    match type(event).__name__:
        case "Refusal":
            _check_refusal(event)
        case "Request":
            again = am_rpc.Protocol.encode_request(event.id, event.message)
            _check_same(event, again, client)
        case "Notification":
            again = am_rpc.Protocol.send_notification(event.message)
            _check_same(event, again, client)
        case "Response":
            _check_response(event)
        case "Unasked":
            pass
        case other:
            raise Surprise(f"an event {other}")


def _check_refusal(refusal: Any) -> None:
    answer = am_rpc.Protocol.send_refusal(refusal.id or 0, refusal.code, refusal.text)
    if len(answer) > 4200:
        raise Surprise(f"a refusal of {len(answer)} bytes")
    peer = am_rpc.Protocol(client=False)
    peer.expect(refusal.id or 0, "ping")
    peer.receive_data(answer)
    told: Any = peer.next_event()
    if type(told).__name__ != "Response" or not isinstance(told.error, am_rpc.RpcError):
        raise Surprise(f"a refusal that is none: {answer!r}")


def _check_same(event: Any, again: bytes, client: bool) -> None:
    protocol = am_rpc.Protocol(client=client, limits=am_rpc.Limits(), states=3)
    protocol.receive_data(again)
    second: Any = protocol.next_event()
    if type(second) is not type(event):
        raise Surprise(f"{event} became {second}")
    # Compared as bytes: not a number is unlike itself.
    if type(event).__name__ == "Request":
        third = am_rpc.Protocol.encode_request(event.id, second.message)
    else:
        third = am_rpc.Protocol.send_notification(second.message)
    if third != again:
        raise Surprise(f"{again!r} became {third!r}")


def _check_response(response: Any) -> None:
    if response.error is not None:
        if not isinstance(response.error, am_rpc.RpcError):
            raise Surprise(f"an error {response.error!r}")
        return
    if response.result is None:
        return
    wire = getattr(response.result, "wire", None)
    data = am_rpc.Protocol.send_result(1, response.result)
    if wire is None:
        return
    peer = am_rpc.Protocol(client=True, states=3)
    peer.expect(1, response.method)
    peer.receive_data(data)
    second: Any = peer.next_event()
    if am_rpc.Protocol.send_result(1, second.result) != data:
        raise Surprise(f"{response.result} became {second.result}")
