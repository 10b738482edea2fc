"""What a round, a call, a push and a client cost: the promised figures, from the benches."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent.parent / "packages" / "am-rpc" / "bench"
CLIENTS = int(os.environ.get("AM_RPC_CLIENTS", "300"))

pytestmark = [pytest.mark.process, pytest.mark.slow]


def run(script: str, *argv: object) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *map(str, argv)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout


def figures(told: str, line: str) -> dict[str, float]:
    """The numbers of one line of output, by name."""
    (found,) = re.findall(rf"^{line} (.*)$", told, re.MULTILINE)
    pairs: list[Any] = re.findall(r"'(\w+)': ([\d.]+)", found) or [("", found)]
    return {name: float(number) for name, number in pairs}


def test_a_round_is_one_call_of_few_bytes_and_clients_cost_little() -> None:
    told = run("bench_scenarios.py", 2000, CLIENTS)
    print(told)
    rounds = figures(told, "subscribe-get-process")
    # At most ten calls more than rounds in 10,000.
    assert rounds["calls"] <= 1.001
    assert rounds["bytes"] <= 64
    assert rounds["errors"] == 0
    assert figures(told, "one-way bytes")[""] <= 12
    clients = figures(told, "clients")
    assert clients["kib_per_client"] <= 40
    assert clients["ready_s"] <= 20
    assert clients["reach_s"] <= 1 + 0.25


def test_mutations_in_flight_are_many_a_second() -> None:
    told = run("bench_round_trip.py", 100)
    print(told)
    (rate,) = re.findall(r"^median: .* pipelined (\d+)/s", told, re.MULTILINE)
    assert int(rate) >= 8000
