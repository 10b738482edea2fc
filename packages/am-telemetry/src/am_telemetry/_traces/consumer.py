"""What the hub tells, as spans."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from ..__about__ import __version__
from .._hub import Consumer, Hub
from .._hub.flusher import FLUSHER
from .nesting import NestingTracer
from .span_maker import SpanMaker

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, Tracer

    from .._hub.consumer import Batch
    from .._hub.link import MachineLink
    from .choice import Choice

SCOPE = "asyncmachine"


class TraceConsumer(Consumer):
    """The spans of the machines bound."""

    def __init__(
        self,
        hub: Hub,
        tracer: Tracer | None,
        choice: Choice,
        root: SpanContext | None,
        *,
        nested: bool,
        **options: bool,
    ) -> None:
        self.level = 0 if nested else 1
        self._hub = hub
        self._given = tracer
        self._choice = choice
        self._options = options
        self._nested = nested
        self._nesting: dict[int, NestingTracer] = {}
        self.maker = self._make(root)
        self.lost_count = 0
        """Transitions that no span tells of."""
        self.is_closing = False
        """Whether the spans of all machines end in their order, not each with its machine."""

    def _make(self, root: SpanContext | None) -> SpanMaker:
        return SpanMaker(self._tracer, self._choice, root, **self._options)

    def _tracer(self) -> Tracer:
        return self._given or trace.get_tracer(SCOPE, __version__)

    @property
    def root(self) -> SpanContext | None:
        """The span under which machines stand; None before the first one came."""
        return self.maker.root

    def begin_anew(self) -> None:
        """A new tree under the same root."""
        self.maker = self._make(self.root)

    def provider_flush(self, seconds: float) -> Any:
        """A function that has the provider flush; None if that cannot be told of a tracer."""
        if self._given is None:
            owner: Any = trace.get_tracer_provider()
        else:
            owner = getattr(self._given, "span_processor", None)
        flush = getattr(owner, "force_flush", None)
        return None if flush is None else partial(flush, int(seconds * 1000))

    def bound(self, link: MachineLink) -> None:
        """A machine came."""
        machine = link.machine
        if machine is None:
            return
        running = machine.transition
        # What a transition that runs moves is told by its entry.
        clocks = machine.time() if running is None else running.time_before
        self.maker.came(link, clocks, time_ns())
        if self._nested and link.number not in self._nesting:
            nesting = NestingTracer(self._hub.guard, link, self.maker)
            self._nesting[link.number] = nesting
            machine.bind_tracer(nesting)

    def entries(self, batch: Batch) -> None:
        """What machines did."""
        self.maker.tell(batch, monotonic())

    def lost(self, link: MachineLink, count: int, at: int) -> None:
        """Transitions of a machine were not kept; the next one that was tells the clocks."""
        self.lost_count += count

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine is gone: its open spans end."""
        if not self.is_closing:
            self.maker.gone(link, at * 1000)
        nesting = self._nesting.pop(link.number, None)
        if nesting is not None:
            nesting.retire(link)

    def tick(self, at: float) -> None:
        """End what waited long enough for its cause."""
        self.maker.tick(at)

    def flush(self, deadline: float) -> None:
        """Closing, or at the end of the program, end every open span; then the provider flushes,
        unless `close` has it do so. The hub also flushes when no machine is left, and just then
        one may come."""
        if self.is_closing or not threading.main_thread().is_alive():
            self.maker.end_all(time_ns())
        if not self.is_closing and self.root is not None:
            flush = self.provider_flush(deadline - monotonic())
            if flush is not None:
                FLUSHER.run(flush, deadline - monotonic())

    def forked(self) -> None:
        """A child process begins a tree of its own under the same root."""
        self.begin_anew()
        nesting, self._nesting = self._nesting, {}
        for tracer in nesting.values():
            tracer.is_retired = True
