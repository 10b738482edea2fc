"""Records read back as they were written, whatever became of the schema since; queries too.

The oracle is a list of what a tracer saw, filtered in Python.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

import am_helpers as amh
import am_machine as am
from am_helpers._history import _batch, _search

if TYPE_CHECKING:
    from collections.abc import Callable

POOL = ("A", "B", "C", "D", "E", "F", "G")
WIDE = range(0, 40)


class Seen(NamedTuple):
    """A transition as it should be in the file."""

    clock: dict[str, int]
    diff: dict[str, int]
    time_sum: int
    diff_sum: int
    machine_tick: int


class Oracle(am.Tracer):
    """Keeps what should be recorded."""

    def __init__(self, tracked: tuple[str, ...] | None, changed: tuple[str, ...]) -> None:
        self.tracked, self.changed = tracked, changed
        self.seen: list[Seen] = []

    def transition_end(self, tx: am.Transition) -> None:
        names = list(tx.machine.schema)
        before, after = list(tx.time_before), list(tx.time_after)
        before += [0] * (len(after) - len(before))
        diff = {n: a - b for n, a, b in zip(names, after, before, strict=True)}
        if not tx.accepted or (self.changed and not any(diff[n] for n in self.changed)):
            return
        clock = dict(zip(names, after, strict=True))
        tracked = list(dict.fromkeys((*(self.tracked or names), *self.changed)))
        tracked = names if self.tracked is None else tracked
        self.seen.append(
            Seen(
                {n: clock[n] for n in tracked},
                {n: diff[n] for n in tracked},
                sum(after),
                sum(after) - sum(before),
                tx.machine.machine_tick,
            )
        )


session = st.fixed_dictionaries(
    {
        "names": st.lists(st.sampled_from(POOL), min_size=1, unique=True),
        "multi": st.sets(st.sampled_from(POOL)),
        "tracked": st.none() | st.sets(st.sampled_from(POOL), min_size=1),
        "changed": st.none() | st.sampled_from(POOL),
        "is_restored": st.booleans(),
        "grown": st.none() | st.sampled_from(POOL),
        "calls": st.lists(
            st.tuples(st.sampled_from(("add", "remove", "set")), st.sampled_from(POOL)),
            max_size=12,
        ),
        "max_records": st.sampled_from((1000, 1000, 7)),
    }
)


async def record(path: Path, settings_: dict[str, Any], seen: list[Seen]) -> None:
    """Run one session of the machine, with a schema of its own."""
    names = settings_["names"]
    schema = am.Schema({name: {"multi": name in settings_["multi"]} for name in names})
    mach = am.Machine(schema, id="m")
    if settings_["is_restored"] and seen:
        snapshot, _ = await amh.load_machine(
            path, "m", schema, migrate={name: None for name in POOL if name not in names}
        )
        mach = am.Machine.restore(snapshot, schema)
    tracked = settings_["tracked"]
    listed = None if tracked is None else (tuple(n for n in names if n in tracked) or None)
    changed = tuple(n for n in names if n == settings_["changed"])
    config = amh.HistoryConfig(
        tracked=listed, changed=changed, max_records=settings_["max_records"]
    )
    oracle = Oracle(listed, changed)
    async with amh.SqliteHistory(mach, path, config) as history:
        mach.bind_tracer(oracle)
        for number, (kind, name) in enumerate(settings_["calls"]):
            if number == 5 and settings_["grown"] not in (None, *names):
                grown = settings_["grown"]
                amh.copy_schema({grown: {"multi": grown in settings_["multi"]}}, mach, [grown])
            if name in mach.schema:
                getattr(mach, kind)(name)
            if number % 4 == 3:
                await history.sync()
    seen += oracle.seen
    # What is given up is that which the last session lets go.
    if len(seen) > config.max_records * 1.1:
        del seen[: -config.max_records]


def naive(seen: list[Seen], first_id: int, keep: Callable[[Seen], bool]) -> list[int]:
    return [first_id + i for i, one in enumerate(seen) if keep(one)][::-1]


def conditions(draw: Any, names: list[str]) -> tuple[dict[str, Any], Callable[[Seen], bool]]:
    """A query, and the same as a predicate."""
    lists = {
        name: tuple(draw(st.lists(st.sampled_from(names), max_size=size, unique=True)))
        for name, size in (("active", 2), ("inactive", 1), ("activated", 1), ("deactivated", 1))
    }
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    for field in ("time_sum", "diff_sum", "tracked_diff_sum", "machine_tick", "tracked_sum"):
        if draw(st.integers(0, 4)) == 0:
            low[field] = draw(st.sampled_from(WIDE))
            high[field] = low[field] + draw(st.sampled_from((0, 1, 5, 50)))
    bounded = draw(st.none() | st.sampled_from(names))
    if bounded:
        low["states"] = high["states"] = (bounded,)
        low["time"] = (draw(st.integers(0, 5)),)
        high["time"] = (low["time"][0] + draw(st.integers(0, 5)),)

    def keep(one: Seen) -> bool:
        clock, diff = one.clock, one.diff
        numbers = {
            "time_sum": one.time_sum,
            "diff_sum": one.diff_sum,
            "machine_tick": one.machine_tick,
            "tracked_sum": sum(clock.values()),
            "tracked_diff_sum": sum(diff.values()),
        }
        return (
            all(n in clock and clock[n] % 2 for n in lists["active"])
            and all(n in clock and not clock[n] % 2 for n in lists["inactive"])
            and all(n in clock and clock[n] % 2 and diff[n] for n in lists["activated"])
            and all(n in clock and not clock[n] % 2 and diff[n] for n in lists["deactivated"])
            and all(low[f] <= numbers[f] <= high[f] for f in numbers if f in low)
            and (
                not bounded
                or (bounded in clock and low["time"][0] <= clock[bounded] <= high["time"][0])
            )
        )

    return {**lists, "start": amh.Bound(**low), "end": amh.Bound(**high)}, keep


ten_sessions = st.lists(session, min_size=10, max_size=10)


@settings(max_examples=15, deadline=None)
@given(sessions=ten_sessions, data=st.data())
def test_ten_schema_versions_over_one_file_read_back_as_written(
    sessions: list[dict[str, Any]], data: st.DataObject
) -> None:
    check_versions(sessions, data)


@pytest.mark.nightly
@settings(max_examples=150, deadline=None)
@given(sessions=ten_sessions, data=st.data())
def test_ten_schema_versions_over_one_file_many_times(
    sessions: list[dict[str, Any]], data: st.DataObject
) -> None:
    check_versions(sessions, data)


def check_versions(sessions: list[dict[str, Any]], data: st.DataObject) -> None:
    """Record the sessions, and compare what is read with what was seen."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_batch, "KEYFRAME", data.draw(st.sampled_from((1, 3, 1000))))
        patch.setattr(_search, "FEW", data.draw(st.sampled_from((0, 3, 1000))))
        patch.setattr(_search, "_MANY_VALUES", data.draw(st.sampled_from((0, 200))))
        path = Path(folder, "h.sqlite")
        seen: list[Seen] = []
        for each in sessions:
            trio.run(record, path, each, seen)
        with amh.HistoryFile(path) as file:
            records = file.records("m")[::-1]
            assert [r.clock for r in records] == [one.clock for one in seen]
            assert [dict(zip(r.states, r.tracked_diff, strict=True)) for r in records] == [
                one.diff for one in seen
            ]
            assert [(r.time_sum, r.diff_sum, r.machine_tick) for r in records] == [
                (one.time_sum, one.diff_sum, one.machine_tick) for one in seen
            ]
            assert [r.tracked_sum for r in records] == [sum(o.clock.values()) for o in seen]
            if not seen:
                return
            names = sorted({name for one in seen for name in one.clock})
            for _ in range(5):
                query, keep = conditions(data.draw, names)
                found = [r.id for r in file.records("m", amh.Query(**query))]
                assert found == naive(seen, records[0].id, keep)
                few = [r.id for r in file.records("m", amh.Query(**query), limit=2)]
                assert few == found[:2]


async def _between(path: Path, state: str, start: datetime, end: datetime) -> list[bool]:
    mach = am.Machine({"Z": {}}, id="m")
    async with amh.SqliteHistory(mach, path) as history:
        return [
            await ask(state, start, end)
            for ask in (history.active_between, history.inactive_between,
                        history.activated_between, history.deactivated_between)
        ]  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(sessions=st.lists(session, min_size=2, max_size=4), data=st.data())
def test_the_between_questions_know_versions_too(
    sessions: list[dict[str, Any]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "h.sqlite")
        for each in sessions:
            trio.run(record, path, each, [])
        with amh.HistoryFile(path) as file:
            records = file.records("m")[::-1]
        if not records:
            return
        state = data.draw(st.sampled_from(sorted({n for r in records for n in r.states})))
        ends = [data.draw(st.sampled_from(records)).at for _ in range(2)]
        start, end = sorted(ends)
        start += timedelta(microseconds=data.draw(st.integers(-1, 1)))
        inside = [r for r in records if start <= r.at <= end]
        before = [r for r in records if r.at < start][-1:] if start <= end else []
        held = [r.clock[state] for r in (*before, *inside) if state in r.states]
        moved = [
            r.clock[state]
            for r in inside
            if state in r.states and r.tracked_diff[r.states.index(state)]
        ]
        assert trio.run(_between, path, state, start, end) == [
            any(t % 2 for t in held),
            any(not t % 2 for t in held),
            any(t % 2 for t in moved),
            any(not t % 2 for t in moved),
        ]


async def _sessions(path: Path, *schemas: dict[str, Any], **options: Any) -> None:
    for schema in schemas:
        mach = am.Machine(schema, id="m")
        async with amh.SqliteHistory(mach, path, amh.HistoryConfig(**options)):
            mach.add("A")


@pytest.mark.trio
async def test_a_state_put_in_front_makes_old_records_say_nothing_wrong(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    await _sessions(path, {"A": {}}, {"New": {}, "A": {}})
    with amh.HistoryFile(path) as file:
        newer, older = file.records("m")
        assert older.clock == {"A": 1, "Exception": 0}
        assert newer.clock == {"New": 0, "A": 1, "Exception": 0}
        assert [r.id for r in file.records("m", amh.Query(active=("A",)))] == [2, 1]
        assert [r.id for r in file.records("m", amh.Query(inactive=("New",)))] == [2]
        with pytest.raises(amh.QueryError, match="Never"):
            file.records("m", amh.Query(active=("Never",)))


@pytest.mark.trio
async def test_a_machine_that_grew_while_it_was_recorded_can_be_restored(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    mach = am.Machine({"A": {}}, id="m")
    config = amh.HistoryConfig(store_schema=True)
    async with amh.SqliteHistory(mach, path, config) as history:
        mach.add("A")
        amh.copy_schema({"B": {"multi": True}}, mach, ["B"])
        mach.add("B")
        await history.sync()
    snapshot, schema = await amh.load_machine(path, "m")
    again = am.Machine.restore(snapshot, schema)
    assert again.clock() == mach.clock()
    assert schema["B"].multi


@pytest.mark.trio
async def test_a_state_that_was_grown_just_now_has_no_records_yet(tmp_path: Path) -> None:
    mach = am.Machine({"A": {}}, id="m")
    now = datetime.now(UTC)
    async with amh.SqliteHistory(mach, tmp_path / "h.sqlite") as history:
        amh.copy_schema({"B": {}}, mach, ["B"])
        assert await history.find_latest(amh.Query(inactive=("B",))) == []
        assert not await history.inactive_between("B", now, now)
        with pytest.raises(amh.QueryError, match="not tracked: C"):
            await history.find_latest(amh.Query(active=("B", "C")))


@pytest.mark.trio
async def test_machines_with_the_same_schema_share_a_version(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    await _sessions(path, {"A": {}}, {"A": {}}, store_schema=True)
    other = am.Machine({"A": {}}, id="other")
    async with amh.SqliteHistory(other, path, amh.HistoryConfig(store_schema=True)):
        other.add("A")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM versions").fetchone() == (1,)
        assert db.execute("SELECT count(DISTINCT version) FROM times").fetchone() == (1,)


@pytest.mark.trio
async def test_a_stored_schema_is_not_that_of_other_states(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    await _sessions(path, {"A": {}}, store_schema=True)
    await _sessions(path, {"A": {}})
    assert (await amh.load_machine(path, "m"))[1].names == ("A", "Exception")
    await _sessions(path, {"A": {}, "B": {}})
    with pytest.raises(amh.HistoryError, match="no schema"):
        await amh.load_machine(path, "m")


@pytest.mark.trio
async def test_files_of_format_1_are_restored_from_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE machines (id, machine_id, state_names, tracked, schema,"
            " first_tracking, last_tracking, last_sync, time, time_sum, queue_tick, machine_tick,"
            " next_id); PRAGMA user_version = 1; INSERT INTO machines VALUES (1, 'm',"
            """ '["A", "Exception"]', '["A"]', '{"A": {}, "Exception": {"multi": true}}',"""
            " 0, 0, 0, '[3, 0]', 3, 4, 0, 2);"
        )
    snapshot, schema = await amh.load_machine(path, "m")
    assert am.Machine.restore(snapshot, schema).clock() == {"A": 3, "Exception": 0}
    for use in (amh.HistoryFile, lambda path: amh.SqliteHistory(am.Machine({"A": {}}), path)):
        with pytest.raises(amh.HistoryError, match=r"format 1.*load_machine"):
            async with use(path):
                pytest.fail("opened")
