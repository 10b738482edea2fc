"""Dumps: what is written is read again, and what is damaged is read up to the damage."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING, Any

import pytest

import am_machine as am
from am_debugger import DumpError
from am_debugger._files import dump_writer, stream_file
from am_debugger._files.dump import HEADER
from am_debugger._files.dump_reader import Reading, read_dump
from am_debugger._files.dump_writer import write_dump
from am_debugger._store.layout import Flag, Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..exporter import Exporter
from ..messages import process

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Sizes(chunk=64, keyframe=16)
WRITER = process("writer")


def session(seed: int = 0, steps: int = 400) -> Store:
    """A session of three machines of two processes, with all that can happen in one."""
    rng = random.Random(seed)
    store = Store(sizes=SMALL)
    links = [Link(store, process("p1")), Link(store, process("p2"))]
    exporters = [
        Exporter(links[0], "m1", 1),
        Exporter(links[0], "m2", 2),
        Exporter(links[1], "m1", 1),
    ]
    for k in range(steps):
        exporter = rng.choice(exporters)
        what = rng.random()
        if what < 0.01:
            exporter.grow()
        elif what < 0.03:
            exporter.announce(handlers=(f"WorkState{rng.randrange(3)}",), tags=("pool:main",))
        elif what < 0.05:
            exporter.lose({rng.randrange(3): 2})
        elif what < 0.10:
            exporter.link.log(dbg.Log(exporter.handle, 1000 * k, rng.randrange(4), f"line {k}"))
        else:
            do(exporter, rng, k)
    exporters[1].link.take(dbg.Gone(2, 10**7), 0)
    notes = exporters[0].client.notes
    notes[exporters[0].client.last // 2] = "here it begins"
    return store


def do(exporter: Exporter, rng: random.Random, k: int) -> None:
    rest: dict[str, Any] = {}
    flags = Flag.ACCEPTED if rng.random() < 0.8 else Flag(0)
    if rng.random() < 0.2:
        rest["args"] = {"id": k, "name": "x" * rng.randrange(5), "none": None}
    waiting = exporter.waiting
    if rng.random() < 0.1:
        flags |= Flag.QUEUED
        rest["number"] = k
        waiting.append(k)
    elif waiting and rng.random() < 0.1:
        rest["number"] = waiting.pop(0)
    if rng.random() < 0.2:
        rest |= {"log": ((2, f"[state] {k}"),), "handlers": (("AState", k),), "duration": k}
    if rng.random() < 0.1:
        rest |= {"vetoed": ("WorkEnter",), "stack": ("a.py:1",)}
    source = ("m1", b"%02d%06d" % (1, rng.randrange(99)), k) if rng.random() < 0.3 else None
    gains = {rng.randrange(6): rng.choice([1, 1, 2])} if flags & Flag.ACCEPTED else {}
    called = [rng.randrange(6)]
    exporter.do(called, gains, time=1000 * k, flags=flags, source=source, queue_tick=k, **rest)


def write(store: Store, path: Path, **more: Any) -> None:
    for _ in write_dump(store, path, WRITER, **more):
        pass


def read(path: Path, store: Store | None = None) -> tuple[Store, Reading]:
    store = Store(sizes=SMALL) if store is None else store
    *_, reading = read_dump(store, path)
    return store, reading


def told(store: Store) -> list[Any]:
    """All that a store says of its machines, numbers counted from the oldest kept."""
    found = []
    for client in store:
        shift = client.first - 1
        rows = []
        for number in range(client.first, client.last + 1):
            version = client.version_at(number)
            pairs = [client.executed_by(number), client.queued_at(number)]
            rows.append(
                (
                    store.tx(client, number)._replace(number=number - shift),
                    client.clock_before(number),
                    client.clock_after(number),
                    (version.names, version.handlers, version.pipes, version.schema.sent),
                    [None if n is None or n <= shift else n - shift for n in pairs],
                    [client.is_active_at(k, number) for k in range(3)],
                )
            )
        log = client.outer_log
        found.append(
            {
                "id": (client.id, client.machine_id, client.process),
                "of": (client.parent_id, client.tags, client.lib, client.gone_at),
                "rows": rows,
                "lines": [
                    log[k]._replace(after=max(log[k].after - shift, 0)) for k in range(len(log))
                ],
                "losses": [(loss.number - shift, loss.lost, loss.time) for loss in client.losses],
                "errors": [number - shift for number in client.errors],
                "notes": {number - shift: note for number, note in client.notes.items()},
            }
        )
    return found


@pytest.mark.parametrize("ending", [".amdbg.gz", ".amdbg.zst"])
@pytest.mark.parametrize("seed", range(4))
def test_a_load_equals_the_session_it_was_taken_from(
    tmp_path: Path, ending: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump_writer, "BATCH", 7)
    monkeypatch.setattr(dump_writer, "CHUNK", 20)
    store = session(seed)
    path = tmp_path / f"run{ending}"
    write(store, path)
    loaded, reading = read(path)
    assert told(loaded) == told(store)
    assert reading.warnings == []
    assert reading.entries == store.transitions
    assert reading.process == WRITER
    assert path.stat().st_mode & 0o077 == 0


def test_what_was_dropped_is_said_to_be_lost(tmp_path: Path) -> None:
    store = session()
    clients = list(store)
    dropped = clients[0].drop_chunks(1)
    write(store, tmp_path / "run.amdbg.gz")
    loaded, reading = read(tmp_path / "run.amdbg.gz")
    assert reading.warnings == []
    first = next(iter(loaded))
    assert dropped == 64
    assert first.losses[0].lost == dropped
    first.losses.pop(0)
    before, after = told(store), told(loaded)
    assert before == after


def test_a_dump_of_some_machines_holds_only_them(tmp_path: Path) -> None:
    store = session()
    chosen = list(store)[1:2]
    write(store, tmp_path / "run.amdbg.gz", clients=chosen)
    loaded, _ = read(tmp_path / "run.amdbg.gz")
    assert told(loaded) == told(store)[1:2]


def test_only_this_moment_holds_a_keyframe_of_each_machine(tmp_path: Path) -> None:
    store = session()
    moment = 200_000
    write(store, tmp_path / "run.amdbg.gz", moment=moment)
    loaded, reading = read(tmp_path / "run.amdbg.gz")
    assert reading.warnings == []
    assert [client.id for client in loaded] == [client.id for client in store]
    for client, then in zip(loaded, store, strict=True):
        number = then.last_until(moment)
        assert len(client.columns) == 1
        assert client.clock_after(1) == then.clock_after(number)
        assert loaded.tx(client, 1).id == store.tx(then, number).id
        assert client.version.names == then.version_at(number).names


def test_a_moment_before_the_first_transition_holds_the_schemas(tmp_path: Path) -> None:
    store = session(steps=50)
    write(store, tmp_path / "run.amdbg.gz", moment=-1)
    loaded, _ = read(tmp_path / "run.amdbg.gz")
    assert [len(client.columns) for client in loaded] == [0, 0, 0]
    assert [client.version.names for client in loaded] == [
        client.versions[0].names for client in store
    ]


def test_loading_twice_changes_nothing(tmp_path: Path) -> None:
    store = session()
    path = tmp_path / "run.amdbg.gz"
    write(store, path)
    loaded, _ = read(path)
    before = told(loaded)
    _, reading = read(path, loaded)
    assert reading.link is not None
    assert reading.link.repeated == reading.entries
    assert told(loaded) == before
    assert not any(client.is_connected for client in loaded)


@pytest.mark.parametrize("ending", [".amdbg.gz", ".amdbg.zst"])
def test_a_truncated_file_is_read_up_to_the_damage(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump_writer, "CHUNK", 100)
    store = session(steps=3000)
    whole, cut = tmp_path / f"whole{ending}", tmp_path / f"cut{ending}"
    write(store, whole)
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) * 3 // 4])
    loaded, reading = read(cut)
    assert 0 < loaded.transitions < store.transitions
    assert len(reading.warnings) == 1
    assert "what came before is loaded" in reading.warnings[0]
    for client in loaded:
        then = store.get(client.id)
        assert then is not None
        assert client.clock_after(client.last) == then.clock_after(client.last)


def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    store = session(steps=120)
    whole, hurt = tmp_path / "whole.amdbg.gz", tmp_path / "hurt.amdbg.gz"
    write(store, whole)
    plain = gzip.decompress(whole.read_bytes())
    rng = random.Random(5)
    for _ in range(400):
        data = bytearray(plain)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        hurt.write_bytes(gzip.compress(bytes(data), 1))
        try:
            loaded, _ = read(hurt)
        except DumpError:
            continue
        assert loaded.transitions <= store.transitions


def test_a_file_without_its_end_is_told(tmp_path: Path) -> None:
    begin = dbg.encode(dbg.DumpBegin(1, WRITER))
    (tmp_path / "run.amdbg.gz").write_bytes(gzip.compress(HEADER + begin))
    _, reading = read(tmp_path / "run.amdbg.gz")
    assert "the end is missing" in reading.warnings[0]


def test_counts_that_do_not_hold_are_told(tmp_path: Path) -> None:
    messages = dbg.encode(dbg.DumpBegin(1, WRITER)) + dbg.encode(dbg.DumpEnd((), 1, 77, 0))
    (tmp_path / "run.amdbg.gz").write_bytes(gzip.compress(HEADER + messages))
    _, reading = read(tmp_path / "run.amdbg.gz")
    assert "should have 77 entries" in reading.warnings[0]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "neither gzip nor zstd"),
        (b"hello", "neither gzip nor zstd"),
        (gzip.compress(b"hello, hello"), "not a dump"),
        (gzip.compress(b""), "not a dump"),
        (gzip.compress(HEADER[:-1] + b"\x07"), "version 7"),
        (gzip.compress(HEADER), "does not say who wrote it"),
        (gzip.compress(HEADER + dbg.encode(dbg.Ping())), "does not say who wrote it"),
    ],
)
def test_what_is_no_dump_is_refused(tmp_path: Path, data: bytes, fault: str) -> None:
    (tmp_path / "run.amdbg.gz").write_bytes(data)
    with pytest.raises(DumpError, match=fault):
        read(tmp_path / "run.amdbg.gz")


def test_a_file_that_grows_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_file, "MOST_BYTES", 1 << 20)
    begin = HEADER + dbg.encode(dbg.DumpBegin(1, WRITER))
    bomb = begin + dbg.encode(dbg.Ping()) * (1 << 18)
    (tmp_path / "run.amdbg.gz").write_bytes(gzip.compress(bomb))
    with pytest.raises(DumpError, match="more than"):
        read(tmp_path / "run.amdbg.gz")


def test_what_a_program_writes_by_itself_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.amdbg.gz"
    machine = am.Machine({"Start": {}, "Work": {"require": ["Start"]}}, id="worker")
    with dbg.DbgWriter(path) as writer:
        writer.bind(machine)
        machine.add("Start")
        for i in range(50):
            machine.add("Work", id=i)
            machine.remove("Work")
    loaded, reading = read(path)
    assert reading.warnings == []
    client = loaded.get("worker")
    assert client is not None
    assert (client.last, client.columns.ticks) == (101, list(machine.time()))
    assert loaded.tx(client, 2).args == {"id": 0}


def test_what_is_written_here_is_read_by_others(tmp_path: Path) -> None:
    store = session()
    path = tmp_path / "run.amdbg.gz"
    write(store, path)
    mirror = dbg.Mirror(WRITER)
    for message in dbg.read_dump(path):
        mirror.take(message)
    assert len(mirror.machines) == 3
    for client in store:
        machine = mirror.machines[client.process.id, client.machine_id]
        assert list(machine.clock)[: len(client.columns.ticks)] == client.columns.ticks
        assert len(machine.txs) + len(machine.queued) == len(client.columns)


def test_a_dump_that_cannot_be_finished_leaves_nothing_behind(tmp_path: Path) -> None:
    steps = write_dump(session(), tmp_path / "run.amdbg.gz", WRITER)
    next(steps)
    steps.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DumpError, match=r"ends in \.gz or \.zst"):
        write(session(steps=5), tmp_path / "run.txt")
    assert list(tmp_path.iterdir()) == []
