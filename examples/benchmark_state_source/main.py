# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""Trees of one to nine nodes under readers: requests per second, and the age of what is read."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from bisect import bisect_right
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, NamedTuple

import trio

import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.benchmark_state_source.chart import chart  # noqa: E402 - found by the line above
from examples.tree_state_source.main import Tree  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Sequence

TREES: dict[str, tuple[int, ...]] = {"1": (), "1+2": (2,), "1+2+4": (2, 4), "1+2+6": (2, 6)}
READERS = 2
BEAT = 0.01  # seconds between changes of the root
BEATING = "Gate1Fueling"  # the state that is toggled


class Row(NamedTuple):
    """What was measured on a tree: requests per second; milliseconds of age, median and worst."""

    tree: str
    requests: int
    age: float
    oldest: float


def grow(tree: Tree, levels: Sequence[int]) -> tuple[str, list[str]]:
    """Start the nodes; the address of the root, and the ports of those that readers ask."""
    if not levels:
        root = tree.start("root", "--http")
        return tree.where(root), [tree.where(root)]
    above = [root_addr := tree.where(tree.start("root"))]
    for depth, count in enumerate(levels, 1):
        flags = ["--http"] if depth == len(levels) else []
        nodes = [tree.start("replica", above[i % len(above)], *flags) for i in range(count)]
        above = [tree.where(node) for node in nodes]
    return root_addr, above


async def change(net: am_rpc.NetworkMachine, changes: list[tuple[int, float]]) -> None:
    """Toggle a state of the root again and again; note what its clock was then, and when."""
    while True:
        await net.toggle(BEATING)
        changes.append((sum(net.time()), time.monotonic()))
        await trio.sleep(BEAT)


def reader(ports: list[str], seconds: float) -> list[tuple[float, int]]:
    """The answers of one reader, which is a process of its own."""
    command = [sys.executable, "-m", "examples.benchmark_state_source.load", str(seconds), *ports]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return [(at, seen) for at, seen in json.loads(done.stdout)]


def age(answer: tuple[float, int], changes: list[tuple[int, float]]) -> float:
    """For how long an answer had been out of date, in milliseconds; 0 if it was not."""
    at, seen = answer
    newer = bisect_right(changes, seen, key=lambda change: change[0])
    return 0.0 if newer == len(changes) else max(0.0, 1000 * (at - changes[newer][1]))


async def load(addr: str, ports: list[str], seconds: float) -> tuple[int, list[float]]:
    """Change the root while readers read; requests per second, and the age of each answer."""
    changes: list[tuple[int, float]] = []
    answers: list[list[tuple[float, int]]] = []

    async def read(own: list[str]) -> None:
        answers.append(await trio.to_thread.run_sync(reader, own, seconds))

    async with am_rpc.connect(addr, timeout=10) as net:
        await net.add("Gate1Open")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(change, net, changes)
            async with trio.open_nursery() as readers:
                for number in range(READERS):
                    # Each begins at another node.
                    readers.start_soon(read, [*ports[number:], *ports[:number]])
            nursery.cancel_scope.cancel()
    every = [answer for found in answers for answer in found]
    return round(len(every) / seconds), [age(answer, changes) for answer in every]


def measure(name: str, seconds: float) -> Row:
    """Grow a tree, put load on it, fell it."""
    tree = Tree()
    try:
        addr, ports = grow(tree, TREES[name])
        requests, ages = trio.run(partial(load, addr, ports, seconds))
    finally:
        tree.stop()
    return Row(name, requests, median(ages), quantiles(ages, n=20)[-1])


def main() -> None:
    """Print the table; write it and its chart into a folder if one is given."""
    parser = argparse.ArgumentParser(prog="benchmark_state_source", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="of load on each tree")
    parser.add_argument("--trees", nargs="+", choices=TREES, default=list(TREES))
    parser.add_argument("--write", type=Path, help="a folder for table and chart")
    options = parser.parse_args()
    print("nodes   requests/s  age, ms  95 % below, ms")
    rows: list[Row] = []
    for name in options.trees:
        rows.append(row := measure(name, options.seconds))
        print(f"{name:7} {row.requests:10}  {row.age:7.0f}  {row.oldest:14.0f}", flush=True)
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        lines = ["| nodes | requests/s | age, ms | 95 % below, ms |", "| --- | --- | --- | --- |"]
        lines += [f"| {r.tree} | {r.requests} | {r.age:.0f} | {r.oldest:.0f} |" for r in rows]
        (options.write / "state_source.md").write_text("\n".join(lines) + "\n")
        (options.write / "state_source.svg").write_text(chart([row[:3] for row in rows]))


if __name__ == "__main__":
    main()
