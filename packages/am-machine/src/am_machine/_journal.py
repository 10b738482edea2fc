"""Journals: what happened to a machine, in short, for those who may learn it later.

A tracer hears of a transition while it runs, in full, and pays for it in every transition. A
journal costs a fraction of a microsecond: the machine leaves the plan it has followed and the time
of day, and whoever reads the journal works out the clocks, in a thread of its own if it likes.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, NamedTuple

from ._log import complain
from ._plans import Plan
from ._tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._base import BaseMachine
    from ._mutation import Mutation


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
    """… and after it; longer, if the schema grew in between."""
    queue_tick: int
    accepted: bool
    is_broken: bool
    """Whether a final handler failed, so that clocks moved though it was canceled."""
    machine_tick: int


class _Base(NamedTuple):
    """Clocks that the following entries go on from."""

    ticks: tuple[int, ...]
    queue_tick: int
    machine_tick: int


class Journal(Tracer):
    """A tracer that keeps the transitions of one machine until they are read.

    Checks are left out, and canceled transitions unless `rejected`. At most `limit` entries are
    kept: beyond that the oldest are dropped and counted in `dropped`. `due` is called when there is
    something to `read`; a reader in another thread says by `rest` that it is about to sleep.

    Unlike other tracers it is not inherited by submachines.
    """

    batch = 100
    """`due` is called again when so many entries wait."""
    limit = 10_000

    def __init__(self, *, rejected: bool = False) -> None:
        self.rejected = rejected
        self.dropped = 0
        # Pairs of an item and its time in ns. An item is a plan that was followed to its end, an
        # entry of what a plan does not tell, or clocks to go on from.
        self._entries: deque[Plan | JournalEntry | _Base | int] = deque()
        # How many there may be before somebody has to know.
        self._mark = 2
        self._machine: BaseMachine | None = None
        self._is_midway = False
        # What follows belongs to whoever reads.
        self._reading = Lock()
        self._ticks: list[int] = []
        self._queue_tick = self._machine_tick = 0

    def due(self) -> None:
        """Entries wait to be read: the first since the reader rested, a batch, or too many.

        Called in the machine's own stack, so it must be quick.
        """

    def read(self) -> list[JournalEntry]:
        """Take out all entries, oldest first. In any thread."""
        with self._reading:
            pairs = len(self._entries) // 2
            self._mark_at(2 * self.batch)
            replayed = [self._replay() for _ in range(pairs)]
        return [entry for entry in replayed if entry is not None and self.keeps(entry)]

    def keeps(self, entry: JournalEntry) -> bool:
        """Whether an entry is worth reading; others are left out of `read` and of `dropped`.

        Called by the reader, and in the machine's stack when entries are dropped.
        """
        return True

    def rest(self) -> bool:
        """Have `due` called for the next entry. False if there is one already."""
        self._mark_at(2)
        # The machine adds before it looks at the mark, so one of both sees the other.
        return len(self._entries) < 2

    def __len__(self) -> int:
        return len(self._entries) // 2

    def __bool__(self) -> bool:
        return True

    # ------------------------------------------------------------------ for the machine

    def _open(self, machine: BaseMachine) -> None:
        """The journal is bound to a machine.

        :raises ValueError: if it belongs to another one.
        """
        if self._machine is not None and self._machine is not machine:
            raise ValueError("a journal is of one machine")
        self._machine = machine
        # A plan that is being followed may have moved the clocks already. Whoever asks for the
        # record of the transition is told of its end.
        self._is_midway = machine.transition is not None
        self._rebase()

    def _rebase(self) -> None:
        """The clocks are others, but not by a transition."""
        machine = self._machine
        assert machine is not None
        self._put(_Base(tuple(machine._ticks), machine._queue_tick, machine._machine_tick))

    def _note(self, plan: Plan, mutation: Mutation | None, accepted: bool) -> None:
        """A transition ended; the hot path appends by itself, and calls `filled`."""
        machine = self._machine
        assert machine is not None
        transition = machine._transition
        broken = transition is not None and transition.is_broken
        accepted = accepted and not broken
        if plan.is_check or not (accepted or broken or self.rejected):
            return
        # Did the queue move on by one, or by none for an auto mutation that came through whole?
        usual = mutation is None or (
            mutation.indexes == plan.called and (plan.is_auto or mutation.queue_tick)
        )
        if accepted and usual and not self._is_midway:
            self._put(plan)
        else:
            before = list(machine._ticks)
            if accepted:
                for i, gained in plan.increments:
                    before[i] -= gained
            elif transition is not None and broken:
                before = list(transition.time_before)
            called = plan.called if mutation is None else mutation.indexes
            self._tell(plan.kind, called, before, accepted, broken)
        if len(self._entries) >= self._mark:
            self._filled()

    def _followed(self, plan: Plan, before: Sequence[int]) -> None:
        """A replica followed an update."""
        self._tell(plan.kind, plan.called, before, True, False)
        if len(self._entries) >= self._mark:
            self._filled()

    def _filled(self) -> None:
        """The mark is reached: drop what is too old, and tell. What is raised is only logged."""
        try:
            excess = len(self._entries) // 2 - self.limit
            # A reader that holds the lock is just making room.
            if excess > 0 and self._reading.acquire(blocking=False):
                try:
                    self._drop(excess)
                finally:
                    self._reading.release()
            first = len(self._entries) < 2 * self.batch
            # A reader that was told of a batch comes for all there is by then.
            self._mark_at(2 * self.batch if first else 2 * self.limit + 2)
            self.due()
        except Exception as exc:
            assert self._machine is not None
            complain(self._machine, f"[tracer] {type(self).__name__} raised {exc!r}", exc)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            entry = self._replay()
            self.dropped += entry is not None and self.keeps(entry)

    def _mark_at(self, count: int) -> None:
        self._mark = count
        if self._machine is not None:
            self._machine._notes_mark = count

    def _put(self, item: Plan | JournalEntry | _Base) -> None:
        self._entries.append(item)
        self._entries.append(time_ns())

    def _tell(
        self,
        kind: str,
        called: tuple[int, ...],
        before: Sequence[int],
        accepted: bool,
        broken: bool,
    ) -> None:
        machine = self._machine
        assert machine is not None
        self._put(
            JournalEntry(
                at=0,
                kind=str(kind),
                called=called,
                before=tuple(before),
                after=tuple(machine._ticks),
                queue_tick=machine._queue_tick,
                accepted=accepted,
                is_broken=broken,
                machine_tick=machine._machine_tick,
            )
        )
        self._is_midway = False

    # ------------------------------------------------------------------ for the reader

    def _replay(self) -> JournalEntry | None:
        """Take out the oldest item, and go where it went."""
        item, nanoseconds = self._entries.popleft(), self._entries.popleft()
        assert isinstance(nanoseconds, int)
        assert not isinstance(item, int)
        at = nanoseconds // 1000
        if isinstance(item, Plan):
            before = tuple(self._ticks)
            item.move(self._ticks)
            if not item.is_auto:
                self._queue_tick += 1
            return JournalEntry(
                at=at,
                kind=str(item.kind),
                called=item.called,
                before=before,
                after=tuple(self._ticks),
                queue_tick=self._queue_tick,
                accepted=True,
                is_broken=False,
                machine_tick=self._machine_tick,
            )
        self._queue_tick, self._machine_tick = item.queue_tick, item.machine_tick
        if isinstance(item, JournalEntry):
            self._ticks = list(item.after)
            return item._replace(at=at)
        self._ticks = list(item.ticks)
        return None
