"""Resident memory, each figure in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

MACHINES = 10_000

RESIDENT = """
import gc
from pathlib import Path
import resource
import am_machine as am

def resident():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
"""

IDLE = f"""{RESIDENT}
schema = am.Schema({{f"State{{number}}": {{}} for number in range(9)}})
warm = [am.Machine(schema, id="warm") for _ in range(100)]
before = resident()
machines = [am.Machine(schema) for _ in range({MACHINES})]
print((resident() - before) / {MACHINES})
"""

# A thousand pairs of a state set and the state active before it, then a thousand times over.
CHURN = f"""{RESIDENT}
import itertools
names = [f"State{{number}}" for number in range(1_000)]
machine = am.Machine({{name: {{}} for name in names}})
for name in names * 2:
    machine.set(name)
before = resident()
for name in itertools.islice(itertools.cycle(names), 1_000_000):
    machine.set(name)
print(resident() - before)
"""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads the resident size from /proc"
)


def printed_by(code: str) -> float:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_idle_machines(file_figure: Any) -> None:
    file_figure(lambda: printed_by(IDLE), "memory", "bytes per idle machine")


def test_growth_over_a_million_mutations(file_figure: Any) -> None:
    file_figure(lambda: printed_by(CHURN), "memory", "bytes grown over 10⁶ mutations")
