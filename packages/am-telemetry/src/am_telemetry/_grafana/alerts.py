"""Alert rules for Prometheus: errors, queues that grow, quiet machines, telemetry that drops. Pure.

The rules are written as YAML that needs no library: strings are quoted as JSON quotes them, which
YAML reads alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._metrics.collecting import DISPOSED
from .._metrics.instruments import ERROR_TYPE
from .queries import MACHINE, SERVICE, Scope, label, quoted, series

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF = f"{SERVICE}, {MACHINE}"
_WINDOW = "5m"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a rule fires.

    `queue` mutations wait and grow in number for five minutes; a machine whose states changed
    stands still for `quiet` minutes.

    :raises ValueError: if one is not positive.
    """

    queue: int = 100
    quiet: int = 15

    def __post_init__(self) -> None:
        if self.queue < 1 or self.quiet < 1:
            raise ValueError("thresholds of alerts are 1 or more")


def alert_rules(source: str, thresholds: Thresholds | None = None) -> dict[str, Any]:
    """Return the alert rules of a service, as the data of a Prometheus rule file.

    `source` is the service (``AM_SERVICE``). Each alert has the labels ``service_name``,
    ``severity`` and, where one machine is meant, ``am_machine_id``. Pure; callable in any thread.

    :raises ValueError: if the service is empty.
    """
    if not source:
        raise ValueError("alert rules need the service that the machines belong to")
    limits = thresholds or Thresholds()
    scope = Scope(source)
    rules = [_errors(scope), _queue(scope, limits), _quiet(scope, limits), _dropping(scope)]
    return {"groups": [{"name": f"asyncmachine {source}", "rules": rules}]}


def rules_text(rules: dict[str, Any]) -> str:
    """Return rules as the YAML of a rule file, always the same for the same rules."""
    return "\n".join(_lines(rules, 0)) + "\n"


def _grown(total: str) -> str:
    """An expression that is above zero where a total grew, also from nothing.

    A total that is seen for the first time has grown by what it shows, which `increase` alone
    does not count.
    """
    begun = f"{total} > 0 unless {total} offset {_WINDOW}"
    return f"(increase({total}[{_WINDOW}]) > 0 or ({begun}))"


def _grown_together(total: str, by: str) -> str:
    """The same of the sum over series, among which a total may move."""
    now, earlier = (f"sum by ({by}) ({total}{then})" for then in ("", f" offset {_WINDOW}"))
    return f"(increase(({now})[{_WINDOW}:15s]) > 0 or ({now} > 0 unless {earlier}))"


def _living(name: str, scope: Scope) -> str:
    """The series of machines; the totals of those that are gone go on in one that is nobody's."""
    return f"{name}{str(scope)[:-1]},{MACHINE}!={quoted(DISPOSED)}}}"


def _errors(scope: Scope) -> dict[str, Any]:
    name, kind = series("am.errors"), label(ERROR_TYPE)
    mine = f"sum by ({_OF}, {kind}) {_grown(_living(name, scope))}"
    # Of a machine that was gone before anybody looked only the total of its process tells: in it
    # nothing is counted again when a machine goes.
    process = _grown_together(f"{name}{scope}", f"{SERVICE}, instance, {kind}")
    nobodys = f"sum by ({SERVICE}, {kind}) {process}"
    return _rule(
        "AsyncmachineErrors",
        f"{mine} or ({nobodys} unless on ({SERVICE}, {kind}) {mine})",
        severity="warning",
        summary="{{ with $labels.am_machine_id }}{{ . }}{{ else }}A machine that is gone{{ end }}"
        " had errors of {{ $labels.error_type }}",
        description="{{ $value | humanize }} in the last 5 minutes.",
    )


def _queue(scope: Scope, limits: Thresholds) -> dict[str, Any]:
    size = f"sum by ({_OF}) ({series('am.queue.size')}{scope})"
    growth = f"sum by ({_OF}) (deriv({series('am.queue.size')}{scope}[5m]))"
    return _rule(
        "AsyncmachineQueueGrows",
        f"{size} > {limits.queue} and {growth} > 0",
        wait="5m",
        severity="warning",
        summary="the queue of {{ $labels.am_machine_id }} grows",
        description="{{ $value | humanize }} mutations wait; a full queue refuses more.",
    )


def _quiet(scope: Scope, limits: Thresholds) -> dict[str, Any]:
    total = _living(series("am.transition.ticks"), scope)
    window = f"{limits.quiet}m"
    before = f"increase({total}[{2 * limits.quiet}m] offset {window})"
    return _rule(
        "AsyncmachineQuiet",
        f"sum by ({_OF}) (increase({total}[{window}])) == 0 and sum by ({_OF}) ({before}) > 0",
        severity="warning",
        summary="{{ $labels.am_machine_id }} has gone quiet",
        description=f"No state changed for {limits.quiet} minutes; before, some did.",
    )


def _dropping(scope: Scope) -> dict[str, Any]:
    dropped, errors = (
        _grown(f"{series(name)}{scope}") for name in ("am.dbg.dropped", "am.telemetry.errors")
    )
    return _rule(
        "AsyncmachineTelemetryDropping",
        f"sum by ({SERVICE}) {dropped} or sum by ({SERVICE}) {errors}",
        severity="info",
        summary="telemetry of {{ $labels.service_name }} loses what it should report",
        description="Entries for the debugger were dropped, or an exporter failed.",
    )


def _rule(
    name: str, expr: str, *, severity: str, wait: str | None = None, **annotations: str
) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": name, "expr": expr}
    if wait:
        rule["for"] = wait
    return {**rule, "labels": {"severity": severity}, "annotations": annotations}


def _lines(data: dict[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, value in data.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from _lines(value, depth + 1)
        elif isinstance(value, list):
            yield f"{indent}{key}:"
            for item in value:
                first, *rest = _lines(item, depth + 2)
                yield f"{indent}  - {first.strip()}"
                yield from rest
        else:
            yield f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}"
