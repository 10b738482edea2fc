"""The tracer that turns transitions into records.

`transition_end` runs inside every transition of the machine, so it only decides and notes: sums and
differences are made by whoever stores the note.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import am_machine as am

from .._env_values import LOGGER
from .._names import check_states
from ._model import HistoryConfig, TimeRecord, TransitionRecord, from_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Note(NamedTuple):
    """What is kept of a transition until it becomes a record."""

    id: int
    at: int
    kind: str
    before: Sequence[int]
    after: Sequence[int]
    queue_tick: int
    transition: TransitionRecord | None


class _Sink(Protocol):
    def __call__(self, note: Note, /) -> None: ...


class Recorder(am.Tracer):
    """Watches one machine and hands notes to a sink. It never raises into a transition."""

    def __init__(
        self,
        mach: am.MachineApi,
        config: HistoryConfig,
        sink: _Sink,
        on_err: Callable[[Exception], object] | None,
        on_dispose: Callable[[], None],
    ) -> None:
        self.name = f"history-{secrets.token_hex(2)}"
        self.next_id = 1
        self.last_at = 0
        self.tracked: tuple[str, ...] = ()
        self.indexes: tuple[int, ...] = ()
        self._mach = mach
        self._watched: object = mach
        self._config = config
        self._sink = sink
        self._on_err = on_err
        self._on_dispose = on_dispose
        self._rejected = config.track_rejected
        self._detailed = config.store_transitions
        self._queued_at: dict[int, int] = {}
        self._last_queue_tick = mach.queue_tick
        check_states(mach, (*config.listed, *config.called, *config.changed))
        self._settle()

    def attach(self, next_id: int, last_at: int) -> None:
        """Begin to watch; records go on from this id and are not earlier than this time."""
        self.next_id = next_id
        self.last_at = last_at
        self._mach.bind_tracer(self)

    def detach(self) -> None:
        """Stop watching. Calling it again does nothing."""
        self._mach.detach_tracer(self)

    def tell(self, exc: Exception) -> None:
        """Report an error to the owner of the history, or to the log if there is none."""
        if self._on_err is None:
            LOGGER.error("%s of %s: %s", self.name, self._mach.id, exc, exc_info=exc)
            return
        try:
            self._on_err(exc)
        except Exception:
            LOGGER.exception("on_err of %s failed", self.name)

    def _settle(self) -> None:
        """Look up the indexes of states; once more when the schema has grown."""
        schema, config = self._mach.schema, self._config
        self.tracked = tuple(schema) if config.tracked is None else config.listed
        self.indexes = schema.indexes(self.tracked)
        self._called = frozenset(schema.indexes(config.called))
        self._changed = schema.indexes(config.changed)
        self._open = (not config.called or config.called_exclude) and (
            not config.changed or config.changed_exclude
        )
        self._picky = bool(self._called or self._changed)

    # ------------------------------------------------------------------ hooks

    def transition_end(self, transition: am.Transition) -> None:
        """Note the transition, if it is to be recorded."""
        if transition.machine is not self._watched:  # submachines inherit tracers
            return
        mutation = transition.mutation
        queue_tick = self._mach.queue_tick
        if (
            mutation.is_check
            or not (transition.accepted or self._rejected or transition.is_broken)
            or (self._picky and not self._matches(transition))
        ):
            self._last_queue_tick = queue_tick
            return
        at = time.time_ns() // 1000
        if at < self.last_at:  # the system's clock was set back
            at = self.last_at
        self.last_at = at
        note_id = self.next_id
        self.next_id = note_id + 1
        detail = self._detail(transition, note_id, queue_tick) if self._detailed else None
        self._last_queue_tick = queue_tick
        before, after = transition.time_before, transition.time_after
        # As NamedTuple._make does it; calling the class takes three times as long.
        self._sink(
            tuple.__new__(Note, (note_id, at, mutation.kind, before, after, queue_tick, detail))
        )

    def mutation_queued(self, machine: am.BaseMachine, mutation: am.Mutation) -> None:
        """Remember when a mutation was queued, if transitions are stored."""
        if self._detailed and machine is self._watched and mutation.queue_tick:
            self._queued_at[id(mutation)] = machine.queue_tick

    def queue_end(self, machine: am.BaseMachine) -> None:
        """Forget mutations that were dropped from the queue."""
        if machine is self._watched:
            self._queued_at.clear()

    def schema_change(self, machine: am.BaseMachine, old: am.Schema) -> None:
        """Track what grew, if all states are tracked."""
        if machine is self._watched:
            self._settle()

    def machine_dispose(self, machine: am.BaseMachine) -> None:
        """Let the history end with its machine."""
        if machine is self._watched:
            self._on_dispose()

    # ---------------------------------------------------------------- details

    def _matches(self, transition: am.Transition) -> bool:
        match, config = self._open, self._config
        if self._called and not self._called.isdisjoint(transition.mutation.indexes):
            match = not config.called_exclude
        if self._changed:
            before, after = transition.time_before, transition.time_after
            if any(before[i] != after[i] for i in self._changed):
                match = not config.changed_exclude
        return match

    def _detail(self, tx: am.Transition, record_id: int, queue_tick: int) -> TransitionRecord:
        mutation, source = tx.mutation, tx.source
        queued_at = self._queued_at.pop(id(mutation), 0)
        return TransitionRecord(
            transition_id=tx.id,
            record_id=record_id,
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
        )

    def _logged(self, mutation: am.Mutation) -> dict[str, str]:
        if not mutation.args:
            return {}
        log_args: Any = getattr(self._mach, "log_args", None) or am.LogArgs()
        classes = (self._mach.schema[name].args for name in mutation.called)
        marked = [
            field.name
            for cls in classes
            if cls is not None
            for field in fields(cls)
            if field.metadata.get("log")
        ]
        shown: dict[str, str] = log_args.shown(mutation.args, marked)
        return shown


def to_record(
    note: Note, indexes: Sequence[int], last_sum: int | None, machine_tick: int
) -> TimeRecord:
    """Make the record of a note; ``last_sum`` is the time sum of the record before, if any."""
    before, after = tuple(note.before), tuple(note.after)
    tracked_time = tuple(after[i] for i in indexes)
    tracked_diff = tuple(after[i] - (before[i] if i < len(before) else 0) for i in indexes)
    time_sum = sum(after)
    return TimeRecord(
        id=note.id,
        kind=str(note.kind),
        time_sum=time_sum,
        tracked_sum=sum(tracked_time),
        diff_sum=time_sum - sum(before),
        tracked_diff_sum=sum(tracked_diff),
        record_diff_sum=0 if last_sum is None else time_sum - last_sum,
        at=from_micros(note.at),
        tracked_time=tracked_time,
        tracked_diff=tracked_diff,
        machine_tick=machine_tick,
        transition=note.transition,
    )


def now_micros() -> int:
    """The time of day in microseconds since 1970."""
    return time.time_ns() // 1000
