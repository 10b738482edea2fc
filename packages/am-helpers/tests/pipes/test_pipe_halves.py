"""Pipes that pass on only one half of what happens to a state."""

from __future__ import annotations

from typing import Any

import pytest

import am_helpers as amh
import am_machine as am


def test_an_add_only_pipe_passes_on_what_is_entered(machine: Any) -> None:
    src, tgt = machine({"Foo": {}}, id="s"), machine({"Foo": {}, "Bar": {}}, id="t")
    same, other = amh.bind_add(src, tgt, "Foo"), amh.bind_add(src, tgt, "Foo", "Bar")
    src.add("Foo", x=1)
    assert tgt.is_("Foo", "Bar")
    src.remove("Foo")
    assert tgt.is_("Foo", "Bar")
    assert same.routes == (amh.Route("add", "Foo", "Foo"),)
    assert other.routes == (amh.Route("add", "Foo", "Bar"),)


def test_a_remove_only_pipe_passes_on_what_is_left(machine: Any) -> None:
    src, tgt = machine({"Foo": {}}), machine({"Bar": {}})
    pipe = amh.bind_remove(src, tgt, "Foo", "Bar")
    src.add("Foo")
    assert tgt.not_("Bar")
    tgt.add("Bar")
    src.remove("Foo")
    assert tgt.not_("Bar")
    assert pipe.routes == (amh.Route("remove", "Foo", "Bar"),)
    pipe.detach()
    tgt.add("Bar")
    src.toggle("Foo")
    src.toggle("Foo")
    assert tgt.is_("Bar")


def test_flat_halves_send_nothing_that_changes_nothing(machine: Any, transition_log: Any) -> None:
    src = machine({"Foo": {"multi": True}})
    tgt = machine({"Foo": {"multi": True}}, tracers=[transition_log])
    amh.bind_add(src, tgt, "Foo", flat=True)
    amh.bind_remove(src, tgt, "Foo", flat=True)
    for _ in range(3):
        src.add("Foo")
    assert len(transition_log.transitions) == 1
    tgt.remove("Foo")
    src.remove("Foo")
    assert len(transition_log.transitions) == 2


def test_an_error_state_is_added_with_its_error(machine: Any) -> None:
    src, tgt = machine({"Foo": {}}), machine({"ErrFoo": {}})
    amh.bind_add(src, tgt, "Exception", "ErrFoo")
    error = OSError("x")
    src.add_err(error)
    assert tgt.is_("ErrFoo", "Exception")
    assert tgt.err is error


def test_states_are_checked_before_anything_is_bound(machine: Any) -> None:
    src, tgt = machine({"Foo": {}}), machine({"Bar": {}})
    for bind in (amh.bind_add, amh.bind_remove):
        with pytest.raises(am.UnknownStateError):
            bind(src, tgt, "Foo")
        with pytest.raises(am.UnknownStateError):
            bind(src, tgt, "Bar")
    assert amh.pipes_of(src) == ()
