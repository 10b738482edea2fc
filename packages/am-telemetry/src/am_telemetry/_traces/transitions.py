"""Spans of transitions, and the links between them.

A transition that was caused by another links to it. Journals tell of the caused one first, since it
ends first; its span then stays open for a moment until the other one is told.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Link, Status, StatusCode

from .facts import Facts, attributes_of, is_health
from .tree import TRANSITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import Span, SpanContext, Tracer

    import am_machine as am

    from .choice import Choice
    from .tree import Branch, Tree

RECENT = 300
"""Transitions of each machine that others can link to."""
MOST_GONE = 100
"""Machines that are gone whose transitions others can link to."""
PATIENCE = 1.0
"""Seconds that a transition waits for the one that caused it."""
MOST_WAITING = 1000
"""Transitions that wait at once; the next one waits for nothing."""


class Recent:
    """The spans of the last transitions of each machine, by machine id and transition id."""

    def __init__(self) -> None:
        self._spans: dict[str, OrderedDict[str, SpanContext]] = {}
        # Machines that are gone, oldest first: what they caused may be told after them.
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, machine_id: str, transition_id: str, span_context: SpanContext) -> None:
        """Remember a span, and forget the oldest of its machine."""
        self._gone.pop(machine_id, None)
        spans = self._spans.setdefault(machine_id, OrderedDict())
        spans[transition_id] = span_context
        if len(spans) > RECENT:
            spans.popitem(last=False)

    def find(self, source: am.Source) -> SpanContext | None:
        """The span of a cause, if it is still known."""
        spans = self._spans.get(source.machine_id)
        return spans.get(source.transition_id) if spans is not None else None

    def forget(self, machine_id: str) -> None:
        """A machine is gone; its transitions are known until enough others went."""
        if machine_id in self._spans:
            self._gone[machine_id] = None
        if len(self._gone) > MOST_GONE:
            oldest, _ = self._gone.popitem(last=False)
            self._spans.pop(oldest, None)


class _Waiting:
    """An open span whose cause is not told yet."""

    __slots__ = ("at", "source", "span", "until")

    def __init__(self, span: Span, source: am.Source, at: int, until: float) -> None:
        self.span = span
        self.source = source
        self.at = at
        self.until = until


class TransitionSpans:
    """Makes the spans of transitions. Not for several threads at once."""

    def __init__(
        self,
        tracer: Tracer,
        tree: Tree,
        choice: Choice,
        *,
        args: bool,
        auto: bool,
        include_health: bool,
    ) -> None:
        self._tracer = tracer
        self._tree = tree
        self._choice = choice
        self._args = args
        self._auto = auto
        self._include_health = include_health
        self._recent = Recent()
        self._waiting: dict[tuple[str, str], list[_Waiting]] = {}
        self._waiting_count = 0

    def wants(self, branch: Branch, kind: str, called: Iterable[int], *, is_auto: bool) -> bool:
        """Whether a transition gets a span."""
        indexes = tuple(called)
        if is_auto and not self._auto:
            return False
        schema = branch.schema
        if not self._include_health and is_health(schema, kind, indexes):
            return False
        names = [schema.names[i] for i in indexes]
        return not names or any([self._choice.takes(branch.id, name) for name in names])

    def begin(
        self, branch: Branch, name: str, tx_id: str, at: int, source: am.Source | None
    ) -> Span:
        """Begin the span of a transition that is running."""
        found = self._recent.find(source) if source is not None else None
        links = [Link(found)] if found is not None else []
        context = self._tree.group(branch, TRANSITIONS, at)
        span = self._tracer.start_span(name, context, links=links, start_time=at)
        if source is not None and found is None:
            span.set_attribute("am.tx.source", str(source))
        self._recent.add(branch.id, tx_id, span.get_span_context())
        return span

    def finish(
        self, branch: Branch, span: Span, facts: Facts, touched: Iterable[SpanContext],
        exception: BaseException | None = None,
    ) -> None:  # fmt: skip
        """Tell all of a transition that ended, but do not end its span."""
        span.update_name(name_of(branch, facts))
        span.set_attributes(attributes_of(facts, args=self._args))
        for one in touched:
            span.add_link(one)
        if facts.error is not None:
            tell_error(span, facts, exception)

    def tell(
        self, branch: Branch, facts: Facts, touched: Iterable[SpanContext], now: float
    ) -> None:
        """Make the span of a transition that ended before."""
        source = facts.source
        found = self._recent.find(source) if source is not None else None
        links = [Link(one) for one in (found, *touched) if one is not None]
        attributes = attributes_of(facts, args=self._args)
        waits = source is not None and found is None and self._may_come(source)
        if source is not None and found is None and not waits:
            attributes["am.tx.source"] = str(source)
        context = self._tree.group(branch, TRANSITIONS, facts.at)
        span = self._tracer.start_span(
            name_of(branch, facts), context, attributes=attributes, links=links, start_time=facts.at
        )
        if facts.error is not None:
            tell_error(span, facts, None)
        self._recent.add(branch.id, facts.id, span.get_span_context())
        if waits and source is not None:
            key = (source.machine_id, source.transition_id)
            waiting = _Waiting(span, source, facts.at, now + PATIENCE)
            self._waiting.setdefault(key, []).append(waiting)
            self._waiting_count += 1
        else:
            span.end(facts.at)

    def told(self, branch: Branch, facts: Facts) -> None:
        """A transition was told, with a span or without: who waits for it waits no more."""
        for waiting in self._waiting.pop((branch.id, facts.id), ()):
            self._release(waiting)

    def _may_come(self, source: am.Source) -> bool:
        """Whether a cause may still be told, as far as the clocks of its machine are."""
        if self._waiting_count >= MOST_WAITING:
            return False
        named = self._tree.named(source.machine_id)
        return any([source.time >= branch.time_sum for branch in named])

    def _release(self, waiting: _Waiting) -> None:
        self._waiting_count -= 1
        found = self._recent.find(waiting.source)
        if found is not None:
            waiting.span.add_link(found)
        else:
            waiting.span.set_attribute("am.tx.source", str(waiting.source))
        waiting.span.end(waiting.at)

    def tick(self, now: float) -> None:
        """End what waited long enough."""
        for key, waiting in list(self._waiting.items()):
            left = [one for one in waiting if one.until > now]
            if len(left) < len(waiting):
                for one in waiting:
                    if one.until <= now:
                        self._release(one)
                if left:
                    self._waiting[key] = left
                else:
                    del self._waiting[key]

    def end_all(self) -> None:
        """Nothing more comes: end what waits."""
        self.tick(float("inf"))

    def forget(self, machine_ids: Iterable[str]) -> None:
        """Machines are gone."""
        for machine_id in machine_ids:
            if not self._tree.named(machine_id):
                self._recent.forget(machine_id)


def name_of(branch: Branch, facts: Facts) -> str:
    """Return the name of a transition's span."""
    mark = "!" if facts.outline.aims_at_exception else ""
    return f"{mark}{branch.index}: {facts.outline.label}"


def tell_error(span: Span, facts: Facts, exception: BaseException | None) -> None:
    """Mark the span of a transition that activated `Exception`."""
    assert facts.error is not None
    kind, _, message = str(facts.args.get("err", facts.error)).partition(": ")
    span.set_status(Status(StatusCode.ERROR, message or kind))
    span.set_attribute("error.type", facts.error)
    if exception is not None:
        span.record_exception(exception, timestamp=facts.at)
        return
    attributes: dict[str, Any] = {"exception.type": kind, "exception.message": message}
    span.add_event("exception", attributes, facts.at)
