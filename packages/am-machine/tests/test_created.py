"""`am_machine.testing.created`: the machines made inside a block."""

from __future__ import annotations

import pytest

import am_machine as am
from am_machine.testing import created


def test_machines_made_inside_are_collected_in_order() -> None:
    am.Machine({"A": {}}, id="before")
    with created() as made:
        first = am.Machine({"A": {}}, id="first")
        child = am.Machine({"A": {}}, id="child", parent=first)
    am.Machine({"A": {}}, id="after")
    assert made == [first, child]


def test_replicas_are_collected_too() -> None:
    with created() as made:
        replica = am.BaseMachine({"A": {}})
    assert made == [replica]


def test_nested_blocks_collect_each_for_itself() -> None:
    with created() as outer:
        am.Machine({"A": {}}, id="one")
        with created() as inner:
            am.Machine({"A": {}}, id="two")
        am.Machine({"A": {}}, id="three")
    assert [m.id for m in outer] == ["one", "two", "three"]
    assert [m.id for m in inner] == ["two"]


def test_a_block_that_raises_collects_no_longer() -> None:
    try:
        with created() as made:
            raise KeyError
    except KeyError:
        pass
    am.Machine({"A": {}})
    assert made == []


def test_a_function_is_told_of_each_and_may_bind_a_tracer() -> None:
    heard: list[str] = []

    class Ends(am.Tracer):
        def transition_end(self, tx: am.Transition) -> None:
            heard.append(f"{tx.machine.id}: {tx.called}")

    with created(lambda machine: machine.bind_tracer(Ends())) as made:
        plain = am.Machine({"A": {}}, id="plain")
        traced = am.Machine({"A": {}}, id="traced", tracers=[Ends()])
        replica = am.BaseMachine({"A": {}}, id="replica")
    plain.add("A")
    traced.add("A")
    replica.advance([(0, 1)])
    assert made == [plain, traced, replica]
    assert heard == ["plain: ('A',)", *["traced: ('A',)"] * 2, "replica: ('A',)"]


def test_what_the_function_raises_is_raised_where_the_machine_is_made() -> None:
    with created(lambda machine: 1 / 0), pytest.raises(ZeroDivisionError):
        am.Machine({"A": {}})
