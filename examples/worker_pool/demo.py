"""The handlers of the demo: they count results, kill a worker, and compare the totals."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am
from examples.worker_pool.states import DemoStates
from examples.worker_pool.text_stats import stats_of, totals_of

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30.0  # a host that is busy takes long for the whole, and seconds for the next step
_AT_ONCE = 50  # files that one call of a thread works on: a hop for each costs as much as its work


class Demo:
    """Everything the demo knows. `changed` is called after each change.

    Once nothing was added to what is done for `patience` seconds, it stands still.
    """

    def __init__(
        self, files: list[str], supers: int, clients: int, patience: float = PATIENCE
    ) -> None:
        self.files = files
        self.patience = patience
        self.results: dict[str, Any] = {}
        self.progress = dict.fromkeys((f"client {n + 1}" for n in range(clients)), 0)
        self.shares = {name: files[n::clients] for n, name in enumerate(self.progress)}
        self.workers: dict[str, dict[str, Any]] = {}
        self.most_ready = 0
        self.restarts = [0] * supers
        self.addresses: dict[int, str] = {}
        self.directories: set[str] = set()
        self.pids: set[int] = set()
        self.certificates: tuple[str, str] = ("", "")
        # The name and the settings of what places workers; empty: they are children.
        self.launcher: tuple[str, ...] = ()
        self.supervisors: dict[int, int] = {}
        self.killed = ""
        self.again = 0
        self.done = 0
        self._waiting = trio.CancelScope()
        self.totals: dict[str, Any] = {}
        self.expected: dict[str, Any] = {}
        self.changed: Callable[[], None] = lambda: None
        self.mach = am.Machine(DemoStates, id="demo", handlers=self)

    # -- what the processes tell

    def hear_supervisor(self, number: int, line: dict[str, Any]) -> None:
        """Take one line of a supervisor."""
        if line["event"] == "ready":
            self.addresses[number] = line["addr"]
            self.directories.add(str(Path(line["local_addr"].removeprefix("unix:")).parent))
            if len(self.addresses) == len(self.restarts):
                self.mach.add("PoolReady")
        else:
            self.restarts[number] = line["restarts"]
            now = {worker["id"]: {**worker, "super": number} for worker in line["workers"]}
            gone = [w for w, row in self.workers.items() if row["super"] == number and w not in now]
            for worker in gone:
                self.workers[worker]["states"] = ["Gone"]
            self.workers.update(now)
            self.pids.update(row["pid"] for row in now.values() if row["pid"])
            ready = sum("Ready" in row["states"] for row in self.workers.values())
            if ready > self.most_ready:
                self.most_ready = ready
                self._moved()
        self.changed()

    def hear_client(self, name: str, line: dict[str, Any]) -> None:
        """Take one line of a client."""
        if line["event"] == "result":
            self.mach.add("ResultArrived", client=name, path=line["path"], result=line["result"])
        else:
            self.done += 1
            if self.done == len(self.progress):
                self.mach.add("AllDone")
        self.changed()

    # -- handlers

    def StartState(self, e: am.Event) -> None:
        """From here on it has to come further."""
        self._moved()
        self.mach.add("Moving")

    async def MovingState(self, e: am.Event) -> None:
        """Be patient; each step puts off the end of this."""
        with self._waiting:
            await trio.sleep_forever()
        self.mach.add("StoodStill")

    def _moved(self) -> None:
        # No transition: there are thousands of steps, and only the time of the last one counts.
        self._waiting.deadline = trio.current_time() + self.patience

    def PoolReadyState(self, e: am.Event) -> None:
        """Clients may come."""
        self._moved()

    def ResultArrivedState(self, e: am.Event) -> None:
        """Count a result; a third of the way, a worker is to die."""
        self.mach.remove("ResultArrived")
        path = e.args["path"]
        if path in self.results:
            self.again += 1
        else:
            self._moved()
        self.results[path] = e.args["result"]
        self.progress[e.args["client"]] += 1
        if len(self.results) >= len(self.files) // 3 and not self.killed:
            self.mach.add("WorkerKilled")

    def WorkerKilledEnter(self, e: am.Event) -> bool:
        """Only if a worker is there to be killed."""
        return self._victim() is not None

    def WorkerKilledState(self, e: am.Event) -> None:
        """Kill a worker that has a client, as a crash would: without a warning."""
        victim = self._victim()
        assert victim is not None
        self.killed = victim["id"]
        if victim["pid"]:
            os.kill(victim["pid"], signal.SIGKILL)
        else:  # it is elsewhere, in the hands of its supervisor
            os.kill(self.supervisors[victim["super"]], signal.SIGUSR1)

    def _victim(self) -> dict[str, Any] | None:
        held = [row for row in self.workers.values() if "Leased" in row["states"]]
        return max(held, key=lambda row: row["tasks"], default=None)

    async def AllDoneState(self, e: am.Event) -> None:
        """Do it all again in this process, without a pool, and compare. It takes longer than a
        handler may, so it is a task, and a thread does the work."""
        alone: dict[str, Any] = {}
        for first in range(0, len(self.files), _AT_ONCE):
            some = self.files[first : first + _AT_ONCE]
            alone |= await trio.to_thread.run_sync(_stats_by_path, some)
            self._moved()
        self.totals, self.expected = totals_of(self.results.items()), totals_of(alone.items())
        if self.totals == self.expected and not self.again:
            self.mach.add("TotalsEqual")
        self.mach.add("Compared")

    def look_around(self) -> list[str]:
        """Whatever is left of the demo's processes and sockets."""
        left = [f"process {pid}" for pid in sorted(self.pids) if _exists(pid)]
        left += [f"directory {path}" for path in sorted(self.directories) if Path(path).exists()]
        left += [f"socket {addr}" for addr in self.addresses.values() if _listens(addr)]
        if not left:
            self.mach.add("NothingLeft")
        return left


def _stats_by_path(paths: list[str]) -> dict[str, Any]:
    return {path: stats_of(Path(path)) for path in paths}


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _listens(addr: str) -> bool:
    host, _, port = addr.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
