"""Two runs compared: what is compared, what is not, and which machines belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from am_debugger._derive.diff import pairs, parting
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import NAMES, Exporter
from ..messages import mach, process, schema

if TYPE_CHECKING:
    from am_debugger._derive.diff import Parting

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "called": st.lists(st.integers(0, 5), min_size=1, max_size=2, unique=True),
            "gains": st.dictionaries(st.integers(0, 5), st.integers(1, 3), max_size=2),
            "kind": st.integers(0, 2),
            "flags": st.integers(0, 63).map(lambda flags: flags & ~int(Flag.KEYFRAME)),
        }
    ),
    min_size=1,
    max_size=20,
)
# What differs between any two runs, beside the ids that an exporter counts.
IGNORED: dict[str, st.SearchStrategy[Any]] = {
    "time": st.integers(0, 10**9),
    "duration": st.none() | st.integers(0, 10**6),
    "queue_len": st.integers(0, 5),
    "queue_tick": st.integers(0, 50),
    "stack": st.none() | st.just(("main.py:3 main",)),
    "log": st.none() | st.just(((2, "[state] +Start"),)),
    "source": st.none() | st.tuples(st.sampled_from("ab"), st.binary(min_size=8, max_size=8),
                                    st.integers(0, 9)),
}  # fmt: skip


def run(rows: list[dict[str, Any]], id: str, ignored: list[dict[str, Any]]) -> Store:
    """A run of one machine."""
    store = Store()
    exporter = Exporter(Link(store, process(id)), "m")
    exporter.count = ord(id) * 100
    for row, more in zip(rows, ignored, strict=False):
        exporter.do(row["called"], row["gains"], kind=row["kind"], flags=row["flags"], **more)
    return store


def part_of(a: Store, b: Store) -> Parting | None:
    (pair,) = pairs(a, b)
    *_, last = parting(pair)
    return last


@settings(max_examples=60)
@given(st.data(), ROWS)
def test_ids_times_durations_and_stacks_are_never_compared(
    data: st.DataObject, rows: list[dict[str, Any]]
) -> None:
    of_run = st.lists(st.fixed_dictionaries(IGNORED), min_size=len(rows), max_size=len(rows))
    a, b = run(rows, "A", data.draw(of_run)), run(rows, "B", data.draw(of_run))
    assert part_of(a, b) is None


@settings(max_examples=60)
@given(st.data(), ROWS)
def test_the_first_transition_that_did_something_else_is_where_they_part(
    data: st.DataObject, rows: list[dict[str, Any]]
) -> None:
    k = data.draw(st.integers(0, len(rows) - 1))
    row = rows[k]
    other = {
        "kind": {**row, "kind": (row["kind"] + 1) % 3},
        "flags": {**row, "flags": row["flags"] ^ data.draw(st.sampled_from([1, 2, 4, 8, 32]))},
        "called": {**row, "called": [(i + 1) % 6 for i in row["called"]]},
        "diff": {**row, "gains": {**row["gains"], 3: row["gains"].get(3, 0) + 1}},
    }[data.draw(st.sampled_from(["kind", "flags", "called", "diff"]))]
    changed = [*rows[:k], other, *rows[k + 1 :]]
    none: list[dict[str, Any]] = [{}] * len(rows)
    found = part_of(run(rows, "A", none), run(changed, "B", none))
    assert found is not None
    assert (found.a, found.b) == (k + 1, k + 1)
    shorter = part_of(run(rows, "A", none), run(rows[:k], "B", none))
    assert shorter is not None
    assert (shorter.a, shorter.b) == (k + 1, None)


def store_of(*machines: tuple[str, str | None, tuple[str, ...], tuple[str, ...]]) -> Store:
    """Machines by id, parent, tags and states, in order of arrival."""
    store = Store()
    link = Link(store, process())
    for handle, (id, parent, tags, names) in enumerate(machines, 1):
        of = schema(names)
        link.schema(of)
        link.machine(mach(handle, id, of, parent=parent, tags=tags))
    return store


def together(a: Store, b: Store) -> dict[str | None, str | None]:
    return {
        None if one is None else one.id: None if other is None else other.id
        for one, other in pairs(a, b)
    }


BOSS = ("boss", None, (), NAMES)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        pytest.param(
            [BOSS, ("x1", "boss", ("w",), NAMES), ("x2", "boss", ("w",), NAMES)],
            [("y1", "boss", ("w",), NAMES), BOSS, ("y2", "boss", ("w",), NAMES)],
            {"boss": "boss", "x1": "y1", "x2": "y2"},
            id="by parent and tags, in order of arrival",
        ),
        pytest.param(
            [("x1", None, (), NAMES), ("x2", None, (), ("Foo", "Exception"))],
            [("y2", None, (), ("Foo", "Exception")), ("y1", None, (), NAMES)],
            {"x1": "y1", "x2": "y2"},
            id="of the same tags, those with the same states",
        ),
        pytest.param(
            [("x1", None, ("kind:a",), NAMES), ("x2", None, ("kind:b",), NAMES)],
            [("y2", None, ("kind:b",), (*NAMES, "New")), ("y1", None, ("kind:a",), NAMES)],
            {"x1": "y1", "x2": "y2"},
            id="by tags, though the states are others",
        ),
        pytest.param(
            [("x1", None, ("of:1",), NAMES), ("x2", "x1", (), NAMES), ("x3", "x2", (), NAMES)],
            [("y1", None, ("of:7",), NAMES), ("y2", "y1", (), NAMES), ("y3", "y2", (), NAMES)],
            {"x1": "y1", "x2": "y2", "x3": "y3"},
            id="parents first, their children after them",
        ),
        pytest.param(
            [("b", None, (), NAMES), ("a", None, (), NAMES)],
            [("a", None, (), NAMES), ("c", None, (), NAMES), ("d", None, (), NAMES)],
            {"a": "a", "b": "c", None: "d"},
            id="an id wins over the order, and what is left over is told",
        ),
    ],
)  # fmt: skip
def test_machines_are_brought_together(
    a: list[Any], b: list[Any], wanted: dict[str | None, str | None]
) -> None:
    assert together(store_of(*a), store_of(*b)) == wanted
