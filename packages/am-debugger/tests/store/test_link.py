"""What links say: machines of processes, reconnects, repeats, losses, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from am_debugger import BadMessageError
from am_debugger._store.client import natural_key
from am_debugger._store.layout import Flag, Mark
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_debugger._store.tx import SourceRef
from am_telemetry import dbg

from ..exporter import NAMES, Exporter, schema_of
from ..messages import mach, process, schema, tx

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def store() -> Store:
    return Store()


def test_another_process_with_the_same_machine_id_gets_a_name_of_its_own(store: Store) -> None:
    first = Exporter(Link(store, process("p1"))).client
    second = Exporter(Link(store, process("p2"))).client
    third = Exporter(Link(store, process("p3"))).client
    assert [client.id for client in store] == ["m1", "m1~2", "m1~3"]
    assert store.get("m1~2") is second
    assert list(store.named("m1")) == [first, second, third]


def test_a_process_that_reconnects_continues_its_machines(store: Store) -> None:
    link = Link(store, process("p1"))
    exporter = Exporter(link)
    exporter.do([0], {0: 1}, time=10)
    link.close()
    assert not exporter.client.is_connected
    before = exporter.client

    exporter.link = Link(store, process("p1"))
    assert exporter.announce() is before
    assert before.is_connected
    exporter.do([1], {1: 1}, time=20)
    assert len(store) == 1
    assert before.clock_after(2)[:2] == [1, 1]


def test_a_machine_is_known_by_the_handle_it_was_given_last(store: Store) -> None:
    link, of = Link(store, process("p1")), schema(("Start", "Exception"))
    link.schema(of)
    client = link.machine(mach(1, "a", of))
    other = link.machine(mach(2, "b", of))
    assert (link.handle_of(client), link.handle_of(other)) == (1, 2)
    assert link.machine(mach(3, "a", of)) is client
    assert link.handle_of(client) == 3
    link.machine(mach(3, "b", of))
    assert (link.handle_of(client), link.handle_of(other)) == (1, 3)
    link.machine(mach(1, "b", of))
    assert link.handle_of(client) is None
    link.close()
    assert link.handle_of(other) is None


def test_entries_sent_again_after_a_reconnect_are_taken_once(store: Store) -> None:
    link = Link(store, process("p1"))
    exporter = Exporter(link)
    for i in range(5):
        exporter.do([0], {0: 1}, time=i)
    link.close()

    again = Link(store, process("p1"))
    exporter.link = again
    kept = exporter.rows[2:]
    exporter.ticks = list(kept[0].before)
    exporter.announce()
    for row in kept:
        again.transition(exporter.handle, row.sent)
    exporter.ticks = list(kept[-1].after)
    exporter.do([1], {1: 1}, time=9)
    assert (again.repeated, exporter.client.last) == (3, 6)
    assert exporter.client.clock_after(6)[:2] == [5, 1]


def test_a_file_that_overlaps_what_is_known_adds_only_what_is_new(store: Store) -> None:
    exporter = Exporter(Link(store, process("p1")))
    for i in range(6):
        exporter.do([0], {0: 1}, time=i)
    known = exporter.rows[3].sent
    unknown = known._replace(id=b"unknown!")
    file = Link(store, process("p1"), exact=True, is_live=False)
    exporter.link = file
    exporter.announce()
    numbers = [file.transition(1, sent) for sent in (known, unknown, known)]
    assert numbers == [None, 7, None]
    assert exporter.client.is_connected  # by the live link
    file.close()
    assert exporter.client.is_connected


def test_a_machine_that_was_disposed_and_made_again_is_another_one(store: Store) -> None:
    link = Link(store, process("p1"))
    exporter = Exporter(link)
    exporter.do([0], {0: 1}, time=10)
    link.take(dbg.Gone(1, 11), 0)
    assert not exporter.client.is_connected
    again = Exporter(link, "m1", handle=2)
    assert [client.id for client in store] == ["m1", "m1~2"]
    assert again.client.is_connected
    assert store.in_process("p1", "m1") is again.client


def test_a_machine_told_by_two_links_is_connected_until_both_end(store: Store) -> None:
    direct, forwarded = Link(store, process("p1")), Link(store, process("forwarder"))
    exporter = Exporter(direct)
    exporter.link = forwarded
    exporter.announce(process=process("p1"))
    assert len(store) == 1
    direct.close()
    assert exporter.client.is_connected
    forwarded.close()
    assert not exporter.client.is_connected


def test_lost_transitions_leave_a_gap_and_a_count(store: Store) -> None:
    exporter = Exporter(Link(store, process("p1")))
    exporter.do([0], {0: 1}, time=1)
    exporter.lose({0: 4, 1: 1})
    exporter.do([2], {2: 1}, time=2)
    client = exporter.client
    assert (client.lost, [loss.number for loss in client.losses]) == (1, [2])
    assert store.tx(client, 2).marks & Mark.LOST
    assert client.clock_after(1)[:3] == [1, 0, 0]
    assert client.clock_before(2)[:3] == [5, 1, 0]
    assert client.clock_after(2)[:3] == [5, 1, 1]
    assert client.columns.clocks.breaks == [2]


def test_what_was_queued_and_what_executed_it_know_each_other(store: Store) -> None:
    exporter = Exporter(Link(store, process("p1")))
    exporter.do([2], {}, flags=Flag.QUEUED, number=77)
    exporter.do([1], {1: 1})
    exporter.do([2], {2: 1}, number=77)
    client = exporter.client
    assert (client.executed_by(1), client.queued_at(3)) == (3, 1)
    assert client.executed_by(2) is None


@pytest.mark.parametrize("is_canceled", [True, False])
def test_a_queued_auto_entry_counts_as_canceled_if_its_execution_was(
    store: Store, is_canceled: bool
) -> None:
    exporter = Exporter(Link(store, process("p1")))
    exporter.do([2], {}, flags=Flag.QUEUED | Flag.AUTO, number=5)
    assert exporter.client.columns.marks[0] & Mark.AUTO
    exporter.do([2], {}, flags=Flag.AUTO | (0 if is_canceled else Flag.ACCEPTED), number=5)
    marks = exporter.client.columns.marks[0]
    assert bool(marks & Mark.AUTO_CANCELED) == is_canceled
    assert bool(marks & Mark.AUTO) != is_canceled


def test_sources_are_looked_for_in_the_own_process_first(store: Store) -> None:
    first, second = Link(store, process("p1")), Link(store, process("p2"))
    one, two = Exporter(first, "a"), Exporter(second, "a")
    caused = Exporter(second, "b", handle=2)
    for exporter in (one, two):
        exporter.do([0], {0: 1})
    ref = SourceRef("a", two.rows[0].sent.id, 0)
    assert store.find_source(caused.client, ref) == (two.client, 1)
    one.do([0], {0: 1})
    assert store.find_source(caused.client, SourceRef("a", one.rows[1].sent.id, 0)) == (
        one.client,
        2,
    )
    assert store.find_source(caused.client, SourceRef("a", b"no such!", 0)) is None


def test_lines_outside_transitions_know_after_which_one_they_came(store: Store) -> None:
    link = Link(store, process("p1"))
    exporter = Exporter(link)
    link.log(dbg.Log(1, 5, 2, "before all"))
    exporter.do([0], {0: 1}, time=6)
    link.log(dbg.Log(1, 7, 2, "after one"))
    log = exporter.client.outer_log
    assert [(log[k].after, log[k].text) for k in log.between(0, 0)] == [(0, "before all")]
    assert [log[k].text for k in log.between(1, 9)] == ["after one"]


def afters(exporter: Exporter) -> list[tuple[int, str]]:
    log = exporter.client.outer_log
    return [(line.after, line.text) for line in (log[k] for k in range(len(log)))]


def test_lines_that_overtook_transitions_get_behind_them(store: Store) -> None:
    exporter = Exporter(Link(store, process("p1")))
    link = exporter.link
    link.log(dbg.Log(1, 10, 2, "after one"))
    link.log(dbg.Log(1, 20, 2, "after two"))
    link.log(dbg.Log(1, 25, 2, "after two as well"))
    before = exporter.client.outer_log.revision
    exporter.do([0], {0: 1}, time=10)
    assert afters(exporter) == [(1, "after one"), (1, "after two"), (1, "after two as well")]
    exporter.do([1], {1: 1}, time=15)
    told = [(1, "after one"), (2, "after two"), (2, "after two as well")]
    assert afters(exporter) == told
    assert exporter.client.outer_log.revision > before, "what was drawn of it is drawn anew"
    exporter.do([2], {2: 1}, time=30)
    assert afters(exporter) == told
    # Where a line stays is decided once: a clock that is put back moves no lines.
    exporter.do([0], {0: 1}, time=5)
    assert afters(exporter) == told


def test_lines_of_a_dump_stay_where_they_were_written(store: Store) -> None:
    exporter = Exporter(Link(store, process("p1"), exact=True, is_live=False))
    exporter.do([0], {0: 1}, time=10)
    exporter.link.log(dbg.Log(1, 20, 2, "after one"))
    exporter.do([1], {1: 1}, time=15)  # the clock was put back
    assert afters(exporter) == [(1, "after one")]


def test_of_lines_with_times_to_come_only_the_last_are_moved(store: Store) -> None:
    exporter = Exporter(Link(store, process("p1")))
    for k in range(1000):
        exporter.link.log(dbg.Log(1, 1 << 40, 2, str(k)))
    for k in range(3):
        exporter.do([0], {0: 1}, time=k + 1)
    moved = [after for after, _ in afters(exporter)]
    assert moved == [0] * 744 + [3] * 256


BAD_TXS = [
    tx(time=1 << 63),
    tx(queue_tick=1 << 63),
    tx(called=(6,)),
    tx(called=(-1,)),
    tx(diff=(0,)),
    tx(diff=(0, -1)),
    tx(diff=(6, 1)),
    tx(diff=(0, 1 << 61)),
    tx(clock=(0,) * 7),
    tx(clock=(-1,) * 6),
    tx(clock=(1 << 61,) * 6),
    tx(clock=((1 << 62) - 1, *[0] * 5)),
    tx(args={"a": 1 << 70}),
]


@pytest.mark.parametrize("bad", BAD_TXS)
def test_a_transition_that_cannot_be_is_refused_and_changes_nothing(
    store: Store, bad: dbg.Tx
) -> None:
    exporter = Exporter(Link(store, process()))
    exporter.do([0], {0: 1}, time=1)
    client = exporter.client
    ticks = list(client.columns.ticks)
    with pytest.raises(BadMessageError):
        exporter.link.transition(1, bad)
    assert (client.last, client.columns.ticks) == (1, ticks)
    columns = client.columns
    lengths = {len(columns.times), len(columns.sums), len(columns.kept), len(columns.ids) // 8}
    assert lengths == {1}
    exporter.do([1], {1: 1}, time=2)
    assert client.clock_after(2) == exporter.ticks


def test_of_a_batch_what_fits_is_taken_in(store: Store) -> None:
    exporter = Exporter(Link(store, process()))
    batch = dbg.Txs(((1, tx(b"entry001")), (1, BAD_TXS[2]), (9, tx()), (1, tx(b"entry002"))))
    faults = exporter.link.take(batch, 0)
    assert [type(fault) for fault in faults] == [BadMessageError] * 2
    assert (exporter.client.last, exporter.link.taken) == (2, 4)


BAD_SCHEMAS = [
    schema(("A", "A", "Exception")),
    schema(("A",)),
    schema(("a b", "Exception")),
    schema(("A", "Exception"), A={"require": (1,), "remove": (1,)}),
]


@pytest.mark.parametrize("bad", BAD_SCHEMAS)
def test_a_schema_that_cannot_be_is_refused(store: Store, bad: dbg.SchemaDef) -> None:
    with pytest.raises(BadMessageError):
        Link(store, process()).schema(bad)
    assert store.schemas == {}


def test_what_speaks_of_the_unknown_is_refused(store: Store) -> None:
    link = Link(store, process())
    link.schema(schema_of())
    good = mach(1, "m", schema_of())
    for bad in (
        replace(good, id=""),
        replace(good, id="x" * 2000),
        replace(good, hash=b"other"),
        replace(good, time=(0,) * 7),
        replace(good, time=(-1,)),
    ):
        with pytest.raises(BadMessageError):
            link.machine(bad)
    assert len(store) == 0
    assert link.machine(good).id == "m"
    calls: list[Callable[[], object]] = [
        lambda: link.transition(2, tx()),
        lambda: link.log(dbg.Log(2, 1, 1, "x")),
        lambda: link.log(dbg.Log(1, 1 << 63, 1, "x")),
        lambda: link.take(dbg.Gone(2, 1), 0),
        lambda: link.take(dbg.Drop(2, 1, 1), 0),
        lambda: link.take(dbg.PendingMsg(2, ()), 0),
    ]
    for call in calls:
        with pytest.raises(BadMessageError):
            call()
    assert link.take(dbg.Ping(), 0) == []


def test_no_more_machines_than_allowed_are_taken_in() -> None:
    store = Store(max_clients=2)
    link = Link(store, process("p1"))
    for i in range(2):
        Exporter(link, f"m{i}", handle=i)
    with pytest.raises(BadMessageError, match="no more"):
        Exporter(link, "m2", handle=2)
    assert (len(store), store.refused_clients) == (2, 1)


def test_a_removed_machine_takes_nothing_in_and_comes_again_when_announced(store: Store) -> None:
    exporter = Exporter(Link(store, process("p1")))
    exporter.do([0], {0: 1})
    store.remove(exporter.client)
    with pytest.raises(BadMessageError, match="removed"):
        exporter.do([0], {0: 1})
    assert store.get("m1") is None
    exporter.announce()
    exporter.do([0], {0: 1})
    assert [client.last for client in store] == [1]


def test_names_are_sorted_as_people_do() -> None:
    names = ["w10", "w2", "W1", "a", "w2b", "w٣"]
    assert sorted(names, key=natural_key)[:4] == ["a", "W1", "w2", "w2b"]


def test_the_parent_is_found_in_the_own_process(store: Store) -> None:
    first, second = Link(store, process("p1")), Link(store, process("p2"))
    Exporter(first, "root")
    root = Exporter(second, "root").client
    child = Exporter(second, "child", handle=2)
    child.announce(parent="root")
    assert store.parent_of(child.client) is root
    assert store.parent_of(root) is None
    assert child.client.version.names == NAMES


def test_of_a_batch_each_entry_is_taken_passed_over_or_refused_by_itself(store: Store) -> None:
    link, of = Link(store, process("p1")), schema(("Start", "Exception"))
    link.schema(of)
    clients = [link.machine(mach(handle, f"m{handle}", of)) for handle in (1, 2, 3)]
    link.ignore(2)
    good, bad = tx(time=1), tx(time=2, called=(7,), diff=())
    entries = [(1, good), (2, good), (1, bad), (9, good), (3, good), (1, good), (2, bad), (3, good)]
    faults = link.take(dbg.Txs(tuple(entries)), 0)
    assert [client.last for client in clients] == [2, 0, 2]
    assert [client.columns.ticks for client in clients] == [[2, 0], [0, 0], [2, 0]]
    assert link.taken == len(entries)
    assert len(faults) == 2
    store.remove(clients[0])
    assert len(link.take(dbg.Txs(((1, good), (3, good))), 0)) == 1
    assert clients[2].last == 3
