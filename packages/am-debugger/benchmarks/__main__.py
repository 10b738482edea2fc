"""What the debugger takes: keys, taking in, memory, loading, starting, idling, filters; in one run.

    python packages/am-debugger/benchmarks [--transitions 1000000] [--machines 100] [--dump FILE]
        [--only NAME …]

Everything is measured on real processes: `am-dbg` on a terminal of its own, programs with real
machines and the real exporter. Where others share the machine, seconds on the wall say little: the
seconds of the processor decide whether a goal is missed. Of `am-dbg`, processor time of a key is
that until the screen is at rest again.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from filters import filter_change
from rows import ROWS, Run, Sizes, collector


def main() -> int:
    """Measure and print; 1 if a goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--transitions", type=int, default=Sizes.transitions)
    parser.add_argument("--machines", type=int, default=Sizes.machines)
    parser.add_argument("--keys", type=int, default=Sizes.keys)
    parser.add_argument("--rate", type=float, default=Sizes.rate)
    parser.add_argument("--idle", type=float, default=Sizes.idle, help="seconds")
    parser.add_argument("--dump", type=Path, help="load this one, and make none")
    parser.add_argument("--only", nargs="*", default=[], help="functions of rows")
    options = parser.parse_args()
    sizes = Sizes(options.machines, options.transitions, options.keys, options.rate, options.idle)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; {sizes}")
    with tempfile.TemporaryDirectory(prefix="am-dbg-") as folder:
        run = Run(Path(folder), sizes, options.dump)
        for row in (*ROWS, filter_change):
            if row is collector:
                # Others load the dump that it writes.
                is_wanted = options.dump is None
            else:
                is_wanted = not options.only or row.__name__ in options.only
            if is_wanted:
                row(run)
    print(f"load {os.getloadavg()[0]:.1f}")
    return 1 if any(figure.misses for figure in run.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
