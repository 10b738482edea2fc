"""Acceptance 13: one suite for both histories, and a brute-force oracle."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh
import am_machine as am
from am_helpers._history._recorder import tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.trio

STATES: dict[str, Any] = {
    "Foo": {},
    "Bar": {"require": ["Foo"]},
    "Many": {"multi": True},
    "Noise": {},
}
HOUR = timedelta(hours=1)


def ago() -> datetime:
    return datetime.now(UTC) - HOUR


def hence() -> datetime:
    return datetime.now(UTC) + HOUR


@pytest.fixture(params=["memory", "sqlite"])
def attach(request: Any, tmp_path: Path) -> Callable[..., Any]:
    """Open a history of one kind or the other."""

    @asynccontextmanager
    async def opened(
        mach: am.Machine, config: amh.HistoryConfig | None = None, **options: Any
    ) -> AsyncIterator[Any]:
        if request.param == "memory":
            async with amh.MemoryHistory(mach, config, **options) as memory:
                yield memory
        else:
            async with amh.SqliteHistory(mach, tmp_path / "h.sqlite", config, **options) as file:
                yield file

    return opened


async def found(history: Any, **query: Any) -> list[amh.TimeRecord]:
    await history.sync()
    records: list[amh.TimeRecord] = await history.find_latest(amh.Query(**query))
    return records


class Clockwork:
    """A settable time of day for records."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        for name in (
            "time",
            "am_machine._engine.fast_path",
            "am_machine._engine.machine",
            "am_machine._engine.queueing",
            "am_machine._watch.journal",
        ):
            monkeypatch.setattr(f"{name}.time_ns", self.time_ns)

    def time_ns(self) -> int:
        return (self.now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    return Clockwork(monkeypatch)


async def test_records_hold_clocks_and_differences(machine: Any, attach: Any) -> None:
    mach = machine(STATES)
    async with attach(mach, amh.HistoryConfig(tracked=("Foo", "Many"))) as history:
        mach.add("Foo", "Noise")
        mach.add("Many")
        mach.add("Many")
        mach.set("Bar")
        records = await found(history)
    assert [r.id for r in records] == [3, 2, 1]
    assert isinstance(history, amh.HistoryApi)
    latest = records[0]
    assert latest.kind == "add"
    assert (latest.tracked_time, latest.tracked_diff) == ((1, 3), (0, 2))
    assert (latest.time_sum, latest.tracked_sum) == (5, 4)
    assert (latest.diff_sum, latest.tracked_diff_sum, latest.record_diff_sum) == (2, 2, 2)
    assert records[-1].record_diff_sum == 0
    assert records[-1].diff_sum == 2
    assert latest.at.utcoffset() == timedelta(0)
    assert latest.transition is None


async def test_canceled_and_checks_are_not_recorded_unless_wanted(
    machine: Any, attach: Any
) -> None:
    mach = machine(STATES)
    async with attach(mach) as history:
        mach.add("Bar")
        mach.can_add("Foo")
        assert await found(history) == []
    rejected = machine(STATES, id="rejected")
    async with attach(rejected, amh.HistoryConfig(track_rejected=True)) as history:
        rejected.add("Bar")
        rejected.can_add("Foo")
        (record,) = await found(history)
        assert record.diff_sum == 0


async def test_a_failed_final_is_recorded(machine: Any, attach: Any) -> None:
    def broken(event: am.Event) -> None:
        raise OSError("disk")

    mach = machine(STATES, handlers={"FooState": broken})
    config = amh.HistoryConfig(store_transitions=True)
    async with attach(mach, config) as history:
        mach.add("Foo")
        await history.sync()
        error, failed = await history.find_latest(amh.Query(), with_tx=True)
    assert failed.transition.is_broken
    assert not failed.transition.is_accepted
    assert failed.tracked_time[0] == 2
    assert error.transition.source_machine == mach.id


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4]),
    ({"called": ("Many",)}, [3]),
    ({"called": ("Many",), "called_exclude": True}, [1, 2, 4]),
    ({"changed": ("Foo",)}, [1, 4]),
    ({"changed": ("Foo",), "changed_exclude": True}, [2, 3]),
    ({"called": ("Many",), "changed": ("Foo",)}, [1, 3, 4]),
    ({"called": ("Foo",), "called_exclude": True, "changed": ("Many",)}, [3]),
    ({"called": ("Foo",), "changed": ("Bar",), "changed_exclude": True}, [1]),
]


@pytest.mark.parametrize(("config", "expected"), FILTERS)
async def test_filters_decide_what_is_recorded(
    machine: Any, attach: Any, config: dict[str, Any], expected: list[int]
) -> None:
    mach = machine(STATES)
    settings = amh.HistoryConfig(tracked=("Noise",), **config)
    async with attach(mach, settings) as history:
        mach.add("Foo")
        mach.add("Bar")
        mach.add("Many")
        mach.remove("Foo")
        records = await found(history)
        sums = {1: 1, 2: 2, 3: 3, 4: 5}
        assert [r.time_sum for r in reversed(records)] == [sums[i] for i in expected]
        allowed = [*settings.listed]
        assert history.is_tracked(*allowed)
        assert "Noise" in allowed


async def test_a_wrong_configuration_is_refused(machine: Any, attach: Any) -> None:
    with pytest.raises(ValueError, match="state to track"):
        amh.HistoryConfig(tracked=())
    with pytest.raises(ValueError, match="at least 1"):
        amh.HistoryConfig(max_records=0)
    for config in ({"tracked": ("Nope",)}, {"called": ("Nope",)}, {"changed": ("Nope",)}):
        with pytest.raises(am.UnknownStateError):
            async with attach(machine(STATES), amh.HistoryConfig(**config)):
                pytest.fail("opened")


async def test_queries_find_the_latest_first(
    machine: Any, attach: Any, clockwork: Clockwork
) -> None:
    mach = machine(STATES)
    async with attach(mach, amh.HistoryConfig(tracked=("Foo", "Bar", "Many"))) as history:
        times = []
        for kind, state in [
            ("add", "Foo"), ("add", "Bar"), ("add", "Many"), ("add", "Many"), ("remove", "Foo"),
        ]:  # fmt: skip
            times.append(clockwork.forward(1))
            getattr(mach, kind)(state)

        async def ids(**query: Any) -> list[int]:
            return [r.id for r in await found(history, **query)]

        assert await ids() == [5, 4, 3, 2, 1]
        assert [r.id for r in await history.find_latest(amh.Query(), limit=2)] == [5, 4]
        assert await ids(active=["Bar"]) == [4, 3, 2]
        assert await ids(active=("Bar", "Many")) == [4, 3]
        assert await ids(inactive=("Foo",)) == [5]
        assert await ids(activated=("Many",)) == [4, 3]
        assert await ids(deactivated=("Foo", "Bar")) == [5]
        assert await ids(deactivated=("Many",)) == []
        bound = amh.Bound
        assert await ids(start=bound(at=times[1]), end=bound(at=times[3])) == [4, 3, 2]
        assert await ids(start=bound(at=times[1])) == [5, 4, 3, 2, 1]
        assert await ids(start=bound(time_sum=2), end=bound(time_sum=3)) == [3, 2]
        assert await ids(start=bound(tracked_diff_sum=2), end=bound(tracked_diff_sum=9)) == [5, 4]
        assert await ids(start=bound(record_diff_sum=0), end=bound(record_diff_sum=0)) == [1]
        assert await ids(start=bound(machine_tick=1), end=bound(machine_tick=1)) == []
        ticks = {"states": ("Many",), "time": (1,)}
        assert await ids(start=bound(**ticks), end=bound(states=("Many",), time=(2,))) == [3]
        assert await ids(start=bound(**ticks)) == [5, 4, 3, 2, 1]
        assert await ids(active=("Many",), inactive=("Bar",)) == [5]


async def test_misused_queries_are_refused(machine: Any, attach: Any) -> None:
    mach = machine(STATES)
    naive = datetime(2030, 1, 1)
    bound = amh.Bound
    async with attach(mach, amh.HistoryConfig(tracked=("Foo",))) as history:
        for query in (
            amh.Query(active=("Many",)),
            amh.Query(start=bound(states=("Foo",), time=(1, 2))),
            amh.Query(start=bound(states=("Many",), time=(1,)), end=bound()),
            amh.Query(
                start=bound(states=("Foo",), time=(1,)), end=bound(states=("Bar",), time=(1,))
            ),
        ):
            with pytest.raises(amh.QueryError):
                await history.find_latest(query)
        with pytest.raises(ValueError, match="time zone"):
            await history.find_latest(amh.Query(start=bound(at=naive), end=bound(at=naive)))
        for ask in (history.active_between, history.activated_between):
            with pytest.raises(amh.QueryError):
                await ask("Many", ago(), hence())
            with pytest.raises(ValueError, match="time zone"):
                await ask("Foo", naive, hence())


async def test_transitions_are_stored_if_wanted(machine: Any, attach: Any) -> None:
    class Handlers:
        def FooState(self, event: am.Event) -> None:
            event.add("Many", name="x" * 30, secret="y")

    mach = machine(STATES, handlers=Handlers(), id="m1")
    async with attach(mach, amh.HistoryConfig(store_transitions=True)) as history:
        mach.add("Foo")
        await history.sync()
        many, foo = await history.find_latest(amh.Query(), with_tx=True)
    assert many.transition.source_tx == foo.transition.transition_id
    assert many.transition.source_machine == "m1"
    assert many.transition.called == (mach.schema.index["Many"],)
    assert many.transition.args == {"name": "x" * 19 + "…"}
    assert many.transition.record_id == many.id == 2
    assert many.transition.is_accepted
    assert not many.transition.is_auto
    assert (many.transition.queued_at, many.transition.executed_at) == (2, 3)
    assert foo.transition.queue_len == 1


async def test_prepended_mutations_have_no_queue_ticks(machine: Any, attach: Any) -> None:
    mach = machine({"Foo": {}, "Self": {"auto": True}})
    async with attach(mach, amh.HistoryConfig(store_transitions=True)) as history:
        mach.add("Foo")
        await history.sync()
        auto, _ = await history.find_latest(amh.Query(), with_tx=True)
    assert auto.transition.is_auto
    assert (auto.transition.queued_at, auto.transition.executed_at) == (0, 0)


async def test_only_the_machine_itself_is_recorded(machine: Any, attach: Any) -> None:
    mach = machine(STATES)
    async with attach(mach) as history:
        child = machine(STATES, parent=mach)
        child.add("Foo")
        assert await found(history) == []


async def test_all_states_stay_tracked_when_the_machine_grows(machine: Any, attach: Any) -> None:
    mach = machine({"Foo": {}})
    async with attach(mach) as history:
        mach.add("Foo")
        amh.copy_schema({"New": {}}, mach, ["New"])
        mach.add("New")
        assert history.is_tracked("New")
        grown, first = await found(history)
        assert grown.tracked_time == (1, 0, 1)
        assert grown.tracked_diff == (0, 0, 1)
        assert first.tracked_time == (1, 0)
        assert await history.activated_between("New", ago(), hence())
        assert [r.id for r in await found(history, inactive=("New",))] == []


async def test_only_the_last_records_are_kept(machine: Any, attach: Any) -> None:
    mach = machine(STATES)
    async with attach(mach, amh.HistoryConfig(max_records=20)) as history:
        for _ in range(100):
            mach.toggle("Foo")
        records = await found(history)
        assert 20 <= len(records) <= 22
        assert records[0].id == 100


async def test_the_machine_record_tells_names_times_and_ids(machine: Any, attach: Any) -> None:
    mach = machine(STATES, id="m1")
    config = amh.HistoryConfig(tracked=("Foo",), store_schema=True)
    async with attach(mach, config) as history:
        mach.add("Foo", "Noise")
        await history.sync()
        record = history.machine_record
    assert record.machine_id == "m1"
    assert record.state_names == tuple(mach.schema)
    assert record.time == tuple(mach.time())
    assert (record.time_sum, record.machine_tick, record.next_id) == (2, 0, 2)
    assert record.queue_tick == mach.queue_tick
    assert record.schema is not None
    assert record.schema["Bar"] == {"require": ["Foo"]}
    assert record.first_tracking <= record.last_tracking <= record.last_sync


async def test_recording_ends_on_close_and_on_dispose(machine: Any, attach: Any) -> None:
    mach = machine(STATES)
    async with attach(mach) as history:
        assert history.name.startswith("history-")
        assert len(history.name) == 12
        assert len(mach.tracers) == 1
    assert mach.tracers == ()
    await history.aclose()
    mach.add("Foo")
    other = machine(STATES)
    async with attach(other) as history:
        other.add("Foo")
        other.dispose()
        assert other.tracers == ()
        assert [r.id for r in await found(history)] == [1]


async def test_the_time_of_day_never_goes_back(
    machine: Any, attach: Any, clockwork: Clockwork
) -> None:
    mach = machine(STATES)
    async with attach(mach) as history:
        mach.add("Foo")
        clockwork.forward(-100)
        mach.add("Bar")
        second, first = await found(history)
    assert second.at == first.at


async def test_between_questions_agree_with_brute_force(
    machine: Any, attach: Any, clockwork: Clockwork
) -> None:
    rng = random.Random(7)
    mach = machine(STATES)
    log: list[tuple[datetime, dict[str, int], dict[str, int]]] = []
    async with attach(mach, amh.HistoryConfig(max_records=20_000)) as history:
        for step in range(10_000):
            clockwork.forward(rng.choice([0, 0.5, 1]))
            state = rng.choice(list(STATES))
            (mach.add if rng.random() < 0.6 else mach.remove)(state)
            if step % 500 == 499:
                await history.sync()
        records = list(reversed(await found(history)))
        previous = dict.fromkeys(mach.schema, 0)
        for record in records:
            clock = dict(zip(mach.schema, record.tracked_time, strict=True))
            log.append((record.at, clock, {s: clock[s] - previous[s] for s in clock}))
            previous = clock
        assert previous == mach.clock()
        first = log[0][0]
        for _ in range(150):
            start = first + timedelta(seconds=rng.uniform(-100, 6000))
            end = start + timedelta(seconds=rng.choice([-1, 0, 0.5, 3, 30, 1000]))
            state = rng.choice(list(STATES))
            await _compare(history, log, state, start, end)


async def _compare(
    history: Any, log: list[Any], state: str, start: datetime, end: datetime
) -> None:
    inside = [(clock, diff) for at, clock, diff in log if start <= at <= end]
    earlier = [clock for at, clock, _ in log if at < start][-1:] if start <= end else []
    ticks = [clock[state] for clock in (*earlier, *(clock for clock, _ in inside))]
    entered = any(diff[state] > 0 and clock[state] % 2 for clock, diff in inside)
    left = any(diff[state] > 0 and not clock[state] % 2 for clock, diff in inside)
    assert await history.activated_between(state, start, end) is entered
    assert await history.deactivated_between(state, start, end) is left
    assert await history.active_between(state, start, end) is any(t % 2 for t in ticks)
    assert await history.inactive_between(state, start, end) is any(t % 2 == 0 for t in ticks)


async def test_memory_matches_and_exports(machine: Any) -> None:
    mach = machine(STATES)
    async with amh.MemoryHistory(mach) as history:
        mach.add("Foo")
        assert history.match(lambda clock, records: (clock["Foo"], len(records))) == (1, 1)
        exported = history.export()
    assert exported["machine"]["machine_id"] == mach.id
    assert exported["records"][0]["tracked_time"] == [1, 0, 0, 0, 0]
    assert datetime.fromisoformat(exported["records"][0]["at"]).tzinfo
    assert replace(history.records[0], kind="x").kind == "x"


async def test_an_error_of_on_err_is_only_logged(machine: Any, caplog: Any) -> None:
    def broken(exc: Exception) -> None:
        raise RuntimeError("on_err is broken")

    history = amh.MemoryHistory(machine(STATES), on_err=broken)
    tell(history._recorder, OSError("disk"), history._on_err)
    assert "on_err" in caplog.text
    await history.aclose()
