"""The wire form of the stream: golden bytes, round trips, limits, and what untrusted bytes do."""

from __future__ import annotations

import os
import random
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import am_machine as am
from am_telemetry._dbg import encode as e
from am_telemetry._dbg import messages as m
from am_telemetry._dbg.codec import Decoder
from am_telemetry._errors import DecodeError

PROCESS = m.Process("0123456789abcdef", 42, "host", "run.py", "am-telemetry 0.1.0", 7, ("ff",))
TX = m.Tx(b"abcdefgh", 1_700_000_000_000_000, 0, 1, (3,), (3, 1, 5, 2), 77)
FULL = TX._replace(
    flags=1 | 16 | 32,
    source=("other", b"12345678", 9),
    args={"id": 5, "ok": True, "none": None, "f": 0.5, "text": "…x"},
    duration=120,
    queue_len=2,
    number=8,
    log=((1, "line"),),
    vetoed=("AEnter",),
    stack=("a.py:1 f",),
    handlers=(("AState", 100),),
    clock=(1, 2, 3, 4, 5, 6),
)
SCHEMA = m.SchemaDef(
    b"h" * 16,
    ("A", "B", "Exception"),
    (
        m.StateDef(require=(1,), tags=("t",), doc="what A is"),
        m.StateDef(auto=True, add=(0,), remove=(2,), after=(0,)),
        m.StateDef(multi=True),
    ),
    (("Group", (0, 1)),),
)
MACH = m.Mach(
    5, "id", "parent", ("tag",), b"h" * 16, ("AState",), (1, 0, 2), 4,
    (m.PipeDef("out", "add", "A", "other"),), "am-machine 0.2.0", PROCESS,
)  # fmt: skip
ALL: list[m.Message] = [
    m.Hello(1, PROCESS, ("detail", "stack")),
    m.Auth(b"n" * 32, b"m" * 32),
    m.Welcome(("detail",)),
    m.Challenge(b"n" * 32),
    m.Proof(b"m" * 32, ("detail",)),
    m.Refusal(1, "no"),
    SCHEMA,
    MACH,
    m.Txs(((5, TX), (6, FULL), (5, TX._replace(flags=8, number=3)))),
    m.Log(5, 8, 2, "a line"),
    m.PendingMsg(5, (m.PendingDef("wait", "when Foo", ("Foo",), 12),)),
    m.PendingMsg(6, (m.PendingDef("task", "t", (), None),)),
    m.Gone(5, 9),
    m.Left(5),
    m.Drop(5, 100, 9),
    m.Ping(),
    m.Fault("why"),
    m.Detail(5, 2),
    m.Ask(5, "pending"),
    m.Ack(256),
    m.View(None, None),
    m.View(9, ("a", "b")),
    m.Chunk(3, 9),
    m.DumpBegin(1, PROCESS),
    m.DumpEnd(((10, 9, 4096),), 2, 5000, 3),
]  # fmt: skip
# Each written down once, so that a change of the protocol is seen.
GOLDEN = {
    m.Ping(): "9302a8646267 2e70696e6790",
    m.Ack(256): "9302a76462672e61636b91cd0100",
    m.Detail(5, 2): "9302aa6462672e64657461696c920502",
    m.Drop(5, 100, 9): "9302a86462672e64726f7093056409",
    m.Gone(5, 9): "9302a86462672e676f6e65920509",
    m.Left(5): "9302a86462672e6c6566749105",
    m.Welcome(("detail",)): "940101c091a664657461696c",
    m.Challenge(b"n" * 32): "940101c081a461757468c420" + "6e" * 32,
    m.Refusal(1, "no"): "940101a26e6fc0",
    # Handle 5, then the nine fields: id, time, add, accepted, [3], [3, 1, 5, 2], 77, nil, nil.
    m.Txs(((5, TX),)): (
        "9302a76462672e74787391919205 99c4086162636465666768cf00060a24181e4000"
        "0001 9103 9403010502 4dc0c0"
    ),
}


def decoded(data: bytes, *, trusted: bool = True) -> list[m.Message]:
    decoder = Decoder()
    if trusted:
        decoder.trust()
    decoder.feed(data)
    return list(decoder)


@pytest.mark.parametrize("message", ALL, ids=lambda one: type(one).__name__)
def test_each_message_comes_back_as_it_was(message: m.Message) -> None:
    assert decoded(e.encode(message)) == [message]


@pytest.mark.parametrize("message", GOLDEN, ids=lambda one: type(one).__name__)
def test_the_bytes_of_a_message_are_those_of_the_protocol(message: m.Message) -> None:
    golden = bytes.fromhex(GOLDEN[message].replace(" ", ""))
    assert e.encode(message) == golden
    assert decoded(golden) == [message]


def test_messages_come_out_however_the_bytes_are_cut() -> None:
    data = b"".join([e.encode(message) for message in ALL])
    for size in (1, 7, 64, 1000):
        decoder = Decoder()
        decoder.trust()
        found: list[m.Message] = []
        for at in range(0, len(data), size):
            decoder.feed(data[at : at + size])
            found += decoder
        assert found == ALL


def test_a_message_of_many_entries_comes_in_little_steps_and_as_a_whole() -> None:
    many = m.Txs(tuple([(k % 7, TX) for k in range(m.MAX_BATCH)]))
    decoder = Decoder()
    decoder.trust()
    decoder.feed(e.encode(m.Ping()) + e.encode(many) + e.encode(m.Ping()))
    found = list(decoder.steps())
    assert found[0] == found[-1] == m.Ping()
    assert found[-2] == many
    assert len(found) > 10
    assert set(found[1:-2]) == {None}


def test_where_one_of_many_entries_is_none_nothing_of_the_message_comes_out() -> None:
    wire = msgpack.unpackb(e.encode(m.Txs(tuple([(1, TX)] * m.MAX_BATCH))))
    wire[2][0][-1] = "no entry"
    decoder = Decoder()
    decoder.trust()
    decoder.feed(e.pack(wire))
    found = []
    with pytest.raises(DecodeError, match="entry"):
        found += [message for message in decoder.steps() if message is not None]
    assert not found
    with pytest.raises(DecodeError, match="entry"):
        next(decoder.steps())


def test_the_frame_is_the_very_bytes_of_the_last_message() -> None:
    decoder = Decoder()
    first, second = e.encode(ALL[0]), e.encode(m.Ping())
    decoder.feed(first + second)
    frames = [decoder.frame for _ in decoder]
    assert frames == [first, second]


def test_what_later_versions_add_is_passed_over() -> None:
    wire: Any = [2, "dbg.txs", [[[5, [*e.tx_list(FULL), "more", [1]], "more"]], "more"], "more"]
    assert decoded(e.pack(wire)) == [m.Txs(((5, FULL),))]
    assert decoded(e.pack([2, "dbg.later", [{"any": [1, 2]}]])) == [m.Unknown("dbg.later")]


def test_a_schema_is_named_by_what_it_says() -> None:
    one, other = (
        e.schema_def(am.Schema({"A": {"require": required}, "B": {}, "C": {}}))
        for required in (["B"], ["C"])
    )
    again = e.schema_def(am.Schema({"A": {"require": ["B"]}, "B": {}, "C": {}}))
    assert one.hash == again.hash != other.hash
    assert one.hash == e.schema_hash(one)
    assert len(one.hash) == 16


# ------------------------------------------------------------------------------ limits


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


REFUSED: dict[str, bytes] = {
    "no MessagePack": b"\xc1",
    "no list": b"\x05",
    "an empty list": b"\x90",
    "an unknown kind": e.pack([3, "dbg.ping", []]),
    "a kind that is True": e.pack([True, 1, None, []]),
    "params that are no list": e.pack([2, "dbg.ping", {}]),
    "too few params": e.pack([2, "dbg.gone", [1]]),
    "a negative handle": e.pack([2, "dbg.gone", [-1, 5]]),
    "a handle that is True": e.pack([2, "dbg.gone", [True, 5]]),
    "a level of 3": e.pack([2, "dbg.detail", [1, 3]]),
    "an id of 7 bytes": e.pack([2, "dbg.txs", [[[1, [b"1234567", 1, 0, 1, [], [], 1]]]]]),
    "half a diff": e.pack([2, "dbg.txs", [[[1, [b"12345678", 1, 0, 1, [], [1], 1]]]]]),
    "a state of index 4096": e.pack([2, "dbg.txs", [[[1, [b"12345678", 1, 0, 1, [4096], [], 1]]]]]),
    "an argument that is a list": e.pack(
        [2, "dbg.txs", [[[1, [b"12345678", 1, 0, 1, [], [], 1, None, {"a": [1]}]]]]]
    ),
    "a long argument": e.pack(
        [2, "dbg.txs", [[[1, [b"12345678", 1, 0, 1, [], [], 1, None, {"a": "x" * 257}]]]]]
    ),
    "a relation to nowhere": e.pack(
        [2, "dbg.schema", [b"h" * 16, {"names": ["A"], "states": {"A": {"add": [1]}}}]]
    ),
    "a state without a name": e.pack(
        [2, "dbg.schema", [b"h" * 16, {"names": ["A"], "states": {}}]]
    ),
    "nine steps of via": e.pack(
        [0, 1, "dbg.hello", [1, {**e.process_map(PROCESS), "via": ["x"] * 9}, []]]
    ),
    "text that is no UTF-8": b"\x93\x02\xa2\xff\xff\x90",
    "an extension": b"\x93\x02\xa1a\x91\xc7\x01\x05x",
    "a timestamp": b"\x93\x02\xa1a\x91\xd6\xff\x00\x00\x00\x01",
    "a list of 8,193": e.pack([2, "x", list(range(8193))]),
    "a map of 4,097": e.pack([2, "x", [{str(i): i for i in range(4097)}]]),
    "a string of more than a MiB": e.pack([2, "x", ["y" * ((1 << 20) + 1)]]),
    "a depth of 9": e.pack([2, "x", nested(8)]),
    "a depth of 9 beside an entry": e.pack([2, "dbg.txs", [[], nested(7)]]),
    "a map with numbers as keys": e.pack([2, "x", [{1: 2}]]),
    "65,537 lists": e.pack([2, "x", [[[] for _ in range(8192)] for _ in range(9)]]),
    "headers nested without end": b"\x91" * 100_000,
    "a list announced as endless": b"\x93\x02\xa1x\xdd\xff\xff\xff\xff" + b"\x00" * (5 << 20),
    "a string announced as endless": b"\x93\x02\xa1x\x91\xdb\xff\xff\xff\xff" + b"a" * (5 << 20),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_message_is_refused_and_nothing_follows(name: str) -> None:
    decoder = Decoder()
    decoder.trust()
    decoder.feed(REFUSED[name])
    for _ in range(2):
        with pytest.raises(DecodeError):
            list(decoder)
    decoder.feed(e.encode(m.Ping()))
    with pytest.raises(DecodeError):
        list(decoder)


def test_what_is_just_within_the_limits_is_taken() -> None:
    for wire in (
        [2, "x", list(range(8192))],
        [2, "x", [{str(i): i for i in range(4096)}]],
        [2, "x", ["y" * (1 << 20)]],
        [2, "x", nested(6)],
        [2, "x", [["я" * 100_000 for _ in range(3)]]],
        [2, "x", [[[] for _ in range(8000)] for _ in range(8)]],
    ):
        assert decoded(e.pack(wire)) == [m.Unknown("x")]


def test_a_stranger_may_send_64_kib_and_no_more() -> None:
    big = m.Hello(1, PROCESS, tuple(["c" * 100] * 700))
    assert decoded(e.encode(big)) == [big]
    with pytest.raises(DecodeError, match="65536"):
        decoded(e.encode(big), trusted=False)


def peak(data: bytes) -> int:
    decoder = Decoder()
    decoder.trust()
    tracemalloc.start()
    try:
        decoder.feed(data)
        for _ in decoder:
            pass
    except DecodeError:
        pass
    finally:
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found


@pytest.mark.parametrize(
    "unit", [b"\x80", b"\x90", b"\xa1x", b"\xa2xy", b"\xcb12345678", b"\xc4\x01z", b"\xdc\x20\x00"]
)
def test_memory_stays_within_a_small_multiple_of_what_came(unit: bytes) -> None:
    many = (4 << 20) // len(unit) - 100
    rows = [unit * 8192] * (many // 8192)
    data = b"\x93\x02\xa1x\xdc" + len(rows).to_bytes(2, "big")
    data += b"".join([b"\xdc\x20\x00" + row for row in rows])
    assert len(data) <= 4 << 20
    assert peak(data) < 40 * len(data)


def test_what_is_only_announced_costs_nothing() -> None:
    for level in (b"\xdd\xff\xff\xff\xff", b"\xdc\x20\x00", b"\xdf\x00\x0f\xff\xff"):
        assert peak(b"\x93\x02\xa1x" + level * 200) < 1 << 20


# ------------------------------------------------------------------------------ fuzz

SEEDS = [e.encode(message) for message in ALL]


def mutated(random_: random.Random) -> bytes:
    """A message that was harmed: bits, bytes, pieces cut out, repeated, put in from others."""
    data = bytearray(random_.choice(SEEDS))
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(data) + 1)
        how = random_.randrange(6)
        if how == 0 and at < len(data):
            data[at] ^= 1 << random_.randrange(8)
        elif how == 1 and at < len(data):
            data[at] = random_.choice(
                b"\x00\x7f\x80\x90\xa0\xc0\xc1\xc4\xc7\xcf\xd9\xdb\xdc\xdd\xdf\xff"
            )
        elif how == 2:
            del data[at : at + random_.randrange(8)]
        elif how == 3:
            data[at:at] = random_.randbytes(random_.randrange(8))
        elif how == 4:
            other = random_.choice(SEEDS)
            cut = random_.randrange(len(other))
            data[at:at] = other[cut : cut + random_.randrange(40)]
        else:
            data[at:at] = data[: random_.randrange(len(data) + 1)]
    return bytes(data)


def test_harmed_messages_come_out_as_messages_or_as_the_decoders_own_error() -> None:
    cases, seed = int(os.environ.get("AM_DBG_FUZZ_CASES", "30000")), 20
    random_ = random.Random(seed)
    refused = 0
    for _ in range(cases):
        decoder = Decoder()
        decoder.feed(mutated(random_))
        try:
            for message in decoder:
                assert isinstance(message, m.Message)
        except DecodeError:
            refused += 1
    assert 0.2 * cases < refused < 0.99 * cases


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    decoder = Decoder()
    decoder.feed(data)
    try:
        for _ in decoder:
            pass
    except DecodeError:
        return


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
methods = st.sampled_from(
    [msgpack.unpackb(seed)[1] for seed in SEEDS if msgpack.unpackb(seed)[0] == 2]
)


@settings(max_examples=150, deadline=None)
@given(methods, st.lists(values, max_size=6))
def test_arbitrary_params_of_known_methods_raise_nothing_else(
    method: str, params: list[Any]
) -> None:
    try:
        decoded(e.pack([2, method, params]))
    except DecodeError:
        return
