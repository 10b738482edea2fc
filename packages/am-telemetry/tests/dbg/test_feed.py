"""Entries put together of bytes that were packed before are those packed anew."""

from __future__ import annotations

import random

import pytest

import am_machine as am
from am_telemetry._dbg import feed as feed_module
from am_telemetry._dbg.codec import pack
from am_telemetry._dbg.feed import Feed, beside_list, entry_list
from am_telemetry._dbg.items import Run
from am_telemetry._dbg.outbox import Outbox
from am_telemetry._hub import MachineLink

from ..sizes import TIMES

SCHEMA = {"A": {"multi": True}, "B": {"auto": True, "require": ["A"]}, "C": {"remove": ["A"]}}


# Without auto states, whose transitions have more to tell.
CALM = {"A": {"multi": True}, "B": {}, "C": {"remove": ["A"]}}


def link_of(machine: am.Machine) -> MachineLink:
    return MachineLink(machine, lambda link: None, lambda link, fn: None)


def played(seed: int, *, details: bool) -> tuple[am.Machine, list[am.JournalEntry]]:
    chance = random.Random(seed)

    def a_state(event: am.Event) -> bool | None:
        doing = chance.randrange(6)
        if doing == 0:
            raise ValueError("mine")
        if doing == 1:
            event.machine.add("C", id=chance.choice([None, True, -1, 1.5, "x" * 300, 1 << 70]))
        if doing == 2:
            event.machine.log("said")
        return False if doing == 3 and event.name == "AEnter" else None

    machine = am.Machine(SCHEMA, id="m", handlers={"AState": a_state, "AEnter": a_state})
    machine.log_traceback = False
    machine.log_level = am.LogLevel.EXTERNAL
    journal = am.Journal(rejected=True, details=details)
    machine.bind_tracer(journal)
    for _ in range(300):
        doing = chance.randrange(4)
        if doing == 0:
            machine.add("A", name="é")
        elif doing == 1:
            machine.add("A")
        elif doing == 2:
            machine.remove(chance.choice("AC"))
        else:
            machine.can_add("A")
    return machine, journal.read()


def test_what_is_put_together_is_what_would_be_packed() -> None:
    for seed in range(6 * TIMES):
        for details in (False, True):
            machine, entries = played(seed, details=details)
            outbox = Outbox(10_000)
            feed = Feed(outbox)
            track = feed.begin(link_of(machine), machine.time())
            track.needs_keyframe = False
            feed.entries(track, entries, is_detailed=details)
            wanted = []
            for entry in entries:
                told = entry.details
                if told is not None and told.what != "transition":
                    wanted.append(pack([track.h, beside_list(entry, told)]))
                else:
                    wanted.append(pack([track.h, entry_list(entry, told)]))
            sent = [
                wire
                for item in outbox.take(10_000, 1 << 30)
                if isinstance(item, Run)
                for wire in item.wires
            ]
            assert sent == wanted
            assert len(sent) > 250


def plain_part(journal: am.Journal, machine: am.Machine) -> am.JournalPart:
    journal.read()
    for i in range(60):
        machine.add("A" if i % 3 else "C")
    part = journal.read_part()
    assert part.columns is not None
    return part


def sent_wires(outbox: Outbox) -> list[bytes]:
    runs = [item for item in outbox.take(10_000, 1 << 30) if isinstance(item, Run)]
    return [wire for run in runs for wire in run.wires]


@pytest.mark.parametrize(
    "first", [0, 0x7E, 0x80, 0xFE, 0x100, 0xFFFE, 0x10000, (1 << 32) - 61, 1 << 32]
)
@pytest.mark.parametrize("at", [1, 1 << 32, 1 << 62])
def test_columns_are_put_together_as_their_entries_are(first: int, at: int) -> None:
    machine, journal = am.Machine(CALM, id="m"), am.Journal()
    machine.bind_tracer(journal)
    plain = plain_part(journal, machine)
    columns = plain.columns
    assert columns is not None
    count = len(plain)
    entries = [entry._replace(queue_tick=first + i, at=at + i) for i, entry in enumerate(plain)]
    moved = columns._replace(queue_ticks=range(first, first + count), times=range(at, at + count))
    found, link = [], link_of(machine)
    for given in (entries, am.JournalPart(entries, moved)):
        outbox = Outbox(10_000)
        feed = Feed(outbox)
        track = feed.begin(link, columns.before)
        feed.entries(track, given)
        found.append((sent_wires(outbox), track.cursor.clock))
    assert found[0] == found[1]
    assert len(found[0][0]) == count
    assert found[0][1] == list(columns.after)


def test_entries_of_known_forms_are_told_without_being_made() -> None:
    machine, journal = am.Machine(CALM, id="m"), am.Journal()
    machine.bind_tracer(journal)
    outbox = Outbox(10_000)
    feed = Feed(outbox)
    track = feed.begin(link_of(machine), machine.time())
    feed.entries(track, plain_part(journal, machine))

    def make() -> list[am.JournalEntry]:
        raise AssertionError("they were made")

    part = plain_part(journal, machine)
    feed.entries(track, am.JournalPart(None, part.columns, make))
    assert len(sent_wires(outbox)) == outbox.produced > len(part)


def test_columns_with_other_handlers_are_told_after_these() -> None:
    machine, journal = am.Machine(CALM, id="m"), am.Journal()
    machine.bind_tracer(journal)
    outbox = Outbox(10_000)
    feed = Feed(outbox)
    track = feed.begin(link_of(machine), machine.time())
    machine.bind({"CState": lambda event: None})
    feed.entries(track, plain_part(journal, machine))
    kinds = [type(item).__name__ for item in outbox.take(10_000, 1 << 30)]
    assert kinds == ["Rebound", "Run"]
    assert track.tail_handlers == ("CState",)


def test_a_shape_is_forgotten_where_there_are_too_many() -> None:
    machine = am.Machine({f"S{i}": {} for i in range(40)}, id="m")
    journal = am.Journal()
    machine.bind_tracer(journal)
    outbox = Outbox(10_000)
    feed = Feed(outbox)
    track = feed.begin(link_of(machine), machine.time())
    before = feed_module._MOST_SHAPES
    feed_module._MOST_SHAPES = 8
    try:
        for i in range(40):
            machine.add(f"S{i}")
        feed.entries(track, journal.read())
    finally:
        feed_module._MOST_SHAPES = before
    assert feed._shape_count <= 8
    assert sum(map(len, feed._shapes.values())) == feed._shape_count
    assert outbox.buffered == 40
