"""A tracer provider that keeps what it exports, and the tree of it as text."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from am_telemetry._hub import Hub
from am_telemetry._traces import TraceTracer


class Spans:
    """A provider, and the spans that it got."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.started: list[Any] = []
        self.provider.add_span_processor(_Starts(self.started))
        self.tracer = self.provider.get_tracer("test")
        self.opened: list[TraceTracer] = []

    def open(self, **options: Any) -> TraceTracer:
        tracer = TraceTracer(self.tracer, **options)
        self.opened.append(tracer)
        return tracer

    def sync(self) -> None:
        assert Hub.of_process().sync(30)

    def all(self) -> Sequence[ReadableSpan]:
        """Spans that ended."""
        self.sync()
        return self.exporter.get_finished_spans()

    def open_names(self) -> list[str]:
        """Names of the spans that did not end, sorted by time."""
        self.sync()
        started = sorted(self.started, key=lambda span: span.start_time)
        return [span.name for span in started if span.end_time is None]

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def tree(self) -> list[str]:
        """All spans that began, each under its parent, sorted by time."""
        self.sync()
        children: dict[int | None, list[Any]] = {}
        for span in sorted(self.started, key=lambda span: span.start_time):
            parent = span.parent.span_id if span.parent is not None else None
            children.setdefault(parent, []).append(span)
        lines: list[str] = []

        def show(span: Any, depth: int) -> None:
            lines.append("  " * depth + span.name)
            for child in children.get(span.context.span_id, []):
                show(child, depth + 1)

        for span in children.get(None, []):
            show(span, 0)
        return lines


class _Starts:
    """Keeps what began."""

    def __init__(self, started: list[Any]) -> None:
        self._started = started

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self._started.append(span)

    def _on_ending(self, span: Any) -> None:
        pass

    def on_end(self, span: Any) -> None:
        pass

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


def story(spans: Spans) -> list[Any]:
    """What spans tell, without times, sorted by what it is about."""
    by_id = {span.context.span_id: span for span in spans.started}

    def told_link(link: Any) -> tuple[str, Any]:
        to = by_id[link.context.span_id]
        return to.name, to.attributes.get("am.tx.id")

    found = []
    for span in spans.started:
        attributes = {k: v for k, v in span.attributes.items() if k != "am.tx.steps"}
        events = sorted([e.name for e in span.events if "am.handler.binding" not in e.attributes])
        found.append(
            (
                span.name,
                by_id[span.parent.span_id].name if span.parent is not None else None,
                sorted(attributes.items(), key=str),
                events,
                sorted(map(told_link, span.links), key=str),
                span.status.status_code,
                span.end_time is None,
            )
        )
    return sorted(found, key=str)


@pytest.fixture
def spans() -> Iterator[Spans]:
    made = Spans()
    yield made
    for tracer in made.opened:
        tracer.close()
    assert made.open_names() == []
