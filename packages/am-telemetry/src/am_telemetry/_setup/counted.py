"""Batches of spans and log records that know what became of them.

Made when they are first asked for, since the SDK may be missing.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .extras import load

WHAT = "setup_otlp"


class Fate:
    """How many were handed to an exporter, and how many it took."""

    def __init__(self) -> None:
        self.given = 0
        self.sent = 0

    def forget(self) -> None:
        """A child process begins with nothing."""
        self.given = self.sent = 0

    @property
    def left(self) -> int:
        """Those that no backend has got, so far or for ever."""
        return self.given - self.sent


class CountedExporter:
    """An exporter that counts what was taken."""

    def __init__(self, exporter: Any, fate: Fate) -> None:
        self._exporter = exporter
        self._fate = fate

    def export(self, batch: Any) -> Any:
        """Export, and see how it went."""
        result = self._exporter.export(batch)
        if getattr(result, "name", "") == "SUCCESS":
            self._fate.sent += len(batch)
        return result

    def shutdown(self) -> None:
        """Let go of the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return True


@cache
def span_processor() -> type:
    """The class of batches of spans.

    :raises MissingExtraError: if the SDK is not installed.
    """
    (export,) = load("otlp", WHAT, "opentelemetry.sdk.trace.export")
    base: Any = export.BatchSpanProcessor

    class CountedSpans(base):  # type: ignore[misc]
        """Counts the spans that end."""

        def __init__(self, exporter: Any, fate: Fate, delay: int) -> None:
            super().__init__(CountedExporter(exporter, fate), schedule_delay_millis=delay)
            self._fate = fate

        def on_end(self, span: Any) -> None:
            """A span ended."""
            if span.context is not None and span.context.trace_flags.sampled:
                self._fate.given += 1
            super().on_end(span)

    return CountedSpans


@cache
def record_processor() -> type:
    """The class of batches of log records.

    :raises MissingExtraError: if the SDK is not installed.
    """
    (export,) = load("otlp", WHAT, "opentelemetry.sdk._logs.export")
    base: Any = export.BatchLogRecordProcessor

    class CountedRecords(base):  # type: ignore[misc]
        """Counts the records."""

        def __init__(self, exporter: Any, fate: Fate, delay: int) -> None:
            super().__init__(CountedExporter(exporter, fate), schedule_delay_millis=delay)
            self._fate = fate

        def on_emit(self, log_record: Any) -> None:
            """A record was emitted."""
            self._fate.given += 1
            super().on_emit(log_record)

    return CountedRecords
