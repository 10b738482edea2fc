"""Entries put together of bytes that were packed before are those packed anew."""

from __future__ import annotations

import random

import am_machine as am
from am_telemetry._dbg import feed as feed_module
from am_telemetry._dbg.codec import pack
from am_telemetry._dbg.feed import Feed, beside_list, entry_list
from am_telemetry._dbg.items import Run
from am_telemetry._dbg.outbox import Outbox
from am_telemetry._hub import MachineLink

from ..sizes import TIMES

SCHEMA = {"A": {"multi": True}, "B": {"auto": True, "require": ["A"]}, "C": {"remove": ["A"]}}


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
