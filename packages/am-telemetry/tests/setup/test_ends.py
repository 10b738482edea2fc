"""However a program ends, telemetry neither keeps it nor changes its exit code."""

import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ..ends import Run, assert_delayed_little, three_tries
from .conftest import Backend, Program
from .test_otlp import spans_in

pytestmark = pytest.mark.process

MACHINE = """
import os, sys, threading
import am_machine as am
m = am.Machine({"A": {}, "B": {}}, id="m", log_level=am.LogLevel.CHANGES)
"""
BOUND = (
    MACHINE
    + """
from am_telemetry import LogBridge, Metrics, TraceTracer, setup_otlp, setup_prometheus
otlp = setup_otlp("demo")
endpoint = setup_prometheus(service="demo", push_url=os.environ.get("GATEWAY"))
for exporter in (TraceTracer(transitions=True), Metrics(sample=5), LogBridge(),
                 Metrics(endpoint.provider)):
    exporter.bind(m)
"""
)
DEBUGGED = """
from am_telemetry.dbg import DbgExporter
DbgExporter(os.environ["DEBUGGER"]).bind(m)
"""
# How it ends, and with which code.
ENDS = {
    "sys.exit": ("sys.exit(7)", 7),
    "exception": ("raise LookupError", 1),
    "os._exit": ("os._exit(5)", 5),
    "SIGTERM": ("os.kill(os.getpid(), 15)", -signal.SIGTERM),
    "daemon": ("threading.Thread(target=threading.Event().wait, daemon=True).start()", 0),
    "interrupt": ("raise KeyboardInterrupt", -signal.SIGINT if os.name == "posix" else 1),
}


@pytest.fixture
def silent() -> Iterator[str]:
    """A place that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def begin(program: Program) -> Callable[..., Run]:
    """A program that does something and then ends in this way, with these variables."""

    def begun(setup: str, how: str, **env: str) -> Run:
        return Run(f"{setup}m.add('A')\nends()\n{how}\n", env=program.env(**env))

    return begun


@pytest.mark.parametrize("how", ENDS)
@three_tries
def test_the_exit_code_is_kept_and_the_end_is_a_second_late_at_most(
    begin: Callable[..., Run], silent: str, how: str
) -> None:
    statement, code = ENDS[how]
    run = begin(BOUND, statement, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{silent}")
    plain = begin(MACHINE, statement).end()
    assert plain.code == code
    assert_delayed_little(run.end(), plain)


@three_tries
def test_all_that_hold_up_the_end_do_so_for_one_second_together(
    begin: Callable[..., Run], silent: str
) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{silent}", "GATEWAY": silent, "DEBUGGER": silent}
    # A scrape that began just before, whose sender is as silent.
    scrape = "import socket; held = socket.create_connection(endpoint.address); held.send(b'GET ')"
    run = begin(f"{BOUND}{DEBUGGED}{scrape}\n", "sys.exit(3)", **env)
    assert_delayed_little(run.end(), begin(MACHINE, "sys.exit(3)").end())


@three_tries
def test_a_push_under_way_does_not_hold_up_the_end(begin: Callable[..., Run], silent: str) -> None:
    frequent = "from am_telemetry._setup import push; push.Pusher.__init__.__defaults__ = (0.01,)"
    wait = "import time; time.sleep(0.2)"
    run = begin(f"{frequent}\n{BOUND}{wait}\n", "sys.exit(3)", GATEWAY=silent)
    assert_delayed_little(run.end(), begin(MACHINE, "sys.exit(3)").end())


@three_tries
def test_a_backend_that_answers_gets_all(begin: Callable[..., Run], backend: Backend) -> None:
    run = begin(BOUND, "sys.exit(7)", OTEL_EXPORTER_OTLP_ENDPOINT=backend.url)
    assert_delayed_little(run.end(), begin(MACHINE, "sys.exit(7)").end())
    assert "0: [add] A" in spans_in(backend.bodies("/v1/traces"))[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_tells_of_itself_under_the_same_root(
    backend: Backend, program: Program
) -> None:
    forking = """
m.add("A")
ends()
pid = os.fork()
if not pid:
    m.add("B")
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
m.remove("A")
"""
    env = program.env(OTEL_EXPORTER_OTLP_ENDPOINT=backend.url)
    # A warning of fork itself, where other threads run.
    ended = Run(BOUND + forking, "-Wignore::DeprecationWarning", env=env).end()
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
