"""Reading journals in pieces, and handing what they hold to the consumers, in order of time."""

from __future__ import annotations

from collections import deque
from itertools import groupby
from operator import itemgetter
from time import thread_time, time_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import am_machine as am

    from .consumer import Batch, Consumer
    from .guard import Guard
    from .link import HubJournal, MachineLink

    Entries = tuple[MachineLink, Sequence[am.JournalEntry]]

# Turns without entries after which a journal has to call again.
IDLE_TURNS = 4
# Entries handed over at once: a piece of work that is not interrupted.
MOST = 500
# Seconds that such a piece should take.
PIECE = 0.002
# How fast the estimate of an entry's cost follows: the share of the last piece in it.
FOLLOWS = 0.25


class Drain:
    """The journals that have something, or had a moment ago. In the hub's thread, but for `due`."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self.called: deque[HubJournal] = deque()
        # Journal -> turns since it had something. Held here, a journal keeps its machine: so it is
        # let go as soon as it is empty.
        self._active: dict[HubJournal, int] = {}
        # Those of them that are still to be read in this round, so that none is read twice before
        # each was read once, and a piece takes as long beside thousands as alone.
        self._round: deque[HubJournal] = deque()
        # Those that dropped something while they were read.
        self._unsure: set[HubJournal] = set()
        # Seconds that an entry takes, all consumers together.
        self._cost = 100e-6
        self.is_through = False
        """Whether the last piece took all there was."""

    def due(self, journal: HubJournal) -> None:
        """A journal called. In any thread."""
        self.called.append(journal)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be read until a journal calls."""
        return not self._active and not self.called

    def has_entries(self, link: MachineLink, journal: HubJournal | None) -> bool:
        """Whether there is something of a machine to read; then it is read next."""
        for one in (journal, link.journal):
            if one is not None and (len(one) or one.dropped != link.lost):
                self._active.setdefault(one, 0)
                return True
        return False

    def has_read_all_of(self, at: int) -> bool:
        """Whether nothing is left that happened by then: what a machine does meanwhile may never
        end. Known between two rounds."""
        if self._round:
            return False
        known = (*self._active, *self.called)
        return all([journal.read_until > at or not len(journal) for journal in known])

    def turn(self) -> None:
        """A turn of the hub ended: journals that stayed empty have to call again."""
        for journal, idle in list(self._active.items()):
            if len(journal):
                self._active[journal] = 0
            elif idle < IDLE_TURNS:
                self._active[journal] = idle + 1
            elif journal not in self._unsure and journal.rest():
                del self._active[journal]

    def piece(self, seconds: float) -> tuple[float, list[Consumer]]:
        """Read and hand over as much as takes about so many seconds; returns those it took, 0 if
        there was nothing, and the consumers to be given up."""
        began = thread_time()
        most = max(1, min(MOST, int(min(seconds, PIECE) / self._cost)))
        found: list[Entries] = []
        count = 0
        lost: list[Consumer] = []
        if not self._round:
            self._begin_round()
        looked = thread_time()
        while self._round and count < most:
            journal = self._round.popleft()
            entries = self._read(journal, most - count, lost)
            if entries:
                self._active[journal] = 0
                count += len(entries)
                found.append((journal.link, entries))
        self.is_through = not self._round and count < most
        if not count:
            return 0.0, lost
        self._hand_over(found if len(found) == 1 else merged(found), lost)
        over = thread_time()
        # Looking which of thousands have something costs as much for one entry as for hundreds: in
        # the price of an entry, pieces would become the smaller, the dearer they are.
        each = max(over - looked, 1e-9) / count
        # Dearer than thought: believed at once; cheaper: by and by.
        self._cost = each if each > self._cost else self._cost + (each - self._cost) * FOLLOWS
        return max(over - began, 1e-9), lost

    def _begin_round(self) -> None:
        while self.called:
            self._active.setdefault(self.called.popleft(), 0)
        self._round.extend(
            [
                one
                for one in self._active
                if len(one) or one.dropped != one.link.lost or one in self._unsure
            ]
        )

    def _read(self, journal: HubJournal, most: int, lost: list[Consumer]) -> am.JournalPart:
        link, dropped = journal.link, journal.dropped
        if dropped != link.lost or journal in self._unsure:
            self._unsure.discard(journal)
            self._tell_lost(link, dropped - link.lost, lost)
            link.lost = dropped
        entries = journal.read_part(most)
        while not entries and len(journal):
            # What it read were notes of the journal's own, such as the clocks it goes on from.
            entries = journal.read_part(most)
        if journal.dropped != dropped:
            # Before these or after them, who knows: so it is told before, and once more after.
            self._tell_lost(link, journal.dropped - dropped, lost)
            link.lost = journal.dropped
            self._unsure.add(journal)
        if entries:
            journal.read_until = entries.until
        return entries

    def _tell_lost(self, link: MachineLink, count: int, lost: list[Consumer]) -> None:
        at = time_ns() // 1000
        for consumer in link.consumers:
            if consumer.level >= 1 and not self._guard.call(
                consumer, consumer.lost, link, count, at
            ):
                lost.append(consumer)

    def _hand_over(self, batch: Batch, lost: list[Consumer]) -> None:
        consumers: dict[Consumer, None] = {}
        for link in {link: None for link, _ in batch}:
            consumers |= dict.fromkeys(link.consumers)
        for consumer in consumers:
            if consumer.level < 1:
                continue
            mine = [
                (link, wanted)
                for link, entries in batch
                if (wanted := _wanted(consumer, link, entries))
            ]
            if mine and not self._guard.call(consumer, consumer.entries, mine):
                lost.append(consumer)


def _wanted(
    consumer: Consumer, link: MachineLink, entries: Sequence[am.JournalEntry]
) -> Sequence[am.JournalEntry]:
    """What of a machine's entries a consumer is told: those since it was bound, and what moves no
    clock only at level 2."""
    since = link.since.get(consumer)
    if since is None:
        return ()
    if since > 0:
        entries = [entry for entry in entries if entry.at >= since]
    if link.has_beside and consumer not in link.detailed:
        entries = [
            entry
            for entry in entries
            if entry.details is None or entry.details.what == "transition"
        ]
    return entries


def merged(found: list[Entries]) -> list[Entries]:
    """Entries of several machines sorted by time; those of one machine stay in their order, also
    where the system's clock was set back."""
    keyed: list[tuple[int, MachineLink, am.JournalEntry]] = []
    for link, entries in found:
        latest = 0
        for entry in entries:
            latest = max(latest, entry.at)
            keyed.append((latest, link, entry))
    keyed.sort(key=itemgetter(0))
    return [(link, [one[2] for one in run]) for link, run in groupby(keyed, key=itemgetter(1))]
