"""Diagrams of what lies around a state, or around a machine of a graph."""

from __future__ import annotations

import re
from typing import Any

import pytest

import am_helpers as amh
import am_machine as am

CHAIN: dict[str, Any] = {
    "A": {"require": ["B"]},
    "B": {"add": ["C"]},
    "C": {"remove": ["D"]},
    "D": {"after": ["E"]},
    "E": {},
    "Far": {"require": ["Farther"]},
    "Farther": {},
}


def shown(text: str) -> set[str]:
    return set(re.findall(r'm0_(\w+)\["', text))


@pytest.mark.parametrize(
    ("around", "distance", "states"),
    [
        ("C", 0, "C"),
        ("C", 1, "BCD"),
        ("C", 2, "ABCDE"),
        ("A", 1, "AB"),
        ("E", 9, "ABCDE"),
        (("A", "E"), 1, "ABDE"),
    ],
)
def test_states_within_a_distance_by_relations_either_way(
    around: Any, distance: int, states: str
) -> None:
    assert shown(amh.mermaid(CHAIN, around=around, distance=distance)) == set(states)


def test_the_distance_is_one_unless_given() -> None:
    assert shown(amh.mermaid(CHAIN, around="C")) == set("BCD")


def test_hidden_states_are_no_bridge_but_the_middle_is_shown() -> None:
    assert shown(amh.mermaid(CHAIN, around="A", distance=9, skip=("^C$",))) == set("AB")
    assert shown(amh.mermaid(CHAIN, around="C", skip=("^C$",))) == set("BCD")


def test_d2_zooms_alike_and_machines_do(machine: Any) -> None:
    mach = machine(CHAIN)
    mach.add("E")
    text = amh.d2(mach, around="D")
    assert [name in text for name in ('"A"', '"B"', '"C"', '"D"', '"E"')] == [
        False, False, True, True, True,
    ]  # fmt: skip
    assert shown(amh.mermaid(mach, around="D")) == set("CDE")


def test_unknown_states_and_distances_are_refused() -> None:
    with pytest.raises(am.UnknownStateError):
        amh.mermaid(CHAIN, around="Nope")
    with pytest.raises(ValueError, match="distance"):
        amh.mermaid(CHAIN, around="A", distance=-1)


def test_a_graph_zooms_to_machines_and_to_states(machine: Any) -> None:
    pytest.importorskip("networkx")
    a, b, c = (machine(CHAIN, id=name) for name in "abc")
    amh.bind(a, b, "A")
    amh.bind(b, c, "A")
    graph = amh.Graph.from_machines(a, b, c)
    for around, distance, ids in (("a", 1, "ab"), ("b", 1, "abc"), ("a", 0, "a"), ("c", 2, "abc")):
        text = amh.mermaid(graph, around=around, distance=distance)
        assert set(re.findall(r'subgraph m\d\["(\w)"\]', text)) == set(ids)
    with pytest.raises(ValueError, match="nope"):
        amh.mermaid(graph, around="nope")
