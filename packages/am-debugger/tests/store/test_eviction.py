"""Memory: what is counted is what is held, and what goes when it is too much."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

from am_debugger._store import eviction
from am_debugger._store.eviction import Evicted, evict
from am_debugger._store.layout import Flag, Sizes, sizes_for
from am_debugger._store.link import Link
from am_debugger._store.search import SearchColumn
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..exporter import Exporter
from ..messages import process

if TYPE_CHECKING:
    import pytest

SMALL = Sizes(chunk=64, keyframe=16)
LOG = ((2, "[state] +Start"), (4, "[auto:rel:remove] Ready by Done" * 9))


def fill(store: Store, machines: int, count: int) -> list[Exporter]:
    link = Link(store, process())
    exporters = [Exporter(link, f"m{i}", handle=i) for i in range(machines)]
    for k in range(count):
        for i, exporter in enumerate(exporters):
            args = {"id": k, "text": "x" * 20}
            rest = {"args": args, "duration": 100, "queue_len": 3, "log": LOG}
            exporter.do([k % 3], {k % 3: 1}, time=1000 * k + i, queue_tick=k + 1, **rest)
            exporter.rows.clear()
    return exporters


def run(store: Store, cap: int, *, now: int = 10**9, log_ttl: int = 10**12) -> Evicted:
    steps = list(evict(store, cap, now=now, log_ttl=log_ttl))
    return steps[-1] if steps else Evicted()


def test_what_is_counted_is_what_is_held() -> None:
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        store = Store()
        exporters = fill(store, 2, 10_000)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert exporters
    assert 0.8 < store.nbytes / held < 1.25


def test_nothing_goes_while_there_is_room() -> None:
    store = Store(sizes=SMALL)
    fill(store, 3, 200)
    assert not run(store, store.nbytes)
    assert store.transitions == 600


def test_fine_log_lines_go_first_where_they_are_old() -> None:
    store = Store(sizes=SMALL)
    exporter = fill(store, 1, 300)[0]
    client = exporter.client
    store.tx(client, 10)
    done = run(store, store.nbytes - 1000, now=300_000, log_ttl=100_000)
    assert done.log_lines == 200
    assert store.tx(client, 10).log == ((2, "[state] +Start"),)
    assert len(store.tx(client, 250).log) == 2
    assert store.tx(client, 10).args == {"id": 9, "text": "x" * 20}


def test_then_the_oldest_transitions_of_all_machines_go() -> None:
    store = Store(sizes=SMALL)
    exporters = fill(store, 3, 400)
    cap = store.nbytes // 2
    done = run(store, cap)
    assert store.nbytes <= 0.9 * cap + 20_000
    firsts = [exporter.client.first for exporter in exporters]
    assert max(firsts) - min(firsts) <= SMALL.chunk
    assert done.transitions == sum(first - 1 for first in firsts)
    for exporter in exporters:
        client = exporter.client
        assert client.clock_after(client.last) == exporter.ticks
        assert client.clock_before(client.first)[:3].count(0) == 0
        assert client.errors.tolist() == []
    assert "transitions of 3 machines" in str(done)


def test_machines_without_transitions_go_if_they_are_disconnected() -> None:
    store = Store(sizes=SMALL)
    link = Link(store, process())
    for i in range(100):
        Exporter(link, f"m{i}", handle=i)
    link.close()
    stays = Exporter(Link(store, process("p2")), "stays")
    done = run(store, 1000)
    assert len(done.clients) == 100
    assert list(store) == [stays.client]


def test_a_machine_goes_on_after_its_oldest_went() -> None:
    store = Store(sizes=SMALL)
    exporter = fill(store, 1, 500)[0]
    store_before = exporter.client.last
    run(store, store.nbytes // 3)
    row = exporter.do([0], {0: 1}, time=10**7)
    assert exporter.client.last == store_before + 1
    assert exporter.client.find_id(row.sent.id) == store_before + 1
    assert exporter.client.clock_after(store_before + 1) == exporter.ticks


def test_of_little_memory_chunks_are_small() -> None:
    megabyte = 1 << 20
    assert sizes_for(1000 * megabyte) == sizes_for(32 * megabyte) == Sizes()
    assert sizes_for(8 * megabyte).chunk == 1024
    assert sizes_for(1).chunk == 256


def test_what_was_gone_through_for_old_details_is_not_gone_through_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(sizes=SMALL)
    fill(store, 2, 640)
    looked = 0
    whole = eviction._without_details

    def counted(packed: bytes) -> tuple[bytes, int]:
        nonlocal looked
        looked += 1
        return whole(packed)

    monkeypatch.setattr(eviction, "_without_details", counted)
    run(store, store.nbytes - 1, now=10**9, log_ttl=10**9)
    assert looked == 0, "nothing is that old"
    kept = store.transitions
    assert run(store, store.nbytes - 1, now=10**9, log_ttl=0).log_lines == kept
    assert looked == kept
    looked = 0
    assert run(store, store.nbytes - 1, now=10**9, log_ttl=0).log_lines == 0
    assert looked <= 2 * SMALL.chunk


def test_of_one_machine_with_much_little_is_moved_while_the_oldest_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(sizes=SMALL)
    fill(store, 1, 64 * 100)
    moves = 0
    whole = SearchColumn.drop

    def counted(self: SearchColumn, count: int) -> None:
        nonlocal moves
        moves += 1
        whole(self, count)

    monkeypatch.setattr(SearchColumn, "drop", counted)
    cap = store.nbytes // 2
    done = run(store, cap)
    assert 0.8 * cap < store.nbytes <= 0.9 * cap
    assert done.transitions > 64 * 40
    assert moves <= 3 * 16


def test_links_between_transitions_count_for_what_goes() -> None:
    store = Store(sizes=SMALL)
    exporter = Exporter(Link(store, process()), "m")
    for k in range(3000):
        exporter.do([2], {}, time=2 * k, flags=Flag.QUEUED, number=k)
        exporter.do([2], {2: 1}, time=2 * k + 1, number=k)
    cap = int(0.9 * store.nbytes)
    run(store, cap)
    assert 0.85 * cap < store.nbytes <= 0.9 * cap
    client = exporter.client
    assert min(client._executed_by) >= client.first
    assert min(client._queued_at) >= client.first
    assert client.queued_at(client.last) == client.last - 1


def test_lines_outside_transitions_go_with_those_they_came_after() -> None:
    store = Store(sizes=SMALL)
    link = Link(store, process())
    exporter = Exporter(link, "m")
    for k in range(200):
        exporter.do([2], {2: 1}, time=k)
        link.take(dbg.Log(1, k, 2, f"line {k + 1}"), 0)
    client = exporter.client
    client.drop_chunks(2)
    log = client.outer_log
    assert [log[k].text for k in range(len(log))] == [f"line {k}" for k in range(128, 201)]
    assert [log[k].after for k in log.between(150, 151)] == [150, 151]


def test_a_machine_of_a_dump_that_is_read_stays_until_it_is_read() -> None:
    store = Store(sizes=SMALL)
    link = Link(store, process(), exact=True, is_live=False)
    exporter = Exporter(link, "m")
    run(store, 1000)
    exporter.do([2], {2: 1})
    exporter.client.drop_chunks(1)
    run(store, 1000)
    exporter.do([2], {2: 1})
    assert list(store) == [exporter.client]
    exporter.client.drop_chunks(1)
    link.close()
    run(store, 1000)
    assert not list(store)
