"""What a topic costs beside what a program would use instead: liveliness of zenoh, redis, etcd.

Peers join, move and are killed; each time counts until the last of the others has seen it. Prints a
table of medians and worst cases; `--write` renews the page. Servers listen on this host alone, and
end with this program. Wants `redis-server` and `etcd` in the PATH, and their clients for Python.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import queue
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PEERS = str(Path(__file__).with_name("compare_peers.py"))
PAGE = Path(__file__).parents[1] / "docs" / "compared.md"
SIZES = (6, 30)
PROCESSES = 6
JOINS, MOVES = 5, 30
MOVE_EVERY = 0.3
IDLE = 10.0
"""Seconds in which nothing happens, while processor time is counted."""
PATIENCE = 180.0
TITLES = {
    "topic": "a topic of am-pubsub",
    "zenoh": "zenoh, liveliness tokens",
    "redis": "redis, a key that expires",
    "etcd": "etcd, a key under a lease",
}


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


class Group:
    """Processes with peers; what they say comes in one queue."""

    def __init__(self) -> None:
        self.news: queue.SimpleQueue[tuple[float, str, str, str, int]] = queue.SimpleQueue()
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.values: dict[str, int] = {}

    def start(self, system: str, address: str, *names: str) -> None:
        """Start a process that holds these peers."""
        process = subprocess.Popen(
            [sys.executable, PEERS, system, address, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, args=(process,), daemon=True).start()
        for name in names or ("router",):
            self.running[name] = process

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.news.put(tuple(json.loads(line)))

    def until(
        self, what: str, pairs: set[tuple[str, str, int]]
    ) -> dict[tuple[str, str, int], float]:
        """Wait until each observer has seen its peer at that value; return when."""
        found: dict[tuple[str, str, int], float] = {}
        deadline = time.monotonic() + PATIENCE
        while pairs - found.keys():
            try:
                at, by, kind, who, value = self.news.get(timeout=deadline - time.monotonic())
            except (queue.Empty, ValueError):
                raise TimeoutError(f"{what}: {len(pairs - found.keys())} views missing") from None
            if kind == what and (by, who, value) in pairs:
                found.setdefault((by, who, value), at)
        return found

    def word(self, what: str) -> tuple[float, str]:
        """Wait for one piece of news of a kind; return when it was and of whom."""
        while True:
            at, _, kind, who, _ = self.news.get(timeout=PATIENCE)
            if kind == what:
                return at, who

    def move(self, name: str, value: int) -> float:
        """Ask a peer to move; return when."""
        stdin = self.running[name].stdin
        assert stdin is not None
        began = time.monotonic()
        stdin.write(f"{name} {value}\n")
        stdin.flush()
        return began

    def kill(self, *names: str) -> float:
        """Kill the processes of these peers; return when."""
        began = time.monotonic()
        for process in {self.running.pop(name) for name in names}:
            process.kill()
            process.wait()
        return began


@dataclass
class Row:
    """What was measured of one system at one size: milliseconds until the last peer has seen it."""

    system: str
    size: int
    join: list[float] = field(default_factory=list)
    view: list[float] = field(default_factory=list)
    move: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    peer_cpu: float = 0.0
    server_cpu: float | None = None

    def cells(self) -> Iterator[str]:
        """Return the cells of the table."""
        yield TITLES[self.system]
        yield str(self.size)
        for times in (self.join, self.view, self.move, self.loss):
            yield f"{statistics.median(times):,.0f} / {max(times):,.0f}"
        yield f"{self.peer_cpu:.1f}"
        yield "none" if self.server_cpu is None else f"{self.server_cpu:.1f}"


def cpu_of(pid: int) -> float:
    """Return the processor time of a process so far, in milliseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def server_of(system: str, group: Group) -> Iterator[tuple[str, int | None]]:
    """Run what the peers of a system meet at; yield its address and process, if there is one."""
    if system == "topic":
        yield "", None
        return
    address = f"127.0.0.1:{free_port()}"
    if system == "zenoh":
        group.start("router", f"tcp/{address}")
        group.word("address")
        yield f"tcp/{address}", group.running["router"].pid
        return
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(_command(system, address, folder), stdout=subprocess.DEVNULL)
        try:
            _wait_for(address, process)
            yield address, process.pid
        finally:
            process.terminate()
            process.wait()


def _command(system: str, address: str, folder: str) -> list[str]:
    host, port = address.split(":")
    if system == "redis":
        where = ["--bind", host, "--port", port, "--dir", folder]
        return ["redis-server", *where, "--save", "", "--notify-keyspace-events", "Ex"]
    peer = f"http://127.0.0.1:{free_port()}"
    clients = ["--listen-client-urls", f"http://{address}"]
    clients += ["--advertise-client-urls", f"http://{address}"]
    peers = ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    peers += ["--initial-cluster", f"default={peer}"]
    return [
        "etcd",
        "--data-dir",
        folder,
        *clients,
        *peers,
        "--logger",
        "zap",
        "--log-level",
        "error",
    ]


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def measure(system: str, size: int) -> Row:
    """Let peers of a system join, move, and be killed."""
    group, row = Group(), Row(system, size)
    rng = random.Random(size)
    names = [f"peer{number}" for number in range(size - 1)]
    try:
        with server_of(system, group) as (address, server):
            first, *others = [names[n::PROCESSES] for n in range(min(PROCESSES, len(names)))]
            address = _start(group, system, address, first, others)
            group.until("there", {(a, b, 0) for a in names for b in names if a != b})
            _idle(group, row, names, server)
            for number in range(JOINS):
                _join_and_lose(group, row, names, f"guest{number}", address)
            for _ in range(MOVES):
                _move(group, row, names, rng.choice(names))
    finally:
        for name in list(group.running):
            if name in group.running:
                _end(group, name)
    return row


def _start(
    group: Group, system: str, address: str, first: list[str], others: list[list[str]]
) -> str:
    group.start(system, address, *first)
    if system == "topic":
        # Whoever comes needs the address of one that is there.
        address = group.word("address")[1]
    for names in others:
        group.start(system, address, *names)
    return address


def _end(group: Group, name: str) -> None:
    process = group.running[name]
    group.kill(*[other for other, its in group.running.items() if its is process])


def _idle(group: Group, row: Row, names: list[str], server: int | None) -> None:
    time.sleep(3.0)
    pids = {group.running[name].pid for name in names}
    began = time.monotonic()
    peers, serving = sum(map(cpu_of, pids)), cpu_of(server) if server else 0.0
    time.sleep(IDLE)
    took = time.monotonic() - began
    row.peer_cpu = (sum(map(cpu_of, pids)) - peers) / took / len(names)
    if server:
        row.server_cpu = (cpu_of(server) - serving) / took


def _join_and_lose(group: Group, row: Row, names: list[str], guest: str, address: str) -> None:
    group.start(row.system, address, guest)
    began, _ = group.word("joins")
    both = {(name, guest, 0) for name in names} | {(guest, name, 0) for name in names}
    seen = group.until("there", both)
    row.join.append(1000 * (max(at for (by, _, _), at in seen.items() if by != guest) - began))
    row.view.append(1000 * (max(at for (by, _, _), at in seen.items() if by == guest) - began))
    time.sleep(1.0)
    killed = group.kill(guest)
    gone = group.until("gone", {(name, guest, 0) for name in names})
    row.loss.append(1000 * (max(gone.values()) - killed))


def _move(group: Group, row: Row, names: list[str], who: str) -> None:
    group.values[who] = group.values.get(who, 0) + 1
    began = group.move(who, group.values[who])
    seen = group.until("moved", {(n, who, group.values[who]) for n in names if n != who})
    row.move.append(1000 * (max(seen.values()) - began))
    time.sleep(MOVE_EVERY)


def table(rows: list[Row]) -> str:
    """Return all that was measured, as Markdown."""
    head = (
        "system", "peers", "a join is seen by all", "the newcomer sees all",
        "a change is seen by all", "a killed peer is gone for all", "CPU of a peer at rest",
        "of the server",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines)


def page(text: str, rows: list[Row], load: float) -> str:
    """Return the page with the table renewed."""
    head, _, rest = text.partition("<!-- table -->\n")
    tail = rest.partition("<!-- end of table -->\n")[2]
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("eclipse-zenoh", "redis", "etcd3gw")
    )
    note = (
        f"{os.cpu_count()} processors, load {load:.0f} at the start, "
        f"Python {platform.python_version()}, {versions}."
    )
    return f"{head}<!-- table -->\n{table(rows)}\n\n{note}\n<!-- end of table -->\n{tail}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--peers", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--write", action="store_true", help="renew docs/compared.md")
    options = parser.parse_args()
    rows, load = [], os.getloadavg()[0]
    for size in options.peers:
        for system in options.only:
            rows.append(measure(system, size))
            print("| " + " | ".join(rows[-1].cells()) + " |", flush=True)
    print(f"\n{table(rows)}")
    if options.write:
        PAGE.write_text(page(PAGE.read_text(), rows, load))


if __name__ == "__main__":
    main()
