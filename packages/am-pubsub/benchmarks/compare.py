"""What a topic costs beside what a program would use instead: liveliness of zenoh, redis, etcd.

Peers join, move and are killed; each time counts until the last of the others has seen it. Prints a
table of medians and worst cases; `--write` renews the page. Servers listen on this host alone, and
end with this program. Wants `redis-server` and `etcd` in the PATH, and their clients for Python.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
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
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

View: TypeAlias = tuple[str, str, int]
"""Who sees whom at which value."""

PEERS = str(Path(__file__).with_name("compare_peers.py"))
PAGE = Path(__file__).parents[1] / "docs" / "compared.md"
SIZES = (6, 30)
PROCESSES = 6
JOINS, MOVES = 3, 20
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


class News(NamedTuple):
    """What a peer said of another, and when it saw that."""

    at: float
    by: str
    what: str
    who: str
    value: int


class Group:
    """Processes with peers; what they say comes in one queue, and stays in one list."""

    def __init__(self) -> None:
        self.said: list[News] = []
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.values: dict[str, int] = {}
        self._queue: queue.SimpleQueue[News] = queue.SimpleQueue()

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
            self._queue.put(News(*json.loads(line)))

    def news(self, since: int) -> Iterator[News]:
        """Return all that is said from a place in the list on, in the order in which it came.

        Each process has a pipe of its own: an effect may come before its cause.
        """
        deadline = time.monotonic() + PATIENCE
        for number in itertools.count(since):
            while number >= len(self.said):
                try:
                    left = max(0.0, deadline - time.monotonic())
                    self.said.append(self._queue.get(timeout=left))
                except queue.Empty:
                    said = len(self.said) - since
                    raise TimeoutError(f"nothing more after {said} pieces of news") from None
            yield self.said[number]

    def until(self, what: str, views: set[View], since: int = 0) -> dict[View, float]:
        """Wait until each observer has seen its peer at that value; return when."""
        found: dict[View, float] = {}
        for one in self.news(since):
            view = (one.by, one.who, one.value)
            if one.what == what and view in views:
                found.setdefault(view, one.at)
                if len(found) == len(views):
                    break
        return found

    def word(self, what: str, since: int = 0) -> News:
        """Wait for the first news of a kind."""
        return next(one for one in self.news(since) if one.what == what)

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
    with server_of(system, group) as (address, server):
        try:
            # The first alone, as it is the one that all others know.
            first, rest = names[:1], names[1:]
            others = [rest[n :: PROCESSES - 1] for n in range(min(PROCESSES - 1, len(rest)))]
            address = _start(group, system, address, first, others)
            group.until("there", {(a, b, 0) for a in names for b in names if a != b})
            _idle(group, row, names, server)
            for number in range(JOINS):
                _join_and_lose(group, row, names, f"guest{number}", address)
            for _ in range(MOVES):
                _move(group, row, names, rng.choice(names))
        finally:
            group.kill(*group.running)
    return row


def _start(
    group: Group, system: str, address: str, first: list[str], others: list[list[str]]
) -> str:
    group.start(system, address, *first)
    if system == "topic":
        # Whoever comes needs the address of one that is there.
        address = group.word("address").who
    for names in others:
        group.start(system, address, *names)
    return address


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
    mark = len(group.said)
    group.start(row.system, address, guest)
    began = group.word("joins", mark).at
    both = {(name, guest, 0) for name in names} | {(guest, name, 0) for name in names}
    seen = group.until("there", both, mark)
    row.join.append(1000 * (max(at for (by, _, _), at in seen.items() if by != guest) - began))
    row.view.append(1000 * (max(at for (by, _, _), at in seen.items() if by == guest) - began))
    time.sleep(1.0)
    killed = group.kill(guest)
    gone = group.until("gone", {(name, guest, 0) for name in names}, mark)
    row.loss.append(1000 * (max(gone.values()) - killed))


def _move(group: Group, row: Row, names: list[str], who: str) -> None:
    group.values[who] = group.values.get(who, 0) + 1
    mark = len(group.said)
    began = group.move(who, group.values[who])
    seen = group.until("moved", {(n, who, group.values[who]) for n in names if n != who}, mark)
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
