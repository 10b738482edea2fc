"""What is written of a record, and what is kept when older ones are given up."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import am_helpers as amh
import am_machine as am
from am_helpers._history import _batch, _trail
from am_helpers._history._notes import Note
from am_helpers._history._tables import open_writer
from am_helpers._history._trail import Trail, differing

if TYPE_CHECKING:
    from pathlib import Path


def rows(path: Path, sql: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql, values).fetchall()


async def _record(path: Path, mach: am.Machine, count: int, **options: Any) -> int:
    """Make records of one change each and return the size of the file."""
    config = amh.HistoryConfig(**{"max_records": 10**6} | options)
    async with amh.SqliteHistory(mach, path, config) as history:
        for _ in range(count):
            mach.toggle("S7")
        assert history.dropped == 0
    return os.stat(path).st_size


@pytest.mark.trio
async def test_a_record_of_one_change_is_as_small_with_4000_states_as_with_10(
    tmp_path: Path,
) -> None:
    for states in (10, 4_000):
        path = tmp_path / f"{states}.sqlite"
        schema = am.Schema({f"S{i}": {} for i in range(states)})
        mach = am.Machine(schema, id="m")
        first = await _record(path, mach, 1_000)
        second = await _record(path, am.Machine(schema, id="m"), 3_000)
        assert (second - first) / 3_000 <= 400
        assert rows(path, "SELECT count(*) FROM ticks WHERE time_id > 1001") == [(2_999,)]
        keys = [key for (key,) in rows(path, "SELECT time_id FROM keyframes")]
        assert keys == [1, 1001, 2001, 3001]


@pytest.mark.trio
async def test_what_still_holds_is_kept_when_older_records_are_given_up(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    mach = am.Machine({f"S{i}": {} for i in range(50)}, id="m")
    mach.add("S1", "S2")
    await _record(path, mach, 2_500, max_records=100)
    with amh.HistoryFile(path) as file:
        records = file.records("m")
        assert [r.id for r in records] == [*range(2_500, 2_400, -1)]
        assert {(r.clock["S1"], r.clock["S3"]) for r in records} == {(1, 0)}
        assert len(file.records("m", amh.Query(active=("S2",), inactive=("S3",)))) == 100
        assert [r.clock["S7"] for r in records] == [*range(2_500, 2_400, -1)]
        assert file.records("m", amh.Query(activated=("S1",))) == []
    # One row a state that still holds, and one a record.
    assert rows(path, "SELECT count(*) FROM ticks") == [(51 + 99,)]
    assert rows(path, "SELECT count(*) FROM stretches") == [(1,)]
    assert rows(path, "SELECT count(*) FROM keyframes WHERE time_id <= 2401") == [(1,)]


def test_rotation_looks_only_at_states_that_moved(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "h.sqlite")) as db:
        values = {"machine": 1, "first": 1, "keep": 9}
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {_batch._PRUNE}", values)]
    found = "ticks_state (machine=? AND state=? AND time_id=?)"
    assert f"SEARCH ticks USING COVERING INDEX {found}" in plan
    assert "SEARCH ticks USING PRIMARY KEY (machine=? AND time_id>? AND time_id<?)" in plan
    held = "SEARCH older USING COVERING INDEX ticks_state (machine=? AND state=? AND time_id<?)"
    assert held in plan
    assert [step for step in plan if "SCAN" in step] == ["SCAN held"]


ticks = st.lists(st.integers(0, 3), min_size=1, max_size=40).map(tuple)


gained_ticks = st.dictionaries(st.integers(0, 45), st.integers(1, 3))
moved = st.tuples(gained_ticks, st.sampled_from((False,) * 9 + (True,)), st.integers(-9, 3))


@given(
    first=ticks,
    steps=st.lists(moved, max_size=12),
    sizes=st.lists(st.integers(1, 5)),
    many=st.sampled_from((0, 200)),
)
def test_a_trail_tells_what_moved(
    first: tuple[int, ...], steps: Any, sizes: list[int], many: int
) -> None:
    last, queue_tick = first, 1
    notes: list[Note] = []
    wanted: list[tuple[Any, ...]] = []
    for gains, is_new, grown in steps:
        before = (0,) * len(last) if is_new else last  # the source began anew
        queue_tick = 0 if is_new else queue_tick + 2
        after = list(before) + [0] * grown
        for i, gain in gains.items():
            if i < len(after):
                after[i] += gain
        notes.append(Note(len(notes), 0, "add", before, tuple(after), queue_tick, 0, None))
        known = (*last, *(0,) * (len(after) - len(last)))
        gained = {i: after[i] - (before[i] if i < len(before) else 0) for i in range(len(after))}
        moves = [(i, after[i], g) for i, g in gained.items() if after[i] != known[i] or g]
        wanted.append((moves, sum(after), sum(gained.values())))
        last = tuple(after)
    trail = Trail(first, 1, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_trail, "_MANY", many)
        found = []
        for size in (*sizes, len(notes)):
            found += trail.follow(notes[:size])
            del notes[:size]
    assert [([*s.moves], s.time_sum, s.diff_sum) for s in found] == wanted


@given(before=ticks, after=ticks)
def test_differing_ticks_are_found(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    size = min(len(before), len(after))
    before, after = before[:size] * 60, after[:size] * 60
    naive = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert differing(before, after) == naive
