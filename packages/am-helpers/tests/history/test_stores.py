"""One store for a file and process, shared by its histories; one writer for a machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_helpers as amh
import am_machine as am
from am_helpers._history import _claims, _writer
from am_helpers._history._transactions import Pages

if TYPE_CHECKING:
    from pathlib import Path

from .files import rows
from .writer_threads import left_over, running

STATES: dict[str, Any] = {"Foo": {}, "Many": {"multi": True}}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.mark.trio
async def test_a_file_has_one_store_by_whatever_name_it_is_reached(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = amh.SqliteStore(path)
    os.symlink(path, path.parent / "link")
    monkeypatch.chdir(path.parent)
    assert amh.SqliteStore("link") is store
    assert amh.SqliteStore("h.sqlite") is store
    assert amh.SqliteStore("other") is not store
    assert store.path == path


@pytest.mark.trio
async def test_a_relative_path_is_that_of_the_moment_it_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    history = amh.SqliteHistory(am.Machine(STATES), "h.sqlite")
    monkeypatch.chdir("/")
    async with history:
        assert history.path == path
        assert history.machine_record.next_id == 1


@pytest.mark.trio
async def test_histories_share_one_thread_and_two_connections(path: Path) -> None:
    store = amh.SqliteStore(path)
    machines = [am.Machine(STATES, id=f"m{n}") for n in range(50)]
    before = descriptors()
    async with AsyncExitStack() as stack:
        histories = [
            await stack.enter_async_context(amh.SqliteHistory(mach, store if n % 2 else path))
            for n, mach in enumerate(machines)
        ]
        for mach in machines:
            mach.add("Foo")
        await store.sync()
        for history in histories:
            assert [r.id for r in await history.find_latest(amh.Query())] == [1]
        assert len(running()) == 1
        if before:  # a connection has the file, its log and its memory
            assert descriptors() - before <= 8
    assert rows(path, "SELECT count(*) FROM times") == [(50,)]


@pytest.mark.trio
async def test_what_many_machines_did_is_one_transaction(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    original = Pages.write

    def counted(self: Pages, members: Any) -> Any:
        batches.append(len(members))
        return original(self, members)

    monkeypatch.setattr(Pages, "write", counted)
    machines = [am.Machine(STATES, id=f"m{n}") for n in range(300)]
    async with AsyncExitStack() as stack, amh.SqliteStore(path) as store:
        for mach in machines:
            await stack.enter_async_context(amh.SqliteHistory(mach, store))
        monkeypatch.setattr(_writer, "BATCH", 10**6)
        monkeypatch.setattr(_writer, "BATCH_DELAY", 10**6)
        for mach in machines:
            mach.add("Foo")
        await store.sync()
        assert batches == [300]
        await stack.aclose()


@pytest.mark.trio
async def test_a_store_stays_open_between_its_histories(path: Path) -> None:
    async with amh.SqliteStore(path) as store:
        (thread,) = running()
        for n in range(3):
            mach = am.Machine(STATES, id=f"m{n}")
            async with amh.SqliteHistory(mach, store):
                mach.add("Foo")
            assert running() == [thread]
        await store.sync()
    assert left_over() == []
    await store.sync()
    assert rows(path, "SELECT count(*), count(writer) FROM machines") == [(3, 0)]


@pytest.mark.trio
async def test_a_store_is_opened_again_after_its_last_history(path: Path) -> None:
    store = amh.SqliteStore(path)
    mach = am.Machine(STATES, id="m")
    for n in range(1, 4):
        async with amh.SqliteHistory(mach, store) as history:
            mach.add("Many")
            await history.sync()
            assert len(await history.find_latest(amh.Query())) == n
        assert left_over() == []


@pytest.mark.trio
async def test_histories_that_come_and_go_at_once_lose_nothing(path: Path) -> None:
    async def session(n: int) -> None:
        mach = am.Machine(STATES, id=f"m{n}")
        for _ in range(5):
            async with amh.SqliteHistory(mach, path) as history:
                mach.add("Many")
                if n % 2:
                    await history.sync()
                    await history.find_latest(amh.Query(), limit=1)

    async with trio.open_nursery() as nursery:
        for n in range(10):
            nursery.start_soon(session, n)
    assert rows(path, "SELECT count(*), max(id) FROM times") == [(50, 5)]


@pytest.mark.trio
async def test_cancelled_openings_and_closings_leave_nothing_open(path: Path) -> None:
    mach = am.Machine(STATES, id="m")
    with trio.CancelScope() as scope:
        async with amh.SqliteHistory(mach, path):
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert left_over() == []
    with trio.CancelScope() as scope:
        scope.cancel()
        async with amh.SqliteStore(path):
            pass
    assert left_over() == []


@pytest.mark.trio
async def test_a_disposed_machine_frees_its_id_while_others_go_on(path: Path) -> None:
    mach, other = am.Machine(STATES, id="m"), am.Machine(STATES, id="other")
    async with amh.SqliteHistory(mach, path) as history, amh.SqliteHistory(other, path):
        mach.add("Foo")
        mach.dispose()
        again = am.Machine(STATES, id="m")
        async with amh.SqliteHistory(again, path) as goes_on:
            again.add("Foo")
            await goes_on.sync()
            assert len(await goes_on.find_latest(amh.Query())) == 2
        await history.sync()
    assert history.dropped == goes_on.dropped == 0


# ------------------------------------------------------------------- one writer to a machine


async def refuses(path: Path, match: str, **options: Any) -> None:
    with pytest.raises(amh.HistoryError, match=match):
        async with amh.SqliteHistory(am.Machine(STATES, id="m"), path, **options):
            pytest.fail("opened")


@pytest.mark.trio
async def test_a_machine_has_one_history_in_a_file(path: Path) -> None:
    mach = am.Machine(STATES, id="m")
    async with amh.SqliteHistory(mach, path) as history:
        await refuses(path, "'m' has a history already")
        mach.add("Foo")
        await history.sync()
        assert len(await history.find_latest(amh.Query())) == 1
    assert history.dropped == 0


def claim(path: Path, host: str, pid: int, start: str) -> None:
    rows(path, "INSERT INTO writers VALUES (77, ?, ?, ?)", host, pid, start)
    rows(path, "UPDATE machines SET writer = 77")


@pytest.mark.trio
async def test_a_machine_that_another_process_records_is_refused(path: Path) -> None:
    mach = am.Machine(STATES, id="m")
    async with amh.SqliteHistory(mach, path):
        mach.add("Foo")
    parent = os.getppid()
    claim(path, platform.node(), parent, _claims._start_of(parent) or "")
    await refuses(path, f"'m' is being recorded by process {parent} on ")
    async with amh.SqliteHistory(am.Machine(STATES, id="m"), path, take_over=True) as history:
        assert history.machine_record.next_id == 2


@pytest.mark.trio
@pytest.mark.parametrize("start", ["boot+1", ""])
async def test_a_dead_writer_is_taken_over_from(path: Path, start: str) -> None:
    mach = am.Machine(STATES, id="m")
    async with amh.SqliteHistory(mach, path):
        mach.add("Foo")
    pid = 2**22 + 1  # beyond what Linux gives out
    claim(path, platform.node(), pid, start)
    async with amh.SqliteHistory(mach, path) as history:
        mach.add("Many")
        await history.sync()
        assert len(await history.find_latest(amh.Query())) == 2
    # One row a writer that is needed, and none at the end.
    assert rows(path, "SELECT count(*) FROM machines WHERE writer IS NOT NULL") == [(0,)]


@pytest.mark.trio
async def test_a_number_given_to_another_process_since_is_no_writer(path: Path) -> None:
    mach = am.Machine(STATES, id="m")
    async with amh.SqliteHistory(mach, path):
        mach.add("Foo")
    claim(path, platform.node(), os.getppid(), "before+1")
    async with amh.SqliteHistory(mach, path):
        mach.add("Many")


@pytest.mark.trio
async def test_a_writer_on_another_host_has_to_be_vouched_for(path: Path) -> None:
    mach = am.Machine(STATES, id="m")
    async with amh.SqliteHistory(mach, path):
        mach.add("Foo")
    claim(path, "elsewhere", 1, "x")
    await refuses(path, "process 1 on 'elsewhere'.*take_over")
    async with amh.SqliteHistory(mach, path, take_over=True):
        mach.add("Many")
    assert rows(path, "SELECT count(*) FROM times") == [(2,)]


@pytest.mark.trio
async def test_a_store_without_machines_keeps_its_name_when_others_clear_up(path: Path) -> None:
    async with amh.SqliteStore(path) as store:
        for n in range(2):
            mach = am.Machine(STATES, id="m")
            async with amh.SqliteHistory(mach, store) as history:
                mach.add("Foo")
                await history.sync()
                sql = "SELECT pid FROM machines JOIN writers ON writers.id = writer"
                assert rows(path, sql) == [(os.getpid(),)]
            if not n:  # another process opens the file
                rows(path, "DELETE FROM writers")
                rows(path, "INSERT INTO writers VALUES (NULL, 'elsewhere', 5, 'x')")
    assert rows(path, "SELECT count(*) FROM times") == [(2,)]


@pytest.mark.trio
async def test_a_machine_taken_over_from_a_living_writer_is_told_there(path: Path) -> None:
    errors: list[Exception] = []
    mach, other = am.Machine(STATES, id="m"), am.Machine(STATES, id="other")
    async with (
        amh.SqliteHistory(mach, path, on_err=errors.append) as history,
        amh.SqliteHistory(other, path) as well,
    ):
        rows(path, "INSERT INTO writers VALUES (77, 'elsewhere', 5, 'x')")
        rows(path, "UPDATE machines SET writer = 77 WHERE machine_id = 'm'")
        mach.add("Foo")
        other.add("Foo")
        with pytest.raises(amh.HistoryError, match="taken over by process 5 on 'elsewhere'"):
            await history.sync()
        await well.sync()
        assert await history.find_latest(amh.Query()) == []
        assert len(await well.find_latest(amh.Query())) == 1
    assert (history.dropped, well.dropped, len(errors)) == (1, 0, 1)


def test_a_process_that_ended_and_was_not_waited_for_is_dead() -> None:
    own = _claims.own_claim()
    assert _claims.is_alive(own)
    if not own.start:
        pytest.skip("no /proc")
    pid = os.posix_spawn("/bin/true", ["true"], {})
    try:
        end = time.monotonic() + 10
        while _claims._start_of(pid) is not None and time.monotonic() < end:
            os.sched_yield()
        assert _claims.is_alive(_claims.Claim(own.host, pid, own.start)) is False
    finally:
        os.waitpid(pid, 0)


def test_where_starts_cannot_be_asked_the_number_alone_tells() -> None:
    host = platform.node()
    assert _claims.is_alive(_claims.Claim(host, os.getpid(), "")) is True
    assert _claims.is_alive(_claims.Claim(host, 2**22 + 1, "")) is False
    assert _claims.is_alive(_claims.Claim(host, -1, "")) is None
    assert _claims.is_alive(_claims.Claim("elsewhere", 1, "")) is None


def test_a_forked_child_shares_no_store(path: Path) -> None:
    code = """
import os, sys
import am_helpers as amh
from am_helpers._history import _store
store = amh.SqliteStore(sys.argv[1])
if not (pid := os.fork()):
    os._exit(0 if not _store._stores and amh.SqliteStore(sys.argv[1]) is not store else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code, path], check=True, timeout=60)
