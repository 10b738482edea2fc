"""Two peers, message by message."""

from __future__ import annotations

import pytest

from am_pubsub import TopicConfig
from am_pubsub._gossip.messages import Kind, pack
from am_pubsub._gossip.output import EventKind

from .peers import Pair, core, expose


def ticks(of: object, peer: bytes, index: int) -> tuple[int, ...]:
    """Return what one core holds of a machine of another."""
    held = of.table.get((peer, index))  # type: ignore[attr-defined]
    return held.entry.vector if held is not None else ()


def test_two_peers_that_meet_know_each_others_machines_and_say_no_more() -> None:
    a, b = core("a"), core("b")
    expose(a, 1)
    expose(b, 1)
    pair = Pair(a, b)
    assert len(a.table) == len(b.table) == 4
    assert a.table.digest.root == b.table.digest.root
    assert a.joined
    assert b.joined
    assert pair.run(4.0) <= 2  # at most a root of each


def test_the_first_change_leaves_at_once_and_later_ones_together() -> None:
    a, b = core("a"), core("b")
    expose(a, 1)
    pair = Pair(a, b)
    pair.run(1.0)
    a.changed(1, (2, 0, 0), pair.now)
    assert len(a.output.sends) == 1
    for tick in range(3, 13):
        a.changed(1, (tick, 0, 0), pair.now)
    assert len(a.output.sends) == 1
    pair.talk()
    assert ticks(b, a.peer, 1) == (2, 0, 0)
    pair.run(0.25)
    assert ticks(b, a.peer, 1) == (12, 0, 0)


def test_a_lost_batch_is_repaired_by_a_digest() -> None:
    a, b = core("a"), core("b")
    expose(a, 1)
    pair = Pair(a, b)
    pair.lose = True
    a.changed(1, (7, 7, 7), pair.now)
    pair.talk()
    pair.lose = False
    pair.run(2 * TopicConfig().digest_every)
    assert ticks(b, a.peer, 1) == (7, 7, 7)


def test_a_lost_batch_with_a_machine_and_its_schema_is_repaired_too() -> None:
    a, b = core("a"), core("b")
    pair = Pair(a, b)
    pair.run(1.0)
    pair.lose = True
    schema = a.add_schema({"Other": {}, "Schema": {}})
    held = a.table.get((a.peer, 0))
    assert held is not None
    info = held.info
    assert info is not None
    a.expose(3, type(info)("m3", "", ("tag:x",), schema), (1, 0), pair.now)
    pair.talk()
    pair.lose = False
    pair.run(3 * TopicConfig().digest_every)
    assert ticks(b, a.peer, 3) == (1, 0)


def test_a_machine_that_is_gone_cannot_be_revived_by_stale_gossip() -> None:
    a, b = core("a"), core("b")
    expose(a, 1, 5, 5, 5)
    pair = Pair(a, b)
    stale = pack(Kind.DELTA, [(a.peer, 1, a.epoch, (4, 4, 4))], (), False)
    a.unexpose(1, pair.now)
    pair.run(1.0)
    b.received(1, stale, pair.now)
    held = b.table.get((a.peer, 1))
    assert held is not None
    assert held.rank.gone


def test_ticks_of_one_epoch_never_go_back() -> None:
    a, b = core("a"), core("b")
    expose(a, 1, 5, 5, 5)
    Pair(a, b)
    b.received(1, pack(Kind.DELTA, [(a.peer, 1, a.epoch, (4, 9, 9))], (), False), 1.0)
    assert ticks(b, a.peer, 1) == (5, 5, 5)
    assert b.output.counts["dropped.regressed"] == 1


def test_a_peer_that_is_said_to_be_dead_refutes_it_with_a_higher_epoch() -> None:
    a, b = core("a"), core("b")
    expose(a, 1)
    pair = Pair(a, b)
    before = a.epoch
    a.received(1, pack(Kind.SUSPECT, a.peer, before), pair.now)
    assert a.epoch == before + 1
    pair.run(1.0)
    assert b.table.epoch_of(a.peer) == a.epoch
    assert ticks(b, a.peer, 1) == (1, 0, 0)


def test_a_peer_that_does_not_come_back_is_gone_with_all_its_machines() -> None:
    a, b = core("a"), core("b")
    expose(a, 1)
    pair = Pair(a, b)
    b.output.events.clear()
    b.link_down(1, pair.now)
    config = TopicConfig()
    late = pair.now + config.doubt_for + config.refute_within
    while b.next_due() <= late:
        b.advance(b.next_due())
    b.advance(late)
    kinds = [(event.kind, event.index) for event in b.output.events]
    assert (EventKind.PEER_LOST, 0) in kinds
    assert (EventKind.REMOVED, 1) in kinds
    assert not b.table.is_live(a.peer)


def test_a_goodbye_is_believed_at_once() -> None:
    a, b = core("a"), core("b")
    expose(a, 1)
    pair = Pair(a, b)
    a.leave(pair.now)
    pair.talk()
    assert not b.table.is_live(a.peer)


def test_a_link_that_is_closed_on_purpose_makes_nobody_suspect() -> None:
    a, b = core("a"), core("b")
    pair = Pair(a, b)
    b.received(1, pack(Kind.DROP, "enough links", ("to:c",)), pair.now)
    assert b.output.closes
    b.advance(pair.now + 10)
    assert b.output.counts["suspected"] == 0
    assert b.table.is_live(a.peer)


def test_a_restarted_peer_with_its_clock_set_back_still_wins() -> None:
    a, b = core("a", epoch=5000), core("b")
    expose(a, 1, 9, 9, 9)
    Pair(a, b)
    b.link_down(1, 1.0)
    again = core("a", epoch=10)
    expose(again, 1, 1, 0, 0)
    pair = Pair(again, b)
    pair.run(2.0)
    assert again.epoch > 5000
    assert ticks(b, again.peer, 1) == (1, 0, 0)


def test_who_speaks_of_another_topic_is_turned_away() -> None:
    a, b = core("a"), core("b", topic="another")
    Pair(a, b)
    assert not a.neighbours()
    assert [reason for _, reason in b.output.closes] == ["another topic"]


def test_a_peer_that_dials_itself_closes_that_link() -> None:
    a = core("a")
    a.link_up(1, "to:a", 0.0)
    a.link_up(2, None, 0.0)
    hello = a.output.sends[0][1]
    a.received(2, hello, 0.0)
    assert (2, "myself") in a.output.closes


def test_two_peers_that_dial_each_other_keep_the_same_one_of_both_links() -> None:
    a, b = core("a"), core("b")
    a.link_up(1, "to:b", 0.0)
    b.link_up(1, None, 0.0)
    b.link_up(2, "to:a", 0.0)
    a.link_up(2, None, 0.0)
    for _ in range(6):
        said = [(b, *one) for one in a.output.sends] + [(a, *one) for one in b.output.sends]
        a.output.sends.clear()
        b.output.sends.clear()
        for to, link, data in said:
            to.received(link, data, 0.0)
    assert {link for link, _ in a.output.closes} == {link for link, _ in b.output.closes} == {2}
    assert a.neighbours() == [b.peer]


def test_a_payload_arrives_once_however_many_ways_it_comes() -> None:
    a, b = core("a"), core("b")
    pair = Pair(a, b)
    b.output.events.clear()
    a.publish(b"hello", pair.now)
    (message,) = [data for _, data in a.output.sends]
    for _ in range(3):
        b.received(1, message, pair.now)
    received = [event for event in b.output.events if event.kind is EventKind.RECEIVED]
    assert [event.data for event in received] == [b"hello"]


def test_who_floods_is_cut_off_and_not_let_in_again_for_a_while() -> None:
    a, b = core("a"), core("b")
    pair = Pair(a, b)
    garbage = pack(Kind.ROOT, b"12345678", False, 1)
    now = pair.now
    while not b.output.closes and now < 30:
        now += 0.001
        b.received(1, garbage, now)
    assert (1, "too many rejects") in b.output.closes
    assert now < 15.0
    b.link_up(2, None, now)
    b.received(2, pack(Kind.HELLO, "t", a.peer, 0, b"00000000"), now)
    assert (2, "not allowed") in b.output.closes


def test_a_burst_within_the_budget_loses_nothing() -> None:
    a, b = core("a"), core("b")
    pair = Pair(a, b)
    for _ in range(500):
        b.received(1, pack(Kind.ROOT, a.table.digest.root_bytes(), False, 1), pair.now)
    assert b.output.counts["dropped.flood"] == 0


def test_a_peer_with_too_many_machines_is_held_to_the_limit() -> None:
    config = TopicConfig(machines_per_peer=4)
    a, b = core("a"), core("b", config=config)
    for index in range(1, 10):
        expose(a, index)
    Pair(a, b)
    live = [record for record in b.table.of_peer(a.peer) if not record.rank.gone]
    assert len(live) == 5  # and the topic's own
    assert b.output.counts["dropped.too many machines of a peer"]


def test_a_schema_that_cannot_travel_is_refused_where_it_is_offered() -> None:
    with pytest.raises(ValueError, match="does not fit into a message"):
        core("a").add_schema({f"S{number:0100}": {} for number in range(1000)})


def test_a_machine_whose_schema_grows_keeps_its_ticks_elsewhere() -> None:
    a, b = core("a"), core("b")
    expose(a, 1, 3, 2, 1)
    pair = Pair(a, b)
    held = a.table.get((a.peer, 1))
    assert held is not None
    info = held.info
    assert info is not None
    schema = a.add_schema({"Start": {}, "Ready": {}, "Working": {}, "More": {}})
    b.output.events.clear()
    a.expose(1, type(info)(info.id, "", (), schema), (3, 2, 1, 1), pair.now)
    pair.run(1.0)
    assert ticks(b, a.peer, 1) == (3, 2, 1, 1)
    assert EventKind.REMOVED not in [event.kind for event in b.output.events]


def test_a_peer_that_reached_nobody_counts_as_joined_after_a_while() -> None:
    a = core("a")
    assert not a.joined
    a.advance(TopicConfig().join_alone_after)
    assert a.joined
