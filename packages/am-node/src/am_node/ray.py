"""Workers as actors of Ray: `RayLauncher`. Needs the extra ``am-node[ray]``."""

from __future__ import annotations

from ._launchers.ray import RayLauncher as RayLauncher

__all__ = ["RayLauncher"]
