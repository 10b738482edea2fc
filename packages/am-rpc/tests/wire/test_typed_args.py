"""Args classes: what a client gives arrives as the types that the class declares, or is refused."""

from __future__ import annotations

import enum
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import am_machine as am
import am_rpc
from am_rpc import wire


class Mode(enum.Enum):
    READ = "r"
    WRITE = "w"


@dataclass
class Box:
    side: int
    name: str | None = None


@dataclass
class Everything:
    whole: int
    real: float
    flag: bool
    text: str
    raw: bytes
    path: Path
    when: datetime
    mode: Mode
    pair: tuple[int, str]
    box: Box
    maybe: Path | None = None
    anything: Any = None


class States(am.States):
    Work = am.State(args=Everything, multi=True)


GIVEN: dict[str, Any] = {
    "whole": 3,
    "real": 2.5,
    "flag": True,
    "text": "t",
    "raw": b"\0\xff",
    "path": Path("/tmp/a b"),
    "when": datetime(2024, 2, 29, 12, 0, 0, 5, tzinfo=UTC),
    "mode": Mode.WRITE,
    "pair": (1, "x"),
    "box": Box(4, "b"),
    "maybe": Path("rel"),
    "anything": [1, {"a": None}],
}


class Handlers:
    def __init__(self) -> None:
        self.seen: list[Everything] = []

    def WorkState(self, event: am.Event) -> None:
        self.seen.append(event.args_as(Everything))


@pytest.mark.trio
async def test_each_type_arrives_as_itself(serve: Any) -> None:
    handlers = Handlers()
    async with serve(States, handlers) as pair, pair.connect(States) as net:
        assert await net.add("Work", **GIVEN) is am.EXECUTED
        assert await net.check_add("Work", **GIVEN) is am.EXECUTED
    assert handlers.seen == [Everything(**GIVEN)]
    assert [type(value) for value in vars(handlers.seen[0]).values()] == [
        type(value) for value in GIVEN.values()
    ]


@pytest.mark.trio
async def test_waits_for_typed_args_are_met(serve: Any) -> None:
    async with serve(States, Handlers()) as pair, pair.connect(States) as net:
        met = net.when_args("Work", path=GIVEN["path"], mode=Mode.WRITE)
        await net.add("Work", **{**GIVEN, "mode": Mode.READ})
        assert not met.done
        await net.add("Work", **GIVEN)
        assert await met


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("whole", "80", "'80'"),
        ("whole", True, "True"),
        ("flag", 1, "1"),
        ("real", "2", "'2'"),
        ("text", 5, "5"),
        ("raw", "text", "'text'"),
        ("path", 5, "5"),
        ("when", "yesterday", "'yesterday'"),
        ("mode", "x", "'x'"),
        ("pair", [1, 2], "[1, 2]"),
        ("pair", [1, "x", 3], "[1, 'x', 3]"),
        ("box", {"side": "1"}, "{'side': '1'}"),
        ("box", {"side": 1, "more": 2}, "{'side': 1, 'more': 2}"),
        ("maybe", [], "[]"),
    ],
)
@pytest.mark.trio
async def test_anything_else_is_refused_with_field_and_value(
    serve: Any, field: str, value: Any, shown: str
) -> None:
    handlers = Handlers()
    plain: dict[str, Any] = {
        "path": "/tmp",
        "when": "2024-02-29",
        "mode": "r",
        "pair": [1, "x"],
        "box": {"side": 1},
    }
    async with serve(States, handlers) as pair, pair.connect() as net:
        result = net.add("Work", **{**GIVEN, **plain, "maybe": None, field: value})
        assert await result is am.CANCELED
    assert isinstance(result.error, am_rpc.InvalidParams)
    assert f"Everything: {field}" in str(result.error)
    assert shown in str(result.error)
    assert handlers.seen == []


@pytest.mark.trio
async def test_long_and_hostile_values_are_shown_in_short_and_escaped(serve: Any) -> None:
    async with serve(States, Handlers()) as pair, pair.connect() as net:
        result = net.add("Work", whole="\x1b[2J" * 1000)
        await result
    assert "\x1b" not in str(result.error)
    assert len(str(result.error)) < 300


@pytest.mark.trio
async def test_what_has_no_wire_form_is_named_at_the_call(serve: Any) -> None:
    async with serve(States, Handlers()) as pair, pair.connect(States) as net:
        with pytest.raises(am_rpc.EncodeError, match="argument anything"):
            net.add("Work", **{**GIVEN, "anything": object()})


def test_schemas_and_values_travel_without_a_connection() -> None:
    schema = am.Schema({"A": {"multi": True}, "B": {"require": ["A"]}})
    plain = wire.schema_to_wire(schema)
    again = wire.schema_from_wire(wire.unpack(wire.pack(plain)))
    assert again.names == schema.names
    assert wire.schema_hash(again) == wire.schema_hash(schema)
    with pytest.raises(am_rpc.RpcError):
        wire.unpack(wire.pack([[[1]]]), limits=am_rpc.Limits(depth=2))
    with pytest.raises(am_rpc.ProtocolError):
        wire.unpack(b"\xc1")


def test_the_wire_module_itself_needs_no_loop_and_no_ends() -> None:
    # The package's front page loads more; what the module needs by itself is read from its source.
    code = """
import sys, types
package = types.ModuleType("am_rpc")
import importlib.util
package.__path__ = list(importlib.util.find_spec("am_rpc").submodule_search_locations)
sys.modules["am_rpc"] = package
before = set(sys.modules)
import am_rpc.wire
print(*sorted(name for name in set(sys.modules) if name.startswith("am_rpc.")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.split()}
    assert "_wire" in rooms
    assert not rooms & {"_client", "_server", "_transport", "_repl"}
