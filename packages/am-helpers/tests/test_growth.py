"""No cost of histories, graphs, pipes and diagrams grows faster than its work.

The growth bench at a small size, in a process of its own. What is judged are ratios within one run;
a row that bends is measured again before it is believed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# It belongs to the tree, not to a package; each brings rows.
BENCH = Path(__file__).parents[2] / "am-machine" / "benchmarks" / "growth"
ATTEMPTS = 3
KEYS = {
    "C13 time", "C13 bytes", "C14 rare", "C14 early", "C14 ticks", "C14 sums", "C15 graph",
    "C15 pipe", "C16 bind_any", "C16 mermaid",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not BENCH.is_dir(), reason="a source distribution lacks the tree's benches")
def test_no_cost_grows_faster_than_its_work(tmp_path: Path) -> None:
    pytest.importorskip("networkx")
    report = tmp_path / "bent.json"
    options = ("--package", "am-helpers", "--small", "--json", str(report))
    command = (sys.executable, str(BENCH), *options, "--attempts", str(ATTEMPTS))
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=110)
    print(done.stdout)
    assert done.returncode in (0, 1), done.stderr
    bent: dict[str, bool] = json.loads(report.read_text())
    assert bent.keys() == KEYS
    assert [key for key, is_bent in bent.items() if is_bent] == []
