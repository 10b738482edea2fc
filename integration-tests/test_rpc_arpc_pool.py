"""A pool of workers seen from another terminal: `arpc` beside `am-node supervisor`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]

WORKER = """
import am_node


class Doubler(am_node.Worker):
    async def work(self, n: int = 1):
        return n * 2
"""
ARPC = str(Path(sys.executable).with_name("arpc"))
PATIENCE = 40.0  # seconds; a loaded machine is slow to start processes


def arpc(addr: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [ARPC, addr, "--", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def children(pid: int) -> list[int]:
    """Process ids of the children of a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "stat").read_text()
        except OSError:  # gone meanwhile
            continue
        if told.rpartition(")")[2].split()[1] == str(pid):
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_what_a_pool_does_is_seen_as_it_happens_across_the_death_of_a_worker(
    tmp_path: Path,
) -> None:
    (tmp_path / "doubler.py").write_text(WORKER)
    addr = f"unix:{tmp_path / 's'}"
    entry = f"{tmp_path / 'doubler.py'}:Doubler"
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "am_node", "supervisor", entry, "--workers", "1", "--addr", addr],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    watch = None
    try:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline().endswith(f"listens on {addr}\n")
        ready = arpc(addr, "when", ".", "PoolReady", "WorkersAvailable", "--timeout", "30")
        assert ready.returncode == 0, ready
        watch = subprocess.Popen(
            [ARPC, addr, "--", "watch", ".", "WorkerKilled", "PoolReady", "-n", "3"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Nothing outside tells that it has begun to watch, so workers die until it has seen one.
        deadline = time.monotonic() + PATIENCE
        while watch.poll() is None and time.monotonic() < deadline:
            time.sleep(2)
            for pid in children(supervisor.pid):
                os.kill(pid, signal.SIGKILL)
        out, err = watch.communicate(timeout=PATIENCE)
        assert (watch.returncode, err) == (0, ""), out
        changes = re.findall(r"([-+~])(\w+):\d+", out)
        assert ("-", "PoolReady") in changes
        assert ("~", "WorkerKilled") in changes
        refused = arpc(addr, "add", ".", "KillWorker")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.endswith("canceled: no access to state KillWorker\n")
    finally:
        if watch is not None and watch.poll() is None:
            watch.kill()
            watch.communicate()
        supervisor.terminate()
        supervisor.communicate(timeout=PATIENCE)
