"""Machines that follow clocks which move elsewhere, and schemas that grow."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import am_machine as am

from ..sizes import TIMES
from .conftest import Spans, story

STATES: dict[str, Any] = {"A": {}, "B": {"multi": True}, "C": {}}
# Updates by (state, ticks gained), or whole clocks, which may go back.
UPDATES = st.lists(
    st.one_of(
        st.dictionaries(st.integers(0, 3), st.integers(1, 5), min_size=1),
        st.lists(st.integers(0, 6), min_size=4, max_size=4),
    ),
    max_size=10,
)


def follow(replica: am.BaseMachine, update: Any) -> None:
    if isinstance(update, dict):
        replica.advance(sorted(update.items()))
    else:
        replica.reset_clock(update)


@settings(max_examples=25 * TIMES, deadline=None)
@given(UPDATES, st.booleans())
def test_open_spans_are_the_active_states_of_a_replica(updates: list[Any], nested: bool) -> None:
    spans = Spans()
    replica = am.BaseMachine(STATES, id="replica")
    with spans.open(transitions=True, nested=nested) as tracer:
        tracer.bind(replica)
        for update in updates:
            follow(replica, update)
            opened = sorted([name for name in spans.open_names() if ": [" not in name])
            assert opened == sorted([f"0:{name}" for name in replica.active])
    assert spans.open_names() == []


@settings(max_examples=25 * TIMES, deadline=None)
@given(UPDATES)
def test_both_levels_tell_the_same_of_a_replica(updates: list[Any]) -> None:
    journal, nested = Spans(), Spans()
    replica = am.BaseMachine(STATES, id="replica")
    with journal.open(transitions=True) as one, nested.open(transitions=True, nested=True) as two:
        one.bind(replica)
        two.bind(replica)
        for update in updates:
            follow(replica, update)
        journal.sync()
        assert story(journal) == story(nested)


@pytest.mark.parametrize("nested", [False, True])
def test_states_that_came_with_a_larger_schema_are_traced(spans: Spans, nested: bool) -> None:
    m = am.Machine(STATES, id="m")
    spans.open(transitions=True, nested=nested).bind(m)
    m.add("A")
    names = (*m.schema.names, "New")
    m.set_schema({**{n: m.schema[n] for n in m.schema.names}, "New": {"add": ["C"]}}, names)
    m.add("New")
    m.remove("A")
    assert spans.open_names() == ["0:C", "0:New"]
    assert spans.one("0: [add] New").attributes["am.tx.states_diff"] == "+C +New"
