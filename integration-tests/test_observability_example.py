"""The servers of the observability example: their files parse, and their ports are the page's."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLE = Path(__file__).parent.parent / "examples" / "observability"


@pytest.fixture
def services() -> dict[str, dict[str, Any]]:
    compose = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


@pytest.fixture
def page() -> str:
    return (EXAMPLE / "README.md").read_text()


def ports(services: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str, str]]:
    """Service -> address and port on the host, port in the container."""
    return {
        name: (host, outer, inner)
        for name, service in services.items()
        for host, outer, inner in (port.rsplit(":", 2) for port in service["ports"])
    }


def test_the_four_servers_are_there_each_in_a_fixed_version(
    services: dict[str, dict[str, Any]],
) -> None:
    assert set(services) == {"prometheus", "grafana", "tempo", "loki"}
    for service in services.values():
        assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"])


def test_every_release_of_compose_takes_the_file() -> None:
    # Those before 2.0 refuse a name and need no version.
    assert set(yaml.safe_load((EXAMPLE / "compose.yaml").read_text())) == {"services"}


def test_the_file_is_what_the_specification_of_compose_allows() -> None:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    file = str(EXAMPLE / "compose.yaml")
    done = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_reachable_from_other_machines(services: dict[str, dict[str, Any]]) -> None:
    assert {host for host, _, _ in ports(services).values()} == {"127.0.0.1"}


def test_the_ports_are_those_of_the_page(services: dict[str, dict[str, Any]], page: str) -> None:
    table = dict(re.findall(r"^\| (\w+) \| `http://localhost:(\d+)` \|", page, re.MULTILINE))
    assert {name.lower(): port for name, port in table.items()} == {
        name: outer for name, (_, outer, _) in ports(services).items()
    }
    assert set(re.findall(r"localhost:(\d+)", page)) == set(table.values())
    assert set(re.findall(r"(?:traces|metrics|logs|dashboards): (\d+)", page)) == set(
        table.values()
    )


def test_what_is_mounted_is_there_and_parses(services: dict[str, dict[str, Any]]) -> None:
    mounted = [v.split(":")[0] for s in services.values() for v in s.get("volumes", ())]
    assert mounted
    for name in mounted:
        path = EXAMPLE / name
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        assert files
        for file in files:
            assert yaml.safe_load(file.read_text())


def test_grafana_knows_each_server_by_the_port_it_listens_at(
    services: dict[str, dict[str, Any]],
) -> None:
    sources = yaml.safe_load((EXAMPLE / "datasources.yaml").read_text())["datasources"]
    urls = {source["type"]: source["url"] for source in sources}
    assert set(urls) == set(services) - {"grafana"}
    inner = {name: port for name, (_, _, port) in ports(services).items()}
    tempo = yaml.safe_load((EXAMPLE / "tempo.yaml").read_text())
    # Tempo is asked at another port than it is sent to.
    asked = {**inner, "tempo": str(tempo["server"]["http_listen_port"])}
    assert urls == {name: f"http://{name}:{asked[name]}" for name in urls}
    receiver = tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert receiver == f"0.0.0.0:{inner['tempo']}"


def test_data_sources_have_the_names_that_the_page_gives_the_command(page: str) -> None:
    sources = yaml.safe_load((EXAMPLE / "datasources.yaml").read_text())["datasources"]
    names = {source["type"]: source["name"] for source in sources}
    assert f"--datasource {names['prometheus']} --logs {names['loki']} " in page


def test_the_service_becomes_the_label_that_boards_ask_for() -> None:
    config = yaml.safe_load((EXAMPLE / "prometheus.yml").read_text())
    assert config["otlp"]["promote_resource_attributes"] == ["service.name"]


def test_the_rules_are_those_of_the_command(tmp_path: Path) -> None:
    from .real_servers import am_telemetry

    path = EXAMPLE / "rules" / "asyncmachine.yml"
    assert path.read_text() == am_telemetry("alerts", "--source", "demo")


def test_the_switches_of_the_page_are_switches(page: str) -> None:

    assignments = dict(
        pair.split("=", 1)
        for line in re.findall(r"^\$ export (.*)$", page, re.MULTILINE)
        for pair in line.split()
    )
    assert {name: url for name, url in assignments.items() if "ENDPOINT" in name}.keys() == {
        f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT" for signal in ("TRACES", "METRICS", "LOGS")
    }
    ours = {name: value for name, value in assignments.items() if name.startswith("AM_")}
    assert set(ours) == {"AM_SERVICE", "AM_OTEL_TRACE", "AM_OTEL_METRICS", "AM_OTEL_LOGS"}
