"""Journals with details: how long it took, what was called, logged, queued and checked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]


def detailed(m: am.Machine, **options: Any) -> am.Journal:
    journal = am.Journal(rejected=True, details=True, **options)
    m.bind_tracer(journal)
    return journal


def of(entry: am.JournalEntry) -> am.JournalDetails:
    assert entry.details is not None
    return entry.details


def names(entry: am.JournalEntry) -> list[str]:
    return [name for name, _ in of(entry).handlers]


def executed(journal: am.Journal) -> list[am.JournalEntry]:
    return [entry for entry in journal.read() if of(entry).what == "transition"]


def test_an_entry_tells_how_long_it_and_its_handlers_took(flat: Flat) -> None:
    def spin(event: am.Event) -> None:
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass

    least = float("inf")
    for _ in range(5):  # a handler that does nothing may be held up by the host, not each time
        m = flat("A")
        m.bind({"AEnter": lambda e: None, "AState": spin})
        m.bind({"AState": spin})
        journal = detailed(m)
        m.add("A")
        (entry,) = journal.read()
        assert names(entry) == ["AEnter", "AState"]
        took = dict(of(entry).handlers)
        # Both bindings together.
        assert 4_000 <= took["AState"] <= of(entry).duration
        least = min(least, took["AEnter"])
    assert least < 2_000


def test_a_handler_that_fails_and_one_that_votes_against_are_told(flat: Flat) -> None:
    def fail(event: am.Event) -> None:
        raise ValueError

    m = flat("A B C")
    m.log_traceback = False
    m.bind(
        {
            "AState": fail,
            "BEnter": lambda e: False,
            "CEnter": fail,
            "ExceptionState": lambda e: None,
        }
    )
    journal = detailed(m)
    m.add("A")
    m.add("B")
    m.add("C")
    told = [(e.called, names(e), e.accepted) for e in executed(journal)]
    assert told == [
        ((0,), ["AState"], False),
        ((3,), ["ExceptionState"], True),
        ((1,), ["BEnter"], False),
        ((2,), ["CEnter"], False),
        ((3,), ["ExceptionState"], True),
    ]


def test_a_final_handler_whose_answer_is_refused_is_told_once(flat: Flat) -> None:
    m = flat("A")
    m.log_traceback = False
    m.bind({"AState": lambda e: (i for i in ())})
    journal = detailed(m)
    m.add("A")
    first, _ = executed(journal)
    assert (first.failed, len(of(first).handlers), names(first)) == ("AState", 1, ["AState"])


def test_lines_of_a_handler_are_told_with_its_transition(flat: Flat) -> None:
    m = flat("A B")
    m.log_level = am.LogLevel.EXTERNAL
    m.bind({"AState": lambda e: e.machine.log("inside")})
    journal = detailed(m)
    m.add("A")
    m.log("between")
    m.add("B")
    assert [[text for _, text in of(e).lines] for e in journal.read()] == [["[AState] inside"], []]


def test_what_is_queued_in_a_transition_is_joined_to_its_execution_by_a_number(flat: Flat) -> None:
    class Seeing(am.Journal):
        def sees(self, mutation: am.Mutation) -> object:
            return mutation.called

    m = flat("A B C")

    def add_both(event: am.Event) -> None:
        event.machine.add("B", id=7)
        event.machine.add("C")

    m.bind({"AState": add_both})
    journal = Seeing(details=True)
    m.bind_tracer(journal)
    m.add("A")
    told = [(of(e).what, e.called, of(e).number) for e in journal.read()]
    numbers = [number for _, _, number in told]
    assert numbers[2] is None
    assert told == [
        ("queued", (1,), numbers[0]),
        ("queued", (2,), numbers[1]),
        ("transition", (0,), None),
        ("transition", (1,), numbers[0]),
        ("transition", (2,), numbers[1]),
    ]
    assert numbers[0] != numbers[1]
    m.remove("A")
    m.add("A")
    queued = [e for e in journal.read() if of(e).what == "queued"]
    assert [(of(e).seen, dict(e.args)) for e in queued] == [(("B",), {"id": 7}), (("C",), {})]
    assert [e.queue_tick for e in queued] == [m.queue_tick - 1, m.queue_tick]


def test_checks_and_autos_that_come_to_nothing_have_entries_only_with_details() -> None:
    m = am.Machine({"A": {}, "X": {"auto": True, "require": ["B"]}, "B": {}})
    journal, other = detailed(m), am.Journal(rejected=True)
    other.blocked_autos = False
    m.bind_tracer(other)
    m.bind({"BEnter": lambda e: False})
    m.add("A")
    m.can_add("B")
    m.can_remove("A")
    told = [(of(e).what, e.kind, e.called, e.accepted, names(e)) for e in journal.read()]
    assert told == [
        ("transition", "add", (0,), True, []),
        ("blocked", "add", (1,), False, []),
        ("check", "add", (2,), False, ["BEnter"]),
        ("check", "remove", (0,), True, []),
    ]
    assert [e.called for e in other.read()] == [(0,)]


def test_switched_off_it_is_a_journal_like_any_other(flat: Flat) -> None:
    m = flat("A")
    journal = detailed(m)
    m.add("A")
    journal.details = False
    m.remove("A")
    m.can_add("A")
    journal.details = True
    m.add("A")
    assert [e.details is None for e in journal.read()] == [False, True, False]
    m.detach_tracer(journal)
    m.handler_timeout = 0.5
    m.remove("A")
    assert journal.read() == []


def test_switched_on_in_a_handler_it_begins_with_the_next_transition(flat: Flat) -> None:
    m = flat("A B")
    journal = am.Journal()
    m.bind_tracer(journal)

    def switch(event: am.Event) -> None:
        journal.details = True
        event.machine.add("B")

    m.bind({"AState": switch})
    m.add("A")
    first, second = journal.read()
    assert (first.called, first.details) == ((0,), None)
    assert of(second).what == "transition"


def test_a_replica_tells_its_handlers_too(flat: Flat) -> None:
    m = am.BaseMachine({"A": {}}, handlers={"AState": lambda e: None})
    journal = am.Journal(details=True)
    m.bind_tracer(journal)
    m.advance([(0, 1)])
    (entry,) = journal.read()
    assert names(entry) == ["AState"]


def test_a_slow_handler_is_still_an_error(flat: Flat) -> None:
    def spin(event: am.Event) -> None:
        until = time.perf_counter() + 0.01
        while time.perf_counter() < until:
            pass

    m = flat("A")
    m.handler_timeout = 0.005
    m.bind({"AState": spin})
    detailed(m)
    m.add("A")
    assert isinstance(m.err, am.HandlerTimeoutError)
    m.handler_timeout = 5
    m.remove("Exception", "A")
    m.add("A")
    assert not m.is_err


# ------------------------------------------------------------------------ as the whole procedure


class Hearing(am.Tracer):
    """Puts down what tracers hear of the same; with it, every transition runs in full."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._called: list[list[str]] = []

    def transition_start(self, transition: am.Transition) -> None:
        self._called.append([])

    def handler_end(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        if name not in self._called[-1]:
            self._called[-1].append(name)

    def mutation_queued(self, machine: am.Machine, mutation: am.Mutation) -> None:
        if self._called and not (mutation.is_check or mutation.is_auto):
            self.told.append(("queued", mutation.kind, mutation.indexes))

    def transition_end(self, transition: am.Transition) -> None:
        what = "check" if transition.is_check else "transition"
        lines = [text for _, text in transition.log_entries]
        calls = self._called.pop()
        indexes = transition.mutation.indexes
        self.told.append((what, transition.kind, indexes, calls, transition.queue_len, lines))


class Chance:
    """Handlers that do something else each time, but the same on each machine."""

    def __init__(self, seed: int, states: str) -> None:
        self._chance = random.Random(seed)
        self._states = states
        self._left = 200

    def handle(self, event: am.Event) -> bool | None:
        chance, m = self._chance, event.machine
        state = chance.choice(self._states)
        doing = chance.randrange(12)
        self._left -= 1
        if self._left < 0:
            return None
        if doing == 0:
            m.add(state)
        elif doing == 1:
            m.remove(state, id=3)
        elif doing == 2:
            m.can_add(state)
        elif doing == 3:
            m.log(state)
        elif doing == 4:
            assert event.transition.machine is m
        elif doing == 5:
            raise ValueError(state)
        elif doing == 6 and "Enter" in event.name:
            return False
        return None


def run(seed: int, *, level: int, in_full: bool) -> tuple[list[tuple[Any, ...]], Hearing]:
    chance = random.Random(seed)
    states = "ABCD"
    schema: dict[str, dict[str, Any]] = {}
    for state in states:
        others = [other for other in states if other != state]
        chance.shuffle(others)
        relations = [(name, chance.random() < 0.25) for name in ("add", "remove", "require")]
        schema[state] = {
            "auto": chance.random() < 0.25,
            "multi": chance.random() < 0.2,
            **{name: [others.pop()] for name, is_wanted in relations if is_wanted},
        }
    handlers = Chance(seed, states)
    roles = ("Enter", "State", "End", "Exit")
    bound = {state + role: handlers.handle for state in states for role in roles}
    bound = {key: fn for key, fn in bound.items() if chance.random() < 0.4}
    m = am.Machine(
        schema,
        handlers=bound or None,
        log_level=am.LogLevel(level),
        id="m",
        handler_timeout=None,  # a delay of the host would make a difference between two plays
    )
    m.log_traceback = False
    hearing = Hearing()
    journal = detailed(m, clocks=False)
    if in_full:
        m.bind_tracer(hearing)
    for _ in range(12):
        state, doing = chance.choice(states), chance.random()
        if doing < 0.5:
            m.add(state)
        elif doing < 0.8:
            m.remove(state)
        else:
            m.can_add(state)
    told: list[tuple[Any, ...]] = []
    for entry in journal.read():
        details = of(entry)
        if details.what == "queued":
            told.append(("queued", entry.kind, entry.called))
            continue
        what = "check" if details.what == "check" else "transition"
        lines = [text for _, text in details.lines]
        told.append((what, entry.kind, entry.called, names(entry), details.queue_len, lines))
    return told, hearing


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("level", [0, 1, 3])
def test_details_are_those_of_the_whole_procedure(level: int) -> None:
    count = 0
    for seed in range(100):
        told, _ = run(seed, level=level, in_full=False)
        in_full, hearing = run(seed, level=level, in_full=True)
        assert told == in_full, f"seed {seed}"
        assert in_full == hearing.told, f"seed {seed}"
        count += len(told)
    assert count > 1_500
