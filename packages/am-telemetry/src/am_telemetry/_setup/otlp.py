"""Providers of the SDK with the OTLP/HTTP exporters, and an end that is not waited for."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import metrics as otel_metrics
from opentelemetry import trace as otel_trace

from .._hub.flusher import FLUSHER
from .counted import Fate, record_processor, span_processor
from .extras import load

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("am_telemetry")
WHAT = "setup_otlp"
DELAY = 500
"""Milliseconds that spans and log records are collected, unless `OTEL_*` says otherwise: what a
process that is killed did before is there."""
INTERVAL = 15_000
"""Milliseconds between two exports of metrics, likewise."""
LAST = 1.0
"""Seconds that closing may take."""


class Otlp:
    """Providers that export by OTLP/HTTP; those that were not asked for are None.

    It is closed at the end of the program: what the backend has not taken within a second is
    counted in `dropped` and told in one warning.
    """

    def __init__(self, tracer_provider: Any, meter_provider: Any, logger_provider: Any) -> None:
        self.tracer_provider = tracer_provider
        self.meter_provider = meter_provider
        self.logger_provider = logger_provider
        self.spans = Fate()
        self.records = Fate()
        self._is_closed = False
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)
        FLUSHER.prepare()

    def _forked(self) -> None:
        # Batches of the SDK drop what the parent exports.
        self.spans.forget()
        self.records.forget()

    @property
    def dropped(self) -> int:
        """Spans and log records that no backend has got so far."""
        return self.spans.left + self.records.left

    def flush(self, seconds: float = 5.0) -> bool:
        """Export what is kept, and wait so many seconds for it; False if that took longer or
        failed. In any thread."""
        return FLUSHER.run(self._flush_all, seconds)

    def _flush_all(self) -> bool:
        done = True
        for flush in self._flushes():
            done = flush() is not False and done
        return done and not self.dropped

    def _flushes(self) -> list[Callable[[], object]]:
        providers = (self.tracer_provider, self.logger_provider, self.meter_provider)
        return [provider.force_flush for provider in providers if provider is not None]

    def close(self, seconds: float = LAST) -> None:
        """Export what is kept, which may take so many seconds, and no more after that. Again:
        nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        self.flush(seconds)
        if self.dropped:
            LOGGER.warning(
                "%d spans and %d log records were not exported", self.spans.left, self.records.left
            )
        if threading.main_thread().is_alive():
            FLUSHER.run(self._shut_down, seconds)

    def _shut_down(self) -> None:
        for provider in (self.tracer_provider, self.logger_provider, self.meter_provider):
            if provider is not None:
                provider.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def setup_otlp(
    service: str | None = None,
    *,
    traces: bool = True,
    metrics: bool = True,
    logs: bool = True,
    set_global: bool = True,
) -> Otlp:
    """Build providers that export by OTLP/HTTP, and make them the global ones.

    `service` becomes `service.name`; endpoints, headers, intervals and all else are those of the
    standard `OTEL_*` variables, by default `http://localhost:4318`. Nothing is waited for, at the
    end of the program neither, beyond a second.

    :raises MissingExtraError: if the extra `[otlp]` is not installed.
    """
    (resources,) = load("otlp", WHAT, "opentelemetry.sdk.resources")
    resource = resources.Resource.create({"service.name": service} if service else {})
    tracer_provider = _tracer_provider(resource) if traces else None
    meter_provider = _meter_provider(resource) if metrics else None
    logger_provider = _logger_provider(resource) if logs else None
    made = Otlp(tracer_provider, meter_provider, logger_provider)
    if tracer_provider is not None:
        _export_spans(tracer_provider, made.spans)
    if logger_provider is not None:
        _export_records(logger_provider, made.records)
    if set_global:
        _set_global(made)
    return made


def _set_global(made: Otlp) -> None:
    if made.tracer_provider is not None:
        otel_trace.set_tracer_provider(made.tracer_provider)
    if made.meter_provider is not None:
        otel_metrics.set_meter_provider(made.meter_provider)
    if made.logger_provider is not None:
        (api,) = load("otlp", WHAT, "opentelemetry._logs")
        api.set_logger_provider(made.logger_provider)


def _tracer_provider(resource: Any) -> Any:
    (sdk,) = load("otlp", WHAT, "opentelemetry.sdk.trace")
    return sdk.TracerProvider(resource=resource, shutdown_on_exit=False)


def _export_spans(provider: Any, fate: Fate) -> None:
    (http,) = load("otlp", WHAT, "opentelemetry.exporter.otlp.proto.http.trace_exporter")
    delay = _delay("OTEL_BSP_SCHEDULE_DELAY")
    provider.add_span_processor(span_processor()(http.OTLPSpanExporter(), fate, delay))


def _meter_provider(resource: Any) -> Any:
    sdk, export, http = load(
        "otlp",
        WHAT,
        "opentelemetry.sdk.metrics",
        "opentelemetry.sdk.metrics.export",
        "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    )
    interval = None if os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") else INTERVAL
    reader = export.PeriodicExportingMetricReader(
        http.OTLPMetricExporter(), interval, cardinality_limits=cardinality_limits(sdk)
    )
    return sdk.MeterProvider([reader], resource=resource, shutdown_on_exit=False)


def _logger_provider(resource: Any) -> Any:
    (sdk,) = load("otlp", WHAT, "opentelemetry.sdk._logs")
    return sdk.LoggerProvider(resource=resource, shutdown_on_exit=False)


def _export_records(provider: Any, fate: Fate) -> None:
    (http,) = load("otlp", WHAT, "opentelemetry.exporter.otlp.proto.http._log_exporter")
    delay = _delay("OTEL_BLRP_SCHEDULE_DELAY")
    provider.add_log_record_processor(record_processor()(http.OTLPLogExporter(), fate, delay))


def _delay(variable: str) -> int | None:
    """Milliseconds; None leaves it to the SDK, which reads the variable."""
    return None if os.environ.get(variable) else DELAY


def cardinality_limits(sdk: Any) -> dict[Any, int]:
    """How many series an instrument may have. The SDK's own limit counts those that are long gone,
    and would be used up by machines that come and go."""
    kinds = ("ObservableCounter", "ObservableGauge", "ObservableUpDownCounter", "Histogram")
    return {getattr(sdk, kind): 100_000 for kind in kinds}
