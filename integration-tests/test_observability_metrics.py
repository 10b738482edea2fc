"""Metrics of a program in a real Prometheus: scraped, pushed, and asked as each board asks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from am_telemetry import grafana_dashboard

from .observed import IDS
from .real_servers import Observed, Prometheus, free_ports, observed, prometheus, pushgateway, until

pytestmark = [pytest.mark.observability, pytest.mark.process, pytest.mark.slow]
SERVICE = 'service_name="demo"'


def selector(name: str, ident: str, **labels: str) -> str:
    """One machine's series of a name."""
    labels = {"service_name": "demo", "am_machine_id": ident, **labels}
    return name + "{" + ",".join(f"{k}={json.dumps(v)}" for k, v in labels.items()) + "}"


@pytest.fixture
def scraped(tmp_path: Path) -> Iterator[tuple[Prometheus, Observed]]:
    """A Prometheus, and a program listened to in full that it finds by its folder."""
    folder = tmp_path / "targets"
    folder.mkdir()
    env = {
        "AM_PROM_ADDR": "1",
        "AM_PROM_SD_DIR": str(folder),
        "AM_DBG_DETAIL": "2",
        "AM_OTEL_METRICS_SAMPLE": "1",
        "AM_OTEL_METRICS_STATES": "Working",
        "AM_LOG_STEPS": "1",
        # A debugger that is away: its buffer fills, so there is something to tell of it.
        "AM_DBG_ADDR": f"127.0.0.1:{free_ports(1)[0]}",
    }
    with (
        prometheus(tmp_path / "prometheus", files=f"{folder}/*.json") as server,
        observed(**env) as program,
    ):
        yield server, program


def test_what_is_scraped_lies_between_the_programs_own_counts(
    scraped: tuple[Prometheus, Observed],
) -> None:
    server, program = scraped
    ticks = {ident: selector("am_transition_ticks_total", ident) for ident in IDS}
    until(lambda: server.value(ticks[IDS[0]]) is not None, "the program is scraped")
    known = [program.counts, *(program.do("run 50") for _ in range(5))]
    for ident, name in ticks.items():
        # What is in the middle of a command lies between its ends.
        last = known[-1][ident]
        until(lambda n=name, end=last: server.value(n) == end["ticks"], f"the ticks of {ident}")
        values = [value for _, samples in server.samples(name) for _, value in samples]
        assert values == sorted(values)
        assert known[0][ident]["ticks"] <= values[0]
        for result in ("accepted", "canceled"):
            total = f"sum({selector('am_transitions_total', ident, am_result=result)})"
            until(lambda t=total, end=last[result]: server.value(t) == end, total)
    program.end()


def test_every_expression_of_every_board_is_answered(
    scraped: tuple[Prometheus, Observed],
) -> None:
    server, program = scraped
    boards = [
        grafana_dashboard(IDS, "Two machines", "demo", logs="Loki"),
        grafana_dashboard(["*"], "Any machine", "demo"),
        *(grafana_dashboard([ident], ident, "demo") for ident in IDS),
    ]
    ready = selector("am_states", IDS[1])
    until(lambda: server.value(ready) is not None, "the program is scraped")
    # A rate needs two samples that differ.
    for command in ("run 20", "errors 5", "run 20", "errors 5"):
        until(lambda: len(_times(server, ready)) >= 2, "another scrape")
        program.do(command)
        seen = len(_times(server, ready))
        until(lambda n=seen: len(_times(server, ready)) >= n + 2, "two more scrapes")
    asked = 0
    for board in boards:
        for title, expression in _expressions(board):
            answer = server.query(expression)
            asked += 1
            assert answer, f"{title}: nothing for {expression}"
            values = [one["value"][1] for one in answer]
            assert "NaN" not in values, f"{title}: {expression} gives {values}"
    assert asked >= 80
    errors = f"sum by (error_type) ({selector('am_errors_total', IDS[0])})"
    assert {one["metric"]["error_type"] for one in server.query(errors)} >= {"ErrDisk", "OSError"}
    program.end()


def _times(server: Prometheus, name: str) -> list[float]:
    return [at for _, samples in server.samples(name) for at, _ in samples]


def _expressions(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Title and expression of each query to Prometheus, with the variables as Grafana puts them."""
    for outer in board["panels"]:
        for panel in (outer, *outer.get("panels", ())):
            for target in panel.get("targets", ()):
                if target["datasource"]["type"] == "prometheus":
                    machine = re.sub(r"([.*+?^${}()|[\]\\])", r"\\\1", IDS[1])
                    literal = machine.replace("\\", "\\\\").replace('"', '\\"')
                    text = target["expr"].replace("$__rate_interval", "1m")
                    yield panel["title"], text.replace('"$machine"', f'"{literal}"')


def test_the_variable_of_a_board_finds_all_machines(
    scraped: tuple[Prometheus, Observed],
) -> None:
    server, _ = scraped
    (machine,) = [
        variable
        for variable in grafana_dashboard(["*"], "Any", "demo")["templating"]["list"]
        if variable["name"] == "machine"
    ]
    found = re.fullmatch(r"label_values\((.*), (\w+)\)", machine["query"]["query"])
    assert found is not None
    series, label = found.groups()
    until(
        lambda: set(server.ask(f"/api/v1/label/{label}/values", **{"match[]": series})) == set(IDS),
        "the machines are found",
    )


def test_a_program_that_ends_takes_its_file_away(
    tmp_path: Path, scraped: tuple[Prometheus, Observed]
) -> None:
    server, program = scraped
    folder = tmp_path / "targets"
    until(lambda: server.value(f"sum(am_machines{{{SERVICE}}})") == 2, "the program is scraped")
    (target,) = folder.glob("*.json")
    (group,) = json.loads(target.read_text())
    assert re.fullmatch(r"127\.0\.0\.1:9[45]\d\d", group["targets"][0])
    program.end()
    assert list(folder.iterdir()) == []
    until(lambda: server.query(f"am_machines{{{SERVICE}}}") == [], "its series end")


def test_what_is_pushed_at_the_end_is_the_whole(tmp_path: Path) -> None:
    """By then the machines are disposed, and what they did is in the totals of their process."""
    with (
        pushgateway(tmp_path / "gateway") as gateway,
        prometheus(tmp_path / "prometheus", targets=[f"127.0.0.1:{gateway.port}"]) as server,
    ):
        with observed(AM_PROM_PUSH_URL=gateway.url) as program:
            program.do("run 100")
            program.do("errors 3")
            counts = program.end()
        expected = {
            f"sum(am_transition_ticks_total{{{SERVICE}}})": "ticks",
            f'sum(am_transitions_total{{{SERVICE},am_result="accepted"}})': "accepted",
            f'sum(am_transitions_total{{{SERVICE},am_result="canceled"}})': "canceled",
        }
        until(lambda: server.value(next(iter(expected))) is not None, "it is pushed")
        for expression, name in expected.items():
            assert server.value(expression) == sum(one[name] for one in counts.values())


def test_two_programs_of_one_service_do_not_overwrite_each_others_pushes(tmp_path: Path) -> None:
    with (
        pushgateway(tmp_path / "gateway") as gateway,
        prometheus(tmp_path / "prometheus", targets=[f"127.0.0.1:{gateway.port}"]) as server,
    ):
        expected = 0
        for times in (3, 5):
            with observed(AM_PROM_PUSH_URL=gateway.url) as program:
                program.do(f"run {times}")
                expected += sum(one["ticks"] for one in program.end().values())
        ticks = f"sum(am_transition_ticks_total{{{SERVICE}}})"
        until(lambda: server.value(ticks) == expected, f"both sum up to {expected}")
