"""Machines that come and go without end: each costs the same, however many there were before."""

from __future__ import annotations

from am_debugger._core.debugger import Debugger, Settings
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..messages import mach, process, schema, tx

OF = schema(("Start", "Exception"))


class _Counting(dict[str, object]):
    """Counts how often it is asked whether it has something."""

    asked = 0

    def __contains__(self, key: object) -> bool:
        self.asked += 1
        return super().__contains__(key)


def test_a_program_that_makes_a_machine_for_each_thing_it_does_keeps_the_latest() -> None:
    debugger = Debugger(Settings(max_clients=3))
    store = debugger.session.store
    link = Link(store, process())
    link.schema(OF)
    for handle in range(50):
        link.take(mach(handle, f"job-{handle}", OF), 0)
        link.take(dbg.Txs(((handle, tx()),)), 0)
        link.take(dbg.Gone(handle, 2), 0)
    assert [client.id for client in store] == ["job-47", "job-48", "job-49"]
    assert [client.last for client in store] == [1, 1, 1]
    assert store.refused_clients == 0
    assert len(link.clients) <= 6
    link.close()
    assert [client.connections for client in store] == [0, 0, 0]


def test_a_handle_that_ended_and_means_another_machine_now_stays() -> None:
    store = Store(max_clients=3)
    link = Link(store, process())
    link.schema(OF)
    link.take(mach(1, "a", OF), 0)
    link.take(dbg.Gone(1, 2), 0)
    link.take(mach(1, "b", OF), 0)
    link.take(dbg.Gone(1, 3), 0)
    link.take(mach(1, "b", OF, tags=("again",)), 0)
    link._free_handles()
    link.take(dbg.Txs(((1, tx()),)), 0)
    assert store.named("b")[-1].last == 1
    assert link.handle_of(store.named("b")[-1]) == 1


def test_machines_of_one_name_are_numbered_on_at_the_same_cost() -> None:
    store = Store(max_clients=10)
    store._by_id = known = _Counting()  # type: ignore[assignment]
    for number in range(500):
        if len(store) == 10:
            store.remove(next(iter(store)))
        known.asked = 0
        store.add(process(f"p{number}"), "worker", (0, 0))
        assert known.asked <= 4
    ids = [client.id for client in store]
    assert len(set(ids)) == 10
    assert all([id.startswith("worker") for id in ids])


def test_who_was_left_first_goes_first_and_who_came_back_stays() -> None:
    store = Store()
    links = [Link(store, process(f"p{k}")) for k in range(4)]
    for k, link in enumerate(links):
        link.schema(OF)
        link.machine(mach(1, f"m{k}", OF))
    a, b, c, d = store
    assert store.oldest_left() is None
    for k in (2, 0, 1):
        links[k].close()
    back = Link(store, process("p0"))
    back.schema(OF)
    back.machine(mach(7, "m0", OF))
    assert a.is_connected
    assert store.oldest_left() is c
    assert store.oldest_left(kept=c) is b
    store.remove(c)
    store.remove(b)
    assert store.oldest_left() is None
    assert d.is_connected


def test_what_is_kept_is_passed_over_and_found_again() -> None:
    store = Store()
    link = Link(store, process())
    link.schema(OF)
    client = link.machine(mach(1, "m", OF))
    link.close()
    assert store.oldest_left(kept=client) is None
    assert store.oldest_left() is client
    assert store.oldest_left() is client
