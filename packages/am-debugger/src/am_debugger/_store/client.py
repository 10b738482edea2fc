"""One machine of one process: its versions, transitions, errors, and what else was told of it."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from functools import cached_property
from itertools import compress, takewhile
from typing import TYPE_CHECKING, NamedTuple

from .columns import Columns
from .layout import ID_BYTES, USUAL_SIZES, Mark, Sizes
from .outer_log import OuterLog
from .versions import SchemaVersion, Version, watched_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from am_telemetry.dbg import PendingDef, PipeDef, Process
    from am_telemetry.dbg import Tx as SentTx

_EMPTY_BYTES = 6000
_LINK_BYTES = 200
# Pairs of queued and executing entries remembered while one of them is still to come.
_MOST_WAITING = 10_000
EXCEPTION, READY, START = range(3)
_LOST = int(Mark.LOST)
_IS_QUEUED = bytes([bool(marks & Mark.QUEUED) for marks in range(256)])
# So many transitions back it is looked for what still waits in a queue.
_QUEUE_WINDOW = 20_000


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key to sort by so that w2 comes before w10."""
    parts = re.split(r"(\d+)", text)
    return tuple([(0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in parts if p])


class Pending(NamedTuple):
    """What a machine waited for when it was asked: `time` in microseconds since 1970."""

    time: int
    items: tuple[PendingDef, ...]


class Loss(NamedTuple):
    """Transitions that were lost before transition `number`: how many, and when that was told."""

    number: int
    lost: int
    time: int


def _place(loss: Loss) -> int:
    return loss.number


class Activity:
    """When a watched state became active and inactive: numbers in order, and what it was then."""

    __slots__ = ("_active", "numbers")

    def __init__(self, is_active: bool) -> None:
        self.numbers = array("I", [0])
        self._active = bytearray([is_active])

    def append(self, number: int, is_active: bool) -> None:
        """From this transition on it is so."""
        if bool(self._active[-1]) == is_active:
            return
        if self.numbers[-1] == number:
            self._active[-1] = is_active
        else:
            self.numbers.append(number)
            self._active.append(is_active)

    def at(self, number: int) -> bool:
        """Whether it was active after a transition."""
        return bool(self._active[max(bisect_right(self.numbers, number) - 1, 0)])

    def drop_before(self, number: int) -> None:
        """Forget what was before a transition."""
        k = max(bisect_right(self.numbers, number) - 1, 0)
        del self.numbers[:k], self._active[:k]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return 200 + 5 * len(self.numbers)


class Client:
    """One machine, connected or not.

    `serial` tells clients apart for as long as the store lives; `id` is what is shown, the
    machine's own id or, where another process has the same, that with `~2` behind.
    """

    def __init__(
        self,
        serial: int,
        id: str,
        machine_id: str,
        process: Process,
        ticks: Sequence[int],
        sizes: Sizes = USUAL_SIZES,
    ) -> None:
        self.serial = serial
        self.id = id
        self.machine_id = machine_id
        self.process = process
        self.parent_id: str | None = None
        self.tags: tuple[str, ...] = ()
        self.lib = ""
        # Live links that tell of it, and with them those of dumps that are being read.
        self.connections = self.links = 0
        self.gone_at: int | None = None
        self.columns = Columns(ticks, sizes)
        self.versions: list[Version] = []
        self.outer_log = OuterLog()
        self.errors = array("I")
        self.losses: list[Loss] = []
        self.lost = 0
        self.pending: Pending | None = None
        self.notes: dict[int, str] = {}
        self.activity: tuple[Activity, ...] = ()
        # Queued entry -> the one that executes it, and back; and what still waits for its pair.
        self._executed_by: dict[int, int] = {}
        self._queued_at: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        # Changes of each state, as far as they were looked for.
        self._changes: dict[int, array[int]] = {}
        self._changes_until = 0

    @cached_property
    def sort_key(self) -> tuple[tuple[int, int, str], ...]:
        """What machines are sorted by. Made when first needed: of a flood most come and go unseen,
        and those that are shown are sorted whenever one comes."""
        return natural_key(self.id)

    # ------------------------------------------------------------------ taking in

    def set_version(
        self, schema: SchemaVersion, handlers: tuple[str, ...], pipes: tuple[PipeDef, ...]
    ) -> None:
        """From the next transition on, this schema, these handlers and pipes hold."""
        since = self.columns.last + 1
        previous = self.versions[-1] if self.versions else None
        watched = watched_of(schema.schema)
        found = Version(since, schema, schema.names, handlers, pipes, watched)
        if previous is not None:
            if (previous.schema, previous.handlers, previous.pipes) == (schema, handlers, pipes):
                return
            if previous.since == since:
                self.versions.pop()
        self.versions.append(found)
        self.columns.grow(len(schema.names))
        if not self.activity:
            ticks = self.columns.ticks
            self.activity = tuple([Activity(i >= 0 and ticks[i] % 2 == 1) for i in watched])

    def append(self, sent: SentTx) -> int:
        """Take in a transition as sent, and return its number.

        :raises BadMessageError: if it is none; nothing is changed then.
        """
        version = self.versions[-1]
        columns = self.columns
        diff = columns.append(sent, version.names, version.watched)
        number = columns.last
        if columns.marks[-1] & _LOST:
            self._recheck_activity(number)
        if diff.watched:
            for position, _ in diff.watched:
                is_active = columns.ticks[version.watched[position]] % 2 == 1
                self.activity[position].append(number, is_active)
                if position == EXCEPTION and is_active:
                    self.errors.append(number)
        if sent.number is not None:
            self._join(number, sent.number)
        if self.outer_log.is_loose:
            self.outer_log.passed(number, sent.time)
        return number

    def rebase(self, clock: Sequence[int]) -> None:
        """The next transition goes on from this clock.

        :raises BadMessageError: if it does not fit the schema.
        """
        if self.columns.rebase(clock, len(self.versions[-1].names)):
            self._recheck_activity(self.columns.last + 1)

    def _recheck_activity(self, number: int) -> None:
        """The clock jumped before transition `number`."""
        for position, state in enumerate(self.versions[-1].watched):
            if state >= 0:
                self.activity[position].append(number, self.columns.ticks[state] % 2 == 1)

    def _join(self, number: int, mutation: int) -> None:
        """Bring a queued entry and its execution together, in whichever order they come."""
        columns = self.columns
        other = self._waiting.pop(mutation, None)
        if other is None:
            if len(self._waiting) >= _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[mutation] = number
            return
        is_queued = bool(columns.marks[-1] & Mark.QUEUED)
        queued, executed = (number, other) if is_queued else (other, number)
        self._executed_by[queued] = executed
        self._queued_at[executed] = queued
        marks = columns.marks[executed - columns.first] if executed >= columns.first else 0
        if marks & Mark.AUTO_CANCELED:
            columns.unmark(queued, Mark.AUTO)
            columns.mark(queued, Mark.AUTO_CANCELED)

    def lose(self, count: int, time: int) -> None:
        """So many transitions were lost after the latest one."""
        number = self.columns.last + 1
        before = self.losses.pop() if self.losses and self.losses[-1].number == number else None
        self.losses.append(Loss(number, count + (before.lost if before else 0), time))
        self.lost += count

    # ------------------------------------------------------------------ reading

    def losses_at(self, number: int) -> Loss | None:
        """What was lost just before a transition, or after the latest one."""
        k = bisect_left(self.losses, number, key=_place)
        found = self.losses[k] if k < len(self.losses) else None
        return found if found is not None and found.number == number else None

    def lost_between(self, before: int, number: int) -> int:
        """How many transitions were lost after `before` and up to `number`."""
        if not self.losses:
            return 0
        losses = iter(self.losses[bisect_right(self.losses, before, key=_place) :])
        return sum([loss.lost for loss in takewhile(lambda loss: loss.number <= number, losses)])

    @property
    def is_connected(self) -> bool:
        """Whether more may come of it, by a live link."""
        return self.connections > 0 and self.gone_at is None

    @property
    def is_told(self) -> bool:
        """Whether more may come of it, be it from a dump."""
        return self.links > 0 and self.gone_at is None

    @property
    def first(self) -> int:
        """Number of the oldest transition kept."""
        return self.columns.first

    @property
    def last(self) -> int:
        """Number of the latest transition; one less than `first`, if there is none."""
        return self.columns.last

    @property
    def version(self) -> Version:
        """What holds now."""
        return self.versions[-1]

    def version_at(self, number: int) -> Version:
        """What held in a transition."""
        k = bisect_right(self.versions, number, key=lambda version: version.since)
        return self.versions[max(k - 1, 0)]

    def clock_after(self, number: int) -> list[int]:
        """The clock after a transition, as long as the schema that held then."""
        return self.columns.clocks.after(number, len(self.version_at(number).names))

    def clock_before(self, number: int) -> list[int]:
        """The clock just before a transition, which is not that after the one before it where
        others were lost."""
        return self.columns.clocks.before(number, len(self.version_at(number).names))

    def is_active_at(self, position: int, number: int) -> bool:
        """Whether one of EXCEPTION, READY, START was active after a transition."""
        return self.activity[position].at(number)

    def executed_by(self, number: int) -> int | None:
        """The transition that executed a queued one."""
        return self._executed_by.get(number)

    def queued_at(self, number: int) -> int | None:
        """The entry that queued a transition."""
        return self._queued_at.get(number)

    def queued_numbers(self, number: int) -> list[int]:
        """The entries that queued a mutation, up to a transition and not long before it."""
        start = max(number - _QUEUE_WINDOW, self.first)
        marks = self.columns.marks
        shown = marks[start - self.first : number - self.first + 1].translate(_IS_QUEUED)
        return list(compress(range(start, number + 1), shown))

    def has_error_within(self, number: int, count: int) -> bool:
        """Whether one of the `count` transitions up to this one activated `Exception`."""
        k = bisect_right(self.errors, number) - 1
        return k >= 0 and self.errors[k] > number - count

    def extend_changes(self, limit: int) -> bool:
        """Look for changes of states in at most `limit` more transitions; False if none is left."""
        columns, changes = self.columns, self._changes
        number = max(self._changes_until + 1, columns.first)
        end = min(columns.last, number + limit - 1)
        while number <= end:
            chunk = columns.chunk_of(number)
            for n in range(number, min(chunk.last, end) + 1):
                for i, _ in chunk.diffs[chunk.diff[n - chunk.first]].pairs:
                    if i not in changes:
                        changes[i] = array("I")
                    changes[i].append(n)
            number = min(chunk.last, end) + 1
        self._changes_until = max(end, self._changes_until)
        return self._changes_until < columns.last

    def changes_of(self, state: int) -> array[int]:
        """The transitions that changed a state's clock, in order, those that are no longer kept
        among them. Looks through all that came since the last call."""
        while self.extend_changes(1 << 20):
            pass
        return self._changes.get(state) or array("I")

    # ------------------------------------------------------------------ finding

    def nearest(self, time: int) -> int:
        """The transition nearest to a time in microseconds since 1970, the later of two equally
        near; one before the first if there is none."""
        return self.first + self.columns.times.nearest(time)

    def last_until(self, time: int) -> int:
        """The latest transition at or before a time; one before the first if there is none."""
        return self.first + self.columns.times.last_until(time)

    def at_sum(self, time_sum: int) -> int | None:
        """The first transition after which machine time was at least this."""
        return self._found(self.columns.sums.first_from(time_sum))

    def at_queue_tick(self, tick: int) -> int | None:
        """The transition that had this queue tick."""
        ticks = self.columns.queue_ticks
        found = self._found(ticks.first_from(tick))
        # What searches pass over repeats the tick before it, which may be gone.
        return None if found is None or ticks.shown[found - self.first] != tick else found

    def find_id(self, ident: bytes) -> int | None:
        """The transition with this id."""
        return self.columns.find_id(ident) if len(ident) == ID_BYTES else None

    def _found(self, position: int) -> int | None:
        return None if position == len(self.columns) else self.first + position

    # ------------------------------------------------------------------ dropping

    def chunk_time(self, k: int) -> int:
        """Human time of the oldest transition of a chunk that has one; the oldest chunk is 0."""
        columns = self.columns
        return columns.times.searched(columns.chunks[k].first - columns.first)

    def chunk_bytes(self, k: int) -> int:
        """Bytes that go with a chunk, roughly: those of its transitions, and as large a share of
        all that is beside them. The oldest chunk is 0."""
        columns = self.columns
        beside = self.nbytes - columns.nbytes
        return columns.chunk_bytes(k) + beside * len(columns.chunks[k]) // len(columns)

    def drop_chunks(self, chunks: int) -> int:
        """Forget the transitions of the oldest chunks, and return how many they were."""
        count = self.columns.drop_chunks(chunks)
        first = self.columns.first
        for activity in self.activity:
            activity.drop_before(first - 1)
        del self.errors[: bisect_left(self.errors, first)]
        for links in (self._executed_by, self._queued_at):
            # Nearly in order: what stands behind a later one goes with that. Looking at all of
            # them, of which there may be millions, would take longer than all else here.
            for number in [*takewhile(first.__gt__, links)]:
                del links[number]
        for number in [number for number in self.notes if number < first]:
            del self.notes[number]
        self._waiting = {m: number for m, number in self._waiting.items() if number >= first}
        for state, changes in self._changes.items():
            self._changes[state] = changes[bisect_left(changes, first) :]
        kept = bisect_right(self.versions, first, key=lambda version: version.since) - 1
        del self.versions[: max(kept, 0)]
        self.losses = [loss for loss in self.losses if loss.number >= first]
        self.outer_log.drop_before(first - 1)
        return count

    @property
    def nbytes(self) -> int:
        """Bytes held, but for schemas, which are shared."""
        links = len(self._executed_by) + len(self._waiting) + len(self.losses) + len(self.notes)
        return (
            _EMPTY_BYTES
            + self.columns.nbytes
            + self.outer_log.nbytes
            + sum([version.nbytes for version in self.versions])
            + sum([activity.nbytes for activity in self.activity])
            + 4 * len(self.errors)
            + _LINK_BYTES * links
            + sum([64 + 4 * len(changes) for changes in self._changes.values()])
        )
