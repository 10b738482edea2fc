"""Acceptance 14 and 15: what only the history in a file does; killing it is an integration test."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.lowlevel

import am_helpers as amh
import am_machine as am
from am_helpers._history import _reader, _store, _tables, _writer
from am_helpers._history._transactions import Pages

if TYPE_CHECKING:
    from pathlib import Path

from .files import rows

pytestmark = pytest.mark.trio

STATES: dict[str, Any] = {"Foo": {}, "Many": {"multi": True}, "Bar": {"require": ["Foo"]}}


def toggles(mach: am.Machine, count: int) -> float:
    """Make transitions; return the seconds of processor time this thread spent on them."""
    start = time.thread_time()
    for _ in range(count // 2):
        mach.add("Foo")
        mach.remove("Foo")
    return time.thread_time() - start


async def test_fifty_thousand_transitions_are_on_disk_in_time(path: Path) -> None:
    mach = am.Machine(STATES)
    config = amh.HistoryConfig(tracked=("Foo", "Many"), max_records=100_000)
    async with amh.SqliteHistory(mach, path, config) as history:
        start = time.process_time()
        for _ in range(10):
            toggles(mach, 5_000)
            await history.sync()
        total = time.process_time() - start
        assert rows(path, "SELECT count(*), max(id) FROM times") == [(50_000, 50_000)]
        moved = "SELECT count(*) FROM ticks WHERE diff > 0"
        assert rows(path, moved) == [(50_000,)]
        assert history.dropped == 0
    print(f"50,000 transitions: {total:.2f} s of CPU to disk")
    assert total <= 5


async def test_the_engine_slows_down_no_more_than_twice(path: Path) -> None:
    bare, mach = am.Machine(STATES), am.Machine(STATES)
    config = amh.HistoryConfig(tracked=("Foo", "Many"), max_records=100_000)
    plain: list[float] = []
    recorded: list[float] = []
    ratio = 0.0
    async with amh.SqliteHistory(mach, path, config) as history:
        # The limit is about what it costs, not about what else this computer does: both sides
        # take turns until the least of each tells, at most a hundred times.
        for _ in range(20):
            for _ in range(5):
                recorded.append(toggles(mach, 5_000))
                plain.append(toggles(bare, 5_000))
                await history.sync()
            ratio = min(recorded) / min(plain)
            if ratio <= 2:
                break
        assert history.dropped == 0
    print(f"a recorded transition costs {ratio:.2f} bare ones")
    assert ratio <= 2


@pytest.mark.slow
async def test_a_million_rows_are_asked_quickly(path: Path) -> None:
    mach = am.Machine(STATES, id="big")
    config = amh.HistoryConfig(tracked=("Foo", "Many"), max_records=2_000_000)
    async with amh.SqliteHistory(mach, path, config) as history:
        await history.sync()
        count, epoch = 1_000_000, 1_600_000_000_000_000
        with closing(sqlite3.connect(path)) as db:
            numbers = (
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            )
            db.execute(
                f"INSERT INTO times {numbers} "
                "SELECT 1, i, ? + i * 1000, 'add', i, i, 1, 1, 1, 1, 0 FROM n",
                (count, epoch),
            )
            # Foo was entered only once, in the last record.
            foo = "SELECT id FROM states WHERE name = 'Foo'"
            db.execute(f"INSERT INTO ticks VALUES (1, 1, ({foo}), 0, 0)")
            db.execute(f"INSERT INTO ticks VALUES (1, ?, ({foo}), 1, 1)", (count,))
            db.execute("INSERT INTO stretches VALUES (1, 1, 1)")
            db.commit()
        start = datetime(2020, 1, 1, tzinfo=UTC)
        end = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=epoch + (count - 1) * 1000)
        await history.activated_between("Foo", start, end)
        spent = []
        for _ in range(5):
            began = time.perf_counter()
            assert not await history.activated_between("Foo", start, end)
            assert await history.activated_between("Foo", start, end + timedelta(seconds=1))
            assert await history.inactive_between("Foo", start, end)
            spent.append((time.perf_counter() - began) / 3)
        print(f"activated_between over 10^6 rows: {min(spent) * 1e3:.2f} ms")
        assert min(spent) <= 0.020
        await history.aclose()


async def test_waiting_records_are_bounded_and_losses_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = []
    mach = am.Machine(STATES)
    gate = threading.Event()
    original = Pages.write

    def slow(*args: Any) -> Any:
        gate.wait(30)
        return original(*args)

    monkeypatch.setattr(Pages, "write", slow)
    config = amh.HistoryConfig(max_records=50_000)
    async with amh.SqliteHistory(mach, path, config, on_err=errors.append) as history:
        toggles(mach, 100)
        while len(history._recorder):  # noqa: ASYNC110 - until the thread took the first batch
            await trio.sleep(0.01)
        toggles(mach, 10_500)
        gate.set()
        await history.sync()
        await trio.lowlevel.checkpoint()
        # What the machine noted was given up as a whole but for the latest when it was too much.
        assert history.dropped == 10_000
        assert rows(path, "SELECT count(*) FROM times") == [(100 + 500,)]
        await trio.lowlevel.checkpoint()
        assert len(errors) == 1
        assert "too slow" in str(errors[0])
        toggles(mach, 10)
        await history.sync()
        assert len(errors) == 1


async def test_a_failing_disk_is_told_once_and_records_wait_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = []
    mach = am.Machine(STATES)
    original = Pages.write
    broken = True

    def fails(*args: Any) -> Any:
        if broken:
            raise sqlite3.OperationalError("disk is full")
        return original(*args)

    monkeypatch.setattr(Pages, "write", fails)
    async with amh.SqliteHistory(mach, path, on_err=errors.append) as history:
        toggles(mach, 10)
        for _ in range(3):
            with pytest.raises(amh.HistoryError, match="disk is full"):
                await history.sync()
        await trio.lowlevel.checkpoint()
        assert len(errors) == 1
        assert mach.not_("Foo")
        broken = False
        await history.sync()
        assert rows(path, "SELECT count(*) FROM times") == [(10,)]
        assert history.dropped == 0


async def test_an_error_of_any_kind_in_the_thread_answers_those_who_sync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mach = am.Machine(STATES)
    errors: list[Exception] = []
    async with amh.SqliteHistory(mach, path, on_err=errors.append) as history:
        mach.add("Foo")
        monkeypatch.setattr(Pages, "write", lambda *args: 1 // 0)
        with pytest.raises(amh.HistoryError, match="by zero"):
            await history.sync()
        monkeypatch.undo()
        await history.sync()
        assert len(await history.find_latest(amh.Query())) == 1
    assert len(errors) == 1


async def test_what_cannot_be_written_at_the_end_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = []

    def fails(*args: Any) -> None:
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(Pages, "write", fails)
    mach = am.Machine(STATES)
    async with amh.SqliteHistory(mach, path, on_err=errors.append) as history:
        toggles(mach, 10)
    assert history.dropped == 10
    assert "disk is full" in str(errors[-1])


async def test_batches_are_written_by_count_and_by_time(path: Path) -> None:
    mach = am.Machine(STATES)
    async with amh.SqliteHistory(mach, path) as history:
        mach.add("Foo")
        with trio.fail_after(10):
            while not rows(path, "SELECT 1 FROM times"):  # noqa: ASYNC110 - another thread writes
                await trio.sleep(0.02)
        start = time.monotonic()
        toggles(mach, 200)
        with trio.fail_after(10):
            while rows(path, "SELECT count(*) FROM times") != [(201,)]:  # noqa: ASYNC110
                await trio.sleep(0.005)
        assert time.monotonic() - start < 10
        assert history.dropped == 0


async def test_rotation_keeps_the_youngest(path: Path) -> None:
    mach = am.Machine(STATES)
    config = amh.HistoryConfig(max_records=1_500, store_transitions=True)
    async with amh.SqliteHistory(mach, path, config) as history:
        toggles(mach, 6_000)
        await history.sync()
    ((count, first, last),) = rows(path, "SELECT count(*), min(id), max(id) FROM times")
    assert last == 6_000
    assert 1_500 <= count <= 1_650
    assert first == last - count + 1
    older = "SELECT count(DISTINCT state), count(*) FROM ticks WHERE time_id <= ?"
    assert rows(path, older, first) == [(4, 4)]  # one row each holds for the oldest record
    assert rows(path, "SELECT min(record_id), count(*) FROM transitions") == [(first, count)]
    assert rows(path, "SELECT count(*) FROM keyframes WHERE time_id <= ?", first) == [(1,)]


async def test_a_failed_rotation_is_told_and_made_up_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = []
    original = _writer.rotate

    def fails(*args: Any) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(_writer, "rotate", fails)
    mach = am.Machine(STATES)
    config = amh.HistoryConfig(max_records=10)
    async with amh.SqliteHistory(mach, path, config, on_err=errors.append) as history:
        toggles(mach, 50)
        await history.sync()
        await trio.lowlevel.checkpoint()
        assert "cannot rotate" in str(errors[0])
        assert rows(path, "SELECT count(*), max(id) FROM times") == [(50, 50)]
        monkeypatch.setattr(_writer, "rotate", original)
        toggles(mach, 2)
        await history.sync()
    assert rows(path, "SELECT count(*), max(id) FROM times") == [(10, 52)]
    assert history.dropped == 0


async def test_many_machines_share_a_file(path: Path) -> None:
    one, two = am.Machine(STATES, id="one"), am.Machine({"Other": {}}, id="two")
    async with amh.SqliteHistory(one, path) as first, amh.SqliteHistory(two, path) as second:
        one.add("Foo")
        two.add("Other")
        await first.sync()
        await second.sync()
        now, hour = datetime.now(UTC), timedelta(hours=1)
        assert await first.active_between("Foo", now - hour, now + hour)
        assert await second.active_between("Other", now - hour, now + hour)
    assert rows(path, "SELECT machine_id, next_id FROM machines ORDER BY id") == [
        ("one", 2),
        ("two", 2),
    ]


async def test_ids_and_first_tracking_go_on_in_a_later_session(path: Path) -> None:
    for _ in range(2):
        mach = am.Machine(STATES, id="m1")
        async with amh.SqliteHistory(mach, path, amh.HistoryConfig(store_schema=True)) as history:
            mach.add("Foo")
            await history.sync()
            record = history.machine_record
    assert record.next_id == 3
    assert record.first_tracking < record.last_tracking
    assert record.schema is not None
    async with amh.SqliteHistory(am.Machine(STATES, id="m1"), path) as history:
        assert history.machine_record.schema == record.schema


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"this is no database, whatever its name says" * 100, "cannot open"),
        ("CREATE TABLE notes (x)", "no history"),
        ("PRAGMA user_version = 99", "format 99"),
    ],
)
async def test_other_files_are_refused_and_left_alone(path: Path, content: Any, fault: str) -> None:
    file = trio.Path(path)
    if isinstance(content, bytes):
        await file.write_bytes(content)
    else:
        rows(path, content)
    before = await file.read_bytes()
    with pytest.raises(amh.HistoryError, match=fault):
        async with amh.SqliteHistory(am.Machine(STATES), path):
            pytest.fail("opened")
    assert await file.read_bytes() == before
    with pytest.raises(amh.HistoryError):
        await amh.load_machine(path, "m1")


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(amh.HistoryError, match="cannot open"):
        async with amh.SqliteHistory(am.Machine(STATES), tmp_path / "no" / "h.sqlite"):
            pytest.fail("opened")


async def test_pragmas_are_the_promised_ones(path: Path) -> None:
    promised = {"journal_mode": "wal", "busy_timeout": 5000, "trusted_schema": 0}
    with closing(_tables.open_writer(path)) as db:
        found = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in promised}
        assert found == promised
    assert os.stat(path).st_mode & 0o777 == 0o600
    with closing(_tables.open_reader(path)) as reading:
        assert reading.connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError):
            reading.connection.execute("DELETE FROM times")


@pytest.mark.parametrize(("durable", "synchronous"), [(False, 1), (True, 2)])
async def test_durable_histories_wait_for_the_disk(
    path: Path, durable: bool, synchronous: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = Pages.write

    def watched(self: Pages, members: Any) -> Any:
        lost = original(self, members)
        seen.append(self.db.execute("PRAGMA synchronous").fetchone()[0])
        return lost

    monkeypatch.setattr(Pages, "write", watched)
    mach = am.Machine(STATES)
    async with amh.SqliteHistory(mach, path, durable=durable) as history:
        mach.add("Foo")
        await history.sync()
    assert set(seen) == {synchronous}


async def test_the_between_questions_use_the_partial_indexes_and_never_join(path: Path) -> None:
    with closing(_tables.open_writer(path)) as db:
        for condition, sql in _reader.INSIDE.items():
            explained = db.execute(f"EXPLAIN QUERY PLAN {sql}", (1, 1, 1, 9))
            plan = [row[3] for row in explained.fetchall()]
            assert len(plan) == 1
            assert f"ticks_{condition}" in plan[0]


async def test_a_history_is_opened_once_and_closed_as_often_as_wanted(path: Path) -> None:
    history = amh.SqliteHistory(am.Machine(STATES), path)
    await history.aclose()
    async with history:
        with pytest.raises(RuntimeError, match="once"):
            await history.__aenter__()
    await history.aclose()
    await history.sync()
    with pytest.raises(amh.HistoryError, match="not open"):
        await history.find_latest(amh.Query())


async def test_cancelled_questions_and_syncs_lose_nothing(path: Path) -> None:
    mach = am.Machine(STATES)
    async with amh.SqliteHistory(mach, path) as history:
        mach.add("Foo")
        with trio.CancelScope() as scope:
            scope.cancel()
            await history.sync()
        with trio.CancelScope() as scope:
            scope.cancel()
            await history.find_latest(amh.Query())
        await history.sync()
        assert len(await history.find_latest(amh.Query())) == 1
    assert rows(path, "SELECT count(*) FROM times") == [(1,)]


class TestRestore:
    class Restorable(am.States):
        Foo = am.State(multi=True)
        Bar = am.State(require=[Foo])
        MachineRestored = am.State()

    async def _first(self, path: Path, config: amh.HistoryConfig) -> am.Machine:
        mach = am.Machine(self.Restorable, id="m1")
        async with amh.SqliteHistory(mach, path, config) as history:
            mach.add("Foo")
            mach.add("Foo")
            mach.add("Bar")
            await history.sync()
        return mach

    async def test_ticks_are_equal_and_ids_go_on(self, path: Path) -> None:
        config = amh.HistoryConfig(tracked=("Bar",), store_schema=True)
        old = await self._first(path, config)
        seen: list[dict[str, int]] = []
        snapshot, schema = await amh.load_machine(path, "m1")
        assert snapshot.time == tuple(old.time())
        mach = am.Machine.restore(
            snapshot,
            schema,
            handlers={"MachineRestoredState": lambda e: seen.append(e.machine.clock())},
        )
        assert mach.id == "m1"
        assert mach.machine_tick == 1
        assert mach.is_("Foo", "Bar", "MachineRestored")
        assert [mach.tick(s) for s in ("Foo", "Bar")] == [3, 1]
        assert seen == [{"Foo": 3, "Bar": 1, "MachineRestored": 1, "Exception": 0}]
        async with amh.SqliteHistory(mach, path, config) as history:
            mach.remove("Bar")
            await history.sync()
            latest = (await history.find_latest(amh.Query(), limit=1))[0]
        assert (latest.id, latest.machine_tick, latest.record_diff_sum) == (4, 1, 2)

    async def test_a_schema_given_goes_first_and_one_is_needed(self, path: Path) -> None:
        await self._first(path, amh.HistoryConfig())
        with pytest.raises(amh.HistoryError, match="no schema"):
            await amh.load_machine(path, "m1")
        snapshot, schema = await amh.load_machine(path, "m1", self.Restorable)
        assert am.Machine.restore(snapshot, schema).is_("Foo", "Bar")
        with pytest.raises(amh.HistoryError, match="no machine"):
            await amh.load_machine(path, "other")

    async def test_from_histories_too(self, path: Path) -> None:
        mach = am.Machine(self.Restorable, id="m1")
        config = amh.HistoryConfig(store_schema=True)
        async with amh.SqliteHistory(mach, path, config) as file:
            mach.add("Foo")
            await file.sync()
            assert (await amh.load_machine(file, "m1"))[0].time == tuple(mach.time())
        memory = amh.MemoryHistory(mach, config)
        mach.add("Bar")
        snapshot, schema = await amh.load_machine(memory, "m1")
        assert am.Machine.restore(snapshot, schema).is_("Foo", "Bar", "MachineRestored")
        assert schema["Foo"].multi
        with pytest.raises(amh.HistoryError, match="no machine"):
            await amh.load_machine(memory, "m2")
        await memory.aclose()

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("schema", "[1, 2]"),
            ("schema", "{"),
            ("schema", '{"Foo": {"__class__": "x"}}'),
            ("schema", '{"Foo": {"require": ["Nope"]}}'),
            ("schema", "[" * 100_000),
            ("time", "{}"),
            ("time", "[1]"),
            ("time", '["a", "b", "c", "d"]'),
            ("time", "nonsense"),
            ("state_names", "[[1], 2, 3, 4]"),
            ("first_tracking", 10**18),
        ],
    )
    async def test_a_damaged_row_is_an_error_and_nothing_else(
        self, path: Path, column: str, value: Any
    ) -> None:
        await self._first(path, amh.HistoryConfig(store_schema=True))
        with closing(sqlite3.connect(path)) as db:
            table = "versions" if column in ("schema", "state_names") else "machines"
            db.execute(f"UPDATE {table} SET {column} = ?", (value,))
            db.commit()
        with pytest.raises(amh.HistoryError):
            await amh.load_machine(path, "m1")


async def test_a_question_after_the_end_leaves_no_connection_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    real = _tables.open_reader

    def noted(path: Path) -> _tables.Reading:
        reading = real(path)
        opened.append(reading.connection)
        return reading

    monkeypatch.setattr(_store, "open_reader", noted)
    mach = am.Machine({"Foo": {}}, id="one")
    async with amh.SqliteHistory(mach, path) as history:
        mach.add("Foo")
        mach.dispose()
        await history.sync()  # it is all written, and the writer ends
        assert [record.id for record in await history.find_latest(amh.Query())] == [1]
    assert opened
    for connection in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")
