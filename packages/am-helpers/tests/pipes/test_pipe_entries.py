"""What the semantic logs of both ends say of pipes."""

from __future__ import annotations

from typing import Any

import am_helpers as amh


def test_detaching_one_pipe_keeps_the_entries_of_the_others(machine: Any) -> None:
    a, b = machine({"Foo": {}, "Bar": {}}, id="a"), machine({"Foo": {}, "Bar": {}}, id="b")
    there, back = amh.bind(a, b, "Foo"), amh.bind(b, a, "Bar")
    before = [list(a.sem_log.pipes), list(b.sem_log.pipes)]
    again = amh.bind(a, b, "Foo", "Bar")
    again.detach()
    assert [list(a.sem_log.pipes), list(b.sem_log.pipes)] == before
    there.detach()
    own = [(p.direction, p.kind, p.state, p.machine_id) for p in a.sem_log.pipes]
    assert own == [("in", "add", "Bar", "b"), ("in", "remove", "Bar", "b")]
    assert [p.direction for p in b.sem_log.pipes] == ["out", "out"]
    back.detach()
    assert not a.sem_log.pipes
    assert not b.sem_log.pipes


def test_detaching_a_pipe_to_one_of_two_machines_with_one_id_keeps_the_other_s(
    machine: Any,
) -> None:
    schema: dict[str, Any] = {"Foo": {}, "Bar": {}}
    a, twin, other = machine(schema, id="a"), machine(schema, id="b"), machine(schema, id="b")
    kept, gone = amh.bind(a, twin, "Foo"), amh.bind(a, other, "Bar")
    gone.detach()
    assert [p.state for p in a.sem_log.pipes] == ["Foo", "Foo"]
    assert [p.state for p in twin.sem_log.pipes] == ["Foo", "Foo"]
    assert not other.sem_log.pipes
    assert kept.attached
