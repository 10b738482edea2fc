"""Who waited for as long as it was told to may speak."""

from __future__ import annotations

from random import Random

from am_pubsub._gossip.budget import TokenBucket


def test_after_the_time_to_wait_a_message_can_be_taken() -> None:
    chance = Random(1)
    for _ in range(200):
        # A clock that begins at zero is finer in its first moments than it is later.
        now = chance.uniform(0, 0.05)
        bucket = TokenBucket(64.0, 4.0, now)
        bucket.take(now)
        now += chance.uniform(0, 0.005)
        waited = 0
        while waited < 200:
            if bucket.take(now):
                now += chance.uniform(0, 0.01)
            else:
                now += bucket.wait(now)
                waited += 1
                assert bucket.take(now), f"{bucket.left} are left"


def test_no_more_is_taken_than_the_rate_allows() -> None:
    now = 0.0
    bucket = TokenBucket(64.0, 4.0, now)
    taken = 0
    while now < 100:
        taken += bucket.take(now)
        now += max(bucket.wait(now), 1e-4)
    assert 6400 <= taken <= 6405
