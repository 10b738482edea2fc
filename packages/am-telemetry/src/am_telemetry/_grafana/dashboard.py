"""The whole dashboard of some machines, as the JSON that Grafana stores. Pure.

The same arguments give the same bytes: ids are sorted, panels are numbered in order, nothing is
taken from the clock. So a dashboard can be committed and compared.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._metrics.instruments import ERROR_TYPE, RESULT
from . import panels
from .queries import MACHINE, SERVICE, Scope, label, quoted, series

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .panels import Panel

ANY = "*"
"""Instead of ids: one board for all machines of the service, which its reader chooses among."""
LISTENED = "level 2 only"
"""What exists only while a machine is listened to with handlers and durations."""
SAMPLED = "sampled, level 2 only"
"""What exists only where histograms are recorded, in one of N slices of time."""
_SCHEMA_VERSION = 41
_WIDTH = 24
_DURATION = "am.transition.duration"


def grafana_dashboard(
    ids: Iterable[str],
    name: str,
    source: str,
    *,
    datasource: str | None = None,
    logs: str | None = None,
) -> dict[str, Any]:
    """Return the dashboard of these machines, as JSON that Grafana takes.

    `ids` are the values of the label ``am_machine_id``; ``"*"`` among them makes one board whose
    variable `machine` chooses among all that the service has. `name` is the title, `source` the
    service (``AM_SERVICE``, the label ``service_name``). `datasource` is the name of the Prometheus
    in Grafana that is chosen at first, `logs` that of a Loki: with it each machine gets a row of
    log lines. Pure and deterministic; callable in any thread.

    :raises ValueError: if there are no ids, or an id, name or source is empty.
    """
    wanted = _checked(ids, name, source)
    scopes = [(i, Scope(source, chosen=i == ANY, machine=i)) for i in wanted]
    board = _Board()
    for ident, scope in scopes:
        title, repeat = ("$machine", "machine") if ident == ANY else (ident, None)
        board.row(f"Mach: {title}", _overview(scope), repeat=repeat)
        board.row(f"Details: {title}", _details(scope), collapsed=True, repeat=repeat)
        if logs is not None:
            board.row(f"Logs: {title}", _logs(scope), collapsed=True, repeat=repeat)
    board.row("Exporter", _exporter(Scope(source)))
    return {
        "uid": dashboard_uid(name, source),
        "title": name,
        "tags": ["generated", "asyncmachine"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-5m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _variables(source, wanted, datasource, logs)},
        "annotations": {"list": []},
        "panels": board.panels,
    }


def dashboard_uid(name: str, source: str) -> str:
    """Return the identity that a dashboard keeps however its machines change."""
    digest = hashlib.sha256(f"{name}\0{source}".encode()).hexdigest()
    return f"am-{digest[:24]}"


def _checked(ids: Iterable[str], name: str, source: str) -> list[str]:
    wanted = sorted({ids} if isinstance(ids, str) else set(ids))
    if not wanted or not all(wanted):
        raise ValueError("a dashboard needs ids of machines, none of them empty")
    if not name or not source:
        raise ValueError("a dashboard needs a name and the service that the machines belong to")
    return [ANY] if ANY in wanted else wanted


@dataclass(slots=True)
class _Board:
    """Panels in their places: each gets the next number and the next free place."""

    panels: list[Panel] = field(default_factory=list)
    _last: int = 0
    _y: int = 0

    def row(
        self,
        title: str,
        lines: Sequence[Sequence[tuple[int, int, Panel]]],
        *,
        collapsed: bool = False,
        repeat: str | None = None,
    ) -> None:
        """Add a row of lines of panels, each with its width and height."""
        inside: list[Panel] = []
        head: Panel = {
            "type": "row",
            "title": title,
            "collapsed": collapsed,
            "id": self._number(),
            "gridPos": {"h": 1, "w": _WIDTH, "x": 0, "y": self._y},
            "panels": inside,
        }
        if repeat:
            head["repeat"] = repeat
        self.panels.append(head)
        self._y += 1
        # What a collapsed row holds stands inside it, and takes no place until it is opened.
        into, y = inside if collapsed else self.panels, self._y
        for line in lines:
            x = 0
            for width, height, panel in line:
                place = {"h": height, "w": width, "x": x, "y": y}
                into.append({"id": self._number(), "gridPos": place, **panel})
                x += width
            y += max(height for _, height, _ in line)
        if not collapsed:
            self._y = y

    def _number(self) -> int:
        self._last += 1
        return self._last


def _overview(scope: Scope) -> list[list[tuple[int, int, Panel]]]:
    transitions = scope.rate("am.transitions", RESULT)
    errors = scope.rate("am.errors", ERROR_TYPE)
    return [
        [
            (
                10,
                8,
                panels.time_series("Transitions/s", [(transitions, f"{{{{{label(RESULT)}}}}}")]),
            ),
            (10, 8, panels.time_series("Errors/s", [(errors, f"{{{{{label(ERROR_TYPE)}}}}}")])),
            (4, 8, panels.stat("Active states", (scope.now("am.states.active"), "active"))),
        ]
    ]


def _details(scope: Scope) -> list[list[tuple[int, int, Panel]]]:
    mutations = [
        (scope.now("am.queue.size"), "queue"),
        (scope.now("am.queue.peak"), "queue peak"),
        (scope.per_transition("am.handlers"), "handlers/tx"),
        (scope.per_transition("am.states.added"), "states added/tx"),
        (scope.per_transition("am.states.removed"), "states removed/tx"),
    ]
    details = [
        (scope.per_transition("am.transition.ticks"), "ticks/tx"),
        (scope.per_transition("am.transition.steps"), "steps/tx"),
        (scope.per_transition("am.states.touched"), "touched/tx"),
    ]
    states = [
        (scope.now("am.states"), "states"),
        (scope.now("am.relations"), "relations"),
        (scope.now("am.relation.refs"), "references"),
        (f"{scope.now('am.relations')} / {scope.now('am.states')}", "relations/state"),
        (scope.now("am.states.active"), "active"),
        (scope.now("am.states.inactive"), "inactive"),
    ]
    quantiles = [(scope.quantile(_DURATION, part), f"p{part * 100:g}") for part in (0.5, 0.99)]
    peak = f"Mutations (queue peak, handlers: {LISTENED})"
    return [
        [
            (8, 8, panels.time_series(peak, mutations)),
            (8, 8, panels.time_series(f"Details (steps: {LISTENED}, while recorded)", details)),
            (8, 8, panels.time_series("States and relations", states)),
        ],
        [
            (
                12,
                8,
                panels.heatmap(
                    f"Transition time ({SAMPLED})", (scope.buckets(_DURATION), "{{le}}")
                ),
            ),
            (
                12,
                8,
                panels.time_series(f"Transition time p50, p99 ({SAMPLED})", quantiles, unit="s"),
            ),
        ],
    ]


def _logs(scope: Scope) -> list[list[tuple[int, int, Panel]]]:
    return [[(_WIDTH, 12, panels.logs("Logs", scope.logs()))]]


def _exporter(scope: Scope) -> list[list[tuple[int, int, Panel]]]:
    sent = [
        (scope.rate("am.dbg.sent"), "sent"),
        (scope.rate("am.dbg.dropped"), "dropped"),
    ]
    waiting = [(scope.now("am.dbg.buffer"), "buffer")]
    errors = [(scope.rate("am.telemetry.errors"), "errors")]
    return [
        [
            (8, 7, panels.time_series("Debugger: sent, dropped/s", sent)),
            (8, 7, panels.time_series("Debugger: buffer", waiting)),
            (8, 7, panels.time_series("Telemetry errors/s", errors)),
        ]
    ]


def _variables(
    source: str, ids: list[str], datasource: str | None, logs: str | None
) -> list[dict[str, Any]]:
    variables = [_datasource("datasource", "Prometheus", "prometheus", datasource)]
    if logs is not None:
        variables.append(_datasource("logs", "Loki", "loki", logs))
    labels = f"label_values({series('am.states')}{{{SERVICE}={quoted(source)}}}, {MACHINE})"
    machine = {
        "type": "query",
        "name": "machine",
        "label": "Machine",
        "datasource": panels.PROMETHEUS,
        "query": {"query": labels, "refId": "machine"},
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,  # with each change of the time range: machines come and go
        "sort": 7,  # natural: w2 before w10
    }
    if ids != [ANY]:
        # The rows stand for themselves; the variable is there for panels that users add.
        machine |= {"hide": 2, "regex": f"/^({'|'.join(map(_regex, ids))})$/"}
    return [*variables, machine]


def _regex(text: str) -> str:
    # For JavaScript, whose `/` ends a literal.
    return re.escape(text).replace("/", "\\/")


def _datasource(name: str, label: str, kind: str, chosen: str | None) -> dict[str, Any]:
    variable: dict[str, Any] = {
        "type": "datasource",
        "name": name,
        "label": label,
        "query": kind,
        "multi": False,
        "includeAll": False,
    }
    if chosen:
        variable["current"] = {"text": chosen, "value": chosen}
    return variable
