"""Who has no link to a peer notices all the same that nobody answers where it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from am_pubsub import TopicConfig
from am_pubsub.testing import Network

from .peers import Pair, core, greeted

if TYPE_CHECKING:
    from collections.abc import Callable

    from am_pubsub._gossip.core import Core

FAR = "to:far"
CONFIG = TopicConfig()


def who_heard_of_far() -> tuple[Core, bytes, float]:
    """Return a peer with one link, number 1, over which it was told of another one."""
    near, far, between = core("near"), core("far"), core("between")
    Pair(between, far)
    pair = Pair(near, between)
    pair.run(1.0)
    assert near.table.is_live(far.peer)
    return near, far.peer, pair.now


def suspected(one: Core) -> int:
    """How many peers it suspected by itself."""
    return one.output.counts["suspected"]


def fails(one: Core, now: float) -> None:
    """A dial that nobody takes."""
    one.dial_failed(FAR, now)


def is_silent(one: Core, now: float) -> None:
    """A dial that somebody takes and who never says a word, until the link breaks."""
    one.link_up(9, FAR, now)
    one.link_down(9, now)


def is_left_silent(one: Core, now: float) -> None:
    """A dial that somebody takes and who never says a word, for as long as one waits for it."""
    one.link_up(9, FAR, now - CONFIG.redial_most)
    one.advance(max(now, one.next_due()))
    assert (9, "silent") in one.output.closes


WAYS = (fails, is_silent, is_left_silent)


@pytest.mark.parametrize("first", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("second", WAYS, ids=lambda way: way.__name__)
def test_two_dials_that_nobody_answers_are_enough_whatever_they_ended_by(
    first: Callable[[Core, float], None], second: Callable[[Core, float], None]
) -> None:
    near, far, now = who_heard_of_far()
    for way in (first, second):
        assert not suspected(near)
        way(near, now)
    assert suspected(near) == 1
    near.advance(now + 2 * CONFIG.refute_within)
    assert not near.table.is_live(far)


def test_dials_that_failed_while_there_were_links_enough_count_when_these_break() -> None:
    near, far, now = who_heard_of_far()
    others = range(2, CONFIG.dial + 1)
    for link in others:
        greeted(near, link, f"p{link}", now=now)
    for _ in range(3):
        fails(near, now)
    assert not suspected(near), "others would have noticed"
    for link in others:
        near.link_down(link, now)
    fails(near, now)
    assert suspected(near) == 1
    assert near.table.is_live(far), "it may refute that"


def test_who_refuted_is_not_suspected_again_until_another_link_breaks() -> None:
    near, far, now = who_heard_of_far()
    epoch = near.table.epoch_of(far)
    for _ in range(20):
        fails(near, now)
    assert suspected(near) == 1
    near.link_down(1, now)
    fails(near, now)
    assert suspected(near) == 1, "it is suspected already"
    assert near.table.epoch_of(far) == epoch


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_nobody_suspects_itself_where_its_own_address_does_not_answer(
    way: Callable[[Core, float], None],
) -> None:
    near, peer, now = who_heard_of_far()
    near._book.learn(near.peer, [FAR])
    for k in range(1, 5):
        way(near, now + 20 * k)
    assert suspected(near) == 0
    assert near.table.is_live(peer)


def test_a_peer_that_is_alone_with_its_own_address_dials_it_less_and_less() -> None:
    network = Network(1, latency=(0.001, 0.002))
    alone = network.start("alone", machines=1, connect=["alone"])
    network.run(120)
    # From half a second to ten between two dials; each end of one says hello.
    assert 4 <= alone.core.output.counts["sent.hello"] <= 60
    assert alone.core.output.counts["suspected"] == 0


@pytest.mark.parametrize("seed", range(40))
def test_who_was_frozen_while_the_network_fell_apart_comes_back(seed: int) -> None:
    network = Network(seed, latency=(0.01, 0.05), loss=0.02)
    first = network.start("one", machines=2)
    second = network.start("two", machines=1, connect=["one"])
    third = network.start("three", machines=0, connect=["one"])
    network.run(30)
    for node in network.alive():
        network.beat(node)
    network.freeze(third)
    network.leave(second)
    network.partition([[first], [third]])
    network.run(60)
    network.heal()
    network.thaw(third)
    network.run(120)
    assert third.ticks_of(first, 1) == (1, 0, 0)
    assert third.ticks_of(second, 1) == ()
