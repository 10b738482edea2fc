"""The last term of a query is completed from what is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from am_debugger._derive.completion import completions
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import process


@pytest.fixture(scope="module")
def store() -> Store:
    store = Store()
    link = Link(store, process())
    for handle, name in enumerate(("worker-1", "worker-10", "boss"), 1):
        exporter = Exporter(link, name, handle)
        exporter.announce(tags=("pool:main", "fast lane"))
        exporter.do([0], {0: 1}, args={"job": 3}, source=("client-7", b"12345678", 1))
    return store


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("+St", "+Start"),
        ("canceled -Hea", "canceled -Heartbeat"),
        ("!@Exc", "!@Exception"),
        ("Rea", "Ready"),
        ("cance", "canceled"),
        ("!ta", "!tag:"),
        ("id:w", "id:worker-1"),
        ("id:worker-1", "id:worker-10"),
        ("tag:pool:", "tag:pool:main"),
        ('tag:"fa', 'tag:"fast lane"'),
        ("src:c", "src:client-7"),
        ("group:F", "group:Flow"),
        ("kind:r", "kind:remove"),
        ("arg.j", "arg.job="),
        ("du", "dur>"),
        ('"disk full" +Wor', '"disk full" +Work'),
    ],
)
def test_the_likeliest_name_comes_first(store: Store, text: str, first: str) -> None:
    assert completions(store, text)[0] == first


@pytest.mark.parametrize("text", ["", " ", "+Start ", "+Nowhere", "other:x", "!", "id:boss"])
def test_where_nothing_is_known_nothing_is_proposed(store: Store, text: str) -> None:
    assert completions(store, text) == []


@given(st.text(max_size=30))
def test_a_completion_only_adds_to_what_was_typed(store: Store, text: str) -> None:
    assert all(one.startswith(text) and len(one) > len(text) for one in completions(store, text))
