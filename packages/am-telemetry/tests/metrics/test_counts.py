"""Counters of one machine: entries counted by their columns are those counted one by one."""

from __future__ import annotations

import random

import pytest

import am_machine as am
from am_telemetry._metrics.counts import Counts

SCHEMA = {
    "A": {"multi": True},
    "B": {"require": ["A"]},
    "C": {"remove": ["A"]},
    "ErrMine": {"multi": True},
}


def parts_of(seed: int, states: str) -> list[am.JournalPart]:
    chance = random.Random(seed)
    machine, journal = am.Machine(SCHEMA, id="m"), am.Journal()
    machine.bind_tracer(journal)
    parts = []
    for _ in range(40):
        for _ in range(chance.randrange(1, 12)):
            state = chance.choice(states)
            chance.choice((machine.add, machine.remove, machine.set))(
                "ErrMine" if state == "E" else state
            )
        parts.append(journal.read_part())
    return parts


@pytest.mark.parametrize("tracked", [(), ("A", "C")])
@pytest.mark.parametrize("states", ["A", "ABC", "ABCE"])
def test_columns_count_what_their_entries_do(states: str, tracked: tuple[str, ...]) -> None:
    for seed in range(5):
        whole, single = Counts(tracked), Counts(tracked)
        schema = am.Machine(SCHEMA).schema
        parts = parts_of(seed, states)
        assert sum([part.columns is not None for part in parts]) > 3
        for i, part in enumerate(parts):
            if i == 20:
                whole.lost(3)
                single.lost(3)
            whole.add_all(schema, part)
            for entry in part:
                single.add(schema, entry)
            assert list(whole.points()) == list(single.points())
            ticks, late = {"A": 1, "C": 0}, 1 << 60
            assert list(whole.times(ticks, late)) == list(single.times(ticks, late))
            assert whole.errors == single.errors


def test_entries_of_known_forms_are_counted_without_being_made() -> None:
    counts = Counts()
    first, *rest = [part for part in parts_of(1, "A") if part.columns is not None]
    counts.add_all(am.Machine(SCHEMA).schema, first)
    forms = set(first.columns.forms) if first.columns else set()

    def make() -> list[am.JournalEntry]:
        raise AssertionError("they were made")

    known = [part for part in rest if part.columns and set(part.columns.forms) <= forms]
    assert known
    for part in known:
        counts.add_all(am.Machine(SCHEMA).schema, am.JournalPart(None, part.columns, make))
