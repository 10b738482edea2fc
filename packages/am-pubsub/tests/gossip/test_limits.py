"""What one peer takes of others, and holds of links: up to its limits, and no more."""

from __future__ import annotations

import pytest

from am_pubsub import TopicConfig
from am_pubsub._gossip.entries import Info
from am_pubsub._gossip.messages import Kind, pack

from .peers import Pair, core, expose, greeted


def test_the_first_beyond_sixteen_is_sent_elsewhere_with_addresses() -> None:
    a = core("a", config=TopicConfig(links=16, links_most=16))
    a._book.learn(b"somebody", ("to:somebody",))
    for number in range(17):
        greeted(a, number, f"p{number}")
    assert len(a.neighbours()) == 16
    assert a.output.closes == [(16, "full")]
    last = [data for link, data in a.output.sends if link == 16][-1]
    assert last == pack(Kind.DROP, "full", ["to:somebody"])


def test_who_does_not_say_who_it_is_keeps_no_place() -> None:
    a = core("a")
    for number, address in enumerate(("to:b", "to:c", None)):
        a.link_up(number, address, 0.0)
    a._book.learn(b"somebody", ("to:somebody",))
    for tenths in range(1, 130):
        a.advance(tenths / 10)
        if tenths < 100:
            assert not a.output.closes
            assert not a.output.dials
    assert a.output.closes == [(0, "silent"), (1, "silent"), (2, "silent")]
    assert "to:somebody" in a.output.dials


def test_who_holds_more_than_twelve_drops_the_oldest_whose_peer_has_others() -> None:
    a = core("a")
    for number in range(13):
        # The first two have few links, so they are spared.
        greeted(a, number, f"p{number}", links=2 if number < 2 else 6)
    assert a.output.closes == [(2, "enough links")]
    assert len(a.neighbours()) == 12


def test_what_does_not_fit_into_one_message_is_sent_in_several() -> None:
    a, b = core("a"), core("b")
    names = tuple(f"S{number}" for number in range(400))
    schema = a.add_schema({name: {} for name in names})
    for index in range(1, 60):
        vector = (2**40 + index,) * len(names)
        a.expose(index, Info(f"m{index}", "", (), schema), vector, 0.0)
    pair = Pair(a, b)
    pair.run(5.0)
    assert len(b.table) == 61
    assert b.table.digest.root == a.table.digest.root
    assert a.output.counts["sent.bytes"] > 3 * TopicConfig().batch_bytes
    assert not b.output.counts["dropped.too large"]


@pytest.mark.parametrize(
    ("config", "counted"),
    [
        (TopicConfig(peers=2), "dropped.too many peers"),
        (TopicConfig(records=4), "dropped.too many records"),
    ],
)
def test_more_peers_or_records_than_fit_are_dropped_and_counted(
    config: TopicConfig, counted: str
) -> None:
    a, b, c = core("a"), core("b"), core("c", config=config)
    expose(a, 1)
    expose(b, 1)
    Pair(a, b)
    b.link_up(2, "to:c", 1.0)
    c.link_up(2, None, 1.0)
    for _ in range(20):
        for one, other in ((b, c), (c, b)):
            sends, one.output.sends = one.output.sends, []
            for link, data in sends:
                if link == 2:
                    other.received(2, data, 1.0)
    assert c.output.counts[counted]
    assert len(c.table) <= 4


def test_what_was_asked_of_a_peer_that_is_gone_is_asked_of_the_next_at_once() -> None:
    a = core("a")
    news = pack(Kind.DELTA, [(b"stranger", 1, 5, (1, 0, 0))], (), False)
    for link in (1, 2):
        greeted(a, link, f"p{link}")
        a.received(link, news, 0.1)
        a.received(link, news, 0.1)  # asked already
        assert a.output.counts["sent.want"] == link
        a.link_down(link, 0.2)
