"""Spans while transitions run: level 2 of listening.

A tracer of one machine. It attaches the span of `Foo` as the current one while `FooState` runs, so
that spans which the handler or a task of that state begins become its children.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from opentelemetry import context as otel_context
from opentelemetry.trace import set_span_in_context

from .._hub.hooks import HookTracer, hook
from .._hub.moves import difference, moves_of
from .facts import facts_of_transition, label

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext

    import am_machine as am

    from .._hub.guard import Guard
    from .transitions import TransitionSpans
    from .tree import Branch, Tree


class _Call:
    """A handler that is being called."""

    __slots__ = ("began", "token")

    def __init__(self, began: int, token: Token[Context] | None) -> None:
        self.began = began
        self.token = token


class NestingTracer(HookTracer):
    """Tells of one machine's transitions as they happen."""

    def __init__(
        self,
        guard: Guard,
        branch: Branch,
        tree: Tree,
        spans: TransitionSpans | None,
        lock: AbstractContextManager[object],
    ) -> None:
        super().__init__(guard)
        self._branch = branch
        self._tree = tree
        self._spans = spans
        self._lock = lock
        self._began = 0
        self._span: Span | None = None
        self._touched: list[SpanContext] = []
        # Handlers of other machines run inside of these, each with a record of its own.
        self._calls: list[_Call] = []

    @hook
    def transition_init(self, transition: am.Transition) -> None:
        """Begin its span."""
        self._began = time_ns()
        self._touched = []
        self._span = None
        branch, spans = self._branch, self._spans
        if transition.is_check or branch.is_ended:
            return
        with self._lock:
            self._tree.catch_up(branch, transition.time_before, self._began)
            indexes = transition.mutation.indexes
            is_idle = transition.auto and not transition.accepted
            if (
                spans is None
                or is_idle
                or not spans.wants(branch, transition.kind, indexes, is_auto=transition.auto)
            ):
                return
            self._span = spans.begin(
                branch, self._label(transition), transition.id, self._began, transition.source
            )

    def _label(self, transition: am.Transition) -> str:
        schema, indexes = self._branch.schema, transition.mutation.indexes
        return label(schema, transition.kind, indexes, is_auto=transition.auto)

    @hook
    def transition_finals(self, transition: am.Transition) -> None:
        """Begin and end the spans of states."""
        self._move(transition)

    def _move(self, transition: am.Transition) -> None:
        branch = self._branch
        if branch.is_ended or transition.is_check:
            return
        after = transition.time_after
        with self._lock:
            changes = difference(branch.ticks, after)
            if not changes:
                return
            moves = moves_of(branch.ticks, changes)
            branch.ticks, branch.time_sum = after, after.sum
            now = time_ns()
            ended, begun = self._tree.move(
                branch, moves, now, now, self._label(transition), transition.id
            )
            self._touched += [*ended, *begun]

    @hook
    def transition_end(self, transition: am.Transition) -> None:
        """End its span, and those of states that a failed handler made inactive again."""
        if transition.accepted or transition.is_broken:
            self._move(transition)
        span, spans = self._span, self._spans
        self._span = None
        if span is None or spans is None:
            return
        at = time_ns()
        exception = transition.mutation.args.get("err")
        with self._lock:
            facts = facts_of_transition(transition, at)
            spans.finish(
                self._branch,
                span,
                facts,
                self._touched,
                exception if isinstance(exception, BaseException) and "err" in facts.args else None,
            )
            if transition.steps:
                span.set_attribute("am.tx.steps", len(transition.steps))
            span.end(at)

    @hook
    def handler_start(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Make the span of the handler's state the current one."""
        token = None
        state = self._branch.schema.index.get(name.removesuffix("State"))
        if state is not None and name.endswith("State"):
            span = self._branch.open.get(state)
            if span is not None:
                token = otel_context.attach(set_span_in_context(span))
        self._calls.append(_Call(time_ns(), token))

    @hook
    def handler_end(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Give back the span that was the current one, and tell of the call."""
        if not self._calls:
            return  # bound while it ran
        call = self._calls.pop()
        if call.token is not None:
            otel_context.detach(call.token)
        span = self._span
        if span is not None:
            told: dict[str, str | float] = {
                "am.handler.binding": binding.name,
                "am.handler.duration": (time_ns() - call.began) / 1e9,
            }
            span.add_event(name, told, call.began)
