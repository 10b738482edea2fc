"""Traces, metrics and logs of a program arrive in a real OTLP collector."""

from pathlib import Path

import pytest

from .collected import points_of, records_of, spans_of
from .observed import IDS
from .real_servers import collector, observed, until

pytestmark = [pytest.mark.observability, pytest.mark.process, pytest.mark.slow]


def has_transitions(heard: str) -> bool:
    """Whether the transitions of every machine are there, and the failure of every handler."""
    failed = heard.count("[error")
    return failed >= len(IDS) and all(
        heard.count(f"{n}: [add] Working") >= 5 for n in range(len(IDS))
    )


def has_last_words(heard: str) -> bool:
    """Whether metrics are there, of which the first come at the end."""
    return "am.transition.ticks" in heard


def test_traces_metrics_and_logs_arrive(tmp_path: Path) -> None:
    with collector(tmp_path / "collector") as server:
        env = {
            "AM_OTEL_TRACE": "1",
            "AM_OTEL_TRACE_TXS": "1",
            "AM_OTEL_METRICS": "1",
            "AM_OTEL_LOGS": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        }
        with observed(**env) as program:
            program.do("run 5")
            program.do("errors 1")
            # The end waits for no more than a second, whatever is left to be told by then.
            until(lambda: has_transitions(server.heard), "the collector has written transitions")
            counts = program.end()
        until(lambda: has_last_words(server.heard), "the collector has written the end")
        spans, points = spans_of(server.heard), points_of(server.heard)
        records = records_of(server.heard)

    # One tree, under one root.
    assert {span.service for span in spans} == {"demo"}
    assert len({span.trace for span in spans}) == 1
    by_id = {span.id: span for span in spans}
    roots = [span for span in spans if span.parent not in by_id]
    assert [root.name for root in roots] == ["root"]
    machines = [span for span in spans if span.name.startswith("mach:")]
    assert {span.name for span in machines} == {f"mach:{n}:{i}" for n, i in enumerate(IDS)}
    for n, ident in enumerate(IDS):
        (machine,) = [span for span in machines if span.name == f"mach:{n}:{ident}"]
        assert machine.attributes["am.machine.id"] == ident
        states = [span for span in spans if by_id.get(span.parent) and span.name == f"{n}:states"]
        assert [by_id[span.parent] for span in states] == [machine]
        working = [
            span
            for span in spans
            if span.name == f"{n}:Working" and by_id[span.parent].name == f"{n}:Working"
        ]
        # Toggled by five runs, and the two that failed.
        assert len(working) >= 5
        assert all(span.start <= span.end for span in working)
        transitions = [span for span in spans if span.name.startswith(f"{n}: [add] Working")]
        assert len(transitions) >= 5

    # At the end the machines are gone, and their totals are told together.
    ticks = [point for point in points if point.name == "am.transition.ticks"]
    end = max(point.at for point in ticks)
    assert sum(point.value for point in ticks if point.at == end) == sum(
        count["ticks"] for count in counts.values()
    )
    assert {point.service for point in points} == {"demo"}

    assert {record.attributes.get("am.machine.id") for record in records} == set(IDS)
    assert {record.service for record in records} == {"demo"}
    assert any("+Working" in record.body for record in records)
    assert any(
        record.body.startswith("[error") and record.severity == "ERROR" for record in records
    )
