"""What queries find, and filters that are written, while keys go on working."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import trio

from am_debugger._core import finding
from am_debugger._core.finding import filter_text

if TYPE_CHECKING:
    from am_debugger._core.debugger import Debugger
    from am_debugger._core.ports import NullUi

    from .conftest import Feed

MANY = 30_000


@pytest.mark.trio
async def test_keys_are_answered_while_many_transitions_are_searched_and_filtered(
    debugger: Debugger, feed: Feed
) -> None:
    feed("many", *range(1, MANY))
    feed("few", 1, 2)
    longest = 0.0
    async with debugger.machine as machine:
        machine.add("SelectingClient", client="many")
        await machine.when("ClientSelected")
        view = debugger.session.selected
        assert view is not None
        machine.add("Finding", query="!dur>10ms +Work", everywhere=True)
        machine.add("SetFilter", query="!dur>10ms +Work")
        shown = len(view.visible)
        assert machine.is_("Finding", "Filtering", "Loading")
        turns, at = 0, time.thread_time()
        while machine.any_("Finding", "Filtering"):
            machine.add("UserBack")
            await trio.lowlevel.checkpoint()
            longest = max(longest, time.thread_time() - at)
            at = time.thread_time()
            turns += 1
            if "Filtering" in machine:
                # What was visible stays so until all is known.
                assert len(view.visible) == shown
        assert machine.not_("Loading")
        assert debugger.session.found.total == MANY // 2 + 1
        assert len(view.visible) == MANY // 2
        assert turns > 5
        assert longest < 0.25  # seconds of the processor; a piece of work takes two milliseconds
        machine.dispose()


@pytest.mark.trio
async def test_another_filter_while_one_is_worked_out_wins(debugger: Debugger, feed: Feed) -> None:
    feed("many", *range(1, MANY))
    async with debugger.machine as machine:
        machine.add("SelectingClient", client="many")
        await machine.when("ClientSelected")
        view = debugger.session.selected
        assert view is not None
        machine.add("SetFilter", query="!dur>10ms +Work")
        machine.add("SetFilter", query="!dur>10ms -Work n<=10")
        machine.add("SetGroup", group="Flow")
        await machine.when_not("Filtering")
        assert list(view.visible.numbers) == [2, 4, 6, 8, 10]
        machine.add("SetFilter", query="!dur>1s")
        machine.add("SetFilter", query="!dur>10ms -Work n<=10 group:Flow")
        await machine.when_not("Filtering")
        assert list(view.visible.numbers) == [2, 4, 6, 8, 10]
        machine.dispose()


def test_a_filter_presses_buttons_and_keeps_what_no_button_says(
    debugger: Debugger, feed: Feed
) -> None:
    machine = debugger.machine
    feed("a", 10, 20, 30)
    machine.add("SelectingClient", client="a")
    machine.add("SetFilter", query="connected !auto +Work !rpc !health")
    assert machine.is_("FilterDisconn", "FilterRpcMachs", "FilterAutoTx", "FilterHealth")
    assert not machine.any_("FilterOutGroup", "FilterAutoCanceledTx", "FilterCanceledTx")
    assert filter_text(debugger) == "!auto !health connected !rpc +Work"
    view = debugger.session.selected
    assert view is not None
    assert list(view.visible.numbers) == [1, 3]
    feed("b", 40)
    machine.add("SelectingClient", client="b")
    assert list(debugger.session.selected.visible.numbers) == [1]  # type: ignore[union-attr]


def test_a_filter_that_is_none_changes_nothing_and_is_told(
    debugger: Debugger, feed: Feed, ui: NullUi
) -> None:
    feed("a", 10)
    before = filter_text(debugger)
    debugger.machine.add("SetFilter", query="+Work bogus")
    assert filter_text(debugger) == before
    assert "bogus" in ui.told[-1]


@pytest.mark.trio
async def test_a_search_of_what_is_not_there_says_so(
    debugger: Debugger, feed: Feed, ui: NullUi
) -> None:
    feed("a", 10, 20)
    async with debugger.machine as machine:
        machine.add("SelectingClient", client="a")
        cursor = debugger.session.selected.cursor  # type: ignore[union-attr]
        machine.add("Searched", text="+Done")
        await machine.when_not("SearchingLog")
        assert ui.told[-1] == "not found: +Done"
        machine.add("Searched", text="+done")
        assert "not the name of a state" in ui.told[-1]
        assert debugger.session.selected.cursor == cursor  # type: ignore[union-attr]
        machine.dispose()


def test_the_search_goes_round_and_the_cursors_own_comes_last(
    debugger: Debugger, feed: Feed
) -> None:
    feed("a", *range(1, 8))
    debugger.machine.add("SelectingClient", client="a")
    view = debugger.session.selected
    assert view is not None
    query = finding.parse_query("+Work")  # 1, 3, 5, 7
    for cursor, forward, wanted in ((3, True, 5), (3, False, 1), (7, True, 1), (1, False, 7)):
        debugger.session.to(cursor)
        steps = finding._until_found(finding._nearest(view, query, forward=forward))
        assert [*steps][-1] == wanted
    debugger.session.to(3)
    only = finding.parse_query("n=3")
    assert [*finding._until_found(finding._nearest(view, only, forward=True))][-1] == 3
