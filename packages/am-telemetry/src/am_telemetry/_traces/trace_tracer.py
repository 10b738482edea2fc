"""Traces of machines through OpenTelemetry."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import trace

from ..__about__ import __version__
from .._hub import Consumer, Handle, Hub
from .._hub.flusher import FLUSHER
from .._hub.presence import is_deaf
from .choice import Choice
from .nesting import NestingTracer
from .span_maker import SpanMaker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import Span, SpanContext, Tracer

    import am_machine as am

    from .._hub.consumer import Batch
    from .._hub.link import MachineLink

SCOPE = "asyncmachine"
FLUSH = 5.0
"""Seconds that a provider may take to flush when a tracer is closed."""


class TraceTracer(Consumer):
    """Traces of the machines bound to it and of their submachines: a span for each activation of a
    state, and on request one for each transition.

    `tracer` defaults to one of the global provider, which may be set up later. `root`: the span
    under which machines stand, by default one of its own. `transitions` adds spans of transitions,
    `args` their logged arguments, without `auto` those of auto states are left out;
    `include_health` takes calls of `Healthcheck` and `Heartbeat`, too. `allow` and `skip` list
    `State` or `machine:State`, their regexps are searched in `machine:State`; skip wins, and a
    machine whose id `skip_re` matches is left out whole.

    Spans are made afterwards, from a journal; with `nested` while transitions run, so that spans
    which handlers and tasks of `Foo` begin stand under that of `Foo`. That costs every transition.

    Nothing of it reaches a machine. Where no SDK is installed, binding does nothing.

    :raises ValueError: if a regexp is none.
    """

    def __init__(
        self,
        tracer: Tracer | None = None,
        *,
        root: Span | SpanContext | None = None,
        transitions: bool = False,
        args: bool = False,
        auto: bool = True,
        include_health: bool = False,
        allow: Iterable[str] = (),
        skip: Iterable[str] = (),
        allow_re: str | None = None,
        skip_re: str | None = None,
        nested: bool = False,
    ) -> None:
        self.level = 0 if nested else 1
        self._given = tracer
        self._choice = Choice(allow, skip, allow_re, skip_re)
        self._options = {
            "transitions": transitions,
            "args": args,
            "auto": auto,
            "include_health": include_health,
        }
        self._nested = nested
        self._nesting: dict[int, NestingTracer] = {}
        self._maker = self._make(
            root if not isinstance(root, trace.Span) else root.get_span_context()
        )
        self._is_closing = False
        self._hub = Hub.of_process()

    def _make(self, root: SpanContext | None) -> SpanMaker:
        return SpanMaker(self._tracer, self._choice, root, **self._options)

    def _tracer(self) -> Tracer:
        return self._given or trace.get_tracer(SCOPE, __version__)

    @property
    def root(self) -> SpanContext | None:
        """The span under which machines stand; None before the first one came."""
        return self._maker.root

    def bind(self, machine: am.MachineApi | am.BaseMachine) -> Handle:
        """Take a machine, its living children and those to come. Again: the same handle.

        :raises RuntimeError: in a thread other than the machine's.
        :raises TypeError: if it is no machine in this process.
        """
        if isinstance(self._given, trace.NoOpTracer) or (
            self._given is None and is_deaf(trace.get_tracer_provider())
        ):
            return Handle(machine.id, lambda handle: None)
        FLUSHER.prepare()
        handle = self._hub.attach(self, machine)
        if self.root is None:
            # Child processes may be told of it at once.
            self._maker.meet()
        return handle

    def sync(self, seconds: float = 1.0) -> bool:
        """Wait until spans tell of all that machines did so far, so many seconds at most; whether
        they do."""
        return self._hub.sync(seconds)

    def close(self) -> None:
        """Let go of all machines: every open span ends, those of the latest machine first. Then
        the provider flushes, five seconds at most. Again: nothing."""
        self._is_closing = True
        try:
            self._hub.close(self)
        finally:
            self._is_closing = False
        was_used = self.root is not None
        flush = self._provider_flush(FLUSH)
        if flush is not None and was_used:
            FLUSHER.run(flush, FLUSH)
        self._maker = self._make(self.root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _provider_flush(self, seconds: float) -> Any:
        if self._given is None:
            owner: Any = trace.get_tracer_provider()
        else:
            owner = getattr(self._given, "span_processor", None)
        flush = getattr(owner, "force_flush", None)
        return None if flush is None else partial(flush, int(seconds * 1000))

    # ------------------------------------------------------------------ for the hub

    def bound(self, link: MachineLink) -> None:
        """A machine came."""
        machine = link.machine
        if machine is None:
            return
        running = machine.transition
        # What a transition that runs moves is told by its entry.
        clocks = machine.time() if running is None else running.time_before
        self._maker.came(link, clocks, time_ns())
        if self._nested and link.number not in self._nesting:
            nesting = NestingTracer(self._hub.guard, link, self._maker)
            self._nesting[link.number] = nesting
            machine.bind_tracer(nesting)

    def entries(self, batch: Batch) -> None:
        """What machines did."""
        self._maker.tell(batch, monotonic())

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine is gone: its open spans end."""
        if not self._is_closing:
            self._maker.gone(link, at * 1000)
        nesting = self._nesting.pop(link.number, None)
        if nesting is not None:
            nesting.retire(link)

    def tick(self, now: float) -> None:
        """End what waited long enough for its cause."""
        self._maker.tick(now)

    def flush(self, deadline: float) -> None:
        """Closing, or at the end of the program, end every open span; then the provider flushes,
        unless `close` has it do so. The hub also flushes when no machine is left, and just then
        one may come."""
        if self._is_closing or not threading.main_thread().is_alive():
            self._maker.end_all(time_ns())
        if not self._is_closing and self.root is not None:
            flush = self._provider_flush(deadline - monotonic())
            if flush is not None:
                FLUSHER.run(flush, deadline - monotonic())

    def forked(self) -> None:
        """A child process begins a tree of its own under the same root."""
        self._maker = self._make(self.root)
        nesting, self._nesting = self._nesting, {}
        for tracer in nesting.values():
            tracer.is_retired = True
