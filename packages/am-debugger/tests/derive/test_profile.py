"""Profiles: what they count, against a walk over all transitions; and bounded work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from am_debugger._derive import profile as profile_room
from am_debugger._derive.profile import Profile
from am_debugger._derive.profile_page import profile_page
from am_debugger._store.layout import Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..exporter import NAMES, Exporter
from ..messages import process

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def looked(store: Store) -> Profile:
    found = Profile(store)
    for _ in found.look():
        pass
    return found


def exporter_of(store: Store, id: str = "w1") -> Exporter:
    return Exporter(Link(store, process(id)), id)


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True),
            st.dictionaries(st.integers(0, 5), st.integers(1, 3), max_size=4),
            st.integers(0, 50),
            st.booleans(),
        ),
        max_size=30,
    )
)
@settings(deadline=None, max_examples=100)
def test_counts_and_times_are_those_of_a_walk(
    steps: Sequence[tuple[list[int], dict[int, int], int, bool]],
) -> None:
    store = Store(sizes=Sizes(chunk=4, keyframe=3))
    exporter = exporter_of(store)
    called: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    active: Counter[str] = Counter()
    now, before = 0, 0
    for states, gains, passed, loses in steps:
        if loses:
            exporter.lose({1: 1})
        now += passed
        exporter.do(states, gains, time=now)
        # What was active since the one before; of what was lost it is known when it is told.
        if len(exporter.rows) > 1:
            last = exporter.rows[-2].after
            active.update({NAMES[i]: now - before for i, tick in enumerate(last) if tick % 2})
        called.update([NAMES[i] for i in states])
        changed.update([NAMES[i] for i in gains])
        before = now
    found = looked(store)
    assert found.count == len(steps)
    assert {use.state: use.called for use in found.busiest} == {
        name: called[name] for name in called.keys() | changed.keys()
    }
    assert {use.state: use.changed for use in found.busiest} == {
        name: changed[name] for name in called.keys() | changed.keys()
    }
    assert {use.state: use.active for use in found.active} == {
        name: time for name, time in active.items() if time
    }


def test_the_longest_come_first_and_lead_to_where_they_were() -> None:
    store = Store()
    exporter = exporter_of(store)
    for k, took in enumerate((5, 90, 7), 1):
        runs = (("WorkState", took), ("AnyState", 1))
        exporter.do([2], {2: 1}, time=k, duration=10 * took, handlers=runs)
    found = looked(store)
    work, any_state = found.handlers
    assert work[1:] == ("WorkState", 90, 2, 3, 102)
    assert any_state[1:] == ("AnyState", 1, 1, 3, 3)
    assert [one.number for one in found.transitions] == [2, 3, 1]
    page = profile_page(store, found)
    (fact,) = [fact for fact in page if "WorkState" in fact.text]
    assert fact.text == "  w1 WorkState: 90 us in 2, 102 us in 3 runs"
    assert fact.jump == (exporter.client, 2)
    (fact,) = [fact for fact in page if "changed 3" in fact.text]
    assert (fact.text, fact.about) == ("  w1 Work: changed 3, called 3", "Work")


def test_what_is_active_counts_until_the_machine_or_its_process_is_gone() -> None:
    store = Store()
    link = Link(store, process("p"))
    gone, other = Exporter(link, "gone", 1), Exporter(link, "other", 2)
    gone.do([0], {0: 1}, time=1_000_000)
    other.do([0], {0: 1}, time=1_000_000)
    link.take(dbg.Gone(1, 3_000_000), 0)
    other.do([2], {2: 1}, time=11_000_000)
    exporter_of(store, "elsewhere").do([2], {2: 1}, time=99_000_000)
    told = {f"{use.client.id} {use.state}": use.active for use in looked(store).active}
    assert told == {"gone Start": 2_000_000, "other Start": 10_000_000}


def test_lists_are_short_and_what_is_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_room, "MOST_READ", 100)
    store = Store(sizes=Sizes(chunk=64))
    for k in range(5):
        exporter = exporter_of(store, f"w{k}")
        for number in range(300):
            exporter.do([number % 6], {number % 6: 1}, time=number, duration=number)
    found = looked(store)
    assert found.count == 1500
    assert found.read == 5 * 100
    for one in (found.busiest, found.active, found.transitions):
        assert 0 < len(one) <= profile_room.MOST_LISTED
    assert max(long.duration for long in found.transitions) == 299


def test_no_step_is_long_and_what_is_dropped_meanwhile_is_left_out() -> None:
    store = Store(sizes=Sizes(chunk=64))
    exporter = exporter_of(store)
    for number in range(300):
        exporter.do([2], {2: 1}, time=number)
    found = Profile(store)
    steps = found.look()
    next(steps)
    exporter.client.drop_chunks(1)
    exporter.client.drop_chunks(1)
    for _ in steps:
        pass
    assert found.count == 300 - 64
    assert profile_page(store, found)
