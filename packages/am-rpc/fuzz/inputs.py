"""Recorded sessions of both sides, and ways to harm them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgpack

if TYPE_CHECKING:
    import random

HELLO: Final[dict[str, Any]] = {"v": 1, "id": "rc-fuzz", "se": bytes(8)}
SYNC: Final = {"allowed": ["A"], "mutations": True}
# What a client says to a server, and what a server says to a client.
CLIENT_SAYS: Final[list[list[Any]]] = [
    [0, 1, "hello", [HELLO | {"sync": SYNC, "hash": bytes(16), "kid": "k", "last": bytes(8)}]],
    [0, 2, "auth", [bytes(32), bytes(32)]],
    [0, 3, "ready", []],
    [0, 4, "a", [[1], {"x": [1, {"y": None}]}, ["m", "t", 5, 1]]],
    [0, 5, "r", [[1]]],
    [0, 6, "s", [[0, 1, 2]]],
    [0, 7, "t", [[2], {"x": 1.5}]],
    [2, "r", [8, [1]]],
    [0, 9, "e", [[0], {"t": "T", "m": "m", "tb": "x"}]],
    [0, 10, "c", [1, [0], {}]],
    [0, 11, "wa", [1, 0, {"id": 1}]],
    [0, 12, "wx", [1]],
    [0, 13, "sync", []],
    [0, 14, "args", []],
    [0, 15, "ping", []],
    [1, 1, None, None],
    [2, "bye", ["stop"]],
]
SHAPE: Final[dict[str, Any]] = {"names": ["A", "B", "Exception"], "t": [1, 0, 0], "q": 4, "m": 1}
SCHEMA: Final[dict[str, Any]] = {"A": {"multi": True}, "B": {"require": ["A"]}, "Exception": {}}
WELCOME: Final[dict[str, Any]] = {"v": 1, "id": "source", "boot": bytes(8), "n": 3, **SHAPE}
SERVER_SAYS: Final[list[list[Any]]] = [
    [1, 1, None, {"v": 1, "auth": bytes(32)}],
    [1, 1, None, WELCOME | {"schema": SCHEMA, "resume": True, "push": 0.25, "lim": {}, "hops": 1}],
    [1, 2, None, None],
    [1, 3, None, [1, [[0, 1], 1, 0, 14]]],
    [1, 4, None, [1, [[0, [1], [[1, 1], 1, 0, 10]]]]],
    [1, 5, [5, "text"], None],
    [1, 6, None, [[3, 1, 0], 7, 0]],
    [1, 7, None, {"A": ["x", "y"]}],
    [1, 8, None, 1],
    [2, "u", [[0, 2, 1, 1], 3, 0, 14]],
    [2, "um", [[0, [1], [[1, 1], 1, 0, 10]], [3, [], [[], 1, 0, 11]]]],
    [2, "schema", [SHAPE | {"schema": SCHEMA, "n": 3, "untracked": [1]}]],
    [0, 1, "p", [1, "sq", 4, "m", "t"]],
    [2, "pd", [2, "big", 300_000]],
    [2, "pc", [2, 0, 2, b"x" * 50]],
    [0, 2, "p", [2, "big"]],
    [2, "wa", [1]],
    [2, "src", [False]],
    [0, 3, "ping", []],
    [2, "bye", ["drain"]],
]
FRAMES: Final = [msgpack.packb(message) for message in CLIENT_SAYS + SERVER_SAYS]
# Numbers at the edges of what the wire and the machines hold.
EDGES: Final = (
    0,
    1,
    -1,
    127,
    128,
    255,
    2**16,
    2**31,
    2**32 - 1,
    2**32,
    2**63 - 1,
    2**63,
    2**64 - 1,
)


# Beginnings of messages that never end; each would cost much if it were believed.
_ROW: Final = b"\xdc\x03\xe8"
STALLED: Final = (
    b"\xdc\xff\xff" * 1000,
    b"\xdc\x00\x40" * 1000,
    b"\x94\x00\x01\xa5hello\x91\xdb\x7f\xff\xff\xff",
    b"\x94\x00\x03\xa1a\x92\x91\x00\x81\xa1d"
    + b"\xdc\x03\xe8"
    + (b"\xdc\x03\xe8" + b"\x80" * 1000) * 60,
    b"\x16\x03\x01",
)
UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: F0ArmgM4BRedsTRBokpFJA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def framed(data: bytes, opcode: int = 2) -> bytes:
    """Return a websocket frame of a client, binary by default."""
    mask = bytes(range(4))
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    masked = bytes(byte ^ mask[at & 3] for at, byte in enumerate(data))
    return bytes([0x80 | opcode]) + size + mask + masked


def harmed(rand: random.Random) -> bytes:
    """Return a few frames with some bytes changed, lost or doubled."""
    return spoiled(b"".join(rand.choices(FRAMES, k=rand.randint(1, 4))), rand)


def spoiled(fine: bytes, rand: random.Random) -> bytes:
    """Return bytes of which up to three were changed, or some lost or doubled."""
    data = bytearray(fine)
    for _ in range(rand.randrange(4)):
        at = rand.randrange(len(data))
        match rand.randrange(3):
            case 0:
                data[at] = rand.randrange(256)
            case 1:
                del data[at : at + rand.randrange(8)]
            case _:
                data[at:at] = data[at : at + rand.randrange(8)]
        if not data:
            data += b"\xc1"
    return bytes(data)


def reshaped(data: bytes, rand: random.Random) -> bytes:
    """Return the messages in `data` with one value inside exchanged, still well framed."""
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=1 << 20)
    unpacker.feed(data)
    messages: list[Any] = []
    # Harmed already, it may not be readable to its end: what came before will do.
    with contextlib.suppress(ValueError, TypeError, msgpack.UnpackException):
        messages.extend(unpacker)
    messages = messages or [rand.choice(CLIENT_SAYS + SERVER_SAYS)]
    at = rand.randrange(len(messages))
    messages[at] = _exchanged(messages[at], rand)
    if rand.random() < 0.3:
        messages.insert(rand.randrange(len(messages) + 1), rand.choice(CLIENT_SAYS + SERVER_SAYS))
    try:
        return b"".join(map(msgpack.packb, messages))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return data


def _exchanged(value: Any, rand: random.Random) -> Any:
    """Return a copy of a value in which one part, picked while going down, is another."""
    if isinstance(value, list) and value and rand.random() < 0.85:
        at = rand.randrange(len(value))
        return [*value[:at], _exchanged(value[at], rand), *value[at + 1 :]]
    if isinstance(value, dict) and value and rand.random() < 0.85:
        key = rand.choice([*value])
        if rand.random() < 0.2:
            return {k: v for k, v in value.items() if k is not key}
        return value | {key: _exchanged(value[key], rand)}
    return _another(value, rand)


def _another(value: Any, rand: random.Random) -> Any:
    match rand.randrange(8):
        case 0:
            return rand.choice(EDGES)
        case 1:
            return rand.choice((None, True, False, 0.5, float("nan"), float("inf")))
        case 2:
            return rand.choice(("", "A", "B", "C", "Exception", "_x", "x y", "\x00", "a" * 300))
        case 3:
            return rand.choice((b"", bytes(8), bytes(16), bytes(32), b"x" * 300))
        case 4:
            return [value]
        case 5:
            return {"x": value}
        case 6:
            return [*range(rand.randrange(6))]
        case _:
            return rand.choice(rand.choice(CLIENT_SAYS + SERVER_SAYS))
