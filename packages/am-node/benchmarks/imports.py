"""What the imports of a worker's process cost: ``python packages/am-node/benchmarks/imports.py``.

Each of several interpreters imports what a worker's does, and says how long each module took by
itself (``-X importtime``). Prints the medians: milliseconds of trio with all that it brings, of our
own modules by package, and their ratio; `--modules` lists ours, the longest first.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass

CODE = "import trio; import msgpack; import am_node._worker.main; import am_rpc; am_rpc.Mux"
OURS = ("am_machine", "am_helpers", "am_rpc", "am_node")


@dataclass
class Times:
    """Milliseconds of one interpreter."""

    trio: float
    own: dict[str, float]

    @property
    def ratio(self) -> float:
        """What ours take, in units of trio."""
        return sum(self.own.values()) / self.trio


def measure() -> Times:
    """Start one interpreter."""
    command = [sys.executable, "-X", "importtime", "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    whole, own = 0.0, {}
    for line in done.stderr.splitlines():
        alone, together, module = line.removeprefix("import time:").split("|")
        name = module.strip()
        if name == "trio":
            whole = int(together) / 1000
        elif name.partition(".")[0] in OURS:
            own[name] = int(alone) / 1000
    return Times(whole, own)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--modules", action="store_true", help="list each module of ours")
    options = parser.parse_args()
    measure()  # whatever has to be read from the disk
    found = [measure() for _ in range(options.times)]
    modules = {name: statistics.median(one.own[name] for one in found) for name in found[0].own}
    packages: dict[str, float] = defaultdict(float)
    for name, took in modules.items():
        packages[name.partition(".")[0]] += took
    print(f"trio {statistics.median(one.trio for one in found):.1f} ms")
    for name, took in packages.items():
        print(f"{name} {took:.1f} ms")
    ratio = statistics.median(one.ratio for one in found)
    print(f"{len(modules)} modules of ours: {ratio:.3f} of trio")
    if options.modules:
        for name, took in sorted(modules.items(), key=lambda item: -item[1]):
            print(f"{took:6.2f} ms  {name}")


if __name__ == "__main__":
    main()
