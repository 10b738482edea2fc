"""Starting workers as child processes of this one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import trio

from .._boot import BOOT_VARIABLE
from .._entry import is_frozen
from .._frozen import frozen_command
from .._interpreter import interpreter_options
from .attend import attend
from .process import start_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio import TaskStatus

    from .base import ExitInfo, WorkerHandle, WorkerSpec

# With -P a file of the current directory cannot take the place of a module that a worker needs
# before it has its supervisor's path.
MODULE = ("-P", "-m", "am_node", "worker")
_REAP_SECONDS = 5.0


class LocalLauncher:
    """The default launcher: ``python -P -m am_node worker``, or any `command` that speaks its
    protocol. Workers get this interpreter's options (``-O``, ``-W``, ``-X dev`` and so on).

    `env` is added to this process's environment, `cwd` is the directory to run in (default: this
    one's). Each worker is the leader of a process group, which dies with it, and inherits no
    descriptor but 0 to 2.

    :raises ValueError: without `command` in a frozen program that did not call `freeze_support`.
    """

    same_host = True
    lifeline = True
    output = True

    def __init__(
        self,
        command: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.command = tuple(command) or _command()
        self._env = dict(env or {})
        self._cwd = cwd

    def command_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The command line that starts `spec`; launchers built on this one override it."""
        return spec.command or self.command

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Start one worker, report its handle, return when it ended; cancelling kills its process
        group.

        :raises OSError: if it cannot be started.
        """
        process = await start_process(
            self.command_for(spec), env=self._environment(), cwd=self._cwd
        )
        try:
            return await attend(process, spec, task_status)
        finally:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _REAP_SECONDS):
                await process.wait()
            process.close()

    def _environment(self) -> dict[str, str]:
        env = {**os.environ, **self._env}
        env.pop(BOOT_VARIABLE, None)
        # A worker that is killed must not take half of its log with it.
        env.setdefault("PYTHONUNBUFFERED", "1")
        return env


def _command() -> tuple[str, ...]:
    """What starts a worker with this very interpreter, and its options."""
    if is_frozen():
        return frozen_command()
    return (sys.executable, *interpreter_options(), *MODULE)
