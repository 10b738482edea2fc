"""Pool, timing, policy and limits refuse nonsense at once."""

import pytest

import am_node


def test_the_minimum_is_clipped_to_the_maximum() -> None:
    assert am_node.Pool(min=7, max=3).min == 3


@pytest.mark.parametrize(
    ("pool", "workers"), [((2, 5, 2), 4), ((7, 15, 0), 7), ((1, 1, 0), 1), ((2, 10, 5), 7)]
)
def test_an_unused_pool_wants_its_minimum_and_the_warm_ones(
    pool: tuple[int, int, int], workers: int
) -> None:
    low, high, warm = pool
    assert am_node.Pool(min=low, max=high, warm=warm).target == workers


def test_a_client_may_hold_the_whole_pool_unless_told_otherwise() -> None:
    assert am_node.Pool(max=4).client_limit == 4
    assert am_node.Pool(max=4, max_client_workers=1).client_limit == 1


@pytest.mark.parametrize("bad", [{"min": -1}, {"max": 0}, {"warm": 1.5}, {"min": True}])
def test_a_pool_of_nonsense_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="Pool"):
        am_node.Pool(**bad)


def test_timing_can_be_stretched_for_a_debugger() -> None:
    stretched = am_node.Timing().stretched(10)
    assert stretched.conn_timeout == 50
    assert stretched.heartbeat == 600


@pytest.mark.parametrize("value", [0, -1, float("nan"), "5", True])
def test_a_duration_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="conn_timeout"):
        am_node.Timing(conn_timeout=value)


@pytest.mark.parametrize("value", [0, -5, 1.5, True])
def test_a_limit_that_is_none_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="memory"):
        am_node.Rlimits(memory=value)
