"""Whatever a sender accepts its receiver takes; what it would not take is told at the call."""

from __future__ import annotations

import tracemalloc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import am_machine as am
import am_rpc
from am_rpc._budget import Budget
from am_rpc._errors import EncodeError, InvalidParams
from am_rpc._wire.args_chunks import ArgsChunk, Assembly, LargeArgs
from am_rpc._wire.codec import encode_args
from am_rpc._wire.fitting import ArgsFitting
from am_rpc._wire.mutation_messages import InChunks, Mutate
from am_rpc._wire.payload_chunks import Assembler, wrap
from am_rpc._wire.protocol import Notification, Protocol, Request
from am_rpc._wire.server_messages import PayloadAnnounced, PayloadChunk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

# Small, so that what is made up at random meets each of them.
SMALL = am_rpc.Limits(
    array=6, client_array=9, map=4, text=12, client_text=64, args=200, message=190,
    large_args=300, large_array=8, large_map=6,
    client_message=6_000, depth=8, args_depth=7, args_keys=5, chunk=80, payload=400,
)  # fmt: skip


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


TOO_MUCH = [
    (list(range(1025)), "argument data: 1025 items, at most 1024 .*Limits.array"),
    ({f"k{n}": n for n in range(1025)}, "argument data: 1025 keys, at most 1024 .*Limits.map"),
    ({"x": [1, {"y": [0] * 1025}]}, "argument data: 1025 items, at most 1024 .*Limits.array"),
    (nested(16), r"argument data: nested deeper than 16 levels.*Limits.args_depth"),
    (b"x" * 65_536, r"argument data: .*limited to 65536 bytes \(Limits.args\), this one has 65"),
    (2**64, r"argument data: .*out of range.*to 2\*\*64 - 1"),
    (-(2**63) - 1, r"argument data: .*out of range.*from -2\*\*63"),
    ("\ud800", "argument data: .*surrogates"),
    (object(), "argument data: object cannot be sent; None, .*bytes can, and lists"),
    ({1: 2}, "argument data: dict keys must be str, not int"),
]
# Of chunks, the others being the same in both forms.
TOO_MUCH_IN_CHUNKS = [
    ([0] * 65_537, "argument data: 65537 items, at most 65536 .*Limits.large_array"),
    ({f"k{n}": n for n in range(4097)}, "argument data: 4097 keys, at most 4096 .*large_map"),
    ({"x": [1, {"y": [0] * 65_537}]}, "argument data: 65537 items, at most 65536 .*large_array"),
    ([[]] * 10_000, "argument data: .* lists and dicts, at most .*Limits.containers"),
    (b"x" * (64 << 20), r"argument data: args are limited to 67108864 bytes \(Limits.large_args"),
    *TOO_MUCH[5:],
    TOO_MUCH[3],
]
JUST_ENOUGH = [
    list(range(1024)),
    {f"k{n}": n for n in range(1024)},
    nested(15),
    b"x" * 65_000,
    "\N{SNOWMAN}" * 21_000,
    2**64 - 1,
    -(2**63),
]
JUST_ENOUGH_IN_CHUNKS = [
    [0] * 65_536,
    {f"k{n}": n for n in range(4096)},
    [[]] * 9_000,
    "\N{SNOWMAN}" * 100_000,
]
# Those that do not mutate travel in one message.
IN_CHUNKS = ("add", "remove", "set", "toggle", "add_ns", "add_err")
CALLS: dict[str, Callable[..., Any]] = {
    "add": lambda net, data: net.add("D", few=1, data=data),
    "remove": lambda net, data: net.remove("D", data=data),
    "set": lambda net, data: net.set("D", data=data),
    "toggle": lambda net, data: net.toggle("D", data=data),
    "add_ns": lambda net, data: net.add_ns("D", data=data),
    "add_err": lambda net, data: net.add_err(ValueError("x"), data=data),
    "when_args": lambda net, data: net.when_args("D", data=data),
}


@pytest.mark.trio
@pytest.mark.parametrize("call", CALLS)
async def test_what_a_server_would_not_take_is_refused_at_the_call(serve: Any, call: str) -> None:
    # It takes no chunks.
    async with serve(limits=am_rpc.Limits(large_args=0)) as pair, pair.connect() as net:
        made = net.client.last_id
        for data, told in TOO_MUCH:
            with pytest.raises(am_rpc.EncodeError, match=told):
                CALLS[call](net, data)
            with pytest.raises(am_rpc.EncodeError, match=told):
                await net.check_add("D", data=data)
        assert net.client.last_id == made
        for data in JUST_ENOUGH:
            CALLS[call](net, data)
            assert await net.check_add("D", data=data) is am.EXECUTED
        assert await net.add("D") is am.EXECUTED
        assert net.client.stats.reconnects == 0
        assert pair.mux.stats.errors == 0


@pytest.mark.trio
@pytest.mark.parametrize("call", IN_CHUNKS)
async def test_what_a_server_would_not_take_in_chunks_is_refused_at_the_call(
    serve: Any, call: str
) -> None:
    async with serve() as pair, pair.connect() as net:
        made = net.client.last_id
        for data, told in TOO_MUCH_IN_CHUNKS:
            with pytest.raises(am_rpc.EncodeError, match=told):
                CALLS[call](net, data)
        assert net.client.last_id == made
        for data in JUST_ENOUGH_IN_CHUNKS:
            CALLS[call](net, data)
        await net.flush()
        assert await net.add("D") is am.EXECUTED
        assert net.client.stats.reconnects == 0
        assert pair.mux.stats.errors == 0


class Mail:
    """Takes payloads."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def ServerPayloadState(self, event: am.Event) -> None:
        self.got.append(event.args["data"])


@asynccontextmanager
async def delivering(serve: Any) -> AsyncIterator[tuple[Any, Any, Mail]]:
    mail = Mail()
    async with (
        serve() as pair,
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        pair.connect(consumer=consumer) as net,
    ):
        yield pair, net, mail


@pytest.mark.trio
@pytest.mark.parametrize(
    ("data", "told"),
    [
        ([0] * 65_537, "payload big: 65537 items, at most 65536 .*Limits.client_array"),
        ([0] * 300_000, "payload big: 300000 items, at most 65536 .*Limits.client_array"),
        ({f"k{n}": n for n in range(4097)}, "payload big: 4097 keys, at most 4096 .*Limits.map"),
        (nested(30), "payload big: nested deeper than 29 levels .*Limits.depth"),
        ({"x": 2**64}, "payload big: .*out of range"),
    ],
)
async def test_what_a_client_would_not_take_is_refused_where_it_is_sent(
    serve: Any, data: Any, told: str
) -> None:
    async with delivering(serve) as (pair, net, mail):
        with pytest.raises(am_rpc.EncodeError, match=told):
            await pair.mux.send_payload("big", data)
        pair.source.add("SendPayload", name="big", data=data)
        assert pair.source.is_("ErrSendPayload")
        await pair.mux.send_payload("small", 1)
        assert mail.got == [1]
        assert net.client.stats.reconnects == 0


@pytest.mark.trio
@pytest.mark.parametrize(
    "data",
    [[0] * 65_536, {f"k{n}": n for n in range(4096)}, nested(29), "x" * 300_000],
    ids=["items", "keys", "levels", "a text"],
)
async def test_what_a_client_just_takes_arrives(serve: Any, data: Any) -> None:
    async with delivering(serve) as (pair, net, mail):
        await pair.mux.send_payload("big", data)
        assert mail.got == [data]
        assert net.client.stats.reconnects == 0


@pytest.mark.trio
async def test_records_that_are_too_much_for_one_message_are_merged(serve: Any) -> None:
    names = [f"S{number}" for number in range(100)]
    limits = am_rpc.Limits(client_message=8_000)
    sync = am_rpc.Sync(mutations=True)
    async with (
        serve({name: {} for name in names}, limits=limits) as pair,
        pair.connect(sync=sync, limits=limits) as net,
    ):
        pair.mux.push_interval = None
        for _ in range(40):
            pair.source.add(*names)
            pair.source.remove(*names)
        assert await net.add("S7") is am.EXECUTED
        assert net.active == ("S7",)
        assert net.time() == pair.source.time()
        assert net.client.stats.reconnects == 0


@pytest.mark.trio
async def test_a_relay_that_takes_less_refuses_and_goes_on(serve: Any, network: Any) -> None:
    below = network()
    async with (
        serve(limits=am_rpc.Limits(array=10, large_args=0)) as pair,
        pair.connect() as middle,
        am_rpc.Mux(middle, listener=below.listener()) as relay,
        am_rpc.Client(below.dial) as client,
    ):
        leaf = await client.ready()
        result = leaf.add("D", data=[0] * 31)
        assert await result is am.CANCELED
        assert isinstance(result.error, am_rpc.InvalidParams)
        assert "argument data: 31 items" in str(result.error)
        assert await leaf.add("D", data=[0] * 10) is am.EXECUTED
        assert relay.stats.errors == 1


SCALARS = st.one_of(st.none(), st.integers(0, 300), st.text(max_size=9), st.binary(max_size=14))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=10), st.dictionaries(st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=40,
)
ARGS = st.dictionaries(st.sampled_from(["a", "b", "data", "long_name", "x1", "y"]), VALUES)


@given(ARGS, st.sampled_from(["a", "r", "s", "t"]))
@example(dict.fromkeys(["a", "b", "data", "x1", "y"]), "a")
@settings(deadline=None)
def test_a_server_takes_every_call_that_a_client_makes(args: dict[str, Any], method: str) -> None:
    large: LargeArgs | None = None
    try:
        plain = encode_args(args, SMALL)
        data = Protocol.encode_mutation(7, method, (1, 2), plain, None)
        fitting = ArgsFitting(SMALL)
        if len(data) > fitting.least:
            large = fitting.cut(plain, (1, 2), len(data))
    except EncodeError:
        return
    server = Protocol(client=False, limits=SMALL)
    server._raw = None
    if large is None:
        server.receive_data(data)
        assert taken(server) == [Mutate(method, (1, 2), plain)]
        return
    chunks = []
    for chunk in large.chunks(7, method):
        server.receive_data(Protocol.send_notification(chunk))
        chunks += taken(server)
    server.receive_data(Protocol.encode_mutation(7, method, (1, 2), large.count, None))
    (last,) = taken(server)
    budget = Budget(SMALL.large_args, "large_args")
    assembly = Assembly(chunks[0], SMALL, budget)
    for chunk in chunks:
        assembly.add(chunk)
    assert last == InChunks(Mutate(method, (1, 2)), assembly.count)
    assert assembly.is_whole
    assert decoded(assembly) == plain
    assert budget.used == 0


def taken(server: Protocol) -> list[Any]:
    found = []
    while (event := server.next_event()) is not None:
        assert isinstance(event, (Request, Notification)), event
        found.append(event.message)
    return found


def decoded(assembly: Assembly) -> Any:
    steps = assembly.decode()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@given(st.binary(max_size=300), st.integers(1, 50))
@settings(deadline=None)
def test_bytes_that_are_no_args_are_refused_by_name(data: bytes, piece: int) -> None:
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)] or [b""]
    budget = Budget(SMALL.large_args, "large_args")
    chunks = [
        ArgsChunk(7, index, len(pieces), part, "a", (1,)) for index, part in enumerate(pieces)
    ]
    assembly = Assembly(chunks[0], SMALL, budget)
    try:
        for chunk in chunks:
            assembly.add(chunk)
        args = decoded(assembly)
    except (InvalidParams, am_rpc.LimitExceeded):
        assembly.drop()
    else:
        assert encode_args(args, SMALL.replace(args_depth=8)) == args
    assert budget.used == 0


def test_headers_alone_take_no_room() -> None:
    # Each says that so many items follow, within the one before.
    limits = am_rpc.Limits()
    data = b"\x81\xa1x" + b"\xdc\xff\xff" * 300
    chunk = ArgsChunk(7, 0, 1, data, "a", (1,))
    assembly = Assembly(chunk, limits, Budget(limits.large_args, "large_args"))
    assembly.add(chunk)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidParams, match="not complete"):
            decoded(assembly)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@given(VALUES)
@settings(deadline=None)
def test_a_client_takes_every_payload_that_a_server_sends(data: Any) -> None:
    try:
        parcel = wrap(3, "x", data, "source", None, SMALL)
    except (EncodeError, am_rpc.LimitExceeded):
        return
    client, assembler = Protocol(client=True, limits=SMALL), Assembler(SMALL)
    send = Protocol.send_notification
    wire = b""
    if parcel.is_cut:
        wire += send(PayloadAnnounced(3, "x", parcel.size))
        for index, count, piece in parcel.chunks(64):
            wire += send(PayloadChunk(3, index, count, piece))
    wire += Protocol(client=False).send_payload(1, parcel)
    client.receive_data(wire)
    while (event := client.next_event()) is not None:
        message: Any = event.message
        if isinstance(event, Notification):
            act = assembler.announce if isinstance(message, PayloadAnnounced) else assembler.add
            act(message)
        else:
            got = message.data if not parcel.is_cut else assembler.finish(3)
            assert got == data
            return
    raise AssertionError("no payload has come")
