"""The variables of the environment: what each is for, and whether a value is one.

Pages are generated from this table, and `am-telemetry check` judges values by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._errors import AddressError
from .._setup.prometheus import parsed

if TYPE_CHECKING:
    from collections.abc import Callable

    Fault = Callable[[str], str | None]

_ON = frozenset(("1", "true", "yes", "on"))
_OFF = frozenset(("", "0", "false", "no", "off"))


def is_off(value: str) -> bool:
    """Whether a value is the same as none."""
    return value.strip().lower() in _OFF


def _on_or_off(value: str) -> str | None:
    return None if value.lower() in _ON | _OFF else "is neither on nor off"


def _anything(value: str) -> str | None:
    return None


def _number(least: int, most: int) -> Fault:
    def fault(value: str) -> str | None:
        # No longer than any number that is taken, as Python reads large ones slowly.
        if value.isascii() and value.isdigit() and len(value) <= 10 and least <= int(value) <= most:
            return None
        return f"is not a number from {least} to {most}"

    return fault


def _pattern(value: str) -> str | None:
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as exc:
        return f"is not a regular expression ({exc})"
    return None


def _hex(digits: int) -> Fault:
    def fault(value: str) -> str | None:
        is_one = re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", value) and value.strip("0")
        return None if is_one else f"is not {digits} hexadecimal digits, some of them not 0"

    return fault


def _url(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_one = False
    return None if is_one else "is no address that begins with http:// or https://"


def _scrape_address(value: str) -> str | None:
    try:
        parsed(value if value != "1" else "localhost:0")
    except AddressError:
        return "is neither 1 nor host:port"
    return None


def _debugger(value: str) -> str | None:
    try:
        from .._dbg.addresses import resolve

        resolve(value)
    except AddressError:
        return "is none of 1, host:port and unix:PATH"
    except ImportError:  # an extra is missing, which is told by itself
        pass
    return None


@dataclass(frozen=True, slots=True)
class Switch:
    """One variable; `fault(value)` says what is wrong with a value, `is_secret` that none is
    shown, `extra` what it takes to be installed."""

    name: str
    about: str
    fault: Fault = _anything
    is_secret: bool = False
    extra: str | None = None
    needs_service: bool = False


SWITCHES = (
    Switch("AM_SERVICE", "service name; traces, metrics, logs and dashboards need it"),
    Switch(
        "AM_OTEL_TRACE", "export states and submachines as traces", _on_or_off,
        extra="otlp", needs_service=True,
    ),
    Switch("AM_OTEL_TRACE_TXS", "also transitions", _on_or_off),
    Switch("AM_OTEL_TRACE_ARGS", "also the logged arguments", _on_or_off),
    Switch("AM_OTEL_TRACE_NOAUTO", "leave out auto transitions", _on_or_off),
    Switch("AM_OTEL_TRACE_ALLOW_STATES", "trace only these: `State` or `machine:State`, by commas"),
    Switch("AM_OTEL_TRACE_SKIP_STATES", "leave these out, the same way; skipping wins"),
    Switch(
        "AM_OTEL_TRACE_ALLOW_STATES_RE", "trace only what this finds in `machine:State`", _pattern,
    ),
    Switch("AM_OTEL_TRACE_SKIP_STATES_RE", "leave out what this finds, machines too", _pattern),
    Switch("AM_OTEL_TRACE_ID", "trace handed down by a parent process", _hex(32)),
    Switch("AM_OTEL_SPAN_ID", "root span handed down by a parent process", _hex(16)),
    Switch(
        "AM_OTEL_METRICS", "metrics through the global meter provider", _on_or_off,
        extra="otlp", needs_service=True,
    ),
    Switch(
        "AM_OTEL_METRICS_SAMPLE", "record histograms in 1 of N slices of 20 ms; 1 always, 0 never",
        _number(0, 2**31),
    ),
    Switch("AM_OTEL_METRICS_STATES", "states with series of their own, by commas; `*` for all"),
    Switch(
        "AM_OTEL_LOGS", "machine logs through the logs API", _on_or_off,
        extra="otlp", needs_service=True,
    ),
    Switch(
        "AM_PROM_ADDR", "serve a scrape endpoint at `host:port`; `1`: first free port of 9464-9563",
        _scrape_address, extra="prometheus", needs_service=True,
    ),
    Switch("AM_PROM_SD_DIR", "a folder that tells Prometheus of the endpoint while it lives"),
    Switch(
        "AM_PROM_PUSH_URL", "push to a Pushgateway every 15 s and on exit", _url,
        extra="prometheus", needs_service=True,
    ),
    Switch("OTEL_EXPORTER_OTLP_ENDPOINT", "where traces, metrics and logs are sent to", _url),
    Switch("AM_GRAFANA_URL", "keep a dashboard for each machine there", _url, needs_service=True),
    Switch("AM_GRAFANA_TOKEN", "token of a service account of Grafana", is_secret=True),
    Switch(
        "AM_DBG_ADDR", "send to a debugger: `host:port`, `unix:PATH`, `1` for the usual places",
        _debugger, extra="dbg",
    ),
    Switch("AM_DBG_DETAIL", "level of listening from the start, 0 to 2", _number(0, 2)),
    Switch("AM_DBG_SECRET", "secret shared with the debugger", is_secret=True),
    Switch("AM_DBG_TLS_CA", "certificate of the debugger's authority"),
    Switch("AM_DBG_NO_TRACE", "no Python stacks with queued mutations", _on_or_off),
    Switch("AM_DBG_BUFFER", "transitions kept for each debugger", _number(1, 2**31)),
    Switch("AM_DBG_LOSSLESS", "when full, wait instead of dropping; for tests", _on_or_off),
)  # fmt: skip
"""All of them, in the order of the pages."""
