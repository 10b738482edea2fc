"""Resolution as tables: what `Schema.resolve` makes of a mutation (target, order, acceptance)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

import am_machine as am


def resolve(
    schema: dict[str, Any], mutation: str, active: str = "", **flags: bool
) -> am.Resolution:
    """Resolve e.g. `"add A B"` against the active states, all names split at blanks."""
    kind, *called = mutation.split()
    return am.compile_schema(schema).resolve(kind, called, active.split(), **flags)


def states(names: str, **relations: dict[str, Any]) -> dict[str, Any]:
    return {name: relations.get(name, {}) for name in names.split()}


CHAIN = states("A B C D X", A={"add": ["B"]}, B={"add": ["C"]}, C={"add": ["D"]})
WEATHER = states(
    "Wet Dry Water",
    Wet={"require": ["Water"]},
    Dry={"remove": ["Wet"]},
    Water={"add": ["Wet"], "remove": ["Dry"]},
)
NEEDS = states("R Q P K", R={"require": ["Q"]}, Q={"require": ["P"]}, K={"remove": ["P"]})
RIVALS = states("C D", C={"remove": ["D"]}, D={"remove": ["C"]})
WINNER = states("C D", C={"remove": ["D"]})
REPEATS = states("A B C", A={"multi": True, "add": ["B"], "require": ["C"]}, B={"require": ["C"]})

# (schema, mutation, active before, target, accepted)
CASES = {
    # A called state beats an active one, an active one beats an implied one.
    "called removes active": (WINNER, "add C", "D", "C", True),
    "active refuses called": (WINNER, "add D", "C", "C", False),
    "called beats active when both remove": (RIVALS, "add C", "D", "C", True),
    "the other way round too": (RIVALS, "add D", "C", "D", True),
    "rivals called together: the first wins": (RIVALS, "set C D", "", "C", False),
    "rivals called together in the other order": (RIVALS, "set D C", "", "D", False),
    "rivals added together, one active": (RIVALS, "add D C", "C", "D", False),
    "an implied state may be refused": (
        states("A B Z", Z={"add": ["B"]}, A={"remove": ["B"]}), "add Z", "A", "Z A", True),
    "an implied state does not remove an active one that refuses it": (
        states("A B Z", Z={"add": ["B"]}, A={"remove": ["B"]}, B={"remove": ["A"]}),
        "add Z", "A", "Z A", True),
    "a called state beats the one implied by another called": (
        states("A B Z", Z={"add": ["B"]}, A={"remove": ["B"]}, B={"remove": ["A"]}),
        "add Z A", "", "Z A", True),
    "weather": (WEATHER, "set Water", "Dry", "Water Wet", True),
    # Requirements fall like dominoes.
    "dependants fall": (NEEDS, "remove P", "R Q P", "", True),
    "dependants of a struck state fall": (NEEDS, "add K", "R Q P", "K", True),
    "the middle falls with its dependant only": (NEEDS, "remove Q", "R Q P", "P", True),
    "a missing requirement refuses": (NEEDS, "add R", "", "", False),
    "half a chain refuses": (NEEDS, "add R P", "", "P", False),
    "a whole chain is accepted, required first": (NEEDS, "add R Q P", "", "P Q R", True),
    # Implication is transitive.
    "implication is transitive": (CHAIN, "add A", "X", "A X B C D", True),
    "implied states use their own remove": (
        CHAIN | {"C": {"add": ["D"], "remove": ["X"]}}, "add A", "X", "A B C D", True),
    "the last of a chain uses it too": (
        CHAIN | {"D": {"remove": ["X"]}}, "add A", "X", "A B C D", True),
    "unless the active state removes it as well": (
        CHAIN | {"D": {"remove": ["X"]}, "X": {"remove": ["D"]}}, "add A", "X", "A X B C", True),
    "an active state does not imply again": (CHAIN, "add X", "A", "X A", True),
    "an active called state does not imply again": (CHAIN, "add A", "A", "A", True),
    "set of an active state does not imply": (CHAIN, "set A", "A X", "A", True),
    "an active state in the middle ends the chain": (CHAIN, "add A", "B", "A B", True),
    "a ring of implications ends": (
        states("A B C", A={"add": ["B"]}, B={"add": ["C"]}, C={"add": ["A"]}),
        "add B", "", "B C A", True),
    "a state may imply itself": (states("A", A={"add": ["A"]}), "add A", "", "A", True),
    # A blocker that is blocked itself gives way.
    "a blocked state cannot block": (
        states("A B C", A={"remove": ["B"]}, B={"remove": ["C"]}), "add A", "C B", "A", True),
    "a blocked state cannot block one judged later": (
        states("A B C", A={"remove": ["C"]}, C={"remove": ["B"]}), "add A", "B C", "A B", True),
    "a blocked state gives way: what it blocked is implied again": (
        states("A B C", A={"add": ["C"], "remove": ["B"]}, B={"remove": ["C"]}),
        "add A", "B", "C A", True),
    "what is implied again still meets the states that stay": (
        states("A B C D", A={"add": ["C"], "remove": ["B"]}, B={"remove": ["C"]},
               D={"remove": ["C"]}),
        "add A", "B D", "A D", True),
    # Multi states.
    "an active multi state repeats its add": (REPEATS, "add C", "A C", "C A B", True),
    "remove never re-adds what it calls": (REPEATS, "remove B", "A B C", "C A", True),
    "remove may activate through an active multi": (
        states("A B C", A={"multi": True, "add": ["B"]}), "remove C", "A C", "A B", True),
    "what remove drops by require is added again if implied": (
        states("A B C D", A={"multi": True, "add": ["B"]}, B={"require": ["C"]}),
        "remove D", "A C D", "A C B", True),
    "set ignores an active multi state": (
        states("A B C", A={"multi": True, "add": ["B"]}), "set C", "A", "C", True),
    "a called multi state implies though active": (
        states("A B", A={"multi": True, "add": ["B"]}), "set A", "A", "A B", True),
    # Nothing called.
    "set of nothing clears": (CHAIN, "set", "A X", "", True),
    "add of nothing keeps": (CHAIN, "add", "A X", "A X", True),
    "remove of nothing keeps": (CHAIN, "remove", "A X", "A X", True),
    "remove of an inactive state": (CHAIN, "remove B", "A X", "A X", True),
    "add of nothing still judges the active": (NEEDS, "add", "R", "", True),
    # Called order, active in index order.
    "called first, then active by index": (states("A B C D"), "add D B", "C A", "D B A C", True),
    "an active called state keeps its place": (states("A B C"), "add C A", "A B", "C A B", True),
    "set takes only the called": (states("A B C D"), "set D A", "B C", "D A", True),
    "a called state named twice counts once": (states("A B C"), "add C A C", "", "C A", True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_target_and_acceptance(case: tuple[dict[str, Any], str, str, str, bool]) -> None:
    schema, mutation, active, target, accepted = case
    found = resolve(schema, mutation, active)
    assert (" ".join(found.target), found.accepted) == (target, accepted)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_machine_ends_where_resolution_says(
    case: tuple[dict[str, Any], str, str, str, bool],
) -> None:
    schema, mutation, active, target, accepted = case
    names = list(am.compile_schema(schema))
    ticks = tuple(int(name in active.split()) for name in names)
    machine = am.Machine.restore(am.Snapshot("m", tuple(names), ticks, 1, 0), schema)
    kind, *called = mutation.split()
    getattr(machine, kind)(*called)
    assert set(machine.active) == set((target if accepted else active).split())


def test_implied_states_refused_by_a_blocked_active_state_come_back_with_all_they_imply() -> None:
    schema = states(
        "A B C D", A={"add": ["C"], "remove": ["B"]}, B={"remove": ["C", "D"]}, C={"add": ["D"]}
    )
    assert resolve(schema, "add A", "B").target == ("D", "C", "A")


def test_active_states_are_judged_from_the_last_index_to_the_first() -> None:
    ring = states("A B C", A={"remove": ["B"]}, B={"remove": ["C"]}, C={"remove": ["A"]})
    # Walking back, C is blocked by B, then B by A; A's blocker C is blocked already.
    assert resolve(ring, "add", "A B C").target == ("A",)
    assert resolve(ring, "add A B C").target == ("A",)
    assert resolve(ring, "add B C A").target == ("B",)


def test_the_order_in_which_active_names_are_given_does_not_matter() -> None:
    schema = am.compile_schema(states("A B C D", B={"after": ["D"]}, C={"remove": ["A"]}))
    results = {schema.resolve("add", ["D"], names).target for names in permutations("ABC")}
    assert len(results) == 1


def test_names_may_be_states_strings_or_any_iterable() -> None:
    class Doors(am.States):
        Open = am.State(remove=["Closed"])
        Closed = am.State(remove=[Open])

    schema = Doors.schema()
    found = schema.resolve("add", iter([Doors.Open]), {Doors.Closed})
    assert found.target == ("Open",)
    assert found.enters == ("Open",)
    assert found.exits == ("Closed",)


def test_an_unknown_name_is_refused() -> None:
    schema = am.compile_schema(states("A"))
    with pytest.raises(am.UnknownStateError):
        schema.resolve("add", ["Nope"], [])
    with pytest.raises(am.UnknownStateError):
        schema.resolve("add", ["A"], ["Nope"])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="toggle"):
        am.compile_schema(states("A")).resolve("toggle", ["A"], [])


# --- order -------------------------------------------------------------------------------------

ORDERS = {
    "after overrides the called order": (states("A B C", A={"after": ["C"]}), "A B C", "B C A"),
    "after is transitive": (
        states("A B C", A={"after": ["B"]}, B={"after": ["C"]}), "A B C", "C B A"),
    "after an absent state means nothing": (states("A B C", A={"after": ["C"]}), "A B", "A B"),
    "a ring of after keeps the given first": (
        states("A B C", A={"after": ["B"]}, B={"after": ["A"]}), "A B C", "C A B"),
    "a whole ring begins with its first": (
        states("A B C", A={"after": ["C"]}, B={"after": ["A"]}, C={"after": ["B"]}),
        "B C A", "B C A"),
    "required first": (states("A B C", A={"require": ["C"]}), "A B C", "B C A"),
    "states outside of require edges come first": (
        states("A B C D", A={"require": ["B"]}), "A D C B", "D C B A"),
    "rank follows the post-order from the first index": (
        states("A B C D", A={"require": ["D", "C"]}, B={"require": ["C"]}), "A B C D", "D C A B"),
    "relation order decides between two required": (
        states("A B C", A={"require": ["C", "B"]}), "A B C", "C B A"),
    "a state that is only required still has a rank": (
        states("A B C D", D={"require": ["B"]}), "B A C D", "A C B D"),
    "after overrides require": (
        states("A B C", A={"require": ["C"]}, C={"after": ["A"]}), "A B C", "B A C"),
    "a ring of require switches the rank off everywhere": (
        states("A B C D", A={"require": ["B"]}, B={"require": ["A"]}, C={"require": ["D"]}),
        "C A B D", "C A B D"),
    "a state that requires itself is a ring too": (
        states("A B C", A={"require": ["A"]}, B={"require": ["C"]}), "B A C", "B A C"),
    "after with several keeps the rest stable": (
        states("A B C D E", B={"after": ["E", "D"]}, A={"after": ["D"]}), "A B C D E", "C D A E B"),
}  # fmt: skip


@pytest.mark.parametrize("case", ORDERS.values(), ids=ORDERS.keys())
def test_order_of_the_target(case: tuple[dict[str, Any], str, str]) -> None:
    schema, called, target = case
    assert " ".join(resolve(schema, f"set {called}").target) == target


def test_states_that_require_each_other_can_only_come_together() -> None:
    ring = states("A B", A={"require": ["B"]}, B={"require": ["A"]})
    assert resolve(ring, "add A").accepted is False
    assert resolve(ring, "add A B").target == ("A", "B")
    assert resolve(ring, "remove A", "A B").target == ()


def test_a_state_that_requires_itself_can_be_added() -> None:
    assert resolve(states("A", A={"require": ["A"]}), "add A").target == ("A",)


# --- acceptance ---------------------------------------------------------------------------------


def test_missing_lists_called_states_in_called_order() -> None:
    found = resolve(NEEDS, "add R K Q")
    assert found.missing == ("R", "Q")
    assert not found.accepted


def test_a_missing_implied_state_is_not_missing() -> None:
    found = resolve(states("A B", A={"add": ["B"]}, B={"require": ["Exception"]}), "add A")
    assert (found.target, found.missing, found.accepted) == (("A",), (), True)


def test_remove_is_accepted_always() -> None:
    assert resolve(NEEDS, "remove K").accepted
    assert resolve(NEEDS, "remove P R", "P Q").accepted


@pytest.mark.parametrize(
    ("called", "accepted"), [("Q", False), ("Q K", True), ("K", True), ("Q R", False)]
)
def test_an_auto_mutation_needs_one_of_its_states(called: str, accepted: bool) -> None:
    found = resolve(NEEDS, f"add {called}", is_auto=True)
    assert found.accepted is accepted


def test_a_check_accepts_any_called_multi_state_whatever_is_missing() -> None:
    schema = states("A M N", M={"multi": True, "require": ["A"]}, N={"require": ["A"]})
    assert not resolve(schema, "add M").accepted
    assert resolve(schema, "add M", is_check=True).accepted
    assert resolve(schema, "add N M", is_check=True).accepted
    assert not resolve(schema, "add N", is_check=True).accepted
    assert resolve(schema, "remove N", is_check=True).accepted


# --- enters and exits ---------------------------------------------------------------------------


def test_exits_are_in_index_order_then_ordered() -> None:
    schema = states("A B C D", A={"after": ["C"]}, B={"require": ["D"]})
    assert resolve(schema, "set", "D C B A").exits == ("C", "A", "D", "B")


def test_enters_are_in_target_order_and_hold_called_multi_states_again() -> None:
    schema = states("A B C", A={"multi": True, "after": ["C"]})
    assert resolve(schema, "add A B C", "A").enters == ("B", "C", "A")
    assert resolve(schema, "add B", "A").enters == ("B",)


def test_a_multi_state_that_is_only_implied_is_not_entered_again() -> None:
    schema = states("A M", A={"add": ["M"]}, M={"multi": True})
    found = resolve(schema, "add A", "M")
    assert (found.target, found.enters) == (("A", "M"), ("A",))


def test_resolution_is_a_value() -> None:
    schema = am.compile_schema(CHAIN)
    assert schema.resolve("add", "AB", "X") == schema.resolve("add", ("A", "B"), {"X"})
