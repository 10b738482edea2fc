"""What an absent debugger delays: the start of a program, and its end."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from statistics import median

GOAL = 0.05
"""Seconds."""
RUNS = 15
PROGRAM = """
import sys, time
import am_machine as am
from am_telemetry.dbg import DbgExporter
began = time.perf_counter()
machine = am.Machine({"A": {}})
if sys.argv[1] != "nobody":
    dbg = DbgExporter(sys.argv[1])
    dbg.bind(machine)
machine.add("A")
print(time.perf_counter() - began, flush=True)
print(time.monotonic(), flush=True)
"""


def delays() -> list[str]:
    """Print start and end with an absent debugger beside those with none; what exceeds the goal."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        absent = f"127.0.0.1:{server.getsockname()[1]}"
    found: dict[str, list[tuple[float, float]]] = {"nobody": [], absent: []}
    for _ in range(RUNS):
        for who, figures in found.items():
            figures.append(_run(who))
    failed = []
    for i, what in enumerate(("start", "end")):
        extra = median([one[i] for one in found[absent]]) - median(
            [one[i] for one in found["nobody"]]
        )
        print(
            f"an absent debugger delays the {what} by {extra * 1e3:.1f} ms (goal {GOAL * 1e3:.0f})"
        )
        if extra > GOAL:
            failed.append(f"absent debugger, {what}")
    return failed


def _run(who: str) -> tuple[float, float]:
    command = [sys.executable, "-c", PROGRAM, who]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate()
        over = time.monotonic()
    start, at = map(float, out.split())
    return start, over - at
