"""Acceptance 11 and the other functions on schemas."""

from __future__ import annotations

import random
from hashlib import md5
from typing import Any

import pytest

import am_helpers as amh
import am_machine as am

RICH: dict[str, Any] = {
    "Foo": {"auto": True, "require": ["Bar", "Baz"]},
    "Bar": {"multi": True, "add": ["Baz"], "remove": ["Qux"]},
    "Baz": {"after": ["Foo"]},
    "Qux": {},
}
CHANGES: list[dict[str, Any]] = [
    {"Foo": {"require": ["Bar", "Baz"]}},
    {"Foo": {"auto": True, "multi": True, "require": ["Bar", "Baz"]}},
    {"Foo": {"auto": True, "require": ["Bar"]}},
    {"Foo": {"auto": True, "require": ["Bar", "Baz", "Qux"]}},
    {"Foo": {"auto": True, "add": ["Bar", "Baz"]}},
    {"Bar": {"multi": True, "add": ["Baz", "Qux"]}},
    {"Bar": {"multi": True, "add": ["Qux"], "remove": ["Baz"]}},
    {"Bar": {"multi": True, "add": ["Baz"], "after": ["Qux"]}},
    {"Bar": {"add": ["Baz"], "remove": ["Qux"]}},
    {"Baz": {}},
    {"New": {}},
]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"Foo": {}}, "ea4af9"),
        (RICH, "9e44ca"),
        (amh.Basic, "7d8b99"),
        (amh.Connected, "e92a00"),
    ],
    ids=["one state", "rich", "Basic", "Connected"],
)
def test_hashes_are_those_written_down(schema: Any, expected: str) -> None:
    assert amh.schema_hash(schema) == expected


def test_the_format_is_the_documented_one() -> None:
    text = "Bar:m,;Qux,;Baz,;;Baz:Foo,;;;;Exception:m,;;;;Foo:a,;;;Bar,Baz,;Qux:;;;;"
    assert amh.schema_hash(RICH) == md5(text.encode()).hexdigest()[:6]


def test_the_hash_is_equal_under_permutation() -> None:
    rng = random.Random(1)
    for _ in range(20):
        names = list(RICH)
        rng.shuffle(names)
        shuffled = {name: dict(RICH[name]) for name in names}
        shuffled["Foo"]["require"] = ["Baz", "Bar"]
        assert amh.schema_hash(shuffled) == amh.schema_hash(RICH)


def test_the_hash_differs_for_each_single_change() -> None:
    hashes = {amh.schema_hash({**RICH, **change}) for change in CHANGES}
    assert len(hashes | {amh.schema_hash(RICH)}) == len(CHANGES) + 1


def test_growing_a_machine_by_states_of_another_schema(machine: Any) -> None:
    mach = machine({"Foo": {}})
    mach.add("Foo")
    assert amh.copy_schema(amh.Basic, mach, ["Start", "Ready", "Start"]) == ("Start", "Ready")
    assert tuple(mach.schema) == ("Foo", "Exception", "Start", "Ready")
    assert mach.is_("Foo")
    assert mach.schema["Ready"].require == ("Start",)
    assert amh.copy_schema(amh.Basic, mach, ["Start"]) == ()
    with pytest.raises(am.UnknownStateError):
        amh.copy_schema(amh.Basic, mach, ["Nope"])
    with pytest.raises(am.SchemaError):
        amh.copy_schema(amh.Connected, mach, ["Connecting"])


def test_prefixing_states() -> None:
    schema = amh.prefix_states(amh.Connected, "Db")
    assert "DbConnecting" in schema
    assert schema["DbErrConnecting"].require == ("Exception",)
    assert set(schema["DbConnected"].remove) == {
        "DbConnecting", "DbDisconnecting", "DbDisconnected",
    }  # fmt: skip
    assert schema["DbDisconnected"].auto
    assert schema.groups["DbConnected"][0] == "DbConnecting"


def test_prefixing_some_states_drops_relations_to_the_rest() -> None:
    only = amh.prefix_states(amh.Connected, "Db", only=["Connected", "Disconnected"])
    assert tuple(only) == ("DbConnected", "DbDisconnected", "Exception")
    assert only["DbConnected"].require == ()
    assert only["DbConnected"].remove == ("DbDisconnected",)
    assert "DbStart" not in amh.prefix_states(amh.Connected, "Db", skip=["Start"])
    with pytest.raises(am.UnknownStateError):
        amh.prefix_states(amh.Connected, "Db", only=["Nope"])


@pytest.mark.parametrize(
    ("key", "value"), [("a", "1"), ("b", ""), ("c", "x:y"), ("d", None), ("e", "")]
)
def test_tag_values(key: str, value: str | None) -> None:
    assert amh.tag_value(["a:1", "b", "c:x:y", "e:"], key) == value
