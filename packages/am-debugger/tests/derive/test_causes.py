"""Causes over machines and processes, and the facts told of a transition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import am_machine as am
from am_debugger._derive import causes
from am_debugger._derive.moment import label, ordered
from am_debugger._derive.reader import Fact, facts
from am_debugger._derive.steps import Parser
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..messages import mach, process, schema, tx
from ..recording import Recorder

if TYPE_CHECKING:
    from am_debugger._store.client import Client


@pytest.fixture
def store() -> Store:
    return Store()


class Relay:
    """Whoever is told tells the next ones."""

    def __init__(self, *others: am.Machine) -> None:
        self.others = others

    def GoState(self, event: am.Event) -> None:
        for other in self.others:
            other.add("Go")


def chain(store: Store) -> dict[str, Client]:
    """a tells b and c, and b tells d."""
    recorder = Recorder(Link(store, process()))
    d = am.Machine({"Go": {"multi": True}}, id="d")
    c = am.Machine({"Go": {"multi": True}}, id="c")
    b = am.Machine({"Go": {"multi": True}}, id="b", handlers=Relay(d))
    a = am.Machine({"Go": {"multi": True}}, id="a", handlers=Relay(b, c))
    for machine in (a, b, c, d):
        recorder.bind(machine)
    a.add("Go", id=1)
    a.add("Go", id=2)
    recorder.flush()
    return {client.id: client for client in store}


def texts(section: Fact) -> list[str]:
    return [child.text for child in section.children]


def test_the_state_trace_leads_back_to_the_origin(store: Store) -> None:
    clients = chain(store)
    hops = causes.state_trace(store, clients["d"], 2)
    assert [(hop.machine_id, hop.number) for hop in hops] == [("d", 2), ("b", 2), ("a", 2)]
    assert len(causes.state_trace(store, clients["d"], 2, limit=2)) == 2
    assert len(causes.state_trace(store, clients["a"], 1)) == 1


def test_forks_and_siblings_are_found_on_all_machines(store: Store) -> None:
    clients = chain(store)
    a, b, c, d = (clients[name] for name in "abcd")
    assert sorted(causes.forks(store, a, 1), key=lambda one: one[0].id) == [(b, 1), (c, 1)]
    assert causes.forks(store, b, 2) == [(d, 2)]
    assert causes.siblings(store, b, 1) == [(c, 1)]
    assert causes.siblings(store, a, 1) == []


def test_a_circle_of_sources_is_cut(store: Store) -> None:
    link = Link(store, process())
    of = schema(("A", "Exception"))
    link.schema(of)
    client = link.machine(mach(1, "m", of))
    for own, other in ((b"transit1", b"transit2"), (b"transit2", b"transit1")):
        link.transition(1, tx(own, source=("m", other, 0)))
    assert [hop.number for hop in causes.state_trace(store, client, 1)] == [1, 2]


def test_a_source_that_is_not_kept_ends_the_trace_by_its_name(store: Store) -> None:
    link = Link(store, process())
    of = schema(("A", "Exception"))
    link.schema(of)
    client = link.machine(mach(1, "m", of))
    link.transition(1, tx(source=("far", b"unknown!", 0)))
    last = causes.state_trace(store, client, 1)[-1]
    assert (last.machine_id, last.client, last.number) == ("far", None, None)
    told = facts(store, client, Parser(store).parse(client, 1))
    source = next(section for section in told if section.text == "Source")
    assert texts(source) == [f"far/{b'unknown!'.hex()} (not kept)"]


def test_the_reader_links_causes_to_their_transitions(store: Store) -> None:
    clients = chain(store)
    told = {
        section.text: section
        for section in facts(store, clients["b"], Parser(store).parse(clients["b"], 1))
    }
    assert texts(told["Source"]) == ["a/1 add Go"]
    jump = told["Source"].children[0].jump
    assert jump is not None
    assert (jump.client, jump.number) == (clients["a"], 1)
    assert texts(told["State trace"]) == ["b/1 add Go", "a/1 add Go"]
    assert texts(told["Forked"]) == ["d/1 add Go"]
    assert texts(told["Siblings"]) == ["c/1 add Go"]
    assert texts(told["Executed"]) == ["GoState"]
    first = facts(store, clients["a"], Parser(store).parse(clients["a"], 1))
    assert texts(next(section for section in first if section.text == "Arguments")) == ["id: 1"]


def test_the_reader_tells_of_queue_pipes_and_what_is_pending(store: Store) -> None:
    link = Link(store, process())
    of = schema(("A", "B", "Exception"))
    link.schema(of)
    ends = dbg.PipeDef("out", "add", "A", "other"), dbg.PipeDef("in", "remove", "B", "m")
    client = link.machine(mach(1, "m", of, pipes=ends))
    work = {"called": (1,), "queue_tick": 2, "args": {"id": 3}, "number": 9}
    link.transition(1, tx(b"queued01", 1, flags=int(Flag.QUEUED), diff=(), **work))
    runs = (("AState", 1200), ("AnyState", 0))
    link.transition(1, tx(b"running1", 2, duration=1500, queue_len=1, handlers=runs))
    link.transition(1, tx(b"executed", 3, diff=(1, 1), queue_len=0, **work))
    item = dbg.PendingDef("wait", "until ready", ("Ready",), 3_000_000)
    link.take(dbg.PendingMsg(1, (item,)), 4)
    parser = Parser(store)

    def told(number: int) -> dict[str, list[str]]:
        found = facts(store, client, parser.parse(client, number))
        return {section.text: texts(section) for section in found}

    assert told(1)["Queue"] == ["queued for tick 2", "executed at 3"]
    assert "Executed" not in told(1)
    assert told(2)["Waiting in the queue"] == ["1 mutation", "1 add B (id=3)"]
    assert told(2)["Executed"] == ["AState 1.200 ms", "AnyState 0.000 ms"]
    assert told(3)["Queue"] == ["tick 2", "queued at 1"]
    answered, *items = told(3)["Pending"]
    assert answered.startswith("as of ")
    assert items == ["wait Ready (until ready), 3.0 s"]
    assert told(3)["Pipe-out"] == ["add A to other"]
    assert told(3)["Pipe-in"] == ["remove B from m"]


def test_machines_are_a_tree_in_natural_order_at_a_moment(store: Store) -> None:
    link = Link(store, process())
    of = schema(("Start", "Ready", "Exception"))
    link.schema(of)
    parents = {"pool": None, "w10": "pool", "w2": "pool", "inner": "w2", "lone": "absent"}
    clients = {}
    for handle, (name, parent) in enumerate(parents.items()):
        clients[name] = link.machine(mach(handle, name, of, parent=parent))
    shown = [(client.id, depth) for client, depth in ordered(store)]
    assert shown == [("lone", 0), ("pool", 0), ("w2", 1), ("inner", 2), ("w10", 1)]
    for time, diff in ((10, (0, 1)), (20, (1, 1)), (30, (2, 1)), (40, (2, 1))):
        link.transition(0, tx(b"tx%06d" % time, time, diff=diff))
    told = [label(clients["pool"], moment) for moment in (5, 15, 20, 35, 99)]
    assert [(one.flags, one.number, one.has_more) for one in told] == [
        ("", 0, True), ("S", 1, True), ("R", 2, True), ("ER", 3, True), ("R", 4, False),
    ]  # fmt: skip
    assert [one.had_error for one in told] == [False, False, False, True, True]
    assert str(told[3]) == "pool ER|3+"
    assert store.time_sum_at(25) == 2


def test_parents_that_go_round_in_a_circle_are_shown_side_by_side(store: Store) -> None:
    link = Link(store, process())
    of = schema(("A", "Exception"))
    link.schema(of)
    for handle, (name, parent) in enumerate((("a", "b"), ("b", "a"), ("c", "c"))):
        link.machine(mach(handle, name, of, parent=parent))
    assert [(client.id, depth) for client, depth in ordered(store)] == [
        ("a", 0), ("b", 0), ("c", 0),
    ]  # fmt: skip
