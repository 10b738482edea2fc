"""Journals tell why: cause, id, keywords, who voted against, who failed, what moved."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]


def kept(m: am.Machine, **options: Any) -> am.Journal:
    journal = am.Journal(**options)
    m.bind_tracer(journal)
    return journal


class Listening(am.Tracer):
    """A tracer of every transition, so that the whole procedure is taken."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def transition_end(self, transition: am.Transition) -> None:
        self.ids.append(transition.id)


LISTENERS: dict[str, Callable[[am.Machine], object]] = {
    "journal alone": lambda m: None,
    "beside a tracer": lambda m: m.bind_tracer(Listening()),
    "beside the log": lambda m: setattr(m, "log_level", am.LogLevel.OPS),
    "beside another journal": kept,
}
each_way = pytest.mark.parametrize("way", LISTENERS)


# -- is_auto, source, id --------------------------------------------------------------------------


@each_way
def test_an_entry_tells_whether_it_was_made_for_auto_states(flat: Flat, way: str) -> None:
    m = flat("A X", auto="X")
    LISTENERS[way](m)
    journal = kept(m)
    m.add("A")
    assert [(e.called, e.is_auto) for e in journal.read()] == [((0,), False), ((1,), True)]


@each_way
def test_a_mutation_from_outside_has_no_source(flat: Flat, way: str) -> None:
    m = flat()
    LISTENERS[way](m)
    journal = kept(m)
    m.add("A")
    assert journal.read()[0].source is None


@each_way
@pytest.mark.parametrize("handler", ["AEnter", "AState"])
def test_the_source_of_what_a_transition_causes_names_its_id(
    flat: Flat, way: str, handler: str
) -> None:
    m = flat(id="m1")
    m.bind({handler: lambda e: e.add("B") and None})
    LISTENERS[way](m)
    journal = kept(m)
    m.add("A")
    first, second = journal.read()
    assert second.source is not None
    assert (second.source.machine_id, second.source.transition_id) == ("m1", first.id)
    assert second.source.time == sum(first.before)


@each_way
def test_the_source_names_the_transition_of_another_machine(flat: Flat, way: str) -> None:
    one, other = flat(id="one"), flat(id="other")
    one.bind({"AState": lambda e: other.add("B")})
    LISTENERS[way](one)
    LISTENERS[way](other)
    first, second = kept(one), kept(other)
    one.add("A")
    (cause,), (effect,) = first.read(), second.read()
    assert effect.source is not None
    assert (effect.source.machine_id, effect.source.transition_id) == ("one", cause.id)


@each_way
def test_the_source_is_told_along_a_chain(flat: Flat, way: str) -> None:
    m = flat("A B C", id="m1")
    m.bind({"AState": lambda e: e.add("B"), "BState": lambda e: e.add("C")})
    LISTENERS[way](m)
    journal = kept(m)
    m.add("A")
    entries = journal.read()
    assert [e.source and e.source.transition_id for e in entries] == [
        None, entries[0].id, entries[1].id,
    ]  # fmt: skip
    assert [e.source and e.source.hops for e in entries] == [None, 1, 2]


@pytest.mark.trio
async def test_the_source_of_a_task_is_the_transition_that_started_it(flat: Flat) -> None:
    async def work(event: am.Event) -> None:
        await trio.lowlevel.checkpoint()
        event.add("B")

    async with flat(handlers={"AState": work}) as m:
        journal = kept(m)
        m.add("A")
        await trio.testing.wait_all_tasks_blocked()
        first, second = journal.read()
    assert second.source is not None
    assert second.source.transition_id == first.id


@each_way
def test_the_source_is_told_of_a_transition_that_meets_a_wait(flat: Flat, way: str) -> None:
    m, source = flat(), am.Source("elsewhere", "1" * 16, 5)
    LISTENERS[way](m)
    journal, wait = kept(m), m.when("A")
    with am.use_source(source):
        m.add("A")
    assert wait.done
    assert journal.read()[0].source == source


def test_an_auto_mutation_has_no_source(flat: Flat) -> None:
    m = flat("A X", auto="X")
    journal = kept(m)
    m.add("A")
    assert journal.read()[1].source is None


def test_the_id_is_that_of_the_transition(flat: Flat) -> None:
    seen: list[str] = []
    m = flat(handlers={"AState": lambda e: seen.append(e.transition.id)})
    journal = kept(m)
    m.add("A")
    assert [e.id for e in journal.read()] == seen


def test_the_id_is_that_which_a_tracer_hears(flat: Flat) -> None:
    m, tracer = flat("A X", auto="X"), Listening()
    m.bind_tracer(tracer)
    journal = kept(m)
    m.add("A")
    m.remove("A")
    assert [e.id for e in journal.read()] == tracer.ids


def test_ids_are_sixteen_hex_characters_and_differ(flat: Flat) -> None:
    m = flat()
    journal = kept(m)
    for _ in range(20):
        m.toggle("A")
    ids = [e.id for e in journal.read()]
    assert len(set(ids)) == 20
    assert all(len(i) == 16 and set(i) <= set("0123456789abcdef") for i in ids)


def test_journals_name_a_transition_that_caused_something_by_the_same_id(flat: Flat) -> None:
    m = flat(handlers={"AState": lambda e: e.add("B")})
    one, other = kept(m), kept(m)
    m.add("A")
    first, second = one.read(), other.read()
    assert first[0].id == second[0].id
    assert first[1].source == second[1].source


# -- args -----------------------------------------------------------------------------------------


@each_way
def test_only_logged_keywords_are_kept(flat: Flat, way: str) -> None:
    m = flat()
    m.log_args = am.LogArgs("n", "who")
    LISTENERS[way](m)
    journal = kept(m)
    m.add("A", n=1, who="me", secret="x")
    assert dict(journal.read()[0].args) == {"n": 1, "who": "me"}


def test_by_default_the_usual_keywords_are_kept(flat: Flat) -> None:
    m = flat()
    journal = kept(m)
    m.add("A", id=5, port=80, addr="x", body="y")
    assert dict(journal.read()[0].args) == {"id": 5, "port": 80, "addr": "x"}


@dataclass
class Logged:
    shown: int = field(metadata={"log": True})
    hidden: int = 0


def test_fields_of_args_classes_that_are_marked_are_kept() -> None:
    m = am.Machine({"A": {"args": Logged}})
    journal = kept(m)
    m.add("A", shown=1, hidden=2)
    assert dict(journal.read()[0].args) == {"shown": 1}


@pytest.mark.parametrize("value", [0, -5, 2.5, True, False, None, 2**80])
def test_numbers_bools_and_none_are_kept_as_they_are(flat: Flat, value: Any) -> None:
    m = flat()
    journal = kept(m)
    m.add("A", id=value)
    (entry,) = journal.read()
    assert entry.args["id"] == value
    assert type(entry.args["id"]) is type(value)


def test_anything_else_is_text_of_at_most_256_characters(flat: Flat) -> None:
    m = flat()
    journal = kept(m)
    m.add("A", id=["a"] * 1000, name="n" * 1000, path="p" * 256)
    (entry,) = journal.read()
    assert {key: len(text) for key, text in entry.args.items()} == {
        "id": 256, "name": 256, "path": 256,
    }  # fmt: skip
    assert entry.args["id"].startswith("['a', 'a'")


def test_text_that_is_not_the_whole_of_what_was_given_says_so(flat: Flat) -> None:
    m = flat()
    journal = kept(m)
    for value in ("n" * 257, ["n"], b"n"):
        m.add("A", id=value)
        assert type(journal.read()[0].args["id"]) is am.Converted
    for value in ("n" * 256, "", ValueError("n"), m.schema.names[0]):
        m.add("A", id=value)
        assert type(journal.read()[0].args["id"]) is str


def test_text_is_made_at_once(flat: Flat) -> None:
    m, value = flat(), ["before"]
    journal = kept(m)
    m.add("A", id=value)
    value[0] = "after"
    assert journal.read()[0].args["id"] == "['before']"


@pytest.mark.usefixtures("no_collector")
def test_nothing_of_the_caller_is_kept_alive(flat: Flat) -> None:
    class Value:
        pass

    m, value = flat(), Value()
    gone = weakref.ref(value)
    journal = kept(m)
    m.add("A", id=value, other=value)
    del value
    assert gone() is None
    assert len(journal.read()) == 1


@pytest.mark.usefixtures("log")
def test_an_error_is_kept_as_type_and_message(flat: Flat) -> None:
    m = flat()
    journal = kept(m)
    m.add_err(ValueError("boom"))
    assert journal.read()[0].args["err"] == "ValueError: boom"


@pytest.mark.usefixtures("log")
def test_a_value_without_text_is_kept_as_something(flat: Flat) -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    m = flat()
    journal = kept(m)
    assert m.add("A", id=Mute()) is am.EXECUTED
    assert "Mute" in journal.read()[0].args["id"]


# -- vetoed, failed, changes ----------------------------------------------------------------------


@each_way
def test_the_handler_that_voted_against_is_named(flat: Flat, way: str) -> None:
    m = flat(handlers={"AEnter": lambda e: False})
    LISTENERS[way](m)
    journal = kept(m, rejected=True)
    m.add("A")
    (entry,) = journal.read()
    assert (entry.accepted, entry.vetoed, entry.failed) == (False, ("AEnter",), None)


@each_way
def test_all_handlers_that_dropped_auto_states_are_named_in_order(flat: Flat, way: str) -> None:
    m = flat("A X Y Z", auto="X Y Z")
    m.bind({"XEnter": lambda e: False, "ZEnter": lambda e: False})
    LISTENERS[way](m)
    journal = kept(m)
    m.add("A")
    auto = journal.read()[1]
    assert (auto.accepted, auto.vetoed) == (True, ("XEnter", "ZEnter"))
    assert auto.called == (1, 2, 3)
    assert auto.changes == ((2, 1),)


@each_way
@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("name", ["AEnter", "AnyEnter"])
def test_the_vote_that_raised_is_named(flat: Flat, way: str, name: str) -> None:
    def fail(event: am.Event) -> None:
        if event.transition.called == ("A",):
            raise ValueError

    m = flat(handlers={name: fail})
    LISTENERS[way](m)
    journal = kept(m, rejected=True)
    m.add("A")
    entry = journal.read()[0]
    assert (entry.accepted, entry.failed, entry.vetoed) == (False, name, ())
    assert (entry.changes, entry.is_broken) == ((), False)


@each_way
@pytest.mark.usefixtures("log")
def test_the_final_handler_that_raised_is_named_and_what_it_left_is_told(
    flat: Flat, way: str
) -> None:
    m = flat(handlers={"BState": lambda e: 1 / 0})
    LISTENERS[way](m)
    journal = kept(m)
    m.add("A", "B", "C")
    entry = journal.read()[0]
    assert (entry.accepted, entry.is_broken, entry.failed) == (False, True, "BState")
    gained = dict.fromkeys(range(len(entry.before)), 0)
    for i, ticks in entry.changes:
        gained[i] += ticks
    assert gained == {0: 1, 1: 2, 2: 2, 3: 0, 4: 0}


@each_way
@pytest.mark.usefixtures("log")
def test_a_failed_final_of_a_transition_that_moved_nothing_is_no_broken_one(
    flat: Flat, way: str
) -> None:
    m = flat()
    m.add("A")
    m.bind({"AnyState": lambda e: 1 / 0 if e.transition.called == ("A",) else None})
    LISTENERS[way](m)
    journal = kept(m, rejected=True)
    m.add("A")
    entry = journal.read()[0]
    assert (entry.accepted, entry.is_broken, entry.failed) == (False, False, "AnyState")
    assert entry.changes == ()


@each_way
def test_changes_are_the_states_whose_clocks_moved_and_what_they_gained(
    flat: Flat, way: str
) -> None:
    m = flat("A B M", multi="M")
    m.add("A", "M")
    LISTENERS[way](m)
    journal = kept(m)
    m.set("B", "M")
    (entry,) = journal.read()
    assert sorted(entry.changes) == [(0, 1), (1, 1), (2, 2)]
    after = list(entry.before)
    for i, gained in entry.changes:
        after[i] += gained
    assert tuple(after) == entry.after


def test_a_transition_that_moves_nothing_has_no_changes(flat: Flat) -> None:
    m = flat()
    m.add("A")
    journal = kept(m)
    m.add("A")
    (entry,) = journal.read()
    assert (entry.accepted, entry.changes) == (True, ())


# -- handlers -------------------------------------------------------------------------------------


@each_way
def test_an_entry_names_the_handlers_bound_when_it_ended(flat: Flat, way: str) -> None:
    m = flat()
    LISTENERS[way](m)
    journal = kept(m)
    m.add("A")
    bound = m.bind({"BState": lambda e: None, "BEnter": lambda e: None})
    m.add("B")
    bound.detach()
    m.add("C")
    assert [e.handlers for e in journal.read()] == [(), ("BState", "BEnter"), ()]


def test_a_journal_bound_late_knows_the_handlers_that_were_there(flat: Flat) -> None:
    m = flat(handlers={"BState": lambda e: None})
    journal = kept(m)
    m.add("A")
    assert journal.read()[0].handlers == ("BState",)


# -- poke, and several journals -------------------------------------------------------------------


class Poked(am.Journal):
    """Counts calls of `due`, and does what it is given then."""

    def __init__(self, act: Callable[[], object] = int) -> None:
        super().__init__()
        self.calls = 0
        self.act = act

    def due(self) -> None:
        self.calls += 1
        self.act()


def test_a_poked_journal_is_due_after_the_next_transition(flat: Flat) -> None:
    m, journal = flat(), Poked()
    m.bind_tracer(journal)
    m.toggle("A")
    journal.read()
    m.toggle("A")
    assert journal.calls == 1
    journal.poke()
    assert journal.calls == 1
    m.toggle("A")
    assert journal.calls == 2
    m.toggle("A")
    assert journal.calls == 2


def test_poke_works_from_any_thread(flat: Flat) -> None:
    m, journal = flat(), Poked()
    m.bind_tracer(journal)
    m.toggle("A")
    journal.read()
    m.toggle("A")

    async def main() -> None:
        await trio.to_thread.run_sync(journal.poke)

    trio.run(main)
    m.toggle("A")
    assert journal.calls == 2


@pytest.mark.parametrize("handled", [True, False])
def test_when_due_tracers_may_be_bound_and_detached(flat: Flat, handled: bool) -> None:
    m, tracer = flat(), Listening()
    if handled:
        m.bind({"BState": lambda e: None})

    def change() -> None:
        if journal.calls == 2:
            m.bind_tracer(tracer)
        if journal.calls == 3:
            m.detach_tracer(tracer)

    journal = Poked(change)
    m.bind_tracer(journal)
    m.add("A")
    journal.read()
    journal.poke()
    m.add("B")
    journal.read()
    assert m.tracers == (journal, tracer)
    assert tracer.ids == []
    m.add("C")
    assert len(tracer.ids) == 1
    journal.poke()
    m.remove("B")
    m.remove("A")
    assert m.tracers == (journal,)
    assert len(journal.read()) == 3


def test_when_due_a_journal_may_take_itself_off(flat: Flat) -> None:
    m = flat()
    journal = Poked(lambda: m.detach_tracer(journal))
    m.bind_tracer(journal)
    m.add("A")
    m.add("B")
    assert m.tracers == ()
    assert len(journal.read()) == 1


@pytest.mark.parametrize("count", [2, 3, 8])
def test_any_number_of_journals_hear_the_same(flat: Flat, count: int) -> None:
    m = flat("A B X", auto="X", handlers={"AState": lambda e: e.add("B", id=1)})
    journals = [kept(m) for _ in range(count)]
    m.add("A")
    m.remove("A")
    first, *others = [[e._replace(at=0, id="") for e in j.read()] for j in journals]
    assert len(first) == 4
    assert all(other == first for other in others)


def test_a_journal_beside_a_queue_end_tracer_tells_the_same(flat: Flat) -> None:
    class Ends(am.Tracer):
        count = 0

        def queue_end(self, machine: Any) -> None:
            self.count += 1

    m, tracer = flat(handlers={"AState": lambda e: e.add("B")}), Ends()
    m.bind_tracer(tracer)
    journal = kept(m)
    m.add("A")
    m.add("C")
    assert tracer.count == 2
    assert [e.called for e in journal.read()] == [(0,), (1,), (2,)]


def test_a_replica_tells_its_changes() -> None:
    m = am.BaseMachine({"A": {}, "B": {}})
    journal = am.Journal()
    m.bind_tracer(journal)
    m.advance([(0, 3), (1, 2)])
    (entry,) = journal.read()
    assert sorted(entry.changes) == [(0, 3), (1, 2)]
