"""Starting workers by whatever local command starts things elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .local import LocalLauncher
from .remote import WORKER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import WorkerSpec


class CommandLauncher(LocalLauncher):
    """Starts each worker through a local command that forwards stdin, stdout and stderr.

    `prefix` is put before the worker's command: ``["docker", "run", "-i", "image"]`` makes it a
    launcher for containers. The workers are taken to be on other hosts: they use TCP and check no
    parent, and the forwarded stdin is their lifeline. Killing one kills the local command; for ssh
    and Slurm, where that is not enough, there are launchers of their own.

    :raises ValueError: without a prefix.
    """

    same_host = False

    def __init__(self, prefix: Sequence[str], command: Sequence[str] = WORKER) -> None:
        if not prefix:
            raise ValueError("give the command that starts workers")
        super().__init__(command)
        self._prefix = tuple(prefix)

    def command_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The prefix, then the worker's command."""
        return (*self._prefix, *super().command_for(spec))
