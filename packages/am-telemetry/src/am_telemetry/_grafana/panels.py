"""One panel of a dashboard each, as the JSON that Grafana stores. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    Panel: TypeAlias = dict[str, Any]
    Query: TypeAlias = tuple[str, str]  # expression, legend

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "${logs}"}
_LINES = 1000
"""Log lines that a panel asks for at most."""


def time_series(title: str, queries: Sequence[Query], *, unit: str = "short") -> Panel:
    """Return a panel of lines over time, from zero up."""
    return {
        "type": "timeseries",
        "title": title,
        "datasource": PROMETHEUS,
        "targets": _targets(queries),
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "min": 0,
                "custom": {"drawStyle": "line", "fillOpacity": 10, "showPoints": "never"},
            },
            "overrides": [],
        },
        "options": {
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def stat(title: str, query: Query) -> Panel:
    """Return a panel with the last value as a number."""
    return {
        "type": "stat",
        "title": title,
        "datasource": PROMETHEUS,
        "targets": _targets([query]),
        "fieldConfig": {"defaults": {"unit": "short", "min": 0}, "overrides": []},
        "options": {
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "textMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    }


def heatmap(title: str, query: Query) -> Panel:
    """Return a panel of a histogram's buckets over time, in seconds."""
    return {
        "type": "heatmap",
        "title": title,
        "datasource": PROMETHEUS,
        "targets": [{**target, "format": "heatmap"} for target in _targets([query])],
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {
            "calculate": False,
            "cellGap": 1,
            "color": {
                "mode": "scheme",
                "scheme": "Oranges",
                "exponent": 0.5,
                "fill": "dark-orange",
                "reverse": False,
                "steps": 64,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
            "yAxis": {"axisPlacement": "left", "unit": "s", "reverse": False},
        },
    }


def logs(title: str, expression: str) -> Panel:
    """Return a panel of log lines, the newest first."""
    target = {
        "refId": "A",
        "datasource": LOKI,
        "expr": expression,
        "queryType": "range",
        "maxLines": _LINES,
    }
    return {
        "type": "logs",
        "title": title,
        "datasource": LOKI,
        "targets": [target],
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {
            "showTime": True,
            "showLabels": False,
            "showCommonLabels": False,
            "showLogContextToggle": False,
            "wrapLogMessage": True,
            "prettifyLogMessage": False,
            "enableLogDetails": True,
            "sortOrder": "Descending",
            "dedupStrategy": "none",
        },
    }


def _targets(queries: Sequence[Query]) -> list[dict[str, Any]]:
    return [
        {
            "refId": chr(ord("A") + place),
            "datasource": PROMETHEUS,
            "editorMode": "code",
            "expr": expression,
            "legendFormat": legend,
            "range": True,
        }
        for place, (expression, legend) in enumerate(queries)
    ]
