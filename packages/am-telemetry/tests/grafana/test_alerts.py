"""Alert rules: the same every time, and YAML that says what was meant."""

import os
from pathlib import Path

import pytest
import yaml

from am_telemetry._grafana.alerts import Thresholds, alert_rules, rules_text

GOLDEN = Path(__file__).parent / "golden" / "alerts.yml"


def test_the_rules_are_the_golden_ones() -> None:
    text = rules_text(alert_rules("demo"))
    if os.environ.get("AM_WRITE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


@pytest.mark.parametrize("source", ["demo", 'a "b" c', "a\\b", "x: y # z", "grün", "{{ $x }}"])
def test_the_text_is_yaml_of_the_same_rules(source: str) -> None:
    rules = alert_rules(source)
    assert yaml.safe_load(rules_text(rules)) == rules


def test_there_is_a_rule_for_each_kind_of_trouble() -> None:
    (group,) = alert_rules("demo")["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [
        "AsyncmachineErrors",
        "AsyncmachineQueueGrows",
        "AsyncmachineQuiet",
        "AsyncmachineTelemetryDropping",
    ]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"info", "warning"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_thresholds_are_taken() -> None:
    text = rules_text(alert_rules("demo", Thresholds(queue=7, quiet=3)))
    assert "> 7 and" in text
    assert "[3m]" in text
    assert "[6m] offset 3m" in text


@pytest.mark.parametrize("numbers", [{"queue": 0}, {"quiet": -1}])
def test_thresholds_that_are_always_met_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Thresholds(**numbers)


def test_rules_of_no_service_are_refused() -> None:
    with pytest.raises(ValueError, match="need the service"):
        alert_rules("")
