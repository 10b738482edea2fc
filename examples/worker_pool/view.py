"""Showing the demo: a live table in a terminal, or plain lines for logs."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Generator

    from examples.worker_pool.demo import Demo


@contextlib.contextmanager
def shown(demo: Demo, plain: bool) -> Generator[None, None, None]:
    """Show the demo while the block runs."""
    if plain:
        demo.changed = _Lines(demo).update
        yield
        return
    with Live(get_renderable=lambda: _screen(demo), refresh_per_second=10):
        yield


def summary(demo: Demo, seconds: float) -> None:
    """The result table."""
    table = Table(title=f"{len(demo.results)} tasks in {seconds:.1f} s")
    for title in ("", "pool", "single process"):
        table.add_column(title)
    for key, value in demo.totals.items():
        table.add_row(key, _short(value), _short(demo.expected[key]))
    Console(width=110).print(table)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:16] + "..."


class _Lines:
    """A line for each tenth of the work, and for each worker that comes or goes."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._tenth = 0
        self._phases: dict[str, str] = {}
        self._start = time.monotonic()

    def update(self) -> None:
        demo = self._demo
        for worker, row in demo.workers.items():
            phase = next((p for p in ("Gone", "Ready") if p in row["states"]), "")
            if phase and self._phases.get(worker) != phase:
                self._phases[worker] = phase
                killed = " (killed)" if worker == demo.killed and phase == "Gone" else ""
                self._print(f"worker {worker} pid {row['pid']}: {phase}{killed}")
        tenth = 10 * len(demo.results) // len(demo.files)
        if tenth > self._tenth:
            self._tenth = tenth
            self._print(f"{len(demo.results)} of {len(demo.files)} tasks done")

    def _print(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:6.2f} s  {text}", flush=True)


def _screen(demo: Demo) -> Group:
    bars = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    for name, done in demo.progress.items():
        bars.add_task(name, total=len(demo.shares[name]), completed=done)
    table = Table(title=f"workers, {sum(demo.restarts)} restarted")
    for title in ("worker", "pid", "state", "client", "tasks", "lived"):
        table.add_column(title)
    for row in demo.workers.values():
        table.add_row(*_cells(row, demo))
    return Group(bars, table)


def _cells(row: dict[str, Any], demo: Demo) -> list[str]:
    gone = "Gone" in row["states"]
    state = "killed" if row["id"] == demo.killed else "gone" if gone else row["work_status"]
    client = "" if gone else row["client"].removeprefix("rc-nc-super-")
    return [
        row["id"],
        str(row["pid"] or ""),
        state or "starting",
        client,
        str(row["tasks"]),
        f"{row['age']:.1f} s",
    ]
