"""The writer's side of one history: steps on their way to the file, and what was lost of them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from .._errors import HistoryError
from ._schema_json import schema_to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._ledger import Clock, Edition, Ledger
    from ._model import HistoryConfig
    from ._notes import Layout
    from ._recorder import AnyRecorder
    from ._trail import Step

MAX_WAITING = 10_000
"""How many records of a history may wait for the disk; beyond that the oldest are dropped."""


class Member:
    """A history as its store's writer knows it. What is not said otherwise is the writer's only.

    ``tell`` gets each failure once an episode, in the writer's thread.
    """

    def __init__(
        self,
        machine_id: str,
        recorder: AnyRecorder,
        config: HistoryConfig,
        tell: Callable[[Exception], object],
        *,
        durable: bool,
        take_over: bool,
    ) -> None:
        self.machine_id = machine_id
        self.recorder = recorder
        self.config = config
        self.durable = durable
        self.take_over = take_over
        self.dropped = 0
        """Records that are lost. Read in any thread."""
        self.waiting: list[Step] = []
        """What could not be written yet; newer notes are still with the recorder."""
        self.clock: Clock | None = None
        """The machine's clocks as they were at the last `sync`, if they are not written yet."""
        self.ended: HistoryError | None = None
        """What keeps it from ever being written again."""
        self.is_failing = False
        self.has_left = False
        self._tell = tell
        self._is_dropping = False
        self._is_leaving_out = False
        self._ledger: Ledger | None = None
        self._due_id = 1
        self._editions: dict[int, Edition] = {}

    @property
    def ledger(self) -> Ledger:
        """Where its records are in the file; there once it is enrolled."""
        assert self._ledger is not None
        return self._ledger

    def begin(self, ledger: Ledger, clock: Clock, edition: Edition) -> None:
        """It is in the file now, and its records go on from these clocks."""
        self._ledger = ledger
        self._due_id = ledger.next_id
        self.recorder.begin(tuple(clock.time), clock.queue_tick, clock.machine_tick)
        self._editions[len(clock.time)] = edition

    def wrote(self, ledger: Ledger) -> None:
        """A transaction is through: its draft is what holds."""
        self._ledger = ledger

    def collect(self) -> None:
        """Take what was noted, and give up the oldest if too much waits."""
        steps = self.recorder.take()
        lost = 0
        if steps:
            lost = steps[-1].id + 1 - self._due_id - len(steps)  # pushed out before it was taken
            self._due_id = steps[-1].id + 1
        self.waiting += steps
        if len(self.waiting) > MAX_WAITING:
            excess = self.waiting[:-MAX_WAITING]
            del self.waiting[:-MAX_WAITING]
            self.skip(excess)
            lost += len(excess)
        self.dropped += lost
        if lost and not self._is_dropping:
            self.tell(HistoryError(f"the disk was too slow: {lost} records dropped"))
        self._is_dropping = bool(lost)

    def skip(self, steps: Sequence[Step]) -> None:
        """Leave steps out; what they moved is told by the next record."""
        for step in steps:
            self.ledger.carried |= {i: tick for i, tick, _ in step.moves}

    def leave_out(self, step: Step, exc: Exception) -> None:
        """Count a record that cannot be written, whatever is tried; the others go on."""
        self.dropped += 1
        if not self._is_leaving_out:
            self._is_leaving_out = True
            error = HistoryError(f"record {step.id} of {self.machine_id!r} is left out: {exc}")
            error.__cause__ = exc
            self.tell(error)

    def fail(self, error: HistoryError) -> None:
        """Its records could not be written this time; they wait on."""
        if not self.is_failing:
            self.is_failing = True
            self.tell(error)

    def through(self) -> None:
        """What it had is written; an episode of failures is over."""
        self.is_failing = False
        self.waiting = []

    def lose(self, error: HistoryError) -> None:
        """It will not be written again: what waits is lost, and so is what comes."""
        if self.ended is None:
            with suppress(Exception):  # if that is what it ends by
                self.collect()
            self.dropped += len(self.waiting)
            if self.waiting:
                error = HistoryError(f"{error}; {len(self.waiting)} records are lost")
            self.ended, self.waiting = error, []
            self.tell(error)

    def discard(self) -> None:
        """Count what comes after the end as lost."""
        self.dropped += len(self.recorder.take())

    def tell(self, exc: Exception) -> None:
        """Report to the owner of the history."""
        self._tell(exc)

    # ------------------------------------------------------------------ layouts

    def layout(self, size: int) -> Layout:
        """What its ticks are of when the machine has so many states."""
        return self.recorder.selection.layout(size)

    def schema(self, layout: Layout) -> str | None:
        """The schema of a layout as it is stored, if it is."""
        if not self.config.store_schema:
            return None
        return json.dumps(schema_to_json(layout.schema))

    def new_sizes(self) -> set[int]:
        """Sizes of the machine that wait to be written, and which the file does not know yet."""
        sizes = {step.size for step in self.waiting}
        if self.clock is not None:
            sizes.add(len(self.clock.time))
        return sizes - self._editions.keys()

    def knows(self, size: int, edition: Edition) -> None:
        """The file knows this size of the machine now."""
        self._editions[size] = edition

    def edition(self, size: int) -> Edition:
        """A layout as the file knows it."""
        return self._editions[size]
