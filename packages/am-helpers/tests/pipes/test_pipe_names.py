"""Pipes of states whose names make handler names ambiguous."""

from __future__ import annotations

from typing import Any

import pytest

import am_helpers as amh

SCHEMA: dict[str, Any] = {
    name: {"multi": name == "Enter"}
    for name in ("Foo", "End", "State", "Enter", "Exit", "FooEnd", "ErrEnd")
}


@pytest.mark.parametrize("state", ["Foo", "End", "State", "Exit", "FooEnd"])
def test_states_of_any_name_are_piped(machine: Any, state: str) -> None:
    src, tgt = machine(SCHEMA), machine({"Seen": {}, "Bar": {}})
    pipe = amh.bind(src, tgt, state, "Seen")
    for other in SCHEMA:
        if other != state:
            src.add(other)
            src.remove(other)
    assert tgt.tick("Seen") == 0
    src.add(state)
    assert tgt.is_("Seen")
    src.remove(state)
    assert tgt.not_("Seen")
    assert tgt.tick("Seen") == 2
    pipe.detach()
    src.add(state)
    assert tgt.not_("Seen")


def test_halves_errors_mirrors_and_many_work_with_such_states(machine: Any) -> None:
    src, tgt = machine(SCHEMA), machine(SCHEMA)
    amh.bind_add(src, tgt, "End")
    amh.bind_remove(src, tgt, "State")
    amh.bind_err(src, tgt, "ErrEnd")
    copy = amh.mirror(src, ["End", "State", "Enter", "Exit"])
    tgt.add("State")
    for state in ("End", "State", "Enter", "Exit"):
        src.add(state)
    src.add("Enter")
    assert copy.is_("End", "State", "Enter", "Exit")
    assert copy.tick("Enter") == src.tick("Enter") == 3
    src.remove("State")
    assert tgt.is_("End")
    assert tgt.not_("State")
    error = OSError("x")
    src.add_err(error)
    assert tgt.is_("ErrEnd")
    assert tgt.err is error
