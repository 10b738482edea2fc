"""Ids of transitions are found by order as by going through all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from am_debugger._store.idents import IdIndex, find_aligned
from am_debugger._store.layout import ID_BYTES, NO_ID, USUAL_SIZES

# Few bytes, so that ids repeat, and occur across the border of two others.
ID = st.lists(st.integers(0, 1), min_size=ID_BYTES, max_size=ID_BYTES).map(bytes)
IDS = st.lists(ID)


@given(IDS, ID)
def test_an_index_finds_what_a_walk_finds(ids: list[bytes], other: bytes) -> None:
    index = IdIndex(b"".join(ids))
    for ident in {*ids, other} - {NO_ID}:
        assert list(index.positions(ident)) == [k for k, one in enumerate(ids) if one == ident]
    assert list(index.positions(NO_ID)) == []
    assert index.nbytes >= sum(one != NO_ID for one in ids) * ID_BYTES


@given(IDS, st.integers(0, 5))
def test_ids_side_by_side_are_found_from_either_end(ids: list[bytes], start: int) -> None:
    joined = bytearray(b"".join(ids))
    for ident in ids:
        found = [k for k, one in enumerate(ids) if one == ident and k >= start]
        first, last = (found[0], found[-1]) if found else (None, None)
        assert find_aligned(joined, ident, start=start) == first
        assert find_aligned(joined, ident, start=start, reverse=True) == last


def test_positions_of_the_largest_chunk_fit() -> None:
    ids = b"".join([k.to_bytes(ID_BYTES, "big") for k in range(1, USUAL_SIZES.chunk + 1)])
    index = IdIndex(ids)
    assert list(index.positions(ids[-ID_BYTES:])) == [USUAL_SIZES.chunk - 1]
