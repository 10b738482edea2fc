"""A small run: every way counts what it says, and the page shows such a table."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.benchmark_rpc.by_machine import direct
from examples.benchmark_rpc.main import measure
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


@pytest.mark.process
def test_a_round_over_arpc_is_one_call_of_few_bytes() -> None:
    _, calls, size, took = measure("aRPC", 20)
    assert calls == "1"
    assert int(size) <= 115
    assert int(took) > 0


@pytest.mark.process
def test_a_round_over_http_is_three_calls_of_many_bytes() -> None:
    _, calls, size, _ = measure("HTTP/JSON", 20)
    assert calls == "3"
    assert int(size) > 3 * 115


def test_without_another_process_nothing_is_sent() -> None:
    assert direct(5) == 0


def test_the_service_waits_for_events_that_are_not_known_yet() -> None:
    service = Service()
    assert service.wait(-1) == 0
    service.call()
    assert service.wait(0) == 1
    assert service.get() in (1, 2, 3)
