"""However a program ends, telemetry neither keeps it nor changes its exit code."""

import os
import signal
import socket
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .conftest import Backend, Ended, Program
from .test_otlp import spans_in

pytestmark = pytest.mark.process

BOUND = """
    import os, sys, threading
    import am_machine as am
    from am_telemetry import LogBridge, Metrics, TraceTracer, setup_otlp, setup_prometheus
    otlp = setup_otlp("demo")
    endpoint = setup_prometheus(service="demo")
    m = am.Machine({"A": {}, "B": {}}, id="m", log_level=am.LogLevel.CHANGES)
    for exporter in (TraceTracer(transitions=True), Metrics(sample=5), LogBridge(),
                     Metrics(endpoint.provider)):
        exporter.bind(m)
    m.add("A")
    import time
    print("END", time.time(), flush=True)
"""
# How it ends, and with which code.
ENDS = {
    "sys.exit": ("sys.exit(7)", 7),
    "exception": ("raise LookupError", 1),
    "os._exit": ("os._exit(5)", 5),
    "daemon": ("threading.Thread(target=threading.Event().wait, daemon=True).start()", 0),
    "interrupt": ("raise KeyboardInterrupt", -signal.SIGINT if os.name == "posix" else 1),
}


@pytest.fixture
def silent() -> Iterator[str]:
    """An endpoint that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def check(ended: Ended, code: int) -> None:
    assert ended.code == code, ended.err
    # A second, and what a busy machine adds to it.
    assert 0 <= ended.ended_after < 2.5


@pytest.mark.parametrize("how", ENDS)
def test_the_exit_code_is_kept_and_nobody_waits(program: Program, silent: str, how: str) -> None:
    statement, code = ENDS[how]
    url = {"OTEL_EXPORTER_OTLP_ENDPOINT": silent}
    check(program.run_as_it_is(BOUND + f"    {statement}\n", **url), code)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_signal_ends_it_as_ever(program: Program, silent: str) -> None:
    url = {"OTEL_EXPORTER_OTLP_ENDPOINT": silent}
    code = BOUND + "    os.kill(os.getpid(), 15)\n"
    check(program.run_as_it_is(code, **url), -signal.SIGTERM)


def test_a_backend_that_answers_takes_no_time(program: Program, backend: Backend) -> None:
    url = {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url}
    check(program.run_as_it_is(BOUND + "    sys.exit(7)\n", **url), 7)
    assert "0: [add] A" in spans_in(backend.bodies("/v1/traces"))[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_tells_of_itself_under_the_same_root(
    backend: Backend, program: Program
) -> None:
    ended = program.run_as_it_is(
        BOUND
        + """
    pid = os.fork()
    if not pid:
        m.add("B")
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    m.remove("A")
    """,
        "-Wignore::DeprecationWarning",  # of fork itself, where other threads run
        OTEL_EXPORTER_OTLP_ENDPOINT=backend.url,
    )
    assert (ended.code, ended.err) == (0, "")
    names, _ = spans_in(backend.bodies("/v1/traces"))
    assert {"0: [add] A", "0: [remove] A", "0: [add] B"} <= names
    spans = [
        span
        for body in backend.bodies("/v1/traces")
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert len({span.span_id for span in spans}) == len(spans)
    (root,) = [span for span in spans if span.name == "root"]
    machines = [span for span in spans if span.name == "mach:0:m"]
    assert [span.parent_span_id for span in machines] == [root.span_id] * 2
