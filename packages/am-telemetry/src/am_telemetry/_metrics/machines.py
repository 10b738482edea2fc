"""One machine as metrics see it: what is read from it, and what was counted for it."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from .._hub.moves import ERR, EXCEPTION
from .counts import Counts, ErrorTicks
from .detail import Durations
from .instruments import (
    ERROR_TYPE,
    ERRORS,
    MACHINES,
    MUTATIONS_DROPPED,
    QUEUE_PEAK,
    QUEUE_SIZE,
    RELATION_REFS,
    RELATIONS,
    STATE,
    STATE_ACTIVE,
    STATE_TICKS,
    STATES,
    STATES_ACTIVE,
    STATES_INACTIVE,
    TRANSITION_TICKS,
    TRANSITIONS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import am_machine as am

    from .._hub.link import MachineLink
    from .counts import Point
    from .detail import DetailTracer, SliceTracer

RELATION_KINDS = ("require", "add", "remove", "after")


def relation_sizes(schema: am.Schema) -> tuple[int, int]:
    """How many lists of states the relations of a schema are, and how many states those name."""
    sizes = [len(getattr(schema[name], kind)) for name in schema.names for kind in RELATION_KINDS]
    return sum([1 for size in sizes if size]), sum(sizes)


class MachineSeries:
    """The series of one machine. It does not keep the machine alive."""

    def __init__(
        self,
        link: MachineLink,
        machine: am.BaseMachine,
        label: str,
        *,
        level: int,
        states: tuple[str, ...] | None,
    ) -> None:
        self.link = link
        self.label = label
        self.level = level
        self.durations = Durations()
        self.detail: DetailTracer | None = None
        self.slice: SliceTracer | None = None
        # None: all states, also those to come.
        self._states = states
        self._schema: am.Schema | None = None
        self._relations = (0, 0)
        running = machine.transition
        # What a transition that runs moves is told by its entry.
        clocks = machine.time() if running is None else running.time_before
        self._ticks = tuple(clocks)
        self._queue_tick = machine.queue_tick
        self._refused = getattr(machine, "refused", 0)
        names = machine.schema.names if states is None else states
        self.counts = Counts(names if level else ())
        self.counts.begin(machine.schema, self._ticks, time_ns() // 1000)
        self._error_ticks = ErrorTicks(self._errors_of(machine.schema, self._ticks))
        # The last reading, for when the machine is gone.
        self._kept: list[Point] = []

    def tracked(self, schema: am.Schema) -> list[tuple[int, str]]:
        """The states with series of their own, that the schema has."""
        if self._states is None:
            return list(enumerate(schema.names))
        return [(schema.index[name], name) for name in self._states if name in schema.index]

    def schema_changed(self, schema: am.Schema) -> None:
        """The schema grew."""
        if self.level and self._states is None:
            self.counts.track(schema.names)

    def counters(self) -> list[Point]:
        """All totals; of a machine that is gone the last ones."""
        machine = self.link.machine
        if machine is not None:
            # Time first: what has not moved by now had not moved then.
            now = time_ns() // 1000
            self._kept = list(self._read_counters(machine, now))
        points = list(self._kept)
        if self.level:
            points += self.counts.points()
        if self.detail is not None:
            points += self.detail.points()
        return points

    def _read_counters(self, machine: am.BaseMachine, now: int) -> Iterator[Point]:
        schema, ticks = machine.schema, machine.time()
        yield TRANSITION_TICKS.name, (), ticks.sum - sum(self._ticks)
        refused = getattr(machine, "refused", 0) - self._refused
        yield MUTATIONS_DROPPED.name, (), refused
        if not self.level:
            yield TRANSITIONS.name, (), machine.queue_tick - self._queue_tick
            errors = self._error_ticks.read(self._errors_of(schema, ticks))
            for name, count in list(errors.items()):
                yield ERRORS.name, ((ERROR_TYPE, name),), count
        known = len(self._ticks)
        tracked = self.tracked(schema)
        for i, name in tracked:
            if i < len(ticks):
                gained = ticks[i] - (self._ticks[i] if i < known else 0)
                yield STATE_TICKS.name, ((STATE, name),), gained
        if self.level:
            yield from self.counts.times({n: ticks[i] for i, n in tracked if i < len(ticks)}, now)

    def gauges(self) -> Iterator[Point]:
        """What is now; nothing once the machine is gone."""
        machine = self.link.machine
        if machine is None or machine.disposed:
            return
        schema, ticks = machine.schema, machine.time()
        if schema is not self._schema:
            self._schema, self._relations = schema, relation_sizes(schema)
        active = len(ticks.active)
        waiting = len(machine.queue)
        yield MACHINES.name, (), 1
        yield STATES_ACTIVE.name, (), active
        yield STATES_INACTIVE.name, (), len(ticks) - active
        yield STATES.name, (), len(schema.names)
        yield RELATIONS.name, (), self._relations[0]
        yield RELATION_REFS.name, (), self._relations[1]
        yield QUEUE_SIZE.name, (), waiting
        if self.detail is not None:
            yield QUEUE_PEAK.name, (), self.detail.peak(waiting)
        for i, name in self.tracked(schema):
            if i < len(ticks):
                yield STATE_ACTIVE.name, ((STATE, name),), ticks[i] & 1

    @staticmethod
    def _errors_of(schema: am.Schema, ticks: Sequence[int]) -> dict[str, int]:
        """Ticks of `Exception` and of the error states."""
        return {
            name: ticks[i]
            for i, name in enumerate(schema.names)
            if i < len(ticks) and (name.startswith(ERR) or name == EXCEPTION)
        }
