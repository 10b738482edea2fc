"""What a supervisor needs of the thing that starts processes, and nothing more.

The supervisor keeps pool, leases and health; a launcher only places one worker somewhere and tells
when it ended. Its conformance suite is `am_node.testing.LAUNCHER_CHECKS`.
"""

from __future__ import annotations

import logging
import signal as signals
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import trio

from .._escape import printable

if TYPE_CHECKING:
    from trio import TaskStatus

worker_log = logging.getLogger("am_node.worker")

LineSink = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Resources:
    """Hints for launchers that place workers: processors, bytes of memory, GPUs. Local ones ignore
    them.
    """

    cpus: float | None = None
    memory: int | None = None
    gpus: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One worker to start.

    `worker_id` names it in logs, `config` are the bytes of its `BootConfig`, `command` replaces
    the launcher's own (empty: the launcher decides), `labels` and `resources` are for launchers
    that place workers, and `on_line(stream, line)` gets each line it prints (default: the logger
    ``am_node.worker``).
    """

    worker_id: str
    config: bytes = field(repr=False)  # secrets are in it
    command: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()
    on_line: LineSink | None = None

    def line(self, stream: str, text: str) -> None:
        """Pass on a line which the worker printed on `stream` (``stdout`` or ``stderr``)."""
        if self.on_line is not None:
            self.on_line(stream, text)
        elif worker_log.isEnabledFor(logging.INFO):
            told = printable(text)
            worker_log.info(
                "[%s] %s", self.worker_id, told, extra={"worker": self.worker_id, "stream": stream}
            )


@dataclass(frozen=True, slots=True)
class ExitInfo:
    """How a worker ended: by `code` or by `signal` (the other one is None; both None if nobody
    knows).

    `stderr` is the tail of what it wrote there, `reason` says why the launcher itself ended it, if
    it did.
    """

    code: int | None = None
    signal: int | None = None
    stderr: str = ""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        return self.code == 0

    def __str__(self) -> str:
        if self.signal is not None:
            try:
                how = f"ended by {signals.Signals(self.signal).name}"
            except ValueError:
                how = f"ended by signal {self.signal}"
        else:
            how = f"exit code {self.code}" if self.code is not None else "ended"
        return f"{how} ({self.reason})" if self.reason else how


class WorkerHandle(Protocol):
    """A started worker, as its supervisor holds it. Both calls are legal at any time, also after
    its end.
    """

    @property
    def pid(self) -> int | None:
        """The process id, if it has one on this host."""

    def terminate(self) -> None:
        """Ask it to drain and end: close the lifeline, send ``SIGTERM`` or the like."""

    def kill(self) -> None:
        """End it now, with everything it started."""


@runtime_checkable
class QueuedHandle(WorkerHandle, Protocol):
    """The handle of a worker that an engine may keep waiting. Only from `placed` on it is starting.

    `pending` is what it waits for, as the engine says; ``"queued"`` if nobody says, and empty once
    it is starting.
    """

    pending: str

    async def placed(self) -> None:
        """Wait until the engine has started the process; for ever if it never does."""


@runtime_checkable
class Launcher(Protocol):
    """Starts workers.

    `same_host`: the worker shares this host's file system and process ids, so unix sockets and
    parent checks work. `lifeline`: its stdin ends when the supervisor dies; without it, the worker
    ends when its private link is gone for `Timing.remote_orphan_timeout`. `output`: what the worker
    prints reaches `WorkerSpec.line`, and the tail of its stderr `ExitInfo` (of everything, where
    the two cannot be told apart).

    A launcher may have a `start_timeout` besides: the seconds that its workers have to report,
    instead of `Timing.conn_timeout`. They count from the start; of a worker whose handle is a
    `QueuedHandle`, that is when the engine starts it, however long it was queued.
    """

    same_host: bool
    lifeline: bool
    output: bool

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Start one worker, report its handle by `task_status`, return when it ended.

        Cancelling kills it, with everything it started.

        :raises OSError: if it cannot be started.
        """
        ...


def start_timeout(launcher: Launcher, default: float) -> float:
    """The seconds that a worker of this launcher has to report, from its start."""
    seconds = getattr(launcher, "start_timeout", None)
    return default if seconds is None else float(seconds)
