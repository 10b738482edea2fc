"""The outbox: nothing is lost uncounted, and whoever receives knows every clock."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from am_telemetry._dbg.codec import pack
from am_telemetry._dbg.items import Ended, Gap, Rebound, Run, Track
from am_telemetry._dbg.messages import KEYFRAME
from am_telemetry._dbg.outbox import KEYFRAME_EACH, Outbox

from ..sizes import TIMES


def link(number: int, states: int = 4) -> Any:
    return SimpleNamespace(number=number, handlers=(), ticks=(0,) * states)


class Machine:
    """A machine whose every entry says what its clock was before it."""

    def __init__(self, outbox: Outbox, number: int) -> None:
        self.outbox = outbox
        self.clock = [0] * 4
        self.track = outbox.track(link(number), self.clock)
        self.serial = 0
        self.handlers: tuple[str, ...] = ()

    def act(self, random_: random.Random, count: int = 1) -> None:
        wires, moves = [], []
        for _ in range(count):
            changes = [
                (i, random_.randint(1, 3)) for i in random_.sample(range(4), random_.randint(0, 3))
            ]
            self.serial += 1
            truth = [self.track.h, self.serial, list(self.clock), list(self.handlers)]
            flat = [number for pair in changes for number in pair]
            # A transition with what is true of it in place of its arguments.
            wires.append(pack([self.track.h, [b"", 0, 0, 1, [], flat, 0, None, truth]]))
            moves.append(changes)
            for i, gained in changes:
                self.clock[i] += gained
        after = tuple(self.clock) if random_.random() < 0.5 else None
        self.outbox.add(Run(self.track, wires, moves, after), at=0)

    def lose(self, random_: random.Random) -> None:
        count = random_.randint(0, 5)
        self.serial += count
        self.clock[random_.randrange(4)] += count
        self.outbox.lose(self.track, count, 0, self.clock)

    def rebind(self) -> None:
        self.handlers = (*self.handlers[-2:], f"H{self.serial}")
        self.outbox.rebind(self.track, self.handlers)


class Debugger:
    """Receives as one does, and compares with the truth in each entry."""

    def __init__(self) -> None:
        self.serials: dict[int, int] = {}
        self.dropped: dict[int, int] = {}
        self.ended: set[int] = set()

    def connect(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.taken = 0
        self.clocks: dict[int, list[int]] = {}
        self.handlers: dict[int, list[str]] = {}
        for track in outbox.tracks.values():
            self.introduce(track)

    def introduce(self, track: Track) -> None:
        self.clocks[track.h] = list(track.cursor.clock)
        self.handlers[track.h] = list(track.cursor.handlers)
        track.is_known = True

    def receive(self, most: int) -> None:
        for item in self.outbox.take(most, 1 << 20):
            track = item.track
            if isinstance(item, Rebound) or not track.is_known:
                self.introduce(track)
            if isinstance(item, Gap):
                self.dropped[track.h] = self.dropped.get(track.h, 0) + item.count
            elif isinstance(item, Ended):
                self.ended.add(track.h)
            elif isinstance(item, Run):
                for wire in item.wires:
                    self.take(wire)

    def take(self, wire: bytes) -> None:
        h, fields = msgpack.unpackb(wire)
        diff, (_, serial, before, handlers) = fields[5], fields[8]
        if fields[3] & KEYFRAME:
            self.clocks[h], diff = list(diff[0]), diff[1]
        assert self.clocks[h] == before
        assert self.handlers[h] == handlers
        for i, gained in zip(diff[::2], diff[1::2], strict=True):
            self.clocks[h][i] += gained
        self.taken += 1
        self.serials[h] = max(self.serials.get(h, 0), serial)


@pytest.mark.parametrize("seed", range(60 * TIMES))
def test_whatever_happens_all_is_counted_and_every_clock_is_known(seed: int) -> None:
    random_ = random.Random(seed)
    outbox = Outbox(random_.choice([1, 3, 20, 100]))
    machines = [Machine(outbox, number) for number in range(1, random_.randint(2, 5))]
    debugger = Debugger()
    is_connected = False
    for _ in range(600):
        what = random_.random()
        machine = random_.choice(machines)
        if what < 0.55:
            machine.act(random_, random_.choice([1, 1, random_.randint(2, 20)]))
        elif what < 0.58:
            machine.lose(random_)
        elif what < 0.60:
            machine.rebind()
        elif what < 0.64:
            if is_connected:
                outbox.restart()
            is_connected = random_.random() < 0.7
            if is_connected:
                debugger.connect(outbox)
        elif is_connected and what < 0.85:
            debugger.receive(random_.randint(1, 30))
        elif is_connected:
            assert outbox.ack(
                random_.choice([debugger.taken, max(outbox._acked_here, debugger.taken // 2)])
            )
        assert outbox.acked + outbox.dropped + outbox.buffered == outbox.produced
        assert outbox.buffered <= outbox.limit
        assert outbox.produced == sum(one.serial for one in machines)
    outbox.restart()
    debugger.connect(outbox)
    for machine in machines:
        machine.act(random_)
        outbox.end(machine.track, 0)
        while outbox.buffered or outbox._waiting:
            debugger.receive(1000)
            assert outbox.ack(debugger.taken)
    assert outbox.acked + outbox.dropped == outbox.produced
    assert debugger.ended == {one.track.h for one in machines}
    assert debugger.serials == {one.track.h: one.serial for one in machines}
    assert all(debugger.clocks[one.track.h] == one.clock for one in machines)
    assert outbox.tracks == {}


def test_a_keyframe_comes_first_after_a_gap_and_each_thousand() -> None:
    outbox = Outbox(10_000)
    machine = Machine(outbox, 1)
    for count in (1, 700, 1200, 599):
        machine.act(random.Random(1), count)
    machine.lose(random.Random(1))
    machine.act(random.Random(1))
    flags = [
        msgpack.unpackb(wire)[1][3]
        for item in outbox.take(5000, 1 << 30)
        if isinstance(item, Run)
        for wire in item.wires
    ]
    keyframes = [i for i, flag in enumerate(flags) if flag & KEYFRAME]
    assert keyframes == [0, KEYFRAME_EACH, 2 * KEYFRAME_EACH, 2500]


def test_a_full_outbox_drops_its_oldest_tenth_and_says_how_many_of_whom() -> None:
    outbox = Outbox(100)
    one, other = Machine(outbox, 1), Machine(outbox, 2)
    for i in range(101):
        (one if i % 2 else other).act(random.Random(i))
    assert (outbox.dropped, outbox.buffered) == (10, 91)
    gaps = [item for item in outbox.take(5, 1 << 20) if isinstance(item, Gap)]
    assert {gap.track.h: gap.count for gap in gaps} == {1: 5, 2: 5}


def test_what_was_sent_is_not_dropped_while_something_waits() -> None:
    outbox = Outbox(100)
    machine = Machine(outbox, 1)
    for i in range(100):
        machine.act(random.Random(i))
    sent = [len(item) for item in outbox.take(1000, 1 << 20) if isinstance(item, Run)]
    assert sum(sent) == outbox.in_flight == 50
    machine.act(random.Random(7))
    assert outbox.ack(50)
    assert outbox.acked == 50


def test_what_is_taken_at_once_ends_with_the_entry_that_passes_the_bytes_asked_for() -> None:
    outbox = Outbox(1000)
    machine = Machine(outbox, 1)
    machine.act(random.Random(1), 200)
    machine.track.needs_keyframe = False
    debugger = Debugger()
    debugger.connect(outbox)
    while outbox.unsent:
        (run,) = outbox.take(1000, 500)
        assert isinstance(run, Run)
        assert sum(map(len, run.wires[:-1])) < 500
        assert sum(map(len, run.wires)) >= 500 or not outbox.unsent
        for wire in run.wires:
            debugger.take(wire)
    assert debugger.taken == 200
    assert outbox.ack(200)


def test_more_acknowledged_than_sent_is_refused() -> None:
    outbox = Outbox(10)
    Machine(outbox, 1).act(random.Random(1))
    assert not outbox.ack(1)
    assert len(list(outbox.take(10, 1000))) == 1
    assert outbox.ack(1)
    assert not outbox.ack(0)


def test_a_clock_grows_with_its_schema() -> None:
    outbox = Outbox(10)
    track = outbox.track(link(1, 2), [1, 2])
    wire = pack([1, [b"", 0, 0, 1, [], [0, 1, 5, 3], 0]])
    outbox.add(Run(track, [wire], [[(0, 1), (5, 3)]]), 0)
    list(outbox.take(10, 1000))
    assert track.cursor.clock == [2, 2, 0, 0, 0, 3]


def test_machines_that_come_and_go_while_nobody_listens_leave_nothing_behind() -> None:
    outbox = Outbox(100)
    random_ = random.Random(1)
    for number in range(1, 5000):
        machine = Machine(outbox, number)
        machine.rebind()
        if number % 3 == 0:
            machine.act(random_)
        machine.rebind()
        outbox.end(machine.track, 0)
    # A hundred entries are kept, and what belongs to their machines.
    assert len(outbox.tracks) <= 101
    assert len(outbox._waiting) < 3000
    assert outbox.produced == 1666
    assert outbox.dropped + outbox.buffered == 1666


def test_handlers_that_change_again_and_again_are_one_marker() -> None:
    outbox = Outbox(100)
    machine = Machine(outbox, 1)
    for _ in range(1000):
        machine.rebind()
    assert len(outbox._waiting) == 1
    machine.act(random.Random(1))
    debugger = Debugger()
    debugger.connect(outbox)
    debugger.receive(10)
    machine.rebind()
    assert len(outbox._waiting) == 1
