"""Traces, metrics and logs as the environment asks for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as otel_metrics
from opentelemetry import trace as otel_trace
from opentelemetry.trace import SpanContext, TraceFlags

from .. import _env
from .._errors import MissingExtraError
from .._hub.presence import is_proxy
from .._logs import LogBridge
from .._logs.otel_logs import global_provider, is_there
from .._metrics import Metrics
from .._traces import TraceTracer
from .._traces.choice import compiled
from .otlp import setup_otlp
from .prometheus import setup_prometheus

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

SERVICE = "AM_SERVICE"
TRACE = "AM_OTEL_TRACE"
TRACE_TXS = "AM_OTEL_TRACE_TXS"
TRACE_ARGS = "AM_OTEL_TRACE_ARGS"
TRACE_NOAUTO = "AM_OTEL_TRACE_NOAUTO"
ALLOW, ALLOW_RE = "AM_OTEL_TRACE_ALLOW_STATES", "AM_OTEL_TRACE_ALLOW_STATES_RE"
SKIP, SKIP_RE = "AM_OTEL_TRACE_SKIP_STATES", "AM_OTEL_TRACE_SKIP_STATES_RE"
TRACE_ID, SPAN_ID = "AM_OTEL_TRACE_ID", "AM_OTEL_SPAN_ID"
METRICS = "AM_OTEL_METRICS"
METRICS_SAMPLE = "AM_OTEL_METRICS_SAMPLE"
METRICS_STATES = "AM_OTEL_METRICS_STATES"
LOGS = "AM_OTEL_LOGS"
PROM_ADDR, PROM_SD_DIR, PROM_PUSH_URL = "AM_PROM_ADDR", "AM_PROM_SD_DIR", "AM_PROM_PUSH_URL"
DETAIL = "AM_DBG_DETAIL"

# What decides who listens; the root span is not among them, since it is set here, too.
_READ = (
    SERVICE, TRACE, TRACE_TXS, TRACE_ARGS, TRACE_NOAUTO, ALLOW, ALLOW_RE, SKIP, SKIP_RE, METRICS,
    METRICS_SAMPLE, METRICS_STATES, LOGS, PROM_ADDR, PROM_SD_DIR, PROM_PUSH_URL, DETAIL,
)  # fmt: skip
_Exporter = TraceTracer | Metrics | LogBridge
# By the values of these: machines of one environment share what listens.
_made: dict[tuple[str, ...], list[_Exporter]] = {}


def bind_signals(machine: am.BaseMachine) -> None:
    """Bind a machine to what `AM_OTEL_…` and `AM_PROM_…` ask for, as they are now.

    What is wrong there is logged once at WARNING and ignored.
    """
    key = tuple([os.environ.get(name, "") for name in _READ])
    exporters = _made.get(key)
    if exporters is None:
        exporters = _made[key] = _make()
    for exporter in exporters:
        exporter.bind(machine)
        if isinstance(exporter, TraceTracer) and exporter.root is not None:
            hand_down(exporter.root)


def _make() -> list[_Exporter]:
    wants = {name: _env.is_on(name) for name in (TRACE, METRICS, LOGS)}
    scraped = _env.text(PROM_ADDR), _env.text(PROM_PUSH_URL)
    if not any([*wants.values(), *scraped]):
        return []
    service = _env.text(SERVICE)
    if service is None:
        _env.complain_once(SERVICE, "", "is required by traces, metrics and logs")
        return []
    _set_up_globals(service, wants)
    made: list[_Exporter] = []
    if wants[TRACE]:
        made += _tried(TRACE, "1", _trace_tracer)
    if wants[METRICS]:
        made += _tried(METRICS, "1", lambda: _metrics(None))
    if any(scraped):
        made += _tried(PROM_ADDR, scraped[0] or "", lambda: _scraped(service, *scraped))
    if wants[LOGS]:
        made += _tried(LOGS, "1", LogBridge)
    return made


def _set_up_globals(service: str, wants: dict[str, bool]) -> None:
    """Export by OTLP what the program has set up no provider for."""
    needs = {
        "traces": wants[TRACE] and is_proxy(otel_trace.get_tracer_provider()),
        "metrics": wants[METRICS] and is_proxy(otel_metrics.get_meter_provider()),
        "logs": wants[LOGS] and is_there() and is_proxy(global_provider()),
    }
    if not any(needs.values()):
        return
    try:
        setup_otlp(service, **needs)
    except MissingExtraError as exc:
        switch = next(name for name in (TRACE, METRICS, LOGS) if wants[name])
        _env.complain_once(switch, os.environ.get(switch, ""), f"needs an SDK ({exc})")


def _tried(name: str, value: str, make: Callable[[], Any]) -> list[Any]:
    try:
        return [make()]
    except (MissingExtraError, ValueError, OSError) as exc:
        _env.complain_once(name, value, f"cannot be served ({exc})")
        return []


def _trace_tracer() -> TraceTracer:
    options: dict[str, Any] = {
        "root": handed_down(),
        "transitions": _env.is_on(TRACE_TXS),
        "args": _env.is_on(TRACE_ARGS),
        "auto": not _env.is_on(TRACE_NOAUTO),
        "allow": _env.names(ALLOW),
        "skip": _env.names(SKIP),
    }
    for variable, option in ((ALLOW_RE, "allow_re"), (SKIP_RE, "skip_re")):
        pattern = os.environ.get(variable, "")
        try:
            compiled(pattern)
        except ValueError as exc:
            _env.complain_once(variable, pattern, str(exc))
        else:
            options[option] = pattern
    return TraceTracer(**options)


def _metrics(provider: Any) -> Metrics:
    return Metrics(
        provider,
        level=2 if _env.number(DETAIL, 1, most=2) == 2 else 1,
        states=_env.names(METRICS_STATES),
        sample=_env.number(METRICS_SAMPLE, 0, most=1_000_000),
    )


def _scraped(service: str, address: str | None, push_url: str | None) -> Metrics:
    endpoint = setup_prometheus(
        address, service=service, sd_dir=_env.text(PROM_SD_DIR), push_url=push_url
    )
    return _metrics(endpoint.provider)


# ------------------------------------------------------------------------------ the root span


def handed_down() -> SpanContext | None:
    """The root span that a parent process handed down; None if there is none."""
    trace_id, span_id = os.environ.get(TRACE_ID, ""), os.environ.get(SPAN_ID, "")
    if not trace_id and not span_id:
        return None
    found = [_hex(TRACE_ID, trace_id, 32), _hex(SPAN_ID, span_id, 16)]
    if not all(found):
        return None
    return SpanContext(
        found[0], found[1], is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


def _hex(name: str, value: str, digits: int) -> int:
    """An id; 0 if it is none."""
    is_hex = len(value) == digits and value.isascii() and value.isalnum()
    try:
        number = int(value, 16) if is_hex else 0
    except ValueError:
        number = 0
    if not number:
        _env.complain_once(name, value, f"is no id of {digits} hex digits")
    return number


def hand_down(root: SpanContext) -> None:
    """Have processes that this one starts join its trace."""
    if not root.is_valid or handed_down() is not None:
        return
    os.environ[TRACE_ID] = otel_trace.format_trace_id(root.trace_id)
    os.environ[SPAN_ID] = otel_trace.format_span_id(root.span_id)
