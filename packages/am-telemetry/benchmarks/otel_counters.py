"""What OpenTelemetry's own synchronous instruments would cost for the same counts."""

from __future__ import annotations

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from pairs import each, machine, sample


def report_counters() -> None:
    """Print it, beside a mutation."""
    bare = machine(0.0)
    sample(bare, 20_000)
    mutation = min([sample(bare, 20_000)[1] for _ in range(5)])
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    meter = provider.get_meter("bench")
    counter, histogram = meter.create_counter("c"), meter.create_histogram("h")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")
    attributes = {
        "am.machine.id": "m",
        "am.result": "accepted",
        "am.mutation": "add",
        "am.auto": False,
    }
    calls = {
        "Counter.add": lambda: counter.add(1, attributes),
        "Histogram.record": lambda: histogram.record(0.001, attributes),
        "a span": lambda: tracer.start_span("s", attributes=attributes).end(),
    }
    print(f"a mutation: {mutation * 1e9:.0f} ns; OpenTelemetry's own, called in each:")
    for name, call in calls.items():
        each(call, 200)
        cost = min([each(call, 2000) for _ in range(5)])
        print(f"  {name:<18} {cost * 1e6:6.1f} µs, {cost / mutation:5.1f} mutations")  # noqa: RUF001
    provider.shutdown()
