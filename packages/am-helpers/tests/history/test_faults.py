"""Whatever happens to the file, those who wait are told, and no other record is lost."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_helpers as amh
import am_machine as am
from am_helpers._history import _tables, _writer
from am_helpers._history._transactions import Pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

from .files import rows

pytestmark = pytest.mark.trio

STATES: dict[str, Any] = {"Foo": {}, "Many": {"multi": True}}
SOON = 10.0  # seconds; it is a matter of milliseconds, but for a busy computer


def toggles(mach: am.Machine, count: int) -> None:
    for _ in range(count):
        mach.toggle("Foo")


async def refuses(path: Any, match: str) -> None:
    """Opening fails, soon, and leaves no thread behind."""
    with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match=match):
        async with amh.SqliteHistory(am.Machine(STATES), path):
            pytest.fail("opened")


# ---------------------------------------------------------------- a file that cannot be opened


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("a\0b", "null"),
        ("a\ud800b", "surrogates|cannot open"),
        ("x" * 300, "cannot open"),
        ("no/such/folder", "cannot open"),
        ("", "cannot open"),
    ],
)
async def test_a_path_that_is_none_is_an_error(path: Path, name: str, match: str) -> None:
    await refuses(os.path.join(path.parent, name), match)
    with pytest.raises(amh.HistoryError):
        await amh.load_machine(os.path.join(path.parent, name), "m")
    with pytest.raises(amh.HistoryError):
        amh.HistoryFile(os.path.join(path.parent, name))


async def test_what_is_no_regular_file_is_an_error(path: Path) -> None:
    os.mkfifo(path)
    await refuses(path, "no regular file")
    with pytest.raises(amh.HistoryError, match="no regular file"):
        amh.HistoryFile(path)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond this, as if the disk were full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 4096, 20_000])
async def test_a_disk_that_is_full_at_opening_says_so(path: Path, size: int) -> None:
    with file_size_limit(size):
        await refuses(path, "full|disk I/O")
    async with amh.SqliteHistory(am.Machine(STATES), path) as history:
        await history.sync()


async def test_a_process_without_descriptors_left_is_told(path: Path) -> None:
    history = amh.SqliteHistory(am.Machine(STATES), path)  # imports what it needs
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(used) + 1, old[1]))
        await refuses(path, "cannot open")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
        for descriptor in used:
            os.close(descriptor)
    async with history:
        await history.sync()


async def test_a_system_without_threads_left_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: threading.Thread) -> None:
        if self.name.startswith("history "):
            raise RuntimeError("can't start new thread")
        start(self)

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", fails)
    await refuses(path, "can't start new thread")
    monkeypatch.undo()
    async with amh.SqliteHistory(am.Machine(STATES), path) as history:
        await history.sync()


async def test_a_file_that_somebody_keeps_locked_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tables, "BUSY_MS", 50)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        await refuses(path, "locked")
        other.execute("ROLLBACK")
        mach = am.Machine(STATES)
        async with amh.SqliteHistory(mach, path) as history:
            other.execute("BEGIN IMMEDIATE")
            mach.add("Foo")
            with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match="locked"):
                await history.sync()
            assert await history.find_latest(amh.Query()) == []
            other.execute("ROLLBACK")
            await history.sync()
            assert len(await history.find_latest(amh.Query())) == 1
    assert history.dropped == 0


async def test_all_who_open_a_file_that_cannot_be_opened_are_told(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)  # noqa: ASYNC240 - a local file
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(refuses, path, "not a database")


# ------------------------------------------------------------------- a disk that fails later


async def test_a_disk_that_is_full_is_told_and_records_wait_on(path: Path) -> None:
    errors: list[Exception] = []
    mach = am.Machine(STATES)
    config = amh.HistoryConfig(max_records=100_000)
    async with amh.SqliteHistory(mach, path, config, on_err=errors.append) as history:
        await history.sync()
        with file_size_limit(300_000):
            toggles(mach, 3_000)
            with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match=r"full|disk I/O"):
                await history.sync()
        with trio.fail_after(30):
            await history.sync()
        assert history.dropped == 0
        assert len(await history.find_latest(amh.Query())) == 3_000
    assert len(errors) == 1


async def test_a_disk_that_is_full_at_the_end_is_told_as_what_it_is(path: Path) -> None:
    errors: list[Exception] = []
    mach = am.Machine(STATES)
    with file_size_limit(300_000):
        async with amh.SqliteHistory(mach, path, on_err=errors.append) as history:
            await history.sync()
            toggles(mach, 3_000)
            with trio.fail_after(SOON):
                await history.aclose()
    await trio.lowlevel.checkpoint()
    written = rows(path, "SELECT count(*) FROM times")[0][0]
    assert history.dropped == 3_000 - written > 0
    assert f"{history.dropped} records are lost" in str(errors[-1])
    assert "full" in str(errors[-1]) or "I/O" in str(errors[-1])
    assert not any("slow" in str(error) for error in errors)
    with pytest.raises(amh.HistoryError, match="are lost"):
        await history.sync()


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("how", ["removed", "replaced"])
async def test_a_file_that_goes_while_it_is_open_is_told(path: Path, suffix: str, how: str) -> None:
    errors: list[Exception] = []
    mach = am.Machine(STATES)
    async with amh.SqliteHistory(mach, path, on_err=errors.append) as history:
        mach.add("Foo")
        await history.sync()
        os.rename(f"{path}{suffix}", f"{path}.away")
        if how == "replaced":
            shutil.copy(f"{path}.away", f"{path}{suffix}")
        mach.add("Many")
        for _ in range(2):
            with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match="removed or repl"):
                await history.sync()
        os.replace(f"{path}.away", f"{path}{suffix}")
        await history.sync()
        assert len(await history.find_latest(amh.Query())) == 2
    assert len(errors) == 1
    assert history.dropped == 0


async def test_a_file_that_is_gone_at_the_end_costs_an_error_not_a_hang(path: Path) -> None:
    errors: list[Exception] = []
    mach = am.Machine(STATES)
    async with amh.SqliteHistory(mach, path, on_err=errors.append) as history:
        mach.add("Foo")
        await history.sync()
        mach.add("Many")
        os.unlink(path)
        with trio.fail_after(SOON):
            await history.aclose()
    await trio.lowlevel.checkpoint()
    assert "removed or replaced; 1 records are lost" in str(errors[-1])


# ------------------------------------------------------------------- rows that others change


@pytest.mark.parametrize(
    "table", ["times", "ticks", "keyframes", "stretches", "versions", "states"]
)
async def test_rows_deleted_by_others_stop_nobody(path: Path, table: str) -> None:
    mach, other = am.Machine(STATES, id="m"), am.Machine(STATES, id="other")
    config = amh.HistoryConfig(max_records=10)
    async with (
        amh.SqliteHistory(mach, path, config) as history,
        amh.SqliteHistory(other, path) as well,
    ):
        toggles(mach, 30)
        await history.sync()
        rows(path, f"DELETE FROM {table}")
        toggles(mach, 30)
        other.add("Foo")
        with trio.fail_after(SOON):
            await history.sync()
            await well.sync()
    assert (history.dropped, well.dropped) == (0, 0)
    ids = [id_ for (id_,) in rows(path, "SELECT id FROM times WHERE machine = 1 ORDER BY id")]
    assert ids == list(range(51, 61))


async def test_a_machine_deleted_by_others_is_told_and_the_others_go_on(path: Path) -> None:
    errors: list[Exception] = []
    mach, other = am.Machine(STATES, id="m"), am.Machine(STATES, id="other")
    async with (
        amh.SqliteHistory(mach, path, on_err=errors.append) as history,
        amh.SqliteHistory(other, path) as well,
    ):
        rows(path, "DELETE FROM machines WHERE machine_id = 'm'")
        mach.add("Foo")
        other.add("Foo")
        for _ in range(2):
            with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match="was deleted"):
                await history.sync()
        await well.sync()
        assert len(await well.find_latest(amh.Query())) == 1
        with pytest.raises(amh.HistoryError, match="no machine"):
            await history.find_latest(amh.Query())
    assert history.dropped == 1
    assert len(errors) == 1


async def test_a_failing_machine_that_is_taken_over_is_not_tried_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    original = Pages.write

    def counted(self: Pages, members: Any) -> Any:
        tries.append(len(members))
        if len(tries) == 1:
            raise sqlite3.OperationalError("disk is full")
        return original(self, members)

    monkeypatch.setattr(_writer, "RETRY_DELAY", 0.01)
    monkeypatch.setattr(Pages, "write", counted)
    gone = trio.Event()
    mach = am.Machine(STATES, id="m")

    def hear(exc: Exception) -> None:
        if "taken over" in str(exc):
            gone.set()

    async with amh.SqliteHistory(mach, path, on_err=hear) as history:
        rows(path, "UPDATE machines SET writer = 77")
        mach.add("Foo")
        with trio.fail_after(SOON):
            await gone.wait()
        for _ in range(3):
            with pytest.raises(amh.HistoryError, match="taken over"):
                await history.sync()
    assert tries == [1, 1]
    assert history.dropped == 1


async def test_a_table_dropped_by_others_is_told(path: Path) -> None:
    mach = am.Machine(STATES)
    async with amh.SqliteHistory(mach, path) as history:
        rows(path, "DROP TABLE times")
        mach.add("Foo")
        with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match="no such table"):
            await history.sync()
        with pytest.raises(amh.HistoryError, match="its tables are others"):
            await history.find_latest(amh.Query())


async def test_a_file_damaged_under_a_reader_is_a_history_error(path: Path) -> None:
    mach = am.Machine(STATES, id="m")
    async with amh.SqliteHistory(mach, path, amh.HistoryConfig(max_records=5000)):
        toggles(mach, 2_000)
    size = os.stat(path).st_size
    with open(path, "r+b") as file:  # noqa: ASYNC230 - a local file
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuses, path, "malformed|damaged|cannot")
    with pytest.raises(amh.HistoryError):
        await amh.load_machine(path, "m")
    with pytest.raises(amh.HistoryError), amh.HistoryFile(path) as reading:
        reading.records("m")


async def test_a_file_damaged_while_it_is_open_is_a_history_error(path: Path) -> None:
    mach = am.Machine(STATES, id="m")
    async with amh.SqliteHistory(mach, path) as history:
        toggles(mach, 900)
        await history.sync()
        rows(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        size = os.stat(path).st_size
        with open(path, "r+b") as file:  # noqa: ASYNC230 - a local file
            file.write(b"\xff" * size)
        with trio.fail_after(SOON), pytest.raises(amh.HistoryError):
            await history.find_latest(amh.Query())
        with pytest.raises(amh.HistoryError):
            _ = history.machine_record


# ------------------------------------------------------------- records that cannot be written


async def test_a_machine_whose_id_is_no_text_is_refused_and_nobody_else(path: Path) -> None:
    good = am.Machine(STATES, id="good")
    async with amh.SqliteHistory(good, path) as history:
        with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match="cannot use"):
            async with amh.SqliteHistory(am.Machine(STATES, id="\ud800"), path):
                pytest.fail("opened")
        good.add("Foo")
        await history.sync()
        assert len(await history.find_latest(amh.Query())) == 1


async def test_a_source_whose_id_is_no_text_costs_its_own_record_only(path: Path) -> None:
    source, mach = am.Machine(STATES, id="s\ud800"), am.Machine(STATES, id="m")
    amh.bind(source, mach, "Foo")
    config = amh.HistoryConfig(store_transitions=True)
    async with amh.SqliteHistory(mach, path, config) as history:
        source.add("Foo")
        mach.add("Many")
        with trio.fail_after(SOON):
            await history.sync()
        (record,) = await history.find_latest(amh.Query(), with_tx=True)
        assert (record.id, record.clock["Foo"], record.clock["Many"]) == (2, 1, 1)
    assert history.dropped == 1


async def test_a_record_that_cannot_be_written_is_left_out_and_the_others_go_on(
    path: Path,
) -> None:
    errors: list[Exception] = []
    mach, other = am.Machine(STATES, id="m"), am.Machine(STATES, id="other")
    config = amh.HistoryConfig(store_transitions=True)
    async with (
        amh.SqliteHistory(mach, path, config, on_err=errors.append) as history,
        amh.SqliteHistory(other, path, config) as well,
    ):
        mach.add("Foo")
        for _ in range(2):
            mach.add("Many", name="\ud800")
        mach.add("Many", name="fine\0too")
        other.add("Foo")
        with trio.fail_after(SOON):
            await history.sync()
            await well.sync()
        last, first = await history.find_latest(amh.Query(), with_tx=True)
        assert (first.id, last.id) == (1, 4)
        # What the lost ones moved is in the next.
        assert last.clock["Many"] == mach.tick("Many") == 5
        assert last.tracked_diff[1] == 2
        assert last.record_diff_sum == 5
        assert last.transition is not None
        assert last.transition.args == {"name": "fine\0too"}
        assert len(await well.find_latest(amh.Query())) == 1
        toggles(mach, 2)
        await history.sync()
        assert len(await history.find_latest(amh.Query())) == 4
    assert history.dropped == 2
    assert len(errors) == 1
    assert "record 2 of 'm' is left out" in str(errors[0])


async def test_a_record_that_the_file_refuses_is_found_among_many(path: Path) -> None:
    errors: list[Exception] = []
    mach, other = am.Machine(STATES, id="m"), am.Machine(STATES, id="other")
    async with (
        amh.SqliteHistory(mach, path, on_err=errors.append) as history,
        amh.SqliteHistory(other, path) as well,
    ):
        toggles(mach, 10)
        await history.sync()
        # Somebody else has written two of the next ids.
        for id_ in (13, 17):
            rows(
                path,
                "INSERT INTO times SELECT machine, ?, at, kind, time_sum, tracked_sum, diff_sum,"
                " tracked_diff_sum, record_diff_sum, version, machine_tick FROM times"
                " WHERE machine = 1 AND id = 1",
                id_,
            )
        toggles(mach, 10)
        toggles(other, 10)
        with trio.fail_after(SOON):
            await history.sync()
            await well.sync()
        assert len(await well.find_latest(amh.Query())) == 10
        assert [r.id for r in await history.find_latest(amh.Query())] == [*range(20, 0, -1)]
        newest = (await history.find_latest(amh.Query(), limit=1))[0]
        assert newest.clock["Foo"] == mach.tick("Foo")
    assert history.dropped == 2
    assert well.dropped == 0
    assert len(errors) == 1


async def test_an_error_of_any_kind_in_the_thread_is_told_to_everybody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = []
    machines = [am.Machine(STATES, id=f"m{n}") for n in range(5)]

    class Unheard(BaseException):
        """Nobody expects this one."""

    def breaks(*args: Any) -> None:
        raise Unheard("out of the blue")

    async with trio.open_nursery() as nursery:
        histories = [amh.SqliteHistory(m, path, on_err=errors.append) for m in machines]
        for history in histories:
            await history.__aenter__()
        monkeypatch.setattr(_writer.Writer, "_write", breaks)

        async def syncs(history: amh.SqliteHistory) -> None:
            with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match="out of the blue"):
                await history.sync()

        for mach, history in zip(machines, histories, strict=True):
            mach.add("Foo")
            nursery.start_soon(syncs, history)
    monkeypatch.undo()
    for history in histories:
        with trio.fail_after(SOON):
            await history.aclose()
    assert len(errors) == 5
    assert {history.dropped for history in histories} == {1}
    # The next one begins anew.
    async with amh.SqliteHistory(machines[0], path) as again:
        machines[0].add("Many")
        await again.sync()
        assert len(await again.find_latest(amh.Query())) == 1


async def test_a_recorder_that_breaks_costs_the_others_nothing(path: Path) -> None:
    mach, other = am.Machine(STATES, id="m"), am.Machine(STATES, id="other")
    errors: list[Exception] = []
    async with (
        amh.SqliteHistory(mach, path, on_err=errors.append) as history,
        amh.SqliteHistory(other, path) as well,
    ):
        history._recorder.take = lambda: [][0]  # type: ignore[assignment, return-value]
        mach.add("Foo")
        other.add("Foo")
        with trio.fail_after(SOON), pytest.raises(amh.HistoryError, match="list index"):
            await history.sync()
        await well.sync()
        assert len(await well.find_latest(amh.Query())) == 1
    assert "list index" in str(errors[-1])


async def test_a_failed_opening_leaves_the_file_for_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Pages, "enter", lambda *args: 1 // 0)
        await refuses(path, "by zero")
    async with amh.SqliteHistory(am.Machine(STATES), path) as history:
        await history.sync()


async def test_sqlite_that_is_too_old_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tables, "OLDEST_SQLITE", (99,))
    await refuses(path, "need SQLite")
