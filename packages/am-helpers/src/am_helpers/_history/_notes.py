"""Notes: what a history keeps of a transition until it becomes a record, and which it wants."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, NamedTuple, cast

from .._names import check_states
from ._model import HistoryConfig, TimeRecord, TransitionRecord, from_micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import am_machine as am

    from ._trail import Step


class Note(NamedTuple):
    """What a listener keeps of a transition until it becomes a step."""

    id: int
    at: int
    kind: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    queue_tick: int
    machine_tick: int
    transition: TransitionRecord | None


class Watching:
    """The part of a recorder that knows its machine, and how far its records go."""

    name: str
    next_id: int
    last_at: int
    mach: am.MachineApi
    selection: Selection

    def _watch(self, mach: am.MachineApi, config: HistoryConfig) -> None:
        self.name = f"history-{secrets.token_hex(2)}"
        self.next_id, self.last_at = 1, 0
        self.mach = mach
        self.selection = Selection(mach, config)

    def attach(self, next_id: int, last_at: int) -> None:
        """Begin to watch; records go on from this id and are not earlier than this time."""
        self.next_id, self.last_at = next_id, last_at
        self.mach.bind_tracer(cast("am.Tracer", self))

    def detach(self) -> None:
        """Stop watching. Calling it again does nothing."""
        self.mach.detach_tracer(cast("am.Tracer", self))


class Layout(NamedTuple):
    """What ticks are of: a machine's states, and which of them are tracked."""

    names: tuple[str, ...]
    indexes: tuple[int, ...]
    """Of the tracked states, in the order of tracking."""
    tracked: tuple[str, ...]
    """Their names."""
    schema: am.Schema


class Selection:
    """Which transitions a configuration wants, of which states. `settle` it when states grow.

    A schema only grows, at its end, so the number of ticks at a step tells its layout.
    """

    def __init__(self, mach: am.MachineApi, config: HistoryConfig) -> None:
        check_states(mach, (*config.listed, *config.called, *config.changed))
        self._mach = mach
        self._config = config
        self._layouts: dict[int, Layout] = {}
        self.settle()

    def settle(self) -> None:
        """Look up the indexes of states."""
        schema, config = self._mach.schema, self._config
        self.tracked = tuple(schema) if config.tracked is None else config.listed
        self.indexes = schema.indexes(self.tracked)
        self._layouts[len(schema)] = Layout(tuple(schema), self.indexes, self.tracked, schema)
        self._called = frozenset(schema.indexes(config.called))
        self._changed = frozenset(schema.indexes(config.changed))
        self._open = (not config.called or config.called_exclude) and (
            not config.changed or config.changed_exclude
        )

    def layout(self, size: int) -> Layout:
        """The layout when the machine had so many states."""
        known = self._layouts.get(size)
        if known is None:  # it grew in steps that nobody was told of
            whole = self._layouts[max(self._layouts)]
            indexes = tuple(i for i in whole.indexes if i < size)
            tracked = tuple(whole.names[i] for i in indexes)
            known = Layout(whole.names[:size], indexes, tracked, whole.schema)
            self._layouts[size] = known
        return known

    def wants(self, called: Iterable[int], moved: Iterable[int]) -> bool:
        """Whether the lists of called and changed states let in a transition that called these
        states and moved the clocks of those."""
        match, config = self._open, self._config
        if self._called and not self._called.isdisjoint(called):
            match = not config.called_exclude
        if self._changed and not self._changed.isdisjoint(moved):
            match = not config.changed_exclude
        return match


def to_record(step: Step, ticks: Sequence[int], layout: Layout, last_sum: int | None) -> TimeRecord:
    """Make the record of a step that led to these ticks; ``last_sum`` is the time sum of the record
    before, if any."""
    gained = {i: diff for i, _, diff in step.moves}
    tracked_time = tuple([ticks[i] for i in layout.indexes])
    tracked_diff = tuple([gained.get(i, 0) for i in layout.indexes])
    return TimeRecord(
        id=step.id,
        kind=step.kind,
        time_sum=step.time_sum,
        tracked_sum=sum(tracked_time),
        diff_sum=step.diff_sum,
        tracked_diff_sum=sum(tracked_diff),
        record_diff_sum=0 if last_sum is None else step.time_sum - last_sum,
        at=from_micros(step.at),
        tracked_time=tracked_time,
        tracked_diff=tracked_diff,
        machine_tick=step.machine_tick,
        transition=step.transition,
        states=layout.tracked,
    )


def now_micros() -> int:
    """The time of day in microseconds since 1970."""
    return time.time_ns() // 1000
