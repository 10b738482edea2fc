"""Exporting by OTLP: what arrives, when, and how little the end of a program waits."""

import socket
import time
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from am_telemetry import MissingExtraError
from am_telemetry._setup import extras, setup_otlp

from ..ends import assert_delayed_little, three_tries
from .conftest import Backend, Program

pytestmark = pytest.mark.process

ALL = """
    import am_machine as am
    from am_telemetry import LogBridge, Metrics, TraceTracer, setup_otlp
    otlp = setup_otlp("demo")
    m = am.Machine({"A": {}, "B": {}}, id="m", log_level=am.LogLevel.CHANGES)
    for exporter in (TraceTracer(transitions=True), Metrics(), LogBridge()):
        exporter.bind(m)
    m.add("A")
    m.add("B")
"""


def spans_in(bodies: list[bytes]) -> tuple[set[str], set[str]]:
    """Names of spans, and of services."""
    names, services = set(), set()
    for body in bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            services |= {
                one.value.string_value
                for one in resource.resource.attributes
                if one.key == "service.name"
            }
            for scope in resource.scope_spans:
                names |= {span.name for span in scope.spans}
    return names, services


def test_all_signals_arrive_before_the_program_ends(backend: Backend, program: Program) -> None:
    ended = program.run(ALL, OTEL_EXPORTER_OTLP_ENDPOINT=backend.url)
    assert (ended.code, ended.err) == (0, "")
    assert backend.paths() == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    names, services = spans_in(backend.bodies("/v1/traces"))
    assert services == {"demo"}
    assert names >= {"root", "mach:0:m", "0:A", "0:A +", "0:B", "0: [add] A", "0: [add] B"}
    assert b"am.transitions" in b"".join(backend.bodies("/v1/metrics"))
    assert b"[state] +A" in b"".join(backend.bodies("/v1/logs"))


def test_what_a_killed_program_did_a_second_ago_is_there(
    backend: Backend, program: Program
) -> None:
    process = program.start(
        ALL + "\n    import time\n    print('READY')\n    time.sleep(60)\n",
        OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "READY\n"
    backend.wait_for("/v1/traces")
    deadline = time.monotonic() + 10
    while "0:B +" not in spans_in(backend.bodies("/v1/traces"))[0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # another process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("kind", ["refuses", "silent"])
@three_tries
def test_a_dead_endpoint_does_not_hold_up_the_end(kind: str, program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if kind == "refuses":
            server.close()
        ended = program.run(ALL, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    assert_delayed_little(ended, program.run("import am_machine"))
    assert "spans and 2 log records were not exported" in ended.err


def test_leaving_it_exports_and_closes(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url)
    monkeypatch.setenv("no_proxy", "*")
    with setup_otlp("demo", metrics=False, logs=False, set_global=False) as otlp:
        assert otlp.meter_provider is otlp.logger_provider is None
        otlp.tracer_provider.get_tracer("t").start_span("one").end()
        assert otlp.flush()
        assert otlp.dropped == 0
    assert spans_in(backend.bodies("/v1/traces"))[0] == {"one"}
    otlp.close()


def test_a_missing_extra_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r'pip install "am-telemetry\[otlp\]"'):
        setup_otlp("demo")
