"""Starting workers on other hosts, by ssh or by whatever command starts things there."""

from __future__ import annotations

import itertools
import shlex
from typing import TYPE_CHECKING

import trio

from .local import LocalLauncher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio import TaskStatus

    from .base import ExitInfo, WorkerHandle, WorkerSpec


class CommandLauncher(LocalLauncher):
    """Starts each worker through a local command that forwards stdin, stdout and stderr.

    `prefix` is put before the worker's command: ``["srun", "--ntasks=1"]`` makes it a launcher for
    Slurm. The workers are taken to be on other hosts: they use TCP and check no parent, and the
    forwarded stdin is their lifeline.
    """

    same_host = False

    def __init__(
        self, prefix: Sequence[str], command: Sequence[str] = ("python", "-m", "am_node", "worker")
    ) -> None:
        if not prefix:
            raise ValueError("give the command that starts workers")
        super().__init__(command)
        self._prefix = tuple(prefix)

    def command_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The prefix, then the worker's command."""
        return (*self._prefix, *super().command_for(spec))


class SshLauncher(LocalLauncher):
    """Starts workers on `hosts`, at most `slots` on each, by ``ssh -T -- host exec <command>``.

    The connection's stdin is the lifeline, so a worker ends with its supervisor or its connection.
    `ssh` is the client's command with options, for example for keys. Hosts take turns. `command`
    runs on the other host, where this package has to be installed.

    :raises ValueError: without hosts, or for a host that ssh would take for an option.
    """

    same_host = False

    def __init__(
        self,
        hosts: Sequence[str],
        slots: int = 1,
        *,
        command: Sequence[str] = ("python", "-m", "am_node", "worker"),
        ssh: Sequence[str] = ("ssh",),
    ) -> None:
        if isinstance(hosts, str) or not hosts or slots < 1:
            raise ValueError("give at least one host and one slot on each")
        for host in hosts:
            if not host or host.startswith("-"):
                raise ValueError(f"{host!r} is not a host")
        super().__init__(command)
        self._ssh = tuple(ssh)
        self._slots = slots
        self._used = dict.fromkeys(hosts, 0)
        self._turn = itertools.cycle(self._used)
        self._freed = trio.Event()
        self._places: dict[str, str] = {}

    def command_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The ssh command; what the remote shell sees is quoted."""
        remote = shlex.join(super().command_for(spec))
        return (*self._ssh, "-T", "--", self._places[spec.worker_id], f"exec {remote}")

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Start one worker on a host with a free slot; waits for one if need be."""
        host = await self._place()
        self._places[spec.worker_id] = host
        try:
            return await super().run(spec, task_status)
        finally:
            del self._places[spec.worker_id]
            self._used[host] -= 1
            self._freed.set()
            self._freed = trio.Event()

    async def _place(self) -> str:
        while True:
            for host in itertools.islice(self._turn, len(self._used)):
                if self._used[host] < self._slots:
                    self._used[host] += 1
                    return host
            await self._freed.wait()
