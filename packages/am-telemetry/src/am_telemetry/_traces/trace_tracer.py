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
from .facts import facts_of_entry, label
from .nesting import NestingTracer
from .transitions import TransitionSpans
from .tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import Span, SpanContext, Tracer

    import am_machine as am

    from .._hub.consumer import Batch
    from .._hub.link import MachineLink
    from .tree import Branch

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
        self._first_root = root if not isinstance(root, trace.Span) else root.get_span_context()
        self._wants_transitions = transitions
        self._options = {"args": args, "auto": auto, "include_health": include_health}
        self._nested = nested
        # Level 2 makes spans in the machines' threads.
        self._lock = threading.RLock()
        self._tree: Tree | None = None
        self._spans: TransitionSpans | None = None
        self._is_closing = False
        self._hub = Hub.of_process()

    @property
    def root(self) -> SpanContext | None:
        """The span under which machines stand; None before the first one came."""
        return self._tree.root if self._tree is not None else self._first_root

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
        return self._hub.attach(self, machine)

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
        flush = self._provider_flush(FLUSH)
        if flush is not None and self._tree is not None:
            FLUSHER.run(flush, FLUSH)
        with self._lock:
            self._first_root = self.root
            self._tree = self._spans = None

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

    def _begin(self) -> Tree:
        if self._tree is None:
            tracer = self._given or trace.get_tracer(SCOPE, __version__)
            health = self._options["include_health"]
            self._tree = Tree(tracer, self._choice, self._first_root, include_health=health)
            if self._wants_transitions:
                self._spans = TransitionSpans(tracer, self._tree, self._choice, **self._options)
        return self._tree

    # ------------------------------------------------------------------ for the hub

    def bound(self, link: MachineLink) -> None:
        """A machine came."""
        machine = link.machine
        if machine is None:
            return
        running = machine.transition
        # What a transition that runs moves is told by its entry.
        ticks = tuple(machine.time() if running is None else running.time_before)
        with self._lock:
            tree = self._begin()
            branch = tree.plant(link, ticks, time_ns())
            if branch is None or not self._nested or branch.nesting is not None:
                return
            guard = self._hub.guard
            branch.nesting = NestingTracer(guard, branch, tree, self._spans, self._lock)
        machine.bind_tracer(branch.nesting)

    def entries(self, batch: Batch) -> None:
        """What machines did."""
        tree = self._tree
        if tree is None:
            return
        now = monotonic()
        with self._lock:
            for link, entry in batch:
                branch = tree.branches.get(link.number)
                if branch is not None:
                    self._tell(tree, branch, entry, now)

    def _tell(self, tree: Tree, branch: Branch, entry: am.JournalEntry, now: float) -> None:
        if branch.ticks != entry.before:
            tree.catch_up(branch, entry.before, entry.at * 1000)
        spans = self._spans
        wants_span = spans is not None and spans.wants(
            branch, entry.kind, entry.called, is_auto=entry.is_auto
        )
        if not entry.changes and not wants_span:
            return
        schema = branch.schema
        facts = facts_of_entry(schema, entry)
        touched: list[SpanContext] = []
        if entry.changes:
            name = label(schema, entry.kind, entry.called, is_auto=entry.is_auto)
            ended, begun = tree.move(branch, facts.moves, facts.at, facts.at, name, entry.id)
            touched = [*ended, *begun]
            branch.ticks = entry.after
            branch.time_sum = sum(entry.after)
        if spans is not None:
            if wants_span:
                spans.tell(branch, facts, touched, now)
            spans.told(branch, facts)

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine is gone: its open spans end."""
        tree = self._tree
        branch = tree.branches.get(link.number) if tree is not None else None
        if tree is None or branch is None:
            return
        if not self._is_closing:
            with self._lock:
                tree.uproot(branch, at * 1000)
        if branch.nesting is not None:
            branch.nesting.retire(link)

    def tick(self, now: float) -> None:
        """End what waited long enough for its cause."""
        if self._spans is not None:
            with self._lock:
                self._spans.tick(now)

    def flush(self, deadline: float) -> None:
        """Closing, or at the end of the program, end every open span; then the provider flushes,
        unless `close` has it do so. The hub also flushes when no machine is left, and just then
        one may come."""
        if self._is_closing or not threading.main_thread().is_alive():
            self._end_all()
        flush = None if self._is_closing else self._provider_flush(deadline - monotonic())
        if flush is not None and self._tree is not None:
            FLUSHER.run(flush, deadline - monotonic())

    def _end_all(self) -> None:
        tree = self._tree
        if tree is None:
            return
        at = time_ns()
        with self._lock:
            for branch in reversed(list(tree.branches.values())):
                tree.uproot(branch, at)
            if self._spans is not None:
                self._spans.end_all()

    def forked(self) -> None:
        """A child process begins a tree of its own under the same root."""
        self._lock = threading.RLock()
        self._first_root = self.root
        tree, self._tree, self._spans = self._tree, None, None
        for branch in tree.branches.values() if tree is not None else ():
            if branch.nesting is not None:
                branch.nesting.retire(branch.link)
