"""Queries mean what they say, and tell where they cannot be read."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from am_debugger import QueryError
from am_debugger._derive.query import parse_query
from am_debugger._derive.terms import COMPARED, PATTERNS, SIGNS, WORDS
from am_debugger._store.layout import Flag, Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import NAMES, Exporter
from ..messages import mach, process, schema, tx

if TYPE_CHECKING:
    from am_debugger._store.client import Client


def _fuzzed() -> Store:
    store = Store()
    exporter = Exporter(Link(store, process()), "a")
    for k in range(5):
        exporter.do([k], {k: 1}, args={"a": k, "": "é"}, duration=k, log=((2, f"[a] {k}"),))
    return store


FUZZED_STORE = _fuzzed()


@pytest.fixture
def store() -> Store:
    store = Store()
    link = Link(store, process())
    of = schema(("Start", "Ready", "Heartbeat", "Exception"), groups=(("Flow", (1,)),))
    link.schema(of)
    link.machine(mach(1, "worker-1", of, tags=("pool:main", "fast")))
    ok = int(Flag.ACCEPTED)
    for number, more in enumerate(
        [
            {"diff": (0, 1), "args": {"id": 3, "name": "…a long text"}, "queue_tick": 5},
            {
                "called": (1,),
                "diff": (1, 1),
                "duration": 12_000,
                "source": ("boss", b"12345678", 4),
            },
            {"called": (1,), "diff": (), "flags": 0},
            {"called": (0,), "diff": (0, 1, 1, 1), "kind": 1},
            {"called": (2,), "diff": (2, 1)},
            {"called": (1,), "diff": (), "flags": int(Flag.QUEUED | Flag.AUTO)},
            {"called": (1,), "diff": (), "flags": ok | int(Flag.CHECK)},
            {"called": (1,), "diff": (3, 1), "flags": int(Flag.ERROR)},
            {"called": (0,), "diff": (), "args": {"name": 'say "hi"'}, "log": ((3, "Disk FULL"),)},
        ],
        1,
    ):
        link.transition(1, tx(b"entry%03d" % number, number, **more))
    client = next(iter(store))
    client.outer_log.append(2, 1, 1, "the disk is full of ÄÖ")
    client.notes[3] = "Disk full here?"
    return store


def found(store: Store, query: str) -> list[int]:
    client: Client = next(iter(store))
    return [n for part in parse_query(query).find(client, 2) for n in part]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("+Start", [1]),
        ("-Start", [4]),
        ("-Start -Ready", [4]),
        ("Ready", [2, 3, 6, 7, 8]),
        ("@Ready", [2, 3]),
        ("canceled", [3, 8]),
        ("Ready !canceled !queued", [2, 7]),
        ("auto", [6]),
        ("check", [7]),
        ("health", [5]),
        ("error", [8]),
        ("empty", [9]),
        ("accepted n>4", [5, 7, 9]),
        ("kind:remove", [4]),
        ("src:boss", [2]),
        ("src:b*", [2]),
        ("!src:* arg.id=3", [1]),
        ("id:worker-? n=1", [1]),
        ("id:boss", []),
        ("tag:pool n<=2", [1, 2]),
        ("tag:pool:main tag:fast n=2", [2]),
        ("tag:slow", []),
        ("group:Flow", [2, 3, 6, 7, 8]),
        ("dur>10ms", [2]),
        ("dur>=12000us", [2]),
        ("dur<1s", [2]),
        ("gained>=2", [4]),
        ("q=5", [1]),
        ("t>=4 t<=5", [4, 5, 6, 7]),
        ("arg.name~long", [1]),
        ('arg.name="a long text"', [1]),
        (r'arg.name="say \"hi\""', [9]),
        ("+Unknown", []),
        ("lost", []),
        ('"disk full"', [3, 9]),
        ('"DISK" !"disk full"', [2]),
        ('"of ÄÖ"', [2]),
        ('"nowhere"', []),
        ("auto-canceled", []),
        ("connected n=1", [1]),
        ("rpc", []),
        ("!rpc group: n<3", [1, 2]),
    ],
)
def test_a_query_finds_what_it_says(store: Store, query: str, numbers: list[int]) -> None:
    assert found(store, query) == numbers
    client = next(iter(store))
    for number in range(1, 10):
        assert parse_query(query).matches(store, client, number) == (number in numbers)


@pytest.mark.parametrize(
    ("query", "at_fault"),
    [
        ("+Ready nonsense canceled", "nonsense"),
        ("+ready", "+ready"),
        ("canceled dur>fast", "dur>fast"),
        ("q>5ms", "q>5ms"),
        ('arg.name="open', '="open'),
        ("other:thing", "other:thing"),
        ("!", "!"),
        ('canceled ""', '""'),
        ('"text"Ready', '"text"Ready'),
        ("ready", "ready"),
    ],
)
def test_a_query_that_cannot_be_read_tells_where(query: str, at_fault: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(query)
    error = caught.value
    assert at_fault.endswith(query[error.start : error.end])
    assert query[error.start : error.end]


FUZZED = int(os.environ.get("AM_DBG_QUERY_CASES", "200"))
"""Texts that are tried: in CI few, in the nightly run many."""
PIECES = [
    *WORDS, *SIGNS, "A", "Ready", "!", '"', "\\", " ", "\n", "arg.", "a", "=", "~", "<=", ">",
    "dur", "10ms", "3", "*", "[", "]", "?", *[f"{one}:" for one in PATTERNS], *COMPARED, "é",
    "\ud800",
]  # fmt: skip


@settings(max_examples=FUZZED, deadline=None)
@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from(PIECES)).map("".join)
    | st.lists(st.sampled_from(PIECES)).map(" ".join)
)
def test_any_text_is_a_query_or_an_error(text: str) -> None:
    try:
        query = parse_query(text)
    except QueryError as error:
        start, end = error.start, error.end
        query = None
    if query is None:
        assert 0 <= start < end <= len(text)
    else:
        assert [text[t.start : t.end] for t in query.terms] == [t.text for t in query.terms]
        # It can be asked, and what stands in its place reads the same.
        client = next(iter(FUZZED_STORE))
        numbers = [n for part in query.find(client) for n in part]
        matches = [n for n in range(1, 6) if query.matches(FUZZED_STORE, client, n)]
        assert numbers == matches
        again = parse_query(" ".join([term.text for term in query.terms]))
        assert [term.text for term in again.terms] == [term.text for term in query.terms]


QUERIES = (
    "+Work", "-Work", "@Work", "Work", "!Work", "!@Ready", "!+Ready", "+Nowhere", "canceled",
    "!queued", "auto !empty", "accepted", "error", "lost", "!lost +Work", "kind:add", "!kind:re*",
    "id:a", "id:b*", "src:a", "!src:*", "tag:pool", "!tag:x", "group:Flow", "arg.id=3",
    "arg.id=3.5", "arg.on=True", "arg.on=None", "!arg.id=3", "arg.name~art", "arg.name=part",
    "arg.list=[1]",
    "arg.name~a arg.id~3", "!arg.id~3", '"line 7"', '!"line 7"', '"LINE" !dur>10us arg.id~3',
    "group:*", "!group:F*", "group:Fl?w +Late",
    "dur>10us", "!dur>10us", "gained>=2", "t<40", "q=5", "n>100 n<=150", "@Work arg.id=3 !canceled",
)  # fmt: skip


def test_many_at_a_time_are_found_as_one_by_one() -> None:
    rng = Random(7)
    store = Store(sizes=Sizes(chunk=16, keyframe=5))
    link = Link(store, process())
    values = [3, 3.5, "3", "part", "…part", True, None, [1], {"a": 1}]
    for handle, name in enumerate("ab", 1):
        exporter = Exporter(link, name, handle)
        for k in range(200):
            if rng.random() < 0.03:
                exporter.lose({state: rng.randrange(3) for state in range(len(NAMES))})
            state = rng.randrange(len(NAMES))
            if name == "b" and k == 77:
                exporter.grow()
            args = {rng.choice(["id", "name", "on", "list"]): rng.choice(values)}
            log = ((2, f"Line {k % 9}"),) if rng.random() < 0.5 else None
            exporter.do(
                [state], {state: rng.randrange(4)}, time=k, kind=rng.randrange(3), args=args,
                duration=rng.choice([None, 5, 20]), flags=rng.randrange(16),
                source=rng.choice([None, ("a", b"12345678", 3), ("b", None, 1)]), log=log,
            )  # fmt: skip
    for text in QUERIES:
        query = parse_query(text)
        for client in store:
            numbers = range(client.first, client.last + 1)
            wanted = [n for n in numbers if query.matches(store, client, n)]
            for limit in (7, 1000):
                got = [n for part in query.find(client, limit) for n in part]
                assert got == wanted, text
