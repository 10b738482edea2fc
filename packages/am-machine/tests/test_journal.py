"""Journals: transitions read later, in short."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest

import am_machine as am

SCHEMA = {"Foo": {}, "Bar": {"multi": True}, "Baz": {"auto": True, "require": ["Foo"]}}


class Counting(am.Journal):
    """Counts how often its reader was called for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls = 0

    def due(self) -> None:
        self.calls += 1


def told(entries: list[am.JournalEntry]) -> list[str]:
    return [f"{e.kind} {e.called} {e.after} @{e.queue_tick}" for e in entries]


def test_entries_hold_kind_called_states_and_clocks() -> None:
    journal = am.Journal()
    m = am.Machine(SCHEMA, tracers=[journal])
    before = time.time_ns() // 1000
    m.add("Foo")
    m.add("Bar", "Foo")
    m.add("Bar")
    first, auto, second, third = journal.read()
    assert before <= first.at <= auto.at <= second.at <= third.at <= time.time_ns() // 1000
    assert first[1:9] == ("add", (0,), (0, 0, 0, 0), (1, 0, 0, 0), 2, True, False, 0)
    assert auto[1:9] == ("add", (2,), (1, 0, 0, 0), (1, 0, 1, 0), 2, True, False, 0)
    assert second[1:9] == ("add", (1, 0), (1, 0, 1, 0), (1, 1, 1, 0), 3, True, False, 0)
    assert third.after == (1, 3, 1, 0)
    assert third.after == tuple(m.time())
    assert journal.read() == []


def test_a_journal_may_be_bound_late_and_taken_off() -> None:
    journal = am.Journal()
    m = am.Machine({"Foo": {}})
    m.add("Foo")
    m.bind_tracer(journal)
    m.remove("Foo")
    m.detach_tracer(journal)
    m.add("Foo")
    m.bind_tracer(journal)
    m.remove("Foo")
    first, second = journal.read()
    assert (first.before, first.after) == ((1, 0), (2, 0))
    assert (second.before, second.after) == ((3, 0), (4, 0))
    assert (first.queue_tick, second.queue_tick) == (3, 5)


def test_bound_in_a_handler_it_begins_with_the_running_transition() -> None:
    journal = am.Journal()
    m = am.Machine({"Foo": {}})
    m.bind({"FooState": lambda e: m.bind_tracer(journal)})
    m.add("Foo")
    m.remove("Foo")
    assert [(e.before, e.after) for e in journal.read()] == [((0, 0), (1, 0)), ((1, 0), (2, 0))]


def test_taken_off_in_a_handler_it_ends_before_the_running_transition() -> None:
    journal = am.Journal()
    m = am.Machine({"Foo": {}}, tracers=[journal])
    m.bind({"FooEnd": lambda e: m.detach_tracer(journal)})
    m.add("Foo")
    m.remove("Foo")
    m.add("Foo")
    assert [e.after for e in journal.read()] == [(1, 0)]


def test_checks_and_unless_wanted_canceled_transitions_are_left_out() -> None:
    plain, all_of_them = am.Journal(), am.Journal(rejected=True)
    m = am.Machine({"Foo": {}, "Bar": {"require": ["Foo"]}}, tracers=[plain, all_of_them])
    m.bind({"FooEnter": lambda e: False})
    m.can_add("Bar")
    m.can_add("Foo")
    assert m.add("Bar") is am.CANCELED
    assert m.add("Foo") is am.CANCELED
    assert plain.read() == []
    assert [(e.called, e.accepted) for e in all_of_them.read()] == [((1,), False), ((0,), False)]


def test_a_failed_final_handler_is_told_with_the_clocks_it_left() -> None:
    journal = am.Journal()
    m = am.Machine({"Foo": {}, "Bar": {}}, tracers=[journal])
    m.log_level = am.LogLevel.NOTHING
    m.bind({"BarState": lambda e: 1 / 0})
    m.add("Foo", "Bar")
    broken, error = journal.read()
    assert (broken.after, broken.accepted, broken.is_broken) == ((1, 2, 0), False, True)
    assert (error.called, error.before, error.after) == ((2,), (1, 2, 0), (1, 2, 1))
    # Errors are put in front of the queue, whose clock stands still.
    assert error.queue_tick == broken.queue_tick == m.queue_tick


def test_growth_goes_on_from_the_longer_clocks() -> None:
    journal = am.Journal()
    m = am.Machine({"Foo": {}}, tracers=[journal])
    m.add("Foo")
    m.set_schema({**m.schema, "New": am.State()}, (*m.schema.names, "New"))
    m.add("New")
    assert [e.after for e in journal.read()] == [(1, 0), (1, 0, 1)]


def replayed(entries: list[am.JournalEntry]) -> list[list[int]]:
    """The clocks after each entry, kept by its reader."""
    ticks: list[int] = []
    found = []
    for entry in entries:
        ticks = list(entry.before) or ticks
        for i, gained in entry.changes:
            ticks[i] += gained
        found.append([*ticks])
    return found


def test_without_clocks_only_the_first_entry_tells_them() -> None:
    journal, whole = am.Journal(clocks=False), am.Journal()
    m = am.Machine(SCHEMA, tracers=[journal, whole])
    for _ in range(2):
        m.add("Foo")
        m.add("Bar", "Foo")
        m.add("Bar")
        m.remove("Foo")
        entries, told_whole = journal.read(), whole.read()
        assert replayed(told_whole) == [[*entry.after] for entry in told_whole]
        ids = [e.id for e in entries]
        assert [e._replace(before=(), after=(), id=ids[n]) for n, e in enumerate(told_whole)] == [
            e._replace(before=(), after=(), at=told_whole[n].at) for n, e in enumerate(entries)
        ]
        for n, entry in enumerate(entries):
            is_first = n == 0 and entry.queue_tick == 2
            assert entry.before == (told_whole[n].before if is_first else ())
            assert entry.after == (told_whole[n].after if is_first else ())


def test_without_clocks_entries_tell_them_that_do_not_go_on_from_the_one_before() -> None:
    journal = am.Journal(clocks=False)
    journal.limit = 200
    m = am.Machine({"Foo": {}}, tracers=[journal])
    m.add("Foo")
    m.set_schema({**m.schema, "New": am.State()}, (*m.schema.names, "New"))
    m.add("New")
    m.remove("New")
    first, grown, third = journal.read()
    assert (first.before, first.after) == ((0, 0), (1, 0))
    assert (grown.before, grown.after) == ((1, 0, 0), (1, 0, 1))
    assert (third.before, third.after, third.changes) == ((), (), ((2, 1),))
    for _ in range(150):
        m.toggle("Foo")
        m.toggle("New")
    entries = journal.read()
    assert journal.dropped > 0
    assert entries[0].before
    assert replayed(entries)[-1] == [*m.time()]


def test_a_journal_is_read_while_it_is_written_without_losing_an_entry() -> None:
    journal = am.Journal(clocks=False)
    m = am.Machine({"Foo": {}}, tracers=[journal])
    entries: list[am.JournalEntry] = []
    is_over = threading.Event()

    def reader() -> None:
        while not is_over.is_set() or len(journal):
            entries.extend(journal.read())

    thread = threading.Thread(target=reader)
    thread.start()
    for _ in range(5_000):
        m.toggle("Foo")
    is_over.set()
    thread.join()
    assert journal.dropped == 0
    assert [entry.queue_tick for entry in entries] == [*range(2, 5_002)]
    assert [ticks[0] for ticks in replayed(entries)] == [*range(1, 5_001)]


def test_a_restored_machine_is_told_from_its_snapshot_on() -> None:
    old = am.Machine({"Foo": {}})
    old.add("Foo")
    journal = am.Journal()
    m = am.Machine.restore(old.export(), {"Foo": {}}, tracers=[journal])
    m.remove("Foo")
    (entry,) = journal.read()
    assert (entry.before, entry.after) == ((1, 0), (2, 0))


def test_a_replica_is_told_by_the_clocks_it_follows() -> None:
    journal = am.Journal()
    m = am.BaseMachine({"Foo": {}, "Bar": {}}, tracers=[journal])
    m.advance([(0, 3)], kind="add", called=[0], queue_tick=9, machine_tick=2)
    m.reset_clock([1, 1, 0])
    first, second = journal.read()
    assert first[1:9] == ("add", (0,), (0, 0, 0), (3, 0, 0), 9, True, False, 2)
    assert (second.kind, second.before, second.after) == ("set", (3, 0, 0), (1, 1, 0))


def test_a_journal_is_of_one_machine_and_not_inherited() -> None:
    journal = am.Journal()
    m = am.Machine({"Foo": {}}, tracers=[journal])
    child = am.Machine({"Foo": {}}, parent=m)
    child.add("Foo")
    assert child.tracers == ()
    assert journal.read() == []
    with pytest.raises(ValueError, match="one machine"):
        child.bind_tracer(journal)


def test_the_reader_is_called_for_the_first_entry_and_once_for_a_batch() -> None:
    journal = Counting()
    m = am.Machine({"Foo": {}}, tracers=[journal])
    m.toggle("Foo")
    assert journal.calls == 1
    journal.read()
    for _ in range(journal.batch - 1):
        m.toggle("Foo")
    assert journal.calls == 1
    m.toggle("Foo")
    assert journal.calls == 2
    # It was told of a batch, and finds all there is when it comes.
    for _ in range(journal.batch + 1):
        m.toggle("Foo")
    assert journal.calls == 2
    assert len(journal.read()) == 2 * journal.batch + 1
    # It has not said that it sleeps, so a batch is waited for …
    m.toggle("Foo")
    assert journal.calls == 2
    # … and it would find an entry before it could.
    assert not journal.rest()
    journal.read()
    assert journal.rest()
    m.toggle("Foo")
    assert journal.calls == 3


def test_two_journals_hear_the_same() -> None:
    one, other = Counting(), Counting()
    m = am.Machine({"Foo": {}}, tracers=[one])
    m.toggle("Foo")
    m.bind_tracer(other)
    for _ in range(300):
        m.toggle("Foo")
    first, second = one.read(), other.read()
    assert len(first) == 301
    assert [e.after for e in first[1:]] == [e.after for e in second]
    assert one.calls == other.calls == 2
    m.detach_tracer(one)
    for _ in range(150):
        m.toggle("Foo")
    assert one.read() == []
    assert len(other.read()) == 150
    assert other.calls == 3


def test_overflow_drops_all_that_waits_counts_it_and_goes_on_from_the_clocks() -> None:
    journal = Counting()
    journal.limit = 1_000
    m = am.Machine({"Foo": {}, "Bar": {}}, tracers=[journal])
    for _ in range(5_000):
        m.toggle("Foo")
        assert len(journal) <= journal.limit
    m.add("Bar")
    kept = journal.read()
    assert 0 < len(kept) < journal.limit
    assert len(kept) + journal.dropped == 5_001
    # Clocks do not depend on what was dropped.
    assert kept[-1].after == tuple(m.time()) == (5_000, 1, 0)
    assert [e.after[0] for e in kept[:-1]] == list(range(journal.dropped + 1, 5_001))
    assert kept[-1].queue_tick == m.queue_tick


@pytest.mark.parametrize("clocks", [True, False])
@pytest.mark.parametrize("count", range(3, 12))
def test_whenever_it_overflows_the_latest_clocks_are_told(count: int, clocks: bool) -> None:
    class Small(Counting):
        batch, limit = 2, 4

    journal = Small(clocks=clocks)
    m = am.Machine({"Foo": {}, "Bar": {"multi": True}}, tracers=[journal])
    m.bind({"FooState": lambda event: event.machine.add("Bar") and None})
    for _ in range(count):
        m.toggle("Foo")
    ticks, made = [0] * 3, 0
    entries = journal.read()
    for entry in entries:
        ticks = list(entry.before or ticks)
        for i, gained in entry.changes:
            ticks[i] += gained
    made = len(entries) + journal.dropped
    assert ticks == list(m.time())
    assert made == count + (count + 1) // 2
    assert len(entries) >= 1


def test_an_overflow_in_the_middle_of_a_transition_waits_for_its_end() -> None:
    class Small(am.Journal):
        batch, limit = 1, 2

    journal = Small(details=True)
    m = am.Machine({"Foo": {"multi": True}, "Bar": {"multi": True}}, tracers=[journal])

    def foo_state(event: am.Event) -> None:
        for _ in range(4):
            event.machine.add("Bar")

    m.bind({"FooState": foo_state})
    for _ in range(5):
        m.add("Foo")
        entries = journal.read()
        told = [entry for entry in entries if entry.details and entry.details.what != "queued"]
        assert told[-1].after == tuple(m.time())
        assert [b.before for b in told[1:]] == [a.after for a in told[:-1]]
    assert journal.dropped > 0


def test_after_an_overflow_the_handlers_are_still_told() -> None:
    journal = Counting()
    journal.limit = 100
    m = am.Machine({"Foo": {}}, tracers=[journal], handlers={"FooState": lambda e: None})
    for _ in range(150):
        m.toggle("Foo")
    assert journal.dropped > 0
    assert {entry.handlers for entry in journal.read()} == {("FooState",)}


def test_what_is_not_kept_is_not_read() -> None:
    class Bars(am.Journal):
        def keeps(self, entry: am.JournalEntry) -> bool:
            return 1 in entry.called

    journal = Bars()
    m = am.Machine({"Foo": {}, "Bar": {}}, tracers=[journal])
    m.add("Bar")
    for _ in range(1_000):
        m.toggle("Foo")
    m.remove("Bar")
    first, last = journal.read()
    assert (first.after, last.after) == ((0, 1, 0), (1_000, 2, 0))
    assert journal.dropped == 0


def test_an_overflow_counts_all_that_is_dropped_kept_or_not() -> None:
    class Bars(am.Journal):
        limit = 200

        def keeps(self, entry: am.JournalEntry) -> bool:
            return 1 in entry.called

    journal = Bars()
    m = am.Machine({"Foo": {}, "Bar": {}}, tracers=[journal])
    for _ in range(1_000):
        m.toggle("Foo")
    m.add("Bar")
    (entry,) = journal.read()
    assert entry.after == (1_000, 1, 0)
    # Whether they were worth reading was not looked at.
    assert 800 <= journal.dropped <= 1_000


def test_reading_in_another_thread_misses_nothing() -> None:
    class Waking(am.Journal):
        def __init__(self) -> None:
            super().__init__()
            self.woken = threading.Event()

        def due(self) -> None:
            self.woken.set()

    journal, count = Waking(), 20_000
    got: list[am.JournalEntry] = []

    def reader() -> None:
        while len(got) < count:
            if journal.rest() and not journal.woken.wait(10):
                return
            journal.woken.clear()
            got.extend(journal.read())

    m = am.Machine({"Foo": {}, "Bar": {}}, tracers=[journal])
    m.bind({"BarState": lambda e: m.remove("Bar")})
    thread = threading.Thread(target=reader)
    thread.start()
    for number in range(count // 2):
        m.toggle("Foo") if number % 2 else m.add("Bar")
        if number % 2:
            m.toggle("Foo")
    thread.join(20)
    assert not thread.is_alive()
    assert journal.dropped == 0
    assert [sum(e.after) for e in got] == list(range(1, count + 1))


def test_a_journal_that_raises_is_logged_and_otherwise_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(am.Journal):
        def due(self) -> None:
            raise RuntimeError("no reader")

    journal = Broken()
    m = am.Machine({"Foo": {}}, tracers=[journal])
    assert m.add("Foo") is am.EXECUTED
    assert "Broken raised RuntimeError('no reader')" in caplog.text
    assert len(journal.read()) == 1


def test_what_waits_or_listens_beside_a_journal_still_does() -> None:
    journal = am.Journal()
    m = am.Machine({"Foo": {}, "Bar": {}}, tracers=[journal])
    wait, context = m.when("Foo"), m.state_ctx("Foo")
    m.add("Foo")
    assert wait.done
    assert context.expired
    assert len(journal.read()) == 1
    m.dispose()
    assert m.tracers == ()


def test_text() -> None:
    journal = am.Journal()
    assert journal
    m = am.Machine({"Foo": {}}, tracers=[journal])
    m.set("Foo")
    assert told(journal.read()) == ["set (0,) (1, 0) @2"]


def test_a_journal_is_read_in_pieces_that_go_on_from_each_other() -> None:
    journal = am.Journal()
    m = am.Machine(SCHEMA, tracers=[journal])
    for _ in range(10):
        m.add("Bar")
        m.remove("Bar")
    pieces = []
    while piece := journal.read(7):
        pieces.append(piece)
    assert len(pieces) > 2
    entries = [entry for piece in pieces for entry in piece]
    assert len(entries) == 20
    assert all(a.after == b.before for a, b in itertools.pairwise(entries))


def test_a_journal_that_forgoes_blocked_autos_notes_refusals_and_no_fruitless_autos() -> None:
    class Cheap(am.Journal):
        blocked_autos = False

    schema = {"A": {}, "B": {"require": ["A"]}, "Auto": {"auto": True, "require": ["B"]}}
    noted = []
    for cls in (am.Journal, Cheap):
        journal = cls(rejected=True)
        m = am.Machine(schema, tracers=[journal])
        m.add("B")
        m.add("A")
        m.add("B")
        noted.append([(e.called, e.accepted, e.is_auto) for e in journal.read()])
    whole, cheap = noted
    assert ((2,), False, True) in whole
    assert cheap == [entry for entry in whole if entry != ((2,), False, True)]
    assert ((1,), False, False) in cheap
    assert ((2,), True, True) in cheap


def test_what_a_journal_notes_of_autos_does_not_depend_on_who_else_listens() -> None:
    class Cheap(am.Journal):
        blocked_autos = False

    class Loud(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            pass

    schema = {"A": {}, "B": {"require": ["A"]}, "Auto": {"auto": True, "require": ["B"]}}
    noted = []
    for others in ([], [Loud()], [am.Journal(rejected=True)]):
        journal = Cheap(rejected=True)
        m = am.Machine(schema, tracers=[journal, *others])
        m.add("A")
        m.add("B")
        noted.append([(e.called, e.accepted, e.is_auto) for e in journal.read()])
    assert noted == [[((0,), True, False), ((1,), True, False), ((2,), True, True)]] * 3


def test_what_a_replica_caused_names_the_entry_of_its_update() -> None:
    other = am.Machine({"X": {}})
    journal, seen = am.Journal(), am.Journal()
    other.bind_tracer(seen)
    replica = am.BaseMachine({"A": {}, "B": {}}, handlers={"AState": lambda event: other.add("X")})
    replica.bind_tracer(journal)
    replica.advance([(0, 1)])
    kept = replica.advance([(1, 1)])
    first, second = journal.read()
    (effect,) = seen.read()
    assert effect.source is not None
    assert effect.source.transition_id == first.id
    assert second.id != first.id
    # Asked for too late for the journal, but the same for whoever asked while it ran.
    assert len(kept.id) == 16


def test_a_replica_names_an_update_alike_to_tracers_and_journals() -> None:
    ids: list[str] = []

    class Asks(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            ids.append(transition.id)

    journal = am.Journal()
    replica = am.BaseMachine({"A": {}}, tracers=[Asks()])
    replica.bind_tracer(journal)
    replica.advance([(0, 1)])
    assert [entry.id for entry in journal.read()] == ids
