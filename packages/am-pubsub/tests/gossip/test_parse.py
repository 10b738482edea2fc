"""Whatever comes in is a message within the limits, or an error of two kinds."""

from __future__ import annotations

import os
from contextlib import suppress
from random import Random

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from am_pubsub import TopicConfig
from am_pubsub._gossip.messages import Delta, Kind, pack
from am_pubsub._gossip.parse import Malformed, Parser, Unknown

from .peers import Pair, core, expose

CONFIG = TopicConfig()
PEER = b"12345678"
HASH = b"0123456789abcdef"


def delta(*entries: object, schemas: object = ()) -> bytes:
    return pack(Kind.DELTA, entries, schemas, False)


def test_an_entry_is_read_with_its_sum() -> None:
    message = Parser.of(CONFIG).parse(delta((PEER, 1, 7, (1, 2, 3))))
    assert isinstance(message, Delta)
    (entry,) = message.entries
    assert (entry.key, entry.epoch, entry.total) == ((PEER, 1), 7, 6)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "undecodable"),
        (b"\xc1", "undecodable"),
        (b"\x93\x01\x01", "undecodable"),
        (msgpack.packb(5), "no message"),
        (msgpack.packb([1]), "no message"),
        (msgpack.packb([True, 1]), "no message"),
        (msgpack.packb([1, 2, msgpack.ExtType(5, b"x")]), "undecodable"),
        (msgpack.packb([1, 2, {1: 2}]), "undecodable"),
        (pack(Kind.ROOT), "another form"),
        (pack(Kind.ROOT, b"short", False, 1), "bad root"),
        (pack(Kind.ROOT, PEER, 1, 1), "bad flag"),
        (delta((b"short", 1, 7, ())), "bad peer id"),
        (delta((PEER, -1, 7, ())), "bad index"),
        (delta((PEER, True, 7, ())), "bad index"),
        (delta((PEER, 1, -7, ())), "bad epoch"),
        (delta((PEER, 1, 2**63, ())), "bad epoch"),
        (delta((PEER, 1, 7, (1, -1))), "bad tick"),
        (delta((PEER, 1, 7, (1, True))), "bad tick"),
        (delta((PEER, 1, 7, (2**62, 2**62))), "bad tick"),
        (delta((PEER, 1, 7, (0,) * 4097)), "bad vector"),
        (delta((PEER, 1, 7)), "bad entry"),
        (delta((PEER, 1, 7, (), ("m", "", ("x" * 256,), HASH))), "bad tag"),
        (delta((PEER, 1, 7, (), ("m", "", ("ü" * 200,), HASH))), "bad tag"),
        (delta((PEER, 1, 7, (), ("m", "", ("t",) * 33, HASH))), "bad tag"),
        (delta((PEER, 1, 7, (), ("m" * 129, "", (), HASH))), "bad id"),
        (delta((PEER, 1, 7, (), ("m", "", (), b"short"))), "bad schema hash"),
        (delta((PEER, 1, 7, (), ("m", "", []))), "another form"),
        (pack(Kind.ROWS, (64,), (), True), "bad bucket"),
        (pack(Kind.ROWS, (), ((PEER, 1, 7, False, 3, 2**63),), True), "bad sum"),
        (b"\x00" * (64 * 1024 + 1), "too large"),
    ],
)
def test_what_no_honest_peer_sends_is_malformed_and_says_how(data: bytes, fault: str) -> None:
    with pytest.raises(Malformed, match=fault):
        Parser.of(CONFIG).parse(data)


@pytest.mark.parametrize("head", [(2, 0), (1, 99), (0, 1), (-1, -1)])
def test_another_version_or_kind_is_unknown_not_malformed(head: tuple[int, int]) -> None:
    with pytest.raises(Unknown):
        Parser.of(CONFIG).parse(msgpack.packb([*head, "x"]))


def test_nesting_as_deep_as_a_message_is_long_is_refused() -> None:
    with pytest.raises(Malformed):
        Parser.of(CONFIG).parse(b"\x91" * 60_000 + b"\x00")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_one_of_the_two_errors(data: bytes) -> None:
    with suppress(Malformed, Unknown):
        Parser.of(CONFIG).parse(data)


def test_mutated_messages_never_break_a_peer_and_an_honest_change_still_arrives() -> None:
    """As many inputs as AM_PUBSUB_FUZZ_CASES says."""
    cases = int(os.environ.get("AM_PUBSUB_FUZZ_CASES", "20000"))
    generous = TopicConfig(receive_rate=1e9, receive_burst=1e9, rejects=10**9)
    a, b = core("a"), core("b", config=generous)
    expose(a, 1)
    pair = Pair(a, b)
    info = ("m", "", ("tag",), HASH)
    samples = [
        delta(
            (a.peer, 1, a.epoch, (1, 2, 3)),
            (PEER, 0, 5, (1,), info),
            schemas=((HASH, {"A": {}}),),
        ),
        pack(Kind.HELLO, "t", PEER, 1, PEER),
        pack(Kind.ROOT, PEER, True, 3),
        pack(Kind.BUCKETS, b"x" * 512),
        pack(Kind.ROWS, (1, 2, 3), ((PEER, 1, 7, False, 3, 9),), True),
        pack(Kind.WANT, ((a.peer, 1), (PEER, 9))),
        pack(Kind.SUSPECT, PEER, 8),
        pack(Kind.BYE, PEER, 8),
        pack(Kind.USER, PEER, 8, 1, b"data"),
    ]
    random = Random(7)
    for _ in range(cases):
        data = bytearray(random.choice(samples))
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] = random.randrange(256)
        b.received(1, bytes(data), pair.now)
        b.output.sends.clear()
        b.output.events.clear()
    counts = b.output.counts
    assert sum(counts[name] for name in counts if name.startswith("dropped.")) > cases / 10
    assert len(b.table) <= generous.records
    late = b.table.epoch_of(a.peer) + 1
    fresh = core("a", epoch=late)
    expose(fresh, 1, 9, 9, 9)
    b.link_down(1, pair.now)
    again = Pair(fresh, b)
    again.run(1.0)
    held = b.table.get((fresh.peer, 1))
    assert held is not None
    assert held.entry.vector == (9, 9, 9)
