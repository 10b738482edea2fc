"""Dashboards: the same every time, right in every part, and what Grafana's own model holds."""

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from am_telemetry import grafana_dashboard
from am_telemetry._grafana.dashboard import dashboard_uid

# A string of PromQL, whose escapes Python has too.
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
GOLDEN = Path(__file__).parent / "golden"
BOARDS: dict[str, dict[str, Any]] = {
    "two": {"ids": ["worker", "pool"], "name": "Two machines", "source": "demo"},
    "logs": {
        "ids": ["worker"], "name": "With logs", "source": "demo",
        "datasource": "Prometheus", "logs": "Loki",
    },
    "any": {"ids": ["*"], "name": "Any machine", "source": "demo", "logs": "Loki"},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _plugins() -> None:
    register_default_plugins()


def panels_of(board: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels, those in collapsed rows too."""
    return [one for panel in board["panels"] for one in (panel, *panel.get("panels", ()))]


def expressions_of(board: dict[str, Any]) -> list[str]:
    return [t["expr"] for panel in panels_of(board) for t in panel.get("targets", ())]


def missing(small: Any, large: Any, place: str = "$") -> list[str]:
    """The places at which something of the first is not in the second."""
    if isinstance(small, dict) and isinstance(large, dict):
        return [
            one
            for key, value in small.items()
            for one in (
                missing(value, large[key], f"{place}.{key}") if key in large else [f"{place}.{key}"]
            )
        ]
    if isinstance(small, list) and isinstance(large, list) and len(small) == len(large):
        pairs = enumerate(zip(small, large, strict=True))
        return [one for n, (a, b) in pairs for one in missing(a, b, f"{place}[{n}]")]
    return [] if small == large and type(small) is type(large) else [place]


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_the_golden_one(name: str) -> None:
    text = json.dumps(grafana_dashboard(**BOARDS[name]), indent=2) + "\n"
    path = GOLDEN / f"{name}.json"
    if os.environ.get("AM_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", BOARDS)
def test_nothing_is_lost_on_the_way_through_grafanas_typed_model(name: str) -> None:
    board = grafana_dashboard(**BOARDS[name])
    typed = Dashboard.from_json(json.loads(json.dumps(board)))
    back = json.loads(json.dumps(typed, cls=JSONEncoder))
    assert missing(board, back) == []


def test_the_comparison_with_the_typed_model_notices_a_loss() -> None:
    board = grafana_dashboard(**BOARDS["two"])
    board["panels"][1]["targets"][0]["misspelt"] = True
    back = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert missing(board, back) == ["$.panels[1].targets[0].misspelt"]


def test_the_order_and_number_of_ids_do_not_matter() -> None:
    board = grafana_dashboard(["b", "a"], "N", "S")
    assert grafana_dashboard(["a", "b", "a"], "N", "S") == board
    assert grafana_dashboard(("b", "a"), "N", "S") == board


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    board = grafana_dashboard(["a", "b"], "N", "S", logs="Loki")
    ids = [panel["id"] for panel in panels_of(board)]
    assert ids == list(range(1, len(ids) + 1))
    for group in (board["panels"], *(p["panels"] for p in board["panels"] if p["type"] == "row")):
        taken: set[tuple[int, int]] = set()
        for panel in group:
            place = panel["gridPos"]
            cells = {
                (place["x"] + x, place["y"] + y)
                for x in range(place["w"])
                for y in range(place["h"])
            }
            assert not taken & cells
            assert place["x"] + place["w"] <= 24
            taken |= cells


def test_rows_come_in_order_and_only_the_overview_is_open() -> None:
    board = grafana_dashboard(["b", "a"], "N", "S", logs="Loki")
    rows = [(p["title"], p["collapsed"]) for p in board["panels"] if p["type"] == "row"]
    assert rows == [
        ("Mach: a", False), ("Details: a", True), ("Logs: a", True),
        ("Mach: b", False), ("Details: b", True), ("Logs: b", True),
        ("Exporter", False),
    ]  # fmt: skip


def test_logs_are_shown_only_where_a_loki_is_named() -> None:
    without = grafana_dashboard(["a"], "N", "S")
    assert not [panel for panel in panels_of(without) if panel["type"] == "logs"]
    assert [v["name"] for v in without["templating"]["list"]] == ["datasource", "machine"]
    board = grafana_dashboard(["a"], "N", "S", logs="My Loki")
    (panel,) = [panel for panel in panels_of(board) if panel["type"] == "logs"]
    assert panel["targets"][0]["expr"] == '{service_name="S"} | am_machine_id="a"'
    current = {v["name"]: v.get("current") for v in board["templating"]["list"]}
    assert current["logs"] == {"text": "My Loki", "value": "My Loki"}


def test_one_board_for_any_machine_repeats_its_rows() -> None:
    board = grafana_dashboard(["*", "a"], "N", "S")
    rows = {p["title"]: p.get("repeat") for p in board["panels"] if p["type"] == "row"}
    assert rows == {"Mach: $machine": "machine", "Details: $machine": "machine", "Exporter": None}
    machine = board["templating"]["list"][-1]
    assert machine["multi"]
    assert machine["query"]["query"] == 'label_values(am_states{service_name="S"}, am_machine_id)'
    first = expressions_of(board)[0]
    assert '{service_name="S",am_machine_id=~"$machine"}' in first


def test_titles_say_what_exists_at_level_2_or_where_it_is_sampled_only() -> None:
    """Each panel that asks for such an instrument says so."""
    from am_telemetry._grafana.queries import series
    from am_telemetry._metrics.instruments import INSTRUMENTS

    deep = [series(i.name) for i in INSTRUMENTS if i.level == 2]
    for panel in panels_of(grafana_dashboard(["a"], "N", "S")):
        asked = " ".join(t["expr"] for t in panel.get("targets", ()))
        listens = any(name + mark in asked for name in deep for mark in ("{", "_bucket{"))
        assert listens == ("level 2 only" in panel["title"]), panel["title"]
        assert ("_bucket{" in asked) == ("sampled" in panel["title"])


@pytest.mark.parametrize("evil", ['a"b', "a\\", "a\nb", "$machine", "${datasource}", "[[x]]"])
def test_no_id_or_service_breaks_out_of_an_expression_or_is_taken_for_a_variable(evil: str) -> None:
    plain = expressions_of(grafana_dashboard(["a"], "N", "S"))
    for board in (grafana_dashboard([evil], "N", "S"), grafana_dashboard(["a"], "N", evil)):
        for expected, found in zip(plain, expressions_of(board), strict=True):
            assert LITERAL.sub("", found) == LITERAL.sub("", expected)
            literals = LITERAL.findall(found)
            assert len(literals) == len(LITERAL.findall(expected))
            assert {ast.literal_eval(one) for one in literals} <= {"a", "S", evil}
            for mark in ("\n", "$m", "${", "[["):
                assert mark not in found


def test_a_board_keeps_its_uid_when_its_machines_change() -> None:
    uid = grafana_dashboard(["a"], "N", "S")["uid"]
    assert (
        uid == grafana_dashboard(["a", "b"], "N", "S", logs="L")["uid"] == dashboard_uid("N", "S")
    )
    assert uid != dashboard_uid("N", "T") != dashboard_uid("M", "S")
    assert len(uid) <= 40


@pytest.mark.parametrize(
    ("ids", "name", "source"),
    [([], "N", "S"), ([""], "N", "S"), (["a"], "", "S"), (["a"], "N", "")],
)
def test_a_board_of_nothing_is_refused(ids: list[str], name: str, source: str) -> None:
    with pytest.raises(ValueError, match="a dashboard needs"):
        grafana_dashboard(ids, name, source)
