"""No cost grows faster than its work: the growth bench at a small size.

It runs in a process of its own, where neither the test runner nor a coverage tool listens. What is
judged are ratios within one run; a row that bends is measured again before it is believed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "benchmarks" / "growth"
ATTEMPTS = 3
JUDGE = """
from growth import Row, looped, outcome

def summing(size):
    def loop(count):
        for _ in range(count):
            sum(range(size))
    return looped(loop)

def row(prepare):
    return Row("", "", (10, 10_000), (10, 10_000), prepare)

assert outcome(row(summing), small=True, attempts=1).bent
assert not outcome(row(lambda size: summing(1_000)), small=True, attempts=3).bent
"""

pytestmark = pytest.mark.slow


def run(*command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(BENCH), str(BENCH.parent)])
    env = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path}
    words = (sys.executable, *command)
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=110)


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Which rows bend, by one run of the bench."""
    report = tmp_path_factory.mktemp("growth") / "bent.json"
    patience = ("--attempts", str(ATTEMPTS))
    options = ("--package", "am-machine", "--small", "--json", str(report))
    done = run(str(BENCH), *options, *patience)
    print(done.stdout)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, bool] = json.loads(report.read_text())
    return found


def test_no_cost_grows_faster_than_its_work(bent: dict[str, bool]) -> None:
    assert [key for key, is_bent in bent.items() if is_bent] == []


def test_what_grows_is_told_from_what_does_not() -> None:
    done = run("-c", JUDGE)
    assert done.returncode == 0, done.stderr
