"""Which transitions of a machine may be meant by a term of a query, many at a time.

A sieve gives a byte for each transition of a range: 1 where the term holds, 0 where it does not.
Marks are looked at at the speed of bytes, called states and changes once for all transitions of a
chunk that have the same. What is packed is searched as bytes, which leaves few to be unpacked.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from .._store.layout import KINDS, Kept
from .._store.packing import pack

if TYPE_CHECKING:
    from .._store.chunk import Called, Chunk, Diff
    from .._store.client import Client
    from .._store.search import SearchColumn
    from .._store.versions import Version

Sieve = Callable[["Client", int, int], "bytes | bytearray"]
"""Gives the bytes of transitions `first` to `last`, both kept."""
FEW = 4
"""Less than one of so many is unpacked by itself, not with all others."""
_MANY = 64
_KIND = int(Kept.KIND)


def by_marks(mask: int) -> Sieve:
    """Transitions with one of these marks."""
    table = bytes([bool(byte & mask) for byte in range(256)])
    return lambda client, first, last: client.columns.marks[
        first - client.first : last - client.first + 1
    ].translate(table)


def by_kept(mask: int) -> Sieve:
    """Transitions with one of these bits kept."""
    return _by_kept(bytes([bool(byte & mask) for byte in range(256)]))


def by_kind(wanted: Callable[[str], bool]) -> Sieve:
    """Transitions whose kind is wanted."""
    kinds = [wanted(kind) for kind in KINDS]
    return _by_kept(
        bytes([(byte & _KIND) < len(kinds) and kinds[byte & _KIND] for byte in range(256)])
    )


def _by_kept(table: bytes) -> Sieve:
    return lambda client, first, last: client.columns.kept[
        first - client.first : last - client.first + 1
    ].translate(table)


def by_client(wanted: Callable[[Client], bool]) -> Sieve:
    """All transitions of machines that are wanted."""
    return lambda client, first, last: bytes([wanted(client)]) * (last - first + 1)


def by_call(wanted: Callable[[Client, Called], bool]) -> Sieve:
    """Transitions that call states that are wanted."""
    return _by_shape(
        lambda client, chunk: [wanted(client, call) for call in chunk.calls],
        lambda chunk: chunk.called,
    )


def by_diff(wanted: Callable[[Diff], bool]) -> Sieve:
    """Transitions that change clocks in a way that is wanted."""
    return _by_shape(
        lambda client, chunk: [wanted(diff) for diff in chunk.diffs], lambda chunk: chunk.diff
    )


def by_source(wanted: Callable[[str], bool]) -> Sieve:
    """Transitions whose source is of a machine that is wanted."""
    return _by_shape(
        lambda client, chunk: [one is not None and wanted(one) for one in chunk.sources],
        lambda chunk: chunk.source,
    )


def _by_shape(
    judged: Callable[[Client, Chunk], list[bool]], column: Callable[[Chunk], Sequence[int]]
) -> Sieve:
    """Transitions by a column that numbers what the whole chunk has, which is judged once."""

    def of(client: Client, first: int, last: int) -> bytes:
        found = bytearray()
        for chunk, start, end in client.columns.pieces(first, last):
            verdicts = bytes(judged(client, chunk))
            found += bytes(map(verdicts.__getitem__, column(chunk)[start:end]))
        return bytes(found)

    return of


def by_activity(state: str, what: str) -> Sieve:
    """Transitions after which a state is active (`@`), that made it so (`+`), or ended it (`-`)."""

    def of(client: Client, first: int, last: int) -> bytes:
        i = client.version.schema.schema.index.get(state, -1)
        if i < 0:
            return bytes(last - first + 1)
        was, moved = _activity(client, i, first, last)
        if what == "@":
            return was
        size = last - first + 1
        active = int.from_bytes(was, "big")
        if what == "-":
            active ^= int.from_bytes(b"\1" * size, "big")
        return (int.from_bytes(moved, "big") & active).to_bytes(size, "big")

    return of


def _activity(client: Client, i: int, first: int, last: int) -> tuple[bytes, bytes]:
    """Whether a state is active after each transition, and whether that one changed it."""
    clock = client.clock_before(first)
    is_active = len(clock) > i and clock[i] % 2 == 1
    all_breaks = client.columns.clocks.breaks
    breaks = {*all_breaks[bisect_right(all_breaks, first) : bisect_right(all_breaks, last)]}
    after, changed = bytearray(), bytearray()
    number = first
    for chunk, start, end in client.columns.pieces(first, last):
        odd = bytes([any([j == i and gained % 2 for j, gained in d.pairs]) for d in chunk.diffs])
        for shape in chunk.diff[start:end]:
            if number in breaks:
                clock = client.clock_before(number)
                is_active = len(clock) > i and clock[i] % 2 == 1
            is_odd = odd[shape]
            if is_odd:
                is_active = not is_active
            changed.append(is_odd)
            after.append(is_active)
            number += 1
    return bytes(after), bytes(changed)


def by_column(column: Callable[[Client], SearchColumn], wanted: Callable[[int], bool]) -> Sieve:
    """Transitions whose number in a column is wanted."""

    def of(client: Client, first: int, last: int) -> bytes:
        shown = column(client).shown[first - client.first : last - client.first + 1]
        return bytes(map(wanted, shown))

    return of


def by_number(wanted: Callable[[int], bool]) -> Sieve:
    """Transitions by their own number."""
    return lambda client, first, last: bytes(map(wanted, range(first, last + 1)))


def by_group(wanted: Callable[[str], bool]) -> Sieve:
    """Transitions that call a state of a wanted group, as the schema had it then."""

    def of(client: Client, first: int, last: int) -> bytes:
        found = bytearray()
        number = first
        for version, end in _versions(client, first, last):
            groups = version.schema.schema.groups.items()
            members = {state for group, states in groups if wanted(group) for state in states}
            indexes = {i for i, name in enumerate(version.names) if name in members}
            found += by_call(_calls_one_of(indexes))(client, number, end)
            number = end + 1
        return bytes(found)

    return of


def _calls_one_of(states: set[int]) -> Callable[[Client, Called], bool]:
    return lambda client, call: not states.isdisjoint(call.states)


def _versions(client: Client, first: int, last: int) -> Iterator[tuple[Version, int]]:
    """What held in a range, each with the number of its last transition there."""
    number = first
    while number <= last:
        version = client.version_at(number)
        since = [one.since for one in client.versions if number < one.since <= last]
        end = since[0] - 1 if since else last
        yield version, end
        number = end + 1


def by_bytes(needles: Sequence[bytes], *, ignores_case: bool = False) -> Sieve:
    """Transitions in whose packed rest one of these stands, which says only that they have to be
    looked at. Without case, needles are in small letters; only those of ASCII are meant."""

    def of(client: Client, first: int, last: int) -> bytes:
        found = bytearray()
        for chunk, start, end in client.columns.pieces(first, last):
            begin = chunk.ends[start - 1] if start else 0
            ends = chunk.ends[start:end]
            packed = bytes(chunk.packed[begin : ends[-1]])
            if ignores_case:
                packed = packed.lower()
            held = bytearray(end - start)
            for needle in needles:
                _mark(packed, needle, begin, ends, held)
            found += held
        return bytes(found)

    return of


def _mark(packed: bytes, needle: bytes, begin: int, ends: Sequence[int], held: bytearray) -> None:
    """Mark the entries that have a needle. Where many do, the rest are all marked: to unpack them
    costs less than to tell them apart."""
    at, hits = packed.find(needle), 0
    while at >= 0:
        k = bisect_right(ends, begin + at)
        stop = ends[k] - begin
        if at + len(needle) <= stop:  # else it reaches into the next one
            held[k] = 1
            hits += 1
            if hits >= _MANY and hits * FEW > k:
                held[k:] = b"\1" * (len(held) - k)
                return
        at = packed.find(needle, stop)


def packed_forms(value: str) -> tuple[bytes, ...]:
    """How a value may be packed that is shown by this text; empty if that cannot be told."""
    if not value or value[0] in "[{(" or value.startswith(("b'", 'b"', "bytearray")):
        return ()
    values: list[object] = [value, f"…{value}"]
    values += [one for one in (True, False, None) if str(one) == value]
    for kind in (int, float):
        with contextlib.suppress(ValueError, OverflowError):
            values.append(kind(value))
    forms = []
    for one in values:
        with contextlib.suppress(ValueError, OverflowError):
            forms.append(pack(one))
    return tuple(forms)
