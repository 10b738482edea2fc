"""The pure decisions of a pool: how many to fork, how many to end, how long to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import am_node
from am_node._supervisor.sizing import (
    Census,
    CrashLog,
    StartPatience,
    Tally,
    missing,
    surplus,
    wanted,
)

COUNTS = st.integers(0, 30)


@st.composite
def pools(draw: st.DrawFn) -> am_node.Pool:
    high = draw(st.integers(1, 30))
    return am_node.Pool(draw(st.integers(0, high)), high, draw(COUNTS))


@st.composite
def censuses(draw: st.DrawFn) -> Census:
    existing = draw(COUNTS)
    stopping = draw(st.integers(0, existing))
    staying = existing - stopping
    leased = draw(st.integers(0, staying))
    idle = draw(st.integers(0, staying - leased))
    return Census(existing, stopping, draw(st.integers(0, staying)), idle, leased)


@given(pools(), censuses())
def test_no_decision_makes_more_processes_than_the_maximum(
    pool: am_node.Pool, census: Census
) -> None:
    assert missing(pool, census) + census.existing <= max(pool.max, census.existing)


@given(pools(), censuses())
def test_only_idle_workers_are_ended_and_never_those_that_are_wanted(
    pool: am_node.Pool, census: Census
) -> None:
    ended = surplus(pool, census)
    assert 0 <= ended <= census.idle
    assert ended == 0 or census.staying - ended >= wanted(pool, census)


@given(pools(), censuses())
def test_a_pool_is_not_grown_and_shrunk_at_once(pool: am_node.Pool, census: Census) -> None:
    assert missing(pool, census) == 0 or surplus(pool, census) == 0


@given(pools(), censuses())
def test_forking_what_is_missing_and_ending_what_is_too_much_settles(
    pool: am_node.Pool, census: Census
) -> None:
    settled = Census(
        census.staying + missing(pool, census) - surplus(pool, census),
        0,
        census.ready,
        census.idle + missing(pool, census) - surplus(pool, census),
        census.leased,
    )
    # Those that are ending still count, so what is missing may come only when they are gone.
    if not census.stopping:
        assert missing(pool, settled) == surplus(pool, settled) == 0


COUNTED = st.tuples(*[st.integers(0, 1)] * 5)


@given(st.lists(st.tuples(st.sampled_from("abcd"), COUNTED)))
def test_a_tally_is_the_sum_of_what_each_worker_counted_for_last(
    changes: list[tuple[str, tuple[int, int, int, int, int]]],
) -> None:
    tally, latest = Tally(), dict.fromkeys("abcd", (0, 0, 0, 0, 0))
    for worker, now in changes:
        assert tally.count(worker, now) == (latest[worker] != now)
        latest[worker] = now
        assert tally.census == Census(*map(sum, zip(*latest.values(), strict=True)))


def _log() -> CrashLog:
    return CrashLog(am_node.Timing(), am_node.Policy())


@given(st.lists(st.floats(0.0, 9.9), min_size=1, max_size=40))
def test_a_delay_doubles_with_each_early_death_up_to_its_limit(ages: list[float]) -> None:
    log = _log()
    for number, age in enumerate(ages):
        log.died(0.0, age)
        assert 0.8 * min(0.1 * 2**number, 30.0) <= log.delay(0.0) <= 30.0
        assert log.delay(0.0) <= 1.2 * 0.1 * 2**number


def test_five_early_deaths_within_a_minute_are_a_crash_loop() -> None:
    log = _log()
    assert [log.died(now, 1.0) for now in (0.0, 10.0, 20.0, 30.0, 59.0)] == [False] * 4 + [True]
    late = _log()
    assert not any(late.died(now, 1.0) for now in (0.0, 10.0, 20.0, 30.0, 61.0))


@pytest.mark.parametrize("age", [10.1, 3600.0])
def test_the_death_of_a_worker_that_had_lived_delays_nothing(age: float) -> None:
    log = _log()
    assert not any(log.died(float(now), age) for now in range(20))
    assert log.delay(20.0) == 0.0


def test_health_and_a_quiet_minute_end_the_doubling() -> None:
    log = _log()
    for _ in range(8):
        log.died(0.0, 1.0)
    log.healthy()
    assert log.delay(0.0) == 0.0
    log.died(0.0, 1.0)
    assert log.delay(0.0) <= 0.12
    log.died(100.0, 1.0)
    assert log.delay(100.0) <= 0.12


def test_a_start_that_came_too_late_gives_the_next_more_time_until_one_comes() -> None:
    patience, limits = StartPatience(), []
    for _ in range(4):
        limits.append(patience.seconds(5.0))
        patience.was_late()
    assert limits == [5.0, 10.0, 15.0, 15.0]
    assert patience.seconds(30.0) == 60.0
    assert patience.seconds(600.0) == 600.0
    patience.was_in_time(4.0, 5.0)
    assert patience.seconds(5.0) == 8.0
    patience.was_in_time(7.0, 5.0)
    assert patience.seconds(5.0) == 8.0
    patience.was_in_time(1.0, 5.0)
    assert patience.seconds(5.0) == 5.0
