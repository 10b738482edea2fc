"""The work that the benchmarks have done: nothing, with and without a queue, 50 ms of a processor,
or a pause.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import bare_work
import trio

import am_node

if TYPE_CHECKING:
    from threading import Barrier


class Noop(am_node.Worker):
    """Answers at once, one request in flight."""

    async def work(self, x: int) -> int:
        """Return `x`."""
        return x


class Pipelined(Noop):
    """The same with requests waiting inside the worker."""

    queue = 64


class Foreground(Noop):
    """The same with the processes of other programs."""

    background = False


class Busy(am_node.Worker):
    """Keeps one processor busy."""

    thread = False

    def work(self, x: int) -> int:
        """Compute for 50 ms of processor time."""
        return busy(x)


class Sleeper(am_node.Worker):
    """Takes time, and no processor; for a pause of 0 it is one more no-op."""

    async def work(self, pause: float) -> float:
        """Return `pause` after so many seconds."""
        if pause:
            await trio.sleep(pause)
        return pause


class PipelinedSleeper(Sleeper):
    """The same with requests waiting inside the worker."""

    queue = 64


def busy(x: int) -> int:
    """Use 50 ms of processor time."""
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    return x


def arrive(all_there: Barrier) -> None:
    """Wait until all workers of the executor are there, each with am_node imported."""
    bare_work.arrive(all_there)


def noop(x: int) -> int:
    """Return `x`."""
    return x
