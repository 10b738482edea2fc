"""Workers in this very process, for fast tests: the same flows without processes or threads."""

from __future__ import annotations

import signal as signals
from typing import TYPE_CHECKING

import trio

from .._boot import BootConfig
from .._entry import EXIT_ENTRY, load_entry_point
from .._errors import EntryPointError
from .._worker.host import WorkerHost
from .._worker.worker import Worker
from .base import ExitInfo, WorkerHandle, WorkerSpec

if TYPE_CHECKING:
    from trio import TaskStatus


class MemoryLauncher:
    """Runs workers as tasks of the supervisor's event loop.

    With a class given, every worker is made from it, so it may be defined inside a test. A worker
    that raises ends with exit code 70, as its process would; one that is killed ends by
    ``SIGKILL``. Workers have no stdin, and what they print is printed by this process.
    """

    same_host = True
    lifeline = False
    output = False

    def __init__(self, worker: type[Worker] | None = None) -> None:
        self._worker = worker
        self.hosts: dict[str, WorkerHost] = {}

    def entry_of(self, worker: type[Worker]) -> str:
        """The entry point of a class, which here needs no importable name."""
        self._worker = self._worker or worker
        return f"memory:{worker.__name__}"

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Run one worker until it ends; cancelling ends it at once."""
        config = BootConfig.from_bytes(spec.config)
        handle = _Handle()
        task_status.started(handle)
        try:
            with handle.scope:
                cls = self._worker or load_entry_point(config.entry)
                assert issubclass(cls, Worker)
                host = WorkerHost(cls(), _in_this_process(config))
                handle.host = self.hosts[spec.worker_id] = host
                await host.serve()
                return ExitInfo(code=host.exit_code)
        except Exception as exc:
            text = f"{type(exc).__name__}: {exc}"
            spec.line("stderr", text)
            return ExitInfo(code=_code_of(exc), stderr=text)
        finally:
            self.hosts.pop(spec.worker_id, None)
        return ExitInfo(signal=int(signals.SIGKILL))


def _code_of(exc: Exception) -> int:
    return EXIT_ENTRY if isinstance(exc, EntryPointError) else 70


def _in_this_process(config: BootConfig) -> BootConfig:
    # Everybody is in one directory, and a port would be a second kind of socket for nothing.
    if not config.local_addr:
        return config
    return config._replace(public_addr=config.local_addr + "p", near_addr="")


class _Handle:
    pid = None

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.host: WorkerHost | None = None

    def terminate(self) -> None:
        """Ask it to drain."""
        if self.host is not None and not self.host.mach.disposed:
            self.host.drain()
        elif self.host is None:
            self.kill()

    def kill(self) -> None:
        """Cancel it."""
        self.scope.cancel()
