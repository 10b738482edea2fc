"""What one input may do to the core without I/O: be understood, or be refused. Nothing else.

An input is one byte that says which side listens and in how large pieces the rest arrives.
"""

from __future__ import annotations

from typing import Any, Final

import am_rpc

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


def feed(data: bytes) -> tuple[int, bool]:
    """Return how many events an input led to, and whether it was refused in the end.

    Raises:
        Surprise: an event is not what it claims to be.
        Exception: whatever else the core raises, which is a finding too.
    """
    head, stream = (data[0] if data else 0), data[1:]
    client = bool(head & 1)
    protocol = am_rpc.Protocol(client=client, limits=LIMITS, states=3)
    for call_id, method in enumerate(ASKED, 1):
        protocol.expect(call_id, method)
    piece, events = PIECES[head >> 1 & 3], 0
    try:
        for start in range(0, len(stream), piece):
            protocol.receive_data(stream[start : start + piece])
            while (event := protocol.next_event()) is not None:
                events += 1
                check(event, client)
    except am_rpc.RpcError:
        _check_closed(protocol)
        return events, True
    return events, False


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
