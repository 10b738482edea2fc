"""What a record of `SqliteHistory` costs by the number of states, and how long questions take.

    python packages/am-helpers/bench/history.py size           seconds
    python packages/am-helpers/bench/history.py questions      minutes: it records a million

Each answer is compared with that of a list. On a busy computer only processor time tells something.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = timedelta(hours=1)


def toggles(mach: am.Machine, count: int) -> None:
    for _ in range(count // 2):
        mach.add("S7")
        mach.remove("S7")


async def size(path: Path, states: int, count: int = 20_000) -> tuple[float, float, float]:
    """Bytes, microseconds and microseconds of processor time a record of one change."""
    schema = am.Schema({f"S{i}": {} for i in range(states)})
    bare, mach = am.Machine(schema), am.Machine(schema)
    toggles(bare, 2_000)
    config = amh.HistoryConfig(max_records=10 * count)
    spent: list[float] = []
    used: list[float] = []
    async with amh.SqliteHistory(mach, path, config) as history:
        toggles(mach, 2)
        await history.sync()
        for _ in range(20):
            begin, of_cpu = time.perf_counter(), time.process_time()
            toggles(mach, count // 20)
            await history.sync()
            spent.append((time.perf_counter() - begin) / (count // 20))
            used.append((time.process_time() - of_cpu) / (count // 20))
            begin, of_cpu = time.perf_counter(), time.process_time()
            toggles(bare, count // 20)
            spent[-1] -= (time.perf_counter() - begin) / (count // 20)
            used[-1] -= (time.process_time() - of_cpu) / (count // 20)
        assert history.dropped == 0
    return os.stat(path).st_size / (count + 2), median(spent) * 1e6, median(used) * 1e6


def sizes() -> None:
    """Print C13."""
    print("| states | bytes a record | us a record | us of CPU |\n| ---: | ---: | ---: | ---: |")
    for states in (10, 100, 1_000, 4_000):
        with tempfile.TemporaryDirectory() as folder:
            size_, spent, used = trio.run(size, Path(folder, "h.sqlite"), states)
        print(f"| {states} | {size_:.0f} | {spent:.0f} | {used:.0f} |", flush=True)


# ------------------------------------------------------------------ questions

NAMES = ("Busy", "Rare", "Early", "Burst", "Many", "Slow")


class Row(NamedTuple):
    """A record as the list has it."""

    clock: tuple[int, ...]
    diff: tuple[int, ...]
    time_sum: int
    diff_sum: int


async def fill(path: Path, count: int) -> list[Row]:
    """Record a million transitions of six states."""
    rng = Random(3)
    mach = am.Machine({**{name: {} for name in NAMES}, "Many": {"multi": True}}, id="m")
    rows: list[Row] = []
    before = tuple(mach.time())
    config = amh.HistoryConfig(max_records=2 * count)
    async with amh.SqliteHistory(mach, path, config) as history:
        while len(rows) < count:
            n = len(rows)
            if n == count // 2 or n == count // 2 + 400:
                called = ["Rare"]
            elif n in (10, count // 100):
                called = ["Early"]
            elif count // 4 < n < count // 4 + 700:
                called = ["Burst", "Slow"] if n % 2 else ["Burst"]
            elif n % 50_000 == 17:
                called = ["Slow", "Many"]
            else:
                called = ["Many"] if rng.random() < 0.3 else ["Busy"]
            for name in called:
                if name == "Many" or mach.not_(name):
                    mach.add(*called)
                    break
            else:
                mach.remove(*called)
            after = tuple(mach.time())
            diff = tuple(a - b for a, b in zip(after, before, strict=True))
            rows.append(Row(after, diff, sum(after), sum(diff)))
            before = after
            if n % 5_000 == 4_999:
                await history.sync()
                print(f"\r{n + 1} recorded", end="", file=sys.stderr)
    return rows


def at(name: str) -> int:
    return NAMES.index(name)


def cases(rows: list[Row], times: list[datetime]) -> dict[str, tuple[dict[str, Any], Any]]:
    """Queries, each with the same as a predicate of (number, row)."""
    count = len(rows)
    odd = lambda name: lambda n, r: r.clock[at(name)] & 1  # noqa: E731
    even = lambda name: lambda n, r: not r.clock[at(name)] & 1  # noqa: E731
    entered = lambda name: lambda n, r: r.clock[at(name)] & 1 and r.diff[at(name)]  # noqa: E731
    left = lambda name: lambda n, r: not r.clock[at(name)] & 1 and r.diff[at(name)]  # noqa: E731
    found: dict[str, tuple[dict[str, Any], Any]] = {"everything": ({}, lambda n, r: True)}
    for name in NAMES:
        found[f"active {name}"] = ({"active": (name,)}, odd(name))
        found[f"inactive {name}"] = ({"inactive": (name,)}, even(name))
        found[f"activated {name}"] = ({"activated": (name,)}, entered(name))
        found[f"deactivated {name}"] = ({"deactivated": (name,)}, left(name))
        for place in (0.001, 0.3, 0.999):
            tick = rows[int(count * place)].clock[at(name)]
            least, most = max(0, tick - 20), tick
            bounds = {
                "start": amh.Bound(states=(name,), time=(least,)),
                "end": amh.Bound(states=(name,), time=(most,)),
            }
            i = at(name)
            found[f"tick of {name}, {place}"] = (
                bounds,
                lambda n, r, i=i, a=least, b=most: a <= r.clock[i] <= b,
            )

    def bound(field: str, least: Any, most: Any) -> dict[str, Any]:
        return {"start": amh.Bound(**{field: least}), "end": amh.Bound(**{field: most})}

    for place in (0.001, 0.5, 0.999):
        n = int(count * place)
        low, high = times[n], times[min(n + 50, count - 1)]
        found[f"at, {place}"] = (
            bound("at", low, high),
            lambda n, r, a=low, b=high: a <= times[n] <= b,
        )
        for field in ("time_sum", "tracked_sum"):
            value = rows[n].time_sum
            found[f"{field}, {place}"] = (
                bound(field, value, value + 100),
                lambda n, r, a=value: a <= r.time_sum <= a + 100,
            )
    for field in ("diff_sum", "tracked_diff_sum"):
        for least, most in ((1, 1), (2, 2), (3, 3), (1, 3), (0, 0), (4, 9)):
            found[f"{field} {least} to {most}"] = (
                bound(field, least, most),
                lambda n, r, a=least, b=most: a <= r.diff_sum <= b,
            )
    found["record_diff_sum 3"] = (
        bound("record_diff_sum", 3, 3),
        lambda n, r: n > 0 and r.diff_sum == 3,
    )
    found["machine_tick 0"] = (bound("machine_tick", 0, 0), lambda n, r: True)
    found["machine_tick 1"] = (bound("machine_tick", 1, 1), lambda n, r: False)
    # Conjunctions of which one member leaves no more than a thousand records.
    some: dict[str, tuple[dict[str, Any], Any]] = {
        "active Rare": ({"active": ("Rare",)}, odd("Rare")),
        "activated Burst": ({"activated": ("Burst",)}, entered("Burst")),
        "activated Slow": ({"activated": ("Slow",)}, entered("Slow")),
    }
    others: dict[str, tuple[dict[str, Any], Any]] = {
        "inactive Busy": ({"inactive": ("Busy",)}, even("Busy")),
        "deactivated Busy": ({"deactivated": ("Busy",)}, left("Busy")),
        "diff_sum 1": (bound("diff_sum", 1, 1), lambda n, r: r.diff_sum == 1),
        "the first half": (
            bound("at", times[0], times[count // 2]),
            lambda n, r: times[n] <= times[count // 2],
        ),
        "old sums": (
            bound("time_sum", 0, rows[count // 3].time_sum),
            lambda n, r: r.time_sum <= rows[count // 3].time_sum,
        ),
    }
    for few, (asked, is_few) in some.items():
        for many, (more, is_many) in others.items():
            found[f"{few} and {many}"] = (
                asked | more,
                lambda n, r, a=is_few, b=is_many: a(n, r) and b(n, r),
            )
    asked = {"active": ("Rare",), "inactive": ("Busy",), "deactivated": ("Busy",)}
    found["three at once"] = (
        asked,
        lambda n, r: odd("Rare")(n, r) and even("Busy")(n, r) and left("Busy")(n, r),
    )
    return found


def timed(ask: Callable[[], Any], runs: int = 7) -> tuple[float, float, Any]:
    """Least milliseconds, least of processor time, and the answer."""
    spent, used = [], []
    for _ in range(runs):
        begin, of_cpu = time.perf_counter(), time.thread_time()
        answer = ask()
        spent.append((time.perf_counter() - begin) * 1e3)
        used.append((time.thread_time() - of_cpu) * 1e3)
    return min(spent), min(used), answer


def questions(count: int = 1_000_000) -> None:
    """Print C14."""
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "h.sqlite")
        begin = time.perf_counter()
        rows = trio.run(fill, path, count)
        spent = time.perf_counter() - begin
        size_ = os.stat(path).st_size
        print(f"\r{count} recorded in {spent:.0f} s, {size_ / count:.0f} bytes each\n")
        print("| question | found | ms | ms of CPU |\n| :--- | ---: | ---: | ---: |")
        with amh.HistoryFile(path) as file:
            db: Any = file._reader._db
            every = "SELECT at FROM times ORDER BY id"
            epoch = datetime(1970, 1, 1, tzinfo=UTC)
            times = [epoch + timedelta(microseconds=a) for (a,) in db.execute(every)]
            for name, (query, fits) in cases(rows, times).items():
                spent, used, found = timed(
                    lambda q=query: file.records("m", amh.Query(**q), limit=100)
                )
                wanted: list[int] = []
                for n in range(count - 1, -1, -1):
                    if fits(n, rows[n]):
                        wanted.append(n + 1)
                        if len(wanted) == 100:
                            break
                assert [r.id for r in found] == wanted, name
                assert all(r.tracked_time == rows[r.id - 1].clock for r in found), name
                assert all(r.tracked_diff == rows[r.id - 1].diff for r in found), name
                slow += spent > 5
                print(f"| {name} | {len(found)} | {spent:.2f} | {used:.2f} |", flush=True)
            for name in NAMES:
                for first, last in ((0, count - 1), (count // 2, count // 2 + 10), (5, 6)):
                    low, high = times[first], times[last]
                    inside = rows[first : last + 1]
                    held = [r.clock[at(name)] for r in rows[max(0, first - 1) : last + 1]]
                    moved = [r.clock[at(name)] for r in inside if r.diff[at(name)]]
                    answers = {
                        "active": any(t & 1 for t in held),
                        "inactive": any(not t & 1 for t in held),
                        "activated": any(t & 1 for t in moved),
                        "deactivated": any(not t & 1 for t in moved),
                    }
                    for condition, answer in answers.items():
                        ask = (condition, name, *(round((t - epoch) / timedelta(microseconds=1))
                                                  for t in (low, high)))  # fmt: skip
                        spent, used, found = timed(lambda a=ask: file._reader.between("m", *a))
                        unclear = (
                            low == times[max(0, first - 1)]
                            or times[last] == times[min(count - 1, last + 1)]
                        )  # several records at one moment
                        assert found is answer or unclear, (ask, found)
                        slow += spent > 5
                        label = f"{condition} {name} in {last - first + 1} records"
                        print(f"| {label} | {found} | {spent:.2f} | {used:.2f} |", flush=True)
    print(f"\n{slow} questions took more than 5 ms")


if __name__ == "__main__":
    {"size": sizes, "questions": questions}[sys.argv[1]](*map(int, sys.argv[2:]))
