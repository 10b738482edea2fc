"""The others that have no-op tasks done by processes, each with the same shape as `compare.py`
wants: opened once, then asked for a number of tasks, several times.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Self

import pool_work


class Executor:
    """`concurrent.futures.ProcessPoolExecutor` with `chunksize=1`, started by spawn."""

    name = "`ProcessPoolExecutor`, spawn, `chunksize=1`"

    def __init__(self, workers: int) -> None:
        self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown()

    @property
    def pids(self) -> list[int]:
        """Its workers."""
        return list(self._pool._processes)

    def perform(self, tasks: int) -> None:
        """Have so many done."""
        for n, result in enumerate(self._pool.map(pool_work.noop, range(tasks), chunksize=1)):
            assert result == n


class Dask:
    """`dask.distributed` on one machine, one thread per process."""

    name = "dask.distributed"

    def __init__(self, workers: int) -> None:
        import distributed

        self._cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        )
        self._client = distributed.Client(self._cluster)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()
        self._cluster.close()

    @property
    def pids(self) -> list[int]:
        """Its workers."""
        found: list[int] = [worker.pid for worker in self._cluster.workers.values()]
        return found

    def perform(self, tasks: int) -> None:
        """Have so many done."""
        futures = self._client.map(pool_work.noop, range(tasks), pure=False)
        assert self._client.gather(futures) == list(range(tasks))


class Tractor:
    """`tractor` in an interpreter of its own: its releases need an older trio than ours.

    `perform` is not measured from here: the rate is what the other program prints.
    """

    name = "tractor"

    def __init__(self, python: str, workers: int) -> None:
        self._command = [python, "-W", "ignore", str(Path(__file__).parent / "tractor_rate.py")]
        self._workers = workers

    def rate(self, tasks: int, in_flight: int) -> float:
        """Tasks a second with so many in flight per actor."""
        done = subprocess.run(
            [*self._command, str(self._workers), str(tasks), str(in_flight)],
            check=True,
            capture_output=True,
            timeout=300,
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return float(found["rate"])


def is_importable(python: str, module: str) -> bool:
    """Whether an interpreter has a module that can be imported."""
    command = [python, "-W", "ignore", "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def version(python: str, distribution: str) -> str:
    """The version of a distribution there."""
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


HERE = sys.executable
