"""The expressions that dashboards and alerts ask, as text. Pure.

Names of instruments become names of series by the standard mapping of OpenTelemetry to
Prometheus: dots and other characters become underscores, the unit follows unless it is an
annotation in braces, counters end in `_total`. Averages per transition are divided here, on the
side that asks: what is exported are totals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._metrics.instruments import INSTRUMENTS, MACHINE_ID, Kind

_UNITS = {"s": "seconds", "By": "bytes"}
_BY_NAME = {instrument.name: instrument for instrument in INSTRUMENTS}


def label(attribute: str) -> str:
    """Return the name in Prometheus of an attribute."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", attribute)


SERVICE = label("service.name")
MACHINE = label(MACHINE_ID)
RATE = "$__rate_interval"
"""Grafana's own width of a rate: four scrapes at least."""


def series(instrument: str) -> str:
    """Return the name in Prometheus of an instrument; a histogram's without `_bucket`.

    :raises KeyError: if there is no such instrument.
    """
    row = _BY_NAME[instrument]
    name = label(instrument)
    suffix = _UNITS.get(row.unit, "")
    if suffix and not name.endswith(f"_{suffix}"):
        name += f"_{suffix}"
    return f"{name}_total" if row.kind is Kind.COUNTER else name


def quoted(text: str) -> str:
    """Return a string literal of PromQL and LogQL, which Grafana finds no variable in."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + plain.replace("$", "\\x24").replace("[[", "\\x5b[") + '"'


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose series are meant: one machine of a service, a board's choice, or the whole service."""

    source: str
    machine: str | None = None
    chosen: bool = False
    """Whether the board's variable `machine` chooses."""

    def __str__(self) -> str:
        parts = [f"{SERVICE}={quoted(self.source)}"]
        if self.chosen:
            parts.append(f'{MACHINE}=~"$machine"')
        elif self.machine is not None:
            parts.append(f"{MACHINE}={quoted(self.machine)}")
        return "{" + ",".join(parts) + "}"

    def now(self, instrument: str) -> str:
        """Return the present value of a gauge, over all processes."""
        return f"sum({series(instrument)}{self})"

    def rate(self, instrument: str, *by: str) -> str:
        """Return the growth per second of a total, split by attributes."""
        split = f" by ({', '.join(map(label, by))}) " if by else ""
        return f"sum{split}(rate({series(instrument)}{self}[{RATE}]))"

    def per_transition(self, instrument: str) -> str:
        """Return the growth of a total for each transition."""
        return f"{self.rate(instrument)} / {self.rate('am.transitions')}"

    def buckets(self, instrument: str) -> str:
        """Return what fell into each bucket of a histogram of seconds, for a heatmap."""
        return f"sum by (le) (increase({series(instrument)}_bucket{self}[{RATE}]))"

    def quantile(self, instrument: str, part: float) -> str:
        """Return a quantile of a histogram of seconds, over the width of a rate."""
        rates = f"sum by (le) (rate({series(instrument)}_bucket{self}[{RATE}]))"
        return f"histogram_quantile({part}, {rates})"

    def logs(self) -> str:
        """Return the LogQL expression of a machine's lines, sent by OTLP."""
        lines = f"{{{SERVICE}={quoted(self.source)}}}"
        if self.chosen:
            return f'{lines} | {MACHINE}=~"$machine"'
        if self.machine is not None:
            return f"{lines} | {MACHINE}={quoted(self.machine)}"
        return lines
