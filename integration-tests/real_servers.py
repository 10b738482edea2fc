"""Real servers for tests: each a process of its own on free ports of the loopback, in a folder that
goes away with the test. What the packages of a distribution would start by themselves is not used.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATIENCE = 30.0
"""Seconds that a test waits for what takes one or two."""
SCRAPE = 0.25
"""Seconds between two scrapes."""
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def tool(name: str, package: str, by: str = "observability") -> str:
    """The path of a program that a session of nox brings.

    Without it the test is skipped, and under `CI=true` it fails.
    """
    path = shutil.which(name) or _of_python(name)
    if path is not None:
        return path
    reason = f"{name} is not here: it comes with {package}; see `nox -s {by}`"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _of_python(name: str) -> str | None:
    if name != "rotel-agent":
        return None
    try:
        import rotel
    except ImportError:
        return None
    return str(Path(rotel.__file__).with_name(name))


def am_telemetry(*arguments: str, **env: str) -> str:
    """What the command prints; it must succeed."""
    command = [str(Path(sys.executable).with_name("am-telemetry")), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens at."""
    with contextlib.ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """What the condition gives, once it gives something."""
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {patience:g} s")
        time.sleep(0.05)  # real processes, which nothing announces the doings of


def get(url: str) -> bytes:
    """A page."""
    with _OPENER.open(url, timeout=10) as answer:
        data: bytes = answer.read()
    return data


class Server:
    """One process that answers at a port, and whose words are in a file."""

    def __init__(self, command: Sequence[str], folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.words = folder / f"{Path(command[0]).name}.log"
        with self.words.open("wb") as words:
            self.process = subprocess.Popen(command, cwd=folder, stdout=words, stderr=words)

    def wait_until_it_answers(self, path: str | None) -> None:
        """Until a page is there, or the port accepts."""
        until(lambda: self._answers(path), f"{self.process.args} answers")

    def _answers(self, path: str | None) -> bool:
        if self.process.poll() is not None:
            pytest.fail(f"{self.process.args} ended:\n{self.words.read_text(errors='replace')}")
        try:
            if path is None:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            else:
                get(self.url + path)
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Prometheus(Server):
    """A Prometheus server, which is asked by its HTTP API."""

    def ask(self, path: str, **query: str) -> Any:
        """The data of an answer; an expression that is none fails the test."""
        try:
            answer = json.loads(get(f"{self.url}{path}?{urllib.parse.urlencode(query)}"))
        except urllib.error.HTTPError as exc:
            with exc:
                pytest.fail(f"{path} {query}: {exc.read().decode()}")
        assert answer["status"] == "success"
        assert not answer.get("warnings")
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        result: list[dict[str, Any]] = self.ask("/api/v1/query", query=expression)["result"]
        return result

    def value(self, expression: str) -> float | None:
        """The one number that an expression gives now."""
        series = self.query(expression)
        assert len(series) <= 1, series
        return float(series[0]["value"][1]) if series else None

    def samples(self, selector: str) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Each series with the times and values at which it was scraped."""
        result = self.ask("/api/v1/query", query=f"{selector}[1h]")["result"]
        return [
            (one["metric"], [(at, float(value)) for at, value in one["values"]]) for one in result
        ]


@contextlib.contextmanager
def prometheus(
    folder: Path, *, files: str = "", targets: Sequence[str] = ()
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes what files of a pattern name, and these targets."""
    folder.mkdir()
    jobs = [
        {"job_name": "files", "file_sd_configs": [{"files": [files], "refresh_interval": "1s"}]},
        {
            "job_name": "targets",
            "honor_labels": True,
            "static_configs": [{"targets": list(targets)}],
        },
    ]
    times = {
        "scrape_interval": f"{SCRAPE * 1000:.0f}ms",
        "scrape_timeout": f"{SCRAPE * 1000:.0f}ms",
    }
    config = {"global": times, "scrape_configs": jobs if files else jobs[1:]}
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(config))
    (port,) = free_ports(1)
    command = [
        tool("prometheus", "the Debian package prometheus"),
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    server = Prometheus(command, folder, port)
    try:
        server.wait_until_it_answers("/-/ready")
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def pushgateway(folder: Path) -> Iterator[Server]:
    """Run a Pushgateway."""
    folder.mkdir()
    (port,) = free_ports(1)
    name = "prometheus-pushgateway"
    command = [tool(name, f"the Debian package {name}"), f"--web.listen-address=127.0.0.1:{port}"]
    server = Server(command, folder, port)
    try:
        server.wait_until_it_answers("/-/ready")
        yield server
    finally:
        server.stop()


class Collector(Server):
    """An OTLP collector that writes down what it receives."""

    @property
    def heard(self) -> str:
        """All that was received until now."""
        return self.words.read_text(errors="replace")


@contextlib.contextmanager
def collector(folder: Path) -> Iterator[Collector]:
    """Run an OTLP/HTTP collector."""
    folder.mkdir()
    http, grpc = free_ports(2)
    command = [
        tool("rotel-agent", "the PyPI package rotel"), "start", "--exporter", "blackhole",
        "--otlp-http-endpoint", f"127.0.0.1:{http}", "--otlp-grpc-endpoint", f"127.0.0.1:{grpc}",
        "--disable-batching", "--debug-log-verbosity", "detailed",
        *(word for kind in ("traces", "metrics", "logs") for word in ("--debug-log", kind)),
    ]  # fmt: skip
    server = Collector(command, folder, http)
    try:
        server.wait_until_it_answers(None)
        yield server
    finally:
        server.stop()


class Observed:
    """The program of `observed.py` as a process; each command answers with its own counts."""

    def __init__(self, **env: str) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AM_", "OTEL_"))}
        kept = {name: os.environ[name] for name in ("AM_TEST_RUN",) if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(Path(__file__).with_name("observed.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean, **kept, "AM_SERVICE": "demo", "no_proxy": "*", **env},
        )
        self.counts = self._answer()

    def _answer(self) -> dict[str, dict[str, int]]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"the program ended: {self.process.communicate(timeout=10)[1]}")
        counts: dict[str, dict[str, int]] = json.loads(line)
        return counts

    def do(self, command: str) -> dict[str, dict[str, int]]:
        """Give a command, and take its counts."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.counts = self._answer()
        return self.counts

    def end(self) -> dict[str, dict[str, int]]:
        """Have it end by itself; its last counts. It must not have complained about anything."""
        self.do("end")
        _, complaints = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, complaints
        self.complaints = complaints
        return self.counts


@contextlib.contextmanager
def observed(**env: str) -> Iterator[Observed]:
    """Run the program with these variables, until it ends or the block does."""
    program = Observed(**env)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
            program.process.communicate()
