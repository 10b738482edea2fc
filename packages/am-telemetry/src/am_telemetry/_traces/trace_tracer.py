"""Traces of machines through OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace

from .._hub import Closing, Handle, Hub
from .._hub.flusher import FLUSHER
from .._hub.presence import is_deaf
from .choice import Choice
from .consumer import TraceConsumer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import Span, SpanContext, Tracer

    import am_machine as am

FLUSH = 5.0
"""Seconds that a provider may take to flush when a tracer is closed."""


class TraceTracer(Closing):
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
        self._given = tracer
        self._hub = Hub.of_process()
        self._consumer = TraceConsumer(
            self._hub,
            tracer,
            Choice(allow, skip, allow_re, skip_re),
            root.get_span_context() if isinstance(root, trace.Span) else root,
            nested=nested,
            transitions=transitions,
            args=args,
            auto=auto,
            include_health=include_health,
        )

    @property
    def root(self) -> SpanContext | None:
        """The span under which machines stand; None before the first one came."""
        return self._consumer.root

    @property
    def lost(self) -> int:
        """Transitions that no span tells of: machines did more than could be told."""
        return self._consumer.lost_count

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
        handle = self._hub.attach(self._consumer, machine)
        if self.root is None:
            # Child processes may be told of it at once.
            self._consumer.maker.meet()
        return handle

    def sync(self, seconds: float = 1.0) -> bool:
        """Wait until spans tell of all that machines did so far, so many seconds at most; whether
        they do."""
        return self._hub.sync(seconds)

    def close(self) -> None:
        """Let go of all machines: every open span ends, those of the latest machine first. Then
        the provider flushes, five seconds at most. Again: nothing."""
        consumer = self._consumer
        consumer.is_closing = True
        try:
            self._hub.close(consumer)
        finally:
            consumer.is_closing = False
        was_used = self.root is not None
        flush = consumer.provider_flush(FLUSH)
        if flush is not None and was_used:
            FLUSHER.run(flush, FLUSH)
        consumer.begin_anew()
