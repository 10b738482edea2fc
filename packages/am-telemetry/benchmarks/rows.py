"""The rows of the table: who listens, and what it may cost."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NoOpTracerProvider

from am_telemetry import Metrics, TraceTracer
from am_telemetry._hub import Hub  # noqa: PLC2701 -- to wait for it
from am_telemetry.dbg import DbgExporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import am_machine as am


class Listening:
    """Who listens to one machine."""

    def __init__(self, closing: list[Any], dbg: DbgExporter | None = None) -> None:
        self._closing = closing
        self._dbg = dbg

    def settle(self) -> None:
        """Let the hub come to rest, so that the sample without listeners is without them."""
        Hub.of_process().sync(5)

    def lost(self) -> float:
        """The share of entries that were dropped so far."""
        stats = self._dbg.stats if self._dbg is not None else None
        return stats.dropped / stats.produced if stats is not None and stats.produced else 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """A way to listen. `goals` are by load, None where it is only reported; `judges` says of
    which figure."""

    name: str
    listening: Callable[[am.Machine], AbstractContextManager[Listening]]
    goals: dict[str, float | None]
    judges: str = "whole"


class Nowhere(SpanExporter):
    """Takes spans and forgets them."""

    def export(self, spans: Any) -> SpanExportResult:
        """Forget them."""
        return SpanExportResult.SUCCESS


@contextmanager
def debugger(how: str) -> Iterator[str]:
    """The address of a debugger in a process of its own: connected, stalled, absent."""
    if how != "connected":
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            if how == "stalled":
                # The kernel accepts; nobody reads.
                yield address
                return
        yield address
        return
    command = [sys.executable, str(__file__).replace("rows.py", "receiving.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        assert process.stdin is not None
        process.stdin.close()


def streaming(
    how: str, *, detail: int = 1
) -> Callable[[am.Machine], AbstractContextManager[Listening]]:
    """A stream alone."""

    @contextmanager
    def listening(machine: am.Machine) -> Iterator[Listening]:
        with debugger(how) as address, DbgExporter(address, detail=detail) as dbg:
            dbg.bind(machine)
            yield Listening([], dbg)

    return listening


@contextmanager
def everything(machine: am.Machine) -> Iterator[Listening]:
    """Stream, metrics and traces, sharing one journal."""
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(Nowhere()))
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    with (
        debugger("connected") as address,
        DbgExporter(address) as dbg,
        Metrics(meters) as metrics,
        TraceTracer(spans.get_tracer("bench"), transitions=True) as traces,
    ):
        for exporter in (dbg, metrics, traces):
            exporter.bind(machine)
        yield Listening([], dbg)
    spans.shutdown()
    meters.shutdown()


@contextmanager
def level_0(machine: am.Machine) -> Iterator[Listening]:
    """Metrics that read the machine when somebody collects."""
    meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    with Metrics(meters, level=0) as metrics:
        metrics.bind(machine)
        yield Listening([])
    meters.shutdown()


@contextmanager
def deaf(machine: am.Machine) -> Iterator[Listening]:
    """Metrics and traces of the API alone, which nobody would take."""
    tracer = NoOpTracerProvider().get_tracer("bench")
    with Metrics(NoOpMeterProvider()) as metrics, TraceTracer(tracer) as traces:
        metrics.bind(machine)
        traces.bind(machine)
        yield Listening([])


NOISE = 1.02
"""What 1.0 means where it is measured."""
ROWS = (
    Row("level 1, hot path", streaming("connected"), {"flat out": 1.8, "real": 1.02}, "hot"),
    Row("level 1, debugger connected", streaming("connected"), {"flat out": 2.2, "real": 1.06}),
    Row("level 1, debugger absent", streaming("absent"), {"flat out": 1.8, "real": 1.02}),
    Row("level 1, debugger stalled", streaming("stalled"), {"flat out": 1.8, "real": 1.02}),
    Row("stream, metrics, traces, hot path", everything, {"flat out": 1.9, "real": 1.02}, "hot"),
    Row(
        "stream, metrics, traces",
        everything,
        {"flat out": None, "real": 1.25, "slow": 1.10},
    ),
    Row("metrics at level 0", level_0, {"flat out": NOISE, "real": NOISE}),
    Row("level 2", streaming("connected", detail=2), {"flat out": None, "real": 1.25}),
    Row("metrics and traces, no SDK", deaf, {"flat out": NOISE, "real": NOISE}),
)
