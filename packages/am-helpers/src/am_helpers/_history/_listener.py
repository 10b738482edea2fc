"""From transitions to records that have all of them.

What caused a mutation, its args and its place in the queue are not in a journal. A history that
stores transitions has to listen to each of them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import am_machine as am

from ._model import HistoryConfig, TransitionRecord
from ._notes import Note, Watching, now_micros
from ._trail import Step, Trail

if TYPE_CHECKING:
    from collections.abc import Callable


class ListeningRecorder(Watching, am.Tracer):
    """Listens to one machine, and offers steps as `Recorder` does."""

    def __init__(
        self,
        mach: am.MachineApi,
        config: HistoryConfig,
        on_due: Callable[[], None],
        on_dispose: Callable[[], None],
    ) -> None:
        self._watch(mach, config)
        self._watched: object = mach
        self._on_due = on_due
        self._on_dispose = on_dispose
        self._rejected = config.track_rejected
        self._notes: deque[Note] = deque(maxlen=am.Journal.limit)
        self._trail = Trail((), 0, 0)
        self._is_awaited = True
        self._queued_at: dict[int, int] = {}
        self._last_queue_tick = mach.queue_tick

    def begin(self, ticks: tuple[int, ...], queue_tick: int, machine_tick: int) -> None:
        """Go on from these clocks."""
        self._trail = Trail(ticks, queue_tick, machine_tick)

    def take(self) -> list[Step]:
        """Take out what was noted, oldest first."""
        notes: list[Note] = []
        while self._notes:
            notes.append(self._notes.popleft())
        return self._trail.follow(notes)

    def rest(self) -> bool:
        """Have `on_due` called for the next note. False if there is one already."""
        self._is_awaited = True
        return not self._notes

    def __len__(self) -> int:
        return len(self._notes)

    def __bool__(self) -> bool:
        return True

    # ------------------------------------------------------------------ hooks

    def transition_end(self, transition: am.Transition) -> None:
        """Note the transition, if it is to be recorded."""
        if transition.machine is not self._watched:  # submachines inherit tracers
            return
        mutation, mach = transition.mutation, self.mach
        before, after = tuple(transition.time_before), tuple(transition.time_after)
        queue_tick = mach.queue_tick
        if (
            not mutation.is_check
            and (transition.accepted or self._rejected or transition.is_broken)
            and self.selection.wants(mutation.indexes, {i for i, _ in transition.changes})
        ):
            self.last_at = at = max(now_micros(), self.last_at)
            detail = self._detail(transition, queue_tick)
            self._notes.append(
                Note(
                    self.next_id,
                    at,
                    str(mutation.kind),
                    before,
                    after,
                    queue_tick,
                    mach.machine_tick,
                    detail,
                )
            )
            self.next_id += 1
            if self._is_awaited or len(self._notes) % am.Journal.batch == 0:
                self._is_awaited = False
                self._on_due()
        self._last_queue_tick = queue_tick

    def mutation_queued(self, machine: am.BaseMachine, mutation: am.Mutation) -> None:
        """Remember when a mutation was queued."""
        if machine is self._watched and mutation.queue_tick:
            self._queued_at[id(mutation)] = machine.queue_tick

    def queue_end(self, machine: am.BaseMachine) -> None:
        """Forget mutations that were dropped from the queue."""
        if machine is self._watched:
            self._queued_at.clear()

    def schema_change(self, machine: am.BaseMachine, old: am.Schema) -> None:
        """Track what grew, if all states are tracked."""
        if machine is self._watched:
            self._on_due()
            self.selection.settle()

    def machine_dispose(self, machine: am.BaseMachine) -> None:
        """Let the history end with its machine."""
        if machine is self._watched:
            self._on_dispose()

    # ---------------------------------------------------------------- details

    def _detail(self, tx: am.Transition, queue_tick: int) -> TransitionRecord:
        mutation, source = tx.mutation, tx.source
        queued_at = self._queued_at.pop(id(mutation), 0)
        return TransitionRecord(
            transition_id=tx.id,
            record_id=self.next_id,
            source_tx=source.transition_id if source else "",
            source_machine=source.machine_id if source else "",
            is_auto=tx.auto,
            is_accepted=tx.accepted,
            is_check=tx.is_check,
            is_broken=tx.is_broken,
            queue_len=tx.queue_len,
            queued_at=queued_at,
            # Only what stood in the queue moves the queue's clock.
            executed_at=queue_tick if queue_tick != self._last_queue_tick else 0,
            called=mutation.indexes,
            args=self._logged(mutation),
            called_states=tuple(mutation.called),
        )

    def _logged(self, mutation: am.Mutation) -> dict[str, str]:
        if not mutation.args:
            return {}
        log_args: Any = getattr(self.mach, "log_args", None) or am.LogArgs()
        classes = (self.mach.schema[name].args for name in mutation.called)
        marked = [
            field.name
            for cls in classes
            if cls is not None
            for field in fields(cls)
            if field.metadata.get("log")
        ]
        shown: dict[str, str] = log_args.shown(mutation.args, marked)
        return shown
