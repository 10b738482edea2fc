"""Digests are equal if, and only if, the same is held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from am_pubsub import TopicConfig
from am_pubsub._gossip.entries import Entry, Info, Schema
from am_pubsub._gossip.table import Table
from am_pubsub._simulation.network import plain_hash

SCHEMA = Schema.of(plain_hash({"A": {}, "B": {}}), {"A": {}, "B": {}})
KEYS = [(bytes([peer]) * 8, index) for peer in range(3) for index in range(3)]
ENTRIES = st.builds(
    lambda key, epoch, vector: Entry.of(key, epoch, vector, Info("m", "", (), SCHEMA.hash)),
    st.sampled_from(KEYS),
    st.integers(1, 3),
    st.sampled_from([(), (0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]),
)


def filled(entries: list[Entry]) -> Table:
    table = Table(TopicConfig())
    table.schemas[SCHEMA.hash] = SCHEMA
    for entry in entries:
        table.apply(entry, 0.0)
    return table


def held(table: Table) -> dict[tuple[bytes, int], object]:
    return {record.entry.key: record.rank for record in table}


@given(st.lists(ENTRIES, max_size=30), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_learned_leaves_no_trace(entries, random) -> None:  # type: ignore[no-untyped-def]
    """Whatever both hold in the end, equal digests mean equal records and the reverse."""
    shuffled = [*entries]
    random.shuffle(shuffled)
    one, other = filled(entries), filled(shuffled)
    assert (one.digest.root == other.digest.root) == (held(one) == held(other))
    assert bool(one.digest.unequal(other.digest.bucket_bytes())) == (held(one) != held(other))


@given(st.lists(ENTRIES, max_size=30))
def test_what_is_held_never_gets_older(entries: list[Entry]) -> None:
    table = filled([])
    for entry in entries:
        before = table.get(entry.key)
        rank = before.rank if before is not None else None
        table.apply(entry, 0.0)
        after = table.get(entry.key)
        assert rank is None or (after is not None and after.rank >= rank)


def test_what_has_been_gone_for_long_is_forgotten_with_its_row() -> None:
    table = filled([Entry.of(KEYS[0], 1, (1, 0), Info("m", "", (), SCHEMA.hash))])
    table.apply(Entry.of(KEYS[0], 2, ()), 10.0)
    table.purge(10.0 + TopicConfig().tombstone_for + 1)
    assert len(table) == 0
    assert table.digest.root == 0
    assert not table.schemas
