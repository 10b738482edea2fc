"""What a peer that is not known yet may say, and what a known one may make the decoder build."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import am_rpc
from am_rpc import Protocol
from am_rpc._wire import container_count
from am_rpc._wire.container_count import ContainerCount
from am_rpc._wire.messages import Hello, Ready, SyncRequest

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS = am_rpc.Limits()
REFUSED = (am_rpc.ProtocolError, am_rpc.LimitExceeded)


def peak(attack: Callable[[], None]) -> int:
    """Return how many bytes an attack made us hold at most."""
    tracemalloc.start()
    try:
        attack()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def stranger() -> Protocol:
    return Protocol(client=False, limits=LIMITS, stranger=True)


def say(protocol: Protocol, data: bytes) -> list[Any]:
    protocol.receive_data(data)
    events = []
    while (event := protocol.next_event()) is not None:
        events.append(event)
    return events


NESTED_HEADERS = b"\xdc\x00\x40" * 1_000  # arrays of 64, each the first item of the one before
WIDE_HEADERS = b"\xdc\xff\xff" * 1_000
EMPTY_MAPS = b"\xdc\x00\x40" + (b"\xdc\x00\x40" + b"\x80" * 64) * 64
LONG_TEXT = b"\xdb\x00\x00\xff\x00" + b"x" * 65_000
UNFINISHED_TEXT = b"\xdb\x7f\xff\xff\xff"


@pytest.mark.parametrize(
    "attack", [NESTED_HEADERS, WIDE_HEADERS, EMPTY_MAPS, LONG_TEXT * 2, UNFINISHED_TEXT]
)
def test_a_stranger_cannot_make_us_hold_much(attack: bytes) -> None:
    def run() -> None:
        with contextlib.suppress(*REFUSED):
            # It waits for more, or it refuses.
            assert say(stranger(), attack) == []

    assert peak(run) <= 1024 * 1024


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_stalled_messages_of_a_full_house_of_strangers_stay_small(step: int) -> None:
    def run() -> None:
        stalled = [stranger() for _ in range(LIMITS.strangers)]
        for protocol in stalled:
            in_parts(protocol, NESTED_HEADERS[: 3 * LIMITS.stranger_containers], step)

    assert peak(run) <= 24 * 1024 * 1024


def test_a_stranger_may_say_so_many_bytes_in_all() -> None:
    protocol = stranger()
    ping = msgpack.packb([0, 1, "ping", []])
    text = msgpack.packb("x" * 600)
    with pytest.raises(am_rpc.LimitExceeded, match="stranger_bytes"):
        in_parts(protocol, (ping[:-1] + b"\x91" + text) * (LIMITS.stranger_bytes // 600), 500)


def test_a_known_peer_may_say_more_and_what_it_said_already_counts() -> None:
    protocol, client = stranger(), Protocol(client=True)
    hello = client.send_request(1, Hello("rc-a", bytes(8)))
    call = msgpack.packb([0, 3, "a", [[0], {"d": list(range(500))}]])
    protocol.receive_data(hello + client.send_request(2, Ready()) + call + call[:20])
    assert [protocol.next_event().id for _ in range(2)] == [1, 2]  # type: ignore[union-attr]
    protocol.admit()
    assert protocol.next_event().id == 3  # type: ignore[union-attr]
    assert protocol.next_event() is None
    (again,) = say(protocol, call[20:])
    assert again.message.args == {"d": list(range(500))}
    for _ in range(100):
        assert len(say(protocol, call)) == 1


def test_many_names_travel_as_one_text() -> None:
    names = [f"S{number}" for number in range(4096)]
    sync = {"allowed": "\n".join(names).encode(), "skipped": ["S1"]}
    hello = Hello("rc-a", bytes(8), sync=sync)
    (event,) = say(stranger(), Protocol(client=True).send_request(1, hello))
    assert event.message.sync["allowed"] == tuple(names)
    assert event.message.sync["skipped"] == ("S1",)
    for bad in ("\n".join([*names, "S"]).encode(), b"\xff", b"a\n\nb"):
        hello = Hello("rc-a", bytes(8), sync={"allowed": bad})
        (event,) = say(stranger(), Protocol(client=True).send_request(1, hello))
        assert event.code == am_rpc.ErrorCode.INVALID_PARAMS


def test_ids_and_unknown_methods_cannot_forge_lines_of_a_log() -> None:
    hello = Hello("rc-a\n2026 root logged in", bytes(8))
    (event,) = say(stranger(), Protocol(client=True).send_request(1, hello))
    assert event.code == am_rpc.ErrorCode.INVALID_PARAMS
    (event,) = say(stranger(), msgpack.packb([0, 1, "\x1b[2J\n", []]))
    assert event.text == "method \\x1b[2J\\n"
    client = Protocol(client=True)
    client.send_request(1, SyncRequest())
    (event,) = say(client, msgpack.packb([1, 1, [11, "oh\n\x1b[31m"], None]))
    assert str(event.error) == "oh\\n\\x1b[31m"
    assert str(am_rpc.RemoteError("E", "a\nb")) == "E: a\\nb"


def known() -> Protocol:
    return Protocol(client=False, limits=LIMITS)


def in_parts(protocol: Protocol, data: bytes, size: int = 65_536) -> list[Any]:
    events = []
    for at in range(0, len(data), size):
        events += say(protocol, data[at : at + size])
    return events


def test_a_message_of_many_empty_maps_is_refused_before_it_is_built() -> None:
    row = b"\xdc\x03\xe8" + b"\x80" * 1_000
    call = b"\x94\x00\x03\xa1a\x92\x91\x00\x81\xa1d" + b"\xdc\x03\xe8" + row * 1_000

    def run() -> None:
        with pytest.raises(am_rpc.LimitExceeded, match="arrays and maps"):
            in_parts(known(), call)

    assert len(call) < LIMITS.message
    assert peak(run) <= 16 * 1024 * 1024


def test_a_message_within_one_read_may_not_have_too_many_either() -> None:
    call = msgpack.packb([0, 3, "a", [[0], {f"d{n}": [{}] * 900 for n in range(12)}]])
    assert len(call) < 65_536
    with pytest.raises(am_rpc.LimitExceeded, match="arrays and maps"):
        say(known(), call)


def test_small_messages_in_one_read_have_each_its_own_count() -> None:
    call = msgpack.packb([0, 3, "a", [[0], {"d": [{}] * 200}]])
    protocol = known()
    events = in_parts(protocol, call * 500, 65_000)
    assert [len(event.message.args["d"]) for event in events] == [200] * 500


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text()
    | st.binary(max_size=70) | st.text(min_size=250, max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=60,
)  # fmt: skip


def containers(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(containers(item) for item in value.values())
    return 1 + sum(containers(item) for item in value) if isinstance(value, list) else 0


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, max_size=5), st.integers(1, 50))
def test_containers_are_counted_however_the_bytes_come(values: list[Any], step: int) -> None:
    data = b"".join(msgpack.packb(value) for value in values)
    for walked in WAYS:
        assert counted(data, step, walked) == sum(map(containers, values))


@given(st.binary(), st.integers(1, 50))
def test_any_bytes_may_be_counted(data: bytes, step: int) -> None:
    walked, matched = (counted(data, step, walked) for walked in WAYS)
    assert walked == matched <= len(data)


# Value by value, and by a pattern, however few bytes there are.
WAYS = (2**30, 0)


def counted(data: bytes, step: int, walked: int) -> int:
    count = ContainerCount()
    with patch.object(container_count, "_WALKED", walked):
        for at in range(0, len(data), step):
            count.feed(data[at : at + step])
    return count.total


def test_the_unpacker_without_compiled_code_is_refused() -> None:
    code = (
        "import am_rpc, am_rpc.wire\n"
        "calls = (lambda: am_rpc.Protocol(client=False), lambda: am_rpc.wire.unpack(b'\\x80'))\n"
        "for call in calls:\n"
        "    try: call()\n"
        "    except am_rpc.RpcError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"MSGPACK_PUREPYTHON": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("MSGPACK_PUREPYTHON" in line for line in lines)


def test_args_that_are_too_deep_are_refused_by_who_reads_them() -> None:
    deep: Any = 0
    for _ in range(16):
        deep = [deep]
    (event,) = say(known(), msgpack.packb([0, 3, "a", [[0], {"d": deep}]]))
    assert event.code == am_rpc.ErrorCode.TOO_LARGE
    (event,) = say(known(), msgpack.packb([0, 3, "a", [[0], {"d": deep[0]}]]))
    assert event.message.states == (0,)


def test_an_empty_secret_is_refused() -> None:
    machine_secrets: list[Any] = [b"", {}, {"k": (b"", None)}]
    for secret in machine_secrets:
        with pytest.raises(ValueError, match="empty secret"):
            am_rpc.Mux(None, "127.0.0.1:0", new_server=lambda *_: None, secret=secret)  # type: ignore[arg-type,return-value]
