"""Journals: what happened to a machine, in short, for those who may learn it later.

A tracer hears of a transition while it runs, in full, and pays for it in every transition. A
journal costs a fraction of a microsecond: the machine leaves the plan it has followed and the time
of day, and whoever reads the journal works out the clocks, in a thread of its own if it likes.
"""

from __future__ import annotations

from threading import RLock
from time import time_ns
from typing import TYPE_CHECKING, Any

from .._schema.plans import Plan
from .._text import repr_of
from .journal_details import Queued
from .log import log_listener_error
from .part import JournalPart, part_of
from .replay import FIELDS, Base, Handlers, Place
from .tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._engine.base import BaseMachine
    from .._engine.mutation import Mutation
    from .entries import JournalEntry
    from .note import Note


class Journal(Tracer):
    """A tracer that keeps the transitions of one machine until they are read.

    Checks are left out, and canceled transitions unless `rejected`. At most `limit` entries are
    kept: at more, all that wait but the latest transition are dropped and counted in `dropped`; so
    whoever reads learns by an entry which clocks a loss led to. `due` is called when there is
    something to `read`; a reader in another thread says by `rest` that it is about to sleep.

    Without `clocks` a reader keeps the clocks itself, by the `changes` of each entry, and reading
    takes as long with thousands of states as with few: `before` and `after` are told by the first
    entry and by each that does not go on from the one before it, since the machine grew, was
    restored, or entries were dropped. In all others they are empty.

    With `details` entries also tell how long transitions and handlers took, and their log lines;
    and there are entries for checks, for what is queued in a transition, and for auto mutations
    that came to nothing. `Journal.details` switches it.

    Unlike most tracers it is not inherited by submachines.
    """

    # The machine looks at these for each entry.
    __slots__ = ("_items", "_mark")
    __module__ = "am_machine"  # as users and pickles know it

    _is_journal = True
    inheritable = False
    blocked_autos = True
    """Whether `rejected` takes in the auto mutations of which relations let nothing through. Where
    a schema has auto states, their journal has each transition run in full, many times dearer."""
    batch = 100
    """`due` is called again when so many entries wait."""
    limit = 10_000

    def __init__(
        self, *, rejected: bool = False, clocks: bool = True, details: bool = False
    ) -> None:
        self.rejected = rejected
        self.clocks = clocks
        self._details = details
        self.dropped = 0
        # Four items an entry: what, time in ns, queue tick, note. What happened is a plan that was
        # followed, or something to go on from. Flat, since tuples that live on would have the
        # collector look at them again and again; and a list, which takes all four by one `+=`, so
        # that no entry is ever there in part.
        self._items: list[Any] = []
        # How many items there may be before somebody has to know.
        self._mark = FIELDS
        self._machine: BaseMachine | None = None
        self._is_midway = False
        # What follows belongs to whoever reads. One who was interrupted may read again.
        self._reading = RLock()
        self._place = Place([], 0, (), is_rebased=False)

    @property
    def details(self) -> bool:
        """Whether entries tell details; in a running transition it takes effect after it. While
        one journal of a machine has them, its others may tell them too."""
        return self._details

    @details.setter
    def details(self, wanted: bool) -> None:
        machine = self._machine
        if machine is not None:
            machine.check_thread()
        self._details = bool(wanted)
        if machine is not None:
            machine._retune()

    def sees(self, mutation: Mutation) -> Any:
        """A mutation is being queued in a transition: what this returns is in the details of its
        entry. Called on the machine's stack, where the journal has `details`."""

    def due(self) -> None:
        """Entries wait to be read: the first since the reader rested, a batch, or too many.

        Called in the machine's own stack, between two transitions, so it must be quick; there
        tracers may be bound and detached.
        """

    def poke(self) -> None:
        """Have `due` called after the machine's next transition. In any thread."""
        self._mark = 0

    def read(self, most: int | None = None) -> list[JournalEntry]:
        """Take out all entries, or about the `most` oldest, oldest first. In any thread."""
        return list(self._taken(most, at_once=True))

    def read_part(self, most: int | None = None) -> JournalPart:
        """The same as `read`, but entries are made when they are looked at. In any thread."""
        return self._taken(most, at_once=self._is_choosy)

    @property
    def _is_choosy(self) -> bool:
        return getattr(self.keeps, "__func__", None) is not Journal.keeps

    def _taken(self, most: int | None, *, at_once: bool) -> JournalPart:
        with self._reading:
            items = self._items
            taken = items[:] if most is None else items[: FIELDS * most]
            if self._mark:
                self._mark = FIELDS * self.batch
            part, place = part_of(self._place, taken, clocks=self.clocks, at_once=at_once)
            # Both or none, if it is interrupted. The machine may have added others, which stay.
            self._place, items[: len(taken)] = place, ()
        if self._is_choosy:
            return JournalPart([entry for entry in part if self.keeps(entry)])
        return part

    def keeps(self, entry: JournalEntry) -> bool:
        """Whether an entry is worth reading; others are left out. Called by the reader."""
        return True

    def rest(self) -> bool:
        """Have `due` called for the next entry. False if there is one already. In any thread."""
        if self._mark:
            self._mark = FIELDS
        # The machine adds before it looks at the mark, so one of both sees the other.
        return not self._items

    def __len__(self) -> int:
        return len(self._items) // FIELDS

    def __bool__(self) -> bool:
        return True

    # ------------------------------------------------------------------ for the machine

    def open(self, machine: BaseMachine) -> None:
        """The journal is bound to a machine; machines call this.

        :raises ValueError: if it belongs to another one.
        """
        if self._machine is not None and self._machine is not machine:
            raise ValueError("a journal is of one machine")
        self._machine = machine
        # A plan that is being followed may have moved the clocks already.
        self._is_midway = machine._plan is not None
        self.rebase()
        self.note_handlers()

    def rebase(self, ticks: Sequence[int] | None = None) -> None:
        """The clocks are others (or were: `ticks`), but not by a transition."""
        machine = self._machine
        assert machine is not None
        now = machine._ticks if ticks is None else ticks
        self._put(Base(tuple(now), machine._machine_tick))

    def note_handlers(self) -> None:
        """Handlers were bound or detached."""
        machine = self._machine
        assert machine is not None
        self._put(Handlers(machine.handler_names))

    def _put(self, item: Base | Handlers) -> None:
        assert self._machine is not None
        self._items += (item, time_ns(), self._machine._queue_tick, None)

    def note(self, plan: Plan, queue_tick: int, note: Note | None) -> None:
        """A transition ended, by a plan and what that does not tell."""
        if not self._takes(plan, note):
            return
        if self._is_midway:
            self._is_midway = False
            machine = self._machine
            assert machine is not None
            self.rebase(_ticks_before(machine, plan, note))
        self._items += (plan, time_ns(), queue_tick, note)
        if len(self._items) >= self._mark:
            self.filled()

    def _takes(self, plan: Plan, note: Note | None) -> bool:
        """Whether a transition is kept."""
        has_details = self._details and note is not None and note.details is not None
        if plan.is_check:
            return has_details
        if plan.is_auto and not plan.accepted:
            # They only run where others listen in full; what is told does not depend on those.
            return has_details or (self.blocked_autos and self.rejected)
        return note is None or note.accepted or note.is_broken or self.rejected

    def note_queued(self, mutation: Mutation, number: int, args: Mapping[str, Any]) -> None:
        """A mutation was queued in a transition."""
        try:
            seen = self.sees(mutation)
        except Exception as exc:
            assert self._machine is not None
            log_listener_error(self._machine, f"[tracer] sees raised {repr_of(exc)}", exc)
            seen = None
        self._items += (Queued(mutation, number, args, seen), time_ns(), mutation.queue_tick, None)
        if len(self._items) >= self._mark:
            self.filled()

    def filled(self) -> None:
        """The mark is reached: drop what is too much, and tell. What is raised is only logged."""
        try:
            if self._is_too_full() and self._reading.acquire(blocking=False):
                # A reader that holds the lock is just making room.
                try:
                    self._drop()
                finally:
                    self._reading.release()
            # A reader that was told of a batch comes for all there is by then.
            is_first = len(self._items) < FIELDS * self.batch
            self._mark = FIELDS * (self.batch if is_first else self.limit + 1)
            self.due()
        except Exception as exc:
            assert self._machine is not None
            told = f"[tracer] {type(self).__name__} raised {repr_of(exc)}"
            log_listener_error(self._machine, told, exc)

    def _is_too_full(self) -> bool:
        """Whether something has to be dropped, and may be: what is queued in a transition waits
        for the end of that, as its clocks may have moved already."""
        items = self._items
        return len(items) > FIELDS * self.limit and type(items[-FIELDS]) is Plan

    def _drop(self) -> None:
        """Forget all that waits but who is bound and the latest transition, which goes on from the
        clocks before it."""
        machine, items = self._machine, self._items
        assert machine is not None
        for what in items[:-FIELDS:FIELDS]:
            if isinstance(what, Handlers):
                self._place.handlers = what.names
            elif not isinstance(what, Base):
                self.dropped += 1
        plan, at, queue_tick, note = items[-FIELDS:]
        base = Base(tuple(_ticks_before(machine, plan, note)), machine._machine_tick)
        # All at once, if it is interrupted.
        items[:] = (base, at, queue_tick, None, plan, at, queue_tick, note)


def _ticks_before(machine: BaseMachine, plan: Plan, note: Note | None) -> list[int]:
    """The clocks before a transition that has just ended."""
    before = list(machine._ticks)
    changes = plan.increments if note is None or note.changes is None else note.changes
    for i, gained in changes:
        before[i] -= gained
    return before
