"""`am-telemetry check` tells what is set, what is missing, and who answers."""

import io
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import am_telemetry
from am_telemetry._cli import check as module
from am_telemetry._cli import probes
from am_telemetry._cli.check import check, otlp_headers, otlp_url
from am_telemetry._cli.switches import SWITCHES

from ..grafana.fake_grafana import TOKEN, FakeGrafana, fake_grafana

SOURCE = Path(am_telemetry.__file__).parent


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("AM_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(probes, "LIMIT", 0.3)


@pytest.fixture
def server() -> Iterator[FakeGrafana]:
    """An HTTP server, whose paths answer as they are told."""
    with fake_grafana() as fake:
        yield fake


@pytest.fixture
def closed() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"127.0.0.1:{gone.getsockname()[1]}"


def run(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[int, str]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = io.StringIO()
    return check(out), out.getvalue()


def test_an_environment_without_switches_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    code, report = run(monkeypatch)
    assert code == 0
    assert report.startswith("switches\n    none asked for\nextras\n")
    assert report.endswith("endpoints\n    none asked for\nall is well\n")


def test_bad_values_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {
        "AM_OTEL_TRACE_TXS": "perhaps",
        "AM_DBG_DETAIL": "3",
        "AM_OTEL_METRICS_SAMPLE": "-1",
        "AM_OTEL_TRACE_SKIP_STATES_RE": "(",
        "AM_OTEL_TRACE_ID": "0" * 32,
        "AM_OTEL_SPAN_ID": "12",
        "AM_DBG_BUFFER": "9" * 5000,
        "AM_DBG_ADDR": "nowhere",
        "AM_PROM_ADDR": "nowhere:port",
        "AM_PROM_PUSH_URL": "gateway:9091",
    }
    code, report = run(monkeypatch, **bad)
    assert code == 1
    for name in bad:
        assert re.search(rf"^  ! {name} = .*: is ", report, re.MULTILINE), name
    assert max(map(len, report.splitlines())) < 400


def test_good_values_and_words_for_off_are_not_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    code, report = run(
        monkeypatch,
        AM_SERVICE="demo",
        AM_OTEL_TRACE="off",
        AM_OTEL_TRACE_TXS="YES",
        AM_DBG_DETAIL="2",
        AM_OTEL_METRICS_STATES="*",
        AM_OTEL_TRACE_ALLOW_STATES_RE="^Worker:(A|B)?$",
        AM_OTEL_TRACE_ID="a" * 32,
        AM_GRAFANA_URL="",
    )
    assert (code, report.count("!")) == (0, 0)
    assert "AM_OTEL_TRACE_ALLOW_STATES_RE = ^Worker:(A|B)?$\n" in report


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    _, report = run(
        monkeypatch,
        AM_SERVICE="demo",
        AM_DBG_SECRET="hush1",
        AM_GRAFANA_TOKEN="hush2",
        AM_PROM_PUSH_URL=f"http://me:hush3@{closed}/?key=hush4",
        AM_GRAFANA_URL=f"http://me:hush5@{closed}",
        OTEL_EXPORTER_OTLP_HEADERS="Authorization=hush6",
        AM_OTEL_TRACE="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{closed}",
    )
    assert "hush" not in report
    assert report.count("(not shown)") == 2


def test_what_needs_a_service_says_so(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    code, report = run(monkeypatch, AM_PROM_ADDR=closed)
    assert code == 1
    assert "  ! AM_PROM_ADDR needs AM_SERVICE\n" in report


def test_a_misspelt_switch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    code, report = run(monkeypatch, AM_OTEL_TRACES="1")
    assert code == 1
    assert "  ! AM_OTEL_TRACES is no switch of ours\n" in report


@pytest.mark.parametrize(
    ("extra", "variables"),
    [
        ("dbg", {"AM_DBG_ADDR": "127.0.0.1:1"}),
        ("otlp", {"AM_OTEL_LOGS": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}),
        ("prometheus", {"AM_PROM_ADDR": "127.0.0.1:0"}),
    ],
)
def test_a_missing_extra_is_told_with_the_line_that_installs_it(
    extra: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    _, report = run(monkeypatch, AM_SERVICE="demo", **variables)
    assert f'  ! {extra}: missing: python -m pip install "am-telemetry[{extra}]"\n' in report
    others = set(module.MODULES) - {extra}
    for other in others:
        assert f"    {other}: not installed, and not asked for\n" in report


def test_modules_of_extras_are_those_of_the_build_file() -> None:
    """What is installed here with all extras is found."""
    for modules in module.MODULES.values():
        assert all(module._is_installed(name) for name in modules)
    assert not module._is_installed("no_such_thing.at_all")


def test_endpoints_that_answer_are_told(
    monkeypatch: pytest.MonkeyPatch, server: FakeGrafana, tmp_path: Path
) -> None:
    ok = (200, b"{}")
    server.faults = {f"/v1/{signal}": ok for signal in module.SIGNALS}
    server.faults |= {"/-/ready": ok, "/api/health": ok}
    with socket.create_server(("127.0.0.1", 0)) as debugger:
        code, report = run(
            monkeypatch,
            AM_SERVICE="demo",
            AM_OTEL_TRACE="1",
            AM_OTEL_METRICS="1",
            AM_OTEL_LOGS="1",
            OTEL_EXPORTER_OTLP_ENDPOINT=server.url + "/",
            AM_PROM_PUSH_URL=server.url,
            AM_PROM_SD_DIR=str(tmp_path / "sd"),
            AM_GRAFANA_URL=server.url,
            AM_GRAFANA_TOKEN=TOKEN,
            AM_DBG_ADDR=f"127.0.0.1:{debugger.getsockname()[1]}",
        )
    assert report.count(": answers\n") == 6
    assert code == 0, report
    assert "POST /v1/logs" in server.asked
    assert "GET /api/folders" in server.asked


def test_endpoints_that_do_not_answer_are_told(
    monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    code, report = run(
        monkeypatch,
        AM_SERVICE="demo",
        AM_OTEL_TRACE="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{closed}",
        AM_PROM_PUSH_URL=f"http://{closed}",
        AM_PROM_SD_DIR=os.devnull,
        AM_GRAFANA_URL=f"http://{closed}",
        AM_DBG_ADDR="unix:/nowhere/dbg.sock",
        AM_DBG_TLS_CA="/nowhere/ca.pem",
    )
    assert code == 1
    faults = [line for line in report.splitlines() if line.startswith("  ! ")]
    starts = ("OTLP traces", "folder", "Pushgateway", "Grafana", "debugger", "certificate")
    assert [line[4:].startswith(start) for line, start in zip(faults, starts, strict=True)]
    assert all(line[4:].startswith(start) for line, start in zip(faults, starts, strict=True))


def test_an_endpoint_that_refuses_or_says_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, server: FakeGrafana
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        _, report = run(
            monkeypatch,
            AM_SERVICE="demo",
            AM_OTEL_TRACE="1",
            OTEL_EXPORTER_OTLP_ENDPOINT=server.url,
            AM_PROM_PUSH_URL=f"http://127.0.0.1:{silent.getsockname()[1]}",
            AM_GRAFANA_URL=server.url,
            AM_GRAFANA_TOKEN="wrong",
        )
    assert f"  ! OTLP traces {server.url}/v1/traces: answers with 401" in report
    assert "no answer within 0.3 s" in report
    assert "401: Unauthorized" in report


def test_a_scrape_address_is_free_or_answers_or_is_nobodys(
    monkeypatch: pytest.MonkeyPatch, server: FakeGrafana, closed: str
) -> None:
    _, report = run(monkeypatch, AM_SERVICE="demo", AM_PROM_ADDR=closed)
    assert f"    scrape endpoint {closed}: free for a program\n" in report
    server.faults["/metrics"] = (200, b"")
    address = server.url.removeprefix("http://")
    _, report = run(monkeypatch, AM_PROM_ADDR=address)
    assert f"    scrape endpoint http://{address}/metrics: answers\n" in report
    _, report = run(monkeypatch, AM_PROM_ADDR="192.0.2.1:9464")
    assert "  ! scrape endpoint 192.0.2.1:9464: nobody can listen there" in report


def test_the_first_free_scrape_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "is_free", lambda address: address == "127.0.0.1:9470")
    _, report = run(monkeypatch, AM_SERVICE="demo", AM_PROM_ADDR="1")
    assert "scrape endpoint 127.0.0.1:9470: the first that is free\n" in report
    monkeypatch.setattr(probes, "is_free", lambda address: False)
    code, report = run(monkeypatch)
    assert code == 1
    assert "  ! scrape endpoint: none of 9464 to 9563 is free\n" in report


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "{}/base/"},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{}/own"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "a=1, B=x%20y,c"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "c=2"},
    ],
)
def test_otlp_is_asked_as_the_sdk_sends(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, server: FakeGrafana
) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(server.url))
    server.faults = {path: (200, b"") for path in ("/v1/traces", "/base/v1/traces", "/own")}
    exporter = OTLPSpanExporter()
    exporter.export(())
    exporter.shutdown()
    probes.takes_otlp(otlp_url("traces"), otlp_headers("traces"))
    theirs, ours = server.asked
    assert ours == theirs
    theirs_sent, ours_sent = server.headers
    for name in ("a", "b", "c", "content-type"):
        assert ours_sent.get(name) == theirs_sent.get(name)


def test_every_variable_that_the_code_reads_stands_in_the_table() -> None:
    known = {switch.name for switch in SWITCHES}
    code = "".join(path.read_text() for path in SOURCE.rglob("*.py") if "_cli" not in path.parts)
    read = set(re.findall(r'"(AM_[A-Z_]+)"', code))
    assert read <= known


def test_what_others_said_is_one_line_and_commands_no_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1 << 16)
                client.sendall(b"\x1b[2J no HTTP\r\n\r\n" * 50)

        thread = threading.Thread(target=answer)
        thread.start()
        push = f"http://127.0.0.1:{server.getsockname()[1]}"
        code, report = run(monkeypatch, AM_SERVICE="a\nb\x1b[2J", AM_PROM_PUSH_URL=push)
        thread.join()
    assert code == 1
    assert "AM_SERVICE = a\\nb\\x1b[2J\n" in report
    assert f"  ! Pushgateway {push}: its answer is no HTTP: BadStatusLine(" in report
    assert "\x1b" not in report
    assert all(len(line) < 250 for line in report.splitlines())
