"""Values on their way to bytes and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgpack
import pytest

import am_machine as am
import am_rpc
from am_rpc._errors import InvalidResponse
from am_rpc._wire.codec import encode_args, pack, to_plain, unpack
from am_rpc._wire.schema import schema_from_wire, schema_hash, schema_to_wire

LIMITS = am_rpc.Limits()


class Color(Enum):
    RED = "red"


class Name(str):
    """A subclass, as states are."""


@dataclass
class Paint:
    color: Color
    layers: list[int] = field(default_factory=list)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Color.RED, "red"),
        (Paint(Color.RED, [1]), {"color": "red", "layers": [1]}),
        ((1, (2,)), [1, [2]]),
        (Name("x"), "x"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (True, True),
        ({Name("k"): {"a": None}}, {"k": {"a": None}}),
    ],
)
def test_values_become_plain_data(value: Any, plain: Any) -> None:
    assert to_plain(value, 5) == plain
    assert type(to_plain(value, 5)) is type(plain)
    assert unpack(pack(to_plain(value, 5)), LIMITS) == plain


@pytest.mark.parametrize(
    "value", [object(), {1: 2}, {b"x": 1}, {1, 2}, Paint, lambda: None, [[[[[[]]]]]], 1j]
)
def test_what_has_no_wire_form_is_told(value: Any) -> None:
    with pytest.raises(am_rpc.EncodeError):
        to_plain(value, 3)


def test_args_are_bounded_in_number_and_in_their_names() -> None:
    assert encode_args({"x": 1, "color": Color.RED}, LIMITS) == {"x": 1, "color": "red"}
    with pytest.raises(am_rpc.EncodeError, match="more than"):
        encode_args({f"x{n}": n for n in range(257)}, LIMITS)
    for name in ("_x", "", "a b", "x" * 129, "ä" * 100):
        with pytest.raises(am_rpc.EncodeError, match="name"):
            encode_args({name: 1}, LIMITS)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\x91", b"\x01\x01", msgpack.packb({1: 2}), b"\x91" * 50 + b"\xc0"],
)
def test_a_payload_that_is_none_is_told(data: bytes) -> None:
    with pytest.raises(am_rpc.RpcError):
        unpack(data, LIMITS)


def test_schemas_travel_with_what_decides_behaviour() -> None:
    class States(am.States):
        A = am.State(auto=True, require=["B"], doc="stays at home")
        B = am.State(multi=True, add=["C"], after=["C"])
        C = am.State(remove=["A"], tags=("home",))

    schema = States.schema()
    again = schema_from_wire(schema_to_wire(schema))
    assert again.names == schema.names
    assert schema_to_wire(again) == schema_to_wire(schema)
    assert schema_hash(again) == schema_hash(schema)
    assert schema_hash(am.Schema({"A": {}})) != schema_hash(schema)
    assert len(schema_hash(schema)) == 16


@pytest.mark.parametrize(
    "wire",
    [
        {"lower": {}, "Exception": {}},
        {"A": {}},
        {"A": [], "Exception": {}},
        {"A": {"auto": 1}, "Exception": {}},
        {"A": {"require": ["Nope"]}, "Exception": {}},
        {"A": {"require": [1]}, "Exception": {}},
        {f"S{n}": {} for n in range(5000)} | {"Exception": {}},
    ],
)
def test_a_schema_that_is_none_is_told(wire: Any) -> None:
    with pytest.raises(InvalidResponse):
        schema_from_wire(wire)
