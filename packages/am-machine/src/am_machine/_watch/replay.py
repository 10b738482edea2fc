"""From what a machine left in a journal to entries."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from .._causality import ids_of
from .._schema.plans import Plan
from .entries import JournalEntry
from .journal_details import JournalDetails, Queued, details_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .details import Raw

# Items of a journal for each entry.
FIELDS = 4


class Base(NamedTuple):
    """Clocks that the following entries go on from."""

    ticks: tuple[int, ...]
    machine_tick: int


class Handlers(NamedTuple):
    """The handler names bound from here on."""

    names: tuple[str, ...]


_NO_KEYWORDS: Mapping[str, Any] = {}


def _details(plan: Plan, raw: Raw) -> JournalDetails:
    """Details of a transition, whatever it came to."""
    call = plan.call
    is_blocked = call.is_auto and not plan.accepted
    name = "blocked" if is_blocked else "check" if call.is_check else "transition"
    return details_of(name, raw)


class Place:
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

    def copy(self) -> Place:
        """The same, to go on from."""
        return Place(
            self.ticks.copy(), self.machine_tick, self.handlers, is_rebased=self.is_rebased
        )

    def skip(self, plans: Sequence[Plan]) -> None:
        """Go on by plans that were followed, nothing else being known of them."""
        ticks = self.ticks
        for plan, count in Counter(plans).items():
            for i, gained in plan.increments:
                ticks[i] += gained * count
        self.is_rebased = False

    def replay(self, taken: list[Any], id_bytes: bytes, *, clocks: bool) -> list[JournalEntry]:
        """Go on by items to where they led; those of transitions as entries, with these ids.

        In one loop that calls next to nothing, for the time it takes is part of what listening
        costs; so the entries are not made by keywords either.
        """
        ticks, tells_all = self.ticks, clocks or self.is_rebased
        ids = ids_of(id_bytes)
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
                elif type(what) is Handlers:
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
