"""What only a tracer hears: durations, handlers, steps, the queue. Level 2 of listening.

A tracer of one machine, bound while somebody wants its details. It adds to plain numbers and keeps
durations for the hub's thread, which hands them to the histograms: recording one takes longer than
a whole transition.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import TYPE_CHECKING

from .._hub.hooks import HookTracer, hook
from .instruments import (
    HANDLER_KIND,
    HANDLERS,
    MUTATIONS_QUEUED,
    STATES_TOUCHED,
    TRANSITION_STEPS,
    TRANSITION_TIME,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import am_machine as am

    from .._hub.guard import Guard
    from .counts import Point

MAX_DURATIONS = 10_000
"""Durations of a machine that wait for the hub's thread; the oldest are dropped."""


class Durations:
    """Nanoseconds that transitions and handlers of a machine took, until they are handed on."""

    __slots__ = ("handlers", "transitions")

    def __init__(self) -> None:
        self.transitions: deque[int] = deque(maxlen=MAX_DURATIONS)
        self.handlers: deque[int] = deque(maxlen=MAX_DURATIONS)


class SliceTracer(HookTracer):
    """Takes durations of one machine until a moment by `perf_counter_ns`, None for ever.

    Of whole transitions and calls only: what it was bound in the middle of is left out. A machine
    runs one transition and one handler at a time, whatever else its handlers run in between.
    `over` is called in the first transition that ends after the moment.
    """

    def __init__(
        self,
        guard: Guard,
        durations: Durations,
        until: int | None,
        over: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(guard)
        self.until = until
        self._durations = durations
        self._over = over
        # When they began; 0 where that was not seen.
        self._began = 0
        self._handler_began = 0

    @hook
    def transition_init(self, transition: am.Transition) -> None:
        """Take the time."""
        self.begin(transition)

    @hook
    def transition_end(self, transition: am.Transition) -> None:
        """Keep how long it took."""
        self.end()

    @hook
    def handler_start(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Take the time."""
        self._handler_began = perf_counter_ns()

    @hook
    def handler_end(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Keep how long it took."""
        began, until = self._handler_began, self.until
        if began and (until is None or began < until):
            self._durations.handlers.append(perf_counter_ns() - began)
        self._handler_began = 0

    def begin(self, transition: am.Transition) -> None:
        """A transition begins; checks and auto states that relations refuse are counted nowhere."""
        is_counted = not (transition.is_check or (transition.auto and not transition.accepted))
        self._began = perf_counter_ns() if is_counted else 0

    def end(self) -> int:
        """It ended; returns the nanoseconds that it took, 0 if that is not known."""
        now, began, until = perf_counter_ns(), self._began, self.until
        self._began = 0
        if began and (until is None or began < until):
            self._durations.transitions.append(now - began)
        if until is not None and now >= until and self._over is not None:
            self._over()
        return now - began if began else 0


class DetailTracer(SliceTracer):
    """The same, and all that is counted of each transition."""

    def __init__(
        self, guard: Guard, durations: Durations, until: int | None, waiting: int = 0
    ) -> None:
        super().__init__(guard, durations, until)
        self.time = 0
        """Nanoseconds in transitions."""
        self.steps = 0
        self.touched_more = 0
        """States named by steps, beside those that were called or moved."""
        self.votes = 0
        """Calls of negotiation handlers."""
        self.finals = 0
        """Calls of final handlers."""
        self.queued = 0
        # Mutations that wait, by counting along: asking the machine copies its queue.
        self._waiting = self._peak = waiting
        self._is_final = False

    @hook
    def transition_init(self, transition: am.Transition) -> None:
        """A mutation left the queue."""
        self._is_final = False
        self._waiting -= 1
        self.begin(transition)

    @hook
    def transition_finals(self, transition: am.Transition) -> None:
        """The handlers that follow are final ones."""
        self._is_final = True

    @hook
    def transition_end(self, transition: am.Transition) -> None:
        """Add it up."""
        took = self.end()
        if took:
            self.time += took
            if transition.steps:
                self.steps += len(transition.steps)
                moved = {*transition.called, *transition.added, *transition.removed}
                self.touched_more += len(set(transition.touched) - moved)
        self._waiting = transition.queue_len

    @hook
    def handler_start(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Count it."""
        if self._is_final:
            self.finals += 1
        else:
            self.votes += 1
        self._handler_began = perf_counter_ns()

    @hook
    def mutation_queued(self, machine: am.BaseMachine, mutation: am.Mutation) -> None:
        """Count it, and how many wait now."""
        self.queued += 1
        self._waiting += 1
        if self._waiting > self._peak:
            self._peak = self._waiting

    def peak(self, waiting: int) -> int:
        """Most mutations that waited since the last call, of which so many still do."""
        peak, self._peak = self._peak, waiting
        return max(peak, waiting)

    def points(self) -> Iterator[Point]:
        """What has been counted."""
        yield TRANSITION_TIME.name, (), self.time / 1e9
        if self.steps:
            yield TRANSITION_STEPS.name, (), self.steps
            yield STATES_TOUCHED.name, (), self.touched_more
        yield HANDLERS.name, ((HANDLER_KIND, "negotiation"),), self.votes
        yield HANDLERS.name, ((HANDLER_KIND, "final"),), self.finals
        yield MUTATIONS_QUEUED.name, (), self.queued
