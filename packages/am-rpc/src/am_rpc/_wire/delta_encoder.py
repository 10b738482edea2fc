"""The server's end of the clock stream: what the client was sent last, and how to bring it on.

A `DeltaEncoder` belongs to one connection. Pushes, responses and the welcome form one ordered
stream, so the baseline is simply what was put into that stream last; nothing is acknowledged.
Pure: it is given times and returns updates.
"""

from __future__ import annotations

from itertools import compress, count
from operator import itemgetter, ne
from typing import TYPE_CHECKING, Any

from .checksum import MASK, full_sum
from .handshake_messages import Shape, Vector
from .server_messages import KIND_CODES, Record, Update

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .._options import Sync


# Ticks that are compared at once.
_BLOCK = 256


class Step:
    """What one client was told last, for others of the same view that knew as much before.

    `old` and `new` are the tracked ticks before and after, `data` the push once it was encoded.
    """

    __slots__ = ("data", "new", "old", "queue_ticks", "sum", "time", "update")

    def __init__(
        self,
        time: Sequence[int],
        old: tuple[int, ...],
        new: tuple[int, ...],
        queue_ticks: tuple[int, int, int, int],
        total: int,
        update: Update | None,
    ) -> None:
        self.time = time
        self.old = old
        self.new = new
        self.queue_ticks = queue_ticks
        self.sum = total
        self.update = update
        self.data: bytes | None = None


# By view: what of the source a client follows, and how.
Steps = dict[tuple[Any, ...], Step]


class DeltaEncoder:
    """Diffs of one source for one client.

    Args:
        names: all state names of the source, in index order.
        sync: what the client wants to follow.
        readable: states the client may follow, or None for all.
    """

    __slots__ = (
        "_all", "_getter", "_names", "_positions", "_readable", "_source", "_sum", "_sync",
        "_ticks", "_view", "_whole", "machine_tick", "queue_tick",
    )  # fmt: skip

    def __init__(
        self, names: Sequence[str], sync: Sync, readable: frozenset[str] | None = None
    ) -> None:
        self._sync = sync
        self._readable = readable
        self.queue_tick = 0
        self.machine_tick = 0
        self._sum = 0
        self.grow(names)

    def grow(self, names: Sequence[str]) -> None:
        """Take the names of a schema that grew; call `reset` next."""
        self._names = tuple(names)
        tracked = tracked_indexes(self._names, self._sync, self._readable)
        # Wire index -> source index. With a schema they are the same numbers.
        self._source = tracked
        self._whole = len(tracked) == len(self._names)
        # Picks them out; of less than two it would make no tuple.
        partly = not self._whole and len(tracked) > 1
        self._getter = itemgetter(*tracked) if partly else None
        self._all = self._sync.schema
        self._positions = dict(zip(tracked, range(len(tracked)), strict=True))
        self._ticks: tuple[int, ...] = (0,) * len(tracked)
        parts = () if self._whole else tracked
        self._view = (parts, self._all, self._sync.shallow, self._sync.queue, len(self._names))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that the client is told: all with a schema, else the tracked ones."""
        return self._names if self._all else tuple(self._names[i] for i in self._source)

    @property
    def has_schema(self) -> bool:
        """Tell whether the client works with the source's schema and indexes."""
        return self._all

    @property
    def mutations(self) -> bool:
        """Tell whether the client wants one record per mutation."""
        return self._sync.mutations

    def source_index(self, wire: int) -> int | None:
        """Return the source index of a wire index, or None if it names no state."""
        if self._all:
            return wire if wire < len(self._names) else None
        return self._source[wire] if wire < len(self._source) else None

    def _pick(self, time: Sequence[int]) -> tuple[int, ...]:
        ticks = tuple(time)
        if self._getter is not None:
            ticks = self._getter(ticks)
        elif not self._whole:
            ticks = tuple([ticks[i] for i in self._source])
        return tuple([tick & 1 for tick in ticks]) if self._sync.shallow else ticks

    def reset(self, time: Sequence[int], queue_tick: int, machine_tick: int) -> Vector:
        """Return full values and make them the baseline."""
        ticks = self._ticks = self._pick(time)
        self.queue_tick = queue_tick if self._sync.queue else 0
        self.machine_tick = machine_tick if self._sync.queue else 0
        vector = list(ticks)
        if self._all and not self._whole:
            vector = [0] * len(self._names)
            for index, tick in zip(self._source, ticks, strict=True):
                vector[index] = tick
        self._sum = full_sum(vector, self.queue_tick, self.machine_tick)
        return Vector(tuple(vector), self.queue_tick, self.machine_tick)

    def shape(
        self,
        schema: Mapping[str, Any] | None,
        time: Sequence[int],
        queue_tick: int,
        machine_tick: int,
    ) -> Shape:
        """Return names, schema and full values, and make these the baseline."""
        vector = self.reset(time, queue_tick, machine_tick)
        untracked: tuple[int, ...] = ()
        if self._all and not self._whole:
            untracked = tuple(i for i in range(len(self._names)) if i not in self._positions)
        return Shape(self.names, schema, vector, len(self._names), untracked)

    def shared_diff(
        self, time: Sequence[int], queue_tick: int, machine_tick: int, steps: Steps
    ) -> Step:
        """Return the growth as `diff` does, looked up where another client was told the same."""
        step = steps.get(self._view)
        ticks = (self.queue_tick, self.machine_tick, queue_tick, machine_tick)
        if step is not None and step.time is time:
            if step.old is self._ticks and step.queue_ticks == ticks:
                self._ticks, self._sum = step.new, step.sum
                if self._sync.queue:
                    self.queue_tick, self.machine_tick = queue_tick, machine_tick
                return step
            new = step.new
        else:
            new = self._pick(time)
        old = self._ticks
        update = self._diff(old, new, queue_tick, machine_tick)
        step = Step(time, old, self._ticks, ticks, self._sum, update)
        steps[self._view] = step
        return step

    def diff(self, time: Sequence[int], queue_tick: int, machine_tick: int) -> Update | None:
        """Return the growth since the baseline and move it, or None if nothing moved."""
        return self._diff(self._ticks, self._pick(time), queue_tick, machine_tick)

    def _diff(
        self, old: tuple[int, ...], new: tuple[int, ...], queue_tick: int, machine_tick: int
    ) -> Update | None:
        pairs: list[int] = []
        moved = self._sum
        if new != old:
            self._ticks = new
            # Wire indexes are positions, but for a part of a schema.
            source = self._source if self._all and not self._whole else None
            for position in _moved(old, new):
                growth = new[position] - old[position]
                index = position if source is None else source[position]
                moved += (2 * index + 1) * growth
                pairs.append(index)
                pairs.append(growth)
            if self._sync.shallow:
                del pairs[1::2]
        dq = dm = 0
        if self._sync.queue:
            dq, dm = queue_tick - self.queue_tick, machine_tick - self.machine_tick
            self.queue_tick, self.machine_tick = queue_tick, machine_tick
        if not pairs and not dq and not dm:
            return None
        self._sum = (moved + dq + dm) & MASK
        return Update(tuple(pairs), dq, dm, self._sum)

    def record(
        self,
        kind: str,
        called: Iterable[int],
        time: Sequence[int],
        queue_tick: int,
        machine_tick: int,
    ) -> Record | None:
        """Return one mutation with its growth, or None if the client sees nothing of it."""
        update = self.diff(time, queue_tick, machine_tick)
        if update is None:
            return None
        positions = self._positions
        seen = (i if self._all else positions[i] for i in called if i in positions)
        return Record(KIND_CODES[kind], tuple(seen), update)


def _moved(old: tuple[int, ...], new: tuple[int, ...]) -> list[int]:
    """Return where two vectors of one length differ, in order."""
    if len(new) <= _BLOCK:
        return list(compress(count(), map(ne, new, old)))
    # Few of many have moved: whole blocks are compared first, which is quick where ticks are the
    # same objects.
    found: list[int] = []
    for start in range(0, len(new), _BLOCK):
        ours, theirs = new[start : start + _BLOCK], old[start : start + _BLOCK]
        if ours != theirs:
            found += compress(count(start), map(ne, ours, theirs))
    return found


def tracked_indexes(
    names: Sequence[str], sync: Sync, readable: frozenset[str] | None
) -> tuple[int, ...]:
    """Return the source indexes that a client follows: allowed minus skipped, if readable."""
    allowed = None if sync.allowed is None else frozenset(sync.allowed)
    skipped = frozenset(sync.skipped)
    return tuple(
        index
        for index, name in enumerate(names)
        if (allowed is None or name in allowed)
        and name not in skipped
        and (readable is None or name in readable)
    )
