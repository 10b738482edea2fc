"""Every row of the specification's table of bytes, encoded and decoded."""

from __future__ import annotations

from typing import Any

import pytest

from am_rpc import Protocol
from am_rpc._errors import ErrorCode, InvalidParams
from am_rpc._wire import handshake_messages as w
from am_rpc._wire import messages as m
from am_rpc._wire import mutation_messages as mutating
from am_rpc._wire import protocol as p
from am_rpc._wire import server_messages as news

HELLO = (
    "94 00 01 a5 68 65 6c 6c 6f 91 83 a1 76 01 a2 69 64 a4 72 63 2d 61 "
    "a2 73 65 c4 08 00 01 02 03 04 05 06 07"
)
TWO_RECORDS = "93 02 a2 75 6d 92 93 00 91 01 94 92 01 01 01 00 0a 93 00 91 00 94 92 00 01 01 00 0c"
BAR_ADDED = news.Update((1, 1), 1, 0, 10)

FROM_CLIENT: list[tuple[str, int | None, Any]] = [
    (HELLO, 1, m.Hello("rc-a", bytes(range(8)))),
    ("94 00 02 a5 72 65 61 64 79 90", 2, m.Ready()),
    ("94 00 07 a1 61 92 91 01 81 a1 78 01", 7, mutating.Mutate("a", (1,), {"x": 1})),
    ("94 00 08 a1 72 91 91 01", 8, mutating.Mutate("r", (1,))),
    ("93 02 a1 61 92 08 91 01", None, mutating.Mutate("a", (1,), seq=8)),
    ("94 00 09 a4 73 79 6e 63 90", 9, m.SyncRequest()),
    ("94 00 0c a2 77 61 93 03 00 81 a2 69 64 7b", 12, m.WhenArgs(3, 0, {"id": 123})),
    ("94 00 0d a4 70 69 6e 67 90", 13, m.Ping()),
    ("93 02 a3 62 79 65 91 a4 73 74 6f 70", None, m.Bye("stop")),
]
FROM_SERVER: list[tuple[str, int | None, Any]] = [
    ("93 02 a1 75 94 94 00 02 01 01 03 00 0e", None, news.Update((0, 2, 1, 1), 3, 0, 14)),
    (
        TWO_RECORDS,
        None,
        news.Records(
            (news.Record(0, (1,), BAR_ADDED), news.Record(0, (0,), news.Update((0, 1), 1, 0, 12)))
        ),
    ),
    ("94 00 03 a1 70 93 01 a2 73 71 04", 3, news.Payload(1, "sq", 4)),
    ("93 02 a2 77 61 91 03", None, m.WhenArgs(3)),
    ("94 00 0d a4 70 69 6e 67 90", 13, m.Ping()),
    ("93 02 a3 62 79 65 91 a4 73 74 6f 70", None, m.Bye("stop")),
]
RESPONSES: list[tuple[str, int, str, Any]] = [
    ("94 01 02 c0 c0", 2, "ready", None),
    ("94 01 07 c0 92 01 94 92 01 01 01 00 0a", 7, "a", mutating.MutationResult(True, BAR_ADDED)),
    ("94 01 09 c0 93 93 03 01 00 07 00", 9, "sync", w.Vector((3, 1, 0), 7, 0)),
    ("94 01 0d c0 c0", 13, "ping", None),
]


def encode(call_id: int | None, message: Any, *, client: bool) -> bytes:
    protocol = Protocol(client=client)
    if call_id is None:
        return protocol.send_notification(message)
    return protocol.send_request(call_id, message)


def decode(data: bytes, *, client: bool) -> Any:
    protocol = Protocol(client=client)
    protocol.receive_data(data)
    event = protocol.next_event()
    assert protocol.next_event() is None
    return event


@pytest.mark.parametrize(("row", "call_id", "message"), FROM_CLIENT)
def test_client_messages_have_the_bytes_of_the_table(row: str, call_id: int | None, message: Any):
    data = bytes.fromhex(row)
    assert encode(call_id, message, client=True) == data
    event = decode(data, client=False)
    assert event.message == message
    assert getattr(event, "id", None) == call_id
    assert event.size == len(data)


@pytest.mark.parametrize(("row", "call_id", "message"), FROM_SERVER)
def test_server_messages_have_the_bytes_of_the_table(row: str, call_id: int | None, message: Any):
    data = bytes.fromhex(row)
    assert encode(call_id, message, client=False) == data
    event = decode(data, client=True)
    assert event.message == message
    assert getattr(event, "id", None) == call_id


@pytest.mark.parametrize(("row", "call_id", "method", "result"), RESPONSES)
def test_responses_have_the_bytes_of_the_table(row: str, call_id: int, method: str, result: Any):
    data = bytes.fromhex(row)
    assert Protocol.send_result(call_id, result) == data
    protocol = Protocol(client=True)
    protocol.expect(call_id, method)
    protocol.receive_data(data)
    assert protocol.next_event() == p.Response(call_id, method, None, result)


def test_a_refusal_has_the_bytes_of_the_table() -> None:
    data = bytes.fromhex("94 01 08 92 06 a7 73 74 61 74 65 20 39 c0")
    assert Protocol.send_refusal(8, ErrorCode.UNKNOWN_STATE, "state 9") == data
    protocol = Protocol(client=True)
    protocol.expect(8, "r")
    protocol.receive_data(data)
    event = protocol.next_event()
    assert isinstance(event, p.Response)
    assert isinstance(event.error, InvalidParams)
    assert str(event.error) == "state 9"
    assert event.error.code == ErrorCode.UNKNOWN_STATE


def test_the_table_decodes_one_byte_at_a_time_too() -> None:
    protocol = Protocol(client=False)
    for row, _, message in FROM_CLIENT:
        data = bytes.fromhex(row)
        for byte in data[:-1]:
            protocol.receive_data(bytes([byte]))
            assert protocol.next_event() is None
        protocol.receive_data(data[-1:])
        event = protocol.next_event()
        assert isinstance(event, p.Request | p.Notification)
        assert event.message == message
