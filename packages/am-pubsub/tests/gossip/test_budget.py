"""Who waited for as long as it was told to may speak."""

from __future__ import annotations

from random import Random

from am_pubsub._gossip.budget import TokenBucket


def test_after_the_time_to_wait_a_message_can_be_taken() -> None:
    chance = Random(1)
    now = 2.0**20  # seconds of a clock of three weeks, which are rounded
    bucket = TokenBucket(64.0, 4.0, now)
    for _ in range(10_000):
        now += chance.uniform(0, 0.01)
        if not bucket.take(now):
            wait = bucket.wait(now)
            assert wait > 0
            now += wait
            assert bucket.take(now)


def test_no_more_is_taken_than_the_rate_allows() -> None:
    now = 0.0
    bucket = TokenBucket(64.0, 4.0, now)
    taken = 0
    while now < 100:
        taken += bucket.take(now)
        now += max(bucket.wait(now), 1e-4)
    assert 6400 <= taken <= 6405
