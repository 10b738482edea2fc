"""A view of one transition, decoded when somebody asks for it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from am_telemetry.dbg import Tx as SentTx

from .layout import KINDS, NO_ID, Flag, Kept, wire_flags
from .packing import unpack, unpack_all

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .columns import Columns

# Views kept for all machines together, and bytes that one takes, roughly.
MOST_VIEWS = 4096
_VIEW_BYTES = 1500
_REST_FIELDS = 9
# Positions in the packed rest of a transition; what is empty at its end is left out.
ARGS, DURATION, LOG, FAILED, STACK = 1, 2, 5, 6, 7
_KEYFRAME = int(Flag.KEYFRAME)
_KIND, _ACCEPTED, _AUTO = int(Kept.KIND), int(Kept.ACCEPTED), int(Kept.AUTO)
_CHECK, _QUEUED, _ERROR, _GAP = [
    int(kept) for kept in (Kept.CHECK, Kept.QUEUED, Kept.ERROR, Kept.GAP)
]


class SourceRef(NamedTuple):
    """Which transition caused another: it is named by machine id and id, and by the machine time
    (sum of ticks) before it."""

    machine_id: str
    id: bytes
    """All zeros if it was not told."""
    time_sum: int


class Tx(NamedTuple):
    """One transition. States are indexes into the schema that held then."""

    number: int
    id: bytes
    time: int
    """Microseconds since 1970, as sent."""
    kind: str
    is_accepted: bool
    is_auto: bool
    is_check: bool
    is_queued: bool
    """It was only queued here; another one executes it."""
    has_error: bool
    """A handler raised."""
    is_after_gap: bool
    """Others were lost before it."""
    marks: int
    """The bits of `Mark`."""
    called: tuple[int, ...]
    changes: tuple[tuple[int, int], ...]
    """(state index, ticks gained)."""
    gained: int
    time_sum: int
    """Machine time after it."""
    queue_tick: int
    """0: it was prepended."""
    source: SourceRef | None
    args: Mapping[str, Any]
    duration: int | None
    """Microseconds."""
    queue_length: int | None
    mutation: int | None
    """The exporter's number of a mutation that was queued."""
    log: tuple[tuple[int, str], ...]
    """(level, text)."""
    failed: tuple[str, ...]
    """Handlers that voted against, in order; the last one raised if `has_error`."""
    stack: tuple[str, ...]
    runs: tuple[tuple[str, int], ...]
    """(handler, microseconds)."""


def decode(columns: Columns, number: int) -> Tx:
    """Read a transition.

    :raises IndexError: if it is not kept.
    """
    chunk = columns.chunk_of(number)
    k, in_chunk = number - columns.first, number - chunk.first
    packed = chunk.rest(number)
    rest = unpack(packed) if packed else []
    rest += [None] * (_REST_FIELDS - len(rest))
    source_sum, args, duration, length, mutation, log, failed, stack, runs = rest
    kept = columns.kept[k]
    diff = chunk.diffs[chunk.diff[in_chunk]]
    machine_id = chunk.sources[chunk.source[in_chunk]]
    source = None
    if machine_id is not None:
        source = SourceRef(machine_id, bytes(columns.source_ids[8 * k : 8 * k + 8]), source_sum)
    return Tx(
        number=number,
        id=columns.id_of(number),
        time=columns.times.shown[k],
        kind=KINDS[kept & _KIND],
        is_accepted=bool(kept & _ACCEPTED),
        is_auto=bool(kept & _AUTO),
        is_check=bool(kept & _CHECK),
        is_queued=bool(kept & _QUEUED),
        has_error=bool(kept & _ERROR),
        is_after_gap=bool(kept & _GAP),
        marks=columns.marks[k],
        called=chunk.calls[chunk.called[in_chunk]].states,
        changes=diff.pairs,
        gained=diff.gained,
        time_sum=columns.sums.shown[k],
        queue_tick=columns.queue_ticks.shown[k],
        source=source,
        args=args or {},
        duration=duration,
        queue_length=length,
        mutation=mutation,
        log=tuple([(level, text) for level, text in log or ()]),
        failed=tuple(failed or ()),
        stack=tuple(stack or ()),
        runs=tuple([(name, took) for name, took in runs or ()]),
    )


def rest_of(columns: Columns, number: int) -> Sequence[Any]:
    """The packed rest of a transition: the machine time of its source, then what has the positions
    ARGS to STACK.

    :raises IndexError: if it is not kept.
    """
    packed = columns.chunk_of(number).rest(number)
    rest: Sequence[Any] = unpack(packed) if packed else ()
    return rest


def rests_of(columns: Columns, first: int, last: int) -> list[Sequence[Any]]:
    """The same of many in a row, both ends kept, in a fraction of the time."""
    found: list[Sequence[Any]] = []
    number = first
    while number <= last:
        chunk = columns.chunk_of(number)
        start, end = number - chunk.first, min(chunk.last, last) - chunk.first + 1
        ends = chunk.ends[start:end]
        begin = chunk.ends[start - 1] if start else 0
        rests = unpack_all(bytes(chunk.packed[begin : ends[-1]]))
        if len(rests) < len(ends):
            # Some have none.
            given = iter(rests)
            starts = [begin, *ends[:-1]]
            rests = [next(given) if at < to else () for at, to in zip(starts, ends, strict=True)]
        found += rests
        number = chunk.first + end
    return found


def as_sent(client_columns: Columns, tx: Tx, clock: tuple[int, ...] | None) -> SentTx:
    """A transition as it is sent; with a clock, as a keyframe."""
    flags = wire_flags(client_columns.kept[tx.number - client_columns.first])
    source = tx.source
    source_told = None
    if source is not None:
        told_id = None if source.id == NO_ID else source.id
        source_told = (source.machine_id, told_id, source.time_sum)
    return SentTx(
        tx.id,
        tx.time,
        KINDS.index(tx.kind),
        flags if clock is None else flags | _KEYFRAME,
        tx.called,
        tuple([part for pair in tx.changes for part in pair]),
        tx.queue_tick,
        source_told,
        dict(tx.args) or None,
        tx.duration,
        tx.queue_length,
        tx.mutation,
        tx.log or None,
        tx.failed or None,
        tx.stack or None,
        tx.runs or None,
        clock,
    )


class Views:
    """The transitions decoded last, of all machines."""

    def __init__(self, limit: int = MOST_VIEWS) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[int, int], Tx] = OrderedDict()
        # Serial number of a client -> how many of its transitions are kept.
        self._count_of: Counter[int] = Counter()

    def get(self, serial: int, columns: Columns, number: int) -> Tx:
        """The view of a transition of the client with this serial number.

        :raises IndexError: if it is not kept.
        """
        key = (serial, number)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        found = self._kept[key] = decode(columns, number)
        self._count_of[serial] += 1
        if len(self._kept) > self._limit:
            (oldest, _), _ = self._kept.popitem(last=False)
            self._drop_count(oldest, 1)
        return found

    def _drop_count(self, serial: int, count: int) -> None:
        self._count_of[serial] -= count
        if not self._count_of[serial]:
            del self._count_of[serial]

    def forget(self, serial: int) -> None:
        """What was decoded of a client is no longer so."""
        if not self._count_of.pop(serial, 0):
            return  # of most machines nobody ever looked at a transition
        for key in [key for key in self._kept if key[0] == serial]:
            del self._kept[key]

    def clear(self) -> None:
        """What was decoded of any client is not needed."""
        self._kept.clear()
        self._count_of.clear()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly."""
        return _VIEW_BYTES * len(self._kept)
