"""All transitions of one machine, as columns.

Transitions are numbered from 1 in the order in which they came, and keep their numbers when older
ones are dropped. All columns of fixed width are one array a machine; what varies stands in chunks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import BadMessageError
from .chunk import Called, Chunk, Diff
from .clocks import Clocks
from .idents import find_aligned
from .layout import (
    ALL_FLAGS,
    EXECUTED,
    ID_BYTES,
    KEPT,
    KINDS,
    MARKS,
    MOST,
    NO_ID,
    USUAL_SIZES,
    Flag,
    Kept,
    Mark,
    Sizes,
)
from .packing import pack
from .search import SearchColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from am_telemetry.dbg import Tx as SentTx

_CHECKED_FLAGS = ALL_FLAGS ^ int(Flag.KEYFRAME)
# The same as plain numbers, which are quicker than members.
_HEALTH, _EMPTY = int(Mark.HEALTH), int(Mark.EMPTY)
_GAP, _QUEUED, _KIND = int(Kept.GAP), int(Kept.QUEUED), int(Kept.KIND)
# Bytes of a transition in the columns that are not searched.
_PLAIN_BYTES = 2 + 2 * ID_BYTES
# Of what is sent, the fields behind the arguments where there is nothing in them.
_NO_DETAILS = (None,) * 7


class Columns:
    """The transitions `first` to `last` of a machine; `last` is 0 if there never was one."""

    def __init__(self, ticks: Sequence[int], sizes: Sizes = USUAL_SIZES) -> None:
        self.sizes = sizes
        self.first = 1
        self.times = SearchColumn()
        self.sums = SearchColumn()
        self.queue_ticks = SearchColumn()
        self.kept = bytearray()
        self.marks = bytearray()
        self.ids = bytearray()
        self.source_ids = bytearray()
        self.chunks: list[Chunk] = [Chunk(1)]
        self.clocks = Clocks(self.diff)
        self.clocks.add_base(1, ticks)
        # The clock after the last transition, and its sum.
        self.ticks = list(ticks)
        self.sum = sum(ticks)
        # Changes where a mark of a transition changed after it came.
        self.revision = 0
        self._sealed_bytes = 0
        # The clock does not go on from the latest transition.
        self._has_jumped = False

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def last(self) -> int:
        """Number of the latest transition; one less than `first`, if there is none."""
        return self.first + len(self.kept) - 1

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        columns = self.times.nbytes + self.sums.nbytes + self.queue_ticks.nbytes
        own = columns + _PLAIN_BYTES * len(self.kept) + 16 * len(self.ticks)
        return own + self.clocks.nbytes + self._sealed_bytes + self.chunks[-1].nbytes

    # ------------------------------------------------------------------ taking in

    def append(self, sent: SentTx, names: Sequence[str], watched: Sequence[int]) -> Diff:
        """Take in a transition as sent, its states known by `names`; return what it changed.

        `watched` are the indexes of WATCHED.

        :raises BadMessageError: if it does not fit; nothing is changed then.
        """
        # All that may fail comes first, so that columns never differ in length.
        ident, time, kind, flags, called, change, queue_tick, source = sent[:8]
        chunk = self.chunks[-1]
        if len(chunk.ends) >= self.sizes.chunk:
            chunk = self._next_chunk()
        if not (0 <= time < MOST and 0 <= queue_tick < MOST):
            raise BadMessageError(f"time {time}, queue tick {queue_tick}")
        kept = KEPT[kind][flags & _CHECKED_FLAGS]
        size = len(names)
        clock = None if sent.clock is None else checked_clock(sent.clock, size)
        calls = chunk.called_shape(called, names)
        diff_number = chunk.diff_shape(change, size, watched)
        diff = chunk.diffs[diff_number]
        source_number, source_id, source_sum = 0, NO_ID, None
        if source is not None:
            source_number = chunk.source_number(source[0])
            source_id, source_sum = source[1] or NO_ID, source[2]
        rest = _packed_rest(source_sum, sent)
        if (self.sum if clock is None else sum(clock)) + diff.gained >= MOST:
            raise BadMessageError("a clock beyond all times")

        number = self.first + len(self.kept)
        if clock is not None and clock != self.ticks:
            self._go_on_from(number, clock)
            self._has_jumped = True
        if self._has_jumped:
            self._has_jumped = False
            kept |= _GAP
        chunk.packed += rest
        chunk.called.append(calls)
        chunk.diff.append(diff_number)
        chunk.source.append(source_number)
        chunk.ends.append(len(chunk.packed))
        self._append_fixed(time, self.sum + diff.gained, queue_tick, kept)
        health = _HEALTH if chunk.calls[calls].is_health else 0
        empty = _EMPTY if EXECUTED[kept] and not diff.gained else 0
        self.marks.append(MARKS[kept] | health | empty)
        self.ids += ident
        self.source_ids += source_id
        self._advance(number, diff)
        return diff

    def _append_fixed(self, time: int, total: int, queue_tick: int, kept: int) -> None:
        self.times.append(time)
        self.sums.append(total)
        self.kept.append(kept)
        if queue_tick and not kept & _QUEUED:
            self.queue_ticks.append(queue_tick)
        else:
            # What is only queued will have that tick later, what was prepended has none.
            self.queue_ticks.append_unsorted(queue_tick)

    def _advance(self, number: int, diff: Diff) -> None:
        if number % self.sizes.keyframe == 0 and number > self.first:
            self.clocks.add_base(number, self.ticks)
        ticks = self.ticks
        for i, gained in diff.pairs:
            ticks[i] += gained
        self.sum += diff.gained

    def _go_on_from(self, number: int, clock: list[int]) -> None:
        self.clocks.add_base(number, clock, is_break=number > 1)
        self.ticks, self.sum = clock, sum(clock)

    def rebase(self, clock: Sequence[int], size: int) -> bool:
        """The next transition goes on from this clock; say whether it is another one.

        :raises BadMessageError: if it is none of `size` states.
        """
        checked = checked_clock(clock, size)
        if checked == self.ticks:
            return False
        number = self.last + 1
        self._go_on_from(number, checked)
        self._has_jumped = number > 1
        return True

    def grow(self, size: int) -> None:
        """The schema has more states now, or others do the watching."""
        self.ticks += [0] * (size - len(self.ticks))
        self.chunks[-1].forget_lookup()

    def mark(self, number: int, mark: Mark) -> None:
        """Add a mark to a transition that came before."""
        k = number - self.first
        if 0 <= k < len(self.marks) and not self.marks[k] & mark:
            self.marks[k] |= mark
            self.revision += 1

    def unmark(self, number: int, mark: Mark) -> None:
        """Take a mark from a transition that came before."""
        k = number - self.first
        if 0 <= k < len(self.marks) and self.marks[k] & mark:
            self.marks[k] &= ~mark & 0xFF
            self.revision += 1

    def _next_chunk(self) -> Chunk:
        chunk = self.chunks[-1]
        start = ID_BYTES * self._open
        chunk.seal(self.ids[start:], self.source_ids[start:])
        self._sealed_bytes += chunk.nbytes
        self.chunks.append(Chunk(chunk.last + 1))
        return self.chunks[-1]

    # ------------------------------------------------------------------ reading

    def chunk_of(self, number: int) -> Chunk:
        """The chunk that a transition is in.

        :raises IndexError: if it is not kept.
        """
        if not self.first <= number <= self.last:
            raise IndexError(f"no transition {number}: there are {self.first} to {self.last}")
        chunk = self.chunks[-1]
        if number >= chunk.first:
            return chunk
        # All but the last are full; the first kept one begins at `first`.
        return self.chunks[(number - self.first) // self.sizes.chunk]

    def pieces(self, first: int, last: int) -> Iterator[tuple[Chunk, int, int]]:
        """The chunks of a range of transitions, both ends kept, each with where the range begins
        and ends in it."""
        number = first
        while number <= last:
            chunk = self.chunk_of(number)
            end = min(chunk.last, last)
            yield chunk, number - chunk.first, end - chunk.first + 1
            number = end + 1

    def called(self, number: int) -> tuple[int, ...]:
        """Indexes of the called states, in the order of the call."""
        chunk = self.chunk_of(number)
        return chunk.calls[chunk.called[number - chunk.first]].states

    def diff(self, number: int) -> Diff:
        """What a transition changed."""
        chunk = self.chunk_of(number)
        return chunk.diffs[chunk.diff[number - chunk.first]]

    def called_shape(self, number: int) -> Called:
        """The called states with what is known of them."""
        chunk = self.chunk_of(number)
        return chunk.calls[chunk.called[number - chunk.first]]

    def id_of(self, number: int) -> bytes:
        """A transition's id."""
        k = (number - self.first) * ID_BYTES
        return bytes(self.ids[k : k + ID_BYTES])

    def kind_of(self, number: int) -> str:
        """add, remove or set."""
        return KINDS[self.kept[number - self.first] & _KIND]

    def find_id(self, ident: bytes) -> int | None:
        """The number of the latest transition with this id."""
        found = find_aligned(self.ids, ident, start=self._open, reverse=True)
        if found is not None:
            return self.first + found
        for chunk in reversed(self.chunks[:-1]):
            positions = [*chunk.by_id.positions(ident)] if chunk.by_id is not None else ()
            if positions:
                return chunk.first + positions[-1]
        return None

    def caused_by(self, machine_id: str, ident: bytes) -> list[int]:
        """The transitions that name one of a machine, with this id, as their source, in order."""
        found: list[int] = []
        for chunk in self.chunks:
            if machine_id not in chunk.sources:
                continue
            source = chunk.sources.index(machine_id)
            if chunk.by_source is not None:
                positions = chunk.by_source.positions(ident)
            else:
                positions = self._positions_in_open(ident)
            found += [chunk.first + k for k in positions if chunk.source[k] == source]
        return found

    def _positions_in_open(self, ident: bytes) -> Iterator[int]:
        start = self._open
        k = find_aligned(self.source_ids, ident, start=start)
        while k is not None:
            yield k - start
            k = find_aligned(self.source_ids, ident, start=k + 1)

    @property
    def _open(self) -> int:
        """The position of the first transition of the last chunk, which still grows."""
        return self.chunks[-1].first - self.first

    def sum_before(self, number: int) -> int:
        """The machine time before a transition."""
        return self.sums.shown[number - self.first] - self.diff(number).gained

    @property
    def sum_home(self) -> int:
        """The machine time before the oldest transition that is kept."""
        return self.sum_before(self.first) if self.kept else self.sum

    # ------------------------------------------------------------------ dropping

    def chunk_bytes(self, k: int) -> int:
        """Bytes held of the transitions of a chunk, the oldest being 0."""
        columns = (self.times, self.sums, self.queue_ticks)
        width = _PLAIN_BYTES + sum([column.width for column in columns])
        return self.chunks[k].nbytes + width * len(self.chunks[k])

    def drop_chunks(self, chunks: int) -> int:
        """Forget the transitions of the oldest chunks, and return how many they were. All that
        stays is moved: many at a time take no longer than one."""
        gone = self.chunks[:chunks]
        count = sum(map(len, gone))
        if not count:
            return 0
        following = gone[-1].last + 1
        self.clocks.drop_before(following, len(self.ticks))
        self._sealed_bytes -= sum([chunk.nbytes for chunk in gone if chunk is not self.chunks[-1]])
        if len(gone) == len(self.chunks):
            self.chunks.append(Chunk(following))
        del self.chunks[: len(gone)]
        self.first = following
        for column in (self.times, self.sums, self.queue_ticks):
            column.drop(count)
        del self.kept[:count], self.marks[:count]
        del self.ids[: ID_BYTES * count], self.source_ids[: ID_BYTES * count]
        return count

    def replace_rests(self, chunk: Chunk, rests: Sequence[bytes]) -> None:
        """Put others in the place of a chunk's packed rests."""
        is_sealed = chunk is not self.chunks[-1]
        self._sealed_bytes -= chunk.nbytes if is_sealed else 0
        chunk.replace_rests(rests)
        self._sealed_bytes += chunk.nbytes if is_sealed else 0


def _packed_rest(source_sum: int | None, sent: SentTx) -> bytes:
    """The fields that have no column, packed; without the empty ones at the end.

    :raises BadMessageError: if a text cannot be kept.
    """
    has_details = sent[9:16] != _NO_DETAILS
    rest = [source_sum, *sent[8:16]] if has_details else [source_sum, sent[8]]
    while rest and not rest[-1] and rest[-1] != 0:
        rest.pop()
    try:
        return pack(rest) if rest else b""
    except (ValueError, TypeError, OverflowError) as exc:
        raise BadMessageError(f"not a transition: {exc}") from exc


def checked_clock(clock: Sequence[int], size: int) -> list[int]:
    """A clock that was sent.

    :raises BadMessageError: if it is none of `size` states.
    """
    if len(clock) > size:
        raise BadMessageError(f"a clock of {len(clock)} states, where there are {size}")
    if not all([0 <= tick < MOST for tick in clock]) or sum(clock) >= MOST:
        raise BadMessageError("a clock beyond all times")
    return [*clock, *[0] * (size - len(clock))]
