# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""The whole tree: one root, two relays, four leaves, a day of traffic, and what it took."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import trio

import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.tree_state_source.board import FLIGHTS  # noqa: E402 - found by the line above
from examples.tree_state_source.dashboard import dashboard  # noqa: E402 - likewise

RELAYS, LEAVES, SEED = 2, 4, 7


class Tree:
    """Processes of this example; those of one level start together."""

    def __init__(self) -> None:
        self._nodes: list[subprocess.Popen[str]] = []

    def start(self, module: str, *flags: str) -> subprocess.Popen[str]:
        """Start a node."""
        command = [sys.executable, "-m", f"examples.tree_state_source.{module}", *flags]
        node = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._nodes.append(node)
        return node

    @staticmethod
    def where(node: subprocess.Popen[str]) -> str:
        """Wait until a node is ready; return where."""
        assert node.stdout is not None
        return node.stdout.readline().strip()

    def stop(self) -> list[int]:
        """Stop all, leaves first; return the exit codes."""
        for node in reversed(self._nodes):
            node.send_signal(signal.SIGINT)
            node.communicate()
        return [node.returncode for node in self._nodes]


def get(port: str, path: str) -> str:
    """Read from a leaf."""
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return str(response.read().decode())


def shown(port: str, until: int = 0) -> dict[str, Any]:
    """The board as a leaf shows it, once the sum of its clock is `until`."""
    board: dict[str, Any] = json.loads(get(port, f"/?until={until}"))
    return board


def departed(active: list[str]) -> int:
    """How many flights are gone."""
    return sum(f"Flight{number}Departed" in active for number in FLIGHTS)


async def live_a_day(net: am_rpc.NetworkMachine) -> int:
    """Ask the root for a day of traffic; return the sum of its clock after that."""
    done = net.when("DayDone")
    await net.add("Day", seed=SEED)
    await done
    return sum(await net.sync())


async def read_all(ports: list[str], until: int) -> list[dict[str, Any]]:
    """Read all leaves at the same time."""
    boards: list[dict[str, Any]] = []

    async def read(port: str) -> None:
        boards.append(await trio.to_thread.run_sync(partial(shown, port, until)))

    async with trio.open_nursery() as nursery:
        for port in ports:
            nursery.start_soon(read, port)
    return boards


def grow(tree: Tree) -> tuple[str, list[str]]:
    """Start the processes; return the address of the root and the ports of the leaves."""
    root = tree.where(tree.start("root"))
    relays = [tree.start("replica", root) for _ in range(RELAYS)]
    above = [tree.where(relay) for relay in relays]
    leaves = [tree.start("replica", above[i % RELAYS], "--http") for i in range(LEAVES)]
    return root, [tree.where(leaf) for leaf in leaves]


async def story(root: str, ports: list[str]) -> None:
    """Change the root, read the leaves, compare."""
    async with am_rpc.connect(root, timeout=10) as net:
        print(f"root: {len(net.schema)} states")
        before = await read_all(ports, 0)
        print("departed, as the leaves see it:", [departed(board["active"]) for board in before])
        ticks = await live_a_day(net)
        after = await read_all(ports, ticks)
        print(f"after a day: {ticks} ticks")
        print("departed, as the leaves see it:", [departed(board["active"]) for board in after])
        print("same as the root:", all(tuple(board["active"]) == net.active for board in after))

        began = time.monotonic()
        await net.add("Gate1Closed")  # once it is executed, the replica has the new clock
        await read_all(ports, sum(net.time()))
        print(f"a change has reached every leaf after {1000 * (time.monotonic() - began):.0f} ms")

    gone = 'am_state_active{state="Flight1Departed"} 1'
    text = await trio.to_thread.run_sync(get, ports[0], "/metrics")
    print("metrics:", gone if gone in text else "Flight1 is late")


def main() -> None:
    """Grow the tree, tell the story, write the dashboard, stop everything."""
    tree = Tree()
    try:
        root, ports = grow(tree)
        print(f"tree: 1 root, {RELAYS} relays, {len(ports)} leaves", flush=True)
        trio.run(story, root, ports)
    finally:
        codes = tree.stop()
    print(f"dashboard: {len(dashboard()['panels'])} panels")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(dashboard(), indent=2) + "\n")
    print("exit codes:", codes)


if __name__ == "__main__":
    main()
