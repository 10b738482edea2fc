"""Runs of quiet transitions are one: which they are, as more come, against a naive model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from am_debugger._core.session import Session
from am_debugger._derive.filters import Filters, Visible
from am_debugger._derive.folds import Folds
from am_debugger._derive.query import parse_query
from am_debugger._files.inspect import matches
from am_debugger._files.outputs.texts import log_text
from am_debugger._store.layout import Flag, Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..exporter import Exporter
from ..messages import process

if TYPE_CHECKING:
    from am_debugger._store.client import Client

SHOW_ALL = Filters(auto_canceled=False, health=False, out_group=False)
# Of the exporter's states Done is tagged `dbg:quiet`, Work is not.
LOUD, QUIET = 2, 3


class Made:
    """A machine that does as a word says: q quiet, L loud, c quiet but canceled, e quiet but
    failed, b both states called."""

    def __init__(self, word: str = "", sizes: Sizes | None = None) -> None:
        self.store = Store() if sizes is None else Store(sizes=sizes)
        self.link = Link(self.store, process())
        self.exporter = Exporter(self.link, "w1")
        self.do(word)

    @property
    def client(self) -> Client:
        return self.exporter.client  # type: ignore[no-any-return]

    def do(self, word: str) -> None:
        for letter in word:
            called = {"L": [LOUD], "b": [QUIET, LOUD]}.get(letter, [QUIET])
            flags = {"c": Flag(0), "e": Flag.ACCEPTED | Flag.ERROR}.get(letter, Flag.ACCEPTED)
            gains = {} if letter == "c" else {called[0]: 1}
            time = 1_000_000 * (len(self.exporter.rows) + 1)
            self.exporter.do(called, gains, time=time, flags=flags)

    def session(self, number: int = 0) -> Session:
        session = Session(self.store)
        session.select(self.client)
        session.to(number)
        return session


def naive(word: str, hides_canceled: bool, opened: set[int], pinned: int) -> list[list[int]]:
    """Visible transitions with those that they stand for."""
    found: list[list[int]] = []
    joins = False
    for number, letter in enumerate(word, 1):
        if letter == "c" and hides_canceled:
            continue
        is_quiet = letter in "qc" and number not in opened
        if is_quiet and joins and found[-1][-1] != pinned:
            found[-1].append(number)
        else:
            found.append([number])
        joins = is_quiet
    return found


@given(
    st.lists(st.text("qqqLceb", max_size=12), max_size=6),
    st.booleans(),
    st.integers(0, 40),
    st.integers(1, 5),
)
@settings(deadline=None, max_examples=150)
def test_runs_are_those_of_a_naive_model_however_they_come(
    words: list[str], hides_canceled: bool, pinned: int, limit: int
) -> None:
    made = Made(sizes=Sizes(chunk=4, keyframe=3))
    filters = Filters(hides_canceled, auto_canceled=False, health=False, out_group=False)
    visible = Visible(made.client, filters, None, Folds(made.client, []))
    visible.pin(pinned)
    for word in words:
        made.do(word)
        while visible.extend(limit):
            pass
    model = naive("".join(words), hides_canceled, set(), pinned)
    assert list(visible.numbers) == [run[-1] for run in model]
    for k, run in enumerate(model):
        assert list(visible.members(k)) == run
        fold = visible.fold(run[-1])
        assert (1 if fold is None else fold.size) == len(run)
        assert all([visible.holds(number) for number in run])


def test_a_run_is_opened_where_the_cursor_goes_into_it_and_folded_again() -> None:
    session = Made("LqqqqLqq").session(1)
    view = session.selected
    assert view is not None
    assert list(view.visible.numbers) == [1, 5, 6, 8]
    session.forward()
    assert view.cursor == 5
    assert session.toggle_fold()
    assert list(view.visible.numbers) == [1, 2, 3, 4, 5, 6, 8]
    session.back(2)
    assert view.cursor == 3
    session.set_filters(session.filters)
    assert list(view.visible.numbers) == [1, 2, 3, 4, 5, 6, 8]
    assert session.toggle_fold()
    assert (view.cursor, list(view.visible.numbers)) == (5, [1, 5, 6, 8])
    assert not Made("LLL").session(2).toggle_fold()
    assert session.to(7)
    assert (view.cursor, list(view.visible.numbers)) == (7, [1, 5, 6, 7, 8])


def test_steps_skip_what_is_folded_and_jumps_to_a_state_enter_it() -> None:
    session = Made("LqqqLqqL").session(1)
    view = session.selected
    assert view is not None
    passed = []
    while session.forward():
        passed.append(view.cursor)
    assert passed == [4, 5, 7, 8]
    view.state = "Done"
    assert session.to_change(forward=False)
    assert view.cursor == 7
    assert session.to_change(forward=False)
    assert view.cursor == 6


def test_folding_goes_on_and_off_and_the_cursor_stays() -> None:
    session = Made("qqqqLq").session()
    view = session.selected
    assert view is not None
    session.set_folds(folds=False)
    assert len(view.visible) == 6
    session.to(2)
    session.set_folds(folds=True)
    # What is under the cursor stays visible.
    assert (view.cursor, list(view.visible.numbers)) == (2, [2, 4, 5, 6])


def test_what_is_told_noted_or_lost_is_not_folded_away() -> None:
    made = Made("qq")
    made.link.take(dbg.Log(1, 3, 2, "told"), 0)
    made.do("qqqq")
    made.client.notes[4] = "look"
    made.exporter.lose({QUIET: 1})
    made.do("qq")
    session = made.session()
    view = session.selected
    assert view is not None
    assert list(view.visible.numbers) == [1, 2, 3, 4, 6, 7, 8]


def test_a_line_that_comes_later_stays_where_it_was_told() -> None:
    made = Made("Lqq")
    visible = Visible(made.client, SHOW_ALL, None, Folds(made.client, []))
    visible.complete()
    made.link.take(dbg.Log(1, 3, 2, "told"), 0)
    made.do("qq")
    visible.complete()
    assert list(visible.numbers) == [1, 3, 5]
    assert list(visible.members(1)) == [2, 3]


def test_counts_follow_where_old_transitions_are_dropped() -> None:
    made = Made("q" * 10 + "L", sizes=Sizes(chunk=4, keyframe=3))
    visible = Visible(made.client, SHOW_ALL, None, Folds(made.client, []))
    visible.complete()
    assert visible.fold(10).size == 10  # type: ignore[union-attr]
    made.client.drop_chunks(1)
    visible.complete()
    assert visible.fold(10).size == 6  # type: ignore[union-attr]
    made.client.drop_chunks(1)
    made.client.drop_chunks(1)
    visible.complete()
    assert list(visible.numbers) == []
    assert visible.folds is not None
    assert visible.folds.counts == {}


def test_text_outputs_have_one_line_with_a_count() -> None:
    made = Made("LqqqL")
    *_, text = log_text(made.session(1), 2)
    assert "4 1970-01-01T00:00:04.000000Z … 3 quiet: Done" in text
    assert "+Done" not in text
    query = parse_query("n>0")
    lines = list(matches(made.store, query))
    assert len(lines) == 4
    assert lines[1].endswith("(the last of 3 quiet ones)")
    assert lines[-1] == "5 found, w1 5"
    assert len(list(matches(made.store, query, unfold=True))) == 6


@pytest.mark.parametrize("count", [5])
def test_names_told_of_a_run_are_those_called_last(count: int) -> None:
    made = Made("q" * count)
    visible = Visible(made.client, SHOW_ALL, None, Folds(made.client, []))
    visible.complete()
    assert str(visible.fold(count)) == f"{count} quiet: Done"
