"""Workers as tasks of Slurm: `SlurmLauncher`."""

from __future__ import annotations

from ._launchers.slurm import SlurmLauncher as SlurmLauncher

__all__ = ["SlurmLauncher"]
