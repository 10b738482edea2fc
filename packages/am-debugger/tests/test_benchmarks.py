"""The bench runs, at a size that takes seconds; its figures are not looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SIZES = ("--transitions", "1000", "--machines", "4", "--keys", "1", "--rate", "200")
SMALL = (*SIZES, "--idle", "0.3")


@pytest.mark.process
def test_each_row_of_the_bench_is_measured() -> None:
    command = [sys.executable, str(BENCHMARKS), *SMALL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    rows = done.stdout.splitlines()
    assert rows[0].startswith("load ")
    assert rows[-1].startswith("load ")
    names = {row[:42].strip() for row in rows[1:-1]}
    assert names == {
        "ingest, headless",
        "memory per transition (with args)",
        "start to first paint",
        "import, with the start",
        "key: step",
        "key: jump",
        "key: step in the rain",
        "key: step while much comes in",
        "ingest, UI open",
        "tail: made to screen",
        "idle, all machines quiet",
        "filter change",
    }
