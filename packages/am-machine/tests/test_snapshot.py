"""Taking a machine's clocks out, putting them back, and growing a schema in place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]

NAMES = {"A": {}, "B": {}, "C": {}}


class Restorable(am.States):
    """A schema whose machines hear of their restoration."""

    A = am.State()
    B = am.State(auto=True, require=["A"])
    MachineRestored = am.State()


# -- export and restore ---------------------------------------------------------------------------


def test_a_snapshot_holds_the_clocks(flat: Flat) -> None:
    m = flat("A B", id="m")
    m.add("A")
    m.set("B")
    snapshot = m.export()
    assert isinstance(snapshot, am.Snapshot)
    assert snapshot.id == "m"
    assert tuple(snapshot.state_names) == ("A", "B", "Exception")
    assert tuple(snapshot.time) == (2, 1, 0)
    assert (snapshot.queue_tick, snapshot.machine_tick) == (3, 0)


def test_a_snapshot_goes_through_json(flat: Flat) -> None:
    m = flat(id="m")
    m.add("A")
    snapshot = m.export()
    again = am.Snapshot.from_dict(json.loads(json.dumps(snapshot.to_dict())))
    assert again == snapshot
    assert am.Machine.restore(again, NAMES | {"D": {}}).string_all() == m.string_all()


def test_restore_keeps_ticks_and_raises_the_machine_tick(flat: Flat) -> None:
    m = flat("A B C", id="m")
    m.add("A", "B")
    m.remove("A")
    for times in (1, 2, 3):
        m = am.Machine.restore(m.export(), NAMES)
        assert (m.id, m.queue_tick, m.machine_tick) == ("m", 1, times)
        assert m.string_all() == "(B:1) [A:2 C:0 Exception:0]"
    m.add("A")
    assert m.machine_tick == 3, "it never changes otherwise"


def test_restore_takes_another_id_if_given(flat: Flat) -> None:
    assert am.Machine.restore(flat("A B C", id="m").export(), NAMES, id="other").id == "other"


def test_restore_takes_the_order_of_the_snapshot(flat: Flat) -> None:
    snapshot = flat("C B A").export()
    assert tuple(am.Machine.restore(snapshot, NAMES).clock()) == ("C", "B", "A", "Exception")


@pytest.mark.parametrize("names", ["A B", "A B C D", "A B D"])
def test_restore_needs_the_same_set_of_names(flat: Flat, names: str) -> None:
    with pytest.raises(am.SchemaError):
        am.Machine.restore(flat(names).export(), NAMES)


def test_restore_runs_nothing_for_the_restored_states(recorder: Any) -> None:
    calls: list[str] = []
    schema = {"A": {}, "B": {"auto": True, "require": ["A"]}, "C": {"auto": True}}
    m = am.Machine(schema, handlers={"CEnter": lambda e: False})
    m.add("A")
    assert m.active == ("A", "B")
    restored = am.Machine.restore(
        m.export(),
        schema,
        tracers=[recorder],
        handlers={"AState": lambda e: calls.append("A"), "AnyState": lambda e: calls.append("Any")},
    )
    assert recorder.only("mutation_queued") == []
    assert calls == []
    assert restored.active == ("A", "B"), "C would come by itself"


def test_restore_adds_machine_restored_last(recorder: Any) -> None:
    calls: list[str] = []
    m = am.Machine(Restorable, id="m")
    m.add("A")
    restored = am.Machine.restore(
        m.export(),
        Restorable,
        tracers=[recorder],
        handlers={"MachineRestoredState": lambda e: calls.append(f"{e.machine.machine_tick}")},
    )
    assert recorder.mutations[0].called == ("MachineRestored",)
    assert calls == ["1"]
    assert str(restored) == "(A:1 B:1 MachineRestored:1)"


def test_restore_of_a_restored_machine_adds_machine_restored_again() -> None:
    m = am.Machine.restore(am.Machine(Restorable).export(), Restorable)
    assert m.is_("MachineRestored")
    again = am.Machine.restore(m.export(), Restorable)
    assert again.is_("MachineRestored")
    assert again.machine_tick == 2


def test_a_snapshot_does_not_follow_the_machine(flat: Flat) -> None:
    m = flat("A")
    snapshot = m.export()
    m.add("A")
    assert tuple(snapshot.time) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"time": [1, -2, 0, 0]},
        {"time": [1, 2]},
        {"time": "many"},
        {"time": [1, 2.5, 0, 0]},
        {"state_names": ["A", "A", "B", "Exception"]},
        {"state_names": None},
        {"machine_tick": "x"},
        {"id": 5},
    ],
)
def test_a_broken_snapshot_is_refused(flat: Flat, change: dict[str, Any]) -> None:
    data = flat("A B C", id="m").export().to_dict()
    with pytest.raises((ValueError, TypeError)):
        am.Machine.restore(am.Snapshot.from_dict(data | change), NAMES)


def test_export_and_restore_are_logged(flat: Flat, log: Any) -> None:
    m = flat("A B C", log_level=am.LogLevel.OPS)
    m.add("A", "B")
    m.remove("A")
    log.clear()
    snapshot = m.export()
    assert log.lines == ["[import] exported at 3 ticks"]
    log.clear()
    am.Machine.restore(snapshot, NAMES, log_level=am.LogLevel.CHANGES)
    assert log.starting("[import]") == ["[import] imported 1 times, now at 3 ticks"]


# -- growth ---------------------------------------------------------------------------------------

GROWN = {"A": {"remove": ["New"]}, "B": {}, "Exception": {"multi": True}, "New": {"add": ["B"]}}
GROWN_NAMES = ["A", "B", "Exception", "New"]


def test_growth_keeps_ticks_and_indexes(flat: Flat) -> None:
    m = flat("A B")
    m.add("A")
    m.set_schema(GROWN, GROWN_NAMES)
    assert m.string_all() == "(A:1) [B:0 Exception:0 New:0]"
    assert tuple(m.clock()) == tuple(GROWN_NAMES)
    assert tuple(m.schema) == tuple(GROWN_NAMES)


def test_growth_brings_the_relations_of_the_new_schema(flat: Flat) -> None:
    m = flat("A B")
    m.add("A")
    assert m.add("B") is am.EXECUTED
    m.remove("B")
    m.set_schema(GROWN, GROWN_NAMES)
    assert m.add("New") is am.CANCELED, "A removes New"
    m.remove("A")
    assert m.add("New") is am.EXECUTED
    assert m.is_("B"), "New implies B"


def test_plans_of_the_old_schema_are_not_used_after_growth(flat: Flat) -> None:
    m = flat("A B")
    for _ in range(3):
        m.add("A")
        m.remove("A")
    m.set_schema(
        {"A": {"add": ["New"]}, "B": {}, "Exception": {"multi": True}, "New": {}}, GROWN_NAMES
    )
    m.add("A")
    assert m.is_("A", "New")


def test_waits_and_contexts_live_on_over_growth(flat: Flat) -> None:
    m = flat("A B")
    m.add("A")
    waits = [m.when("B"), m.when_not("A"), m.when_time({"B": 1}), m.when_args("B", id=1)]
    ctx = m.state_ctx("A")
    m.set_schema(GROWN, GROWN_NAMES)
    assert not ctx.expired
    assert m.state_ctx("A") is ctx
    assert not any(wait.done for wait in waits)
    m.set("B", id=1)
    assert all(wait.done for wait in waits)
    assert ctx.expired


def test_handlers_bound_before_growth_go_on(flat: Flat) -> None:
    calls: list[str] = []
    m = flat("A B", handlers={"BState": lambda e: calls.append(e.name)})
    m.set_schema(GROWN, GROWN_NAMES)
    m.bind({"NewState": lambda e: calls.append(e.name)})
    m.add("New")
    assert sorted(calls) == ["BState", "NewState"]


def test_a_machine_grows_more_than_once(flat: Flat) -> None:
    m = flat("A")
    names = ["A", "Exception"]
    for number in range(5):
        names = [*names, f"New{number}"]
        m.set_schema({name: {"multi": name == "Exception"} for name in names}, names)
        m.add(names[-1])
    assert m.active == ("New0", "New1", "New2", "New3", "New4")


def test_other_machines_of_the_schema_do_not_grow() -> None:
    first, second = am.Machine(Restorable), am.Machine(Restorable)
    names = [*Restorable.names(), "New"]
    first.set_schema({name: {} for name in names}, names)
    assert "New" in first.schema
    assert "New" not in second.schema
    with pytest.raises(am.UnknownStateError):
        second.add("New")


@pytest.mark.parametrize(
    "names",
    [
        ["A", "B", "Exception"],
        ["A", "Exception"],
        ["B", "A", "Exception", "New"],
        ["A", "B", "New", "Exception"],
        ["A", "B", "Exception", "New", "Nope"],
        ["A", "B", "Exception", "New", "New"],
    ],
    ids=["same", "fewer", "reordered", "squeezed in", "without definition", "twice"],
)
def test_a_schema_that_does_not_just_grow_is_refused(flat: Flat, names: list[str]) -> None:
    m = flat("A B")
    known = [name for name in dict.fromkeys(names) if name != "Nope"]
    with pytest.raises(am.SchemaError):
        m.set_schema({name: {} for name in known}, names)
    assert tuple(m.clock()) == ("A", "B", "Exception")
    assert m.add("A") is am.EXECUTED


def test_growth_with_a_faulty_schema_changes_nothing(flat: Flat) -> None:
    m = flat("A B")
    with pytest.raises(am.SchemaError) as caught:
        m.set_schema(GROWN | {"New": {"require": ["Nope"]}}, GROWN_NAMES)
    assert any("Nope" in fault for fault in caught.value.faults)
    assert tuple(m.clock()) == ("A", "B", "Exception")


def test_growth_during_a_drain_is_refused(flat: Flat) -> None:
    m = flat("A B", handlers={"AState": lambda e: e.machine.set_schema(GROWN, GROWN_NAMES)})
    m.add("A")
    assert isinstance(m.err, am.SchemaError)
    assert "New" not in m.schema
