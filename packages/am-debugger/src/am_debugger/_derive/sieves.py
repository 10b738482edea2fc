"""Which transitions of a machine may be meant by a term of a query, many at a time.

A sieve gives a byte for each transition of a range: 1 where the term may hold, 0 where it does
not. Where it `is_exact` 1 says that it holds. Marks are looked at at the speed of bytes, called
states and changes once for all transitions of a chunk that have the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .._store.layout import KINDS, Kept
from .._store.packing import pack

if TYPE_CHECKING:
    from .._store.chunk import Called, Chunk, Diff
    from .._store.client import Client
    from .._store.search import SearchColumn

Range = Callable[["Client", int, int], "bytes | bytearray"]
"""The bytes of transitions `first` to `last`, both kept."""
_KIND = int(Kept.KIND)


class Sieve(NamedTuple):
    """A sieve, and whether what it lets through is meant for sure."""

    range: Range
    is_exact: bool = True


def by_marks(mask: int) -> Sieve:
    """Transitions with one of these marks."""
    table = bytes([bool(byte & mask) for byte in range(256)])
    return Sieve(
        lambda client, first, last: client.columns.marks[
            first - client.first : last - client.first + 1
        ].translate(table)
    )


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
    return Sieve(
        lambda client, first, last: client.columns.kept[
            first - client.first : last - client.first + 1
        ].translate(table)
    )


def by_client(wanted: Callable[[Client], bool]) -> Sieve:
    """All transitions of machines that are wanted."""
    return Sieve(lambda client, first, last: bytes([wanted(client)]) * (last - first + 1))


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

    return Sieve(of)


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

    return Sieve(of)


def _activity(client: Client, i: int, first: int, last: int) -> tuple[bytes, bytes]:
    """Whether a state is active after each transition, and whether that one changed it."""
    clock = client.clock_before(first)
    is_active = len(clock) > i and clock[i] % 2 == 1
    breaks = {n for n in client.columns.clocks.breaks if first < n <= last}
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

    return Sieve(of)


def by_number(wanted: Callable[[int], bool]) -> Sieve:
    """Transitions by their own number."""
    return Sieve(lambda client, first, last: bytes(map(wanted, range(first, last + 1))))


def by_rest(texts: tuple[bytes, ...], *, one_of: tuple[bytes, ...] = ()) -> Sieve:
    """Transitions in whose packed rest stand all these texts, and one of the others if there are
    any: more has to be looked at."""

    def of(client: Client, first: int, last: int) -> bytes:
        found = bytearray()
        for chunk, start, end in client.columns.pieces(first, last):
            packed = bytes(chunk.packed)
            begin = chunk.ends[start - 1] if start else 0
            for stop in chunk.ends[start:end]:
                rest = packed[begin:stop]
                found.append(
                    all([text in rest for text in texts])
                    and (not one_of or any([text in rest for text in one_of]))
                )
                begin = stop
        return bytes(found)

    return Sieve(of, is_exact=False)


def packed_forms(value: str) -> tuple[bytes, ...]:
    """How a value may be packed that is shown by this text; empty if that cannot be told."""
    if not value or value[0] in "[{(" or value.startswith(("b'", 'b"', "bytearray")):
        return ()
    forms = [value.encode("utf-8", "surrogatepass")]
    constants = {"True": True, "False": False, "None": None}
    if value in constants:
        forms.append(pack(constants[value]))
    for kind in (int, float):
        try:
            number = kind(value)
            forms.append(pack(number))
        except (ValueError, OverflowError):
            continue
    return tuple(forms)
