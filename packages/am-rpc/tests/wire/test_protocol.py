"""The sans-IO core: what it refuses, what it forgives, and that nothing else can happen."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import am_rpc
from am_rpc import Protocol
from am_rpc._errors import ErrorCode, InvalidParams, InvalidResponse, error_from_wire
from am_rpc._wire import handshake_messages as w
from am_rpc._wire import messages as m
from am_rpc._wire import mutation_messages as mutating
from am_rpc._wire import protocol as p
from am_rpc._wire import server_messages as news


def events(data: bytes, *, client: bool = False, **options: Any) -> list[Any]:
    protocol = Protocol(client=client, **options)
    protocol.receive_data(data)
    found = []
    while (event := protocol.next_event()) is not None:
        found.append(event)
    return found


def refused(message: Any, *, client: bool = False) -> p.Refusal:
    (event,) = events(msgpack.packb(message), client=client)
    assert isinstance(event, p.Refusal), event
    return event


HELLO = {"v": 1, "id": "x", "se": bytes(8)}
BAD_REQUESTS = [
    ("nope", [], ErrorCode.UNKNOWN_METHOD),
    ("hello", [], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"id": ""}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"id": "x" * 257}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"se": bytes(7)}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"se": "text"}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"v": True}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"hash": b"short"}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"kid": 1}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"last": 1}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"sync": []}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"sync": {"schema": 1}}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"sync": {"allowed": [1]}}], ErrorCode.INVALID_PARAMS),
    ("hello", [HELLO | {"sync": {"skipped": "A"}}], ErrorCode.INVALID_PARAMS),
    ("auth", [bytes(31), bytes(32)], ErrorCode.INVALID_PARAMS),
    ("auth", [bytes(32)], ErrorCode.INVALID_PARAMS),
    ("a", [], ErrorCode.INVALID_PARAMS),
    ("a", [[-1]], ErrorCode.INVALID_PARAMS),
    ("a", [[True]], ErrorCode.INVALID_PARAMS),
    ("a", [[2**63]], ErrorCode.INVALID_PARAMS),
    ("a", [["A"]], ErrorCode.INVALID_PARAMS),
    ("a", [[1], [1]], ErrorCode.INVALID_PARAMS),
    ("a", [[1], {"_x": 1}], ErrorCode.INVALID_PARAMS),
    ("a", [[1], {"not ok": 1}], ErrorCode.INVALID_PARAMS),
    ("a", [[1], {"x" * 129: 1}], ErrorCode.INVALID_PARAMS),
    ("a", [[1], {f"x{n}": 1 for n in range(257)}], ErrorCode.INVALID_PARAMS),
    ("a", [[1], {}, "src"], ErrorCode.INVALID_PARAMS),
    ("a", [[1], {}, ["a", "b", "c", 1]], ErrorCode.INVALID_PARAMS),
    ("a", [[1], {"x": "y" * 65_500}, ["a" * 100, "b", 1, 1]], ErrorCode.TOO_LARGE),
    ("e", [[1], {}], ErrorCode.INVALID_PARAMS),
    ("e", [[1], {"t": "T", "m": 1}], ErrorCode.INVALID_PARAMS),
    ("e", [[1], {"t": "T", "m": "x", "tb": 1}], ErrorCode.INVALID_PARAMS),
    ("c", [2, [1]], ErrorCode.INVALID_PARAMS),
    ("wa", ["t", 0, {}], ErrorCode.INVALID_PARAMS),
    ("wx", [], ErrorCode.INVALID_PARAMS),
    ("p", [1, "x"], ErrorCode.UNKNOWN_METHOD),
]


@pytest.mark.parametrize(("method", "params", "code"), BAD_REQUESTS)
def test_a_bad_request_is_refused_and_the_connection_goes_on(
    method: str, params: Any, code: ErrorCode
) -> None:
    bad = msgpack.packb([0, 9, method, params])
    refusal, ping = events(bad + msgpack.packb([0, 10, "ping", []]))
    assert (refusal.id, refusal.code) == (9, code)
    assert ping.message == m.Ping()


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("u", []),
        ("u", [[0, 1], 0, 0, 2**16]),
        ("u", ["x", 0, 0, 0]),
        ("um", [[0, [1]]]),
        ("um", [[4, [1], [[], 0, 0, 0]]]),
        ("schema", [{}]),
        ("schema", [{"names": ["A", "A"], "t": [0, 0], "q": 1, "m": 0, "n": 2}]),
        ("schema", [{"names": ["A"], "t": [0, 0], "q": 1, "m": 0, "n": 2}]),
        ("schema", [{"names": ["A"], "schema": {"B": {}}, "t": [0], "q": 1, "m": 0, "n": 1}]),
        ("schema", [{"names": ["A"], "untracked": [1], "t": [0], "q": 1, "m": 0, "n": 1}]),
        ("pd", [1, "x"]),
        ("pc", [1, 0, 1, "text"]),
        ("wa", []),
        ("src", [1]),
        ("bye", ["x" * 300]),
        ("a", [1, [1]]),
    ],
)
def test_a_bad_notification_is_refused_without_an_answer(method: str, params: Any) -> None:
    refusal = refused([2, method, params], client=True)
    assert refusal.id is None


@pytest.mark.parametrize(
    "message",
    [
        None,
        1,
        "text",
        {},
        [],
        [0],
        [3, 1, "ping", []],
        [True, 1, "ping", []],
        [0, 1, "ping"],
        [0, -1, "ping", []],
        [0, 2**32, "ping", []],
        [0, "1", "ping", []],
        [0, 1, 5, []],
        [0, 1, "ping", {}],
        [2, "bye", [], 1],
        [2, "bye", None],
        [1, "x", None, None],
        [0, 1, "ping", [{1: 2}]],
        [0, 1, "ping", [{b"x": 2}]],
        [0, 1, "ping", [msgpack.Timestamp(1)]],
        [0, 1, "ping", [msgpack.ExtType(5, b"")]],
        [0, 1, "ping", [msgpack.ExtType(5, b"x")]],
    ],
)
def test_nonsense_ends_the_connection_for_good(message: Any) -> None:
    protocol = Protocol(client=False)
    protocol.receive_data(msgpack.packb(message))
    with pytest.raises(am_rpc.RpcError):
        protocol.next_event()
    with pytest.raises(am_rpc.ProtocolError, match="failed"):
        protocol.next_event()
    with pytest.raises(am_rpc.ProtocolError, match="failed"):
        protocol.receive_data(b"")


def test_depth_and_sizes_are_bounded_before_anything_is_kept() -> None:
    deep = b"\x94\x00\x01\xa4ping" + b"\x91" * 40 + b"\x90"
    with pytest.raises(am_rpc.LimitExceeded):
        events(deep)
    with pytest.raises(am_rpc.ProtocolError):
        events(b"\x91" * 3000)
    with pytest.raises(am_rpc.ProtocolError):
        events(b"\xdd\xff\xff\xff\xff")
    with pytest.raises(am_rpc.ProtocolError):
        events(b"\xdf\x00\x00\xff\xff")
    with pytest.raises(am_rpc.RpcError):
        events(b"\xdb\x7f\xff\xff\xff" + b"x" * 1_100_000)
    with pytest.raises(am_rpc.ProtocolError):
        events(b"\xc1")
    with pytest.raises(am_rpc.ProtocolError):
        events(b"\xa2\xff\xfe")


def test_an_endless_message_is_cut_at_the_limit() -> None:
    limits = am_rpc.Limits(message=10_000, text=1000)
    protocol = Protocol(client=False, limits=limits)
    protocol.receive_data(b"\xdc\x04\x00")
    for _ in range(11):
        protocol.receive_data(b"\xc5\x03\x84" + b"x" * 900)
        assert protocol.next_event() is None
    protocol.receive_data(b"\xc5\x03\x84" + b"x" * 900)
    with pytest.raises(am_rpc.LimitExceeded):
        protocol.next_event()
    protocol = Protocol(client=False, limits=limits)
    with pytest.raises(am_rpc.LimitExceeded):
        protocol.receive_data(b"x" * 10_001)


def test_a_server_of_many_states_takes_longer_arrays() -> None:
    message = msgpack.packb([0, 1, "a", [list(range(3000))]])
    with pytest.raises(am_rpc.ProtocolError):
        events(message)
    (event,) = events(message, states=2000)
    assert len(event.message.states) == 3000


def test_extra_params_are_ignored_and_missing_ones_take_defaults() -> None:
    (event,) = events(msgpack.packb([0, 1, "a", [[1], {}, None, "new", 5]]))
    assert event.message == mutating.Mutate("a", (1,))
    (event,) = events(msgpack.packb([2, "bye", []]))
    assert event.message == m.Bye("")
    (event,) = events(msgpack.packb([0, 1, "hello", [{"v": 7, "new": True}]]))
    assert event.message.v == 7


def test_responses_that_nobody_asked_for_are_ignored_and_counted() -> None:
    protocol = Protocol(client=True)
    protocol.expect(2, "ping")
    assert protocol.awaited == 1
    protocol.receive_data(b"".join(msgpack.packb([1, n, None, None]) for n in (1, 2, 3, 2)))
    assert protocol.next_event() == p.Unasked()
    assert protocol.next_event() == p.Response(2, "ping", None, None)
    assert [protocol.next_event() for _ in range(2)] == [p.Unasked()] * 2
    assert protocol.next_event() is None
    assert protocol.unasked == 3


@pytest.mark.parametrize(
    ("method", "error", "result"),
    [
        ("a", None, None),
        ("a", None, [2, None]),
        ("a", None, [1, 5]),
        ("a", None, [1, [[0, 1], 0, 0, -1]]),
        ("a", None, [1, [1, 2]]),
        ("c", None, 2),
        ("sync", None, [[1], 1]),
        ("args", None, {"A": "x"}),
        ("hello", None, {"v": 2}),
        ("hello", None, {"v": 1, "auth": b"short"}),
        ("hello", None, {"v": 1, "id": "x"}),
        ("ping", "text", None),
        ("ping", ["x", "y"], None),
        ("ping", [1, 2], None),
    ],
)
def test_an_answer_that_is_none_breaks_the_connection(method: str, error: Any, result: Any) -> None:
    protocol = Protocol(client=True)
    protocol.expect(1, method)
    protocol.receive_data(msgpack.packb([1, 1, error, result]))
    with pytest.raises(InvalidResponse):
        protocol.next_event()


def test_every_error_code_has_its_exception() -> None:
    kinds = {code: type(error_from_wire(code, "x")).__name__ for code in ErrorCode}
    assert kinds == {
        1: "ProtocolError",
        2: "VersionMismatch",
        3: "NoAccess",
        4: "ProtocolError",
        5: "InvalidParams",
        6: "InvalidParams",
        7: "LimitExceeded",
        8: "NotConnected",
        9: "NetworkError",
        10: "NotConnected",
        11: "RpcError",
        12: "OutcomeUnknown",
        13: "WrongDestination",
    }
    assert all(error_from_wire(code, "x").code == code for code in ErrorCode)
    assert type(error_from_wire(99, "x")) is am_rpc.RpcError
    assert str(am_rpc.RemoteError("T", "")) == "T"


MESSAGES: list[Any] = [
    m.Hello("rc-a", bytes(8), hash=bytes(16), sync=None, kid="k", last=bytes(8)),
    m.Auth(bytes(32), bytes(range(32))),
    m.Ready(),
    mutating.Mutate("s", (0, 1), {"x": [1]}, mutating.Origin("a", "b", 3, 1)),
    mutating.Mutate("t", (), {}),
    mutating.AddErr((1,), "T", "m", "tb", {"x": 1}, mutating.Origin("a", "b", 3, 1)),
    mutating.AddErr((1,), "T", "m"),
    m.Check(1, (2,), {"x": 1}),
    m.SyncRequest(),
    m.ArgsRequest(),
    m.WhenArgs(1, 2, {"x": 1}),
    m.DropWhenArgs(3),
    m.Ping(),
]
SHAPE = w.Shape(("A", "B"), {"A": {"auto": True}, "B": {}}, w.Vector((1, 2), 3, 4), 2, (1,))
FROM_SERVER: list[Any] = [
    news.Update((0, 1), 1, 0, 5),
    news.Records((news.Record(3, (1,), news.Update((), 1, 0, 5)),)),
    w.SchemaGrown(SHAPE),
    news.PayloadAnnounced(1, "x", 2),
    news.PayloadChunk(1, 0, 2, b"x"),
    m.WhenArgs(4),
    news.SourceTouch(False),
    m.Bye("drain"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.method)
def test_requests_survive_the_trip(message: Any) -> None:
    protocol = Protocol(client=True)
    (event,) = events(protocol.send_request(3, message))
    assert event.message == message
    assert Protocol.encode_request(3, message) == protocol.send_request(3, message)


@pytest.mark.parametrize("message", FROM_SERVER, ids=lambda message: message.method)
def test_notifications_survive_the_trip(message: Any) -> None:
    (event,) = events(Protocol.send_notification(message), client=True)
    assert event.message == message


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("hello", w.Challenge(bytes(32))),
        ("hello", w.Welcome("src", bytes(8), SHAPE, True, 5, 0.25, {"args": 1}, True, 2)),
        ("auth", w.Welcome("src", bytes(8), SHAPE, mac=bytes(32))),
        ("hello", w.Welcome("src", bytes(8), SHAPE, parent="boss")),
        ("a", mutating.MutationResult(False)),
        ("a", mutating.MutationResult(True, news.Update((0, 1), 1, 0, 5))),
        ("a", mutating.MutationResult(True, (news.Record(0, (1,), news.Update((), 1, 0, 5)),))),
        ("sync", w.Vector((1,), 2, 3)),
        ("args", {"A": ("x", "y")}),
    ],
)
def test_results_survive_the_trip(method: str, result: Any) -> None:
    protocol = Protocol(client=True)
    protocol.expect(1, method)
    protocol.receive_data(Protocol.send_result(1, result))
    event = protocol.next_event()
    assert isinstance(event, p.Response)
    assert event.result == result


def test_both_ends_digest_the_same_hello() -> None:
    client, server = Protocol(client=True), Protocol(client=False)
    server.receive_data(client.send_notification(m.Bye("x")))
    assert server.next_event() is not None
    hello = client.send_request(1, m.Hello("rc-a", bytes(8)))
    server.receive_data(hello[:5])
    assert server.next_event() is None
    server.receive_data(hello[5:])
    assert server.next_event() is not None
    assert client.hello_digest == server.hello_digest != b""
    server.receive_data(client.send_request(2, m.Ping()))
    assert server.next_event() is not None


def test_what_cannot_be_encoded_says_so() -> None:
    for value in (object(), 2**64, "\ud800"):
        with pytest.raises(am_rpc.EncodeError):
            Protocol.send_notification(m.Bye(value))  # type: ignore[arg-type]
    assert Protocol.send_notification(m.Bye("x"))


def test_parse_helpers_refuse_wrong_records() -> None:
    with pytest.raises(InvalidParams):
        mutating.MutationResult.parse([1, [[0, [1]]]])


SEED = b"".join(
    [Protocol(client=True).send_request(n, message) for n, message in enumerate(MESSAGES)]
    + [Protocol.send_notification(message) for message in FROM_SERVER]
    + [Protocol.send_result(1, mutating.MutationResult(True, news.Update((0, 1), 1, 0, 5)))]
)


def drain(protocol: Protocol, data: bytes) -> None:
    try:
        protocol.receive_data(data)
        while protocol.next_event() is not None:
            pass
    except am_rpc.RpcError:
        pass


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_arbitrary_bytes_never_raise_anything_else(parts: list[bytes], client: bool) -> None:
    protocol = Protocol(client=client, limits=am_rpc.Limits(message=500, client_message=500))
    for part in parts:
        drain(protocol, part)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), max_size=8),
    st.booleans(),
)
def test_mutated_sessions_never_raise_anything_else(
    changes: list[tuple[int, int]], client: bool
) -> None:
    data = bytearray(SEED)
    for at, byte in changes:
        data[at] = byte
    protocol = Protocol(client=client)
    for call_id in range(20):
        protocol.expect(call_id, "a")
    drain(protocol, bytes(data))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5)
    | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted({*p._CLIENT_REQUESTS, *p._SERVER_NOTIFICATIONS, "a"})), st.data())
def test_well_framed_nonsense_becomes_an_event(method: str, data: st.DataObject) -> None:
    params = data.draw(st.lists(VALUES, max_size=4))
    client = data.draw(st.booleans())
    message = data.draw(st.sampled_from(([0, 1, method, params], [2, method, params])))
    (event,) = events(msgpack.packb(message), client=client)
    assert isinstance(event, p.Request | p.Notification | p.Refusal)
    if isinstance(event, p.Refusal):
        answer = Protocol.send_refusal(1, event.code, event.text)
        assert msgpack.unpackb(answer)[2] == [event.code, event.text]
