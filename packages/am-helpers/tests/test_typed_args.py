"""Acceptance 12: typed args, above all from mappings that nobody vouches for."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

import pytest

import am_helpers as amh
import am_machine as am

pytest.importorskip("cattrs")


class Color(enum.Enum):
    RED = "red"
    ONE = 1


@dataclass
class Point:
    x: float
    y: float = 0.0


@dataclass
class Job:
    name: str = field(metadata={"log": True})
    size: int = 0
    ratio: float = 1.0
    on: bool = False
    data: bytes = field(default=b"", metadata={"log": True})
    nothing: None = None
    color: Color = Color.RED
    tags: list[str] = field(default_factory=list)
    pair: tuple[int, str] = (0, "")
    many: tuple[int, ...] = ()
    table: dict[str, int] = field(default_factory=dict)
    maybe: int | None = None
    at: Point | None = None
    deep: list[list[list[list[list[list[list[list[int]]]]]]]] = field(default_factory=list)


@dataclass
class Tree:
    kids: list[Tree] = field(default_factory=list)


@dataclass
class Loose:
    items: list = field(default_factory=list)  # type: ignore[type-arg]
    anything: Any = None
    when: complex = 0j


MADE: list[object] = []


@dataclass
class Counted:
    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("negative")
        MADE.append(self)


@dataclass
class Either:
    part: Counted | Point | None


def nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for _ in range(depth):
        tree = {"kids": [tree]}
    return tree


class Text(str):
    """A subclass, which may behave in any way."""


HOSTILE: list[tuple[str, type, Any]] = [
    ("unknown key", Job, {"name": "a", "evil": 1}),
    ("dunder key", Job, {"name": "a", "__class__": "x"}),
    ("key that is no text", Job, {"name": "a", 3: 4}),
    ("required key missing", Job, {}),
    ("not a mapping", Job, ["name"]),
    ("None for a mapping", Job, None),
    ("int for str", Job, {"name": 1}),
    ("subclass of str", Job, {"name": Text("a")}),
    ("bool for int", Job, {"name": "a", "size": True}),
    ("float for int", Job, {"name": "a", "size": 1.0}),
    ("str for float", Job, {"name": "a", "ratio": "1.5"}),
    ("int beyond every float", Job, {"name": "a", "ratio": 10**400}),
    ("int for bool", Job, {"name": "a", "on": 1}),
    ("str for bytes", Job, {"name": "a", "data": "x"}),
    ("value for None", Job, {"name": "a", "nothing": 0}),
    ("unknown enum value", Job, {"name": "a", "color": "blue"}),
    ("enum by name", Job, {"name": "a", "color": "RED"}),
    ("bool for an enum's 1", Job, {"name": "a", "color": True}),
    ("unhashable enum value", Job, {"name": "a", "color": []}),
    ("wrong item in a list", Job, {"name": "a", "tags": ["x", 1]}),
    ("str for a list", Job, {"name": "a", "tags": "xyz"}),
    ("tuple too short", Job, {"name": "a", "pair": [1]}),
    ("tuple too long", Job, {"name": "a", "pair": [1, "b", 2]}),
    ("wrong key in a dict", Job, {"name": "a", "table": {1: 1}}),
    ("wrong value in a dict", Job, {"name": "a", "table": {"a": "1"}}),
    ("list for a dict", Job, {"name": "a", "table": []}),
    ("neither side of an optional", Job, {"name": "a", "maybe": "1"}),
    ("nested: unknown key", Job, {"name": "a", "at": {"x": 1, "z": 2}}),
    ("nested: missing key", Job, {"name": "a", "at": {}}),
    ("lists nested too deep", Job, {"name": "a", "deep": [[[[[[[[1]]]]]]]]}),
    ("mappings nested too deep", Tree, nested(50)),
    ("a list that holds itself", Tree, (lambda t: t["kids"].append(t) or t)({"kids": []})),
    ("huge text", Job, {"name": "x" * 100_000}),
    ("huge bytes", Job, {"name": "a", "data": b"x" * 100_000}),
    ("huge list", Job, {"name": "a", "tags": ["x"] * 100_000}),
    ("huge dict", Job, {"name": "a", "table": {str(i): i for i in range(100_000)}}),
    ("many unknown keys", Job, {str(i): i for i in range(100_000)}),
    ("list of undeclared items", Loose, {"items": [1]}),
    ("field that takes anything", Loose, {"anything": object()}),
    ("field of a type without rules", Loose, {"when": 1j}),
    ("refused by the class", Counted, {"size": -1}),
]


@pytest.mark.parametrize(("cls", "value"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_hostile_input_is_refused_without_side_effects(cls: type, value: Any) -> None:
    MADE.clear()
    with pytest.raises(am.ArgsError) as caught:
        amh.args_load(cls, value)
    assert len(str(caught.value)) < 2_000
    assert MADE == []


def test_unions_never_leave_half_made_parts_behind() -> None:
    MADE.clear()
    with pytest.raises(am.ArgsError):
        amh.args_load(Either, {"part": {"size": 1, "evil": 2}})
    assert MADE == []


FULL: dict[str, Any] = {
    "name": "a", "size": 3, "ratio": 0.5, "on": True, "data": b"x", "nothing": None, "color": 1,
    "tags": ["t"], "pair": [1, "p"], "many": [1, 2, 3], "table": {"k": 1}, "maybe": 4,
    "at": {"x": 1.0, "y": 2.0}, "deep": [],
}  # fmt: skip


def test_loading_and_dumping_are_inverse() -> None:
    job = amh.args_load(Job, FULL)
    assert job.color is Color.ONE
    assert job.pair == (1, "p")
    assert job.at == Point(1.0, 2.0)
    assert amh.args_dump(job) == FULL
    assert amh.args_load(Job, amh.args_dump(job)) == job


def test_int_becomes_float_and_nothing_else_is_converted() -> None:
    ratio = amh.args_load(Job, {"name": "a", "ratio": 2}).ratio
    assert (ratio, type(ratio)) == (2.0, float)


def test_the_length_limit_is_the_callers() -> None:
    with pytest.raises(am.ArgsError):
        amh.args_load(Job, {"name": "abcd"}, max_len=3)


def test_names_of_args() -> None:
    assert amh.args_names(Point) == ("x", "y")
    with pytest.raises(TypeError):
        amh.args_names(int)


def test_args_to_args_copies_fields_of_equal_name() -> None:
    @dataclass
    class Narrow:
        x: float

    @dataclass
    class Other:
        x: float
        z: int

    assert amh.args_to_args(Point(1, 2), Narrow) == Narrow(1)
    with pytest.raises(am.ArgsError, match="missing z"):
        amh.args_to_args(Point(1, 2), Other)


def test_args_to_args_refuses_what_the_class_s_own_code_cannot_take() -> None:
    @dataclass
    class Picky:
        x: float

        def __post_init__(self) -> None:
            {}[self.x]

    with pytest.raises(am.ArgsError, match="refused by Picky"):
        amh.args_to_args(Point(1, 2), Picky)


def test_only_marked_fields_are_logged_cut_and_bytes_as_length() -> None:
    shown = amh.args_log(Job("a" * 30, data=b"secret", size=3), max_len=10)
    assert shown == {"name": "aaaaaaaaa…", "data": "6 bytes"}
