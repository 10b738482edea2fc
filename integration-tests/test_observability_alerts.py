"""The alert rules as Prometheus's own tool sees them: they load, and fire when they should."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .real_servers import am_telemetry, tool

pytestmark = pytest.mark.observability


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A file as the command writes it."""
    path = tmp_path / "rules.yml"
    am_telemetry("alerts", "--source", "demo", "--out", str(path))
    return path


def promtool(*arguments: str) -> None:
    command = [tool("promtool", "the Debian package prometheus"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("source", ["demo", 'a "b" c\\d', "{{ $labels.x }}", "grün $job"])
def test_the_rules_load(source: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    am_telemetry("alerts", "--source", source, "--out", str(path))
    promtool("check", "rules", str(path))


def test_prometheus_takes_the_configuration_of_the_example(tmp_path: Path) -> None:
    example = Path(__file__).parent.parent / "examples" / "observability"
    config = yaml.safe_load((example / "prometheus.yml").read_text())
    # Known to the release that the example names, but not yet to Debian's.
    del config["otlp"]
    assert config["rule_files"] == ["/etc/prometheus/rules/*.yml"]
    config["rule_files"] = [f"{example}/rules/*.yml"]
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    promtool("check", "config", str(path))


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """A series of the service `demo`, one value a minute."""
    labels = {"service_name": "demo", **labels}
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


def fires(rules: Path, alert: str, expected: dict[str, list[dict[str, str]]], *given: Any) -> None:
    """Whether an alert fires at these times, for these labels."""
    group = {
        "interval": "1m",
        "input_series": list(given),
        "alert_rule_test": [
            {
                "eval_time": at,
                "alertname": alert,
                "exp_alerts": [{"exp_labels": one} for one in who],
            }
            for at, who in expected.items()
        ],
    }
    # Labels alone: what an alert says is in the golden file.
    text = rules.read_text()
    bare = "\n".join(
        line for line in text.splitlines()
        if not line.lstrip().startswith(("annotations:", "summary:", "description:"))
    )  # fmt: skip
    rules.write_text(bare)
    test = rules.with_name("test.yml")
    test.write_text(
        json.dumps({"rule_files": [rules.name], "evaluation_interval": "1m", "tests": [group]})
    )
    promtool("test", "rules", str(test))


def about(severity: str, **labels: str) -> dict[str, str]:
    return {"service_name": "demo", "severity": severity, **labels}


def test_errors_are_told_from_the_first_on_and_old_ones_are_not(rules: Path) -> None:
    errors = "am_errors_total"
    expected = about("warning", am_machine_id="new", error_type="ErrA")
    more = about("warning", am_machine_id="more", error_type="ErrB")
    fires(
        rules,
        "AsyncmachineErrors",
        {"8m": [], "9m": [expected], "13m": [expected], "22m": [more], "40m": []},
        series(errors, "_x9 1x50", am_machine_id="new", error_type="ErrA"),
        series(errors, "0x19 3x40", am_machine_id="more", error_type="ErrB"),
        series(errors, "0x60", am_machine_id="none", error_type="ErrC"),
        series(errors, "0+9x60", am_machine_id="other", error_type="E", service_name="other"),
    )


def test_errors_from_before_the_first_look_are_told_once(rules: Path) -> None:
    alert = about("warning", am_machine_id="old", error_type="ErrA")
    old = series("am_errors_total", "7x60", am_machine_id="old", error_type="ErrA")
    fires(rules, "AsyncmachineErrors", {"2m": [alert], "10m": [], "50m": []}, old)


def test_errors_of_a_machine_that_was_gone_at_once_are_told_without_its_name(rules: Path) -> None:
    gone = {"am_machine_id": "_disposed", "error_type": "ErrA", "instance": "i"}
    fires(
        rules,
        "AsyncmachineErrors",
        {"8m": [], "11m": [about("warning", error_type="ErrA")], "20m": []},
        series("am_errors_total", "_x9 2x50", **gone),
    )


def test_old_errors_are_not_told_again_when_their_machine_goes_or_its_process(rules: Path) -> None:
    common = {"error_type": "ErrA", "instance": "i"}
    fires(
        rules,
        "AsyncmachineErrors",
        {"20m": [], "31m": [], "34m": [], "41m": [], "44m": []},
        series("am_errors_total", "5x30 stale", am_machine_id="long", **common),
        series("am_errors_total", "1x30 6x9 stale", am_machine_id="_disposed", **common),
        series("am_errors_total", "4x60", am_machine_id="b", error_type="ErrA", instance="j"),
    )


def test_a_machine_that_was_told_by_name_is_not_told_without(rules: Path) -> None:
    common = {"error_type": "ErrA", "instance": "i"}
    named = about("warning", am_machine_id="m", error_type="ErrA")
    fires(
        rules,
        "AsyncmachineErrors",
        {"12m": [named], "14m": [named]},
        series("am_errors_total", "1x10 3x50", am_machine_id="m", **common),
        series("am_errors_total", "7x60", am_machine_id="_disposed", **common),
    )


def test_a_queue_that_grows_is_told_and_a_long_one_that_shrinks_is_not(rules: Path) -> None:
    size = "am_queue_size"
    fires(
        rules,
        "AsyncmachineQueueGrows",
        {
            "5m": [],
            "14m": [about("warning", am_machine_id="grows")],
            "45m": [],
        },
        series(size, "0+30x30 900-30x30", am_machine_id="grows"),
        series(size, "500x60", am_machine_id="long"),
        series(size, "0+1x60", am_machine_id="short"),
        series(size, "900-10x60", am_machine_id="shrinks"),
    )


def test_a_machine_that_stands_still_is_told_if_it_ever_moved(rules: Path) -> None:
    ticks = "am_transition_ticks_total"
    quiet = about("warning", am_machine_id="quiet")
    fires(
        rules,
        "AsyncmachineQuiet",
        {"20m": [], "30m": [], "37m": [quiet], "55m": [quiet], "80m": []},
        series(ticks, "0+5x20 100x70", am_machine_id="quiet"),
        series(ticks, "0+5x90", am_machine_id="busy"),
        series(ticks, "7x90", am_machine_id="idle"),
        series(ticks, "0+5x20 stale", am_machine_id="gone"),
        series(ticks, "0x20 100x70", am_machine_id="_disposed"),
    )


def test_telemetry_that_drops_or_fails_is_told(rules: Path) -> None:
    alert = about("info")
    fires(
        rules,
        "AsyncmachineTelemetryDropping",
        {"8m": [], "12m": [alert], "20m": [], "32m": [alert], "45m": []},
        series("am_dbg_dropped_total", "0x9 64x60"),
        series("am_telemetry_errors_total", "0x29 1x60"),
    )
