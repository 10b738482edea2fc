"""What listening costs: the table of overheads, all rows in one run.

    python packages/am-telemetry/benchmarks [--only WORD ...] [--pairs 30]

Ratios against the same machine with nobody listening: *flat out*, mutations in a tight loop, and
*real*, where the handler works for 100 microseconds. Both are measured in turn, pair by pair; a
ratio is the median, and a row fails only if the lower bound of its 95 % bootstrap interval exceeds
its goal. *hot* is processor time of the machine's own thread, *whole* is time on the wall, with all
that the hub and the debugger do beside. Start and end of programs come last.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ends import delays
from otel_counters import report_counters
from pairs import Figure, measure
from rows import ROWS


def main() -> int:
    """Measure and print; 1 if a goal is exceeded beyond doubt."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[], help="rows whose name has one of these")
    parser.add_argument("--pairs", type=int, default=30)
    options = parser.parse_args()
    failed = []
    print(f"{'row':<58} {'load':<9} {'hot':>17} {'whole':>17} {'goal':>6} {'lost':>6}", flush=True)
    for row in ROWS:
        if options.only and not any(word in row.name for word in options.only):
            continue
        for load, goal in row.goals.items():
            figure = measure(row, load, options.pairs)
            judged = figure.hot if row.judges == "hot" else figure.whole
            exceeds = goal is not None and judged.low > goal
            failed += [f"{row.name}, {load}"] if exceeds else []
            print(told(row.name, load, figure, goal, exceeds), flush=True)
    if not options.only:
        print()
        report_counters()
        print()
        failed += delays()
    for name in failed:
        print(f"exceeds its goal: {name}", file=sys.stderr)
    return 1 if failed else 0


def told(name: str, load: str, figure: Figure, goal: float | None, exceeds: bool) -> str:
    """A line of the table."""
    parts = [f"{one.median:>6.3f} ({one.low:.3f}…)" for one in (figure.hot, figure.whole)]
    wanted = "" if goal is None else f"{goal:.2f}"
    mark = " !" if exceeds else ""
    cells = f"{name:<58} {load:<9} {parts[0]:>17} {parts[1]:>17} {wanted:>6} {figure.lost:>6.0%}"
    return cells + mark


if __name__ == "__main__":
    sys.exit(main())
