"""The tables of switches and instruments, as text. The page of the package is made by this."""

from __future__ import annotations

from .._metrics import INSTRUMENTS, Instrument
from .switches import SWITCHES, Switch

HEAD = """\
# Switches and instruments

<!-- Made by `am-telemetry reference`; a test compares. -->

## Variables of the environment

Read by `bind_env(machine)`. On: `1 true yes on`; off: empty, `0 false no off`. A bad value is one
warning and ignored.

| variable | meaning | needs |
| -------- | ------- | ----- |
"""
MIDDLE = """
The standard `OTEL_*` variables of the SDK are left to it.

## Instruments

Meter `asyncmachine`. All carry `am.machine.id`, but those that telemetry tells of itself. At most
1,000 machines at a time are told apart, the others share `_overflow`; the totals of machines that
are gone are those of `_disposed`. In Prometheus dots are underscores, units in braces are left out,
`s` is `_seconds`, and counters end in `_total`.

| instrument | kind | unit | level | more attributes | what |
| ---------- | ---- | ---- | ----- | --------------- | ---- |
"""
TAIL = """
Level 0 reads the machine when somebody collects, 1 takes a journal, 2 exists only while a tracer is
bound: for `Metrics(level=2)`, `AM_DBG_DETAIL=2`, or a debugger that asks. Histograms are recorded
in slices of time (`sample=`, `AM_OTEL_METRICS_SAMPLE`); their buckets end at 0.01 ms, 0.03 ms,
0.1 ms … 1 s. Those with `am.state` exist for states that were asked for (`states=`,
`AM_OTEL_METRICS_STATES`).
"""


def reference() -> str:
    """Return the whole page."""
    switches = "".join([f"{_switch(one)}\n" for one in SWITCHES])
    instruments = "".join([f"{_instrument(one)}\n" for one in INSTRUMENTS])
    return HEAD + switches + MIDDLE + instruments + TAIL


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _switch(one: Switch) -> str:
    needs = [f"`[{one.extra}]`"] if one.extra else []
    if one.needs_service:
        needs.append("`AM_SERVICE`")
    return _row(f"`{one.name}`", one.about, ", ".join(needs))


def _instrument(one: Instrument) -> str:
    attributes = ", ".join([f"`{name}`" for name in one.attributes])
    level = str(one.level) if one.by_machine else ""
    unit = f"`{one.unit}`" if one.unit else ""
    return _row(f"`{one.name}`", str(one.kind), unit, level, attributes, one.about)
