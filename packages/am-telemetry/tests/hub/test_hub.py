"""The hub: who is told what, in which order, and that nothing of it reaches a machine."""

from __future__ import annotations

import gc
import itertools
import logging
import random
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

import am_machine as am
from am_telemetry._hub import Batch, Consumer, Duty, Hub, MachineLink, drain
from am_telemetry._hub import hub as hub_module
from am_telemetry._hub.guard import MOST_IN_A_ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Seconds that a thread may take that others do not let run; who waits for it is woken at once.
PATIENCE = 30.0
SCHEMA = {"A": {}, "B": {"multi": True}, "C": {"require": ["A"]}}


class Kept(Consumer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.by_machine: dict[str, list[am.JournalEntry]] = {}
        self.order: list[int] = []
        self.count_lost = 0
        self.threads: set[int] = set()

    def bound(self, link: MachineLink) -> None:
        self.told.append(("bound", link.id))

    def entries(self, batch: Batch) -> None:
        self.threads.add(threading.get_ident())
        for link, entries in batch:
            self.by_machine.setdefault(link.id, []).extend(entries)
        times = [entry.at for _, entries in batch for entry in entries]
        self.order.append(len(times))
        assert times == sorted(times)
        assert all(one is not other for (one, _), (other, _) in pairwise(batch))

    def lost(self, link: MachineLink, count: int, at: int) -> None:
        self.count_lost += count

    def schema_changed(self, link: MachineLink) -> None:
        self.told.append(("schema", link.id, len(link.schema)))

    def handlers_changed(self, link: MachineLink) -> None:
        self.told.append(("handlers", link.id, link.handlers))

    def pipes_changed(self, link: MachineLink) -> None:
        self.told.append(("pipes", link.id, len(link.pipes)))

    def gone(self, link: MachineLink, at: int) -> None:
        self.told.append(("gone", link.id, len(self.by_machine.get(link.id, ()))))

    def flush(self, deadline: float) -> None:
        self.told.append("flush")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()
    monkeypatch.setattr(hub_module, "LINGER", 0.02)
    yield hub
    for consumer in hub._known():
        hub.close(consumer)
    ended(hub)


def ended(hub: Hub) -> None:
    wait(lambda: hub._thread is None)


def wait(is_so: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.005)  # another thread, which nothing announces the end of


def test_all_that_a_machine_did_is_told_in_order_in_one_other_thread(hub: Hub) -> None:
    kept, m = Kept(), am.Machine(SCHEMA, id="m")
    hub.attach(kept, m)
    for _ in range(500):
        m.add("A", "B")
        m.remove("A")
        m.add("C")
    assert hub.sync(PATIENCE)
    entries = kept.by_machine["m"]
    assert len(entries) == 1500
    assert all(a.after == b.before for a, b in itertools.pairwise(entries))
    assert [e.accepted for e in entries[:3]] == [True, True, False]
    assert len(kept.threads) == 1
    assert threading.get_ident() not in kept.threads


def test_entries_of_several_machines_are_told_by_time(hub: Hub) -> None:
    kept = Kept()
    machines = [am.Machine(SCHEMA, id=f"m{i}") for i in range(5)]
    for m in machines:
        hub.attach(kept, m)
    for _ in range(200):
        for m in machines:
            m.toggle("A")
    assert hub.sync(PATIENCE)
    assert [len(found) for found in kept.by_machine.values()] == [200] * 5


def test_living_children_and_those_to_come_are_taken_along_but_not_inner_ones(hub: Hub) -> None:
    kept = Kept()
    m = am.Machine(SCHEMA, id="m")
    old = am.Machine(SCHEMA, id="old", parent=m)
    hidden = am.Machine(SCHEMA, id="hidden", parent=m, tags=["am:inner"])
    hub.attach(kept, m)
    new = am.Machine(SCHEMA, id="new", parent=old)
    am.Machine(SCHEMA, id="hidden too", parent=m, tags=["am:inner"])
    below = am.Machine(SCHEMA, id="below", parent=hidden)
    for one in (new, hidden, below):
        one.add("A")
    assert hub.sync(PATIENCE)
    assert [one[1] for one in kept.told if one[0] == "bound"] == ["m", "old", "new"]
    assert list(kept.by_machine) == ["new"]
    hub.attach(kept, hidden)
    hidden.add("B")
    assert hub.sync(PATIENCE)
    assert len(kept.by_machine["hidden"]) == 1


def test_a_child_of_an_inner_machine_that_was_made_later_belongs_to_the_nearest_ancestor(
    hub: Hub,
) -> None:
    kept, m = Kept(), am.Machine(SCHEMA, id="m")
    hub.attach(kept, m)
    hidden = am.Machine(SCHEMA, id="hidden", parent=m, tags=["am:inner"])
    am.Machine(SCHEMA, id="below", parent=hidden).add("A")
    assert hub.sync(PATIENCE)
    assert list(kept.by_machine) == ["below"]


def test_binding_twice_gives_the_first_handle(hub: Hub) -> None:
    kept, m = Kept(), am.Machine(SCHEMA)
    handle = hub.attach(kept, m)
    assert hub.attach(kept, m) is handle
    assert len(m.tracers) == 2  # the hub's and one journal


def test_consumers_share_one_journal_which_level_0_does_not_need(hub: Hub) -> None:
    class Reading(Kept):
        level = 0

    reading, m = Reading(), am.Machine(SCHEMA)
    hub.attach(reading, m)
    assert not any(isinstance(tracer, am.Journal) for tracer in m.tracers)
    one, other = Kept(), Kept()
    handles = [hub.attach(consumer, m) for consumer in (one, other)]
    assert sum(isinstance(tracer, am.Journal) for tracer in m.tracers) == 1
    m.add("A")
    assert hub.sync(PATIENCE)
    assert len(one.by_machine[m.id]) == len(other.by_machine[m.id]) == 1
    assert reading.by_machine == {}
    for handle in handles:
        handle.detach()
    assert hub.sync(PATIENCE)
    assert not any(isinstance(tracer, am.Journal) for tracer in m.tracers)


def test_who_comes_late_is_not_told_of_what_was_before(hub: Hub) -> None:
    early, late, m = Kept(), Kept(), am.Machine(SCHEMA, id="m")
    hub.attach(early, m)
    m.add("A")
    time.sleep(0.000_01)  # the clock of entries counts microseconds
    hub.attach(late, m)
    m.add("B")
    assert hub.sync(PATIENCE)
    assert len(early.by_machine["m"]) == 2
    assert [e.called for e in late.by_machine["m"]] == [(1,)]


def test_what_happened_before_detaching_is_told_and_nothing_after(hub: Hub) -> None:
    kept, m = Kept(), am.Machine(SCHEMA, id="m")
    child = am.Machine(SCHEMA, id="child", parent=m)
    handle = hub.attach(kept, m)
    m.add("A")
    child.add("A")
    handle.detach()
    handle.detach()
    m.add("B")
    child.add("B")
    assert hub.sync(PATIENCE)
    assert [len(found) for found in kept.by_machine.values()] == [1, 1]
    assert {one[1] for one in kept.told if one[0] == "gone"} == {"m", "child"}


def test_detaching_in_another_thread_takes_the_journal_off_after_the_next_transition(
    hub: Hub,
) -> None:
    m = am.Machine(SCHEMA)
    handle = hub.attach(Kept(), m)
    other = threading.Thread(target=handle.detach)
    other.start()
    other.join()
    assert len(m.tracers) == 2
    m.add("A")
    assert len(m.tracers) == 1


def test_a_disposed_machine_is_gone_once_its_last_entries_were_told(hub: Hub) -> None:
    kept, m = Kept(), am.Machine({"Start": {}, "A": {}}, id="m")
    child = am.Machine(SCHEMA, id="child", parent=m)
    hub.attach(kept, m)
    m.add("Start")
    child.add("A")
    m.dispose()
    assert hub.sync(PATIENCE)
    assert [one for one in kept.told if one[0] == "gone"] == [
        ("gone", "child", 1),
        ("gone", "m", 2),  # its end removes Start
    ]
    assert len(hub.registry) == 0


@pytest.fixture
def quick_collections() -> Iterator[None]:
    """What is there already is not looked at, so that a collection takes next to no time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("quick_collections")
def test_a_machine_that_is_forgotten_is_collected_and_gone(hub: Hub) -> None:
    kept, m = Kept(), am.Machine(SCHEMA, id="m")
    hub.attach(kept, m)
    m.add("A")
    assert hub.sync(PATIENCE)
    del m

    def is_gone() -> bool:
        gc.collect()
        return ("gone", "m", 1) in kept.told

    # By then the hub has let go of the machine, which needs no collection of others.
    wait(is_gone)


def test_a_machine_with_entries_is_not_collected_before_they_are_told(hub: Hub) -> None:
    kept = Kept()

    def forget() -> None:
        m = am.Machine(SCHEMA, id="m")
        hub.attach(kept, m)
        m.add("A")

    forget()
    gc.collect()
    assert hub.sync(PATIENCE)
    assert len(kept.by_machine["m"]) == 1


def test_changes_of_schema_handlers_and_pipes_are_told(hub: Hub) -> None:
    kept, m = Kept(), am.Machine(SCHEMA, id="m")
    hub.attach(kept, m)
    m.set_schema({**SCHEMA, "Exception": {"multi": True}, "D": {}}, [*m.schema.names, "D"])
    m.bind({"AState": lambda event: None})
    m.sem_log.pipe_out("add", "A", "other")
    assert hub.sync(PATIENCE)
    assert ("schema", "m", 5) in kept.told
    assert ("handlers", "m", ("AState",)) in kept.told
    assert ("pipes", "m", 1) in kept.told


def test_what_overflows_a_journal_is_counted_and_the_rest_goes_on(hub: Hub) -> None:
    gate = threading.Event()

    class Slow(Kept):
        def entries(self, batch: Batch) -> None:
            gate.wait(10)
            super().entries(batch)

    kept, m = Slow(), am.Machine(SCHEMA, id="m")
    hub.attach(kept, m)
    m.add("A")
    wait(lambda: hub._drain.is_idle is False)
    for _ in range(15_000):
        m.toggle("A")
    gate.set()
    assert hub.sync(PATIENCE)
    assert hub.sync(PATIENCE)
    assert kept.count_lost > 0
    assert len(kept.by_machine["m"]) + kept.count_lost == 15_001
    assert kept.by_machine["m"][-1].after == tuple(m.time())


def test_an_error_of_a_consumer_is_counted_told_once_and_reaches_no_machine(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Kept):
        def entries(self, batch: Batch) -> None:
            raise ValueError("mine")

    broken, sound, m = Broken(), Kept(), am.Machine(SCHEMA, id="m")
    hub.attach(broken, m)
    hub.attach(sound, m)
    with caplog.at_level(logging.ERROR, "am_telemetry"):
        for i in range(MOST_IN_A_ROW + 5):
            assert m.toggle("A") is am.EXECUTED
            assert hub.sync(PATIENCE)
            if i == MOST_IN_A_ROW - 2:
                assert broken in hub._known()
    assert hub.errors >= MOST_IN_A_ROW
    assert broken not in hub._known()
    assert len(sound.by_machine["m"]) == MOST_IN_A_ROW + 5
    assert len([r for r in caplog.records if "ValueError" in r.message]) == 1
    assert len([r for r in caplog.records if "listens no more" in r.message]) == 1


def test_an_error_in_bound_reaches_nobody_who_makes_machines(hub: Hub) -> None:
    class Broken(Kept):
        def bound(self, link: MachineLink) -> None:
            raise ValueError("mine")

    m = am.Machine(SCHEMA)
    hub.attach(Broken(), m)
    child = am.Machine(SCHEMA, parent=m)
    assert child.add("A") is am.EXECUTED
    assert hub.errors == 2


def test_a_wish_is_fulfilled_at_once_here_and_after_the_next_transition_elsewhere(
    hub: Hub,
) -> None:
    links: list[MachineLink] = []

    class Asking(Kept):
        def bound(self, link: MachineLink) -> None:
            links.append(link)

    m = am.Machine(SCHEMA)
    hub.attach(Asking(), m)
    done: list[object] = []
    links[0].ask(lambda machine: done.append(threading.get_ident()))
    assert done == [threading.get_ident()]

    other = threading.Thread(target=lambda: links[0].ask(lambda machine: done.append("asked")))
    other.start()
    other.join()
    assert len(done) == 1
    m.add("A")
    assert done[1:] == ["asked"]


def test_a_wish_in_a_handler_waits_for_the_end_of_the_transition(hub: Hub) -> None:
    links: list[MachineLink] = []
    seen: list[str] = []

    class Asking(Kept):
        def bound(self, link: MachineLink) -> None:
            links.append(link)

    def a_state(event: am.Event) -> None:
        links[0].ask(lambda machine: seen.append(str(machine.transition)))
        seen.append("handler")

    m = am.Machine(SCHEMA, handlers={"AState": a_state})
    hub.attach(Asking(), m)
    m.add("A")
    assert seen == ["handler", "None"]


def test_binding_in_another_thread_is_refused(hub: Hub) -> None:
    m = am.Machine(SCHEMA)
    raised: list[BaseException] = []

    def bind() -> None:
        try:
            hub.attach(Kept(), m)
        except RuntimeError as exc:
            raised.append(exc)

    other = threading.Thread(target=bind)
    other.start()
    other.join()
    assert len(raised) == 1
    with pytest.raises(TypeError, match="no tracers"):
        hub.attach(Kept(), object())  # type: ignore[arg-type]


def test_a_closed_consumer_is_flushed_once_all_was_told(hub: Hub) -> None:
    kept, m = Kept(), am.Machine(SCHEMA, id="m")
    hub.attach(kept, m)
    m.add("A")
    hub.close(kept, PATIENCE)
    assert kept.told[-2:] == [("gone", "m", 1), "flush"]
    m.add("B")
    assert hub.sync(PATIENCE)
    assert len(kept.by_machine["m"]) == 1


def test_the_thread_ends_with_the_last_machine_and_begins_again_with_the_next() -> None:
    hub = Hub()
    kept = Kept()
    for name in ("first", "second"):
        m = am.Machine(SCHEMA, id=name)
        hub.attach(kept, m)
        assert hub._thread is not None
        assert not hub._thread.daemon
        m.add("A")
        m.dispose()
        ended(hub)
        assert kept.told[-2:] == [("gone", name, 1), "flush"]


def test_machines_of_many_threads_may_come_and_go_at_once(hub: Hub) -> None:
    kept = Kept()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(20):
                m = am.Machine(SCHEMA, id=f"{number}.{i}")
                hub.attach(kept, m)
                am.Machine(SCHEMA, id=f"{number}.{i}.child", parent=m).add("A")
                m.add("A")
                m.dispose()
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hub.sync(PATIENCE)
    assert errors == []
    assert sum(map(len, kept.by_machine.values())) == 160
    assert len([one for one in kept.told if one[0] == "gone"]) == 160


# ------------------------------------------------------------------------------ duty


def test_no_window_holds_more_work_than_its_share() -> None:
    random_ = random.Random(1)
    duty, now = Duty(0.15, 0.1), 100.0
    spent: list[tuple[float, float]] = []
    for _ in range(2000):
        left = duty.left(now)
        if left > 0 and random_.random() < 0.9:
            piece = min(left, random_.uniform(0, 0.003))
            now += piece
            duty.spend(now, piece)
            spent.append((now, piece))
        else:
            pause = duty.wait(now)
            assert pause > 0 or left > 0
            now += max(pause, random_.uniform(0, 0.01))
    for at, _ in spent:
        # Ends of pieces are what is counted; one piece may reach into the window.
        assert sum(s for end, s in spent if at - 0.1 < end <= at) <= 0.0150001
    assert sum(s for _, s in spent) / (now - 100.0) > 0.06


def test_pieces_of_work_stay_small_whatever_an_entry_costs(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(drain, "thread_time", lambda: clock[0])
    pieces: list[int] = []

    class Dear(Kept):
        cost = 0.001

        def entries(self, batch: Batch) -> None:
            count = sum(len(entries) for _, entries in batch)
            pieces.append(count)
            clock[0] += self.cost * count

    dear, m = Dear(), am.Machine(SCHEMA)
    # The hub's own thread must not come in between.
    monkeypatch.setattr(hub, "start", lambda: None)
    hub.attach(dear, m)
    for cost, most in ((0.001, 2), (0.000_02, 100), (0.01, 1)):
        dear.cost = cost
        for _ in range(2000):
            m.toggle("A")
        while hub._drain.piece(0.015)[0]:
            pass
        # The first piece is as long as it is; from the second on it is known what entries cost.
        steady = pieces[1:-1] if cost != 0.000_02 else pieces[-20:-1]
        assert max(steady) <= most
        assert max(steady) >= most // 2
        pieces.clear()
