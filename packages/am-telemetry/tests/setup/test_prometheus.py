"""Scraping and pushing, without a real Prometheus."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import am_machine as am
from am_telemetry import AddressError, MissingExtraError
from am_telemetry._hub.ending import LAST
from am_telemetry._metrics import Metrics
from am_telemetry._setup import PrometheusEndpoint, extras, prometheus, scrape, setup_prometheus
from am_telemetry._setup.push import Pusher

from .conftest import Backend, Program


@pytest.fixture
def endpoint() -> Iterator[PrometheusEndpoint]:
    with setup_prometheus(service="demo") as made:
        yield made


@pytest.fixture
def machine(endpoint: PrometheusEndpoint) -> Iterator[am.Machine]:
    made = am.Machine({"A": {}, "B": {}}, id="m")
    with Metrics(endpoint.provider, states="*") as metrics:
        metrics.bind(made)
        yield made


def fetch(url: str, accept: str = "") -> tuple[str, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with opener.open(request, timeout=10) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def series(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """By name of the sample its values, by the values of labels other than the service."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k != "service_name"}
            key = tuple([value for _, value in sorted(labels.items())])
            found.setdefault(sample.name, {})[key] = sample.value
    return found


def test_a_scrape_tells_what_happened_until_then(
    endpoint: PrometheusEndpoint, machine: am.Machine
) -> None:
    assert endpoint.url is not None
    machine.add("A")
    machine.add("B")
    for n in (2, 3, 4):
        text, kind = fetch(endpoint.url)
        found = series(text)
        assert kind.startswith("text/plain")
        assert sum(found["am_transitions_total"].values()) == n
        assert found["am_transition_ticks_total"] == {("m",): machine.time().sum}
        assert found["am_machines"] == {("m",): 1}
        assert found["am_state_active"]["m", "A"] == ("A" in machine)
        machine.toggle("A")
    assert 'service_name="demo"' in text
    assert "otel_scope" not in text


def test_openmetrics_is_spoken_where_it_is_accepted(
    endpoint: PrometheusEndpoint, machine: am.Machine
) -> None:
    assert endpoint.url is not None
    text, kind = fetch(endpoint.url, "application/openmetrics-text;version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_the_first_free_port_is_taken(endpoint: PrometheusEndpoint) -> None:
    with setup_prometheus() as second:
        assert endpoint.address is not None
        assert second.address is not None
        assert endpoint.address[0] == second.address[0] == "127.0.0.1"
        assert 9464 <= endpoint.address[1] < second.address[1] < 9564


def test_no_free_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(prometheus, "PORTS", range(port, port + 1))
        with pytest.raises(OSError, match=f"no port of 127.0.0.1:{port}-{port} is free"):
            setup_prometheus()


@pytest.mark.parametrize("bad", ["", "host", "host:", ":80", "host:x", "host:99999", "1:\uff12"])
def test_an_address_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(AddressError):
        prometheus.parsed(bad)


def test_addresses_are_read() -> None:
    assert prometheus.parsed("0.0.0.0:80") == ("0.0.0.0", 80)
    assert prometheus.parsed("[::1]:0") == ("::1", 0)


def test_a_port_may_be_named_and_served_again_at_once() -> None:
    with setup_prometheus("127.0.0.1:0") as first:
        assert first.address is not None
        assert first.url is not None
        fetch(first.url)
        address = f"127.0.0.1:{first.address[1]}"
    with setup_prometheus(address) as second:
        assert second.address == first.address


def test_the_folder_says_where_while_it_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "sd"
    with setup_prometheus(sd_dir=folder) as endpoint:
        assert endpoint.address is not None
        host, port = endpoint.address
        (path,) = folder.iterdir()
        assert path.name == f"{os.getpid()}.json"
        assert json.loads(path.read_text()) == [{"targets": [f"{host}:{port}"]}]
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_in_the_folder_goes_with_the_next_at_its_address(
    tmp_path: Path,
) -> None:
    with setup_prometheus("127.0.0.1:0") as gone:
        assert gone.address is not None
        host, port = gone.address
    stale = json.dumps([{"targets": [f"{host}:{port}"]}]) + "\n"
    kept = {
        "1.json": json.dumps([{"targets": [f"{host}:{port}0"]}]) + "\n",
        "mine.json": stale,
        "2.txt": stale,
        "3.json": "\xff\xfe",
    }
    for name, text in {"4.json": stale, **kept}.items():
        (tmp_path / name).write_text(text)
    with setup_prometheus(f"{host}:{port}", sd_dir=tmp_path):
        names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{os.getpid()}.json", *kept}


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /metrics HTTP/1.0", "200"),
        ("HEAD /metrics HTTP/1.1", "200"),
        ("GET /other HTTP/1.1", "404"),
        ("POST /metrics HTTP/1.1", "405"),
        ("GET /metrics", "400"),
        ("\x00\xff", "400"),
    ],
)
def test_requests_that_are_none_are_refused(
    endpoint: PrometheusEndpoint, machine: am.Machine, request_line: str, status: str
) -> None:
    assert endpoint.address is not None
    with socket.create_connection(endpoint.address, timeout=10) as peer:
        peer.sendall(request_line.encode("latin-1") + b"\r\nAccept: text/plain\r\n\r\n")
        answer = b"".join(iter(lambda: peer.recv(4096), b""))
    assert answer.split()[1].decode() == status
    assert (b"am_machines" in answer) is (status == "200" and request_line.startswith("GET"))


def test_a_head_without_end_is_refused(endpoint: PrometheusEndpoint) -> None:
    assert endpoint.address is not None
    with socket.create_connection(endpoint.address, timeout=10) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000)
        # It did not read the rest.
        with contextlib.suppress(ConnectionResetError):
            assert peer.recv(4096).split()[1] == b"431"


def test_a_peer_that_dribbles_is_given_two_seconds_in_all(
    endpoint: PrometheusEndpoint, machine: am.Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "LIMIT", 0.3)
    assert endpoint.address is not None
    assert endpoint.url is not None
    with socket.create_connection(endpoint.address, timeout=10) as peer:
        stop = threading.Event()

        def dribble() -> None:
            while not stop.wait(0.02):
                try:
                    peer.sendall(b"G")
                except OSError:
                    return

        thread = threading.Thread(target=dribble)
        thread.start()
        began = time.monotonic()
        # Waits in line until the other one is cut.
        assert "am_machines" in fetch(endpoint.url)[0]
        assert time.monotonic() - began < 5
        stop.set()
        thread.join()


def test_a_collection_that_takes_long_is_sent_all_the_same(
    endpoint: PrometheusEndpoint, machine: am.Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "LIMIT", 0.2)
    collect = endpoint._registry.collect

    def slowly() -> Any:
        over = time.monotonic() + 0.4
        while time.monotonic() < over:
            pass
        return collect()

    monkeypatch.setattr(endpoint._registry, "collect", slowly)
    assert endpoint.url is not None
    assert "am_machines" in fetch(endpoint.url)[0]


def test_a_scrape_that_fails_is_an_answer_and_a_warning(
    endpoint: PrometheusEndpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def collect(self) -> Any:
            raise LookupError("broken")

    monkeypatch.setattr(endpoint._registry, "collect", Broken().collect)
    assert endpoint.url is not None
    with pytest.raises(urllib.error.HTTPError, match="500"):
        fetch(endpoint.url)
    assert "a scrape failed" in caplog.text


def test_flushing_the_provider_leaves_no_stale_series(
    endpoint: PrometheusEndpoint, machine: am.Machine
) -> None:
    assert endpoint.provider.force_flush()
    body = endpoint.render()[0].decode()
    assert body.count("# TYPE am_machines gauge") == 1


def test_what_is_gone_leaves_no_thread_behind(endpoint: PrometheusEndpoint) -> None:
    endpoint.close()
    endpoint.close()
    assert "am-telemetry-scrape" not in [t.name for t in threading.enumerate()]


def test_pushes_come_at_intervals_and_at_the_end(backend: Backend) -> None:
    m = am.Machine({"A": {}}, id="m")
    with setup_prometheus(None, service="demo", push_url=backend.url) as endpoint:
        assert endpoint.url is None
        with Metrics(endpoint.provider) as metrics:
            metrics.bind(m)
            m.add("A")
            assert backend.got == []
            endpoint.close()
    ((method, path, body),) = backend.got
    assert method == "PUT"
    assert path.startswith("/metrics/job/demo/instance/")
    assert path.endswith(f"{os.getpid()}")
    assert series(body.decode())["am_transition_ticks_total"] == {("m",): 1}


def test_a_gateway_that_is_absent_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[float] = []
    thrice = threading.Event()

    def push(seconds: float) -> None:
        calls.append(seconds)
        if len(calls) == 3:
            thrice.set()
        raise OSError("refused")

    pusher = Pusher(push, interval=0.0)
    assert thrice.wait(10)
    pusher.close()
    assert caplog.text.count("a push to the gateway failed: refused") == 1


def test_a_missing_extra_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r'pip install "am-telemetry\[prometheus\]"'):
        setup_prometheus()


@pytest.mark.process
def test_the_end_of_a_program_takes_the_file_away_and_pushes_once_more(
    program: Program, tmp_path: Path, backend: Backend
) -> None:
    ended = program.run(
        """
        import os
        import am_machine as am
        from am_telemetry import Metrics, setup_prometheus
        endpoint = setup_prometheus(service="demo", sd_dir="sd", push_url=os.environ["URL"])
        m = am.Machine({"A": {}}, id="m")
        Metrics(endpoint.provider).bind(m)
        m.add("A")
        assert len(os.listdir("sd")) == 1
        """,
        URL=backend.url,
    )
    assert (ended.code, ended.err) == (0, "")
    assert list((tmp_path / "sd").iterdir()) == []
    ((_, _, body),) = backend.got
    assert series(body.decode())["am_transition_ticks_total"] == {("m",): 1}


SCRAPED = """
import json, sys, threading, urllib.request
import am_machine as am
from am_telemetry import Metrics, setup_prometheus

endpoint = setup_prometheus(service="demo")
m = am.Machine({"A": {}}, id="m")
Metrics(endpoint.provider).bind(m)
print(endpoint.url, flush=True)
sys.stdin.readline()
for _ in range(50):
    m.add("A")
    m.remove("A")
m.dispose()
"""


def last_scrape(distance: float) -> str:
    """The last answer of a program that is scraped at such a pace until it has ended."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRAPED],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    url = process.stdout.readline().strip()
    fetch(url)
    time.sleep(distance)
    last, _ = fetch(url)
    process.stdin.write("\n")
    process.stdin.flush()
    with contextlib.suppress(OSError):
        while True:
            time.sleep(distance)
            last, _ = fetch(url)
    assert process.wait(20) == 0
    process.stdin.close()
    process.stdout.close()
    return last


@pytest.mark.process
def test_who_scrapes_many_times_a_second_gets_the_last_totals() -> None:
    totals = series(last_scrape(0.1))["am_transition_ticks_total"]
    assert sum(totals.values()) == 100


@pytest.mark.parametrize(
    ("distance", "ago", "is_waited_for"),
    [(0.25, 0.1, True), (0.5, 0.9, True), (0.5, 2.0, False), (15.0, 1.0, False), (0.0, 0.1, False)],
    ids=["soon", "late", "no more", "seldom", "first"],
)
def test_the_end_waits_only_for_a_scrape_that_is_about_to_come(
    endpoint: PrometheusEndpoint, distance: float, ago: float, is_waited_for: bool
) -> None:
    server = endpoint._server
    assert server is not None
    server._scraped_at, server._distance = time.monotonic() - ago, distance
    wait = server._expected() - time.monotonic()
    assert (0 < wait <= LAST) == is_waited_for


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_serves_itself_and_leaves_the_parent_alone(
    program: Program, tmp_path: Path
) -> None:
    ended = program.run(
        """
        import os, sys, urllib.request
        import am_machine as am
        from am_telemetry import Metrics, setup_prometheus

        def show(who):
            with urllib.request.urlopen(endpoint.url, timeout=10) as answer:
                for line in answer.read().decode().splitlines():
                    if line.startswith("am_transition_ticks_total"):
                        print(who, line, flush=True)

        endpoint = setup_prometheus(service="demo", sd_dir="sd")
        m = am.Machine({"A": {}, "B": {}}, id="m")
        Metrics(endpoint.provider).bind(m)
        m.add("A")
        before = endpoint.url
        pid = os.fork()
        if not pid:
            m.add("B")
            assert endpoint.url != before, endpoint.url
            show("child")
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert endpoint.url == before
        assert os.listdir("sd") == [f"{os.getpid()}.json"]
        show("parent")
        """,
        "-Wignore::DeprecationWarning",  # of fork itself, where other threads run
    )
    assert (ended.code, ended.err) == (0, "")
    line = 'am_transition_ticks_total{am_machine_id="m",service_name="demo"} 1.0'
    assert ended.out.splitlines()[:2] == [f"child {line}", f"parent {line}"]
    assert list((tmp_path / "sd").iterdir()) == []
