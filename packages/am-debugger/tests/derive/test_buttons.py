"""The filter buttons write queries that read back the same, and mean the same."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from am_debugger import QueryError
from am_debugger._derive.buttons import Buttons, read, written
from am_debugger._derive.filters import Filters, Visible
from am_debugger._derive.query import parse_query
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_debugger._ui.toolbars import TOOLBARS

from ..exporter import NAMES, Exporter
from ..messages import process

BOXES = ("canceled", "queued", "empty", "health", "checks", "out_group")
AUTO = ({}, {"auto": True}, {"auto_canceled": True})


@st.composite
def all_buttons(draw: st.DrawFn, group: st.SearchStrategy[str] | None = None) -> Buttons:
    """Any state that the buttons can be brought to."""
    off = {"auto": False, "auto_canceled": False}
    pressed = {name: draw(st.booleans()) for name in BOXES}
    rest = draw(st.sampled_from(["", "+Work", '!src:* "disk full"', "dur>10ms arg.id=3", "rpc"]))
    query = parse_query(rest) if rest else None
    filters = Filters(**{**off, **draw(st.sampled_from(AUTO)), **pressed}, query=query)  # type: ignore[arg-type]
    names = st.text(max_size=8) if group is None else group
    name = draw(names) if filters.out_group else ""
    return Buttons(filters, name, draw(st.booleans()), draw(st.booleans()))


@given(all_buttons())
@example(Buttons(Filters(), "a b"))
@example(Buttons(Filters(), '*"[?]\\'))
def test_what_the_buttons_write_reads_back_the_same(buttons: Buttons) -> None:
    assert read(written(buttons)) == buttons


@given(st.lists(st.sampled_from(["!auto", "!auto-canceled", "group:", "group:A", "connected",
                                 "!rpc", "canceled", "!canceled", "group:[*]", "group:A*"]),
                max_size=6).map(" ".join))  # fmt: skip
def test_a_filter_that_was_written_by_hand_reads_the_same_after_the_buttons_wrote_it(
    text: str,
) -> None:
    buttons = read(text)
    assert read(written(buttons)) == buttons


def test_every_button_of_the_filter_rows_that_hides_anything_is_in_the_query() -> None:
    # Which lines are shown, and how many as one; and the query itself.
    no_filters = {"log", "times", "quiet", "query"}
    fields = {
        "canceled": "canceled", "queued": "queued", "auto": "auto", "empty": "empty",
        "health": "health", "group": "out_group", "checks": "checks",
    }  # fmt: skip
    none = Filters(False, False, False, False, False, False, False, False)
    for button in TOOLBARS[1]:
        if button.text in no_filters:
            continue
        if button.text in fields:
            pressed = Buttons(Filters(**{**_plain(none), fields[button.text]: True}))
        else:
            pressed = Buttons(none, "", button.text == "disconn", button.text == "rpc")
        assert written(pressed) != written(Buttons(none)), button.text
        assert read(written(pressed)) == pressed, button.text


def _plain(filters: Filters) -> dict[str, bool]:
    return {name: getattr(filters, name) for name in (*BOXES, "auto", "auto_canceled")}


def test_a_filter_at_fault_tells_where() -> None:
    with pytest.raises(QueryError, match="nonsense"):
        read("!auto nonsense")


@pytest.fixture(scope="module")
def store() -> Store:
    """Transitions of every kind, and a group."""
    rng = Random(3)
    store = Store()
    exporter = Exporter(Link(store, process()), "a")
    for k in range(400):
        state = rng.randrange(len(NAMES))
        gains = {state: rng.randrange(2)}
        exporter.do([state], gains, time=k, flags=rng.randrange(64) & ~int(Flag.KEYFRAME))
    return store


@given(all_buttons(st.sampled_from(["", "Flow"])))
def test_what_the_buttons_show_is_what_their_query_means(store: Store, buttons: Buttons) -> None:
    client = next(iter(store))
    groups = client.version.schema.schema.groups
    members = frozenset(groups[buttons.group]) if buttons.group else None
    visible = Visible(client, buttons.filters, members)
    visible.complete()
    of_machine = buttons._replace(hides_gone=False, hides_rpc=False)  # machines, not transitions
    query = parse_query(written(of_machine))
    assert [n for part in query.find(client) for n in part] == list(visible.numbers)
