"""A Grafana dashboard, generated from the schema: a row of panels per flight and per gate."""

from __future__ import annotations

from typing import Any

from examples.tree_state_source.board import FLIGHTS, GATES

WIDTH, HEIGHT = 12, 6
COUNTERS = ("bytes_in", "pushes", "checksum_errors", "reconnects")


def panel(number: int, title: str, kind: str, queries: dict[str, str]) -> dict[str, Any]:
    """One panel; two of them side by side."""
    column, row = number % 2, number // 2
    return {
        "id": number + 1,
        "title": title,
        "type": kind,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": expression, "legendFormat": legend}
            for at, (legend, expression) in enumerate(queries.items())
        ],
    }


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    subjects = [f"Flight{number}" for number in FLIGHTS] + [f"Gate{number}" for number in GATES]
    panels = [
        panel(
            number,
            subject,
            "state-timeline",
            {"{{state}}": f'am_state_active{{state=~"{subject}.*"}}'},
        )
        for number, subject in enumerate(subjects)
    ]
    counters = {name: f"rate(am_rpc_{name}[1m])" for name in COUNTERS}
    panels.append(panel(len(panels), "Replicas", "timeseries", counters))
    return {"title": "Flight board", "uid": "flight-board", "schemaVersion": 39, "panels": panels}
