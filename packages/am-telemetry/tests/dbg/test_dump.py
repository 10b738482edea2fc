"""Dump files: what is read is what was streamed, and damage ends the reading, not the reader."""

from __future__ import annotations

import gzip
import logging
import os
import random
from typing import TYPE_CHECKING

import pytest

import am_machine as am
from am_telemetry._dbg import dump as dump_module
from am_telemetry._dbg import messages as m
from am_telemetry._errors import DecodeError
from am_telemetry._hub import hub as hub_module
from am_telemetry.dbg import DbgExporter, DbgWriter, read_dump
from am_telemetry.testing import Mirror, Receiver

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"A": {"remove": ["C"]}, "B": {"auto": True, "require": ["A"]}, "C": {}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LINGER", 0.02)


def mirrored(path: Path) -> tuple[Mirror, list[m.Message]]:
    messages = list(read_dump(path))
    begin = messages[0]
    assert isinstance(begin, m.DumpBegin)
    mirror = Mirror(begin.process)
    for message in messages:
        mirror.take(message)
    return mirror, messages


def written(path: Path, count: int, seed: int = 1) -> am.Machine:
    """A dump of a machine and a child that did something."""
    random_ = random.Random(seed)
    with DbgWriter(path) as writer:
        mach = am.Machine(SCHEMA, id="m")
        writer.bind(mach)
        child = am.Machine({"X": {}}, id="child", parent=mach)
        for i in range(count):
            mach.toggle(random_.choice("AC"), name=f"n{i}")
            if i % 500 == 499:
                child.toggle("X")
                assert writer._hub.sync(10)
    return mach


def test_a_dump_goes_on_with_machines_that_come_after_the_hub_rested(tmp_path: Path) -> None:
    path = tmp_path / "run.amdbg.gz"
    with DbgWriter(path) as writer:
        for number in range(2):
            mach = am.Machine(SCHEMA, id=f"m{number}")
            writer.bind(mach)
            mach.toggle("A")
            # As at the end of its thread, with a machine that has just come and without any.
            writer._hub._flush_all(0.0)
            mach.toggle("A")
            mach.dispose()
            assert writer._hub.sync(10)
            writer._hub._flush_all(0.0)
    found = {mach.id: len(mach.txs) for mach in mirrored(path)[0].machines.values()}
    assert set(found) == {"m0", "m1"}
    assert min(found.values()) >= 2


def test_a_dump_equals_the_live_session_it_was_taken_from(tmp_path: Path) -> None:
    path = tmp_path / "run.amdbg.gz"
    mach = am.Machine(SCHEMA, id="m", handlers={"AState": lambda e: e.machine.add("C", id=1)})
    with Receiver() as receiver, DbgExporter(receiver.address) as dbg, DbgWriter(path) as writer:
        writer.bind(mach)
        dbg.bind(mach)
        for _ in range(300):
            mach.toggle("A")
        mach.bind({"CState": lambda event: None})
        mach.add("A")
        assert dbg.flush(10)
        live = receiver.machine("m")
    mirror, _ = mirrored(path)
    [read] = mirror.machines.values()
    assert [(t.tx._replace(clock=None, flags=t.tx.flags & ~16), t.before, t.after, t.handlers)
            for t in read.txs] == [
        (t.tx._replace(clock=None, flags=t.tx.flags & ~16), t.before, t.after, t.handlers)
        for t in live.txs
    ]  # fmt: skip
    assert read.clock == live.clock == tuple(mach.time())


def test_each_chunk_can_be_read_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "run.amdbg.gz"
    mach = written(path, 10_000)
    _, messages = mirrored(path)
    end = messages[-1]
    assert isinstance(end, m.DumpEnd)
    chunks = [message for message in messages if isinstance(message, m.Chunk)]
    assert len(end.chunks) == len(chunks) == -(-end.entries // dump_module.CHUNK)
    assert sum(count for _, _, count in end.chunks) == end.entries
    assert (end.machines, end.dropped) == (2, 0)
    data = gzip.decompress(path.read_bytes())
    for (offset, at, _), chunk in zip(end.chunks, chunks, strict=True):
        assert at == chunk.time
        assert data[offset + 2 :].startswith(b"\xaadump.chunk")
    known: set[int] = set()
    for message in messages:
        if isinstance(message, m.Chunk):
            known = set()
        elif isinstance(message, m.Txs):
            for h, tx in message.entries:
                assert h in known or tx.clock is not None
                known.add(h)
    last = [tx for msg in messages if isinstance(msg, m.Txs) for _, tx in msg.entries][-1]
    assert last.time > 0
    assert len(mach.time()) == 4


def test_a_dump_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.amdbg.gz"
    written(path, 1)
    assert os.stat(path).st_mode & 0o077 == 0


def test_a_dump_that_was_not_closed_is_read_as_far_as_it_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "run.amdbg.gz"
    written(path, 3000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with caplog.at_level(logging.WARNING, "am_telemetry"):
        mirror, messages = mirrored(path)
    assert 0 < len(next(iter(mirror.machines.values())).txs) < 3000
    assert not any(isinstance(message, m.DumpEnd) for message in messages)
    assert caplog.text.count("damage") + caplog.text.count("cut off") == 1


@pytest.mark.parametrize("count", [1, 100, 3000])
def test_of_a_program_that_crashed_all_is_read_that_was_flushed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    path, crashed = tmp_path / "run.amdbg.gz", tmp_path / "crashed.amdbg.gz"
    mach = am.Machine(SCHEMA, id="m")
    with DbgWriter(path) as writer:
        writer.bind(mach)
        for _ in range(count):
            mach.toggle("A")
        assert writer._hub.sync(10)
        writer._writing.flush(0.0)
        crashed.write_bytes(path.read_bytes())
    with caplog.at_level(logging.WARNING, "am_telemetry"):
        mirror, _ = mirrored(crashed)
    (found,) = mirror.machines.values()
    assert found.clock == tuple(mach.time())
    assert len(found.txs) >= count
    assert caplog.text.count("was cut off; it is read as far as it goes") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_dump_that_no_disk_takes_is_told_once_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("one", "two"):
        path = tmp_path / name
        path.symlink_to("/dev/full")
        with DbgWriter(path) as writer:
            mach = am.Machine(SCHEMA, id="m")
            writer.bind(mach)
            for _ in range(3):
                mach.toggle("A")
                assert writer._hub.sync(10)
                writer._writing.flush(0.0)
    told = [record.getMessage() for record in caplog.records if record.name == "am_telemetry"]
    why = "cannot be written: [Errno 28] No space left on device; it ends before that"
    assert told == [f"the dump {tmp_path / name} {why}" for name in ("one", "two")]
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_dump_gives_messages_or_an_error_of_its_own(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "run.amdbg.gz"
    random_ = random.Random(seed)
    written(path, 50)
    data = bytearray(path.read_bytes())
    inner = bytearray(gzip.decompress(bytes(data)))
    harmed = data if seed % 2 else inner
    for _ in range(random_.randint(1, 5)):
        harmed[random_.randrange(len(harmed))] = random_.randrange(256)
    path.write_bytes(bytes(data) if seed % 2 else gzip.compress(bytes(inner)))
    try:
        for message in read_dump(path):
            assert isinstance(message, m.Message)
    except DecodeError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain text",
        gzip.compress(b"other"),
        gzip.compress(b""),
        gzip.compress(b"AMDBG\r\n\x09"),
    ],
)
def test_what_is_no_dump_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "run.amdbg.gz"
    path.write_bytes(data)
    with pytest.raises(DecodeError, match="dump"):
        list(read_dump(path))


def test_no_more_is_read_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "run.amdbg.gz"
    written(path, 20_000)
    monkeypatch.setattr(dump_module, "MOST_DECOMPRESSED", 200_000)
    with caplog.at_level(logging.WARNING, "am_telemetry"):
        count = sum(len(msg.entries) for msg in read_dump(path) if isinstance(msg, m.Txs))
    assert 0 < count < 20_000
    assert "more than 200000 bytes" in caplog.text


def test_a_writer_needs_a_place_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        DbgWriter(tmp_path / "nowhere" / "run.amdbg.gz")
