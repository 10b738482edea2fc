"""Memory stays near its cap, however much comes in between two ticks of a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from am_debugger._core.debugger import MEMORY_INTERVAL, Debugger, Settings
from am_debugger._core.memory import LOOK_SHARE, Memory
from am_debugger._files.port import DumpFiles
from am_debugger._store.link import Link

from ..exporter import Exporter
from ..messages import process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio
MEGABYTE = 1 << 20
MACHINES = 20
# Bytes of one transition on the wire, or fewer.
ON_THE_WIRE = 40


def filled(debugger: Debugger) -> list[Exporter]:
    link = Link(debugger.session.store, process())
    return [Exporter(link, f"m{i}", handle=i) for i in range(MACHINES)]


async def test_memory_stays_near_the_cap_at_any_rate_between_two_looks(
    autojump_clock: trio.testing.MockClock,
) -> None:
    debugger = Debugger(Settings(max_mem=2, tail=False))
    store, most = debugger.session.store, 0
    async with debugger.machine as machine:
        machine.add("Start")
        exporters, began = filled(debugger), trio.current_time()
        for k in range(2000):
            for exporter in exporters:
                exporter.do([2], {2: 1}, time=k, args={"text": "x" * 20})
                exporter.rows.clear()
            debugger.took(MACHINES * ON_THE_WIRE)
            await debugger.turn()
            if k % 20 == 0:
                most = max(most, store.nbytes)
        assert trio.current_time() - began < MEMORY_INTERVAL, "the clock has looked, not the input"
    assert most < 1.2 * 2 * MEGABYTE
    assert store.nbytes > MEGABYTE
    assert min(len(client.columns) for client in store) > 100


async def test_what_comes_in_waits_while_memory_is_short_until_there_is_room(
    autojump_clock: trio.testing.MockClock,
) -> None:
    debugger = Debugger(Settings(max_mem=1, tail=False))
    async with debugger.machine as machine:
        machine.add("Start")
        await debugger.turn()
        for exporter in filled(debugger):
            for k in range(2000):
                exporter.do([2], {2: 1}, time=k)
        assert debugger.session.store.nbytes > 1.5 * MEGABYTE
        debugger.check_memory()
        assert "GcMsgs" in machine
        await debugger.turn()
        assert "GcMsgs" not in machine
        assert debugger.memory.held == debugger.session.store.nbytes < MEGABYTE


async def test_a_dump_comes_no_faster_than_what_is_old_goes_and_nothing_of_it_is_refused(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    source = Debugger(Settings(tail=False))
    for exporter in filled(source):
        for k in range(1500):
            exporter.do([2], {2: 1}, time=1_000_000 * exporter.handle + k)
    files, path = DumpFiles(process("writer")), str(tmp_path / "run.amdbg.gz")
    for _ in files.write(source.session.store, path, None):
        pass
    assert source.session.store.nbytes > 2 * MEGABYTE

    debugger = Debugger(Settings(max_mem=1, tail=False), files=files)
    store, most = debugger.session.store, 0

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, store.nbytes)
            await trio.lowlevel.checkpoint()

    async with debugger.machine as machine, trio.open_nursery() as nursery:
        machine.add("Start")
        nursery.start_soon(look)
        machine.add("Importing", path=path)
        await machine.when("Imported")
        await machine.when_not("GcMsgs")
        nursery.cancel_scope.cancel()
    assert most < 1.5 * MEGABYTE
    latest = store.get(f"m{MACHINES - 1}")
    assert latest is not None
    assert latest.last == 1500
    assert not [note for note in debugger.notes if "did not fit" in note]


async def test_nobody_waits_where_nothing_can_be_dropped_any_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    debugger = Debugger(Settings(max_mem=0, tail=False))
    async with debugger.machine as machine:
        machine.add("Start")
        filled(debugger)
        for _ in range(3):
            debugger.took(100)
            with trio.fail_after(1):
                await debugger.turn()
        assert debugger.session.store.is_full


async def test_memory_is_looked_at_the_more_often_the_nearer_it_is_to_the_cap() -> None:
    memory, cap = Memory(), 1000 * LOOK_SHARE
    assert memory.took(1), "nobody has looked yet"
    memory.looked(0, cap)
    assert not memory.took(3999)
    assert memory.took(1)
    memory.looked(cap - 10, cap)
    assert not memory.took(999)
    assert memory.took(1)
