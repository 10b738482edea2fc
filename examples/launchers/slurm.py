"""Workers as tasks of Slurm: ``srun`` forwards stdin, signals and output, so little is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_node

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class SlurmLauncher(am_node.CommandLauncher):
    """One task a worker; `options` are more of srun's, such as ``--partition=long``.

    What the supervisor says that its workers need becomes srun's options, too.
    """

    def __init__(
        self,
        *options: str,
        command: Sequence[str] = ("python", "-m", "am_node", "worker"),
        srun: str = "srun",
    ) -> None:
        super().__init__([srun, "--ntasks=1", "--quiet", "--unbuffered", *options], command)

    def command_for(self, spec: am_node.WorkerSpec) -> tuple[str, ...]:
        """srun with its options, then the worker's command."""
        srun, *rest = super().command_for(spec)
        return (srun, f"--job-name={spec.worker_id}", *_needs(spec.resources), *rest)


def _needs(resources: am_node.Resources) -> Iterator[str]:
    if resources.cpus is not None:
        yield f"--cpus-per-task={max(1, round(resources.cpus))}"
    if resources.memory is not None:
        yield f"--mem={max(1, resources.memory // 2**20)}M"
    if resources.gpus is not None:
        yield f"--gpus={resources.gpus}"
