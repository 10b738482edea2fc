"""Instructions per round, which no other load on the machine disturbs; needs valgrind.

Each scenario runs twice, in processes of its own that differ only in the number of rounds; the
difference is what the rounds cost. Time in the kernel is not counted, nor are cache misses.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SCENARIOS = {
    "bare echo": "from bench_round_trip import bench_echo as run",
    "awaited mutation": "from bench_round_trip import bench_mutation as run",
    "pipelined mutation": "from bench_round_trip import bench_pipelined as run",
    "subscribe - get - process": "from bench_scenarios import subscribe_get_process as run",
}
FEW, MANY = 1000, 3000


def instructions(setup: str, rounds: int) -> int:
    """Count the instructions of a process that plays so many rounds."""
    count = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    code = f"{setup}\nimport trio\ntrio.run(run, {rounds})"
    done = subprocess.run(
        [*count, sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1].replace(",", ""))


def main() -> None:
    """Print each scenario, and its ratio to the first."""
    floor = 0.0
    for name, setup in SCENARIOS.items():
        cost = (instructions(setup, MANY) - instructions(setup, FEW)) / (MANY - FEW)
        floor = floor or cost
        print(f"{name}: {cost / 1000:.0f} thousand instructions, {cost / floor:.2f} x the echo")


if __name__ == "__main__":
    main()
