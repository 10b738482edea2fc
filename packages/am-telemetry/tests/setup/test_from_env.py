"""What the environment asks for; in processes of their own where providers are global."""

import json
import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanContext, TraceFlags

import am_machine as am
from am_telemetry import _env, bind_env
from am_telemetry._setup import PrometheusEndpoint, from_env, prometheus, setup_prometheus

from .conftest import Backend, Program
from .test_otlp import spans_in

pytestmark = pytest.mark.process

# As programs do that call `debug_env` of the helpers.
BOUND = """
    import os
    import am_machine as am
    from am_telemetry import bind_env
    m = am.Machine({"A": {}, "B": {"auto": True, "require": ["A"]}, "C": {}}, id="m",
                   log_level=am.LogLevel.CHANGES)
    bind_env(m)
    bind_env(m)
"""
QUIET = "assert [type(t).__name__ for t in m.tracers] == [], m.tracers"


@pytest.fixture
def warned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., list[str]]]:
    """Binds a machine twice in an environment, and returns the warnings."""
    made: list[am.Machine] = []

    def bind(**env: str) -> list[str]:
        for name in [name for name in os.environ if name.startswith("AM_")]:
            monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        made.append(am.Machine({"A": {}}, id="m"))
        caplog.clear()
        bind_env(made[-1])
        bind_env(made[-1])
        return [record.getMessage() for record in caplog.records]

    monkeypatch.setattr(_env, "_told", set())
    monkeypatch.setattr(from_env, "_made", {})
    yield bind
    for mach in made:
        mach.dispose()


def test_without_switches_nothing_is_bound(warned: Callable[..., list[str]]) -> None:
    assert warned(AM_SERVICE="demo") == []


@pytest.mark.parametrize("switch", ["AM_OTEL_TRACE", "AM_OTEL_METRICS", "AM_OTEL_LOGS"])
def test_without_a_service_it_is_one_warning(warned: Callable[..., list[str]], switch: str) -> None:
    told = "AM_SERVICE='' is required by traces, metrics and logs: ignored"
    assert warned(**{switch: "1"}) == [told]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AM_PROM_ADDR": "nowhere"}, "AM_PROM_ADDR='nowhere' cannot be served"),
        ({"AM_PROM_ADDR": "192.0.2.1:1"}, "AM_PROM_ADDR='192.0.2.1:1' cannot be served"),
        ({"AM_OTEL_METRICS": "maybe"}, "AM_OTEL_METRICS='maybe' is neither on nor off"),
        (
            {"AM_PROM_PUSH_URL": "http://127.0.0.1:9", "AM_OTEL_METRICS_SAMPLE": "-1"},
            "AM_OTEL_METRICS_SAMPLE='-1' is not a number",
        ),
        (
            {"AM_PROM_PUSH_URL": "http://127.0.0.1:9", "AM_DBG_DETAIL": "3"},
            "AM_DBG_DETAIL='3' is not a number",
        ),
    ],
)
def test_a_bad_value_is_one_warning(
    warned: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    told: str,
) -> None:
    made: list[PrometheusEndpoint] = []

    def keep(*args: Any, **options: Any) -> PrometheusEndpoint:
        made.append(setup_prometheus(*args, **options))
        return made[-1]

    monkeypatch.setattr(prometheus, "Pusher", lambda push: None)
    monkeypatch.setattr(from_env, "setup_prometheus", keep)
    (line,) = warned(AM_SERVICE="demo", **variables)
    for endpoint in made:
        endpoint.close()
    assert line.startswith(told)
    assert line.endswith(": ignored")


@pytest.mark.parametrize(
    ("trace_id", "span_id", "told"),
    [
        ("x" * 32, "1" * 16, ["AM_OTEL_TRACE_ID", "is no id of 32 hex digits"]),
        ("1" * 32, "0" * 16, ["AM_OTEL_SPAN_ID", "is no id of 16 hex digits"]),
        ("1" * 32, "", ["AM_OTEL_SPAN_ID", "is no id of 16 hex digits"]),
        ("1" * 31, "1" * 16, ["AM_OTEL_TRACE_ID", "is no id of 32 hex digits"]),
    ],
)
def test_a_root_that_is_none_is_one_warning(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trace_id: str,
    span_id: str,
    told: list[str],
) -> None:
    monkeypatch.setattr(_env, "_told", set())
    monkeypatch.setenv("AM_OTEL_TRACE_ID", trace_id)
    monkeypatch.setenv("AM_OTEL_SPAN_ID", span_id)
    assert from_env.handed_down() is None
    assert from_env.handed_down() is None
    (record,) = caplog.records
    assert all(part in record.getMessage() for part in told)


def test_a_root_is_handed_down_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AM_OTEL_TRACE_ID", raising=False)
    monkeypatch.delenv("AM_OTEL_SPAN_ID", raising=False)
    assert from_env.handed_down() is None
    first = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    second = SpanContext(0x123, 0x456, is_remote=False, trace_flags=TraceFlags(1))
    for root in (first, second):
        from_env.hand_down(root)
    found = from_env.handed_down()
    assert found is not None
    assert (found.trace_id, found.span_id) == (first.trace_id, first.span_id)
    assert found.is_remote
    assert found.trace_flags.sampled
    monkeypatch.delenv("AM_OTEL_TRACE_ID")
    monkeypatch.delenv("AM_OTEL_SPAN_ID")


def test_traces_metrics_and_logs_go_to_the_standard_endpoint(
    backend: Backend, program: Program
) -> None:
    ended = program.run(
        BOUND + "    m.add('A', id=7, secret=8)\n",
        AM_SERVICE="demo",
        AM_OTEL_TRACE="1",
        AM_OTEL_TRACE_TXS="yes",
        AM_OTEL_TRACE_ARGS="on",
        AM_OTEL_METRICS="true",
        AM_OTEL_METRICS_STATES="A",
        AM_OTEL_LOGS="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
    )
    assert (ended.code, ended.err) == (0, "")
    traces = backend.bodies("/v1/traces")
    names, services = spans_in(traces)
    assert services == {"demo"}
    assert {"root", "0:A", "0:B", "0: [add] A", "0: [add:auto] B"} <= names
    assert b"am.args.id" in b"".join(traces)
    assert b"secret" not in b"".join(traces)
    metrics = b"".join(backend.bodies("/v1/metrics"))
    assert b"am.transition.ticks" in metrics
    assert b"am.state.active" in metrics
    assert b"[state] +A" in b"".join(backend.bodies("/v1/logs"))


def test_filters_of_states_and_auto_transitions(backend: Backend, program: Program) -> None:
    ended = program.run(
        BOUND + "    m.add('A', 'C')\n",
        AM_SERVICE="demo",
        AM_OTEL_TRACE="1",
        AM_OTEL_TRACE_TXS="1",
        AM_OTEL_TRACE_NOAUTO="1",
        AM_OTEL_TRACE_ALLOW_STATES="m:A, B",
        AM_OTEL_TRACE_SKIP_STATES_RE="(",
        OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
    )
    assert ended.code == 0
    assert ended.err.count("AM_OTEL_TRACE_SKIP_STATES_RE='(' '(' is no regexp") == 1
    names, _ = spans_in(backend.bodies("/v1/traces"))
    assert {"0:A", "0:B", "0: [add] A C"} <= names
    assert not names & {"0:C", "0: [add:auto] B"}


def test_child_processes_join_the_trace(backend: Backend, program: Program) -> None:
    ended = program.run(
        BOUND
        + """
    import subprocess, sys
    print(os.environ["AM_OTEL_TRACE_ID"], os.environ["AM_OTEL_SPAN_ID"], flush=True)
    if len(sys.argv) < 2:
        subprocess.run([sys.executable, __file__, "child"], check=True)
    """,
        AM_SERVICE="demo",
        AM_OTEL_TRACE="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
    )
    assert (ended.code, ended.err) == (0, "")
    ids = [line for line in ended.out.splitlines() if re.fullmatch(r"[0-9a-f]{32} .{16}", line)]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    roots = 0
    traces = set()
    for body in backend.bodies("/v1/traces"):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    traces.add(span.trace_id.hex())
                    roots += span.name == "root"
                    if span.name.startswith("mach:"):
                        assert span.parent_span_id.hex() == ids[0].split()[1]
    assert roots == 1
    assert traces == {ids[0].split()[0]}


def test_prometheus_is_served_announced_and_pushed(
    backend: Backend, program: Program, tmp_path: Path
) -> None:
    process = program.start(
        BOUND
        + """
    m.add("A")
    print("READY", flush=True)
    input()
    """,
        AM_SERVICE="demo",
        AM_PROM_ADDR="1",
        AM_PROM_SD_DIR=str(tmp_path / "sd"),
        AM_PROM_PUSH_URL=backend.url,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "READY\n"
    path = tmp_path / "sd" / f"{process.pid}.json"
    (target,) = json.loads(path.read_text())[0]["targets"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{target}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'am_transition_ticks_total{am_machine_id="m",service_name="demo"} 2.0' in text
    process.terminate()
    process.communicate(timeout=20)


MISSING = """
    import sys

    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.startswith(tuple(HIDDEN)):
                raise ModuleNotFoundError(name)

    sys.meta_path.insert(0, Missing())
"""


def test_a_missing_extra_is_one_warning_with_the_line_that_installs_it(program: Program) -> None:
    hidden = '    HIDDEN = ["opentelemetry.exporter", "prometheus_client"]\n'
    ended = program.run(
        hidden + MISSING + BOUND + "    m.add('A')\n",
        AM_SERVICE="demo",
        AM_OTEL_TRACE="1",
        AM_OTEL_METRICS="1",
        AM_PROM_ADDR="1",
    )
    assert ended.code == 0
    assert ended.err.count('python -m pip install "am-telemetry[otlp]"') == 1
    assert ended.err.count('python -m pip install "am-telemetry[prometheus]"') == 1


def test_without_an_sdk_nothing_is_bound_and_nothing_runs(program: Program) -> None:
    ended = program.run(
        """
    import importlib.util
    import threading
    from importlib.machinery import ModuleSpec

    whole = importlib.util.find_spec

    def without_sdk(name, package=None):
        return None if name == "opentelemetry.sdk" else whole(name, package)

    importlib.util.find_spec = without_sdk
    import am_machine as am
    from am_telemetry import LogBridge, Metrics, TraceTracer
    m = am.Machine({"A": {}}, id="m")
    for exporter in (TraceTracer(), Metrics(), LogBridge()):
        handle = exporter.bind(m)
        m.add("A")
        handle.detach()
        exporter.close()
    assert m.tracers == ()
    assert threading.enumerate() == [threading.main_thread()]
    """
    )
    assert (ended.code, ended.err) == (0, "")
