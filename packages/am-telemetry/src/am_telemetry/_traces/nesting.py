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
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext

    import am_machine as am

    from .._hub.guard import Guard
    from .._hub.link import MachineLink
    from .span_maker import SpanMaker
    from .tree import Branch


class _Call:
    """A handler that is being called."""

    __slots__ = ("began", "token")

    def __init__(self, began: int, token: Token[Context] | None) -> None:
        self.began = began
        self.token = token


class NestingTracer(HookTracer):
    """Tells of one machine's transitions as they happen."""

    def __init__(self, guard: Guard, link: MachineLink, maker: SpanMaker) -> None:
        super().__init__(guard)
        self._link = link
        self._maker = maker
        self._branch: Branch | None = None
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
        if transition.is_check:
            return
        maker = self._maker
        with maker.lock:
            branch = self._branch = maker.branch_of(self._link)
            if branch is None:
                return
            maker.tree.catch_up(branch, transition.time_before, self._began)
            spans, indexes = maker.transitions, transition.mutation.indexes
            is_idle = transition.auto and not transition.accepted
            if (
                spans is not None
                and not is_idle
                and spans.wants(branch, transition.kind, indexes, is_auto=transition.auto)
            ):
                name = label_of(branch, transition)
                self._span = spans.begin(
                    branch, name, transition.id, self._began, transition.source
                )

    @hook
    def transition_finals(self, transition: am.Transition) -> None:
        """Begin and end the spans of states."""
        self._move(transition)

    def _move(self, transition: am.Transition) -> None:
        if transition.is_check:
            return
        maker, after = self._maker, transition.time_after
        with maker.lock:
            branch = self._branch = maker.branch_of(self._link)
            changes = difference(branch.ticks, after) if branch is not None else ()
            if branch is None or not changes:
                return
            moves = moves_of(branch.ticks, changes)
            branch.ticks, branch.time_sum = after, after.sum
            now, name = time_ns(), label_of(branch, transition)
            ended, begun = maker.tree.move(branch, moves, now, now, name, transition.id)
            self._touched += [*ended, *begun]

    @hook
    def transition_end(self, transition: am.Transition) -> None:
        """End its span, and those of states that a failed handler made inactive again."""
        if transition.accepted or transition.is_broken:
            self._move(transition)
        span, branch, spans = self._span, self._branch, self._maker.transitions
        self._span = None
        if span is None or branch is None or spans is None:
            return
        at, err = time_ns(), transition.mutation.args.get("err")
        with self._maker.lock:
            facts = facts_of_transition(transition, at)
            # Only what is logged is told.
            is_told = isinstance(err, BaseException) and "err" in facts.args
            spans.finish(branch, span, facts, self._touched, err if is_told else None)
            if transition.steps:
                span.set_attribute("am.tx.steps", len(transition.steps))
            span.end(at)

    @hook
    def handler_start(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Make the span of the handler's state the current one."""
        token = None
        branch = self._branch
        if branch is not None and name.endswith("State"):
            state = branch.schema.index.get(name.removesuffix("State"))
            span = branch.open.get(state) if state is not None else None
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

    def let_go(self) -> None:
        """Give back what was the current span before handlers that still run."""
        while self._calls:
            call = self._calls.pop()
            if call.token is not None:
                otel_context.detach(call.token)


def label_of(branch: Branch, transition: am.Transition) -> str:
    """Return how log lines call the mutation of a transition."""
    indexes = transition.mutation.indexes
    return label(branch.schema, transition.kind, indexes, is_auto=transition.auto)
