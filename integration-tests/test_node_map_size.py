"""A map over very many inputs takes no more memory than one over few, and begins at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the sizes of processes"),
]

FIRST_RESULT = 1.0  # seconds, on a machine with nothing else to do
# MiB of each process: above its start, and once a fifth of all is done, of which none may stay.
ABOVE_START, ONCE_UNDER_WAY = 64.0, 4.0


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [10_000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
def test_a_map_over_very_many_inputs_keeps_its_size_and_begins_at_once(
    root: Path, busy: float, tasks: int
) -> None:
    script = root / "packages" / "am-node" / "benchmarks" / "many.py"
    done = subprocess.run(
        [sys.executable, str(script), "--tasks", str(tasks)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    print(done.stdout)
    found = json.loads(done.stdout)
    assert found["tasks"] == tasks
    assert found["first"] <= FIRST_RESULT * busy
    assert {"client", "supervisor", "worker 0", "worker 1"} == set(found["memory"])
    for process, sizes in found["memory"].items():
        assert sizes["peak"] - sizes["start"] <= ABOVE_START, process
        assert sizes["end"] - sizes["tenths"][1] <= ONCE_UNDER_WAY, process
