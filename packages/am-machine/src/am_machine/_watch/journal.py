"""Journals: what happened to a machine, in short, for those who may learn it later.

A tracer hears of a transition while it runs, in full, and pays for it in every transition. A
journal costs a fraction of a microsecond: the machine leaves the plan it has followed and the time
of day, and whoever reads the journal works out the clocks, in a thread of its own if it likes.
"""

from __future__ import annotations

from threading import RLock
from time import time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from .._causality import Source, new_ids
from .._schema.plans import Plan
from .._text import repr_of
from .journal_details import JournalDetails, Queued, details_of
from .log import log_listener_error
from .tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._engine.base import BaseMachine
    from .._engine.mutation import Mutation
    from .details import Raw
    from .note import Note


class JournalEntry(NamedTuple):
    """One transition that ended."""

    at: int
    """Microseconds since 1970, by the system's clock, which may be set back."""
    kind: str
    """add, remove or set."""
    called: tuple[int, ...]
    """Indexes of the called states."""
    before: tuple[int, ...]
    """Ticks of all states before it …"""
    after: tuple[int, ...]
    """… and after it; longer, if the schema grew in between. Of a journal without `clocks` both
    are empty in most entries: see `Journal`."""
    queue_tick: int
    accepted: bool
    is_broken: bool
    """Whether a final handler failed, so that clocks moved though it was canceled."""
    machine_tick: int
    is_auto: bool = False
    """Whether it was made for auto states."""
    source: Source | None = None
    """Which transition caused it."""
    id: str = ""
    """The transition's id, 16 hex characters; what it caused names it by this."""
    args: Mapping[str, Any] = {}
    """The logged keywords: numbers, bools and None as they are, anything else as text of at most
    256 characters, which is a `Converted` where it is not all; of `err` the type and the
    message."""
    vetoed: tuple[str, ...] = ()
    """The handlers that voted against, in order."""
    failed: str | None = None
    """The handler that raised."""
    changes: tuple[tuple[int, int], ...] = ()
    """(state index, ticks gained) of the states whose clocks moved."""
    handlers: tuple[str, ...] = ()
    """The handler names bound when it ended."""
    details: JournalDetails | None = None
    """What a journal with `details` tells beside; None too where it asked when the transition was
    running already."""
    form: object = None
    """The same object for entries that tell the same, but for time, clocks, queue tick, source, id,
    args, handlers and details; so a reader can keep what it made of the rest. Of entries that
    nothing is kept of, None."""


JournalEntry.__module__ = "am_machine"  # as users and pickles know it
# Items of a journal for each entry.
FIELDS = 4


def _details(plan: Plan, raw: Raw) -> JournalDetails:
    """Details of a transition, whatever it came to."""
    call = plan.call
    is_blocked = call.is_auto and not plan.accepted
    name = "blocked" if is_blocked else "check" if call.is_check else "transition"
    return details_of(name, raw)


class _Base(NamedTuple):
    """Clocks that the following entries go on from."""

    ticks: tuple[int, ...]
    machine_tick: int


class _Handlers(NamedTuple):
    """The handler names bound from here on."""

    names: tuple[str, ...]


_NO_KEYWORDS: Mapping[str, Any] = {}


class _Place:
    """How far a journal was read: what the next entry goes on from."""

    __slots__ = ("handlers", "is_rebased", "machine_tick", "ticks")

    def __init__(
        self, ticks: list[int], machine_tick: int, handlers: tuple[str, ...], *, is_rebased: bool
    ) -> None:
        self.ticks = ticks
        self.machine_tick = machine_tick
        self.handlers = handlers
        # Whether the clocks are others than those that the last entry led to.
        self.is_rebased = is_rebased

    def copy(self) -> _Place:
        """The same, to go on from."""
        return _Place(
            self.ticks.copy(), self.machine_tick, self.handlers, is_rebased=self.is_rebased
        )

    def replay(self, taken: list[Any], clocks: bool) -> list[JournalEntry]:
        """Go on by items to where they led; those of transitions as entries.

        In one loop that calls next to nothing, for the time it takes is part of what listening
        costs; so the entries are not made by keywords either.
        """
        ticks, tells_all = self.ticks, clocks or self.is_rebased
        ids = new_ids(len(taken) // FIELDS)
        before = after = tuple(ticks) if tells_all else ()
        # What all entries of a plan have in common.
        common: dict[Plan, tuple[str, tuple[int, ...], bool, Sequence[tuple[int, int]]]] = {}
        found: list[JournalEntry] = []
        machine_tick, handlers = self.machine_tick, self.handlers
        make, entry_type, no_keywords = tuple.__new__, JournalEntry, _NO_KEYWORDS
        fields = [iter(taken)] * FIELDS
        for number, (what, at, queue_tick, note) in enumerate(zip(*fields, strict=True)):
            if type(what) is not Plan:
                if type(what) is Queued:
                    found.append(self._queued(what, at, tuple(ticks) if clocks else ()))
                elif type(what) is _Handlers:
                    self.handlers = handlers = what.names
                else:
                    ticks, self.machine_tick = list(what.ticks), what.machine_tick
                    machine_tick = self.machine_tick
                    self.is_rebased = tells_all = True
                    after = what.ticks
                continue
            try:
                kind, called, is_auto, changes = common[what]
            except KeyError:
                call = what.call
                kind, called, is_auto = str(call.kind), call.indexes, call.is_auto
                changes = what.increments
                common[what] = kind, called, is_auto, changes
            if note is not None and note.changes is not None:
                changes = note.changes
            for i, gained in changes:
                ticks[i] += gained
            if tells_all:
                before, after = after, tuple(ticks) if changes else after
                tells_all = clocks
            else:
                before = after = ()
            one: tuple[Any, ...]
            if note is None:
                one = (
                    at // 1000, kind, called, before, after, queue_tick, True, False, machine_tick,
                    is_auto, None, ids[number], no_keywords, (), None, changes, handlers, None,
                    what,
                )  # fmt: skip
            else:
                # One that caused nothing is named by nobody else.
                told = ids[number] if note.cause is None else note.cause.transition_id
                details = None if note.details is None else _details(what, note.details)
                one = (
                    at // 1000, kind, called if note.called is None else note.called, before, after,
                    queue_tick, note.accepted, note.is_broken, machine_tick, is_auto, note.source,
                    told, note.args or no_keywords, note.vetoed, note.failed, tuple(changes),
                    handlers, details, what if note.is_usual(what, details) else None,
                )  # fmt: skip
            found.append(make(entry_type, one))
            self.is_rebased = False
        self.ticks = ticks
        return found

    def _queued(self, what: Queued, at: int, clock: tuple[int, ...]) -> JournalEntry:
        """A mutation that was queued, as an entry."""
        return JournalEntry(
            at=at // 1000,
            kind=what.kind,
            called=what.indexes,
            before=clock,
            after=clock,
            queue_tick=what.queue_tick,
            accepted=False,
            is_broken=False,
            machine_tick=self.machine_tick,
            source=what.source,
            id=f"{what.number:016x}",
            args=what.args,
            handlers=self.handlers,
            details=JournalDetails("queued", number=what.number, seen=what.seen),
        )


class Journal(Tracer):
    """A tracer that keeps the transitions of one machine until they are read.

    Checks are left out, and canceled transitions unless `rejected`. At most `limit` entries are
    kept: at more, all that wait are dropped and counted in `dropped`, and the next entry goes on
    from the clocks as they are then. `due` is called when there is something to `read`; a reader in
    another thread says by `rest` that it is about to sleep.

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
        self._place = _Place([], 0, (), is_rebased=False)

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
        with self._reading:
            items = self._items
            taken = items[:] if most is None else items[: FIELDS * most]
            if self._mark:
                self._mark = FIELDS * self.batch
            place = self._place.copy()
            found = place.replay(taken, self.clocks)
            # Both or none, if it is interrupted. The machine may have added others, which stay.
            self._place, items[: len(taken)] = place, ()
        if getattr(self.keeps, "__func__", None) is not Journal.keeps:
            found = [entry for entry in found if self.keeps(entry)]
        return found

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
        self._put(_Base(tuple(now), machine._machine_tick))

    def note_handlers(self) -> None:
        """Handlers were bound or detached."""
        machine = self._machine
        assert machine is not None
        self._put(_Handlers(machine.handler_names))

    def _put(self, item: _Base | _Handlers) -> None:
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
            before = list(machine._ticks)
            changes = plan.increments if note is None or note.changes is None else note.changes
            for i, gained in changes:
                before[i] -= gained
            self.rebase(before)
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
            if len(self._items) > FIELDS * self.limit and self._reading.acquire(blocking=False):
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

    def _drop(self) -> None:
        """Forget all that waits, but not who is bound, and go on from the clocks as they are."""
        for what in self._items[::FIELDS]:
            if isinstance(what, _Handlers):
                self._place.handlers = what.names
            elif not isinstance(what, _Base):
                self.dropped += 1
        self._items.clear()
        self.rebase()
