"""A meter provider that keeps what it collects, and machines to look at."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from am_telemetry._hub import Hub
from am_telemetry._metrics import Metrics

Key = tuple[str, tuple[tuple[str, Any], ...]]


class Meter:
    """A provider, and what can be read from it."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.opened: list[Metrics] = []

    def open(self, **options: Any) -> Metrics:
        metrics = Metrics(self.provider, **options)
        self.opened.append(metrics)
        return metrics

    def collect(self) -> dict[str, dict[tuple[Any, ...], Any]]:
        """By instrument the values, by the values of their attributes in order of those."""
        assert Hub.of_process().sync(30)
        data = self.reader.get_metrics_data()
        found: dict[str, dict[tuple[Any, ...], Any]] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = found.setdefault(metric.name, {})
                    for point in metric.data.data_points:
                        key = tuple([value for _, value in sorted(dict(point.attributes).items())])
                        points[key] = getattr(point, "value", point)
        return found


@pytest.fixture
def meter() -> Iterator[Meter]:
    made = Meter()
    yield made
    for metrics in made.opened:
        metrics.close()
    made.provider.shutdown()
