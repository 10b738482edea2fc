"""Notes by itself what the machines of a process have done, for a test to compare with telemetry.

`plant` makes a folder to put on PYTHONPATH: with it each process that calls `debug_env` also calls
`bind` here, as an entry point. A thread then writes lines of JSON, many a second, to a file of the
process: the times before and after a look, and the counts that it saw.

Prometheus takes up to five seconds to take notice of a new target: the work of the demo is slowed
down, so that its processes live long enough to be found.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import am_machine as am

FOLDER = "AM_TEST_PROBE"
INTERVAL = 0.01
"""Seconds between two looks."""
SLOWER = 0.04
"""Seconds that each task of the demo takes longer: the whole takes some 20 s, and the worker in
place of the killed one lives two thirds of that."""


def plant(folder: Path, notes: Path) -> dict[str, str]:
    """Make what has processes probed; the environment that they need."""
    info = folder / "am_test_probe-1.dist-info"
    info.mkdir(parents=True)
    notes.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: am-test-probe\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[am_helpers.env_binders]\nprobe = am_test_probe:bind\n")
    shutil.copy(__file__, folder / "am_test_probe.py")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path, FOLDER: str(notes)}


class Account:
    """What one machine has done since it was bound."""

    def __init__(self, machine: Any) -> None:
        self.id = machine.id
        self._ref = weakref.ref(machine)
        running = machine.transition
        self._start = sum(machine.time() if running is None else running.time_before)
        self._end: int | None = None
        self.accepted = 0
        self.canceled = 0
        self.activated: dict[str, int] = {}

    def ticks(self) -> int:
        """How far its clocks have come."""
        machine = self._ref()
        if self._end is None and machine is not None:
            return sum(machine.time()) - self._start
        return self._end or 0

    def close(self, machine: Any) -> None:
        """The machine is being disposed."""
        self._end = sum(machine.time()) - self._start


class Probe(am.Tracer):
    """Keeps the accounts of machines and of their submachines."""

    def __init__(self, file: Path) -> None:
        self._accounts: dict[int, Account] = {}
        self._known: list[Account] = []
        self._file = file.open("a", buffering=1)
        threading.Thread(target=self._write, daemon=True).start()
        atexit.register(self.look, "end")

    def take(self, machine: Any) -> None:
        """A machine, and the children it has."""
        if id(machine) in self._accounts and self._accounts[id(machine)]._ref() is machine:
            return
        account = self._accounts[id(machine)] = Account(machine)
        self._known.append(account)
        machine.bind_tracer(self)
        for child in machine.children:
            if hasattr(child, "bind_tracer"):
                self.take(child)

    def machine_init(self, machine: Any) -> None:
        if "am:inner" not in machine.tags:
            self.take(machine)

    def machine_dispose(self, machine: Any) -> None:
        account = self._accounts.get(id(machine))
        if account is not None:
            account.close(machine)

    def transition_end(self, tx: Any) -> None:
        account = self._accounts.get(id(tx.machine))
        if account is None or tx.mutation.is_check:
            return
        if tx.accepted:
            account.accepted += 1
            # A multi state that is active already is among those added as well.
            for name in set(tx.added) - set(tx.before):
                account.activated[name] = account.activated.get(name, 0) + 1
        elif not tx.auto:
            account.canceled += 1

    def look(self, what: str = "") -> None:
        """Write a line."""
        before = time.time()
        seen = [
            [one.id, one.ticks(), one.accepted, one.canceled, dict(one.activated)]
            for one in list(self._known)
        ]
        line = {"what": what, "before": before, "after": time.time(), "seen": seen}
        self._file.write(json.dumps(line) + "\n")

    def _write(self) -> None:
        while True:
            self.look()
            time.sleep(INTERVAL)  # counts are noted at times of their own, as a scrape's are


_probe: Probe | None = None


def bind(machine: Any) -> None:
    """Probe a machine; what `debug_env` calls."""
    global _probe
    if _probe is None:
        name = f"{os.getpid()}-{Path(sys.argv[0]).stem or 'python'}.jsonl"
        _probe = Probe(Path(os.environ[FOLDER], name))
        if "node-worker" in machine.tags:
            _slow_down()
    _probe.take(machine)


def _slow_down() -> None:
    from examples.worker_pool import text_stats

    usual = text_stats.stats_of

    def slower(path: Path) -> dict[str, Any]:
        time.sleep(SLOWER)  # workers live long enough for Prometheus to notice them
        return usual(path)

    text_stats.stats_of = slower
