"""Schemas: how states are declared, ordered, inherited, cleaned up and checked."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

import am_machine as am


def faults(definition: Any) -> tuple[str, ...]:
    with pytest.raises(am.SchemaError) as caught:
        am.compile_schema(definition)
    return caught.value.faults


# --- a State and its name -----------------------------------------------------------------------


class Files(am.States):
    Processing = am.State(remove=["Processed"])
    Processed = am.State(remove=[Processing])
    InProgress = am.State(auto=True, require=[Processing], tags=["work"], doc="Busy.")


def test_a_state_is_the_string_of_the_attribute_it_is_assigned_to() -> None:
    assert Files.Processing == "Processing"
    assert isinstance(Files.Processing, str)
    assert isinstance(Files.Processing, am.State)
    assert {"Processing": 1}[Files.Processing] == 1
    assert f"{Files.Processing}" == "Processing"


def test_a_state_is_usable_further_down_in_its_own_class_body() -> None:
    assert Files.Processed.remove == ("Processing",)
    assert Files.InProgress.require == ("Processing",)


def test_properties_of_a_state() -> None:
    state = Files.InProgress
    assert (state.auto, state.multi) == (True, False)
    assert (state.require, state.add, state.remove, state.after) == (("Processing",), (), (), ())
    assert (state.args, state.tags, state.doc) == (None, ("work",), "Busy.")


def test_a_state_assigned_to_two_names_becomes_two_states() -> None:
    class Twins(am.States):
        First = am.State(multi=True)
        Second = First

    assert Twins.names() == ("First", "Second", "Exception")
    assert (Twins.First, Twins.Second) == ("First", "Second")
    assert Twins.Second.multi


def test_copies_and_pickles_keep_name_and_properties() -> None:
    for twin in (copy.copy(Files.InProgress), pickle.loads(pickle.dumps(Files.InProgress))):
        assert twin == "InProgress"
        assert twin.require == ("Processing",)
        assert twin.auto


def test_an_unbound_state_is_no_name() -> None:
    unbound = am.State()
    machine = am.Machine(Files)
    with pytest.raises(am.SchemaError):
        machine.add(unbound)
    with pytest.raises(am.SchemaError):
        machine.is_(unbound)
    assert faults({"A": {"require": [unbound]}})


def test_states_in_a_dict_are_bound_to_their_keys() -> None:
    schema = am.compile_schema({"A": am.State(require=["B"]), "B": {}, "C": Files.InProgress.extend(
        require=["A"]), "Processing": {}})  # fmt: skip
    assert [str(s) for s in schema.values()] == ["A", "B", "C", "Processing", "Exception"]
    assert schema["A"].require == ("B",)
    assert schema["C"].require == ("Processing", "A")


# --- names and limits ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["A", "Foo_Bar", "X9", "HTTPServer", "AnyThing", "A" * 128])
def test_good_names(name: str) -> None:
    assert list(am.compile_schema({name: {}})) == [name, "Exception"]


@pytest.mark.parametrize(
    "name",
    ["", "foo", "_Foo", "9A", "Foo-Bar", "Foo Bar", "Fóo", "Foo\n", "Any", "A" * 129, "Foo.Bar"],
)
def test_bad_names_are_faults(name: str) -> None:
    assert len(faults({name: {}})) == 1


@pytest.mark.parametrize("name", [1, None, ("A",), b"A"])
def test_a_name_that_is_no_string_is_a_fault(name: Any) -> None:
    assert len(faults({name: {}})) == 1


def test_4096_states_are_the_most_and_exception_is_one_of_them() -> None:
    most: dict[str, Any] = {f"S{number}": {} for number in range(4095)}
    assert len(am.compile_schema(most)) == 4096
    machine = am.Machine(most)
    machine.add("S0", "S4094")
    assert machine.active == ("S0", "S4094")
    assert any("4097" in fault for fault in faults(most | {"OneMore": {}}))


# --- order of the index -------------------------------------------------------------------------


class First(am.States):
    A = am.State()
    B = am.State(multi=True)


class Second(am.States):
    C = am.State()
    B = am.State(auto=True)
    D = am.State()


class Erring(am.States):
    E = am.State()
    Exception = am.State(multi=True, remove=["E"])
    F = am.State()


def test_names_come_in_order_of_definition_with_exception_last() -> None:
    assert First.names() == ("A", "B", "Exception")
    assert tuple(First.schema()) == First.names()
    assert am.Machine(First).schema["Exception"].multi


def test_names_of_bases_come_first_left_to_right() -> None:
    class Both(First, Second):
        G = am.State()
        A = am.State(multi=True)

    assert Both.names() == ("A", "B", "C", "D", "G", "Exception")
    assert Both.schema()["A"].multi


def test_the_implicit_exception_stays_last_under_inheritance() -> None:
    class Child(First):
        X = am.State()

    class Grandchild(Child, Second):
        Y = am.State()

    assert Grandchild.names() == ("A", "B", "X", "C", "D", "Y", "Exception")


def test_a_defined_exception_stands_where_it_was_defined() -> None:
    class Child(First, Erring):
        X = am.State()

    assert Erring.names() == ("E", "Exception", "F")
    assert Child.names() == ("A", "B", "E", "Exception", "F", "X")
    assert Child.schema()["Exception"].remove == ("E",)


def test_a_defined_exception_has_the_properties_written_there() -> None:
    schema = am.compile_schema({"Exception": {}, "A": {}})
    assert list(schema) == ["Exception", "A"]
    assert not schema["Exception"].multi


def test_a_dict_schema_keeps_the_order_of_the_dict() -> None:
    assert am.Machine({"Z": {}, "A": {}, "M": {}}).time() == (0, 0, 0, 0)
    assert list(am.Machine({"Z": {}, "A": {}, "M": {}}).clock()) == ["Z", "A", "M", "Exception"]


def test_an_empty_schema_has_only_exception() -> None:
    assert list(am.compile_schema({})) == ["Exception"]
    assert am.States.names() == ("Exception",)
    assert am.Machine(am.States).string_all() == "() [Exception:0]"


# --- inheritance --------------------------------------------------------------------------------


def test_the_definition_found_first_in_the_mro_wins_whole() -> None:
    class Both(First, Second):
        """B of First wins; nothing of B of Second is merged in."""

    assert (Both.schema()["B"].multi, Both.schema()["B"].auto) == (True, False)


def test_a_diamond_takes_the_redefinition_rather_than_the_root() -> None:
    class Plain(First):
        """Inherits B."""

    class Changed(First):
        B = am.State(after=["A"])

    class Diamond(Plain, Changed):
        """B is found in Changed before First."""

    assert Diamond.schema()["B"].after == ("A",)
    assert not Diamond.schema()["B"].multi


def test_extend_puts_new_relations_behind_inherited_ones() -> None:
    @dataclass
    class Args:
        id: int

    class Base(am.States):
        A = am.State(
            require=["B"], add=["C"], remove=["D"], after=["B"], args=Args, tags=["x"], doc="Base."
        )
        B = am.State()
        C = am.State()
        D = am.State()

    class Child(Base):
        A = Base.A.extend(require=["C", "B"], add=[Base.D], remove=["E"], after=["D"], auto=True)
        E = am.State()

    old, new = Base.schema()["A"], Child.schema()["A"]
    assert new == "A"
    assert (new.require, new.add) == (("B", "C"), ("C", "D"))
    assert (new.remove, new.after) == (("E",), ("B", "D")), "add wins over the inherited remove"
    assert (new.auto, new.multi) == (True, False)
    assert (new.args, new.tags, new.doc) == (Args, ("x",), "Base.")
    assert (old.require, old.auto) == (("B",), False), "the base is as it was"
    assert Child.names() == ("A", "B", "C", "D", "E", "Exception")


def test_extend_only_switches_flags_on_and_replaces_what_is_given() -> None:
    class Base(am.States):
        A = am.State(auto=True, multi=True, tags=["x"], doc="Base.")

    again = Base.A.extend(auto=False, multi=False, tags=["y", "z"], doc="New.")
    assert (again.auto, again.multi) == (True, True)
    assert (again.tags, again.doc) == (("y", "z"), "New.")
    assert (Base.A.extend(doc="").doc, Base.A.extend(tags=()).tags) == ("", ())


def test_a_schema_is_checked_with_all_that_is_inherited() -> None:
    class Mixin(am.States):
        Ready = am.State(require=["Elsewhere"])

    class Whole(Mixin):
        Elsewhere = am.State()

    assert am.Machine(Whole).add("Ready", "Elsewhere") is am.EXECUTED
    assert len(faults(Mixin)) == 1


# --- groups -------------------------------------------------------------------------------------


class Grouped(Files):
    Idle = am.State()

    class Groups:
        Flow = (Files.Processing, "Processed")
        Rest = (Files.InProgress,)


def test_groups_name_states_in_order() -> None:
    assert list(Grouped.groups().items()) == [
        ("Flow", ("Processing", "Processed")),
        ("Rest", ("InProgress",)),
    ]
    assert Files.groups() == {}


def test_groups_are_inherited_and_replaced_by_name() -> None:
    class Child(Grouped):
        Extra = am.State()

        class Groups:
            Later = ("Extra",)
            Rest = ("Idle", "Extra")

    assert list(Child.groups()) == ["Flow", "Rest", "Later"]
    assert Child.groups()["Rest"] == ("Idle", "Extra")
    assert Grouped.groups()["Rest"] == ("InProgress",)


def test_the_group_found_first_in_the_mro_wins() -> None:
    class Left(Grouped):
        class Groups:
            Flow = ("Idle",)

    class Right(Grouped):
        class Groups:
            Flow = ("InProgress",)
            Side = ("Idle",)

    class Diamond(Left, Right):  # type: ignore[misc]
        """Flow of Left is found first; Side of Right is inherited too."""

    assert Diamond.groups()["Flow"] == ("Idle",)
    assert Diamond.groups()["Side"] == ("Idle",)


def test_a_group_may_be_a_list() -> None:
    class Listed(am.States):
        A = am.State()
        Groups = type("Groups", (), {"Some": ["A"], "_private": 5})

    assert Listed.groups() == {"Some": ("A",)}
    assert Listed.schema().groups == {"Some": ("A",)}


def test_a_group_with_an_unknown_state_is_a_fault() -> None:
    class Wrong(am.States):
        A = am.State()

        class Groups:
            Some = ("A", "Nope")

    found = faults(Wrong)
    assert len(found) == 1
    assert "Some" in found[0]
    assert "Nope" in found[0]


def test_groups_change_nothing_in_resolution() -> None:
    machine = am.Machine(Grouped)
    assert machine.add(*Grouped.groups()["Flow"]) is am.CANCELED


def test_a_whole_group_can_be_given_as_remove_of_each_member() -> None:
    modes = ["Red", "Green", "Blue"]
    machine = am.Machine({mode: {"remove": modes} for mode in modes})
    assert machine.schema["Green"].remove == ("Red", "Blue")
    for mode in modes:
        assert machine.add(mode) is am.EXECUTED
        assert machine.active == (mode,)


# --- sanitising ---------------------------------------------------------------------------------


def test_a_state_is_taken_from_its_own_remove_and_after_only() -> None:
    own = {kind: ["A", "B"] for kind in ("remove", "after")}
    state = am.compile_schema({"A": own | {"require": ["A"]}, "B": {"add": ["B"]}})["A"]
    assert (state.remove, state.after, state.require) == (("B",), ("B",), ("A",))
    assert am.compile_schema({"B": {"add": ["B"]}})["B"].add == ("B",)


def test_duplicates_go_and_the_first_is_kept() -> None:
    twice = ["C", "B", "C", "B"]
    schema = am.compile_schema(
        {"A": {"require": twice, "after": twice}, "B": {"remove": ["C", "A", "C"]},
         "C": {"add": ["B", "A", "B"]}}
    )  # fmt: skip
    assert (schema["A"].require, schema["A"].after) == (("C", "B"), ("C", "B"))
    assert (schema["B"].remove, schema["C"].add) == (("C", "A"), ("B", "A"))


def test_add_wins_over_remove() -> None:
    state = am.compile_schema({"A": {"add": ["B"], "remove": ["C", "B"]}, "B": {}, "C": {}})["A"]
    assert (state.add, state.remove) == (("B",), ("C",))


def test_sanitising_comes_before_checking() -> None:
    schema = am.compile_schema(
        {"A": {"require": ["B"], "add": ["B"], "remove": ["B"]}, "B": {},
         "C": {"require": ["C"], "remove": ["C"]}}
    )  # fmt: skip
    assert schema["A"].remove == ()
    assert schema["C"].remove == ()


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["require", "add", "remove", "after"])
def test_a_relation_to_a_missing_state_is_a_fault(kind: str) -> None:
    found = faults({"A": {kind: ["Nope"]}})
    assert len(found) == 1
    assert "Nope" in found[0]
    assert kind in found[0]


@pytest.mark.parametrize("kind", ["require", "add", "remove", "after"])
@pytest.mark.parametrize("value", ["B", 5, None, [1], [None], b"B", [["B"]]])
def test_a_relation_that_is_no_iterable_of_names_is_a_fault(kind: str, value: Any) -> None:
    assert len(faults({"A": {kind: value}, "B": {}})) == 1
    assert len(faults({"A": am.State(**{kind: value}), "B": {}})) == 1


def test_a_state_that_requires_and_removes_the_same_state_is_a_fault() -> None:
    assert len(faults({"A": {"require": ["B"], "remove": ["B"]}, "B": {}})) == 1


@pytest.mark.parametrize("args", [int, "Args", dict])
def test_args_that_are_no_dataclass_are_a_fault(args: Any) -> None:
    assert len(faults({"A": {"args": args}})) == 1


def test_an_instance_of_a_dataclass_is_no_args_class() -> None:
    @dataclass
    class Args:
        id: int

    assert len(faults({"A": {"args": Args(1)}})) == 1


def test_an_unknown_key_and_a_strange_definition_are_faults() -> None:
    assert any("requires" in f for f in faults({"A": {"requires": []}}))
    assert len(faults({"A": 5})) == 1
    assert len(faults({"A": ["B"], "B": {}})) == 1


def test_all_faults_are_reported_at_once() -> None:
    found = faults(
        {
            "lower": {},
            "Any": {},
            "A": {"require": ["Nope"], "colour": "red"},
            "B": {"require": ["A"], "remove": ["A"], "args": int},
            "C": {"add": "A", "after": [3]},
        }
    )
    assert len(found) == 8
    with pytest.raises(am.SchemaError) as caught:
        am.Machine({"lower": {}, "Any": {}})
    assert all(fault in str(caught.value) for fault in caught.value.faults)


def test_what_is_no_schema_at_all_is_refused() -> None:
    for wrong in (5, None, "A", ["A"], int):
        with pytest.raises(am.SchemaError):
            am.Machine(wrong)  # type: ignore[arg-type]


def test_a_ring_of_require_is_legal_and_noted_once_per_machine(log: Any) -> None:
    ring = am.compile_schema({"A": {"require": ["B"]}, "B": {"require": ["A"]}})
    for _ in range(2):
        machine = am.Machine(ring, log_level=am.LogLevel.CHANGES)
        assert machine.add("A", "B") is am.EXECUTED
        assert machine.remove("A") is am.EXECUTED
        assert len(log.starting("[resolver]")) == 1
        log.clear()


def test_errors_have_the_builtin_bases() -> None:
    for wrong in (am.SchemaError, am.UnknownStateError, am.HandlerError):
        assert issubclass(wrong, ValueError)
    assert issubclass(am.ArgsError, TypeError)
    assert issubclass(am.NotOpenError, RuntimeError)
    assert issubclass(am.HandlerTimeoutError, TimeoutError)
    for error in (am.SchemaError, am.UnknownStateError, am.HandlerError, am.ArgsError,
                  am.NotOpenError, am.HandlerTimeoutError):  # fmt: skip
        assert issubclass(error, am.Error)


# --- unknown states -----------------------------------------------------------------------------


async def never(*_: Any) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.add("Nope"),
        lambda m: m.add("Idle", "Nope"),
        lambda m: m.remove("Nope"),
        lambda m: m.set("Nope"),
        lambda m: m.toggle("Nope"),
        lambda m: m.can_add("Nope"),
        lambda m: m.can_remove("Nope"),
        lambda m: m.add_err("ErrNope", RuntimeError("e")),
        lambda m: m.is_("Nope"),
        lambda m: m.not_("Nope"),
        lambda m: m.any_("Idle", ("Nope",)),
        lambda m: m.switch("Nope"),
        lambda m: "Nope" in m,
        lambda m: m.tick("Nope"),
        lambda m: m.time("Nope"),
        lambda m: m.clock("Nope"),
        lambda m: m.is_time([0], "Nope"),
        lambda m: m.was_time([0], "Nope"),
        lambda m: m.is_clock({"Nope": 0}),
        lambda m: m.was_clock({"Nope": 0}),
        lambda m: m.is_queued("add", "Nope"),
        lambda m: m.will_be("Nope"),
        lambda m: m.will_be_removed("Nope"),
        lambda m: m.when("Nope"),
        lambda m: m.when_not("Nope"),
        lambda m: m.when_any("Nope"),
        lambda m: m.when_args("Nope", id=1),
        lambda m: m.when_time({"Nope": 1}),
        lambda m: m.when_ticks("Nope", 1),
        lambda m: m.when_next_active("Nope"),
        lambda m: m.state_ctx("Nope"),
        lambda m: m.inspect("Nope"),
        lambda m: m.add_breakpoint(added=["Nope"]),
    ],
)
def test_an_unknown_name_given_to_a_machine_raises_and_changes_nothing(call: Any) -> None:
    machine = am.Machine(Grouped)
    with pytest.raises(am.UnknownStateError):
        call(machine)
    assert (machine.queue_tick, machine.queue, machine.err) == (1, (), None)
    assert machine.time().sum == 0


@pytest.mark.parametrize("name", [5, None, ["Idle"], b"Idle"])
def test_what_is_no_name_is_an_unknown_state_too(name: Any) -> None:
    with pytest.raises(am.UnknownStateError):
        am.Machine(Grouped).add(name)


# --- compiled once ------------------------------------------------------------------------------


def test_machines_of_one_class_share_one_schema() -> None:
    assert am.Machine(Files).schema is am.Machine(Files).schema is Files.schema()
    assert am.compile_schema(Files) is Files.schema()
    assert am.Machine(Grouped).schema is not Files.schema()


def test_machines_made_from_one_compiled_schema_share_it() -> None:
    schema = am.compile_schema({"A": {}})
    assert am.compile_schema(schema) is schema
    assert am.Machine(schema).schema is schema


def test_a_schema_is_an_immutable_mapping() -> None:
    definition: dict[str, Any] = {"A": {"remove": ["B"]}, "B": {}}
    schema = am.Schema(definition)
    definition["C"] = {}
    definition["A"]["remove"].append("C")
    assert list(schema) == ["A", "B", "Exception"]
    assert schema["A"].remove == ("B",)
    assert len(schema) == 3
    assert "C" not in schema
    with pytest.raises(TypeError):
        schema["C"] = am.State()  # type: ignore[index]
    with pytest.raises(KeyError):
        schema["C"]
