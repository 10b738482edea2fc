"""Parts of a journal: entries that are made when they are looked at, and their columns."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

import am_machine as am
from am_machine._watch import replay

SCHEMA = {
    "A": {"multi": True},
    "B": {"require": ["A"]},
    "C": {"remove": ["A"]},
    "D": {"require": ["C"]},
}


# Auto transitions tell by a note which states were called.
WITH_AUTO = {**SCHEMA, "B": {"auto": True, "require": ["A"]}}


def listened(*journals: am.Journal, schema: dict[str, Any] = SCHEMA, **options: Any) -> am.Machine:
    machine = am.Machine(schema, id="m", **options)
    for journal in journals:
        machine.bind_tracer(journal)
    return machine


def plain(journal: am.Journal, most: int | None = None) -> tuple[am.JournalPart, am.JournalColumns]:
    part = journal.read_part(most)
    assert part.columns is not None
    return part, part.columns


def opened(*journals: am.Journal) -> am.Machine:
    """A machine whose journals were read once: what they begin with is no transition."""
    machine = listened(*journals)
    machine.add("A")
    for journal in journals:
        assert len(journal.read_part()) == 1
    return machine


@pytest.mark.parametrize("clocks", [True, False])
def test_columns_are_the_fields_of_the_entries(clocks: bool) -> None:
    journal = am.Journal(clocks=clocks)
    machine = opened(journal)
    for _ in range(20):
        machine.add("A")
        machine.toggle("C")
        machine.set("A")
    part, columns = plain(journal)
    entries = list(part)
    assert len(part) == len(entries) == len(columns.forms) >= 60
    assert list(columns.forms) == [entry.form for entry in entries]
    assert list(columns.times) == [entry.at for entry in entries]
    assert list(columns.queue_ticks) == [entry.queue_tick for entry in entries]
    assert columns.ids.hex() == "".join([entry.id for entry in entries])
    assert {columns.handlers} == {entry.handlers for entry in entries}
    assert part.until == entries[-1].at == part[-1].at
    assert part[1:3] == entries[1:3]
    assert columns.after == tuple(machine.time())
    if clocks:
        assert (columns.before, columns.after) == (entries[0].before, entries[-1].after)


def test_parts_go_on_from_each_other() -> None:
    journal = am.Journal()
    machine = opened(journal)
    found = []
    for _ in range(5):
        for _ in range(7):
            machine.add("A")
        found.append(plain(journal, 4))
        found.append(plain(journal))
    assert [len(part) for part, _ in found] == [4, 3] * 5
    assert all([a.after == b.before for (_, a), (_, b) in pairwise(found)])
    # Looked at in any order, long after what came next was read.
    told = [list(part) for part, _ in reversed(found)]
    entries = [entry for part in reversed(told) for entry in part]
    assert all([a.after == b.before for a, b in pairwise(entries)])
    assert entries[-1].after == tuple(machine.time())


def test_entries_are_made_once_and_only_when_they_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = am.Journal()
    machine = opened(journal)
    machine.add("A")
    made: list[int] = []
    real = replay.Place.replay

    def counted(self: replay.Place, taken: list[Any], ids: bytes, *, clocks: bool) -> Any:
        made.append(len(taken))
        return real(self, taken, ids, clocks=clocks)

    monkeypatch.setattr(replay.Place, "replay", counted)
    part, columns = plain(journal)
    assert part.until == columns.times[0]
    assert len(part) == 1
    assert made == []
    assert part[0] is part[0] is next(iter(part))
    assert len(made) == 1


@pytest.mark.parametrize("what", ["source", "args", "canceled", "handlers", "details", "grown"])
def test_there_are_no_columns_where_entries_differ_in_more(what: str) -> None:
    journal = am.Journal(rejected=True, details=what == "details")
    machine = opened(journal)
    if what == "source":
        machine.bind({"AState": lambda event: event.machine.add("C") and None})
        journal.read()
        machine.add("A")
    elif what == "args":
        machine.add("A", name="x")
    elif what == "canceled":
        machine.add("D")
    elif what == "grown":
        grown = {**SCHEMA, "Exception": {"multi": True}, "E": {}}
        machine.set_schema(grown, [*machine.schema.names, "E"])
        machine.add("A")
    else:
        if what == "handlers":
            machine.bind({"CState": lambda event: None})
        machine.add("A")
    part = journal.read_part()
    assert part.columns is None
    assert len(part) == len(list(part)) >= 1
    assert part.until == part[-1].at


def test_a_part_of_nothing_has_no_last_entry() -> None:
    part = am.Journal().read_part()
    assert len(part) == 0
    with pytest.raises(IndexError):
        _ = part.until


def test_a_part_holds_what_its_journal_keeps() -> None:
    class Choosy(am.Journal):
        def keeps(self, entry: am.JournalEntry) -> bool:
            return entry.kind == "remove"

    journal = Choosy()
    machine = listened(journal)
    machine.add("A")
    assert len(journal.read_part()) == 0
    machine.add("A")
    machine.remove("A")
    part = journal.read_part()
    assert [entry.kind for entry in part] == ["remove"]
    assert part.columns is None


def test_after_an_overflow_columns_begin_with_the_clocks_of_then() -> None:
    class Small(am.Journal):
        batch = 2
        limit = 5

    journal = Small()
    machine = opened(journal)
    for _ in range(5):
        machine.add("A")
    assert journal.dropped == 0
    for _ in range(3):
        machine.add("A")
    assert journal.dropped > 0
    entries = list(journal.read_part())
    machine.add("A")
    _, columns = plain(journal)
    assert columns.before == (entries[-1].after if entries else columns.before)
    assert columns.after == tuple(machine.time())


@pytest.mark.parametrize("clocks", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_what_is_taken_is_what_would_be_read(seed: int, clocks: bool) -> None:
    chance = random.Random(seed)

    def a_state(event: am.Event) -> None:
        if chance.random() < 0.1:
            event.machine.add("C")

    class Usual(am.Journal):
        blocked_autos = False  # so that what an auto schema does is not run in full

    reading, taking = [Usual(rejected=True, clocks=clocks) for _ in range(2)]
    schema = WITH_AUTO if seed % 2 else SCHEMA
    machine = listened(reading, taking, schema=schema, handlers={"AState": a_state})
    read: list[am.JournalEntry] = []
    taken: list[am.JournalEntry] = []
    plain_parts = 0
    for _ in range(200):
        state = chance.choice("ABCD")
        if chance.random() < 0.03:
            machine.add(state, id=1)
        else:
            chance.choice((machine.add, machine.remove, machine.set))(state)
        if chance.random() < 0.3:
            read += reading.read()
            most = chance.randrange(1, 9)
            while len(part := taking.read_part(most)) or len(taking):
                plain_parts += part.columns is not None
                taken += part
    read += reading.read()
    taken += taking.read_part()

    def told(entry: am.JournalEntry) -> am.JournalEntry:
        # Each journal names transitions that caused nothing by itself, and by its own clock.
        return entry._replace(id="", at=0)

    assert list(map(told, taken)) == list(map(told, read))
    assert plain_parts > 3
