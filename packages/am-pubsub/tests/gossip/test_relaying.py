"""What another peer said is told on a moment later, and mostly by one of two who heard it."""

from __future__ import annotations

from am_pubsub import TopicConfig
from am_pubsub.testing import Network

CHANGES = 20


def told_on(config: TopicConfig) -> int:
    """Let one of three linked peers change twenty times; return how often others told of it."""
    net = Network(1, latency=(0.001, 0.002), config=config)
    first = net.start("p0", machines=1)
    others = [net.start(f"p{i}", machines=0, connect=["p0", *(["p1"] * (i == 2))]) for i in (1, 2)]
    net.run(5.0)
    before = [one.core.output.counts["sent.delta"] for one in others]
    for tick in range(2, CHANGES + 2):
        net.change(first, 1, (tick, 0, 0))
        net.run(net.now + 1.0)
        assert all(one.ticks_of(first, 1) == (tick, 0, 0) for one in others)
    after = [one.core.output.counts["sent.delta"] for one in others]
    return sum(after) - sum(before)


def test_two_who_hear_the_same_mostly_tell_it_once() -> None:
    at_once = told_on(TopicConfig(relay_after=0.0))
    later = told_on(TopicConfig())
    assert at_once == 2 * CHANGES, "each tells the other what it knows"
    assert CHANGES <= later < 1.5 * CHANGES


def test_what_a_peer_says_of_itself_does_not_wait_for_what_it_tells_on() -> None:
    net = Network(1, latency=(0.001, 0.002), config=TopicConfig(relay_after=0.1))
    first = net.start("p0", machines=1)
    others = [net.start(f"p{i}", machines=1, connect=["p0"]) for i in (1, 2)]
    net.run(5.0)
    net.change(first, 1, (2, 0, 0))
    net.run(net.now + 0.01)
    assert all(one.ticks_of(first, 1) == (2, 0, 0) for one in others)
    net.change(others[0], 1, (2, 0, 0))
    net.run(net.now + 0.01)
    assert others[1].ticks_of(others[0], 1) == (2, 0, 0)
