"""`am_machine.testing.created`: the machines made inside a block."""

from __future__ import annotations

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
