"""Workers on other hosts by ssh: `SshLauncher`."""

from __future__ import annotations

from ._launchers.ssh import SshLauncher as SshLauncher

__all__ = ["SshLauncher"]
