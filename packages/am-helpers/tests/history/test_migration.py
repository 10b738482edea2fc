"""Bringing a machine back whose schema has changed since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio

OLD: dict[str, Any] = {"Start": {}, "Loading": {}, "Legacy": {}}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A file with a machine of the old schema, in which all is active."""
    path = tmp_path / "h.sqlite"
    mach = am.Machine(OLD, id="m")
    async with amh.SqliteHistory(mach, path):
        mach.add("Start", "Loading", "Legacy")
        mach.remove("Loading")
        mach.add("Loading")
    return path


async def restored(path: Path, schema: Any, **migrate: str | None) -> dict[str, int]:
    snapshot, compiled = await amh.load_machine(path, "m", schema, migrate=migrate)
    assert snapshot.state_names == compiled.names
    mach = am.Machine.restore(snapshot, compiled)
    assert mach.machine_tick == 1
    return mach.clock()


async def test_new_states_are_inactive_with_tick_0(path: Path) -> None:
    clock = await restored(path, {"New": {}, **OLD})
    assert clock == {"New": 0, "Start": 1, "Loading": 3, "Legacy": 1, "Exception": 0}
    assert next(iter(clock)) == "New"


async def test_states_may_come_in_another_order(path: Path) -> None:
    clock = await restored(path, dict(reversed(OLD.items())))
    assert list(clock.items())[:3] == [("Legacy", 1), ("Loading", 3), ("Start", 1)]


async def test_all_vanished_states_are_listed(path: Path) -> None:
    with pytest.raises(amh.HistoryError, match="Loading, Legacy; say by migrate"):
        await restored(path, {"Start": {}})


async def test_renamed_states_keep_their_ticks_and_given_up_ones_go(path: Path) -> None:
    clock = await restored(path, {"Start": {}, "Fetching": {}}, Loading="Fetching", Legacy=None)
    assert clock == {"Start": 1, "Fetching": 3, "Exception": 0}


async def test_names_may_be_swapped(path: Path) -> None:
    clock = await restored(path, OLD, Start="Loading", Loading="Start")
    assert (clock["Start"], clock["Loading"]) == (3, 1)


async def test_a_mapping_may_name_states_that_were_never_there(path: Path) -> None:
    assert (await restored(path, OLD, Ancient="Start"))["Start"] == 1


async def test_a_new_name_that_is_not_in_the_schema_is_told(path: Path) -> None:
    with pytest.raises(amh.HistoryError, match=r"Legacy \(now Typo, which is not there\)"):
        await restored(path, {"Start": {}, "Loading": {}}, Legacy="Typo")


async def test_two_states_cannot_become_one(path: Path) -> None:
    with pytest.raises(amh.HistoryError, match="Loading and Legacy as Loading"):
        await restored(path, {"Start": {}, "Loading": {}}, Legacy="Loading")


async def test_histories_in_memory_migrate_too() -> None:
    mach = am.Machine(OLD, id="m")
    async with amh.MemoryHistory(mach) as history:
        mach.add("Start")
        snapshot, schema = await amh.load_machine(history, "m", {**OLD, "New": {}})
    assert am.Machine.restore(snapshot, schema).clock()["New"] == 0


async def test_what_is_restored_goes_on_in_the_same_file(path: Path) -> None:
    schema = {"Start": {}, "Fetching": {}}
    snapshot, compiled = await amh.load_machine(
        path, "m", schema, migrate={"Loading": "Fetching", "Legacy": None}
    )
    mach = am.Machine.restore(snapshot, compiled)
    async with amh.SqliteHistory(mach, path) as history:
        mach.remove("Fetching")
        await history.sync()
        newest, *older = await history.find_latest(amh.Query())
        assert [r.id for r in older] == [3, 2, 1]
        assert newest.clock == {"Start": 1, "Fetching": 4, "Exception": 0}
        # The name counts where it was tracked.
        assert len(await history.find_latest(amh.Query(active=("Loading",)))) == 2
        assert [r.id for r in await history.find_latest(amh.Query(inactive=("Fetching",)))] == [4]
    with amh.HistoryFile(path) as file:
        assert file.machines()[0].machine_tick == 1
