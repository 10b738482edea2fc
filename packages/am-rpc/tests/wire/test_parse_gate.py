"""The short way to parse a message is a refinement: it says what the long one says, or nothing."""

from __future__ import annotations

import os
from typing import Any

import msgpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

import am_rpc
from am_rpc._wire.protocol import Protocol, Response

CASES = int(os.environ.get("AM_RPC_PARSE_CASES", "150"))
LIMITS = am_rpc.Limits(args=300, args_keys=4, arg_key=8, args_depth=4, depth=7)
# Answers that are waited for, by id.
EXPECTED = {1: "a", 2: "r", 3: "sync", 4: "ping", 5: "e", 6: "p", 7: "c"}


class LongWay(Protocol):
    """Never takes the short way."""

    __slots__ = ()

    def _parse_fast(self, value: Any) -> None:
        return None


NUMBERS = st.one_of(
    st.integers(0, 4),
    st.sampled_from([-1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]),
    st.booleans(),
    st.sampled_from([1.0, 0.0, None]),
)
SCALARS = st.one_of(NUMBERS, st.text(max_size=5), st.binary(max_size=5))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
INDEXES = st.one_of(st.lists(st.integers(0, 5), max_size=4), st.lists(NUMBERS, max_size=3), VALUES)
KEYS = st.sampled_from(["x", "id", "_x", "a b", "", "class", "long_names", "ä", "äöüäö"])
ARGS = st.one_of(st.dictionaries(KEYS, VALUES, max_size=6), VALUES)
PARAMS = st.one_of(
    st.tuples(INDEXES),
    st.tuples(INDEXES, ARGS),
    st.tuples(INDEXES, ARGS, VALUES),
    st.tuples(NUMBERS, st.text(max_size=6), VALUES),
    st.tuples(NUMBERS, st.text(max_size=6), VALUES, st.text(max_size=6)),
    st.tuples(NUMBERS, st.text(max_size=6), VALUES, VALUES, VALUES, VALUES),
    st.lists(VALUES, max_size=4),
)
METHODS = st.one_of(
    st.sampled_from(["a", "r", "s", "t", "e", "c", "p", "ping", "wa", "sync", "nope"]), VALUES
)
PAIRS = st.lists(NUMBERS, max_size=6)
UPDATES = st.one_of(
    st.tuples(PAIRS, NUMBERS, NUMBERS, st.one_of(NUMBERS, st.integers(0, 70_000))),
    st.none(),
    VALUES,
)
RESULTS = st.one_of(
    st.tuples(NUMBERS, UPDATES),
    st.tuples(NUMBERS, UPDATES, st.one_of(VALUES, st.tuples(st.text(max_size=4), st.text()))),
    st.none(),
    VALUES,
)
IDS = st.one_of(st.integers(0, 8), NUMBERS)
MESSAGES = st.one_of(
    st.tuples(st.just(0), IDS, METHODS, PARAMS),
    st.tuples(st.just(1), IDS, st.one_of(st.none(), VALUES), RESULTS),
    st.tuples(st.just(2), METHODS, PARAMS),
    st.tuples(NUMBERS, IDS, METHODS, PARAMS),
    VALUES,
)


def told(kind: type[Protocol], client: bool, data: bytes) -> tuple[Any, ...]:
    """What comes of some bytes: events, or the error, and what is still waited for."""
    protocol = kind(client=client, limits=LIMITS)
    if not client:
        # What is said first is kept, for the proof of a secret; then there are two ways.
        protocol.receive_data(msgpack.packb([0, 0, "hello", []]))
        protocol.next_event()
    for call_id, method in EXPECTED.items():
        protocol.expect(call_id, method)
    events: list[Any] = []
    try:
        protocol.receive_data(data)
        while (event := protocol.next_event()) is not None:
            events.append(comparable(event))
    except am_rpc.RpcError as error:
        events.append((type(error), str(error)))
    return events, protocol.expected, protocol.unasked


def comparable(event: Any) -> Any:
    """The event; of an answer that is an error, what it says, since no two errors are equal."""
    if isinstance(event, Response) and event.error is not None:
        return event.id, event.method, type(event.error), str(event.error)
    return event


@given(st.lists(MESSAGES, min_size=1, max_size=3), st.booleans())
@example([(0, 1, "a", ([1], {"x": 1}))], False)
@example([(0, 1, "a", ([1], {"x": "y" * 400}))], False)
@example([(0, 1, "a", ([1], {"long_names": 1}))], False)
@example([(0, True, "a", ([1],))], False)
@example([(1, 1, None, (1, ([1, 1], 1, 0, 65_535)))], True)
@example([(1, 1, None, (True, ([1, 1], 1, 0, 4)))], True)
@example([(1, 1, None, (1, ([1, 1], 1, 0, 65_536)))], True)
@example([(1, 4, None, None), (1, 4, None, None)], True)
@example([(0, 9, "p", (1, "sq", 4))], True)
@example([(1, 1, [0, "why"], None)], True)
@settings(max_examples=CASES, deadline=None)
def test_both_ways_to_parse_say_the_same(messages: list[Any], client: bool) -> None:
    data = b"".join(msgpack.packb(message) for message in messages)
    assert told(Protocol, client, data) == told(LongWay, client, data)
