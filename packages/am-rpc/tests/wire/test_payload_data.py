"""Payloads as data: chunks, bounds, tokens."""

from __future__ import annotations

import pytest

import am_rpc
from am_rpc._budget import Budget
from am_rpc._errors import InvalidParams
from am_rpc._wire.payload_chunks import Assembler, SeenTokens, Undelivered, wrap
from am_rpc._wire.server_messages import PayloadAnnounced, PayloadChunk


def test_undelivered_payloads_are_bounded() -> None:
    limits = am_rpc.Limits(undelivered=2, undelivered_bytes=100)
    budget = Budget(110, "session_bytes")
    queue = Undelivered(limits, budget)
    for _ in range(2):
        queue.push(wrap(queue.next_token(), "x", b"y" * 40, None, None, limits))
    with pytest.raises(am_rpc.LimitExceeded):
        queue.push(wrap(queue.next_token(), "x", 1, None, None, limits))
    queue.pop(1)
    with pytest.raises(am_rpc.LimitExceeded):
        queue.push(wrap(queue.next_token(), "x", b"y" * 90, None, None, limits))
    queue.pop(2)
    queue.pop(2)
    queue.push(wrap(queue.next_token(), "x", b"y" * 900, None, None, limits))
    assert [parcel.token for parcel in queue] == [5]


def test_chunks_out_of_order_or_too_large_are_refused() -> None:
    assembler = Assembler(am_rpc.Limits(chunk=4, payload=100))
    assembler.announce(PayloadAnnounced(1, "x", 10))
    with pytest.raises(InvalidParams):
        assembler.add(PayloadChunk(1, 1, 3, b"aaaa"))
    with pytest.raises(InvalidParams):
        assembler.add(PayloadChunk(7, 0, 1, b"aaaa"))
    assembler.announce(PayloadAnnounced(2, "x", 10))
    assembler.add(PayloadChunk(2, 0, 3, b"\xc4\x08aa"))
    with pytest.raises(InvalidParams):
        assembler.finish(2)
    with pytest.raises(KeyError):
        assembler.finish(2)
    with pytest.raises(am_rpc.LimitExceeded):
        assembler.announce(PayloadAnnounced(3, "x", 101))


def test_tokens_are_remembered_within_a_bound() -> None:
    seen = SeenTokens(2)
    for token in (1, 2, 3):
        seen.add(token)
    assert 1 not in seen
    assert 3 in seen
