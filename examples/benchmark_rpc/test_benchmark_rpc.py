"""A small run: every way takes the calls that the page shows, and few bytes where it says so."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.benchmark_rpc.by_machine import direct
from examples.benchmark_rpc.value import Service

ROOT = Path(__file__).parents[2]
NO_GRPC = importlib.util.find_spec("grpc") is None


@pytest.mark.process
def test_the_table_has_the_form_of_the_readme(told: str, tmp_path: Path) -> None:
    file = tmp_path / "results" / "rpc.md"
    done = subprocess.run(
        [sys.executable, "-W", "error", "examples/benchmark_rpc/main.py", "--rounds", "20",
         "--write", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    shown, promised = (
        [re.split(r"  +", line) for line in text.splitlines()] for text in (done.stdout, told)
    )
    assert [row[:2] for row in shown if row[1] != "…"] == [
        row[:2] for row in promised if not (NO_GRPC and row[0] == "gRPC")
    ]
    assert len(file.read_text().splitlines()) == len(shown) + 1
    sizes = {row[0]: int(row[2]) for row in shown[1:] if row[2] != "…"}
    assert sizes["direct"] == 0
    assert 0 < sizes["aRPC"] <= 115
    assert sizes["HTTP/JSON"] > 3 * 115


def test_without_another_process_nothing_is_sent() -> None:
    assert direct(5) == 0


def test_the_service_waits_for_events_that_are_not_known_yet() -> None:
    service = Service()
    assert service.wait(-1) == 0
    service.call()
    assert service.wait(0) == 1
    assert service.get() in (1, 2, 3)
